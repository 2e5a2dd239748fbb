//! JSON held against a schema, as far as our documents use them. Strict: a member that the schema does not name is a fault
//! unless it says that others may be there, and a keyword that is not known here breaks the test.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Checks a value; references are looked up in `document`.
///
/// # Errors
/// The first fault, with the way to it.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    Checker { document }.check(schema, value, "")
}

struct Checker<'a> {
    document: &'a Value,
}

/// Keywords that say nothing about a value, or nothing that is checked here.
const SILENT: [&str; 9] = [
    "description",
    "title",
    "example",
    "examples",
    "format",
    "default",
    "propertyNames",
    "uniqueItems",
    "deprecated",
];

impl<'a> Checker<'a> {
    fn check(&self, schema: &'a Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(schema) = schema.as_object() else {
            return match schema {
                Value::Bool(false) => Err(format!("{at}: nothing may be here")),
                _ => Ok(()),
            };
        };
        for (keyword, rule) in schema {
            self.keyword(keyword, rule, value, at)?;
        }
        self.members(schema, value, at)
    }

    fn keyword(&self, keyword: &str, rule: &'a Value, value: &Value, at: &str) -> Result<(), String> {
        let holds = match keyword {
            "$ref" | "allOf" | "properties" | "required" | "additionalProperties" => true,
            "type" => is_of_type(rule, value),
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "const" => rule == value,
            "oneOf" | "anyOf" => return self.one_of(keyword, rule, value, at),
            "items" => return self.items(rule, value, at),
            "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
            "minLength" => value.as_str().is_none_or(|text| count(text) >= number(rule)),
            "maxLength" => value.as_str().is_none_or(|text| count(text) <= number(rule)),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as f64 >= number(rule)),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| list.len() as f64 <= number(rule)),
            "minimum" => value.as_f64().is_none_or(|found| found >= number(rule)),
            "maximum" => value.as_f64().is_none_or(|found| found <= number(rule)),
            silent if SILENT.contains(&silent) => true,
            unknown => return Err(format!("{at}: no check for `{unknown}`")),
        };
        if holds {
            Ok(())
        } else {
            Err(format!("{at}: not {keyword} {rule}: {value}"))
        }
    }

    fn one_of(&self, keyword: &str, rule: &'a Value, value: &Value, at: &str) -> Result<(), String> {
        let ways = rule.as_array().map(Vec::as_slice).unwrap_or_default();
        let faults: Vec<_> = ways
            .iter()
            .filter_map(|way| self.check(way, value, at).err())
            .collect();
        let fitting = ways.len() - faults.len();
        if fitting == 1 || (fitting > 1 && keyword == "anyOf") {
            return Ok(());
        }
        Err(format!(
            "{at}: {fitting} of {keyword} fit; {}",
            faults.join("; or ")
        ))
    }

    fn items(&self, rule: &'a Value, value: &Value, at: &str) -> Result<(), String> {
        let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
        values
            .iter()
            .enumerate()
            .try_for_each(|(number, value)| self.check(rule, value, &format!("{at}[{number}]")))
    }

    /// Members of an object: those of the schema itself, of what it refers to, and of all its parts.
    fn members(&self, schema: &'a Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
        let parts = self.parts(schema)?;
        for part in &parts {
            for (keyword, rule) in *part {
                self.keyword(keyword, rule, value, at)?;
            }
        }
        let Value::Object(members) = value else {
            return Ok(());
        };
        let mut known: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for part in &parts {
            for (name, rule) in part
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                known.entry(name).or_default().push(rule);
            }
            let required = part
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for name in required.filter_map(Value::as_str) {
                if !members.contains_key(name) {
                    return Err(format!("{at}: {name} is missing"));
                }
            }
        }
        let others = parts.iter().find_map(|part| part.get("additionalProperties"));
        // `{}` and `{"oneOf": …}` say nothing about members.
        let is_open = known.is_empty() && others.is_none();
        for (name, value) in members {
            let at = format!("{at}.{name}");
            match (known.get(name.as_str()), others) {
                (Some(rules), _) => rules.iter().try_for_each(|rule| self.check(rule, value, &at))?,
                (None, Some(rule)) => self.check(rule, value, &at)?,
                (None, None) if is_open => {}
                (None, None) => return Err(format!("{at} is not described")),
            }
        }
        Ok(())
    }

    fn parts(&self, schema: &'a Map<String, Value>) -> Result<Vec<&'a Map<String, Value>>, String> {
        let mut parts = vec![schema];
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = self.document.pointer(target.trim_start_matches('#'));
            let found = found.and_then(Value::as_object);
            parts.extend(self.parts(found.ok_or_else(|| format!("{target} leads nowhere"))?)?);
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            parts.extend(self.parts(part.as_object().ok_or("a part is no schema")?)?);
        }
        Ok(parts)
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    rule.as_array()
        .map_or_else(|| is(rule), |names| names.iter().any(is))
}

fn number(rule: &Value) -> f64 {
    rule.as_f64().unwrap_or(f64::NAN)
}

fn count(text: &str) -> f64 {
    text.chars().count() as f64
}

/// `^[set]{n}$`, `^[set]{n,m}$`, `^[set]+$`: all that our documents have.
fn matches(rule: &Value, text: &str) -> bool {
    let rule = rule.as_str().unwrap_or_default();
    let inside = rule.strip_prefix("^[").and_then(|rest| rest.strip_suffix('$'));
    let Some((set, times)) = inside.and_then(|inside| inside.rsplit_once(']')) else {
        return false;
    };
    let (least, most) = match times.trim_matches(['{', '}']) {
        "+" => (1, usize::MAX),
        "*" => (0, usize::MAX),
        times => {
            let (least, most) = times.split_once(',').unwrap_or((times, times));
            (
                least.parse().unwrap_or(usize::MAX),
                most.parse().unwrap_or(usize::MAX),
            )
        }
    };
    let length = text.chars().count();
    (least..=most).contains(&length) && text.chars().all(|c| is_in(set, c))
}

fn is_in(set: &str, wanted: char) -> bool {
    let set: Vec<char> = set.chars().filter(|c| *c != '\\').collect();
    let mut rest = &set[..];
    loop {
        match rest {
            [from, '-', to, others @ ..] => {
                if (*from..=*to).contains(&wanted) {
                    return true;
                }
                rest = others;
            }
            [one, others @ ..] => {
                if *one == wanted {
                    return true;
                }
                rest = others;
            }
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_and_what_does_not() {
        let document = json!({ "components": { "schemas": { "Named": {
            "type": "object",
            "required": ["id"],
            "properties": { "id": { "type": "string", "pattern": "^[0-9a-f]{4}$" }, "n": { "type": ["integer", "null"] } },
        } } } });
        let named =
            json!({ "$ref": "#/components/schemas/Named", "properties": { "n": { "enum": [1, null] } } });
        let map = json!({ "type": "object", "additionalProperties": { "type": "integer", "maximum": 3 } });
        let either = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": named }] });
        let table = [
            (&named, json!({"id": "00ff"}), true),
            (&named, json!({"id": "00ff", "n": 1}), true),
            (&named, json!({"id": "00ff", "n": 2}), false),
            (&named, json!({"id": "00FF"}), false),
            (&named, json!({"id": "00ff0"}), false),
            (&named, json!({"n": 1}), false),
            (&named, json!({"id": "00ff", "other": 1}), false),
            (&named, json!("00ff"), false),
            (&map, json!({"a": 3}), true),
            (&map, json!({"a": 4}), false),
            (&either, json!("a"), true),
            (&either, json!([{"id": "00ff"}]), true),
            (&either, json!([{"id": 1}]), false),
            (&either, json!(1), false),
        ];
        for (schema, value, fits) in table {
            assert_eq!(
                check(&document, schema, &value).is_ok(),
                fits,
                "{value} of {schema}"
            );
        }
        let unknown = json!({ "multipleOf": 2 });
        assert!(check(&document, &unknown, &json!(2)).is_err());
        assert!(check(&document, &json!({ "$ref": "#/none" }), &json!(2)).is_err());
    }

    #[test]
    fn sets_of_patterns() {
        let table = [
            ("^[0-9a-f]{2}$", "f0", true),
            ("^[0-9a-f]{2}$", "g0", false),
            ("^[A-Za-z0-9_-]+$", "a-_9", true),
            ("^[A-Za-z0-9_-]+$", "", false),
            ("^[0-9]{0,2}$", "123", false),
            ("[0-9]", "1", false),
        ];
        for (rule, text, fits) in table {
            assert_eq!(matches(&json!(rule), text), fits, "{text} of {rule}");
        }
    }
}
