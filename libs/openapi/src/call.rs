//! One call: a method of a path, with all that is said of it. Filled by the handler's signature first, and by the service's
//! table after that.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema, openapi::path::ParameterIn};

use crate::handler::Handler;

/// Whether an example is one that the handler would take.
pub type Parses = fn(&Value) -> Result<(), String>;

/// A call, as far as it is described.
#[derive(Default)]
pub struct Call {
    /// In capitals.
    pub method: &'static str,
    /// With parameters in braces.
    pub path: &'static str,
    /// The handler as the table of routes names it.
    pub handler: String,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub description: Option<&'static str>,
    /// The group it is shown in.
    pub tag: &'static str,
    /// Query and header parameters.
    pub parameters: Vec<Value>,
    /// Kinds of bodies it takes, by media type.
    pub bodies: BTreeMap<&'static str, Value>,
    /// Whether there must be a body.
    pub needs_body: bool,
    /// An example of the body.
    pub example: Option<Value>,
    /// How to see that the example is good, where the handler's signature knows.
    pub parses: Option<Parses>,
    /// Answers that are no refusals, by status.
    pub answers: BTreeMap<u16, Value>,
    /// Refusals by status: numbers or codes, and what each means.
    pub refusals: BTreeMap<u16, Vec<(Value, String)>>,
    /// Ways to show who is calling, each enough by itself; an empty name stands for nobody.
    pub security: Vec<&'static str>,
    /// Types that are named.
    pub schemas: BTreeMap<String, Value>,
    /// Fields that the handler reads as if they had to be there, and that are not always.
    pub sometimes: Vec<&'static str>,
}

impl Call {
    /// A call, with all that its handler's signature tells.
    #[must_use]
    pub fn new<Args>(
        method: &'static str,
        path: &'static str,
        handler: &str,
        function: &impl Handler<Args>,
        summary: &'static str,
    ) -> Self {
        let mut call = Self {
            method,
            path,
            handler: handler.chars().filter(|c| !c.is_whitespace()).collect(),
            summary,
            ..Self::default()
        };
        function.describe(&mut call);
        call
    }

    /// Puts a type among the named ones.
    ///
    /// # Panics
    /// If another type has its name.
    pub fn named<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        if name == "Value" {
            // Any JSON.
            return json!({});
        }
        let mut found = Vec::new();
        T::schemas(&mut found);
        found.push((name.clone(), T::schema()));
        for (name, schema) in found {
            let mut schema = serde_json::to_value(schema).expect("a schema is JSON");
            tidy(&mut schema);
            put(&mut self.schemas, name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// It takes such a body.
    pub fn takes<T: ToSchema>(&mut self, media: &'static str) {
        let schema = self.named::<T>();
        self.bodies.insert(media, schema);
    }

    /// It takes such parameters in its query.
    pub fn queried<T: IntoParams>(&mut self) {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            let mut parameter = serde_json::to_value(parameter).expect("a parameter is JSON");
            tidy(&mut parameter);
            self.parameters.push(parameter);
        }
    }

    /// It answers so.
    pub fn answered<T: ToSchema>(&mut self, status: u16) {
        let schema = self.named::<T>();
        self.answers.insert(status, json_answer("Done.", &schema));
    }

    /// An example of its body: the one it was given, or what it cannot be without.
    #[must_use]
    pub fn example(&self) -> Value {
        let schema = self.bodies.get("application/json");
        let made = || schema.map_or(Value::Null, |schema| self.least(schema));
        self.example.clone().unwrap_or_else(made)
    }

    /// The least that fits a schema, as far as its examples go.
    fn least(&self, schema: &Value) -> Value {
        let own = schema.get("example").cloned();
        let target = schema["$ref"]
            .as_str()
            .and_then(|target| target.rsplit('/').next());
        if let Some(target) = target.and_then(|name| self.schemas.get(name)) {
            return own.unwrap_or_else(|| self.least(target));
        }
        let least = match (schema["allOf"].as_array(), schema["type"].as_str()) {
            (Some(parts), _) => {
                let parts = parts.iter().map(|part| self.least(part));
                let members = parts.filter_map(|part| part.as_object().cloned());
                Value::Object(members.flatten().collect())
            }
            (None, Some("string")) => json!("text"),
            (None, Some("integer")) => schema.get("maximum").cloned().unwrap_or_else(|| json!(1)),
            (None, Some("boolean")) => json!(true),
            (None, Some("object")) => self.least_members(schema),
            _ => json!({}),
        };
        own.unwrap_or(least)
    }

    fn least_members(&self, schema: &Value) -> Value {
        let required = schema["required"].as_array().into_iter().flatten();
        let members = required.filter_map(Value::as_str).map(|name| {
            let member = self.least(&schema["properties"][name]);
            (name.to_owned(), member)
        });
        Value::Object(members.collect())
    }

    /// It may be refused so. Told twice, it is one.
    pub fn refused(&mut self, status: u16, code: impl Into<Value>, meaning: &str) {
        let of_status = self.refusals.entry(status).or_default();
        let code = code.into();
        if of_status.iter().all(|(known, _)| *known != code) {
            of_status.push((code, meaning.to_owned()));
        }
    }
}

/// An answer of JSON.
#[must_use]
pub fn json_answer(description: &str, schema: &Value) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

/// Puts a named schema.
///
/// # Panics
/// If another one has its name.
pub(crate) fn put(schemas: &mut BTreeMap<String, Value>, name: String, schema: Value) {
    if let Some(known) = schemas.get(&name) {
        assert_eq!(*known, schema, "two types are called {name}");
    }
    schemas.insert(name, schema);
}

/// What is written for readers of the code is no help here: links to other types, and what Debug leaves out.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => tidy_members(members),
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_members(members: &mut Map<String, Value>) {
    // What may be absent has no default that could be sent.
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    for (name, value) in members {
        match value {
            Value::String(text) if name == "description" => *text = plain(text),
            value => tidy(value),
        }
    }
}

fn plain(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, after) = link.split_once("`]").unwrap_or((link, ""));
        told.push_str(before);
        told.push('`');
        told.push_str(name);
        told.push('`');
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, rest)| rest),
            None => after,
        };
    }
    told.push_str(rest);
    let told = told.replace('\n', " ");
    let sentences = told.split_inclusive(". ").filter(|sentence| {
        let sentence = sentence.trim();
        !(sentence.ends_with("in Debug.") || sentence.ends_with("Debug does not show it."))
    });
    sentences.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_is_for_readers_of_the_code_goes() {
        let table = [
            ("As for [`UnassignPage`].", "As for `UnassignPage`."),
            (
                "At most [`MAX`](super::MAX); each\nonce.",
                "At most `MAX`; each once.",
            ),
            ("A secret. Not shown in Debug.", "A secret."),
            ("One thing. Another.", "One thing. Another."),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected);
        }
    }
}
