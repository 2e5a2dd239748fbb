//! JSON as the node accepts it: at most 8 levels deep, no key twice in one object, nothing behind the value.
//! Read into a small tree, because one bad element of a list must not spoil the others.

use std::{collections::BTreeMap, fmt};

use serde::de::{self, Deserialize as _, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Refusal;

/// Deepest nesting; a list of objects of scalars is 2.
const DEPTH_MAX: u8 = 8;

/// A JSON value, as far as BSOs tell values apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool,
    Integer(i64),
    /// A fraction, an exponent, or beyond 64 bits.
    OtherNumber,
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Reads one value that fills `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, Refusal> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Node {
        depth_left: DEPTH_MAX,
    }
    .deserialize(&mut source);
    let value = value.map_err(|_| Refusal::UnparsableJson)?;
    source.end().map_err(|_| Refusal::UnparsableJson)?;
    Ok(value)
}

struct Node {
    depth_left: u8,
}

impl Node {
    /// What is left inside of a list or object that begins here.
    fn enter<E: de::Error>(&self) -> Result<u8, E> {
        self.depth_left
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Json, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(i64::try_from(number).map_or(Json::OtherNumber, Json::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        let depth_left = self.enter()?;
        while let Some(value) = source.next_element_seed(Node { depth_left })? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        let depth_left = self.enter()?;
        while let Some(key) = source.next_key_seed(Key)? {
            let value = source.next_value_seed(Node { depth_left })?;
            if object.insert(key, value).is_some() {
                return Err(de::Error::custom("a key twice"));
            }
        }
        Ok(Json::Object(object))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<String, D::Error> {
        String::deserialize(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_ends_at_eight() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(8).as_bytes()).is_ok());
        assert_eq!(parse(nested(9).as_bytes()), Err(Refusal::UnparsableJson));
        assert_eq!(
            parse("[".repeat(1_000_000).as_bytes()),
            Err(Refusal::UnparsableJson)
        );
        assert!(parse(br#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}"#).is_ok());
        assert!(parse(br#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{}}}}}}}}}"#).is_err());
    }

    #[test]
    fn what_is_not_one_json_value_is_unparsable() {
        let bad: [&[u8]; 11] = [
            b"",
            b"{",
            b"[1,]",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"\"\xc0\xaf\"",
            br#""\ud800""#,
            br#"{"a":1,"a":1}"#,
            b"1e999999",
            b"nul",
        ];
        for bytes in bad {
            assert_eq!(
                parse(bytes),
                Err(Refusal::UnparsableJson),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn integers_are_told_from_other_numbers() {
        assert_eq!(parse(b"-3"), Ok(Json::Integer(-3)));
        for other in ["2.0", "1e3", "18446744073709551615", "99999999999999999999"] {
            assert_eq!(parse(other.as_bytes()), Ok(Json::OtherNumber), "{other}");
        }
    }
}
