//! Which granted scope covers which wanted one (`tokenserver.md` section 8.3).
//!
//! Called by [`exchange`](crate::exchange) with the scopes of a verified token. URLs grant what lies below them, short
//! names what is longer by colon parts; neither ever grants the other kind.

/// Whether one of the blank-separated `granted` scopes covers `wanted`.
#[must_use]
pub fn grants(granted: &str, wanted: &str) -> bool {
    granted
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .any(|scope| covers(scope, wanted))
}

fn covers(granted: &str, wanted: &str) -> bool {
    match (is_url(granted), is_url(wanted)) {
        (true, true) => url_covers(granted, wanted),
        (false, false) => name_covers(granted, wanted),
        _ => false,
    }
}

fn is_url(scope: &str) -> bool {
    scope.starts_with("https:")
}

fn url_covers(granted: &str, wanted: &str) -> bool {
    let (granted, granted_fragment) = split_fragment(granted);
    let (wanted, wanted_fragment) = split_fragment(wanted);
    let below = wanted
        .strip_prefix(granted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below && (granted_fragment.is_none() || granted_fragment == wanted_fragment)
}

fn split_fragment(url: &str) -> (&str, Option<&str>) {
    url.split_once('#')
        .map_or((url, None), |(base, fragment)| (base, Some(fragment)))
}

fn name_covers(granted: &str, wanted: &str) -> bool {
    let (granted, granted_writes) = split_write(granted);
    let (wanted, wanted_writes) = split_write(wanted);
    let prefix = wanted
        .strip_prefix(granted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    prefix && (granted_writes || !wanted_writes)
}

fn split_write(name: &str) -> (&str, bool) {
    name.strip_suffix(":write")
        .map_or((name, false), |base| (base, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: &str = "https://identity.mozilla.com/apps/oldsync";

    #[test]
    fn table() {
        let table = [
            ("itself", SYNC, SYNC, true),
            (
                "among others",
                "profile https://identity.mozilla.com/apps/oldsync",
                SYNC,
                true,
            ),
            ("above", "https://identity.mozilla.com/apps", SYNC, true),
            (
                "below",
                "https://identity.mozilla.com/apps/oldsync/bookmarks",
                SYNC,
                false,
            ),
            (
                "no part boundary",
                "https://identity.mozilla.com/apps/old",
                SYNC,
                false,
            ),
            (
                "other host",
                "https://identity.mozilla.com.example/apps/oldsync",
                SYNC,
                false,
            ),
            (
                "http is no URL scope",
                "http://identity.mozilla.com/apps/oldsync",
                SYNC,
                false,
            ),
            (
                "fragment asked, none named",
                SYNC,
                "https://identity.mozilla.com/apps/oldsync#read",
                true,
            ),
            (
                "fragment named, none asked",
                "https://identity.mozilla.com/apps/oldsync#read",
                SYNC,
                false,
            ),
            (
                "same fragment",
                "https://a.example/x#r",
                "https://a.example/x/y#r",
                true,
            ),
            (
                "other fragment",
                "https://a.example/x#r",
                "https://a.example/x#w",
                false,
            ),
            (
                "comma is no separator",
                "profile,https://identity.mozilla.com/apps/oldsync",
                SYNC,
                false,
            ),
            ("nothing granted", "", SYNC, false),
            ("only blanks", "   ", SYNC, false),
            ("a name never grants a URL", "https", SYNC, false),
            ("a URL never grants a name", SYNC, "profile", false),
            ("name", "profile", "profile", true),
            ("longer name", "profile", "profile:email", true),
            ("shorter name", "profile:email", "profile", false),
            ("name without boundary", "prof", "profile", false),
            ("write not granted", "profile", "profile:write", false),
            ("write granted", "profile:write", "profile:email:write", true),
            ("write covers reading", "profile:write", "profile:email", true),
        ];
        for (name, granted, wanted, expected) in table {
            assert_eq!(grants(granted, wanted), expected, "{name}");
        }
    }
}
