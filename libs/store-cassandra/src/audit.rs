//! Looks for rows that cannot all be right, and repairs them: what a crash between two steps, a lost disk or a mistake of
//! this crate may have left (`security.md` D.2, `tokenserver.md` 12). For `foxhold audit run` and for tests, which expect
//! nothing to be found.
//!
//! Every table is read once, page by page, at a pace. What looks wrong is looked at again, at the serial level where its
//! table is conditional and in every region where it is plain, so that nothing in motion is reported. Must stay true: a
//! repair is decided on what was read and writes on that condition; no repair ends an account somebody may be using.

mod account_rows;
mod claim_rows;
mod figures;
mod finding;
mod hanging;
mod leases;
mod pace;
mod records;
mod report;
mod rows;
mod scan;
mod statements;
mod sweep;
mod tokens;
mod uids;

use std::{sync::Arc, time::Duration};

use foxhold_core::{Clock, OpId, Random, Timestamp};
use foxhold_ports::{Cause, ReadError, WriteError};
use scylla::{deserialize::row::DeserializeRow, serialize::row::SerializeRow};
use thiserror::Error;

pub use finding::{Finding, Weight};
pub use pace::Pace;
pub use report::{EXAMPLES_MAX, Report, Tally};

use crate::{
    CassandraStore, ConnectError, Region, RegionState,
    cql::{Cql, Level, Read},
    placement::Placements,
};
use rows::{Account, AccountRow, Claim, ClaimRow, Readable};
use scan::{Check, Verdict, apply, soon};
use statements::AuditStatements;

/// A sign-up may take so long: after it another one takes over (`security.md` D.2).
const PENDING_MAX: Duration = Duration::from_secs(60);
/// What was written since may still be waiting for its other half.
const YOUNG: Duration = Duration::from_secs(120);

/// How an audit goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Repair what is found; else only report it.
    pub repair: bool,
    /// How fast.
    pub pace: Pace,
    /// Nobody is writing, and nobody has died writing within a minute: nothing is too young to be looked at. For tests.
    pub settled: bool,
}

/// Where an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Rows of it that have been looked at.
    pub rows: u64,
}

/// An audit that could not be ended.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The cluster could not be asked, or not all of its regions could.
    #[error("asking the cluster")]
    Store(#[source] Cause),
    /// A statement does not fit the schema.
    #[error("beginning the audit")]
    Statements(#[from] ConnectError),
}

impl From<ReadError> for AuditError {
    fn from(ReadError(cause): ReadError) -> Self {
        Self::Store(cause)
    }
}

impl From<WriteError> for AuditError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotDone(cause) | WriteError::Unknown(cause) => Self::Store(cause),
            // Repairs ask the tables, not the ports: nothing there refuses.
            WriteError::Refused(_) => Self::Store(Cause::Fault),
        }
    }
}

/// The statements, for the test of all of them.
#[cfg(test)]
pub(crate) fn catalogue() -> Vec<crate::cql::Entry> {
    AuditStatements::CATALOGUE.to_vec()
}

/// Goes through all tables once. Calls `progress` after every page.
///
/// # Errors
/// [`AuditError`]: what was repaired until then stays so, and another run goes on.
pub async fn run(
    store: &CassandraStore,
    options: Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, AuditError> {
    let audit = Audit {
        store,
        cql: &store.cql,
        placements: &store.placements,
        statements: AuditStatements::prepare(&store.cql).await?,
        options,
        clock: &*store.clock,
        random: &*store.random,
        began: store.clock.now(),
    };
    let mut notes = Notes {
        report: Report::default(),
        progress,
    };
    // Each in a box: side by side in one future, with all they may repair, they are too large for a thread's stack.
    Box::pin(apply(&claim_rows::Claims, &audit, &mut notes)).await?;
    Box::pin(apply(&account_rows::Accounts, &audit, &mut notes)).await?;
    for kind in tokens::Kind::ALL {
        Box::pin(apply(&tokens::Tokens(kind), &audit, &mut notes)).await?;
        Box::pin(apply(&tokens::Listed(kind), &audit, &mut notes)).await?;
    }
    Box::pin(apply(&hanging::Devices, &audit, &mut notes)).await?;
    Box::pin(apply(&hanging::Grants, &audit, &mut notes)).await?;
    for kind in hanging::SingleUse::ALL {
        Box::pin(apply(&kind, &audit, &mut notes)).await?;
    }
    Box::pin(records::audit(&audit, &mut notes)).await?;
    Ok(notes.report)
}

/// What every check needs.
struct Audit<'a> {
    store: &'a CassandraStore,
    cql: &'a Cql,
    placements: &'a Arc<Placements>,
    statements: AuditStatements,
    options: Options,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    began: Timestamp,
}

/// What the checks say.
struct Notes<'a> {
    report: Report,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Notes<'_> {
    fn looked_at(&mut self, table: &'static str, rows: u64, new: usize) {
        self.report.rows += new as u64;
        (self.progress)(Progress { table, rows });
    }

    fn verdict(&mut self, verdict: Verdict) {
        let (finding, example, repaired) = match verdict {
            Verdict::Fine => return,
            Verdict::Changed | Verdict::Unsettled => {
                self.report.unsettled += 1;
                return;
            }
            Verdict::Found(finding, example) => (finding, example, false),
            Verdict::Repaired(finding, example) => (finding, example, true),
        };
        tracing::warn!(finding = finding.name(), example, repaired, "audit");
        self.report.note(finding, example, repaired);
    }
}

impl Audit<'_> {
    /// Whether something that was written then may still be in motion. The time is a writer's or a node's: one that is
    /// ahead of this clock is young, too.
    fn is_young(&self, written: Timestamp) -> bool {
        self.is_within(self.clock.now(), YOUNG, written)
    }

    /// Whether it may have been in motion when the audit began.
    fn was_young(&self, written: Timestamp) -> bool {
        self.is_within(self.began, YOUNG, written)
    }

    /// Whether a sign-up that began then may still end.
    fn is_going_on(&self, began: Timestamp) -> bool {
        self.is_within(self.clock.now(), PENDING_MAX, began)
    }

    fn is_within(&self, now: Timestamp, span: Duration, then: Timestamp) -> bool {
        !self.options.settled && now.since(then) < span
    }

    /// A name for a repair that has to leave one.
    fn new_op(&self) -> OpId {
        OpId::new(self.clock.now(), self.random)
    }

    /// A claim after every decision that can still be made about it.
    async fn claim(&self, email_key: &str) -> Result<Option<Readable<Claim>>, AuditError> {
        let row: Option<ClaimRow> = self.decided(&self.statements.claim, (email_key,)).await?;
        Ok(row.map(ClaimRow::read))
    }

    /// An account after every decision that can still be made about it.
    async fn account(&self, uid: &[u8]) -> Result<Option<Account>, AuditError> {
        let row: Option<AccountRow> = self.decided(&self.statements.account, (uid,)).await?;
        Ok(row.and_then(AccountRow::read))
    }

    /// An account as this region sees it.
    async fn account_here(&self, uid: &[u8]) -> Result<Option<Account>, AuditError> {
        let found = self.cql.row(soon(), &self.statements.account, (uid,));
        Ok(found.await?.and_then(AccountRow::read))
    }

    async fn decided<R>(&self, statement: &Read, values: impl SerializeRow) -> Result<Option<R>, AuditError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let row = self.cql.serial_row(Level::Deployment, soon(), statement, values);
        Ok(row.await?)
    }

    /// A row of a plain table, if a quorum of any region that takes part has it.
    async fn anywhere<R>(&self, statement: &Read, values: impl SerializeRow) -> Result<Option<R>, AuditError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        for region in self.live_regions().iter() {
            let row = self.cql.row_in(region, soon(), statement, &values).await?;
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }

    /// The own one first.
    fn live_regions(&self) -> Vec<Region> {
        let regions = self.cql.regions();
        let own = regions.own().clone();
        let others = regions.all().iter().filter(|region| region.name != own.name);
        let others = others.filter(|region| region.state == RegionState::Live).cloned();
        std::iter::once(own.clone()).chain(others).collect()
    }
}
