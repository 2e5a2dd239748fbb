//! Names of collections and BSOs (`storage.md` 2, 6).

use std::fmt;

/// 1-32 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionName(String);

impl CollectionName {
    /// `None` for a name that cannot exist.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether payloads are checked for the zero initialization vector: only `crypto`, of all collections.
    #[must_use]
    pub fn holds_keys(&self) -> bool {
        self.0 == "crypto"
    }

    /// The name as a metric label: one of the well-known ones, or `other`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        const KNOWN: [&str; 13] = [
            "clients",
            "crypto",
            "forms",
            "history",
            "keys",
            "meta",
            "bookmarks",
            "prefs",
            "tabs",
            "passwords",
            "addons",
            "addresses",
            "creditcards",
        ];
        KNOWN
            .into_iter()
            .find(|known| *known == self.0)
            .unwrap_or("other")
    }
}

/// 1-64 characters from space to `~`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BsoId(String);

impl BsoId {
    /// `None` for an id that cannot exist.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_alphabet_and_length() {
        for good in ["meta", "a", "A.b_c-9", &"x".repeat(32)] {
            assert!(CollectionName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a$", "a b", "a/b", "caf\u{e9}", &"x".repeat(33)] {
            assert!(CollectionName::parse(bad).is_none(), "{bad}");
        }
        for good in [
            "a",
            " ",
            "~",
            "a/b,{c} d",
            "{6820f3ca-6e8a-4ff4-8af7-8b3625d7d650}",
            &"X".repeat(64),
        ] {
            assert!(BsoId::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "A\nB",
            "A\n",
            "\nN",
            "A\tB",
            "\u{7f}",
            "caf\u{e9}",
            &"X".repeat(65),
        ] {
            assert!(BsoId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn labels_come_from_a_closed_set() {
        assert_eq!(
            CollectionName::parse("tabs").map(|name| name.label()),
            Some("tabs")
        );
        assert_eq!(
            CollectionName::parse("my-own").map(|name| name.label()),
            Some("other")
        );
    }
}
