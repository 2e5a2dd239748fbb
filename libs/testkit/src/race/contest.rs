//! One side of a race for many things each of which only one may have: every client asks, and asks again with the same
//! operation id, until it is decided.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use foxhold_core::{Clock as _, Deadline, OpId};
use foxhold_ports::{Call, Refusal, WriteError};
use foxhold_runtime::{SystemClock, SystemRandom};
use tokio::task::JoinSet;

use super::Answers;
use crate::wait::{pause, within};

/// Clients of one side that are at it at the same time. The others wait for their turn, as behind an edge that lets only
/// so many in.
const AT_ONCE: usize = 6;

/// How long a client lets one attempt take while it has no reason to hope.
const SHORT: Duration = Duration::from_millis(500);
/// And when it has.
const LONG: Duration = Duration::from_secs(10);

/// A contest under way; it ends with this value.
pub struct Contest<T> {
    shared: Arc<Shared<T>>,
    clients: JoinSet<()>,
}

/// What became of one of the things.
enum Verdict<T> {
    Unasked,
    Undecided,
    Decided(Result<T, Refusal>),
}

struct Shared<T> {
    what: &'static str,
    ops: Vec<OpId>,
    waiting: Mutex<VecDeque<usize>>,
    verdicts: Mutex<Vec<Verdict<T>>>,
    patient: AtomicBool,
    answers: Answers,
}

/// Begins one side's contest for the things `0..count`: `ask` puts one of them to the side's store. `what` is what
/// answers are counted as. Attempts are short until [`Contest::be_patient`].
pub fn contest<T, F>(
    what: &'static str,
    count: usize,
    ask: impl Fn(usize, Call) -> F + Send + Sync + 'static,
) -> Contest<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, WriteError>> + Send,
{
    let shared = Arc::new(Shared {
        what,
        ops: (0..count)
            .map(|_| OpId::new(SystemClock.now(), &SystemRandom))
            .collect(),
        waiting: Mutex::new((0..count).collect()),
        verdicts: Mutex::new((0..count).map(|_| Verdict::Unasked).collect()),
        patient: AtomicBool::new(false),
        answers: Answers::default(),
    });
    let ask = Arc::new(ask);
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (shared, ask) = (Arc::clone(&shared), Arc::clone(&ask));
        clients.spawn(async move {
            while let Some(number) = shared.next() {
                let deadline = Deadline::after(shared.attempt());
                let op = shared.ops[number];
                let answer = ask(number, Call { op, deadline }).await;
                shared.note(number, answer);
                pause().await;
            }
        });
    }
    Contest { shared, clients }
}

impl<T> Shared<T> {
    fn next(&self) -> Option<usize> {
        locked(&self.waiting).pop_front()
    }

    fn attempt(&self) -> Duration {
        if self.patient.load(Ordering::Relaxed) {
            LONG
        } else {
            SHORT
        }
    }

    /// A thing that is not decided goes to the end of the row. A client that finds nobody waiting may go: whoever puts
    /// something back goes on with it.
    fn note(&self, number: usize, answer: Result<T, WriteError>) {
        self.answers.write(self.what, &answer);
        let verdict = match answer {
            Ok(done) => Verdict::Decided(Ok(done)),
            Err(WriteError::Refused(refusal)) => Verdict::Decided(Err(refusal)),
            Err(WriteError::NotDone(_) | WriteError::Unknown(_)) => Verdict::Undecided,
        };
        let is_decided = matches!(verdict, Verdict::Decided(_));
        locked(&self.verdicts)[number] = verdict;
        if !is_decided {
            locked(&self.waiting).push_back(number);
        }
    }
}

impl<T> Contest<T> {
    /// From here on clients give every attempt the time it needs, or do not.
    pub fn be_patient(&self, patient: bool) {
        self.shared.patient.store(patient, Ordering::Relaxed);
    }

    /// For how many of the things somebody has had an answer, of whatever kind.
    #[must_use]
    pub fn asked(&self) -> usize {
        let verdicts = locked(&self.shared.verdicts);
        let asked = verdicts
            .iter()
            .filter(|verdict| !matches!(verdict, Verdict::Unasked));
        asked.count()
    }

    /// What was answered so far.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.shared.answers
    }

    /// Waits until everything is decided: what was done or refused, by the things' numbers.
    ///
    /// # Errors
    /// When that takes longer than `limit`, or a client panicked.
    pub async fn decided(&mut self, limit: Duration) -> Result<Vec<Result<T, Refusal>>> {
        let (what, clients) = (self.shared.what, &mut self.clients);
        let all = async {
            while let Some(ended) = clients.join_next().await {
                ended.context("a client failed")?;
            }
            anyhow::Ok(())
        };
        let answers = &self.shared.answers;
        within(limit, what, all)
            .await
            .with_context(|| format!("not all is decided: {answers}"))??;
        let verdicts = std::mem::take(&mut *locked(&self.shared.verdicts));
        let decided = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Decided(verdict) => Some(verdict),
            Verdict::Unasked | Verdict::Undecided => None,
        });
        decided
            .collect::<Option<_>>()
            .context("a client left before its turn")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use foxhold_ports::Cause;

    use super::*;

    #[tokio::test]
    async fn everything_is_asked_again_with_the_same_operation_until_it_is_decided() {
        let seen: Arc<Mutex<Vec<Vec<OpId>>>> = Arc::new(Mutex::new(vec![Vec::new(); 30]));
        let record = Arc::clone(&seen);
        let mut contest = contest("ask", 30, move |number, call| {
            let mut seen = locked(&record);
            seen[number].push(call.op);
            let answer = match (seen[number].len(), number % 3) {
                (1, _) => Err(WriteError::NotDone(Cause::Unavailable)),
                (2, _) => Err(WriteError::Unknown(Cause::Timeout)),
                (_, 0) => Err(Refusal::EmailTaken.into()),
                _ => Ok(number),
            };
            async move { answer }
        });
        let decided = contest.decided(Duration::from_secs(60)).await.unwrap();
        for (number, verdict) in decided.into_iter().enumerate() {
            let expected = if number % 3 == 0 {
                Err(Refusal::EmailTaken)
            } else {
                Ok(number)
            };
            assert_eq!(verdict, expected);
        }
        for ops in locked(&seen).iter() {
            assert!(ops.len() == 3 && ops.iter().all(|op| *op == ops[0]), "{ops:?}");
        }
        assert_eq!(
            (contest.answers().decided(), contest.answers().missing()),
            (30, 60)
        );
    }
}
