//! The writer thread's loop: gather, run each job in its savepoint, commit once, then answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};

use super::{
    Counters, GroupReport, WriterConfig,
    job::{Fate, Job, Queued, Step},
};

pub(super) struct Loop {
    pub(super) connection: Connection,
    pub(super) receiver: Receiver<Queued>,
    pub(super) config: WriterConfig,
    pub(super) counters: Arc<Counters>,
}

/// The jobs of one transaction, and what the metrics want to know of it.
#[derive(Default)]
struct Group {
    ran: Vec<Box<dyn Job>>,
    late: Vec<Box<dyn Job>>,
    queue_wait_max: Duration,
    begin: Duration,
    commit: Duration,
}

impl Loop {
    /// Until every sender is gone and the queue is empty.
    pub(super) fn run(self) {
        while let Ok(first) = self.receiver.recv() {
            let mut group = Group::default();
            let fate = self.transact(first, &mut group);
            self.count(&group, &fate);
            for job in group.late {
                job.answer(&Fate::DeadlinePassed);
            }
            for job in group.ran {
                job.answer(&fate);
            }
        }
    }

    fn transact(&self, first: Queued, group: &mut Group) -> Fate {
        if first.by.has_passed() {
            group.late.push(first.job);
            return Fate::Committed;
        }
        let started = Instant::now();
        if let Err(error) = self.statement("BEGIN IMMEDIATE") {
            group.ran.push(first.job);
            return Fate::NotDone(format!("taking the write lock: {error}"));
        }
        group.begin = started.elapsed();
        let fate = match self.run_jobs(first, group) {
            Ok(()) => self.commit(group),
            Err(fate) => fate,
        };
        if !self.connection.is_autocommit()
            && let Err(error) = self.statement("ROLLBACK")
        {
            return Fate::Unknown(format!("rolling back: {error}"));
        }
        fate
    }

    /// Takes what is queued: up to the limit of jobs, or until the jobs have run for the group's span.
    fn run_jobs(&self, first: Queued, group: &mut Group) -> Result<(), Fate> {
        let started = Instant::now();
        let mut next = Some(first);
        while let Some(queued) = next {
            if queued.by.has_passed() {
                group.late.push(queued.job);
            } else {
                group.queue_wait_max = group.queue_wait_max.max(queued.since.elapsed());
                self.run_in_savepoint(queued.job, group)?;
            }
            let room = group.ran.len() < self.config.group_jobs_max
                && group.late.len() < self.config.queue_jobs_max
                && started.elapsed() < self.config.group_span_max;
            next = if room { self.receiver.try_recv().ok() } else { None };
        }
        Ok(())
    }

    fn run_in_savepoint(&self, mut job: Box<dyn Job>, group: &mut Group) -> Result<(), Fate> {
        let lost = |error: rusqlite::Error| Fate::NotDone(format!("savepoint: {error}"));
        let opened = self.statement("SAVEPOINT job");
        let step = if opened.is_ok() {
            job.run(&self.connection)
        } else {
            Step::RollBack
        };
        group.ran.push(job);
        opened.map_err(lost)?;
        if self.connection.is_autocommit() {
            // A full disk or a failed write makes SQLite undo the whole transaction by itself.
            return Err(Fate::NotDone(
                "the transaction was rolled back by the database".into(),
            ));
        }
        if step == Step::RollBack {
            self.statement("ROLLBACK TO job").map_err(lost)?;
        }
        self.statement("RELEASE job").map_err(lost)
    }

    fn commit(&self, group: &mut Group) -> Fate {
        let started = Instant::now();
        let outcome = self.statement("COMMIT");
        group.commit = started.elapsed();
        match outcome {
            Ok(()) => Fate::Committed,
            Err(error) if certainly_undone(&error) => Fate::NotDone(format!("commit: {error}")),
            Err(error) => Fate::Unknown(format!("commit: {error}")),
        }
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn count(&self, group: &Group, fate: &Fate) {
        if group.ran.is_empty() {
            return;
        }
        let jobs = group.ran.len();
        if matches!(fate, Fate::Committed) {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            self.counters.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
        } else {
            self.counters.failed_groups.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(observe) = &self.config.observe {
            let Group {
                queue_wait_max,
                begin,
                commit,
                ..
            } = *group;
            let report = GroupReport {
                jobs,
                queue_wait_max,
                begin,
                commit,
            };
            // Metrics that break must not take the writer along: these jobs are committed and wait for their answer. The
            // panic hook has told of it.
            let _ = catch_unwind(AssertUnwindSafe(|| observe(&report)));
        }
    }
}

/// Errors of COMMIT after which the transaction is certainly not in the file. A failed write or sync is not among
/// them: its frames may lie complete in the log and be found by the recovery after a crash.
fn certainly_undone(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation)
    )
}
