//! Who vouches for a new user, as budgets tell issuers apart (`security.md` B.5).

use psl::{Psl as _, Type};

/// Who vouches for a new user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// The accounts that the deployment takes access tokens of: its own, or those of the one server in their place.
    Own,
    /// Another that the deployment has chosen by name: an issuer that a service trusts.
    Trusted(String),
    /// Anybody else with a domain.
    Stranger(String),
}

impl Issuer {
    /// What its users are counted under. A stranger's subdomains are one issuer: they cost nothing.
    pub(super) fn group(&self) -> Option<(u8, &str)> {
        match self {
            Self::Own => None,
            Self::Trusted(domain) => Some((b't', domain)),
            Self::Stranger(domain) => Some((b's', registrable(domain))),
        }
    }
}

/// The part of a domain that somebody had to register, by the public suffix list. Where a firm gives away names below a
/// domain of its own (the list's private part), that domain: such names cost nothing either. The list is as old as the
/// program; under a suffix that it does not know yet, domains are counted together, never apart.
fn registrable(domain: &str) -> &str {
    let mut name = domain;
    loop {
        let Some(suffix) = psl::List.suffix(name.as_bytes()) else {
            return name;
        };
        if suffix.typ() != Some(Type::Private) {
            return psl::domain_str(name).unwrap_or(name);
        }
        let given_away = &name[name.len() - suffix.as_bytes().len()..];
        let Some((_, above)) = given_away.split_once('.') else {
            return given_away;
        };
        let registry = psl::List.suffix(above.as_bytes());
        if registry.is_some_and(|registry| registry == above && registry.typ() != Some(Type::Private)) {
            return given_away;
        }
        name = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_told_apart_by_what_had_to_be_registered() {
        let table = [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("a.example.co.uk", "example.co.uk"),
            ("b.other.co.uk", "other.co.uk"),
            ("x.www.ck", "www.ck"),
            ("shop.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
            // Given away below somebody's domain.
            ("a.github.io", "github.io"),
            ("b.a.github.io", "github.io"),
            ("x.s3.eu-west-1.amazonaws.com", "amazonaws.com"),
            // What no registry has, and what is nobody's.
            ("a.b.foxhold-test", "b.foxhold-test"),
            ("localhost", "localhost"),
            ("co.uk", "co.uk"),
            ("github.io", "github.io"),
        ];
        for (domain, expected) in table {
            assert_eq!(registrable(domain), expected, "{domain}");
        }
    }

    #[test]
    fn strangers_have_no_part_in_what_the_trusted_have() {
        let domain = || "issuer.example.com".to_owned();
        assert_eq!(Issuer::Own.group(), None);
        assert_eq!(
            Issuer::Trusted(domain()).group(),
            Some((b't', "issuer.example.com"))
        );
        assert_eq!(Issuer::Stranger(domain()).group(), Some((b's', "example.com")));
    }
}
