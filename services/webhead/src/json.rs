//! Request bodies as JSON, read strictly (`security.md` E.2): UTF-8, one object, no name twice anywhere, at most 32
//! deep, nothing behind it. What is in it is taken out field by field, so that a client learns which one is wrong.

use std::{collections::BTreeMap, fmt, str::FromStr};

use foxhold_accounts::AccountError;
use foxhold_core::{Secret, hex};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

const DEPTH_MAX: usize = 32;

/// The body is not JSON as we take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an acceptable JSON object")]
pub struct JsonError;

/// The fields of a body, or of a query string.
#[derive(Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body. An empty one has no fields.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn parse(body: &[u8]) -> Result<Self, JsonError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let text = std::str::from_utf8(body).map_err(|_| JsonError)?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Strict { depth: 0 }
            .deserialize(&mut reader)
            .map_err(|_| JsonError)?;
        reader.end().map_err(|_| JsonError)?;
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(JsonError),
        }
    }

    /// Takes a field out; `null` is the same as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text that may be absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, AccountError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(AccountError::BadParameter(name)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// 107, 108.
    pub fn text(&mut self, name: &'static str) -> Result<String, AccountError> {
        self.optional_text(name)?
            .ok_or(AccountError::MissingParameter(name))
    }

    /// An id in its text form, that may be absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional_id<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, AccountError> {
        let text = self.optional_text(name)?;
        text.map(|text| text.parse().map_err(|_| AccountError::BadParameter(name)))
            .transpose()
    }

    /// An id in its text form.
    ///
    /// # Errors
    /// 107, 108.
    pub fn id<T: FromStr>(&mut self, name: &'static str) -> Result<T, AccountError> {
        self.optional_id(name)?
            .ok_or(AccountError::MissingParameter(name))
    }

    /// 32 secret bytes in hex, that may be absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional_secret(&mut self, name: &'static str) -> Result<Option<Secret<32>>, AccountError> {
        let text = self.optional_text(name)?;
        text.map(|text| {
            hex::decode(&text)
                .map(Secret::new)
                .map_err(|_| AccountError::BadParameter(name))
        })
        .transpose()
    }

    /// 32 secret bytes in hex.
    ///
    /// # Errors
    /// 107, 108.
    pub fn secret(&mut self, name: &'static str) -> Result<Secret<32>, AccountError> {
        self.optional_secret(name)?
            .ok_or(AccountError::MissingParameter(name))
    }

    /// Yes or no; no if absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, AccountError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(AccountError::BadParameter(name)),
        }
    }

    /// A whole number from zero up to 2^53-1, that may be absent.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional_number(&mut self, name: &'static str) -> Result<Option<u64>, AccountError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.as_u64().filter(|&number| number < 1 << 53);
        number.map(Some).ok_or(AccountError::BadParameter(name))
    }

    /// Texts by name, that may be absent as a whole.
    ///
    /// # Errors
    /// 107 if it is something else.
    pub fn optional_texts(
        &mut self,
        name: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, AccountError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let texts = value.as_object().and_then(|members| {
            members
                .iter()
                .map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())))
                .collect()
        });
        texts.map(Some).ok_or(AccountError::BadParameter(name))
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Any value that must be there.
    ///
    /// # Errors
    /// 108.
    pub fn any(&mut self, name: &'static str) -> Result<Value, AccountError> {
        self.take(name).ok_or(AccountError::MissingParameter(name))
    }
}

/// Reads any value, refusing what serde_json would let pass.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom("too deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(body: &[u8]) -> bool {
        Fields::parse(body).is_ok()
    }

    #[test]
    fn bodies_that_are_refused() {
        let deep =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
        let table: [(&str, &[u8]); 16] = [
            ("not JSON", b"{"),
            ("list", b"[]"),
            ("text", b"\"a\""),
            ("null", b"null"),
            ("trailing data", b"{} x"),
            ("two objects", b"{}{}"),
            ("name twice", br#"{"a":1,"a":1}"#),
            ("name twice, escaped", br#"{"a":1,"\u0061":1}"#),
            ("name twice inside", br#"{"a":[{"b":1,"b":2}]}"#),
            ("huge number", br#"{"a":1e999999}"#),
            ("invalid UTF-8", b"{\"a\":\"\xff\"}"),
            ("overlong form", b"{\"a\":\"\xc0\xaf\"}"),
            ("lone surrogate", br#"{"a":"\ud800"}"#),
            ("byte order mark", b"\xef\xbb\xbf{}"),
            ("33 deep", &deep(32)),
            ("only opening", &[b'['; 16_000]),
        ];
        for (name, body) in table {
            assert!(!is_read(body), "{name}");
        }
        assert!(is_read(&deep(31)), "32 deep");
        assert!(is_read(b"") && is_read(b" {\"__proto__\":{}} "));
    }

    #[test]
    fn each_field_says_what_is_wrong_with_it() {
        let body =
            br#"{"text":"t","number":3,"flag":true,"null":null,"list":[],"big":9007199254740992,"half":1.5,
            "negative":-1,"map":{"a":"b"},"bad_map":{"a":1}}"#;
        let fields = || Fields::parse(body).unwrap();
        let refused = |result: Option<AccountError>| result.map(|error| error.code().number());
        assert_eq!(fields().text("text").unwrap(), "t");
        assert_eq!(refused(fields().text("number").err()), Some(107));
        assert_eq!(refused(fields().text("null").err()), Some(108));
        assert_eq!(refused(fields().text("none").err()), Some(108));
        assert_eq!(fields().optional_text("none").unwrap(), None);
        assert!(fields().flag("flag").unwrap() && !fields().flag("none").unwrap());
        assert_eq!(refused(fields().flag("text").err()), Some(107));
        assert_eq!(fields().optional_number("number").unwrap(), Some(3));
        for name in ["text", "big", "half", "negative", "list"] {
            assert_eq!(refused(fields().optional_number(name).err()), Some(107), "{name}");
        }
        assert_eq!(fields().optional_texts("map").unwrap().unwrap()["a"], "b");
        for name in ["bad_map", "list", "text"] {
            assert_eq!(refused(fields().optional_texts(name).err()), Some(107), "{name}");
        }
        assert_eq!(refused(fields().secret("text").err()), Some(107));
        assert_eq!(refused(fields().id::<foxhold_core::Uid>("text").err()), Some(107));
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_or_refused(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Fields::parse(&body);
        }

        #[test]
        fn what_serde_writes_is_read(names in proptest::collection::btree_map("[a-z]{1,4}", "\\PC{0,8}", 0..8)) {
            let body = serde_json::to_vec(&names).unwrap();
            let mut fields = Fields::parse(&body).unwrap();
            for (name, text) in names {
                let name: &'static str = name.leak();
                proptest::prop_assert_eq!(fields.text(name).unwrap(), text);
            }
        }
    }
}
