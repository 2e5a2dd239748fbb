//! Looks at what others have: a public URL, a store, a mail server, an instance of a tier. `foxhold doctor` and
//! `foxhold config check --online` look the same way and judge by the same words.
//!
//! What must stay true: nothing is changed and no mail is sent; no complaint holds a secret.

pub(crate) mod mail;
pub(crate) mod store;
pub(crate) mod tier;
pub(crate) mod web;

/// What is wrong with something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: String,
    /// Whether it may be well in a moment with the same settings: nobody answers, or not yet.
    pub(crate) is_away: bool,
}

impl Complaint {
    /// About settings, or about what they name.
    pub(crate) fn invalid(what: impl Into<String>, fix: impl Into<String>) -> Self {
        let (what, fix) = (what.into(), fix.into());
        Self {
            what,
            fix,
            is_away: false,
        }
    }

    /// About somebody who does not answer.
    pub(crate) fn away(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            is_away: true,
            ..Self::invalid(what, fix)
        }
    }
}
