//! What a handler reads that takes its body field by field: found in its source, and held against the type that describes
//! it. So such a type cannot name a field that nobody reads, nor forget one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    Call,
    source::{bracketed, function},
};

/// How a field is read, by the reader's method: the JSON type, and whether it has to be there.
pub struct Reader {
    /// Name of the method.
    pub method: &'static str,
    /// The type that a field has; empty = any.
    pub json: &'static str,
    /// Whether it is refused without it.
    pub needed: bool,
}

/// What reads fields: methods of the body, and sources of handlers by module.
pub struct Readers<'a> {
    /// Methods of the type that holds a body's fields.
    pub body: &'a [Reader],
    /// Methods of the type that holds a query.
    pub query: &'a [&'a str],
    /// Sources of all handlers: module as the table of routes names it, and text.
    pub sources: &'a [(&'a str, &'a str)],
}

/// What a handler reads.
#[derive(Debug, Default)]
struct Read {
    /// Fields of the body: types, and whether some reader needs it.
    body: BTreeMap<String, (BTreeSet<&'static str>, bool)>,
    query: BTreeSet<String>,
}

impl Readers<'_> {
    /// Holds a call's body and query against what its handler reads. `handler` is the one that really reads.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, call: &Call, handler: &str) -> Result<(), String> {
        let (module, name) = handler.rsplit_once("::").unwrap_or(("", handler));
        let mut read = Read::default();
        let mut seen = BTreeSet::new();
        if !self.follow(module, name, &mut read, &mut seen) {
            return Err(format!("{handler} is not found"));
        }
        let described = body_of(call);
        let fault = |what: String| Err(format!("{} {}: {what}", call.method, call.path));
        let names: BTreeSet<&str> = described.keys().copied().collect();
        let fields: BTreeSet<&str> = read.body.keys().map(String::as_str).collect();
        if names != fields {
            return fault(format!("reads {fields:?}, described are {names:?}"));
        }
        for (name, (types, needed)) in &read.body {
            let (schema, required) = described[name.as_str()];
            if required != *needed && !call.sometimes.contains(&name.as_str()) {
                return fault(format!("{name} needed: {needed}"));
            }
            if !types
                .iter()
                .all(|json| json.is_empty() || has_type(call, schema, json))
            {
                return fault(format!("{name} is {types:?}"));
            }
        }
        let asked: BTreeSet<String> = call.parameters.iter().filter_map(queried).collect();
        if asked != read.query {
            return fault(format!(
                "reads the query's {:?}, described are {asked:?}",
                read.query
            ));
        }
        Ok(())
    }

    /// Reads a function and those that it hands its body to.
    fn follow(&self, module: &str, name: &str, read: &mut Read, seen: &mut BTreeSet<String>) -> bool {
        let of_module = self.sources.iter().find(|(known, _)| *known == module);
        let elsewhere = self.sources.iter().filter(|(known, _)| *known != module);
        let all = of_module.into_iter().chain(elsewhere);
        let found = all
            .filter_map(|(module, source)| Some((*module, function(source, name)?)))
            .next();
        let Some((module, text)) = found else { return false };
        if !seen.insert(format!("{module}::{name}")) {
            return true;
        }
        self.read(&text, read);
        for (helper, field) in helpers(&text) {
            self.follow(module, helper, read, seen);
            // One that is told the name reads it, whatever it is.
            if let Some(field) = field {
                read.body.entry(field.to_owned()).or_default().1 = true;
            }
        }
        true
    }

    fn read(&self, text: &str, read: &mut Read) {
        for reader in self.body {
            for (owner, field) in calls(text, reader.method) {
                if !owner.ends_with("query") {
                    let (types, needed) = read.body.entry(field).or_default();
                    types.insert(reader.json);
                    *needed |= reader.needed;
                }
            }
        }
        for method in self.query {
            let asked = calls(text, method).into_iter();
            let asked = asked.filter(|(owner, _)| owner.ends_with("query"));
            read.query.extend(asked.map(|(_, name)| name));
        }
    }
}

/// Where a method is called with a name, or with a constant of the same function: what it is called on, and the name.
fn calls(text: &str, method: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, start) in text.match_indices(&format!(".{method}")) {
        let rest = &text[at + start.len()..];
        let rest = match rest.strip_prefix("::<") {
            Some(generic) => generic.split_once(">(").map_or("", |(_, rest)| rest),
            None => rest.strip_prefix('(').unwrap_or_default(),
        };
        let argument = rest.split([')', ',']).next().unwrap_or_default();
        let name = match argument.strip_prefix('"') {
            Some(literal) => literal.strip_suffix('"').map(str::to_owned),
            None => constant(text, argument),
        };
        if let Some(name) = name {
            found.push((text[..at].to_owned(), name));
        }
    }
    found
}

fn constant(text: &str, name: &str) -> Option<String> {
    let is_constant = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let (_, rest) = text
        .split_once(&format!("const{name}:&str=\""))
        .filter(|_| is_constant)?;
    rest.split('"').next().map(str::to_owned)
}

/// Functions that are called with the body's fields, or with the whole call; and the name of a field, if they are told one.
fn helpers(text: &str) -> Vec<(&str, Option<&str>)> {
    let body = text.split_once('{').map_or("", |(_, body)| body);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in body.match_indices('(') {
        let name = body[..at].rsplit(|c| !is_word(c)).next().unwrap_or_default();
        let is_method = body[..at - name.len()].ends_with('.');
        // Without blanks a keyword sticks to it.
        let name = name.strip_prefix("match").unwrap_or(name);
        let inside = bracketed(&body[at..]).unwrap_or_default();
        let hands_on = inside
            .split(',')
            .any(|argument| matches!(argument, "fields" | "&mutfields" | "&mutcall" | "&mutcall.fields"));
        if hands_on && !is_method && !name.is_empty() {
            let literal = inside
                .split(',')
                .find_map(|argument| argument.strip_prefix('"')?.strip_suffix('"'));
            found.push((name, literal));
        }
    }
    found
}

/// Members of the body that a call describes, and whether each is required.
fn body_of(call: &Call) -> BTreeMap<&str, (&Value, bool)> {
    let mut found = BTreeMap::new();
    let Some(body) = call.bodies.get("application/json") else {
        return found;
    };
    let name = body["$ref"].as_str().and_then(|target| target.rsplit('/').next());
    let mut parts: Vec<&Value> = name.and_then(|name| call.schemas.get(name)).into_iter().collect();
    while let Some(part) = parts.pop() {
        if let Some(name) = part["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
            parts.extend(call.schemas.get(name));
        }
        parts.extend(part["allOf"].as_array().into_iter().flatten());
        let required = part["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, schema) in part["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|known| known == name.as_str());
            found.insert(name.as_str(), (schema, is_required));
        }
    }
    found
}

/// Whether a schema takes values of a JSON type, also by what it refers to.
fn has_type(call: &Call, schema: &Value, json: &str) -> bool {
    let of_target = schema["$ref"]
        .as_str()
        .and_then(|target| target.rsplit('/').next());
    if let Some(target) = of_target.and_then(|name| call.schemas.get(name)) {
        return has_type(call, target, json);
    }
    let ways = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|name| schema[name].as_array());
    if ways.flatten().any(|way| has_type(call, way, json)) {
        return true;
    }
    match &schema["type"] {
        Value::String(name) => name == json,
        Value::Array(names) => names.iter().any(|name| name == json),
        _ => false,
    }
}

fn queried(parameter: &Value) -> Option<String> {
    (parameter["in"] == "query").then(|| parameter["name"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_are_read() {
        let source = r#"
fn handle(mut call: OpenCall) -> Answer {
    const NAME: &str = "named";
    let keys = call.query.flag("keys")?;
    let id: Id = call
        .fields
        .id("id")?;
    call.fields.optional_text(NAME)?;
    helper(&mut call.fields)
}

fn helper(fields: &mut Fields) {
    fields.flag("on")?;
    match object(fields, "payload")? {}
    fields.unknown("no");
}
"#;
        let body = [
            ("id", "string", true),
            ("optional_text", "string", false),
            ("flag", "boolean", false),
        ];
        let body = body.map(|(method, json, needed)| Reader { method, json, needed });
        let readers = Readers {
            body: &body,
            query: &["flag"],
            sources: &[("m", source)],
        };
        let mut read = Read::default();
        assert!(readers.follow("m", "handle", &mut read, &mut BTreeSet::new()));
        let told: Vec<_> = read
            .body
            .iter()
            .map(|(name, (_, needed))| (name.as_str(), *needed))
            .collect();
        assert_eq!(
            told,
            [("id", true), ("named", false), ("on", false), ("payload", true)]
        );
        assert_eq!(read.query, BTreeSet::from(["keys".to_owned()]));
        assert!(!readers.follow("m", "nobody", &mut read, &mut BTreeSet::new()));
    }
}
