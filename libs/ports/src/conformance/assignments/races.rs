//! Many exchanges at once (`tokenserver.md` 12).

use std::{collections::HashSet, sync::Arc};

use foxhold_core::record::UserRecord;

use super::{LATER, NOW};
use crate::{
    Refusal, WriteError,
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
    of_many_key_changes_one_wins,
    of_many_raises_the_last_number_stands,
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
        async move { writer.assign(&call, &at, &values(1, 1, b"a"), NOW).await }
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
        async move { writer.assign(&call, &at, &values(1, 1, b"a"), NOW).await }
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
        async move { writer.assign(&call, &at, &values(1, 1, b"a"), NOW).await }
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
