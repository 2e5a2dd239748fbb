//! Real answers held against a document that is checked in: tests of services send each of theirs through here, so that a
//! document that lies does not last.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{document::path, schema};

/// A document that is checked in.
pub struct Described(Value);

impl Described {
    /// The document of that name. Read once.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn open(file: &'static str) -> Arc<Self> {
        static OPEN: Mutex<BTreeMap<&str, Arc<Described>>> = Mutex::new(BTreeMap::new());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(file).or_insert_with(|| Arc::new(Self::read(file))))
    }

    fn read(file: &str) -> Self {
        let path = path(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).expect("a document is JSON"))
    }

    /// All of it, for who makes requests from it.
    #[must_use]
    pub const fn document(&self) -> &Value {
        &self.0
    }

    /// Whether a call could have got this answer. A path or method that is not described says nothing.
    ///
    /// # Errors
    /// How the answer differs from the document.
    pub fn check(
        &self,
        (method, path): (&str, &str),
        status: u16,
        media: &str,
        body: &[u8],
    ) -> Result<(), String> {
        let Some(call) = self.call(method, path) else {
            return Ok(());
        };
        self.check_answer(call, status, media, body)
            .map_err(|fault| format!("{method} {path}, {status}: {fault}"))
    }

    fn check_answer(&self, call: &Value, status: u16, media: &str, body: &[u8]) -> Result<(), String> {
        let answer = &call["responses"][status.to_string()];
        if answer.is_null() {
            return Err(format!(
                "no such status is described; {}",
                String::from_utf8_lossy(body)
            ));
        }
        let Some(content) = answer.get("content") else {
            return if body.is_empty() {
                Ok(())
            } else {
                Err("a body where none is described".to_owned())
            };
        };
        let media = media.split(';').next().unwrap_or_default();
        let schema = content.get(media).and_then(|content| content.get("schema"));
        let schema = schema.ok_or_else(|| format!("{media:?} is not described"))?;
        if !media.ends_with("json") {
            return Ok(());
        }
        let body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        schema::check(&self.0, schema, &body)
    }

    /// The call that a path means; one without parameters goes first.
    fn call(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.0["paths"].as_object()?;
        let called = paths.get(path).or_else(|| {
            let fitting = paths.iter().find(|(template, _)| fits(template, path));
            fitting.map(|(_, called)| called)
        });
        called?.get(method.to_lowercase())
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut of_template, mut of_path) = (template.split('/'), path.split('/'));
    loop {
        match (of_template.next(), of_path.next()) {
            (None, None) => return true,
            (Some(name), Some(segment)) if name.starts_with('{') => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(name), Some(segment)) if name == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_to_be_one_of_those_described() {
        let refs = json!({ "schema": { "type": "object", "required": ["a"], "properties": { "a": {} } } });
        let described = Described(json!({ "paths": {
            "/a/b": { "get": { "responses": { "204": { "description": "" } } } },
            "/a/{id}": { "post": { "responses": { "200": { "content": { "application/json": refs } } } } },
        } }));
        let ok =
            |call, status, media, body: &str| described.check(call, status, media, body.as_bytes()).is_ok();
        assert!(ok(("GET", "/a/b?x=1"), 204, "", ""));
        assert!(!ok(("GET", "/a/b"), 204, "", "x"));
        assert!(!ok(("GET", "/a/b"), 200, "", ""));
        assert!(ok(("POST", "/a/1"), 200, "application/json", r#"{"a":1}"#));
        assert!(!ok(("POST", "/a/1"), 200, "application/json", "{}"));
        assert!(!ok(("POST", "/a/1"), 200, "text/html", "{}"));
        assert!(ok(("PUT", "/a/1"), 500, "", ""), "says nothing");
        assert!(ok(("POST", "/a/1/2"), 500, "", ""), "says nothing");
    }
}
