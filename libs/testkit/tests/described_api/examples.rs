//! Values of a schema, and values that are nearly so. All are drawn from one seed, so that a run is like any other.

use std::collections::BTreeMap;

use foxhold_core::random;
use foxhold_ports::memory::SeededRandom;
use serde_json::{Value, json};

/// Lists and objects within one another go no deeper.
const DEPTH_MAX: usize = 6;

/// Values that mean something to the server, by the name of the member or parameter they are for.
pub(crate) type Meaningful = BTreeMap<&'static str, Vec<Value>>;

/// Draws values.
pub(crate) struct Examples<'a> {
    document: &'a Value,
    random: SeededRandom,
    meaningful: Meaningful,
}

impl<'a> Examples<'a> {
    pub(crate) fn of(document: &'a Value, seed: u64, meaningful: Meaningful) -> Self {
        Self {
            document,
            random: SeededRandom::new(seed),
            meaningful,
        }
    }

    /// A number below `count`, which is not 0.
    pub(crate) fn below(&self, count: usize) -> usize {
        let drawn = u64::from_be_bytes(random::bytes(&self.random));
        usize::try_from(drawn % count as u64).unwrap_or_default()
    }

    fn one<'b, T>(&self, of: &'b [T]) -> Option<&'b T> {
        (!of.is_empty()).then(|| &of[self.below(of.len())])
    }

    /// A value that a schema allows, for what has a name.
    pub(crate) fn value(&self, name: &str, schema: &Value) -> Value {
        self.drawn(name, schema, 0)
    }

    fn drawn(&self, name: &str, schema: &Value, depth: usize) -> Value {
        // Mostly something that means something: of random texts nearly all are refused for one and the same reason.
        if let Some(known) = self.meaningful.get(name).and_then(|known| self.one(known))
            && self.below(4) > 0
        {
            return known.clone();
        }
        let parts = self.parts(schema);
        let find = |keyword: &str| {
            parts
                .iter()
                .map(|part| &part[keyword])
                .find(|rule| !rule.is_null())
        };
        if let Some(value) = find("const") {
            return value.clone();
        }
        if let Some(value) = find("enum").and_then(|values| self.one(values.as_array()?)) {
            return value.clone();
        }
        let ways = find("oneOf").or_else(|| find("anyOf"));
        if let Some(way) = ways.and_then(|ways| self.one(ways.as_array()?)) {
            return self.drawn(name, way, depth + 1);
        }
        match self.kind(&parts) {
            "integer" | "number" => self.integer(&parts),
            "boolean" => (self.below(2) == 0).into(),
            "array" => self.array(name, &parts, depth),
            "object" => self.object(&parts, depth),
            "null" => Value::Null,
            _ => self.text(&parts).into(),
        }
    }

    fn kind<'b>(&self, parts: &[&'b Value]) -> &'b str {
        for part in parts {
            match &part["type"] {
                Value::String(kind) => return kind,
                Value::Array(kinds) => return self.one(kinds).and_then(Value::as_str).unwrap_or("null"),
                _ if part["properties"].is_object() => return "object",
                _ => {}
            }
        }
        "string"
    }

    /// A schema with all that it refers to.
    fn parts<'b>(&self, schema: &'b Value) -> Vec<&'b Value>
    where
        'a: 'b,
    {
        let mut parts = vec![schema];
        if let Some(place) = schema["$ref"].as_str() {
            let document: &'b Value = self.document;
            let found = document.pointer(place.trim_start_matches('#'));
            parts.extend(found.into_iter().flat_map(|found| self.parts(found)));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            parts.extend(self.parts(part));
        }
        parts
    }

    fn integer(&self, parts: &[&Value]) -> Value {
        let bound = |keyword: &str| parts.iter().find_map(|part| part[keyword].as_i64());
        let least = bound("minimum").unwrap_or(-3);
        let most = bound("maximum").unwrap_or(i64::from(i32::MAX));
        let among = [
            least,
            least.saturating_add(1).min(most),
            most,
            most / 2,
            7.clamp(least, most),
        ];
        among[self.below(among.len())].into()
    }

    fn array(&self, name: &str, parts: &[&Value], depth: usize) -> Value {
        let bound = |keyword: &str| parts.iter().find_map(|part| part[keyword].as_u64());
        let least = usize::try_from(bound("minItems").unwrap_or(0)).unwrap_or(0);
        let items = parts
            .iter()
            .map(|part| &part["items"])
            .find(|items| !items.is_null());
        let more = if depth < DEPTH_MAX { self.below(3) } else { 0 };
        let count = least + more;
        let item = |_| items.map_or(Value::Null, |items| self.drawn(name, items, depth + 1));
        (0..count).map(item).collect()
    }

    fn object(&self, parts: &[&Value], depth: usize) -> Value {
        let mut members = serde_json::Map::new();
        for part in parts {
            let required = part["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            for (name, schema) in part["properties"].as_object().into_iter().flatten() {
                let is_required = required.iter().any(|one| one == name);
                if is_required || (depth < DEPTH_MAX && self.below(2) == 0) {
                    members.insert(name.clone(), self.drawn(name, schema, depth + 1));
                }
            }
            if part["additionalProperties"].is_object() && self.below(2) == 0 {
                let value = self.drawn("", &part["additionalProperties"], depth + 1);
                members.insert(format!("made-{}", self.below(9)), value);
            }
        }
        Value::Object(members)
    }

    fn text(&self, parts: &[&Value]) -> String {
        if let Some(pattern) = parts.iter().find_map(|part| part["pattern"].as_str()) {
            return self.fitting(pattern);
        }
        let most = parts.iter().find_map(|part| part["maxLength"].as_u64());
        let longest = usize::try_from(most.unwrap_or(40)).unwrap_or(40);
        let texts = ["made", "", "å\u{10ffff} ", "made-2", "https://made.example"];
        let text = texts[self.below(texts.len())];
        match self.below(8) {
            0 => "l".repeat(longest),
            _ => text.chars().take(longest).collect(),
        }
    }

    /// Patterns are one set of characters and how many of them.
    fn fitting(&self, pattern: &str) -> String {
        let inside = pattern.strip_prefix("^[").and_then(|rest| rest.strip_suffix('$'));
        let (set, times) = inside
            .and_then(|inside| inside.rsplit_once(']'))
            .unwrap_or_else(|| panic!("another kind of pattern: {pattern}"));
        let times = times.trim_matches(['{', '}']);
        let most = times.split_once(',').map_or(times, |(_, most)| most);
        let count = most.parse().unwrap_or(8);
        let hexadecimal = if set.contains('a') {
            "0123456789abcdef"
        } else {
            "0123456789"
        };
        let characters: Vec<char> = hexadecimal.chars().collect();
        (0..count)
            .map(|_| characters[self.below(characters.len())])
            .collect()
    }

    /// The members that an object may have, all of them, and whether each must be there.
    fn members(&self, schema: &Value) -> BTreeMap<String, bool> {
        let mut members = BTreeMap::new();
        for part in self.parts(schema) {
            let required = part["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            for name in part["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
            {
                members.insert(name.clone(), required.iter().any(|one| one == name));
            }
        }
        members
    }

    /// Bodies that are not quite what the schema wants, each with what is wrong with it.
    pub(crate) fn broken(&self, schema: &Value) -> Vec<(String, Vec<u8>)> {
        let good = self.value("", schema);
        let mut bodies = Vec::new();
        if !good.is_object() {
            return bodies;
        }
        let mut add = |what: String, body: &Value| bodies.push((what, body.to_string().into_bytes()));
        for (name, is_required) in self.members(schema) {
            let with = |value: Value| {
                let mut body = good.clone();
                body[&name] = value;
                body
            };
            if is_required {
                let mut body = good.clone();
                if let Some(members) = body.as_object_mut() {
                    members.remove(&name);
                }
                add(format!("without {name}"), &body);
            }
            for value in strange_values() {
                let shown: String = value.to_string().chars().take(24).collect();
                add(format!("{name} = {shown}"), &with(value));
            }
        }
        let mut body = good;
        body["nobodyKnows"] = json!({ "this": [1] });
        add("a member more".to_owned(), &body);
        bodies
    }
}

/// One of each kind, and the ends of some: whatever a member is, most of these it is not.
fn strange_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("\u{0}\r\n"),
        json!("x".repeat(5_000)),
        json!([]),
        json!(["", 1, null]),
        json!({}),
        json!({ "a": { "b": [] } }),
    ]
}

/// Bodies that are no JSON object at all, whatever the call.
pub(crate) fn senseless_bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", Vec::new()),
        ("half an object", b"{\"a\":".to_vec()),
        ("a list", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("no UTF-8", b"{\"email\":\"\xff\xfe\"}".to_vec()),
        ("half a pair", b"{\"email\":\"\\ud800\"}".to_vec()),
        ("a member twice", b"{\"email\":\"a\",\"email\":\"b\"}".to_vec()),
        ("a well of lists", b"[".repeat(50_000)),
        (
            "too long",
            [b"{\"a\":\"".as_slice(), &b"x".repeat(3 << 20), b"\"}"].concat(),
        ),
    ]
}
