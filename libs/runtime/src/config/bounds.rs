//! Bounds of whole numbers, which stand beside each key, in its schema: `#[schemars(range(min = 1, max = 100))]`. So the
//! schema that editors read, the reference and the check say the same.
//!
//! What must stay true: a number with which a process would die, hang or serve nobody is told as a fault, by its key, before
//! anything is begun.

use serde_json::{Map, Value};

use super::{Fault, Key};

/// The numbers of a configuration that are out of the bounds of its schema.
pub(super) fn faults(schema: &Value, config: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    let walk = Walk { root: schema };
    walk.value(&Key::default(), schema, config, &mut found);
    // A table that several shapes have is met once for each of them.
    found.dedup();
    found
}

struct Walk<'a> {
    root: &'a Value,
}

impl<'a> Walk<'a> {
    fn value(&self, key: &Key, schema: &'a Value, value: &Value, found: &mut Vec<Fault>) {
        for schema in self.also(schema) {
            match value {
                Value::Object(members) => self.members(key, schema, members, found),
                Value::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        self.value(&key.below(at.to_string()), &schema["items"], item, found);
                    }
                }
                value => found.extend(out_of_bounds(key, schema, value)),
            }
        }
    }

    fn members(&self, key: &Key, schema: &'a Value, members: &Map<String, Value>, found: &mut Vec<Fault>) {
        for (name, value) in members {
            let known = schema["properties"].get(name);
            let below = known.unwrap_or(&schema["additionalProperties"]);
            self.value(&key.below(name), below, value, found);
        }
    }

    /// A schema, what it refers to, and its shapes.
    fn also(&self, schema: &'a Value) -> Vec<&'a Value> {
        let shapes = ["anyOf", "oneOf", "allOf"].into_iter();
        let shapes = shapes.flat_map(|name| schema[name].as_array().into_iter().flatten());
        let place = schema["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
        let referred = place.and_then(|place| self.root.pointer(place));
        let others = shapes.chain(referred).flat_map(|other| self.also(other));
        std::iter::once(schema).chain(others).collect()
    }
}

fn out_of_bounds(key: &Key, schema: &Value, value: &Value) -> Option<Fault> {
    let value = whole(value)?;
    let (least, most) = (whole(&schema["minimum"]), whole(&schema["maximum"]));
    let is_within = least.is_none_or(|least| least <= value) && most.is_none_or(|most| value <= most);
    if is_within {
        return None;
    }
    let wanted = match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("{least} or more"),
        (None, most) => format!("at most {}", most.unwrap_or_default()),
    };
    Some(Fault {
        origin: None,
        key: key.to_string(),
        problem: "is out of bounds".to_owned(),
        fix: format!("give {wanted}"),
    })
}

fn whole(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from);
    signed.or_else(|| value.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, schema_for};
    use serde::Serialize;

    use super::*;

    #[derive(Clone, Default, JsonSchema, Serialize)]
    struct Below {
        /// At least one.
        #[schemars(range(min = 1, max = 9))]
        few: u64,
    }

    #[derive(JsonSchema, Serialize)]
    struct All {
        /// A table.
        table: Below,
        /// One that may be absent.
        optional: Option<Below>,
        /// A number that may be absent.
        #[schemars(range(max = 9))]
        number: Option<u64>,
        /// Several.
        list: Vec<Below>,
        /// By name.
        named: BTreeMap<String, Below>,
        /// Of any size.
        any: u64,
    }

    fn told(change: fn(&mut All)) -> Vec<(String, String)> {
        let few = Below { few: 5 };
        let mut all = All {
            table: few.clone(),
            optional: Some(few.clone()),
            number: Some(9),
            list: vec![few.clone(), few.clone()],
            named: BTreeMap::from([("a.b".to_owned(), few)]),
            any: u64::MAX,
        };
        change(&mut all);
        let schema = schema_for!(All).to_value();
        let found = faults(&schema, &serde_json::to_value(all).unwrap());
        found.into_iter().map(|fault| (fault.key, fault.fix)).collect()
    }

    #[test]
    fn each_number_is_held_against_the_bounds_of_its_key() {
        type Row = (fn(&mut All), &'static [(&'static str, &'static str)]);
        let table: [Row; 8] = [
            (|_| {}, &[]),
            (|all| (all.optional, all.number) = (None, None), &[]),
            (|all| all.table.few = 0, &[("table.few", "give 1 to 9")]),
            (|all| all.table.few = u64::MAX, &[("table.few", "give 1 to 9")]),
            (
                |all| all.optional = Some(Below { few: 10 }),
                &[("optional.few", "give 1 to 9")],
            ),
            (|all| all.number = Some(10), &[("number", "give 0 to 9")]),
            (|all| all.list[1].few = 0, &[("list[1].few", "give 1 to 9")]),
            (
                |all| all.named.values_mut().for_each(|one| one.few = 0),
                &[("named.\"a.b\".few", "give 1 to 9")],
            ),
        ];
        for (at, (change, expected)) in table.into_iter().enumerate() {
            let told = told(change);
            let told: Vec<_> = told
                .iter()
                .map(|(key, fix)| (key.as_str(), fix.as_str()))
                .collect();
            assert_eq!(told, expected, "row {at}");
        }
    }
}
