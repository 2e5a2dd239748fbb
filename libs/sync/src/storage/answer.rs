//! The bodies the node answers with (`storage.md` 6, 9, 11). Written by hand, because a time is a bare number with
//! exactly two decimals, which no general JSON writer keeps.

use std::fmt::{self, Write as _};

use super::{BatchId, BsoId, Invalid, Limits, Tick};

/// Bytes shown in KiB, exactly: 500 bytes are `0.48828125`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kib(pub u64);

impl Kib {
    /// KiB with their fraction. Exact: sizes lie far below 2^53, and 1024 is a power of two.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1024.0
    }
}

impl fmt::Display for Kib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` keeps the `.0` of whole numbers.
        write!(f, "{:?}", self.as_f64())
    }
}

/// `{"modified":T}`.
#[must_use]
pub fn modified_answer(time: Tick) -> String {
    format!("{{\"modified\":{time}}}")
}

/// Adds one BSO as an object to `out`.
pub fn push_record(out: &mut String, id: &BsoId, modified: Tick, sortindex: Option<i32>, payload: &str) {
    out.push_str("{\"id\":");
    push_text(out, id.as_str());
    push(out, format_args!(",\"modified\":{modified},\"payload\":"));
    push_text(out, payload);
    if let Some(index) = sortindex {
        push(out, format_args!(",\"sortindex\":{index}"));
    }
    out.push('}');
}

/// Adds text as a JSON string to `out`.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f | 0x7f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        if escape.is_empty() {
            push(out, format_args!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

/// The answer to a POST: with `modified` when it wrote, with `batch` while a batch stays open.
#[must_use]
pub fn upload_answer<'a>(
    modified: Option<Tick>,
    batch: Option<&BatchId>,
    success: impl Iterator<Item = &'a BsoId>,
    failed: &[(String, Invalid)],
) -> String {
    let mut out = String::from("{");
    if let Some(batch) = batch {
        out.push_str("\"batch\":");
        push_text(&mut out, batch.as_str());
        out.push(',');
    }
    if let Some(time) = modified {
        push(&mut out, format_args!("\"modified\":{time},"));
    }
    out.push_str("\"success\":[");
    push_separated(&mut out, success, |out, id| push_text(out, id.as_str()));
    out.push_str("],\"failed\":{");
    push_separated(&mut out, failed.iter(), |out, (id, why)| {
        push_text(out, id);
        out.push(':');
        push_text(out, why.reason());
    });
    out.push_str("}}");
    out
}

/// `{name: value}` of the info endpoints; the value is written as it displays.
#[must_use]
pub fn info_answer<V: fmt::Display>(entries: &[(String, V)]) -> String {
    let mut out = String::from("{");
    push_separated(&mut out, entries.iter(), |out, (name, value)| {
        push_text(out, name);
        push(out, format_args!(":{value}"));
    });
    out.push('}');
    out
}

/// `[used KiB, quota KiB or null]`.
#[must_use]
pub fn quota_answer(used_bytes: u64, quota_bytes: Option<u64>) -> String {
    match quota_bytes {
        Some(quota) => format!("[{},{}]", Kib(used_bytes), Kib(quota)),
        None => format!("[{},null]", Kib(used_bytes)),
    }
}

/// The six limits.
#[must_use]
pub fn configuration_answer(limits: &Limits) -> String {
    info_answer(&[
        ("max_record_payload_bytes".into(), limits.max_record_payload_bytes),
        ("max_post_bytes".into(), limits.max_post_bytes),
        ("max_request_bytes".into(), limits.max_request_bytes),
        ("max_post_records".into(), limits.max_post_records),
        ("max_total_records".into(), limits.max_total_records),
        ("max_total_bytes".into(), limits.max_total_bytes),
    ])
}

fn push_separated<T>(out: &mut String, items: impl Iterator<Item = T>, mut one: impl FnMut(&mut String, T)) {
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        one(out, item);
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bso_has_its_time_as_a_bare_number_with_two_decimals() {
        let id = BsoId::parse("-F_Szdjg3GzX").unwrap();
        let mut out = String::new();
        push_record(
            &mut out,
            &id,
            Tick::new(138_863_580_740),
            Some(140),
            "{ \"this\": \"an example\" }",
        );
        let expected = concat!(
            r#"{"id":"-F_Szdjg3GzX","modified":1388635807.40,"#,
            r#""payload":"{ \"this\": \"an example\" }","sortindex":140}"#
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn uploads_say_what_was_taken() {
        let ids = [BsoId::parse("a").unwrap(), BsoId::parse("b,\"c").unwrap()];
        let failed = [
            ("x\n".to_owned(), Invalid::Id),
            ("y".to_owned(), Invalid::RetryBso),
        ];
        let plain = upload_answer(Some(Tick::new(1050)), None, ids.iter(), &failed);
        let expected =
            r#"{"modified":10.50,"success":["a","b,\"c"],"failed":{"x\n":"invalid id","y":"retry bso"}}"#;
        assert_eq!(plain, expected);
        let batch = BatchId::parse("AAECAwQFBgcICQoLDA0ODw").unwrap();
        let staged = upload_answer(None, Some(&batch), [].iter(), &[]);
        assert_eq!(
            staged,
            r#"{"batch":"AAECAwQFBgcICQoLDA0ODw","success":[],"failed":{}}"#
        );
    }

    #[test]
    fn usage_is_exact_kib() {
        assert_eq!(Kib(500).to_string(), "0.48828125");
        assert_eq!(quota_answer(503, None), "[0.4912109375,null]");
        assert_eq!(quota_answer(0, None), "[0.0,null]");
        assert_eq!(quota_answer(1024, Some(2048)), "[1.0,2.0]");
        assert_eq!(info_answer::<Kib>(&[]), "{}");
        assert_eq!(
            info_answer(&[("a".into(), Tick::ZERO), ("b".into(), Tick::new(1))]),
            r#"{"a":0.00,"b":0.01}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_json(text in any::<String>()) {
            let mut out = String::new();
            push_text(&mut out, &text);
            let read: String = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
