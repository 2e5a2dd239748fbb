//! Names of domains as issuers and principals write them: bare, in lower-case A-labels (`security.md` B.5), so that one
//! domain has one spelling and equality of text is equality of domains.

/// Whether `text` is such a name. Where it leads is the fetcher's to judge, addresses among them.
pub(crate) fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(is_allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `uid@domain` in its two halves: a dot-atom (RFC 5322 section 3.2.3) and a domain. Nothing quoted, no blanks, no
/// controls.
pub(crate) fn split_principal(email: &str) -> Option<(&str, &str)> {
    let (uid, domain) = email.split_once('@')?;
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_byte);
    let is_good = uid.len() <= 64 && uid.split('.').all(is_atom) && email.len() <= 255 && is_domain(domain);
    is_good.then_some((uid, domain))
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for good in [
            "example.org",
            "localhost",
            "xn--bcher-kva.example",
            "127.0.0.1",
            "a-b.c",
        ] {
            assert!(is_domain(good), "{good}");
        }
        let long_label = "a".repeat(64);
        let long = "a.".repeat(127) + "a";
        for bad in [
            "",
            ".",
            "example.org.",
            ".example.org",
            "a..b",
            "Example.org",
            "b\u{fc}cher.example",
            "example.org:443",
            "user@example.org",
            "https://example.org",
            "example.org/",
            "-a.org",
            "a-.org",
            "a_b.org",
            "a b",
            "a\n",
            "[::1]",
            &long_label,
            &long,
        ] {
            assert!(!is_domain(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_principal_is_a_plain_name_at_a_domain() {
        assert_eq!(split_principal("uid@example.org"), Some(("uid", "example.org")));
        assert_eq!(split_principal("a.b+c@x"), Some(("a.b+c", "x")));
        let long = "a".repeat(65) + "@example.org";
        for bad in [
            "",
            "@",
            "uid",
            "@example.org",
            "uid@",
            "a@b@example.org",
            "a..b@x",
            ".a@x",
            "a.@x",
            "a b@x",
            "a,b@x",
            "\"a\"@x",
            "a\r\n@x",
            "a\0@x",
            "<a@x>",
            "uid@Example.org",
            "uid@example.org.",
            "\u{fc}@x",
            &long,
        ] {
            assert_eq!(split_principal(bad), None, "{bad:?}");
        }
    }
}
