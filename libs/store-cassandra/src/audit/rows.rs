//! Claims and accounts as an audit reads them: rows may lack anything, and then they say so instead of failing.

use foxhold_core::{Timestamp, Uid};
use scylla::{DeserializeRow, value::CqlTimestamp};

/// A row, or that it lacks what it must have.
#[derive(Debug)]
pub(super) enum Readable<T> {
    /// It has all.
    Whole(T),
    /// It has not.
    Damaged,
}

#[derive(Debug, DeserializeRow)]
pub(super) struct ClaimRow {
    pub(super) email_key: String,
    uid: Option<Vec<u8>>,
    claim_id: Option<Vec<u8>>,
    state: Option<String>,
    claimed_at: Option<CqlTimestamp>,
}

/// Who holds an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) uid: Uid,
    pub(super) claim_id: Vec<u8>,
    pub(super) is_active: bool,
    pub(super) claimed_at: CqlTimestamp,
}

impl ClaimRow {
    pub(super) fn read(self) -> Readable<Claim> {
        let is_active = match self.state.as_deref() {
            Some("active") => Some(true),
            Some("pending") => Some(false),
            _ => None,
        };
        let uid = self.uid.as_deref().and_then(Uid::from_slice);
        match (uid, self.claim_id, is_active, self.claimed_at) {
            (Some(uid), Some(claim_id), Some(is_active), Some(claimed_at)) => Readable::Whole(Claim {
                uid,
                claim_id,
                is_active,
                claimed_at,
            }),
            _ => Readable::Damaged,
        }
    }
}

impl Claim {
    /// As the table has it.
    pub(super) const fn state(&self) -> &'static str {
        if self.is_active { "active" } else { "pending" }
    }
}

#[derive(Debug, DeserializeRow)]
pub(super) struct AccountRow {
    uid: Vec<u8>,
    state: Option<String>,
    made_by: Option<Vec<u8>>,
    email_key: Option<String>,
    verifier_set_at: Option<CqlTimestamp>,
    reset_at: Option<CqlTimestamp>,
    version: Option<i64>,
    written: Option<i64>,
    expires_after: Option<i32>,
}

/// An account or what is left of one, but for what is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: Vec<u8>,
    pub(super) is_active: bool,
    pub(super) made_by: Option<Vec<u8>>,
    pub(super) email_key: Option<String>,
    pub(super) verifier_set_at: Timestamp,
    /// The beginning of time, if its password was never reset.
    pub(super) reset_at: Timestamp,
    pub(super) version: Option<i64>,
    /// When its state was written, by the clock of the node that decided.
    pub(super) written: Timestamp,
    /// Whether it goes by itself.
    pub(super) expires: bool,
}

impl AccountRow {
    /// `None` if there is no account: operations outlive the account they changed.
    pub(super) fn read(self) -> Option<Account> {
        let state = self.state?;
        Some(Account {
            uid: self.uid,
            is_active: state == "active",
            made_by: self.made_by,
            email_key: self.email_key,
            verifier_set_at: self.verifier_set_at.map_or(Timestamp::default(), timestamp),
            reset_at: self.reset_at.map_or(Timestamp::default(), timestamp),
            version: self.version,
            written: micros(self.written),
            expires: self.expires_after.is_some(),
        })
    }
}

/// Times before 1970 are 1970.
pub(super) fn timestamp(CqlTimestamp(millis): CqlTimestamp) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A cell's timestamp, in µs.
pub(super) fn micros(written: Option<i64>) -> Timestamp {
    Timestamp::from_millis(u64::try_from(written.unwrap_or(0) / 1000).unwrap_or(0))
}

/// `uid …`, for examples: nothing about an account shows but this.
pub(super) fn example(uid: &[u8]) -> String {
    format!("uid {}", foxhold_core::hex::encode(uid))
}
