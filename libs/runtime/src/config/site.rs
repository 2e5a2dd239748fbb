//! Addresses of a site. Browsers sign and compare them, and users are known by them: each has one spelling, that of URLs.

use url::{Host, Url};

/// The root of a site: scheme, host and port only, as browsers write them, byte for byte; a slash may follow. `None` for
/// anything else.
#[must_use]
pub fn site_root(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| {
        let is_root = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let plain = url.username().is_empty() && url.password().is_none();
        let as_written = url.as_str().trim_end_matches('/') == text.trim_end_matches('/');
        matches!(url.scheme(), "http" | "https") && is_root && plain && as_written
    })
}

/// Whether a text is a host as URLs have it: a name in lower case, or an address.
#[must_use]
pub fn is_host(text: &str) -> bool {
    !text.is_empty() && Host::parse(text).is_ok_and(|host| host.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        let table = [
            ("localhost", true),
            ("accounts.example.org", true),
            ("xn--mnchen-3ya.example", true),
            ("192.0.2.1", true),
            ("[::1]", true),
            ("", false),
            ("a b", false),
            ("Accounts.example.org", false),
            ("m\u{fc}nchen.example", false),
            ("https://example.org", false),
            ("example.org:443", false),
            ("example.org/", false),
            ("ann@example.org", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_host(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_root_is_scheme_host_and_port() {
        for root in ["https://example.org", "http://localhost:8000", "http://[::1]/"] {
            assert!(site_root(root).is_some(), "{root}");
        }
        for other in [
            "",
            "example.org",
            "ftp://example.org",
            "https://EXAMPLE.org",
            "https://example.org:443",
            "https://example.org/a",
            "https://ann@example.org",
        ] {
            assert!(site_root(other).is_none(), "{other}");
        }
    }
}
