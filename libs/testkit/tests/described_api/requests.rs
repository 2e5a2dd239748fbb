//! Requests for a call: some that it describes, and many that it nearly does.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::Value;

use crate::{
    document::Operation,
    examples::{Examples, senseless_bodies},
};

/// Requests of the described shape for each call and way to show who calls.
const GOOD: usize = 4;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request, before anybody shows who calls.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What is special about it.
    pub(crate) what: String,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What stands in paths, by name, where anything else would lead nowhere or touch what others need.
pub(crate) type Places = BTreeMap<&'static str, &'static str>;

/// All requests for a call.
pub(crate) fn requests(operation: &Operation<'_>, examples: &Examples<'_>, places: &Places) -> Vec<Request> {
    let maker = Maker {
        operation,
        examples,
        places,
    };
    let mut made: Vec<_> = (0..GOOD)
        .map(|number| maker.good(format!("good {number}")))
        .collect();
    made.extend(maker.bodies());
    made.extend(maker.media());
    made.extend(maker.queries());
    made.extend(maker.paths());
    made.extend(maker.headers());
    made.extend(maker.methods());
    made
}

struct Maker<'a> {
    operation: &'a Operation<'a>,
    examples: &'a Examples<'a>,
    places: &'a Places,
}

impl Maker<'_> {
    fn good(&self, what: impl Into<String>) -> Request {
        let mut headers = self.declared_headers();
        let mut body = Vec::new();
        if let Some(schema) = self.operation.body() {
            headers.push(("content-type".to_owned(), JSON.to_owned()));
            body = self.examples.value("", schema).to_string().into_bytes();
        }
        Request {
            what: what.into(),
            method: self.operation.method.clone(),
            target: self.path() + &self.query(),
            headers,
            body,
        }
    }

    fn with_body(&self, what: String, media: Option<&str>, body: Vec<u8>) -> Request {
        let mut request = self.good(what);
        request.headers.retain(|(name, _)| name != "content-type");
        let media = media.map(|media| ("content-type".to_owned(), media.to_owned()));
        request.headers.extend(media);
        request.body = body;
        request
    }

    /// Where nothing else is said, what the schema allows.
    fn path(&self) -> String {
        let mut path = self.operation.path.to_owned();
        for (name, schema) in self.operation.parameters("path") {
            let value = match self.places.get(name) {
                Some(place) => (*place).to_owned(),
                None => in_path(&self.examples.value(name, schema)),
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        path
    }

    fn query(&self) -> String {
        let mut pairs = Vec::new();
        for (name, schema) in self.operation.parameters("query") {
            if self.examples.below(2) == 0 {
                let value = self.examples.value(name, schema);
                pairs.push(format!("{name}={}", in_path(&value)));
            }
        }
        if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        }
    }

    fn declared_headers(&self) -> Vec<(String, String)> {
        let declared = self.operation.parameters("header").into_iter();
        let some = declared.filter(|_| self.examples.below(2) == 0);
        some.map(|(name, schema)| {
            let value = self.examples.value(name, schema);
            let text: String = value
                .as_str()
                .unwrap_or("made")
                .chars()
                .filter(char::is_ascii_graphic)
                .collect();
            (name.to_lowercase(), text)
        })
        .collect()
    }

    fn bodies(&self) -> Vec<Request> {
        if self.operation.method == Method::GET {
            return Vec::new();
        }
        let senseless = senseless_bodies().into_iter();
        let mut made: Vec<_> = senseless
            .map(|(what, body)| self.with_body(format!("body: {what}"), Some(JSON), body))
            .collect();
        let broken = self.operation.body().map(|schema| self.examples.broken(schema));
        for (what, body) in broken.into_iter().flatten() {
            made.push(self.with_body(format!("body: {what}"), Some(JSON), body));
        }
        made
    }

    fn media(&self) -> Vec<Request> {
        let Some(schema) = self.operation.body() else {
            return Vec::new();
        };
        let json = || self.examples.value("", schema).to_string().into_bytes();
        let mut made = Vec::new();
        for media in [
            None,
            Some("text/plain"),
            Some(FORM),
            Some("application/json; charset=utf-16"),
            Some("/"),
        ] {
            made.push(self.with_body(format!("media: {media:?}"), media, json()));
        }
        if let Some(form) = self.operation.form() {
            for number in 0..GOOD {
                let body = as_form(&self.examples.value("", form));
                made.push(self.with_body(format!("form {number}"), Some(FORM), body));
            }
            made.push(self.with_body(
                "form: senseless".to_owned(),
                Some(FORM),
                b"a=%ff&=&&%=;\0".to_vec(),
            ));
        }
        made
    }

    fn queries(&self) -> Vec<Request> {
        let declared = self.operation.parameters("query");
        let names = declared.iter().map(|(name, _)| *name).chain(["nobodyKnows"]);
        let mut made = Vec::new();
        for name in names {
            for value in [
                "",
                "x",
                "-1",
                "0",
                "1.5",
                "99999999999999999999",
                "%00",
                "%ff",
                "true",
                "null",
                "a&b=c",
            ] {
                let mut request = self.good(format!("query: {name}={value}"));
                request.target = format!("{}?{name}={value}", self.path());
                made.push(request);
            }
            let mut request = self.good(format!("query: {name} twice"));
            request.target = format!("{}?{name}=1&{name}=2", self.path());
            made.push(request);
        }
        made
    }

    fn paths(&self) -> Vec<Request> {
        let mut made = Vec::new();
        for (name, _) in self.operation.parameters("path") {
            for value in [
                "x",
                "%00",
                "%ff",
                "..%2f..",
                "%20",
                "-1",
                "1",
                "99999999999999999999",
            ] {
                let mut request = self.good(format!("path: {name}={value}"));
                request.target = self.path_with(name, value);
                made.push(request);
            }
            let mut request = self.good(format!("path: a long {name}"));
            request.target = self.path_with(name, &"l".repeat(3_000));
            made.push(request);
        }
        made
    }

    fn path_with(&self, name: &str, value: &str) -> String {
        let place = format!("{{{name}}}");
        let before = self.operation.path.replace(&place, value);
        let mut path = before;
        for (other, schema) in self.operation.parameters("path") {
            let known = self.places.get(other).map(|place| (*place).to_owned());
            let value = known.unwrap_or_else(|| in_path(&self.examples.value(other, schema)));
            path = path.replace(&format!("{{{other}}}"), &value);
        }
        path
    }

    fn headers(&self) -> Vec<Request> {
        let mut made = Vec::new();
        for (name, _) in self.operation.parameters("header") {
            for value in ["", "x", "-", "1-x", "99999999999999999999-AAAA", "\u{7f}é"] {
                let mut request = self.good(format!("header: {name}: {value:?}"));
                request.headers.retain(|(own, _)| *own != name.to_lowercase());
                if hyper::header::HeaderValue::from_str(value).is_ok() {
                    request.headers.push((name.to_lowercase(), value.to_owned()));
                }
                made.push(request);
            }
        }
        made
    }

    fn methods(&self) -> Vec<Request> {
        [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ]
        .into_iter()
        .filter(|method| *method != self.operation.method)
        .map(|method| Request {
            method,
            ..self.with_body("another method".to_owned(), None, Vec::new())
        })
        .collect()
    }
}

/// As it stands in a path or a query.
fn in_path(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    let encoded: String = encoded.collect();
    if encoded.is_empty() {
        "made".to_owned()
    } else {
        encoded
    }
}

fn as_form(value: &Value) -> Vec<u8> {
    let members = value.as_object().into_iter().flatten();
    let pairs: Vec<_> = members
        .map(|(name, value)| format!("{name}={}", in_path(value)))
        .collect();
    pairs.join("&").into_bytes()
}
