//! Mail that waits. A store may be shared by many cases: each has times of its own, longer after those of the cases
//! before than a mail is kept.

use std::{any::Any, pin::Pin, sync::Arc, time::Duration};

use foxhold_core::{OpId, Timestamp};

use super::{
    at_once,
    fixtures::{Maker, of_this_case, past, soon},
    in_a_case, tell,
};
use crate::{
    Call, Cause, Outbox, OutboxReader, Refusal, WriteError,
    outbox::{Backlog, LEASE, LeasedMail, MailRef, SealedMail, TAKEN_MAX, lease_end},
};

/// A store for mail, seen through its ports.
pub struct OutboxSubject {
    /// Keeps mail.
    pub outbox: Arc<dyn Outbox>,
    /// Tells what waits.
    pub reader: Arc<dyn OutboxReader>,
    /// Whether it keeps a log of operations.
    pub remembers: bool,
    /// What has to live as long as the store.
    pub keep: Box<dyn Any + Send + Sync>,
}

type MailCase = (
    &'static str,
    fn(Arc<OutboxSubject>) -> Pin<Box<dyn Future<Output = ()> + Send>>,
);

macro_rules! mail_cases {
    ($($name:ident,)*) => { &[$((stringify!($name), |subject| Box::pin($name(subject))),)*] };
}

const CASES: &[MailCase] = mail_cases![
    a_mail_is_its_putters_until_its_lease_is_over,
    what_waits_longest_is_taken_first_and_no_more_than_asked_for,
    an_ended_mail_is_gone_also_when_it_is_put_again,
    a_deferred_mail_waits_for_its_time_and_counts,
    a_lease_that_was_taken_over_ends_and_defers_nothing,
    of_many_takers_each_mail_goes_to_one,
    a_repeated_operation_gives_the_same_answer,
    the_backlog_is_what_was_not_ended,
    after_its_deadline_nothing_is_put_or_taken,
];

/// What only a store with a log of operations promises.
const LOG_CASES: &[MailCase] = mail_cases![an_operation_id_serves_one_kind_of_intent,];

pub(super) async fn run(adapter: &str, make: impl AsyncFn() -> OutboxSubject) {
    let mut passed = 0;
    for (number, (name, case)) in CASES.iter().chain(LOG_CASES).enumerate() {
        let subject = make().await;
        if number >= CASES.len() && !subject.remembers {
            tell(&format!("conformance: outbox over {adapter}: {name}: left out"));
            continue;
        }
        tell(&format!("conformance: outbox over {adapter}: {name}"));
        in_a_case(case(Arc::new(subject))).await;
        passed += 1;
    }
    tell(&format!(
        "conformance: outbox over {adapter}: {passed} cases passed"
    ));
}

/// A time of this case.
fn begin() -> Timestamp {
    of_this_case(Timestamp::from_secs(1_800_000_000))
}

const SECOND: Duration = Duration::from_secs(1);

/// A call whose operation was made at that time.
fn call(make: &Maker, at: Timestamp) -> Call {
    Call {
        op: OpId::new(at, make.random()),
        deadline: soon(),
    }
}

fn sealed(number: u8) -> SealedMail {
    SealedMail(vec![number; 300 + usize::from(number)])
}

fn ids(mails: &[LeasedMail]) -> Vec<OpId> {
    mails.iter().map(|mail| mail.at.id).collect()
}

const CONFLICT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::Conflict));

impl OutboxSubject {
    async fn puts(&self, make: &Maker, number: u8, now: Timestamp) -> MailRef {
        let call = call(make, now);
        let put = self.outbox.put_mail(&call, sealed(number), now).await;
        assert_eq!(put, Ok(()));
        MailRef::just_put(call.op)
    }

    async fn takes(&self, make: &Maker, now: Timestamp, limit: u32) -> Vec<LeasedMail> {
        let taken = self.outbox.take_mails(&call(make, now), now, limit).await;
        taken.expect("the store decides")
    }

    async fn ends(&self, make: &Maker, now: Timestamp, at: MailRef) -> Result<(), WriteError> {
        self.outbox.end_mail(&call(make, now), at).await
    }

    async fn defers(
        &self,
        make: &Maker,
        now: Timestamp,
        at: MailRef,
        next: Timestamp,
    ) -> Result<(), WriteError> {
        self.outbox.defer_mail(&call(make, now), at, next).await
    }

    async fn waiting(&self, now: Timestamp) -> Backlog {
        self.reader.backlog(soon(), now).await.expect("the store answers")
    }
}

async fn a_mail_is_its_putters_until_its_lease_is_over(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(1), begin());
    let mail = s.puts(&make, 1, now).await;
    let over = lease_end(now);
    let last = over.minus(Duration::from_millis(1));
    assert_eq!(s.takes(&make, last, TAKEN_MAX).await, []);
    let taken = s.takes(&make, over, TAKEN_MAX).await;
    assert_eq!(ids(&taken), [mail.id]);
    assert_eq!((taken[0].attempts, &taken[0].mail), (0, &sealed(1)));
    assert_ne!(taken[0].at.lease, mail.lease);
    assert_eq!(
        s.takes(&make, over.plus(SECOND), TAKEN_MAX).await,
        [],
        "it is leased again"
    );
    let again = s.takes(&make, lease_end(over), TAKEN_MAX).await;
    assert_eq!(ids(&again), [mail.id], "and not for ever");
}

async fn what_waits_longest_is_taken_first_and_no_more_than_asked_for(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(2), begin());
    let mut put = Vec::new();
    for number in 0..5 {
        let at = now.plus(SECOND * number);
        put.push(s.puts(&make, 7, at).await.id);
    }
    let later = now.plus(LEASE * 2);
    let mut first = ids(&s.takes(&make, later, 2).await);
    first.sort();
    assert_eq!(first, put[..2]);
    let mut rest = ids(&s.takes(&make, later, TAKEN_MAX).await);
    rest.sort();
    assert_eq!(rest, put[2..]);
    assert_eq!(s.takes(&make, later, TAKEN_MAX).await, []);
}

async fn an_ended_mail_is_gone_also_when_it_is_put_again(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(3), begin());
    let put = call(&make, now);
    let mail = MailRef::just_put(put.op);
    let puts = || s.outbox.put_mail(&put, sealed(3), now);
    assert_eq!(puts().await, Ok(()));
    assert_eq!(puts().await, Ok(()));
    assert_eq!(s.ends(&make, now.plus(SECOND), mail).await, Ok(()));
    assert_eq!(s.ends(&make, now.plus(SECOND), mail).await, Ok(()), "not there");
    assert_eq!(puts().await, Ok(()), "it was put");
    let later = now.plus(LEASE * 3);
    assert_eq!(s.takes(&make, later, TAKEN_MAX).await, []);
    assert_eq!(s.waiting(later).await, Backlog::default());
    assert_eq!(s.defers(&make, later, mail, later).await, CONFLICT);
}

async fn a_deferred_mail_waits_for_its_time_and_counts(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(4), begin());
    let mut mail = s.puts(&make, 4, now).await;
    let mut at = now;
    for attempts in 1..=3 {
        let next = at.plus(SECOND * 5);
        assert_eq!(s.defers(&make, at.plus(SECOND), mail, next).await, Ok(()));
        let early = next.minus(Duration::from_millis(1));
        assert_eq!(s.takes(&make, early, TAKEN_MAX).await, []);
        let taken = s.takes(&make, next, TAKEN_MAX).await;
        assert_eq!(ids(&taken), [mail.id]);
        assert_eq!(taken[0].attempts, attempts);
        (mail, at) = (taken[0].at, next);
    }
    assert_eq!(s.ends(&make, at.plus(SECOND), mail).await, Ok(()));
}

async fn a_lease_that_was_taken_over_ends_and_defers_nothing(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(5), begin());
    let slow = s.puts(&make, 5, now).await;
    let over = lease_end(now);
    let quick = s.takes(&make, over, TAKEN_MAX).await[0].at;
    let after = over.plus(SECOND);
    assert_eq!(s.ends(&make, after, slow).await, CONFLICT);
    assert_eq!(s.defers(&make, after, slow, after).await, CONFLICT);
    assert_eq!(s.takes(&make, after, TAKEN_MAX).await, [], "it is still leased");
    assert_eq!(s.defers(&make, after, quick, after).await, Ok(()));
    assert_eq!(
        s.ends(&make, after, quick).await,
        CONFLICT,
        "given back is given back"
    );
    let last = s.takes(&make, after.plus(SECOND), TAKEN_MAX).await[0].at;
    assert_eq!(s.ends(&make, after.plus(SECOND), last).await, Ok(()));
    assert_eq!(
        s.ends(&make, after.plus(SECOND), quick).await,
        Ok(()),
        "it is gone"
    );
}

async fn of_many_takers_each_mail_goes_to_one(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(6), begin());
    let mut put = Vec::new();
    for number in 0..8 {
        put.push(s.puts(&make, number, now).await.id);
    }
    let over = lease_end(now);
    let takers: Vec<_> = (0..6).map(|_| call(&make, over)).collect();
    let taken = at_once(takers.len(), |number| {
        let (s, call) = (Arc::clone(&s), takers[number]);
        async move { s.outbox.take_mails(&call, over, 3).await }
    })
    .await;
    let taken: Vec<_> = taken.into_iter().flat_map(Result::unwrap).collect();
    let mut found = ids(&taken);
    // Those who met at one mail may have gone without: what is left is taken now.
    for _ in 0..put.len() {
        found.extend(ids(&s.takes(&make, over, TAKEN_MAX).await));
    }
    found.sort();
    put.sort();
    assert_eq!(found, put, "each once");
}

async fn a_repeated_operation_gives_the_same_answer(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(7), begin());
    let mail = s.puts(&make, 7, now).await;
    let over = lease_end(now);
    let take = call(&make, over);
    let takes = || s.outbox.take_mails(&take, over, 1);
    let taken = takes().await.expect("the store decides");
    assert_eq!(ids(&taken), [mail.id]);
    assert_eq!(takes().await.as_ref(), Ok(&taken));
    let (defer, next) = (call(&make, over.plus(SECOND)), over.plus(SECOND * 9));
    let defers = || s.outbox.defer_mail(&defer, taken[0].at, next);
    assert_eq!(defers().await, Ok(()));
    assert_eq!(defers().await, Ok(()));
    let again = s.takes(&make, next, 1).await;
    assert_eq!(again[0].attempts, 1, "deferred once");
    let end = call(&make, next.plus(SECOND));
    let ends = || s.outbox.end_mail(&end, again[0].at);
    assert_eq!(ends().await, Ok(()));
    assert_eq!(ends().await, Ok(()));
}

async fn the_backlog_is_what_was_not_ended(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(8), begin());
    assert_eq!(s.waiting(now).await, Backlog::default());
    let first = s.puts(&make, 1, now).await;
    let second = s.puts(&make, 2, now.plus(SECOND)).await;
    let both = Backlog {
        mails: 2,
        oldest: Some(now),
    };
    assert_eq!(s.waiting(now.plus(SECOND)).await, both);
    // An hour on: mails of another hour count as well.
    let later = now.plus(SECOND * 3600);
    assert_eq!(s.waiting(later).await, both);
    assert_eq!(s.ends(&make, later, first).await, Ok(()));
    let left = Backlog {
        mails: 1,
        oldest: Some(now.plus(SECOND)),
    };
    assert_eq!(s.waiting(later).await, left);
    assert_eq!(s.ends(&make, later, second).await, Ok(()));
    assert_eq!(s.waiting(later).await, Backlog::default());
}

async fn after_its_deadline_nothing_is_put_or_taken(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(9), begin());
    let late = |at| Call {
        deadline: past(),
        ..call(&make, at)
    };
    let not_done = WriteError::NotDone(Cause::Timeout);
    let put = s.outbox.put_mail(&late(now), sealed(9), now).await;
    assert_eq!(put, Err(not_done));
    assert_eq!(s.waiting(now).await, Backlog::default());
    let mail = s.puts(&make, 9, now).await;
    let over = lease_end(now);
    let taken = s.outbox.take_mails(&late(over), over, 1).await;
    assert_eq!(taken, Err(not_done));
    assert_eq!(s.outbox.end_mail(&late(over), mail).await, Err(not_done));
    assert_eq!(ids(&s.takes(&make, over, 1).await), [mail.id]);
}

async fn an_operation_id_serves_one_kind_of_intent(s: Arc<OutboxSubject>) {
    let (make, now) = (Maker::new(10), begin());
    let call = call(&make, now);
    assert_eq!(s.outbox.put_mail(&call, sealed(1), now).await, Ok(()));
    let reused = s.outbox.end_mail(&call, MailRef::just_put(call.op)).await;
    assert_eq!(reused, Err(Refusal::OperationReused.into()));
}
