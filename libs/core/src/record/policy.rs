//! Whom a service serves, and by which credentials (`tokenserver.md` 4, 8, 14; `security.md` B.5). An administrator
//! changes it while everything runs; the exchange and the stores obey it.
//!
//! Must stay true: only new users are ever concerned by [`Admission`]; who has a record keeps being served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Allocation;

/// What a service asks of those who want a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePolicy {
    /// Credentials it takes.
    pub schemes: Schemes,
    /// Issuers whose BrowserID certificates count: lower-case A-labels, compared as they stand, or `*` alone for any.
    pub allowed_issuers: Vec<String>,
    /// Of them, those who may also vouch for users of other domains.
    pub trusted_issuers: Vec<String>,
    /// Domains whose users BrowserID certificates count for, whoever made them: lower-case A-labels, compared as they
    /// stand; all domains when empty.
    pub allowed_email_domains: Vec<String>,
    /// Who gets a first record.
    pub admission: Admission,
    /// Terms that everybody must have accepted: name to the URL where they are read.
    pub conditions: BTreeMap<String, String>,
    /// How long ago a BrowserID user may have signed in, in seconds; absent = any time.
    pub auth_max_age_secs: Option<u64>,
    /// Which nodes its users are placed on.
    pub allocation: Allocation,
}

/// Credentials that a service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schemes {
    /// OAuth access tokens: `Bearer`.
    pub oauth: bool,
    /// BrowserID assertions: `BrowserID`.
    pub browserid: bool,
}

/// Who gets a first record in a service. Its names are not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub enum Admission {
    /// Anybody.
    Everyone,
    /// Nobody: registration is closed.
    Nobody,
    /// Accounts with these names: the uid of an account of the own domain, `uid@domain` of another's.
    Listed(BTreeSet<String>),
    /// Anybody, until the service has so many users.
    First(u64),
}

/// A policy that cannot be meant, or would refuse everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyFault {
    /// The field, as configurations and messages call it.
    pub field: &'static str,
    /// What to give.
    pub fix: &'static str,
}

impl Default for ServicePolicy {
    /// Anybody with an access token.
    fn default() -> Self {
        Self {
            schemes: Schemes {
                oauth: true,
                browserid: false,
            },
            allowed_issuers: Vec::new(),
            trusted_issuers: Vec::new(),
            allowed_email_domains: Vec::new(),
            admission: Admission::Everyone,
            conditions: BTreeMap::new(),
            auth_max_age_secs: None,
            allocation: Allocation::default(),
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("Everyone"),
            Self::Nobody => f.write_str("Nobody"),
            Self::Listed(names) => write!(f, "Listed({} accounts)", names.len()),
            Self::First(users) => write!(f, "First({users})"),
        }
    }
}

impl Admission {
    /// Whether an account may get its first record, as far as that can be said without counting: see
    /// [`Admission::user_limit`].
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Everyone | Self::First(_) => true,
            Self::Nobody => false,
            Self::Listed(names) => names.contains(name),
        }
    }

    /// How many users the service may have before it takes no new ones. The store counts, as only it can.
    #[must_use]
    pub const fn user_limit(&self) -> Option<u64> {
        match self {
            Self::First(users) => Some(*users),
            Self::Everyone | Self::Nobody | Self::Listed(_) => None,
        }
    }
}

/// Any issuer, where it stands alone.
pub const ANY_ISSUER: &str = "*";

impl ServicePolicy {
    /// Accounts that may be listed.
    pub const LISTED_MAX: usize = 1000;
    /// Issuers of one kind.
    pub const ISSUERS_MAX: usize = 100;
    /// Terms.
    pub const CONDITIONS_MAX: usize = 8;

    /// Whether any issuer is allowed.
    #[must_use]
    pub fn allows_any_issuer(&self) -> bool {
        self.allowed_issuers.iter().any(|issuer| issuer == ANY_ISSUER)
    }

    /// Checks what an administrator gives. A store takes and returns any policy.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), PolicyFault> {
        let fault = self.rules().into_iter().find(|(holds, ..)| !holds);
        match fault {
            None => self.allocation.check(),
            Some((_, field, fix)) => Err(PolicyFault { field, fix }),
        }
    }

    fn rules(&self) -> [(bool, &'static str, &'static str); 8] {
        let (schemes, allowed) = (self.schemes, &self.allowed_issuers);
        let names_issuers = !schemes.browserid || !allowed.is_empty();
        let is_any = self.allows_any_issuer() && allowed.len() == 1;
        [
            (
                schemes.oauth || schemes.browserid,
                "schemes",
                "give \"oauth\", \"browserid\" or both",
            ),
            (
                names_issuers,
                "allowed_issuers",
                "name the BrowserID issuers that count, or give \"*\" for any",
            ),
            (
                is_any || are_issuers(allowed),
                "allowed_issuers",
                "give at most 100 domains in lower case without scheme or port, or \"*\" alone",
            ),
            (
                are_issuers(&self.trusted_issuers),
                "trusted_issuers",
                "give at most 100 domains in lower case without scheme or port",
            ),
            (
                are_issuers(&self.allowed_email_domains),
                "allowed_email_domains",
                "give at most 100 domains in lower case, each as it stands behind the @, or none for all",
            ),
            (
                self.lists_accounts(),
                "admission",
                "list at most 1000 accounts: a uid of 1 to 64 visible characters, with @ and the domain if it is another's",
            ),
            (
                self.names_conditions(),
                "conditions",
                "give at most 8 names of 1 to 64 characters, each with an http or https URL",
            ),
            (
                self.auth_max_age_secs != Some(0),
                "auth_max_age_secs",
                "give at least one second, or leave it out",
            ),
        ]
    }

    fn lists_accounts(&self) -> bool {
        let Admission::Listed(names) = &self.admission else {
            return true;
        };
        let is_account = |listed: &String| match listed.split_once('@') {
            None => is_name(listed),
            Some((uid, domain)) => is_name(uid) && is_issuer(domain),
        };
        names.len() <= Self::LISTED_MAX && names.iter().all(is_account)
    }

    fn names_conditions(&self) -> bool {
        let is_url = |url: &str| {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty())
                && url.len() <= 2048
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let all = &self.conditions;
        all.len() <= Self::CONDITIONS_MAX && all.iter().all(|(name, url)| is_name(name) && is_url(url))
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn are_issuers(all: &[String]) -> bool {
    all.len() <= ServicePolicy::ISSUERS_MAX && all.iter().all(|issuer| is_issuer(issuer))
}

/// Whether a text can be an issuer: a domain as the DNS writes it, in lower case (A-labels), so that it has one spelling.
#[must_use]
pub fn is_issuer(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> ServicePolicy {
        ServicePolicy {
            schemes: Schemes {
                oauth: true,
                browserid: true,
            },
            allowed_issuers: vec!["accounts.example.com".into(), "xn--mnchen-3ya.example".into()],
            trusted_issuers: vec!["accounts.example.com".into()],
            allowed_email_domains: vec!["users.example.com".into()],
            admission: Admission::Listed(["a1b2".to_owned()].into()),
            conditions: [("terms".to_owned(), "https://example.com/terms".to_owned())].into(),
            auth_max_age_secs: Some(1),
            allocation: Allocation::default(),
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named_by_its_field() {
        type Row = (&'static str, fn(&mut ServicePolicy), Option<&'static str>);
        let table: [Row; 23] = [
            ("as it is", |_| {}, None),
            ("any issuer", |p| p.allowed_issuers = vec!["*".into()], None),
            (
                "no issuer without BrowserID",
                |p| {
                    p.schemes.browserid = false;
                    p.allowed_issuers.clear();
                },
                None,
            ),
            ("no scheme", |p| p.schemes = Schemes::default(), Some("schemes")),
            (
                "no issuer",
                |p| p.allowed_issuers.clear(),
                Some("allowed_issuers"),
            ),
            (
                "any and one",
                |p| p.allowed_issuers.push("*".into()),
                Some("allowed_issuers"),
            ),
            (
                "any twice",
                |p| p.allowed_issuers = vec!["*".into(), "*".into()],
                Some("allowed_issuers"),
            ),
            (
                "upper case",
                |p| p.allowed_issuers = vec!["Example.com".into()],
                Some("allowed_issuers"),
            ),
            (
                "a scheme",
                |p| p.allowed_issuers = vec!["https://example.com".into()],
                Some("allowed_issuers"),
            ),
            (
                "too many issuers",
                |p| p.allowed_issuers = vec!["example.com".into(); 101],
                Some("allowed_issuers"),
            ),
            (
                "all are trusted",
                |p| p.trusted_issuers = vec!["*".into()],
                Some("trusted_issuers"),
            ),
            ("any domain", |p| p.allowed_email_domains.clear(), None),
            (
                "a domain as a pattern",
                |p| p.allowed_email_domains = vec!["*".into()],
                Some("allowed_email_domains"),
            ),
            (
                "an address for a domain",
                |p| p.allowed_email_domains = vec!["a@example.com".into()],
                Some("allowed_email_domains"),
            ),
            (
                "too many domains",
                |p| p.allowed_email_domains = vec!["example.com".into(); 101],
                Some("allowed_email_domains"),
            ),
            (
                "no one's address",
                |p| p.admission = Admission::Listed(["a@b@example.com".to_owned()].into()),
                Some("admission"),
            ),
            (
                "an empty uid",
                |p| p.admission = Admission::Listed([String::new()].into()),
                Some("admission"),
            ),
            (
                "the last uid that may be listed",
                |p| p.admission = Admission::Listed((0..1000).map(|n| n.to_string()).collect()),
                None,
            ),
            (
                "too many uids",
                |p| p.admission = Admission::Listed((0..1001).map(|n| n.to_string()).collect()),
                Some("admission"),
            ),
            (
                "too many terms",
                |p| {
                    p.conditions = (0..9)
                        .map(|n| (n.to_string(), "https://e.example".into()))
                        .collect();
                },
                Some("conditions"),
            ),
            (
                "terms nowhere",
                |p| p.conditions = [("terms".to_owned(), "https://".to_owned())].into(),
                Some("conditions"),
            ),
            (
                "terms without a name",
                |p| p.conditions = [(String::new(), "https://e.example".to_owned())].into(),
                Some("conditions"),
            ),
            (
                "no age at all",
                |p| p.auth_max_age_secs = Some(0),
                Some("auth_max_age_secs"),
            ),
        ];
        for (name, change, expected) in table {
            let mut policy = both();
            change(&mut policy);
            let found = policy.check().err().map(|fault| fault.field);
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(ServicePolicy::default().check(), Ok(()));
    }

    #[test]
    fn issuers_have_one_spelling() {
        let long = format!("{}.example", "a".repeat(64));
        let table = [
            ("example.com", true),
            ("localhost", true),
            ("a-b.example", true),
            ("xn--bcher-kva.example", true),
            ("", false),
            ("example.com.", false),
            (".example.com", false),
            ("a..b", false),
            ("-a.example", false),
            ("a-.example", false),
            ("bücher.example", false),
            ("EXAMPLE.com", false),
            ("example.com:443", false),
            ("example.com/", false),
            ("*.example.com", false),
            (long.as_str(), false),
        ];
        for (text, expected) in table {
            assert_eq!(is_issuer(text), expected, "{text}");
        }
    }

    #[test]
    fn admission_is_by_name_or_by_number() {
        let listed = Admission::Listed(["a".to_owned()].into());
        let table = [
            (Admission::Everyone, (true, true), None),
            (Admission::Nobody, (false, false), None),
            (listed.clone(), (true, false), None),
            (Admission::First(3), (true, true), Some(3)),
        ];
        for (admission, (a, b), limit) in table {
            let found = (
                admission.admits("a"),
                admission.admits("b"),
                admission.user_limit(),
            );
            assert_eq!(found, (a, b, limit), "{admission:?}");
        }
        assert_eq!(format!("{listed:?}"), "Listed(1 accounts)");
    }
}
