//! The connection to the cluster and the few ways a statement may be put: a read, a plain write with a timestamp of its
//! operation, a conditional write, and a read at the serial level that settles what became of one (`security.md` D.1, D.3).
//!
//! Must stay true: every request ends by its caller's deadline; nothing conditional is ever sent twice by the driver; what
//! may have reached the cluster is in doubt until a serial read says otherwise.
//!
//! The driver's futures are large. They lie on the heap, where they do not make those of everybody who asks as large: a thread's
//! stack has to hold a whole chain of them.

mod connect;
mod error;
mod locks;
mod page;
mod policy;
mod requests;
mod settle;
mod spans;
mod statement;

use std::{collections::HashMap, sync::Arc};

use foxhold_core::Deadline;
use foxhold_ports::{Cause, ReadError, WriteError};
use scylla::{
    client::{execution_profile::ExecutionProfileHandle, session::Session},
    deserialize::row::DeserializeRow,
    response::query_result::QueryResult,
    serialize::{batch::BatchValues, row::SerializeRow},
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};
use tracing::Instrument as _;

pub use connect::ConnectError;
pub(crate) use connect::{builder, read_regions};
pub(crate) use error::{AfterAStep, could_not_authorize, fault};
pub(crate) use locks::{KeyGuard, KeyedLocks};
use requests::Counters;
pub use requests::Requests;
pub(crate) use requests::as_upkeep;
pub(crate) use settle::{Doubts, Settled, Verdict, decide_or_look, look_patiently, pause, settle};
#[cfg(test)]
pub(crate) use statement::Discipline;
pub(crate) use statement::{Conditional, Entry, Member, Plain, Read, RegionalConditional, statements};

use crate::{Region, Regions, SerialLevel, cql::error::Stage};

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The condition held, and a quorum of the region has what was written.
    Applied,
    /// The condition did not hold; nothing was written.
    NotApplied,
    /// It may have been applied. Only a serial read tells (`security.md` D.3).
    InDoubt(Cause),
}

/// Where a conditional statement, or the read that settles it, is serialized.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level<'a> {
    /// At the deployment's level.
    Deployment,
    /// Within this region alone, by one of its nodes.
    Within(&'a Region),
}

/// A connection, with the settings of the deployment it belongs to.
pub(crate) struct Cql {
    session: Session,
    keyspace: String,
    serial: SerialLevel,
    stripes: u32,
    regions: std::sync::RwLock<Arc<Regions>>,
    /// One for each data centre: plain statements and reads; conditional ones.
    profiles: HashMap<String, Profiles>,
    node_table_age: std::time::Duration,
    counters: Counters,
}

#[derive(Debug, Clone)]
struct Profiles {
    repeatable: ExecutionProfileHandle,
    once: ExecutionProfileHandle,
}

impl Cql {
    /// The regions as they were last read.
    pub(crate) fn regions(&self) -> Arc<Regions> {
        let regions = self
            .regions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&regions)
    }

    pub(crate) const fn stripes(&self) -> u32 {
        self.stripes
    }

    pub(crate) const fn node_table_age(&self) -> std::time::Duration {
        self.node_table_age
    }

    pub(crate) fn requests(&self) -> Requests {
        self.counters.snapshot()
    }

    /// Counts rows that cannot be read and are left out of an answer.
    pub(crate) fn left_out(&self, rows: u64) {
        self.counters.left_out(rows);
    }

    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// All rows a statement finds here.
    pub(crate) async fn rows<R>(
        &self,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.counters.read();
        let span = spans::of(statement.name(), spans::QUORUM);
        Box::pin(self.fetch(by, statement.prepared(), values))
            .instrument(span)
            .await
    }

    /// The one row a statement finds here, if any.
    pub(crate) async fn row<R>(
        &self,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Option<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        Ok(self.rows(by, statement, values).await?.pop())
    }

    /// The one row a statement finds at a quorum of another region.
    pub(crate) async fn row_in<R>(
        &self,
        region: &Region,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Option<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        Ok(self.rows_in(region, by, statement, values).await?.pop())
    }

    /// All rows a statement finds at a quorum of another region.
    pub(crate) async fn rows_in<R>(
        &self,
        region: &Region,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.counters.read();
        let mut prepared = statement.prepared().clone();
        let profiles = self.profiles_of(region).map_err(ReadError)?;
        prepared.set_execution_profile_handle(Some(profiles.repeatable.clone()));
        let span = spans::of(statement.name(), spans::QUORUM);
        Box::pin(self.fetch(by, &prepared, values)).instrument(span).await
    }

    /// All rows as they are after every conditional write that can still be applied: the read that settles doubt.
    pub(crate) async fn serial_rows<R>(
        &self,
        level: Level<'_>,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.counters.serial_read();
        let mut prepared = statement.prepared().clone();
        let (serial, region) = match level {
            Level::Within(region) => (SerialConsistency::LocalSerial, Some(region)),
            Level::Deployment => (self.serial.consistency(), None),
        };
        prepared.set_consistency(match serial {
            SerialConsistency::Serial => Consistency::Serial,
            SerialConsistency::LocalSerial => Consistency::LocalSerial,
        });
        if let Some(region) = region {
            let profiles = self.profiles_of(region).map_err(ReadError)?;
            prepared.set_execution_profile_handle(Some(profiles.repeatable.clone()));
        }
        let span = spans::of(statement.name(), spans::serial(serial));
        Box::pin(self.fetch(by, &prepared, values)).instrument(span).await
    }

    /// The one row, if any, as [`Self::serial_rows`] reads it.
    pub(crate) async fn serial_row<R>(
        &self,
        level: Level<'_>,
        by: Deadline,
        statement: &Read,
        values: impl SerializeRow,
    ) -> Result<Option<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        Ok(self.serial_rows(level, by, statement, values).await?.pop())
    }

    /// A plain write. Its statement carries the timestamp of the operation, so the driver may repeat it.
    pub(crate) async fn write(
        &self,
        by: Deadline,
        statement: &Plain,
        values: impl SerializeRow,
    ) -> Result<(), WriteError> {
        let span = spans::of(statement.name(), spans::QUORUM);
        Box::pin(self.put(by, statement.prepared(), values))
            .instrument(span)
            .await
    }

    /// A plain write that is done when a quorum of another region has it.
    pub(crate) async fn write_in(
        &self,
        region: &Region,
        by: Deadline,
        statement: &Plain,
        values: impl SerializeRow,
    ) -> Result<(), WriteError> {
        let mut prepared = statement.prepared().clone();
        let profiles = self.profiles_of(region).map_err(WriteError::NotDone)?;
        prepared.set_execution_profile_handle(Some(profiles.repeatable.clone()));
        let span = spans::of(statement.name(), spans::QUORUM);
        Box::pin(self.put(by, &prepared, values)).instrument(span).await
    }

    async fn put(
        &self,
        by: Deadline,
        prepared: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), WriteError> {
        self.counters.plain_write();
        match within(by, self.session.execute_unpaged(prepared, values)).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(match error::stage_of_repeated(&error) {
                Stage::NotSent(cause) => WriteError::NotDone(cause),
                Stage::MayBeDone(cause) => WriteError::Unknown(cause),
            }),
        }
    }

    /// A conditional write, at the deployment's serial level. An error is always [`WriteError::NotDone`].
    pub(crate) async fn decide(
        &self,
        by: Deadline,
        statement: &Conditional,
        values: impl SerializeRow,
    ) -> Result<Outcome, WriteError> {
        self.counters.conditional_write();
        let span = spans::of(statement.name(), spans::serial(self.serial.consistency()));
        Box::pin(self.judge(by, self.session.execute_unpaged(statement.prepared(), values)))
            .instrument(span)
            .await
    }

    /// A conditional write about a row that one region decides alone, sent to a node of that region.
    /// An error is always [`WriteError::NotDone`].
    pub(crate) async fn decide_in(
        &self,
        region: &Region,
        by: Deadline,
        statement: &RegionalConditional,
        values: impl SerializeRow,
    ) -> Result<Outcome, WriteError> {
        self.counters.conditional_write();
        let mut prepared = statement.prepared().clone();
        let profiles = self.profiles_of(region).map_err(WriteError::NotDone)?;
        prepared.set_execution_profile_handle(Some(profiles.once.clone()));
        let span = spans::of(statement.name(), spans::serial(SerialConsistency::LocalSerial));
        Box::pin(self.judge(by, self.session.execute_unpaged(&prepared, values)))
            .instrument(span)
            .await
    }

    /// Several statements on one partition as one conditional write: all are applied, or none.
    /// An error is always [`WriteError::NotDone`].
    pub(crate) async fn decide_together(
        &self,
        by: Deadline,
        statements: Vec<PreparedStatement>,
        values: impl BatchValues,
    ) -> Result<Outcome, WriteError> {
        self.counters.conditional_write();
        let statements = statements.into_iter().map(Into::into).collect();
        let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        batch.set_consistency(Consistency::LocalQuorum);
        batch.set_serial_consistency(Some(self.serial.consistency()));
        batch.set_is_idempotent(false);
        let profiles = self
            .profiles_of(self.regions().own())
            .map_err(WriteError::NotDone)?;
        batch.set_execution_profile_handle(Some(profiles.once.clone()));
        let span = spans::of("batch", spans::serial(self.serial.consistency()));
        Box::pin(self.judge(by, self.session.batch(&batch, values)))
            .instrument(span)
            .await
    }

    async fn judge(
        &self,
        by: Deadline,
        sent: impl Future<Output = Result<QueryResult, scylla::errors::ExecutionError>>,
    ) -> Result<Outcome, WriteError> {
        let answer = match within(by, sent).await {
            Ok(answer) => answer,
            Err(WriteError::Unknown(cause)) => return Ok(Outcome::InDoubt(cause)),
            Err(error) => return Err(error),
        };
        match answer {
            Ok(result) => Ok(applied(result)),
            Err(error) => match error::stage(&error) {
                Stage::NotSent(cause) => Err(WriteError::NotDone(cause)),
                Stage::MayBeDone(cause) => Ok(Outcome::InDoubt(cause)),
            },
        }
    }

    async fn fetch<R>(
        &self,
        by: Deadline,
        prepared: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let sent = self.session.execute_unpaged(prepared, values);
        let answer = match within(by, sent).await {
            Ok(answer) => answer,
            Err(_) => return Err(ReadError(Cause::Timeout)),
        };
        let result = answer.map_err(|error| ReadError(error::stage(&error).cause()))?;
        let rows = result.into_rows_result().map_err(|error| fault(&error))?;
        let rows = rows.rows::<R>().map_err(|error| fault(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| fault(&error))
    }

    fn profiles_of(&self, region: &Region) -> Result<&Profiles, Cause> {
        self.profiles.get(&region.data_centre).ok_or(Cause::Unavailable)
    }
}

/// The first column of a conditional write's answer.
fn applied(result: QueryResult) -> Outcome {
    let read = || {
        let rows = result.into_rows_result().ok()?;
        let row = rows.first_row::<scylla::value::Row>().ok()?;
        row.columns.first()?.as_ref()?.as_boolean()
    };
    match read() {
        Some(true) => Outcome::Applied,
        Some(false) => Outcome::NotApplied,
        None => Outcome::InDoubt(Cause::Fault),
    }
}

/// Waits until the deadline. [`WriteError::NotDone`] if it had passed before anything was sent, `Unknown` after.
async fn within<T>(by: Deadline, sent: impl Future<Output = T>) -> Result<T, WriteError> {
    if by.has_passed() {
        return Err(WriteError::NotDone(Cause::Timeout));
    }
    tokio::time::timeout_at(by.instant().into(), sent)
        .await
        .map_err(|_| WriteError::Unknown(Cause::Timeout))
}
