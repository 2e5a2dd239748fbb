//! Many exchanges at once (`tokenserver.md` 12).

use std::{collections::HashSet, sync::Arc};

use foxhold_core::{
    ServiceUid,
    record::{Admission, Generation, UserRecord},
};

use super::{LATER, NOW, OfUser};
use crate::{
    Refusal, WriteError,
    assignments::{RecordRef, Target},
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, service, user, values},
    },
};

const CALLERS: usize = 64;

cases![
    first_exchanges_of_one_user_make_one_record,
    one_operation_sent_many_times_at_once_takes_one_slot,
    no_node_takes_more_users_than_it_may,
    no_service_takes_more_new_users_than_it_may,
    of_many_key_changes_one_wins,
    of_many_raises_the_last_number_stands,
    who_is_retired_while_others_assign_is_retired,
    of_many_forgettings_one_gives_the_slot_back,
    who_comes_while_others_leave_takes_no_slot_that_is_held,
];

fn winner(answers: &[Result<UserRecord, WriteError>]) -> UserRecord {
    let won: Vec<_> = answers.iter().flatten().collect();
    let conflict = Err(Refusal::Conflict.into());
    let lost = answers.iter().filter(|answer| **answer == conflict).count();
    assert_eq!((won.len(), lost), (1, answers.len() - 1), "{answers:?}");
    won[0].clone()
}

async fn first_exchanges_of_one_user_make_one_record(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 1000).await;
    let at = user(&service, 1, None);
    let answers = at_once(CALLERS, |_| {
        let (writer, call, at) = (Arc::clone(&s.assignment_writer), make.call(), at.clone());
        async move {
            writer
                .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
                .await
        }
    });
    let record = winner(&answers.await);
    assert_eq!(s.record(&at).await, Some(record));
    assert_eq!(s.load(&service).await, 1);
}

async fn one_operation_sent_many_times_at_once_takes_one_slot(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 1000).await;
    let (at, call) = (user(&service, 1, None), make.call());
    let answers = at_once(CALLERS, |_| {
        let (writer, at) = (Arc::clone(&s.assignment_writer), at.clone());
        async move {
            writer
                .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
                .await
        }
    });
    let record = s.record(&at);
    let answers = answers.await;
    let record = record.await.expect("the user has a record");
    assert!(
        answers.iter().all(|answer| answer.as_ref() == Ok(&record)),
        "{answers:?}"
    );
    assert_eq!(s.load(&service).await, 1);
}

async fn no_node_takes_more_users_than_it_may(s: Arc<Subject>) {
    const USERS: usize = 200;
    let make = Maker::new(3);
    let service = service("sync-1.5");
    s.put_service(&make, &service).await;
    for (number, capacity) in [10, 20, 30, 40].into_iter().enumerate() {
        let mut node =
            crate::conformance::fixtures::node(&service, &format!("https://n{number}.example"), capacity);
        node.available = crate::assignments::choice::first_release(capacity);
        assert_eq!(s.assignment_admin.create_node(&make.call(), node).await, Ok(()));
    }
    let answers = at_once(USERS, |number| {
        let (writer, call) = (Arc::clone(&s.assignment_writer), make.call());
        let at = user(&service, number as u64, None);
        async move {
            writer
                .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
                .await
        }
    });
    let answers = answers.await;
    let assigned: Vec<_> = answers.iter().flatten().collect();
    let refused = answers
        .iter()
        .filter(|a| **a == Err(Refusal::NoNode.into()))
        .count();
    assert_eq!((assigned.len(), refused), (100, 100));
    let uids: HashSet<_> = assigned.iter().map(|record| record.current.uid).collect();
    assert_eq!(uids.len(), 100);
    for node in s.nodes(&service).await {
        let there = assigned
            .iter()
            .filter(|r| r.current.node.as_ref() == Some(&node.url))
            .count();
        assert_eq!(node.figures.current_load, there as u64, "{node:?}");
        assert_eq!(node.figures.current_load, node.figures.capacity, "{node:?}");
        assert_eq!(node.figures.available, 0, "{node:?}");
    }
    let mut records = 0;
    for number in 0..USERS {
        records += usize::from(s.record(&user(&service, number as u64, None)).await.is_some());
    }
    assert_eq!(records, 100);
}

async fn no_service_takes_more_new_users_than_it_may(s: Arc<Subject>) {
    const USERS: u64 = 100;
    const LIMIT: u64 = 37;
    let make = Maker::new(6);
    let mut service = service("sync-1.5");
    service.policy.admission = Admission::First(LIMIT);
    s.put_service(&make, &service).await;
    for number in 1..4 {
        s.add_node(&make, &service, &format!("https://n{number}.example"), 1000)
            .await;
    }
    let answers = at_once(USERS as usize, |number| {
        let (writer, call) = (Arc::clone(&s.assignment_writer), make.call());
        let at = user(&service, number as u64, None);
        async move {
            let answer = writer
                .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
                .await;
            (number as u64, answer)
        }
    });
    let answers = answers.await;
    let taken: Vec<_> = answers
        .iter()
        .filter_map(|(number, answer)| Some((*number, answer.as_ref().ok()?)))
        .collect();
    let closed = Err(Refusal::Closed.into());
    let refused = answers.iter().filter(|(_, answer)| *answer == closed).count() as u64;
    assert_eq!(
        (taken.len() as u64, refused),
        (LIMIT, USERS - LIMIT),
        "{answers:?}"
    );
    assert_eq!(s.load(&service).await, LIMIT);
    // Whoever has come is let in again while others wait outside.
    let (number, record) = taken[0];
    let at = user(&service, number, Some(record.version));
    let again = s
        .assignment_writer
        .assign(&make.call(), &at, &values(2, 2, b"a"), &Target::DEFAULT, LATER)
        .await;
    assert!(again.is_ok(), "{again:?}");
}

async fn of_many_key_changes_one_wins(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.served(&make, 1000).await;
    let first = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let at = user(&service, 1, Some(first.version));
    let answers = at_once(CALLERS, |number| {
        let (writer, call, at) = (Arc::clone(&s.assignment_writer), make.call(), at.clone());
        async move {
            let values = values(2, 2, &[number as u8; 16]);
            writer.rekey(&call, &at, &values, LATER).await
        }
    });
    let record = winner(&answers.await);
    assert_eq!(record.old_client_states.len(), 1);
    assert_eq!(s.record(&at).await, Some(record));
    assert_eq!(s.load(&service).await, 1);
}

/// Each caller reads again after a conflict, as the rules do; in the end the highest numbers stand.
async fn of_many_raises_the_last_number_stands(s: Arc<Subject>) {
    const RAISERS: usize = 16;
    let make = Arc::new(Maker::new(5));
    let service = s.served(&make, 1000).await;
    s.assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let at = user(&service, 1, None);
    let done = at_once(RAISERS, |number| {
        let (s, make, mut at) = (Arc::clone(&s), Arc::clone(&make), at.clone());
        async move {
            let wanted = values(100 + number as u64, 200 - number as u64, b"a");
            // Every round at least one raiser is done, so nobody needs more rounds than there are raisers.
            for _ in 0..RAISERS {
                at.version = s.record(&at).await.map(|record| record.version);
                match s.assignment_writer.raise(&make.call(), &at, &wanted).await {
                    Ok(record) => return record.current.generation.0 >= wanted.generation.0,
                    Err(error) => assert_eq!(error, Refusal::Conflict.into()),
                }
            }
            false
        }
    });
    assert_eq!(done.await, vec![true; RAISERS]);
    let record = s.record(&at).await.expect("the user has a record");
    let keys_changed_at = record
        .current
        .keys_changed_at
        .map_or(0, std::num::NonZeroU64::get);
    assert_eq!((record.current.generation.0, keys_changed_at), (115, 200));
}

/// What a caller wants of a user's records.
#[derive(Clone, Copy)]
enum Wish {
    /// A new record, unless the user is retired.
    Assigned,
    Retired,
    Forgotten(ServiceUid),
}

/// Each caller reads again after a conflict, as the rules do. Every round one of them is done, so nobody needs more rounds
/// than there are callers.
async fn until_done(s: &Subject, make: &Maker, at: &RecordRef, wish: Wish) {
    let writer = &s.assignment_writer;
    for _ in 0..CALLERS {
        let now = OfUser::new(at, s.record(at).await.expect("the user has a record"));
        let is_retired = now.record.current.generation == Generation::RETIRED;
        let (call, at) = (make.call(), &now.at);
        let answer = match wish {
            Wish::Assigned if is_retired => return,
            Wish::Assigned => {
                writer
                    .assign(&call, at, &values(2, 2, b"a"), &Target::DEFAULT, LATER)
                    .await
            }
            Wish::Retired => writer.retire(&call, at, LATER).await,
            Wish::Forgotten(uid) => writer.forget(&call, at, uid).await,
        };
        match answer {
            Ok(_) => return,
            Err(error) => assert_eq!(error, Refusal::Conflict.into()),
        }
    }
    panic!("others were always first");
}

/// Retire wins: whoever assigns before is overtaken, whoever comes after finds the tombstone.
async fn who_is_retired_while_others_assign_is_retired(s: Arc<Subject>) {
    let make = Arc::new(Maker::new(7));
    let service = s.served(&make, 1000).await;
    let first = s.user(&make, &service, 1).await;
    let at = s.unassign(&make, &first, NOW).await.at;
    at_once(16, |number| {
        let (s, make, at) = (Arc::clone(&s), Arc::clone(&make), at.clone());
        let wish = if number % 4 == 0 {
            Wish::Retired
        } else {
            Wish::Assigned
        };
        async move { until_done(&s, &make, &at, wish).await }
    })
    .await;
    let record = s.record(&at).await.expect("the user has a record");
    assert_eq!(record.current.generation, Generation::RETIRED);
    assert!(record.current.replaced_at.is_some(), "{record:?}");
    assert!(record.past.iter().all(|past| past.holds_slot), "{record:?}");
    assert_eq!(s.load(&service).await, record.past.len() as u64 + 1);
}

async fn of_many_forgettings_one_gives_the_slot_back(s: Arc<Subject>) {
    let make = Arc::new(Maker::new(8));
    let service = s.served(&make, 1000).await;
    let first = s.user(&make, &service, 1).await;
    let at = s.assign_again(&make, &first, &values(2, 2, b"a")).await.at;
    s.user(&make, &service, 2).await;
    at_once(16, |_| {
        let (s, make, at) = (Arc::clone(&s), Arc::clone(&make), at.clone());
        let wish = Wish::Forgotten(first.uid());
        async move { until_done(&s, &make, &at, wish).await }
    })
    .await;
    let record = s.record(&at).await.expect("the user has a record");
    assert_eq!(record.past, vec![]);
    let figures = s.nodes(&service).await[0].figures;
    assert_eq!((figures.current_load, figures.available), (2, 998));
}

async fn who_comes_while_others_leave_takes_no_slot_that_is_held(s: Arc<Subject>) {
    const LEAVERS: u64 = 10;
    let make = Arc::new(Maker::new(9));
    let service = s.served(&make, LEAVERS).await;
    let mut leavers = Vec::new();
    for number in 0..LEAVERS {
        leavers.push(s.user(&make, &service, number).await);
    }
    let came = at_once(3 * leavers.len(), |number| {
        let (s, make) = (Arc::clone(&s), Arc::clone(&make));
        let leaver = leavers.get(number).cloned();
        let newcomer = user(&service, number as u64, None);
        async move {
            let Some(leaver) = leaver else {
                return s.try_assign(&make, &newcomer, &values(1, 1, b"a")).await;
            };
            let left = s.unassign(&make, &leaver, LATER).await;
            s.forget(&make, &left, leaver.uid()).await;
            Err(Refusal::NoNode.into())
        }
    });
    let came = came.await;
    let taken = came.iter().flatten().count() as u64;
    let full = Err(Refusal::NoNode.into());
    assert!(
        came.iter().all(|answer| answer.is_ok() || *answer == full),
        "{came:?}"
    );
    let figures = s.nodes(&service).await[0].figures;
    assert_eq!(
        (figures.current_load, figures.available, figures.capacity),
        (taken, LEAVERS - taken, LEAVERS)
    );
    assert!(taken <= LEAVERS);
}
