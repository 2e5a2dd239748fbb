//! One BSO: what a request may say about it, and what becomes of the stored one (`storage.md` 6).

use super::{
    BsoId, CollectionName, Limits, Refusal, Tick,
    json::{self, Fields, Value},
};

/// What a request says about one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// Nothing: the stored value stays.
    #[default]
    Absent,
    /// `null`: back to the default.
    Reset,
    /// A value.
    Set(T),
}

impl<T> Field<T> {
    /// Whether the request names the field at all.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The value the field has after this change of `stored`.
    pub fn over(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Absent => stored,
            Self::Reset => None,
            Self::Set(value) => Some(value),
        }
    }

    fn after(self, earlier: Self) -> Self {
        if self.is_given() { self } else { earlier }
    }
}

/// What one request, or a batch, says about one BSO. `P` is the payload: text, or where a store has put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change<P> {
    /// The payload; the default is the empty text.
    pub payload: Field<P>,
    /// The sort index; the default is none.
    pub sortindex: Field<i32>,
    /// Seconds to live from the write; the default is for ever.
    pub ttl_secs: Field<u32>,
}

impl<P> Change<P> {
    /// `earlier` and this as one change: field by field, the later word counts.
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        Self {
            payload: self.payload.after(earlier.payload),
            sortindex: self.sortindex.after(earlier.sortindex),
            ttl_secs: self.ttl_secs.after(earlier.ttl_secs),
        }
    }
}

/// What is stored of a BSO beside its id and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Last modified.
    pub modified: Tick,
    /// Sort index.
    pub sortindex: Option<i32>,
    /// It is absent from this moment on.
    pub expiry: Option<Tick>,
}

impl Record {
    /// Whether it exists for anybody at `now`.
    #[must_use]
    pub fn is_visible(&self, now: Tick) -> bool {
        self.expiry.is_none_or(|expiry| expiry > now)
    }

    /// What a write at `time` makes of `stored`. The caller passes `None` for an absent or expired BSO: an expired one
    /// must not lend its values to a new one.
    #[must_use]
    pub fn written<P>(stored: Option<Self>, change: &Change<P>, time: Tick) -> Self {
        let touched = change.payload.is_given() || change.sortindex.is_given();
        let modified = match stored {
            Some(stored) if !touched => stored.modified,
            _ => time,
        };
        let expires = match change.ttl_secs {
            Field::Absent => Field::Absent,
            Field::Reset => Field::Reset,
            // T may lie ahead of the clock; what is never to be seen must not wait for it.
            Field::Set(0) => Field::Set(Tick::ZERO),
            Field::Set(secs) => Field::Set(time.plus_secs(u64::from(secs))),
        };
        Self {
            modified,
            sortindex: change.sortindex.over(stored.and_then(|stored| stored.sortindex)),
            expiry: expires.over(stored.and_then(|stored| stored.expiry)),
        }
    }
}

/// Why one BSO of an upload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// An id that cannot exist.
    Id,
    /// Not an integer in its range.
    SortIndex,
    /// Not an integer in its range.
    Ttl,
    /// Not text.
    Payload,
    /// A key that no BSO has.
    UnknownField,
    /// Over `max_record_payload_bytes`.
    PayloadTooLarge,
    /// Beyond `max_post_records`: send it again in another request.
    RetryBso,
    /// Beyond `max_post_bytes`: send it again in another request.
    RetryBytes,
}

impl Invalid {
    /// The word for it in `failed`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Id => "invalid id",
            Self::SortIndex => "invalid sortindex",
            Self::Ttl => "invalid ttl",
            Self::Payload => "invalid payload",
            Self::UnknownField => "unknown field",
            Self::PayloadTooLarge => "payload too large",
            Self::RetryBso => "retry bso",
            Self::RetryBytes => "retry bytes",
        }
    }
}

const NUMBER_MAX: i32 = 999_999_999;

/// Reads a BSO's fields; `id` is left to the caller, who knows where it must come from.
pub(super) fn read_change(fields: Fields, limits: &Limits) -> Result<Change<String>, Invalid> {
    let change = Change {
        payload: read_payload(fields.payload, limits)?,
        sortindex: read_number(fields.sortindex, -NUMBER_MAX).ok_or(Invalid::SortIndex)?,
        ttl_secs: read_ttl(fields.ttl).ok_or(Invalid::Ttl)?,
    };
    if fields.has_unknown {
        Err(Invalid::UnknownField)
    } else {
        Ok(change)
    }
}

fn read_payload(value: Option<Value>, limits: &Limits) -> Result<Field<String>, Invalid> {
    match value {
        None => Ok(Field::Absent),
        Some(Value::Null) => Ok(Field::Reset),
        Some(Value::Text(text)) if text.len() as u64 > limits.max_record_payload_bytes => {
            Err(Invalid::PayloadTooLarge)
        }
        Some(Value::Text(text)) => Ok(Field::Set(text)),
        Some(_) => Err(Invalid::Payload),
    }
}

fn read_number(value: Option<Value>, min: i32) -> Option<Field<i32>> {
    match value {
        None => Some(Field::Absent),
        Some(Value::Null) => Some(Field::Reset),
        Some(Value::Integer(number)) => {
            let number = i32::try_from(number).ok()?;
            (min..=NUMBER_MAX).contains(&number).then_some(Field::Set(number))
        }
        Some(_) => None,
    }
}

fn read_ttl(value: Option<Value>) -> Option<Field<u32>> {
    match read_number(value, 0)? {
        Field::Absent => Some(Field::Absent),
        Field::Reset => Some(Field::Reset),
        Field::Set(secs) => u32::try_from(secs).ok().map(Field::Set),
    }
}

/// Keys encrypted under an all-zero initialization vector are a client's fault that must not spread: such a payload
/// is refused in `crypto`, with everything that came along with it.
pub(super) fn refuse_zero_iv(collection: &CollectionName, fields: &Fields) -> Result<(), Refusal> {
    match &fields.payload {
        Some(Value::Text(payload)) if collection.holds_keys() && has_zero_iv(payload) => {
            Err(Refusal::InvalidBso)
        }
        _ => Ok(()),
    }
}

fn has_zero_iv(payload: &str) -> bool {
    let after_key = payload.split("\"IV\":").skip(1);
    let mut values = after_key.map(|rest| rest.trim_start_matches(' '));
    values.any(|value| value.starts_with("\"AAAAAAAAAAAAAAAAAAAAAA==\""))
}

/// Reads the body of a PUT: one object, whose id, if it has one, is the path's.
///
/// # Errors
/// [`Refusal::UnparsableJson`], [`Refusal::TooLarge`] for the payload, else [`Refusal::InvalidBso`].
pub fn parse_put(
    body: &[u8],
    id: &BsoId,
    collection: &CollectionName,
    limits: &Limits,
) -> Result<Change<String>, Refusal> {
    let fields = json::parse_object(body)?.ok_or(Refusal::InvalidBso)?;
    refuse_zero_iv(collection, &fields)?;
    match &fields.id {
        None => {}
        Some(Value::Text(text)) if text == id.as_str() => {}
        Some(_) => return Err(Refusal::InvalidBso),
    }
    read_change(fields, limits).map_err(|invalid| match invalid {
        Invalid::PayloadTooLarge => Refusal::TooLarge,
        _ => Refusal::InvalidBso,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(body: &str, collection: &str) -> Result<Change<String>, Refusal> {
        let id = BsoId::parse("b1").unwrap();
        parse_put(
            body.as_bytes(),
            &id,
            &CollectionName::parse(collection).unwrap(),
            &Limits::default(),
        )
    }

    #[test]
    fn bodies_of_put() {
        let iv = r#"{"payload":"{\"ciphertext\":\"x\",\"IV\":  \"AAAAAAAAAAAAAAAAAAAAAA==\"}"}"#;
        let table = [
            (r#"{}"#, "c", None),
            (
                r#"{"id":"b1","payload":"x","sortindex":-999999999,"ttl":999999999}"#,
                "c",
                None,
            ),
            (
                r#"{"modified":1.5,"collection":"x","payload":null,"ttl":null,"sortindex":null}"#,
                "c",
                None,
            ),
            (r#""notabso""#, "c", Some(Refusal::InvalidBso)),
            ("42", "c", Some(Refusal::InvalidBso)),
            ("[]", "c", Some(Refusal::InvalidBso)),
            (r#"{"payload":42}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"ttl":"eh"}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"ttl":-1}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"ttl":1000000000}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"ttl":1.0}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"sortindex":"2.6"}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"sortindex":2.6}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"sortindex":1000000000}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"unexpected":1}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"__proto__":1}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"modified":[]}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"id":["1"]}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"id":"other"}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"id":null}"#, "c", Some(Refusal::InvalidBso)),
            (r#"{"payload":"#, "c", Some(Refusal::UnparsableJson)),
            (iv, "crypto", Some(Refusal::InvalidBso)),
            (iv, "bookmarks", None),
        ];
        for (body, collection, refusal) in table {
            assert_eq!(put(body, collection).err(), refusal, "{body}");
        }
        let limit = Limits::default().max_record_payload_bytes as usize;
        let sized = |len: usize| format!(r#"{{"payload":"{}"}}"#, "x".repeat(len));
        assert!(put(&sized(limit), "c").is_ok());
        assert_eq!(put(&sized(limit + 1), "c"), Err(Refusal::TooLarge));
    }

    #[test]
    fn absent_keeps_null_resets_and_the_modified_time_moves_with_payload_or_sortindex() {
        let (old, new) = (Tick::new(1000), Tick::new(2000));
        let stored = Some(Record {
            modified: old,
            sortindex: Some(7),
            expiry: Some(Tick::new(5000)),
        });
        let written = |body: &str| Record::written(stored, &put(body, "c").unwrap(), new);
        let table = [
            ("{}", old, Some(7), Some(5000)),
            (r#"{"ttl":2}"#, old, Some(7), Some(2200)),
            (r#"{"ttl":null}"#, old, Some(7), None),
            (r#"{"payload":"x"}"#, new, Some(7), Some(5000)),
            (r#"{"payload":null}"#, new, Some(7), Some(5000)),
            (r#"{"sortindex":8}"#, new, Some(8), Some(5000)),
            (r#"{"sortindex":null}"#, new, None, Some(5000)),
        ];
        for (body, modified, sortindex, expiry) in table {
            let expected = Record {
                modified,
                sortindex,
                expiry: expiry.map(Tick::new),
            };
            assert_eq!(written(body), expected, "{body}");
        }
        let fresh = Record::written(None, &put(r#"{"ttl":1}"#, "c").unwrap(), new);
        assert_eq!(
            fresh,
            Record {
                modified: new,
                sortindex: None,
                expiry: Some(Tick::new(2100))
            }
        );
    }

    #[test]
    fn a_ttl_of_two_seconds_ends_at_the_second_tick_for_tick() {
        let written_at = Tick::new(151_072_640_013);
        let record = Record::written(None, &put(r#"{"ttl":2}"#, "c").unwrap(), written_at);
        assert!(record.is_visible(Tick::new(151_072_640_212)));
        assert!(!record.is_visible(Tick::new(151_072_640_213)));
        let never = Record::written(None, &put(r#"{"ttl":0}"#, "c").unwrap(), written_at);
        assert!(
            !never.is_visible(Tick::new(written_at.get() - 1)),
            "even by a clock behind the write"
        );
    }

    #[test]
    fn changes_merge_field_by_field() {
        let first = put(r#"{"payload":"a","sortindex":1,"ttl":5}"#, "c").unwrap();
        let second = put(r#"{"sortindex":null,"ttl":9}"#, "c").unwrap();
        let both = second.after(first);
        assert_eq!(both.payload, Field::Set("a".to_owned()));
        assert_eq!((both.sortindex, both.ttl_secs), (Field::Reset, Field::Set(9)));
    }
}
