//! What an audit can find: a closed list, with names that stay.

/// What a finding is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Rows that cannot all be right. None are expected once everything has settled.
    Contradiction,
    /// Rows that no rule uses any more: removed by a repair, and no reason to worry.
    Leftover,
}

macro_rules! findings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $weight:ident, $meaning:literal, $repair:literal;)*) => {
        /// Something an audit finds. [`Finding::name`] is for machines, [`Finding::meaning`] and [`Finding::repair`] are
        /// for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Finding {
            $($(#[$doc])* $variant,)*
        }

        impl Finding {
            /// Every finding, in the order reports have.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in reports, for good.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is worth.
            #[must_use]
            pub const fn weight(self) -> Weight {
                match self { $(Self::$variant => Weight::$weight,)* }
            }

            /// What was found, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What a repair does, in a sentence.
            #[must_use]
            pub const fn repair(self) -> &'static str {
                match self { $(Self::$variant => $repair,)* }
            }
        }
    };
}

findings! {
    /// A held address whose account is not there.
    ClaimWithoutAccount = "claim_without_account", Contradiction,
        "An address is held for an account that does not exist.",
        "The address is released.";
    /// A held address whose account has another one.
    ClaimOfAnotherAddress = "claim_of_another_address", Contradiction,
        "An address is held for an account that has another address.",
        "The address is released if the account holds its own; else a person decides.";
    /// A sign-up that neither ended nor was taken over.
    ClaimPendingTooLong = "claim_pending_too_long", Contradiction,
        "A sign-up began more than a minute ago and never ended.",
        "If it has come as far as the account, it is ended; else it is undone and the address released.";
    /// A held address whose account is being deleted.
    ClaimOfDeletedAccount = "claim_of_deleted_account", Contradiction,
        "An address is held for an account that was deleted.",
        "What hangs on the account is removed, then the address is released.";
    /// An account whose address nobody holds.
    AccountWithoutClaim = "account_without_claim", Contradiction,
        "Nobody holds the address of an account.",
        "The account gets it.";
    /// An account whose address another one holds.
    AccountClaimedByAnother = "account_claimed_by_another", Contradiction,
        "The address of an account is held for another account.",
        "A person decides which of them stays.";
    /// A deleted account that has not been swept.
    AccountHalfDeleted = "account_half_deleted", Contradiction,
        "A deleted account still has sessions, devices, tokens or grants.",
        "They are removed.";
    /// What is left of a deleted account, and does not expire.
    DeletedAccountKept = "deleted_account_kept", Leftover,
        "What is left of a deleted account does not expire.",
        "It expires within a day.";
    /// A session whose account is not there.
    SessionOfNoAccount = "session_of_no_account", Contradiction,
        "The account of a session does not exist.",
        "The session is removed.";
    /// A session missing in its account's list.
    SessionNotListed = "session_not_listed", Contradiction,
        "A session is missing in the list of its account.",
        "It is listed again; if somebody had ended it, it is removed.";
    /// A listed session that is not there.
    SessionListedOnly = "session_listed_only", Contradiction,
        "A session stands in the list of its account, and nowhere else.",
        "It is restored from the list; if somebody had ended it, it is removed from the list.";
    /// A session that no rule accepts any more.
    SessionRanOut = "session_ran_out", Leftover,
        "A session is older than 28 days and has no device, or is older than its account's password.",
        "It is removed.";
    /// A refresh token whose account is not there.
    RefreshTokenOfNoAccount = "refresh_token_of_no_account", Contradiction,
        "The account of a refresh token does not exist.",
        "The token is removed.";
    /// A refresh token that no rule accepts any more.
    RefreshTokenRanOut = "refresh_token_ran_out", Leftover,
        "A refresh token is older than the last reset of its account's password, or older than the password and of a session.",
        "It is removed.";
    /// A refresh token missing in its account's list.
    RefreshTokenNotListed = "refresh_token_not_listed", Contradiction,
        "A refresh token is missing in the list of its account.",
        "It is listed again; if somebody had revoked it, it is removed.";
    /// A listed refresh token that is not there.
    RefreshTokenListedOnly = "refresh_token_listed_only", Contradiction,
        "A refresh token stands in the list of its account, and nowhere else.",
        "It is restored from the list; if somebody had revoked it, it is removed from the list.";
    /// A refresh token that must have gone when its mark was written, and would be good again without that.
    RefreshTokenReplaced = "refresh_token_replaced", Contradiction,
        "A refresh token was replaced or taken back a day ago, and is still there.",
        "It is removed.";
    /// A device whose account is not there.
    DeviceOfNoAccount = "device_of_no_account", Contradiction,
        "The account of a device does not exist.",
        "The device is removed.";
    /// A device whose session is not there, or too old.
    DeviceOfEndedSession = "device_of_ended_session", Leftover,
        "The session of a device has ended, or is older than its account's password.",
        "The device is removed.";
    /// A grant whose account is not there.
    GrantOfNoAccount = "grant_of_no_account", Leftover,
        "The account of a grant to a client does not exist.",
        "The grant is removed.";
    /// An unspent key-fetch token whose account is not there.
    KeyFetchOfNoAccount = "key_fetch_of_no_account", Leftover,
        "The account of an unspent key-fetch token does not exist.",
        "The token is removed.";
    /// An unspent password token whose account is not there.
    PasswordTokenOfNoAccount = "password_token_of_no_account", Leftover,
        "The account of an unspent password token does not exist.",
        "The token is removed.";
    /// A record on a node that its service does not have.
    RecordOnUnknownNode = "record_on_unknown_node", Contradiction,
        "A user's record is on a node that the service does not have.",
        "The record loses its node: the user is given another at the next request.";
    /// A uid that two users have.
    UidTwice = "uid_twice", Contradiction,
        "Two users of a service have the same uid.",
        "A person decides: their data may lie in one place.";
    /// A uid that was not handed out yet.
    UidsNotHandedOut = "uids_not_handed_out", Contradiction,
        "Users have uids that their stripe has not handed out, and would hand out again.",
        "The stripe goes on behind the highest uid in use.";
    /// A node with more records than its load says: it could be filled beyond its capacity.
    LoadBelowRecords = "load_below_records", Contradiction,
        "More records hold a slot of a node than its load says.",
        "The load becomes the number of records.";
    /// A node with fewer records than its load says.
    LoadAboveRecords = "load_above_records", Leftover,
        "Fewer records hold a slot of a node than its load says: a slot that nobody got, or that did not come back.",
        "The load becomes the number of records.";
    /// A lease whose writer is gone.
    LeaseOfDeadWriter = "lease_of_dead_writer", Contradiction,
        "Slots of a node are leased to a writer that has gone.",
        "The lease is closed: what was spent is load, the rest is available again.";
    /// A row that lacks what every row of its table has.
    UnreadableRow = "unreadable_row", Contradiction,
        "A row lacks a value that every row of its table has.",
        "A person decides.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_distinct_words_and_every_finding_is_in_the_manual() {
        let manual = include_str!("../../../../docs/audit.md");
        let names: HashSet<_> = Finding::ALL.iter().map(|finding| finding.name()).collect();
        assert_eq!(names.len(), Finding::ALL.len());
        for finding in Finding::ALL {
            let name = finding.name();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            let row = format!("| `{name}` | {} | {} |", finding.meaning(), finding.repair());
            assert!(manual.contains(&row), "docs/audit.md lacks: {row}");
        }
    }
}
