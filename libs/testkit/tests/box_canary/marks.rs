//! What must not be found, and the search for it: as it was given, in hex, base64, per cent and JSON escapes.

use std::cell::RefCell;

use anyhow::Result;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use foxhold_core::hex;
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_testkit::person::{token, unique_hex};
use memchr::memmem;

/// Where a mark may be, beside at its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// Nowhere.
    Nowhere,
    /// In these columns of the accounts' database, as `table.column`.
    Columns(&'static [&'static str]),
    /// On the storage node, which has no other file of the box.
    Node,
}

/// Columns with ids and keys of tokens: a request is looked up and checked by them.
const TOKENS: Home = Home::Columns(&[
    "sessions.id",
    "sessions.key",
    "key_fetches.id",
    "key_fetches.key",
    "key_fetches.session",
    "password_tokens.id",
    "password_tokens.key",
    "authorization_codes.session",
    "refresh_tokens.session",
    "devices.session",
]);

/// One thing that must not be found.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) home: Home,
    forms: Vec<Vec<u8>>,
    /// So short that it counts only where it stands alone.
    is_short: bool,
}

impl Mark {
    fn new(name: &str, home: Home, bytes: &[u8]) -> Self {
        assert!(bytes.len() > 5, "{name} is anywhere");
        let is_short = bytes.len() < 9;
        let forms = if is_short {
            vec![bytes.to_vec()]
        } else {
            forms(bytes)
        };
        Self {
            name: name.to_owned(),
            home,
            forms,
            is_short,
        }
    }

    pub(crate) fn is_in(&self, place: &[u8]) -> bool {
        self.forms.iter().any(|form| {
            let mut found = memmem::find_iter(place, form);
            found.any(|at| !self.is_short || stands_alone(place, at, form.len()))
        })
    }
}

fn stands_alone(place: &[u8], at: usize, len: usize) -> bool {
    let is_part = |at: Option<usize>| {
        at.and_then(|at| place.get(at))
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    !is_part(at.checked_sub(1)) && !is_part(Some(at + len))
}

/// How bytes may look where something has them encoded.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        bytes.to_vec(),
        hex::encode(bytes).into_bytes(),
        hex::encode(bytes).to_uppercase().into_bytes(),
    ];
    for shift in 0..3 {
        forms.extend(in_base64(bytes, shift));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let json = serde_json::Value::from(text).to_string();
        forms.push(json.trim_matches('"').as_bytes().to_vec());
        let per_cent = per_cent(text);
        forms.push(per_cent.to_lowercase().into_bytes());
        forms.push(per_cent.into_bytes());
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Both alphabets, of bytes that have `shift` others before them in what was encoded: without the characters that share
/// bits with what is beside.
fn in_base64(bytes: &[u8], shift: usize) -> [Vec<u8>; 2] {
    let whole = [&[0; 3][..shift], bytes].concat();
    let inner = (shift * 8).div_ceil(6)..whole.len() * 8 / 6;
    [
        BASE64_STANDARD_NO_PAD.encode(&whole)[inner.clone()].into(),
        BASE64_URL_SAFE_NO_PAD.encode(&whole)[inner].into(),
    ]
}

fn per_cent(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

/// All of them.
#[derive(Default)]
pub(crate) struct Marks(RefCell<Vec<Mark>>);

impl Marks {
    pub(crate) fn bytes(&self, name: &str, home: Home, bytes: &[u8]) {
        self.0.borrow_mut().push(Mark::new(name, home, bytes));
    }

    /// A text; what is hex to its owner may lie anywhere as bytes.
    pub(crate) fn text(&self, name: &str, home: Home, text: &str) {
        self.bytes(name, home, text.as_bytes());
        let raw = hex::decode::<32>(text).map(|raw| raw.to_vec());
        if let Ok(raw) = raw.or_else(|_| hex::decode::<16>(text).map(|raw| raw.to_vec())) {
            self.bytes(name, home, &raw);
        }
    }

    /// A secret that nobody but its owner has: 64 hex digits. Its beginning alone is one, too: the rest may be cut off.
    pub(crate) fn secret(&self, name: &str) -> String {
        let text = unique_hex();
        self.text(name, Home::Nowhere, &text);
        self.text(name, Home::Nowhere, &text[..12]);
        text
    }

    /// A text that nobody else has, of what the box keeps, and that has to be escaped wherever texts are.
    pub(crate) fn kept(&self, name: &str, home: Home) -> String {
        let text = format!("{} \u{201e}&\u{201c}", &unique_hex()[..20]);
        self.text(name, home, &text);
        self.text(name, home, &text[..20]);
        text
    }

    /// A token, and what it is looked up by and signed with.
    pub(crate) fn token(&self, name: &str, kind: TokenKind, text: &str) -> Result<TokenKeys> {
        let keys = token(kind, text)?;
        self.text(name, Home::Nowhere, text);
        self.bytes(
            &format!("{name}'s bundle key"),
            Home::Nowhere,
            keys.bundle_key.expose(),
        );
        self.bytes(&format!("{name}'s id"), TOKENS, keys.id.as_bytes());
        self.bytes(&format!("{name}'s key"), TOKENS, keys.key.expose());
        Ok(keys)
    }

    /// Those that `place` holds, of those that `wanted` takes.
    pub(crate) fn found_in(&self, place: &[u8], wanted: impl Fn(&Mark) -> bool) -> Vec<String> {
        let marks = self.0.borrow();
        let found = marks.iter().filter(|mark| wanted(mark) && mark.is_in(place));
        let mut names: Vec<String> = found.map(|mark| mark.name.clone()).collect();
        names.dedup();
        names
    }

    /// Those that must be in one of their columns by now.
    pub(crate) fn named(&self, name: &str) -> Vec<Mark> {
        let marks = self.0.borrow();
        marks.iter().filter(|mark| mark.name == name).cloned().collect()
    }
}

#[test]
fn a_mark_is_found_however_it_is_written() {
    let marks = Marks::default();
    marks.text("mark", Home::Nowhere, "a \"marked\" one/two?\u{201e}");
    for place in [
        "x a \"marked\" one/two?\u{201e} y".to_owned(),
        "6120226d61726b656422206f6e652f74776f3fe2809e".to_owned(),
        "6120226D61726B656422206F6E652F74776F3FE2809E".to_owned(),
        "a%20%22marked%22%20one%2Ftwo%3F%E2%80%9E".to_owned(),
        "a%20%22marked%22%20one%2ftwo%3f%e2%80%9e".to_owned(),
        "{\"x\":\"a \\\"marked\\\" one/two?\u{201e}\"}".to_owned(),
        BASE64_STANDARD_NO_PAD.encode("a \"marked\" one/two?\u{201e}"),
        BASE64_URL_SAFE_NO_PAD.encode("1a \"marked\" one/two?\u{201e}23"),
        BASE64_URL_SAFE_NO_PAD.encode("12a \"marked\" one/two?\u{201e}3"),
    ] {
        assert_eq!(marks.found_in(place.as_bytes(), |_| true), ["mark"], "{place}");
    }
    marks.text("digits", Home::Nowhere, "123456");
    assert_eq!(marks.found_in(b"took 123456 of", |_| true), ["digits"]);
    assert!(
        marks
            .found_in(b"at 1123456, 1234567, x123456", |_| true)
            .is_empty()
    );
}
