//! The life of a job: it waits for its turn and for its time, works, and waits again, until the process ends.
//!
//! Whoever has the turn keeps it between two runs, so that a fleet of any size runs a job as often as one process would. The
//! others ask for it now and then, and get it when it is given back or not prolonged.

use std::{pin::pin, sync::Arc, time::Duration};

use foxhold_core::{Clock, Deadline, OpId, Random, random};
use foxhold_ports::{
    Call, JobTurns,
    jobs::{Job, Runner, TURN},
};
use foxhold_runtime::{Shutdown, shutdown::Phase};
use foxhold_sync::jobs::Halt;
use tokio::time::{Instant, sleep_until, timeout};

use super::{END_MAX, Work};

/// How long asking for a turn may take.
const ASK_MAX: Duration = Duration::from_secs(10);
/// The first run comes no later than this after the start: a box on a laptop may not run for an hour.
const FIRST_MAX: Duration = Duration::from_secs(60);

/// How often a job runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(pub(super) Duration);

impl Pace {
    pub(super) const fn of_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// Up to 30 % more or less, so that processes and deployments do not keep step.
    fn pause(self, random: &dyn Random) -> Duration {
        jittered(self.0, random)
    }

    fn first(self, random: &dyn Random) -> Duration {
        jittered(self.0.min(FIRST_MAX), random)
    }
}

fn jittered(span: Duration, random: &dyn Random) -> Duration {
    let part = f64::from(u16::from_be_bytes(random::bytes(random))) / f64::from(u16::MAX);
    // A pause of years is a pause of one: no timer can hold more.
    span.min(Duration::from_secs(31_536_000))
        .mul_f64(0.7 + 0.6 * part)
}

/// A job's turns, as this process asks for them.
pub(super) struct Turns {
    turns: Option<Arc<dyn JobTurns>>,
    job: Job,
    runner: Runner,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// How long one lasts.
    pub(super) span: Duration,
}

impl Turns {
    pub(super) fn new(
        turns: Option<Arc<dyn JobTurns>>,
        job: Job,
        runner: Runner,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            turns,
            job,
            runner,
            clock,
            random,
            span: TURN,
        }
    }

    fn call(&self) -> Call {
        Call {
            op: OpId::new(self.clock.now(), &*self.random),
            deadline: Deadline::after(ASK_MAX),
        }
    }

    /// Takes or prolongs the turn. Where the store does not say, it is not ours: it saves work and decides nothing.
    async fn take(&self) -> bool {
        let Some(turns) = &self.turns else { return true };
        let now = self.clock.now();
        match turns.take_turn(&self.call(), self.job, self.runner, now).await {
            Ok(is_ours) => is_ours,
            Err(error) => {
                tracing::warn!(job = ?self.job, %error, "no turn");
                false
            }
        }
    }

    /// `None` = the process ends. What was asked may have been granted; it is over soon.
    async fn take_unless(&self, shutdown: &Shutdown) -> Option<bool> {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => None,
            is_ours = self.take() => Some(is_ours),
        }
    }

    async fn end(&self) {
        let Some(turns) = &self.turns else { return };
        let ended = turns.end_turn(&self.call(), self.job, self.runner).await;
        if let Err(error) = ended {
            tracing::info!(job = ?self.job, %error, "the turn was not given back");
        }
    }

    /// When to ask again.
    fn next(&self, is_ours: bool) -> Instant {
        // Prolonged well before it is over; asked for about as often as one that is not prolonged is over.
        let pause = if is_ours { self.span / 3 } else { self.span };
        Instant::now() + jittered(pause, &*self.random)
    }
}

/// Runs a job until the process ends.
pub(super) async fn keep(turns: Turns, pace: Pace, shutdown: Shutdown, mut work: Box<dyn Work>) {
    let mut due = Instant::now() + pace.first(&*turns.random);
    let mut ask = Instant::now();
    let mut is_ours = false;
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => break,
            () = sleep_until(ask) => {
                let Some(taken) = turns.take_unless(&shutdown).await else { break };
                if is_ours && !taken {
                    work.turn_lost();
                }
                is_ours = taken;
                ask = turns.next(is_ours);
            }
            () = sleep_until(due), if is_ours => {
                is_ours = run(&turns, &mut ask, &shutdown, &mut *work).await;
                if !is_ours {
                    work.turn_lost();
                }
                due = Instant::now() + pace.pause(&*turns.random);
            }
        }
    }
    if is_ours {
        timeout(END_MAX, turns.end()).await.ok();
    }
}

/// One run. Answers whether the turn is still ours; one that is not, or a process that ends, halts it.
async fn run(turns: &Turns, ask: &mut Instant, shutdown: &Shutdown, work: &mut dyn Work) -> bool {
    let halt = Halt::default();
    let mut is_ours = true;
    let mut working = pin!(work.run(&halt));
    loop {
        tokio::select! {
            () = &mut working => return is_ours,
            () = shutdown.reached(Phase::Draining) => break,
            () = sleep_until(*ask), if is_ours => {
                let Some(taken) = turns.take_unless(shutdown).await else { break };
                is_ours = taken;
                *ask = turns.next(is_ours);
                if !is_ours {
                    halt.call();
                }
            }
        }
    }
    halt.call();
    timeout(END_MAX, working).await.ok();
    is_ours
}
