//! Which processes run, and which schema each knows: before something is taken away, everybody who needs it must be gone.
//! dbwriters report; webheads may not write, so nobody sees them here and the operator has to know.

use std::{fmt, time::Duration};

use foxhold_core::{Deadline, Timestamp};
use foxhold_ports::{ReadError, WriteError};
use scylla::{statement::Consistency, value::CqlTimestamp};

use super::{MigrateError, admin::Admin, files};
use crate::{
    CassandraStore, ConnectError,
    cql::{fault, statements},
};

/// Who has not reported for so long is gone.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3600);

/// How often a process should report: several times before it is taken for gone.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(600);

statements! {
    /// What a process writes about itself.
    ProcessStatements {
        /// It runs.
        report: Plain = "INSERT INTO processes (name, role, version, knows, seen) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    }
}

/// A process that reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name, its own in the deployment.
    pub name: String,
    /// Its tier.
    pub role: String,
    /// Its version.
    pub version: String,
    /// The number of the last file of the schema that it knows.
    pub knows: u32,
    /// When it reported, by its own clock.
    pub seen: Timestamp,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            role,
            version,
            knows,
            ..
        } = self;
        write!(
            f,
            "{role} {name}, version {version}, knows the schema up to {knows:04}"
        )
    }
}

impl CassandraStore {
    /// Reports that this process runs, and which schema its version knows. To be repeated every [`REPORT_INTERVAL`]; a
    /// failure costs nothing but that.
    ///
    /// # Errors
    /// [`WriteError`]
    pub async fn report_process(
        &self,
        name: &str,
        role: &str,
        version: &str,
        by: Deadline,
    ) -> Result<(), WriteError> {
        // Once in ten minutes: not worth keeping.
        let statements = ProcessStatements::prepare(&self.cql).await;
        let statements = statements.map_err(|error: ConnectError| {
            let ReadError(cause) = fault(&error);
            WriteError::NotDone(cause)
        })?;
        let knows = i32::try_from(files::latest()).unwrap_or(i32::MAX);
        let millis = i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX);
        let values = (
            name,
            role,
            version,
            knows,
            CqlTimestamp(millis),
            millis.saturating_mul(1000),
        );
        self.cql.write(by, &statements.report, values).await
    }
}

/// Those that reported within the last hour.
pub(super) async fn running(admin: &Admin) -> Result<Vec<Process>, MigrateError> {
    if !admin.tables().await?.iter().any(|name| name == "processes") {
        return Ok(Vec::new());
    }
    // The age by the nodes' clocks: the table's time to live counts down from the moment of writing.
    let text = "SELECT name, role, version, knows, seen, TTL(seen) FROM processes";
    type Row = (String, String, String, i32, CqlTimestamp, Option<i32>);
    let rows: Vec<Row> = admin
        .rows("reading which processes run", text, (), Consistency::Quorum)
        .await?;
    let kept_secs = 7200;
    let young = |ttl: Option<i32>| {
        ttl.and_then(|ttl| u64::try_from(kept_secs - ttl).ok())
            .is_none_or(|age| age < SILENCE_MAX.as_secs())
    };
    let mut processes: Vec<_> = rows
        .into_iter()
        .filter(|(.., ttl)| young(*ttl))
        .map(|(name, role, version, knows, seen, _)| Process {
            name,
            role,
            version,
            knows: u32::try_from(knows).unwrap_or_default(),
            seen: Timestamp::from_millis(u64::try_from(seen.0).unwrap_or_default()),
        })
        .collect();
    processes.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
    Ok(processes)
}
