//! Turns at jobs. A store may be shared by many cases: each has times of its own, later than those of the cases before.

use std::sync::Arc;

use foxhold_core::{Timestamp, random};

use super::{
    Case, Subject, at_once, cases,
    fixtures::{Maker, of_this_case, past},
};
use crate::{
    Call, Cause, Refusal, WriteError,
    jobs::{Job, Runner, TURN, turn_end},
};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

cases![
    a_turn_is_one_runners_until_it_is_over,
    a_turn_is_prolonged_by_its_runner,
    a_turn_given_back_is_free,
    jobs_have_turns_of_their_own,
    a_repeated_turn_gives_the_same_answer,
    of_many_runners_one_gets_the_turn,
    after_its_deadline_no_turn_is_taken,
];

/// A time of this case, long after all turns of the cases before.
fn begin() -> Timestamp {
    of_this_case(Timestamp::from_secs(1_800_000_000))
}

fn runners<const N: usize>(make: &Maker) -> [Runner; N] {
    [(); N].map(|()| Runner(random::bytes(make.random())))
}

impl Subject {
    async fn takes(&self, make: &Maker, job: Job, runner: Runner, now: Timestamp) -> bool {
        let taken = self.job_turns.take_turn(&make.call(), job, runner, now).await;
        taken.expect("the store decides")
    }

    async fn ends(&self, make: &Maker, job: Job, runner: Runner) {
        let ended = self.job_turns.end_turn(&make.call(), job, runner).await;
        assert_eq!(ended, Ok(()));
    }
}

async fn a_turn_is_one_runners_until_it_is_over(s: Arc<Subject>) {
    let make = Maker::new(1);
    let [one, other] = runners(&make);
    let (now, job) = (begin(), Job::Purge);
    assert!(s.takes(&make, job, one, now).await);
    assert!(!s.takes(&make, job, other, now).await);
    let last = Timestamp::from_millis(turn_end(now).as_millis() - 1);
    assert!(!s.takes(&make, job, other, last).await);
    assert!(s.takes(&make, job, other, turn_end(now)).await, "it is over");
    assert!(!s.takes(&make, job, one, turn_end(now)).await);
}

async fn a_turn_is_prolonged_by_its_runner(s: Arc<Subject>) {
    let make = Maker::new(2);
    let [one, other] = runners(&make);
    let (mut now, job) = (begin(), Job::Purge);
    for _ in 0..3 {
        assert!(s.takes(&make, job, one, now).await);
        now = now.plus(TURN / 2);
    }
    assert!(
        !s.takes(&make, job, other, now).await,
        "counted from the last time"
    );
}

async fn a_turn_given_back_is_free(s: Arc<Subject>) {
    let make = Maker::new(3);
    let [one, other] = runners(&make);
    let (now, job) = (begin(), Job::NodeHealth);
    assert!(s.takes(&make, job, one, now).await);
    s.ends(&make, job, other).await;
    assert!(
        !s.takes(&make, job, other, now).await,
        "nobody gives back another's"
    );
    s.ends(&make, job, one).await;
    s.ends(&make, job, one).await;
    assert!(s.takes(&make, job, other, now).await);
}

async fn jobs_have_turns_of_their_own(s: Arc<Subject>) {
    let make = Maker::new(4);
    let runners: [Runner; Job::ALL.len()] = runners(&make);
    let now = begin();
    for (job, runner) in Job::ALL.iter().zip(runners) {
        assert!(s.takes(&make, *job, runner, now).await, "{job:?}");
    }
    for (job, runner) in Job::ALL.iter().zip(runners.into_iter().rev()) {
        assert!(!s.takes(&make, *job, runner, now).await, "{job:?}");
    }
}

async fn a_repeated_turn_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(5);
    let [one, other] = runners(&make);
    let (now, job, call) = (begin(), Job::Purge, make.call());
    let take = || s.job_turns.take_turn(&call, job, one, now);
    assert_eq!(take().await, Ok(true));
    assert_eq!(take().await, Ok(true));
    assert!(!s.takes(&make, job, other, now).await);
}

async fn of_many_runners_one_gets_the_turn(s: Arc<Subject>) {
    let make = Maker::new(6);
    let runners: [Runner; 16] = runners(&make);
    let now = begin();
    let answers = at_once(runners.len(), |number| {
        let (turns, call, runner) = (Arc::clone(&s.job_turns), make.call(), runners[number]);
        async move { turns.take_turn(&call, Job::Purge, runner, now).await }
    });
    let answers = answers.await;
    let taken = answers.iter().filter(|answer| **answer == Ok(true)).count();
    let refused = answers.iter().filter(|answer| **answer == Ok(false)).count();
    assert_eq!((taken, refused), (1, 15), "{answers:?}");
}

async fn after_its_deadline_no_turn_is_taken(s: Arc<Subject>) {
    let make = Maker::new(7);
    let [one, other] = runners(&make);
    let (now, job) = (begin(), Job::Purge);
    let late = Call {
        op: make.call().op,
        deadline: past(),
    };
    let answer = s.job_turns.take_turn(&late, job, one, now).await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Timeout)));
    assert!(s.takes(&make, job, other, now).await);
}

mod log {
    //! What only a store with a log of operations promises.

    use super::*;

    cases![
        an_answer_is_the_operations_for_good,
        an_operation_id_serves_one_kind_of_intent,
    ];

    async fn an_answer_is_the_operations_for_good(s: Arc<Subject>) {
        let make = Maker::new(8);
        let [one, other] = runners(&make);
        let (now, job, call) = (begin(), Job::Purge, make.call());
        assert!(s.takes(&make, job, other, now).await);
        let take = || s.job_turns.take_turn(&call, job, one, now);
        assert_eq!(take().await, Ok(false));
        s.ends(&make, job, other).await;
        assert_eq!(take().await, Ok(false), "though it is free");
    }

    async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
        let make = Maker::new(9);
        let [one] = runners(&make);
        let (now, job, call) = (begin(), Job::Purge, make.call());
        assert_eq!(s.job_turns.take_turn(&call, job, one, now).await, Ok(true));
        let reused = s.job_turns.end_turn(&call, job, one).await;
        assert_eq!(reused, Err(Refusal::OperationReused.into()));
    }
}
