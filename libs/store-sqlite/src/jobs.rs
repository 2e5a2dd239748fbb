//! Turns at jobs, decided and written in one transaction.

use foxhold_core::Timestamp;
use foxhold_ports::jobs::{Job, Runner, may_take, turn_end};
use foxhold_sqlite::rusqlite::Connection;

use crate::{
    error::Stop,
    row::{change, millis, one},
};

const SELECT: &str = "SELECT runner, until_ms FROM job_turns WHERE job = ?1";
const PUT: &str = "INSERT INTO job_turns (job, runner, until_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (job) DO UPDATE SET runner = excluded.runner, until_ms = excluded.until_ms";
const END: &str = "DELETE FROM job_turns WHERE job = ?1 AND runner = ?2";

/// `JobTurns::take_turn`
pub(crate) fn take(db: &Connection, job: Job, runner: Runner, now: Timestamp) -> Result<bool, Stop> {
    let held = one(db, SELECT, [job.number()], |row| {
        Ok((Runner(row.get()?), row.time()?))
    })?;
    let may = may_take(held, runner, now);
    if may {
        let until = millis(turn_end(now))?;
        change(db, PUT, (job.number(), runner.0, until))?;
    }
    Ok(may)
}

/// `JobTurns::end_turn`
pub(crate) fn end(db: &Connection, job: Job, runner: Runner) -> Result<(), Stop> {
    change(db, END, (job.number(), runner.0))?;
    Ok(())
}
