//! Who may make an account (`accounts.md` (k), Registration). The rules are the operator's and change while the process
//! runs; an account that exists is never affected by them.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{AccountError, Address};

/// Whether accounts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistrationMode {
    /// By anybody.
    #[default]
    Open,
    /// By nobody.
    Closed,
    /// By whoever has an invitation.
    Invitation,
}

impl RegistrationMode {
    /// As clients are told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Invitation => "invitation",
        }
    }
}

/// The rules at some moment. By default there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// Whether accounts are made.
    pub mode: RegistrationMode,
    /// Whose addresses may have one; everybody's if none is listed.
    pub domains: Vec<MailDomain>,
    /// Whether strangers are told the domains.
    pub domains_shown: bool,
}

impl Registration {
    /// Refuses an address whose domain is not listed.
    ///
    /// # Errors
    /// [`AccountError`]: 1004.
    pub fn check_domain(&self, address: &Address) -> Result<(), AccountError> {
        let domain = address.domain();
        if self.domains.is_empty() || self.domains.iter().any(|listed| listed.holds(domain)) {
            Ok(())
        } else {
            Err(AccountError::MailDomainNotAllowed)
        }
    }
}

/// A mail domain as an operator lists it: `example.org`, or `*.example.org` for all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDomain {
    domain: String,
    only_below: bool,
}

impl MailDomain {
    /// Reads it; `None` for what is no domain in lower-case A-labels.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (domain, only_below) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        // What an address's domain becomes: compared byte for byte.
        let address = Address::parse(&format!("postmaster@{domain}")).ok()?;
        (address.domain() == domain).then(|| Self {
            domain: domain.to_owned(),
            only_below,
        })
    }

    fn holds(&self, domain: &str) -> bool {
        match domain.strip_suffix(self.domain.as_str()) {
            Some(above) if self.only_below => above.ends_with('.'),
            Some(above) => above.is_empty(),
            None => false,
        }
    }
}

impl fmt::Display for MailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.only_below { "*." } else { "" };
        write!(f, "{below}{}", self.domain)
    }
}

/// The rules in force. Each call sees those of one moment.
#[derive(Debug, Default)]
pub struct CurrentRegistration(RwLock<Arc<Registration>>);

impl CurrentRegistration {
    /// Begins with these.
    #[must_use]
    pub fn new(rules: Registration) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    /// The rules now.
    #[must_use]
    pub fn get(&self) -> Arc<Registration> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in force, from the next call on.
    pub fn replace(&self, rules: Registration) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(mode: RegistrationMode, domains: &[&str]) -> Registration {
        Registration {
            mode,
            domains: domains
                .iter()
                .map(|domain| MailDomain::parse(domain).unwrap())
                .collect(),
            domains_shown: false,
        }
    }

    #[test]
    fn whose_domain_is_listed() {
        const LISTED: &[&str] = &["example.org", "*.school.test", "xn--bcher-kva.example"];
        let table = [
            (&[][..], "a@anything.test", None),
            (LISTED, "a@example.org", None),
            (LISTED, "A@EXAMPLE.Org", None),
            (LISTED, "a@mail.example.org", Some(1004)),
            (LISTED, "a@notexample.org", Some(1004)),
            (LISTED, "a@example.org.evil.test", Some(1004)),
            (LISTED, "example.org@evil.test", Some(1004)),
            (LISTED, "a@class.school.test", None),
            (LISTED, "a@one.class.school.test", None),
            (LISTED, "a@school.test", Some(1004)),
            (LISTED, "a@notschool.test", Some(1004)),
            (LISTED, "a@b\u{fc}cher.example", None),
            (LISTED, "a@bucher.example", Some(1004)),
        ];
        for (domains, address, errno) in table {
            let address = Address::parse(address).unwrap();
            let refused = rules(RegistrationMode::Open, domains).check_domain(&address);
            let refused = refused.err().map(|error| error.code().number());
            assert_eq!(refused, errno, "{address:?} {domains:?}");
        }
    }

    #[test]
    fn how_a_domain_is_listed() {
        for good in [
            "example.org",
            "*.example.org",
            "a-b.example.org",
            "xn--bcher-kva.example",
        ] {
            let listed = MailDomain::parse(good).map(|domain| domain.to_string());
            assert_eq!(listed.as_deref(), Some(good));
        }
        let bad = [
            "",
            "*",
            "*.",
            "**.example.org",
            "*.*.example.org",
            "mail*.example.org",
            ".example.org",
            "example.org.",
            "Example.org",
            "b\u{fc}cher.example",
            "localhost",
            "a@example.org",
            "https://example.org",
            "example.org ",
            "exa mple.org",
        ];
        for bad in bad {
            assert_eq!(MailDomain::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn rules_are_replaced_whole() {
        let current = CurrentRegistration::default();
        let before = current.get();
        current.replace(rules(RegistrationMode::Closed, &["example.org"]));
        assert_eq!(*before, Registration::default());
        assert_eq!(*current.get(), rules(RegistrationMode::Closed, &["example.org"]));
    }
}
