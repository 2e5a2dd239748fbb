//! What stands in a claim and in an account's partition, for those who change them.

use foxhold_core::{Deadline, OpId, Uid, record::EmailKey};
use foxhold_ports::ReadError;
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{
    judge::{AccountStanding, Claim, ClaimState, Standing},
    read::sound,
    rows::{ACTIVE, ClaimRow, DELETING, read_time},
};
use crate::{CassandraStore, cql::Level};

/// What a pending claim is called.
const PENDING: &str = "pending";

impl ClaimState {
    /// As it stands in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => PENDING,
            Self::Active => ACTIVE,
        }
    }
}

/// One row of an account's partition: an operation, with the account's static columns.
#[derive(DeserializeRow)]
struct StandingRow {
    op: Option<Vec<u8>>,
    state: Option<String>,
    made_by: Option<Vec<u8>>,
    email_key: Option<String>,
    email_verified: Option<bool>,
    verifier_set_at: Option<CqlTimestamp>,
    disabled_at: Option<CqlTimestamp>,
    enabled_again: Option<bool>,
    version: Option<i64>,
}

/// The claim of an address, after every write that can still be applied.
pub(super) async fn claim(
    store: &CassandraStore,
    by: Deadline,
    key: &EmailKey,
) -> Result<Option<Claim>, ReadError> {
    let statement = &store.reader.accounts.claim;
    let row: Option<ClaimRow> = store
        .cql
        .serial_row(Level::Deployment, by, statement, (key.as_str(),))
        .await?;
    row.map(|row| sound(read_claim(&row))).transpose()
}

/// The claim of an address as a quorum of this region has it.
pub(super) async fn claim_here(
    store: &CassandraStore,
    by: Deadline,
    key: &EmailKey,
) -> Result<Option<Claim>, ReadError> {
    let statement = &store.reader.accounts.claim;
    let row: Option<ClaimRow> = store.cql.row(by, statement, (key.as_str(),)).await?;
    row.map(|row| sound(read_claim(&row))).transpose()
}

/// An account's partition as a quorum of this region has it.
pub(super) async fn here(
    store: &CassandraStore,
    by: Deadline,
    uid: Uid,
) -> Result<Option<Standing>, ReadError> {
    let statement = &store.accounts.decisions.standing;
    let rows: Vec<StandingRow> = store.cql.rows(by, statement, (uid.as_bytes(),)).await?;
    read_standing(rows)
}

/// An account's partition after every write that can still be applied.
pub(super) async fn serial(
    store: &CassandraStore,
    by: Deadline,
    uid: Uid,
) -> Result<Option<Standing>, ReadError> {
    let statement = &store.accounts.decisions.standing;
    let rows: Vec<StandingRow> = store
        .cql
        .serial_rows(Level::Deployment, by, statement, (uid.as_bytes(),))
        .await?;
    read_standing(rows)
}

fn read_claim(row: &ClaimRow) -> Option<Claim> {
    Some(Claim {
        uid: Uid::from_slice(&row.uid)?,
        by: OpId::from_slice(&row.claim_id)?,
        state: [ClaimState::Pending, ClaimState::Active]
            .into_iter()
            .find(|state| state.name() == row.state)?,
        since: read_time(row.claimed_at)?,
    })
}

/// `None` if there is no account and nothing left of one.
fn read_standing(rows: Vec<StandingRow>) -> Result<Option<Standing>, ReadError> {
    let operations = rows
        .iter()
        .filter_map(|row| row.op.as_deref())
        .map(|op| sound(OpId::from_slice(op)))
        .collect::<Result<Vec<_>, _>>()?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let made_by = row.made_by.as_deref().map(|op| sound(OpId::from_slice(op)));
    let email_key = row.email_key.map(EmailKey::from_normalized);
    let (account, held) = match row.state.as_deref() {
        Some(ACTIVE) => {
            let account = AccountStanding::Active {
                email_key: sound(email_key)?,
                verified: sound(row.email_verified)?,
                disabled: row.disabled_at.is_some() && row.enabled_again != Some(true),
                verifier_set_at: sound(row.verifier_set_at.and_then(read_time))?,
            };
            (account, None)
        }
        Some(DELETING) => (AccountStanding::Deleting, email_key),
        // Operations outlive what they changed by a moment at most.
        None => return Ok(None),
        Some(_) => return sound(None),
    };
    Ok(Some(Standing {
        account,
        made_by: made_by.transpose()?,
        version: sound(row.version)?,
        held,
        operations,
    }))
}
