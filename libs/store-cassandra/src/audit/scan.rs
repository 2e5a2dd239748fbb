//! Going through a table: page by page, at a pace, a first look at each row and a second one at what looks wrong.
//!
//! Must stay true: memory does not grow with the table; nothing is reported on a first look alone.

use foxhold_core::Deadline;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scylla::{deserialize::row::DeserializeRow, response::PagingState};
use std::time::Duration;
use tokio::time::Instant;

use super::{Audit, AuditError, Finding, Notes};
use crate::cql::Read;

/// How long one page, one look or one repair may take.
const STEP: Duration = Duration::from_secs(30);
/// First looks at once.
const LOOKS_AT_ONCE: usize = 32;
/// An intent has ended so long after it was seen half done, or it has been cut off.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How often something that keeps changing is looked at again.
const LOOKS_MAX: usize = 4;

/// What a second look sees.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// This, and it is still there.
    Found(Finding, String),
    /// This, and it is repaired.
    Repaired(Finding, String),
    /// It changed while it was repaired: look again.
    Changed,
    /// It changes all the time: nothing can be said.
    Unsettled,
}

/// A table and what may be wrong with its rows.
pub(super) trait Check {
    /// A row.
    type Row: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>;
    /// What a second look needs to know of a row.
    type Suspicion;

    /// The table, for people.
    fn table(&self) -> &'static str;

    /// The SELECT of all rows.
    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read;

    /// A cheap look at a row as this region sees it.
    async fn first_look(
        &self,
        audit: &Audit<'_>,
        row: Self::Row,
    ) -> Result<Option<Self::Suspicion>, AuditError>;

    /// Whether this is also what an intent looks like that is half done, however old its rows: then the second look
    /// waits for it.
    fn may_be_under_way(&self, _: &Self::Suspicion) -> bool {
        false
    }

    /// A look at the truth; repairs what it finds, if that is wanted.
    async fn second_look(
        &self,
        audit: &Audit<'_>,
        suspicion: &Self::Suspicion,
    ) -> Result<Verdict, AuditError>;
}

/// When a step that begins now must have ended.
pub(super) fn soon() -> Deadline {
    Deadline::after(STEP)
}

/// Applies a check to every row of its table.
pub(super) async fn apply<C: Check>(
    check: &C,
    audit: &Audit<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), AuditError> {
    let mut pages = Pages::of(audit, check.rows(audit), check.table());
    while let Some(rows) = pages.next::<C::Row>(notes).await? {
        let looks = stream::iter(rows).map(|row| check.first_look(audit, row));
        let suspicions: Vec<_> = looks
            .buffer_unordered(LOOKS_AT_ONCE)
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await?;
        let under_way = suspicions
            .iter()
            .any(|suspicion| check.may_be_under_way(suspicion));
        if under_way && !audit.options.settled {
            tokio::time::sleep(UNDER_WAY).await;
        }
        for suspicion in &suspicions {
            settle(notes, async || check.second_look(audit, suspicion).await).await?;
        }
    }
    Ok(())
}

/// Looks until there is a verdict.
pub(super) async fn settle(
    notes: &mut Notes<'_>,
    look: impl AsyncFn() -> Result<Verdict, AuditError>,
) -> Result<(), AuditError> {
    for _ in 0..LOOKS_MAX {
        let verdict = Box::pin(look()).await?;
        if !matches!(verdict, Verdict::Changed) {
            notes.verdict(verdict);
            return Ok(());
        }
    }
    notes.verdict(Verdict::Unsettled);
    Ok(())
}

/// The pages of a table.
pub(super) struct Pages<'a> {
    audit: &'a Audit<'a>,
    table: &'static str,
    statement: &'a Read,
    next: Option<PagingState>,
    rows: u64,
    last: Option<(Instant, usize)>,
}

impl<'a> Pages<'a> {
    pub(super) fn of(audit: &'a Audit<'_>, statement: &'a Read, table: &'static str) -> Self {
        Self {
            audit,
            table,
            statement,
            next: Some(PagingState::start()),
            rows: 0,
            last: None,
        }
    }

    /// The next page, when its time has come; `None` after the last.
    pub(super) async fn next<R>(&mut self, notes: &mut Notes<'_>) -> Result<Option<Vec<R>>, AuditError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        if let Some((began, rows)) = self.last {
            notes.looked_at(self.table, self.rows, rows);
            tokio::time::sleep(self.audit.options.pace.pause(rows, began.elapsed())).await;
        }
        let Some(state) = self.next.take() else {
            return Ok(None);
        };
        let began = Instant::now();
        let rows_max = self.audit.options.pace.page_rows();
        let (page, next) = self
            .audit
            .cql
            .page(soon(), self.statement, (), rows_max, state)
            .await?;
        self.next = next;
        self.rows += page.len() as u64;
        self.last = Some((began, page.len()));
        Ok(Some(page))
    }
}
