//! Labels and their values. A value is a name that the program fixes or an operator has configured; what a client sends is
//! turned into one of those here, or into [`OTHER`].

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

use http::{Method, StatusCode};
use tonic::Code;

/// A label with what it may say.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// The closed set of a label's values.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these.
    Of(&'static [&'static str]),
    /// Names that are fixed elsewhere, in the program or by the operator: which ones.
    Named(&'static str),
}

impl Label {
    /// One of these values.
    pub(super) const fn of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            name,
            values: Values::Of(values),
        }
    }

    /// Names that `what` tells.
    pub(super) const fn named(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            values: Values::Named(what),
        }
    }

    /// Whether it may say this.
    #[must_use]
    pub fn takes(&self, value: &str) -> bool {
        match self.values {
            Values::Of(values) => values.contains(&value),
            Values::Named(_) => true,
        }
    }
}

/// What nothing of the closed set stands for.
pub const OTHER: &str = "other";
/// Where there is nothing to name: a path that is no route, a service that nobody knows.
pub const NONE: &str = "none";

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", OTHER];
pub(super) const METHOD: Label = Label::of("method", &METHODS);

/// A request's method, if it is a usual one.
#[must_use]
pub fn method(method: &Method) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method.as_str());
    known.copied().unwrap_or(OTHER)
}

const MAIL_TEMPLATES: [&str; 20] = [
    "verify",
    "verify_login",
    "verify_login_code",
    "recovery",
    "passwordForgotOtp",
    "invitation",
    "password_changed",
    "password_reset",
    "passwordResetAccountRecoveryEmail",
    "postAddTwoStepAuthenticationEmail",
    "postRemoveTwoStepAuthenticationEmail",
    "postNewRecoveryCodesEmail",
    "postConsumeRecoveryCodeEmail",
    "lowRecoveryCodesEmail",
    "postAddAccountRecoveryEmail",
    "postChangeAccountRecoveryEmail",
    "postRemoveAccountRecoveryEmail",
    "new_device_login",
    "post_verify",
    OTHER,
];
pub(super) const MAIL_TEMPLATE: Label = Label::of("template", &MAIL_TEMPLATES);

/// A mail's template by the name in its header (`accounts.md` (i)), if it is one that is counted by itself.
#[must_use]
pub fn mail_template(name: &str) -> &'static str {
    let known = MAIL_TEMPLATES.iter().find(|known| **known == name);
    known.copied().unwrap_or(OTHER)
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
pub(super) const CLASS: Label = Label::of("code", &CLASSES);

/// The class of an answer's status.
#[must_use]
pub fn class(status: StatusCode) -> &'static str {
    let class = usize::from(status.as_u16() / 100).saturating_sub(1);
    CLASSES.get(class).copied().unwrap_or("5xx")
}

const RPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
pub(super) const RPC_CODE: Label = Label::of("code", &RPC_CODES);

/// A gRPC status as its specification spells it.
#[must_use]
pub fn rpc_code(code: Code) -> &'static str {
    let number = usize::try_from(i32::from(code)).unwrap_or_default();
    RPC_CODES.get(number).copied().unwrap_or("UNKNOWN")
}

/// Names that were met, kept for good: there are as many as routes, services and nodes.
static NAMES: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());
/// Far more than a deployment has; what comes after is [`OTHER`].
const NAMES_MAX: usize = 4096;

/// A name that an operator has configured (a service, a node), or the program has made at its start (a route), as a
/// label's value. It is kept for good, so it must never be what a client sends.
#[must_use]
pub fn named(name: &str) -> &'static str {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    drop(names);
    keep(&NAMES, NAMES_MAX, name)
}

fn keep(names: &RwLock<BTreeSet<&'static str>>, max: usize, name: &str) -> &'static str {
    let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    if names.len() >= max {
        return OTHER;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_make_up_is_other() {
        assert_eq!(method(&Method::DELETE), "DELETE");
        let made_up = Method::from_bytes(b"BREW").unwrap();
        assert_eq!(method(&made_up), OTHER);
        let table = [
            (101, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (431, "4xx"),
            (503, "5xx"),
            (999, "5xx"),
        ];
        for (status, expected) in table {
            assert_eq!(class(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn codes_have_the_names_of_the_specification() {
        for number in 0..17 {
            let (code, name) = (Code::from_i32(number), rpc_code(Code::from_i32(number)));
            let spelt: String = format!("{code:?}").to_uppercase();
            assert_eq!(name.replace('_', ""), spelt);
        }
        assert_eq!(rpc_code(Code::from_i32(99)), "UNKNOWN");
    }

    #[test]
    fn names_are_kept_once_and_their_number_is_bounded() {
        let names = RwLock::new(BTreeSet::new());
        let first = keep(&names, 2, "sync-1.5");
        assert!(std::ptr::eq(first, keep(&names, 2, "sync-1.5")));
        assert_eq!(keep(&names, 2, "queue-1.0"), "queue-1.0");
        assert_eq!(keep(&names, 2, "one-more"), OTHER);
        assert_eq!(keep(&names, 2, "sync-1.5"), "sync-1.5");
    }
}
