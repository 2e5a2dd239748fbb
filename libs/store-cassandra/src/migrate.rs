//! Makes the keyspace and brings its tables up to date: `foxhold schema status|plan|apply`, and what an operator does to
//! regions ([`regions`]). Tests begin with [`apply`].
//!
//! Must stay true: one runner at a time; a file that was applied never changes; what was fixed at first start is never
//! changed by a later plan; a runner that dies half-way has done no harm, the next goes on; no password is shown.

mod admin;
mod deployment;
mod error;
mod files;
mod journal;
mod plan;
mod processes;
pub mod regions;
mod roles;

use foxhold_core::Random;

pub use admin::Node;
pub use error::MigrateError;
pub use files::{FileError, Kind, Migration, latest};
pub use journal::{Applied, Waiting};
pub use plan::{Plan, PlanError, RegionPlan};
#[cfg(test)]
pub(crate) use processes::ProcessStatements;
pub use processes::{Process, REPORT_INTERVAL};
pub use roles::{RoleLogin, Roles};

use crate::ConnectSettings;
use admin::Admin;
use journal::{Journal, Lock};

/// Looks at the schema and changes it.
pub struct Migrator<'a> {
    /// How to reach the cluster. The region, and the keyspace beside the plan's, mean nothing here.
    pub settings: &'a ConnectSettings,
    /// What the deployment shall be.
    pub plan: &'a Plan,
    /// Roles to make or to bring up to date.
    pub roles: Roles,
    /// Where the name of a runner comes from.
    pub random: &'a dyn Random,
    /// The files of the schema, in order.
    pub files: Vec<Migration>,
    /// Whether files may be applied that take something away.
    pub contract: bool,
    /// How long runners wait for each other.
    pub waiting: Waiting,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Whether the keyspace exists.
    pub keyspace_exists: bool,
    /// What was applied.
    pub applied: Vec<Applied>,
    /// What is still to be applied.
    pub missing: Vec<Migration>,
    /// What this version does not know: a newer one applied it.
    pub newer: Vec<Applied>,
    /// What is not as it should be, in words.
    pub drift: Vec<String>,
    /// Who is changing the schema right now.
    pub at_work: Option<String>,
    /// Which processes reported within the last hour.
    pub processes: Vec<Process>,
}

impl Status {
    /// Whether there is nothing to do and nothing to look at.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.keyspace_exists && self.missing.is_empty() && self.drift.is_empty()
    }
}

/// One statement of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is for.
    pub what: String,
    /// As it would be put, but for passwords.
    pub cql: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Whether this was the first start: the keyspace's settings are fixed now.
    pub is_first_start: bool,
    /// The files that were applied, as `0001 deployment`.
    pub applied: Vec<String>,
    /// The files that take something away, and were not applied because nobody asked for it.
    pub held_back: Vec<String>,
    /// What was done for roles.
    pub roles: Vec<String>,
}

/// Makes or updates the keyspace of a plan: all files, no roles.
///
/// # Errors
/// [`MigrateError`], which says what to do.
pub async fn apply(
    settings: &ConnectSettings,
    plan: &Plan,
    random: &dyn Random,
) -> Result<Report, MigrateError> {
    Migrator::new(settings, plan, random).apply().await
}

impl<'a> Migrator<'a> {
    /// With this version's files, without roles, without taking anything away.
    #[must_use]
    pub fn new(settings: &'a ConnectSettings, plan: &'a Plan, random: &'a dyn Random) -> Self {
        Self {
            settings,
            plan,
            roles: Roles::default(),
            random,
            files: Migration::all(),
            contract: false,
            waiting: Waiting::default(),
        }
    }

    /// What there is, beside what should be.
    ///
    /// # Errors
    /// [`MigrateError`]
    pub async fn status(&self) -> Result<Status, MigrateError> {
        let admin = self.connect().await?;
        let Some(replication) = admin.replication(&self.plan.keyspace).await? else {
            return Ok(Status {
                missing: self.files.clone(),
                ..Status::default()
            });
        };
        let journal = journal::read(&admin).await?;
        let regions = admin.regions().await?;
        let mut drift = deployment::judge_replication(self.plan, &regions, &replication);
        drift.extend(deployment::judge(&admin, self.plan).await?);
        drift.extend(self.changed(&journal).iter().map(ToString::to_string));
        drift.extend(self.lost_tables(&journal, &admin.tables().await?));
        let newer = journal
            .applied
            .iter()
            .filter(|applied| self.file(applied).is_none());
        Ok(Status {
            keyspace_exists: true,
            missing: self.missing(&journal).cloned().collect(),
            newer: newer.cloned().collect(),
            drift,
            at_work: journal.owner.map(|(owner, _)| owner),
            processes: processes::running(&admin).await?,
            applied: journal.applied,
        })
    }

    /// The statements that [`Self::apply`] would put now.
    ///
    /// # Errors
    /// [`MigrateError`], also for what would be refused.
    pub async fn plan(&self) -> Result<Vec<Step>, MigrateError> {
        let admin = self.connect().await?;
        roles::check_login(&admin, &self.roles).await?;
        let mut steps = Vec::new();
        let mut step = |what: &str, cql: &str| {
            let (what, cql) = (what.to_owned(), cql.to_owned());
            steps.push(Step { what, cql });
        };
        let exists = admin.replication(&self.plan.keyspace).await?.is_some();
        if exists {
            self.check_settings(&admin).await?;
        } else {
            deployment::check_nodes(self.plan, &admin.nodes_by_data_centre())?;
            step("keyspace", &deployment::creation(self.plan));
        }
        let journal = journal::read(&admin).await?;
        if !exists || !admin.tables().await?.iter().any(|name| name == journal::TABLE) {
            step(
                "the migrator's own table",
                &journal::creation(&self.plan.keyspace),
            );
        }
        self.check_files(&journal)?;
        let (now, _) = self.split(&journal);
        for file in now {
            for statement in &file.statements {
                step(&titled(file.number, &file.name), statement);
            }
        }
        if deployment::settings(&admin).await?.is_none() {
            for (what, cql) in deployment::in_words(self.plan) {
                step(&what, &cql);
            }
        }
        steps.extend(roles::shown(&admin, self.settings, self.plan, &self.roles).await?);
        Ok(steps)
    }

    /// Makes the keyspace if there is none, applies what is missing, fixes the settings at first start, and brings roles
    /// up to date.
    ///
    /// # Errors
    /// [`MigrateError`]. Whatever was done stays; a repetition goes on.
    pub async fn apply(&self) -> Result<Report, MigrateError> {
        let admin = self.connect().await?;
        // Before anything is changed: half of it done would help nobody.
        roles::check_login(&admin, &self.roles).await?;
        if admin.replication(&self.plan.keyspace).await?.is_none() {
            deployment::check_nodes(self.plan, &admin.nodes_by_data_centre())?;
            let text = deployment::creation(self.plan);
            admin.change("making the keyspace", &text).await?;
        }
        // Also where there was one by now: another runner may have made it since we connected.
        admin.enter().await?;
        if !admin.tables().await?.iter().any(|name| name == journal::TABLE) {
            let text = journal::creation(&self.plan.keyspace);
            admin.change("making the migrator's own table", &text).await?;
        }
        let lock = Lock::take(&admin, self.random, self.waiting).await?;
        let done = lock.while_held(self.work(&admin, &lock)).await;
        lock.release().await;
        done
    }

    async fn work(&self, admin: &Admin, lock: &Lock<'_>) -> Result<Report, MigrateError> {
        self.check_settings(admin).await?;
        let journal = journal::read(admin).await?;
        self.check_files(&journal)?;
        let (now, held_back) = self.split(&journal);
        let mut report = Report {
            held_back: held_back
                .iter()
                .map(|file| titled(file.number, &file.name))
                .collect(),
            ..Report::default()
        };
        for file in now {
            let title = titled(file.number, &file.name);
            if file.kind == Kind::Contract {
                check_processes(admin, file).await?;
            }
            for statement in &file.statements {
                admin.change(&format!("applying {title}"), statement).await?;
            }
            lock.record(file).await?;
            tracing::info!(file = %title, "applied");
            report.applied.push(title);
        }
        report.is_first_start = deployment::fix(admin, self.plan).await?;
        report.roles = roles::apply(admin, self.settings, self.plan, &self.roles).await?;
        Ok(report)
    }

    async fn connect(&self) -> Result<Admin, MigrateError> {
        self.plan.check()?;
        self.roles.check()?;
        Admin::connect(self.settings, &self.plan.keyspace, self.plan.data_centres()).await
    }

    async fn check_settings(&self, admin: &Admin) -> Result<(), MigrateError> {
        let replication = admin
            .replication(&self.plan.keyspace)
            .await?
            .ok_or_else(|| MigrateError::NoSchema(self.plan.keyspace.clone()))?;
        let regions = admin.regions().await?;
        let mut faults = deployment::judge_replication(self.plan, &regions, &replication);
        faults.extend(deployment::judge(admin, self.plan).await?);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(MigrateError::Contradiction(faults))
        }
    }

    fn check_files(&self, journal: &Journal) -> Result<(), MigrateError> {
        self.changed(journal).pop().map_or(Ok(()), Err)
    }

    fn file(&self, applied: &Applied) -> Option<&Migration> {
        self.files.iter().find(|file| file.number == applied.number)
    }

    /// Files that were applied with another text.
    fn changed(&self, journal: &Journal) -> Vec<MigrateError> {
        let differs = |applied: &Applied| {
            let file = self.file(applied)?;
            (file.checksum != applied.checksum).then(|| MigrateError::Changed {
                number: applied.number,
                name: applied.name.clone(),
                applied: applied.checksum.clone(),
                here: file.checksum.clone(),
            })
        };
        journal.applied.iter().filter_map(differs).collect()
    }

    fn missing(&self, journal: &Journal) -> impl Iterator<Item = &Migration> {
        let numbers: Vec<u32> = journal.applied.iter().map(|file| file.number).collect();
        self.files
            .iter()
            .filter(move |file| !numbers.contains(&file.number))
    }

    /// What is to be applied now, and what is held back: from the first file on that takes something away, unless that was
    /// asked for.
    fn split(&self, journal: &Journal) -> (Vec<&Migration>, Vec<&Migration>) {
        let missing: Vec<_> = self.missing(journal).collect();
        let stop = missing
            .iter()
            .position(|file| file.kind == Kind::Contract && !self.contract);
        let (now, later) = missing.split_at(stop.unwrap_or(missing.len()));
        (now.to_vec(), later.to_vec())
    }

    /// Tables that were made, that no file takes away, and that are not there; in words.
    fn lost_tables(&self, journal: &Journal, there: &[String]) -> Vec<String> {
        let dropped = |table: &str| {
            let drop = format!("DROP TABLE IF EXISTS {table}");
            self.files.iter().any(|file| file.statements.contains(&drop))
        };
        let applied = journal.applied.iter().filter_map(|applied| self.file(applied));
        applied
            .flat_map(Migration::tables)
            .filter(|table| !there.iter().any(|name| name == table) && !dropped(table))
            .map(|table| format!("the table {table} was made and is gone"))
            .collect()
    }
}

/// Nothing is taken away while somebody needs it.
async fn check_processes(admin: &Admin, file: &Migration) -> Result<(), MigrateError> {
    let running = processes::running(admin).await?;
    let older: Vec<_> = running
        .into_iter()
        .filter(|process| process.knows < file.number)
        .collect();
    if older.is_empty() {
        return Ok(());
    }
    Err(MigrateError::OlderProcesses {
        number: file.number,
        name: file.name.clone(),
        processes: older,
    })
}

fn titled(number: u32, name: &str) -> String {
    format!("{number:04} {name}")
}
