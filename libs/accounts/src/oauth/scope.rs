//! Scopes: short names that nest by `:`, and https addresses that contain their sub-paths (`accounts.md` (e)).

/// Firefox Sync.
pub use foxhold_crypto::scoped_key::OLDSYNC_SCOPE as OLDSYNC;

/// Thunderbird's sync.
pub const THUNDERBIRD_SYNC: &str = "https://identity.thunderbird.net/apps/sync";

/// Dropped when a token is refreshed: what they stand for needs the person.
const NOT_REFRESHED: [&str; 2] = ["openid", "https://identity.mozilla.com/tokens/session"];

const KEY_BEARING: [&str; 2] = [OLDSYNC, THUNDERBIRD_SYNC];

/// Whether a scope comes with a key that is made of kB.
#[must_use]
pub fn is_key_bearing(scope: &str) -> bool {
    KEY_BEARING.contains(&scope)
}

/// A set of scopes, in the order they were named, without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads scopes separated by blanks; `None` if one is no scope, or if there is none at all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !crate::field::is_scope(text) {
            return None;
        }
        let mut scopes = Vec::new();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            if !is_name(scope) && !is_url(scope) {
                return None;
            }
            if !scopes.iter().any(|earlier| earlier == scope) {
                scopes.push(scope.to_owned());
            }
        }
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// From a list that is known to be right.
    #[must_use]
    pub fn of(scopes: &[&str]) -> Self {
        Self(scopes.iter().map(|&scope| scope.to_owned()).collect())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this grants `wanted`.
    #[must_use]
    pub fn contains(&self, wanted: &str) -> bool {
        self.iter().any(|granted| contains(granted, wanted))
    }

    /// Those of `wanted` that this does not grant.
    #[must_use]
    pub fn missing(&self, wanted: &Self) -> Vec<String> {
        wanted
            .0
            .iter()
            .filter(|scope| !self.contains(scope))
            .cloned()
            .collect()
    }

    /// Without the scopes that a refresh drops, and without what they contain.
    #[must_use]
    pub fn refreshable(&self) -> Self {
        let needs_person = |scope: &&String| NOT_REFRESHED.iter().any(|dropped| contains(dropped, scope));
        Self(
            self.0
                .iter()
                .filter(|scope| !needs_person(scope))
                .cloned()
                .collect(),
        )
    }

    /// Whether one of them comes with a key, or is for a part of what such a key opens.
    #[must_use]
    pub fn has_key_bearing(&self) -> bool {
        self.iter()
            .any(|scope| KEY_BEARING.iter().any(|key| is_self_or_below(key, scope, '/')))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn is_name(scope: &str) -> bool {
    scope.split(':').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    })
}

fn is_url(scope: &str) -> bool {
    scope.strip_prefix("https://").is_some_and(|rest| {
        // Dot segments would make two spellings of one path.
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let plain_host = host.contains('.')
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        plain_host && path.split('/').all(|segment| !matches!(segment, "." | ".."))
    })
}

fn contains(granted: &str, wanted: &str) -> bool {
    if is_url(granted) || is_url(wanted) {
        return is_self_or_below(granted, wanted, '/');
    }
    let (granted, may_write) = split_write(granted);
    let (wanted, writes) = split_write(wanted);
    is_self_or_below(granted, wanted, ':') && (may_write || !writes)
}

fn split_write(scope: &str) -> (&str, bool) {
    scope
        .strip_suffix(":write")
        .map_or((scope, false), |name| (name, true))
}

fn is_self_or_below(granted: &str, wanted: &str, separator: char) -> bool {
    wanted
        .strip_prefix(granted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contains_what() {
        let table = [
            ("profile", "profile", true),
            ("profile", "profile:uid", true),
            ("profile", "profile:uid:x", true),
            ("profile:uid", "profile", false),
            ("profile", "profiles", false),
            ("profile", "profile:write", false),
            ("profile:write", "profile", true),
            ("profile:write", "profile:email", true),
            ("profile:write", "profile:email:write", true),
            ("profile:email:write", "profile:write", false),
            ("clients:write", "profile", false),
            (OLDSYNC, OLDSYNC, true),
            (
                OLDSYNC,
                "https://identity.mozilla.com/apps/oldsync/bookmarks",
                true,
            ),
            (OLDSYNC, "https://identity.mozilla.com/apps/oldsyncs", false),
            (OLDSYNC, "https://identity.mozilla.com/apps", false),
            ("https://identity.mozilla.com/apps", OLDSYNC, true),
            ("profile", OLDSYNC, false),
            ("https", OLDSYNC, false),
        ];
        for (granted, wanted, expected) in table {
            let granted_set = Scopes::parse(granted).unwrap();
            assert_eq!(
                granted_set.contains(wanted),
                expected,
                "{granted} contains {wanted}"
            );
        }
    }

    #[test]
    fn what_is_a_scope() {
        let table = [
            (
                "profile  https://identity.mozilla.com/apps/oldsync profile",
                Some("profile https://identity.mozilla.com/apps/oldsync"),
            ),
            ("", None),
            ("  ", None),
            ("profile:", None),
            (":write", None),
            ("http://identity.mozilla.com/apps/oldsync", None),
            ("https://", None),
            ("https://identity.mozilla.com:444/x", None),
            ("https://identity.mozilla.com/apps/../x", None),
            ("javascript:alert", Some("javascript:alert")),
            ("a/b", None),
            ("a\"b", None),
        ];
        for (text, expected) in table {
            assert_eq!(
                Scopes::parse(text).map(|scopes| scopes.to_string()).as_deref(),
                expected,
                "{text:?}"
            );
        }
        assert!(Scopes::parse(&"a".repeat(257)).is_none());
    }

    #[test]
    fn a_refresh_drops_what_needs_the_person() {
        let table = [
            (
                "openid profile https://identity.mozilla.com/tokens/session",
                "profile",
            ),
            (
                "openid:x profile https://identity.mozilla.com/tokens/session/new",
                "profile",
            ),
            (
                "https://identity.mozilla.com/tokens/sessions openids",
                "https://identity.mozilla.com/tokens/sessions openids",
            ),
        ];
        for (granted, expected) in table {
            let scopes = Scopes::parse(granted).unwrap();
            assert_eq!(scopes.refreshable().to_string(), expected, "{granted}");
        }
    }
}
