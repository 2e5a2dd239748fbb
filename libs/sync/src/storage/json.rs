//! The JSON of BSOs: at most 8 levels deep, no field of a BSO twice, nothing behind the value.
//!
//! One BSO at a time, of which only the fields are kept: a body of a few megabytes can hold a million tiny values, and
//! a tree of them would take many times its length.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Refusal;

/// Deepest nesting; a list of objects of scalars is 2.
const DEPTH_MAX: u8 = 8;

/// The value of a field, as far as BSOs tell values apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    /// A truth value, or a number with a fraction, an exponent, or beyond 64 bits.
    OtherScalar,
    /// A list or an object.
    Nested,
}

/// An object as a BSO, not yet judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields {
    pub(super) id: Option<Value>,
    pub(super) payload: Option<Value>,
    pub(super) sortindex: Option<Value>,
    pub(super) ttl: Option<Value>,
    /// Whether there is a key that no BSO has, or a list or object where a BSO may have any scalar.
    pub(super) has_unknown: bool,
}

/// Reads one object that fills `bytes`; `None` for another value.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Option<Fields>, Refusal> {
    parse(bytes, Bso(Depth(DEPTH_MAX)))
}

/// Reads one list that fills `bytes`, and gives each element to `take`, `None` for what is no object. Whether it was
/// a list at all; after an error, what was taken means nothing.
pub(super) fn parse_list(bytes: &[u8], take: &mut dyn FnMut(Option<Fields>)) -> Result<bool, Refusal> {
    let depth = Depth(DEPTH_MAX);
    parse(bytes, List { depth, take })
}

fn parse<'de, S: Shape<'de>>(bytes: &'de [u8], shape: S) -> Result<S::Out, Refusal> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = As(shape).deserialize(&mut source);
    let value = value.map_err(|_| Refusal::UnparsableJson)?;
    source.end().map_err(|_| Refusal::UnparsableJson)?;
    Ok(value)
}

/// How many levels may still be entered.
#[derive(Clone, Copy)]
struct Depth(u8);

impl Depth {
    /// What is left inside of a list or object that begins here.
    fn enter<E: de::Error>(self) -> Result<Self, E> {
        let left = self.0.checked_sub(1);
        left.map(Self).ok_or_else(|| E::custom("nested too deep"))
    }

    fn skip_list<'de, A: SeqAccess<'de>>(self, mut source: A) -> Result<(), A::Error> {
        let inside = self.enter()?;
        while source.next_element_seed(As(Plain(inside)))?.is_some() {}
        Ok(())
    }

    fn skip_object<'de, A: MapAccess<'de>>(self, mut source: A) -> Result<(), A::Error> {
        let inside = self.enter()?;
        while source.next_key::<IgnoredAny>()?.is_some() {
            source.next_value_seed(As(Plain(inside)))?;
        }
        Ok(())
    }
}

/// What a value is read as.
trait Shape<'de>: Sized {
    type Out;

    fn scalar(self, value: Value) -> Self::Out;
    fn list<A: SeqAccess<'de>>(self, source: A) -> Result<Self::Out, A::Error>;
    fn object<A: MapAccess<'de>>(self, source: A) -> Result<Self::Out, A::Error>;
}

/// The value of a field.
struct Plain(Depth);

impl<'de> Shape<'de> for Plain {
    type Out = Value;

    fn scalar(self, value: Value) -> Value {
        value
    }

    fn list<A: SeqAccess<'de>>(self, source: A) -> Result<Value, A::Error> {
        self.0.skip_list(source).map(|()| Value::Nested)
    }

    fn object<A: MapAccess<'de>>(self, source: A) -> Result<Value, A::Error> {
        self.0.skip_object(source).map(|()| Value::Nested)
    }
}

/// A BSO.
struct Bso(Depth);

impl<'de> Shape<'de> for Bso {
    type Out = Option<Fields>;

    fn scalar(self, _: Value) -> Option<Fields> {
        None
    }

    fn list<A: SeqAccess<'de>>(self, source: A) -> Result<Option<Fields>, A::Error> {
        self.0.skip_list(source).map(|()| None)
    }

    fn object<A: MapAccess<'de>>(self, mut source: A) -> Result<Option<Fields>, A::Error> {
        let inside = self.0.enter()?;
        let mut fields = Fields::default();
        while let Some(key) = source.next_key_seed(KeySeed)? {
            let value = source.next_value_seed(As(Plain(inside)))?;
            let place = match key {
                Key::Id => &mut fields.id,
                Key::Payload => &mut fields.payload,
                Key::SortIndex => &mut fields.sortindex,
                Key::Ttl => &mut fields.ttl,
                Key::Ignored if value != Value::Nested => continue,
                Key::Ignored | Key::Unknown => {
                    fields.has_unknown = true;
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(de::Error::custom("a field twice"));
            }
        }
        Ok(Some(fields))
    }
}

/// A list of BSOs.
struct List<'t> {
    depth: Depth,
    take: &'t mut dyn FnMut(Option<Fields>),
}

impl<'de> Shape<'de> for List<'_> {
    type Out = bool;

    fn scalar(self, _: Value) -> bool {
        false
    }

    fn list<A: SeqAccess<'de>>(self, mut source: A) -> Result<bool, A::Error> {
        let inside = self.depth.enter()?;
        while let Some(element) = source.next_element_seed(As(Bso(inside)))? {
            (self.take)(element);
        }
        Ok(true)
    }

    fn object<A: MapAccess<'de>>(self, source: A) -> Result<bool, A::Error> {
        self.depth.skip_object(source).map(|()| false)
    }
}

/// A shape as serde wants it.
struct As<S>(S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for As<S> {
    type Value = S::Out;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<S::Out, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for As<S> {
    type Value = S::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<S::Out, E> {
        Ok(self.0.scalar(Value::Null))
    }

    fn visit_bool<E>(self, _: bool) -> Result<S::Out, E> {
        Ok(self.0.scalar(Value::OtherScalar))
    }

    fn visit_i64<E>(self, number: i64) -> Result<S::Out, E> {
        Ok(self.0.scalar(Value::Integer(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<S::Out, E> {
        let number = i64::try_from(number).map_or(Value::OtherScalar, Value::Integer);
        Ok(self.0.scalar(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<S::Out, E> {
        Ok(self.0.scalar(Value::OtherScalar))
    }

    fn visit_str<E>(self, text: &str) -> Result<S::Out, E> {
        Ok(self.0.scalar(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, source: A) -> Result<S::Out, A::Error> {
        self.0.list(source)
    }

    fn visit_map<A: MapAccess<'de>>(self, source: A) -> Result<S::Out, A::Error> {
        self.0.object(source)
    }
}

/// The keys of a BSO.
enum Key {
    Id,
    Payload,
    SortIndex,
    Ttl,
    /// Any scalar, and without meaning.
    Ignored,
    Unknown,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Key, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "id" => Key::Id,
            "payload" => Key::Payload,
            "sortindex" => Key::SortIndex,
            "ttl" => Key::Ttl,
            "modified" | "collection" => Key::Ignored,
            _ => Key::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_ends_at_eight() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let list = |body: &str| parse_list(body.as_bytes(), &mut |_| {});
        for (depth, fits) in [(8, true), (9, false)] {
            assert_eq!(parse_object(nested(depth).as_bytes()).is_ok(), fits, "{depth}");
            assert_eq!(list(&nested(depth)).is_ok(), fits, "{depth}");
        }
        assert_eq!(list(&"[".repeat(1_000_000)), Err(Refusal::UnparsableJson));
        let object = |innermost: &str| {
            let body =
                format!(r#"{{"a":{{"b":{{"c":{{"d":{{"e":{{"f":{{"g":{{"h":{innermost}}}}}}}}}}}}}}}}}"#);
            (parse_object(body.as_bytes()).is_ok(), list(&body).is_ok())
        };
        assert_eq!(object("1"), (true, true));
        assert_eq!(object("{}"), (false, false));
    }

    #[test]
    fn what_is_not_one_json_value_is_unparsable() {
        let bad: [&[u8]; 12] = [
            b"",
            b"{",
            b"[1,]",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"\"\xc0\xaf\"",
            br#""\ud800""#,
            br#"{"\ud800":1}"#,
            br#"{"ttl":1,"ttl":1}"#,
            b"1e999999",
            b"nul",
        ];
        for bytes in bad {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(parse_object(bytes), Err(Refusal::UnparsableJson), "{text:?}");
            let listed = [b"[".as_slice(), bytes, b",0]"].concat();
            assert_eq!(
                parse_list(&listed, &mut |_| {}),
                Err(Refusal::UnparsableJson),
                "{text:?}"
            );
        }
    }

    #[test]
    fn fields_are_told_apart_as_far_as_bsos_do() {
        let table = [
            ("-3", Value::Integer(-3)),
            ("null", Value::Null),
            ("true", Value::OtherScalar),
            ("2.0", Value::OtherScalar),
            ("1e3", Value::OtherScalar),
            ("18446744073709551615", Value::OtherScalar),
            ("99999999999999999999", Value::OtherScalar),
            (r#""\u0061""#, Value::Text("a".to_owned())),
            ("[1]", Value::Nested),
            (r#"{"ttl":1}"#, Value::Nested),
        ];
        for (text, value) in table {
            let fields = parse_object(format!(r#"{{"ttl":{text},"collection":{text}}}"#).as_bytes());
            let expected = Fields {
                has_unknown: value == Value::Nested,
                ttl: Some(value),
                ..Fields::default()
            };
            assert_eq!(fields, Ok(Some(expected)), "{text}");
        }
        assert!(parse_object(br#"{"Id":1}"#).unwrap().unwrap().has_unknown);
        for other in ["[]", "1", "null", r#""{}""#] {
            assert_eq!(parse_object(other.as_bytes()), Ok(None), "{other}");
        }
    }

    #[test]
    fn elements_of_a_list_come_one_by_one() {
        let mut taken = Vec::new();
        let mut take = |element: Option<Fields>| taken.push(element.map(|fields| fields.id));
        assert_eq!(parse_list(br#"[{"id":"a"},{},[{}],7]"#, &mut take), Ok(true));
        let a = Some(Value::Text("a".to_owned()));
        assert_eq!(taken, [Some(a), Some(None), None, None]);
        for other in ["{}", "7", r#""[]""#] {
            assert_eq!(parse_list(other.as_bytes(), &mut |_| {}), Ok(false), "{other}");
        }
    }
}
