//! Invitations to make an account (`accounts.md` (k), Registration). A store knows them by the MAC of their code only.
//!
//! What must stay true: of all accounts that are made with an invitation at most one is there: whoever comes later is
//! refused, or replaces it, if its address is the same and nobody has verified it.

pub mod encoding;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, Timestamp, TokenId, Uid,
    record::{Account, EmailKey},
};

use crate::{Call, ReadError, WriteError, accounts::SignIn};

/// How long an invitation is kept for a creation that has begun, where that is more than one step.
pub const RESERVED: Duration = Duration::from_secs(60);

/// Whom an invitation is for.
#[derive(Clone, PartialEq, Eq)]
pub enum Invited {
    /// Whoever has the code.
    Anybody,
    /// The owner of an address: as it was typed, and what it is claimed by.
    Address(String, EmailKey),
    /// Whoever has an address of a domain.
    Domain(String),
}

impl Invited {
    /// Whether that is who wants to make an account.
    #[must_use]
    pub fn is(&self, key: &EmailKey, domain: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Address(_, address) => address == key,
            Self::Domain(own) => own == domain,
        }
    }
}

impl fmt::Debug for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anybody => "Anybody",
            Self::Address(..) => "Address(..)",
            Self::Domain(_) => "Domain(..)",
        })
    }
}

/// What an invitation says. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationTerms {
    /// Whom it is for.
    pub invited: Invited,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it invites nobody.
    pub expires_at: Timestamp,
    /// Whether its code was mailed to the address it is for: who has it, reads that address's mail.
    pub mailed: bool,
    /// What the operator noted.
    pub note: Option<String>,
    /// Who made it.
    pub creator: String,
}

/// The account that was made with an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationUse {
    /// Which.
    pub uid: Uid,
    /// When.
    pub at: Timestamp,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The MAC of its code.
    pub id: TokenId,
    /// What it says.
    pub terms: InvitationTerms,
    /// The account made with it last, if there was one.
    pub used: Option<InvitationUse>,
}

/// Whether an invitation that was used may be used again for an address, given the account that it was used for: if that
/// is gone, or is unverified and of the same address.
#[must_use]
pub fn may_use_again(made: Option<&Account>, key: &EmailKey) -> bool {
    made.is_none_or(|made| !made.email_verified && made.email_key == *key)
}

/// Reads invitations.
#[async_trait]
pub trait InvitationReader: Send + Sync {
    /// An invitation.
    async fn invitation(&self, by: Deadline, id: TokenId) -> Result<Option<Invitation>, ReadError>;

    /// The next `limit` after one, in an order of the store's own; from the beginning without one. Fewer than `limit`
    /// are the last.
    async fn invitations(
        &self,
        by: Deadline,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, ReadError>;
}

/// Writes invitations, and accounts that are made with one. Each method is one intent.
#[async_trait]
pub trait InvitationWriter: Send + Sync {
    /// Keeps a new invitation.
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError>;

    /// Removes an invitation; removing one that is gone is done, too.
    /// Refused: [`Conflict`](crate::Refusal::Conflict) if it was used, or is being used.
    async fn delete_invitation(&self, call: &Call, id: TokenId, now: Timestamp) -> Result<(), WriteError>;

    /// Makes an account with an invitation and signs it in, as
    /// [`AccountWriter::create_account`](crate::AccountWriter::create_account) does, and notes that it was used.
    /// Whom it is for was looked at before. Refused: as there; and [`TokenSpent`](crate::Refusal::TokenSpent) if there
    /// is no such invitation, if it has expired at `now`, or was used and [may not be again](may_use_again).
    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixtures::{Maker, email_key};

    #[test]
    fn an_invitation_is_for_whom_it_names() {
        let (ann, bob) = (email_key("ann@example.test"), email_key("bob@example.test"));
        let of_ann = Invited::Address("Ann@example.test".into(), ann.clone());
        let of_domain = Invited::Domain("example.test".into());
        let table = [
            (&Invited::Anybody, &bob, "anything.test", true),
            (&of_ann, &ann, "example.test", true),
            (&of_ann, &bob, "example.test", false),
            (&of_domain, &bob, "example.test", true),
            (&of_domain, &bob, "mail.example.test", false),
        ];
        for (invited, key, domain, expected) in table {
            assert_eq!(invited.is(key, domain), expected, "{invited:?} {domain}");
        }
        assert!(!format!("{of_ann:?}").contains("ann"));
    }

    #[test]
    fn an_invitation_is_used_again_by_the_same_address_until_that_is_verified() {
        let make = Maker::new(1);
        let (ann, bob) = (email_key("ann@example.test"), email_key("bob@example.test"));
        let (new, verified) = (
            make.account("ann@example.test"),
            make.verified_account("ann@example.test"),
        );
        for (name, made, key, expected) in [
            ("gone", None, &bob, true),
            ("the same", Some(&new), &ann, true),
            ("another address", Some(&new), &bob, false),
            ("verified", Some(&verified), &ann, false),
        ] {
            assert_eq!(may_use_again(made, key), expected, "{name}");
        }
    }
}
