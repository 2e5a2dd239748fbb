//! A whole document: calls put together, compared with the routes, and with the file that is checked in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{Call, call::put, routes::Route, schema};

/// Set to `write` by `cargo xtask openapi`: then documents are written and not compared.
const VARIABLE: &str = "FOXHOLD_OPENAPI";

/// A document but for its calls.
pub struct Document {
    /// Its name in `docs/openapi`.
    pub file: &'static str,
    /// Title, in a few words.
    pub title: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Where such a server may be, with what it is.
    pub server: (&'static str, &'static str),
    /// The ways to show who is calling, by name.
    pub security: Value,
    /// What a refusal looks like: media type, named schema, and the member that tells which it is.
    pub refusal: (&'static str, &'static str, &'static str),
    /// What stands for parameters of a path: description and schema by name.
    pub path_parameters: BTreeMap<&'static str, Value>,
    /// Headers that every refusal of a status carries.
    pub headers: BTreeMap<u16, Value>,
    /// Its calls.
    pub calls: Vec<Call>,
}

impl Document {
    /// Holds the calls against the routes: a route without a description, a description without a route, or one of another
    /// handler is told. `but` are routes that need none.
    ///
    /// # Errors
    /// What differs, a line each.
    pub fn covers(&self, routes: &[Route], but: &[(&str, &str)]) -> Result<(), String> {
        let is_described = |route: &&Route| {
            let (path, method) = (route.path.as_str(), route.method.as_str());
            !but.contains(&(method, path))
        };
        let routed: BTreeSet<_> = routes
            .iter()
            .filter(is_described)
            .map(|route| format!("{} {} -> {}", route.method, route.path, route.handler))
            .collect();
        let told: BTreeSet<_> = self
            .calls
            .iter()
            .map(|call| format!("{} {} -> {}", call.method, call.path, call.handler))
            .collect();
        let bare = routed
            .difference(&told)
            .map(|route| format!("not described: {route}"));
        let extra = told.difference(&routed).map(|call| format!("not routed: {call}"));
        let faults: Vec<_> = bare.chain(extra).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        }
    }

    /// The document.
    ///
    /// # Panics
    /// If a call is described twice, a path has a parameter nobody knows, or two types have one name.
    #[must_use]
    pub fn made(&self) -> Value {
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        let mut schemas = BTreeMap::new();
        for call in &self.calls {
            for (name, schema) in &call.schemas {
                put(&mut schemas, name.clone(), schema.clone());
            }
            let path = paths.entry(call.path).or_default();
            let before = path.insert(call.method.to_lowercase(), self.operation(call));
            assert!(
                before.is_none(),
                "{} {} is described twice",
                call.method,
                call.path
            );
        }
        let (url, place) = self.server;
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "description": self.description,
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "MPL-2.0", "identifier": "MPL-2.0" },
            },
            "servers": [{ "url": url, "description": place }],
            "paths": paths,
            "components": { "schemas": schemas, "securitySchemes": self.security },
        })
    }

    fn operation(&self, call: &Call) -> Value {
        let mut operation = json!({
            "operationId": id(call),
            "summary": call.summary,
            "tags": [call.tag],
            "responses": self.responses(call),
            "security": security(call),
        });
        if let Some(description) = call.description {
            operation["description"] = description.into();
        }
        let parameters: Vec<Value> = self
            .path_parameters(call)
            .chain(call.parameters.clone())
            .collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if !call.bodies.is_empty() {
            let content: Map<String, Value> = call
                .bodies
                .iter()
                .map(|(media, schema)| ((*media).to_owned(), content(call, media, schema)))
                .collect();
            operation["requestBody"] = json!({ "required": call.needs_body, "content": content });
        }
        operation
    }

    fn path_parameters(&self, call: &Call) -> impl Iterator<Item = Value> {
        let names = call
            .path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next());
        names.map(|name| {
            let known = self.path_parameters.get(name);
            let mut parameter = known.unwrap_or_else(|| panic!("what is {{{name}}}?")).clone();
            parameter["name"] = name.into();
            parameter["in"] = "path".into();
            parameter["required"] = true.into();
            parameter
        })
    }

    fn responses(&self, call: &Call) -> Map<String, Value> {
        let answers = call
            .answers
            .iter()
            .map(|(status, answer)| (*status, answer.clone()));
        let refusals = call.refusals.iter().map(|(status, codes)| {
            let answer = self.refusal(*status, codes);
            (*status, answer)
        });
        let all = answers.chain(refusals);
        all.map(|(status, answer)| (status.to_string(), answer)).collect()
    }

    fn refusal(&self, status: u16, codes: &[(Value, String)]) -> Value {
        let (media, schema, member) = self.refusal;
        let mut codes = codes.to_vec();
        codes.sort_by_key(|(code, _)| {
            code.as_u64()
                .map_or_else(|| code.to_string(), |n| format!("{n:08}"))
        });
        let lines: Vec<_> = codes
            .iter()
            .map(|(code, meaning)| {
                let code = code.as_str().map_or_else(|| code.to_string(), str::to_owned);
                format!("`{code}`: {meaning}")
            })
            .collect();
        let values: Vec<_> = codes.iter().map(|(code, _)| code).collect();
        let mut answer = json!({
            "description": lines.join("  \n"),
            "content": { media: { "schema": {
                "$ref": format!("#/components/schemas/{schema}"),
                "properties": { member: { "enum": values } },
            } } },
        });
        if let Some(headers) = self.headers.get(&status) {
            answer["headers"] = headers.clone();
        }
        answer
    }

    /// Holds the document against the file that is checked in, or writes that.
    ///
    /// # Errors
    /// Where they differ first, or what is wrong with an example.
    pub fn is_checked_in(&self) -> Result<(), String> {
        let made = self.made();
        self.check_examples(&made)?;
        let mut fresh = serde_json::to_string_pretty(&made).map_err(|error| error.to_string())?;
        fresh.push('\n');
        let path = path(self.file);
        if writes() {
            return fs::write(&path, fresh).map_err(|error| format!("{}: {error}", path.display()));
        }
        let lies = fs::read_to_string(&path).unwrap_or_default();
        if lies == fresh {
            return Ok(());
        }
        let both = lies.lines().chain(std::iter::repeat("")).zip(fresh.lines());
        let first = both.enumerate().find(|(_, (lies, fresh))| lies != fresh);
        let first = first.map(|(at, (lies, fresh))| format!("line {}: {lies:?} is {fresh:?} now", at + 1));
        Err(format!(
            "docs/openapi/{} is not what the code says; run `cargo xtask openapi`. {}",
            self.file,
            first.unwrap_or_else(|| "It is longer.".to_owned()),
        ))
    }

    /// An example has to be one: of its schema, and for the handler.
    fn check_examples(&self, made: &Value) -> Result<(), String> {
        for call in &self.calls {
            let Some(schema) = call.bodies.get("application/json") else {
                continue;
            };
            let example = call.example();
            let fault = |fault: String| format!("example of {} {}: {fault}", call.method, call.path);
            schema::check(made, schema, &example).map_err(fault)?;
            call.parses
                .map_or(Ok(()), |parses| parses(&example))
                .map_err(fault)?;
        }
        Ok(())
    }
}

fn content(call: &Call, media: &str, schema: &Value) -> Value {
    let mut content = json!({ "schema": schema });
    if media.ends_with("json") {
        content["example"] = call.example();
    }
    content
}

fn security(call: &Call) -> Vec<Value> {
    let ways = call.security.iter().map(|way| match *way {
        "" => json!({}),
        way => json!({ way: [] }),
    });
    ways.collect()
}

/// Stays while method and path stay: names of functions in generated clients.
fn id(call: &Call) -> String {
    let words = call.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", call.method.to_lowercase(), words.join("_"))
}

/// Where a document lies.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/openapi")
        .join(file)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no arguments that the one who runs it could set"
)]
fn writes() -> bool {
    std::env::var(VARIABLE).is_ok_and(|value| value == "write")
}
