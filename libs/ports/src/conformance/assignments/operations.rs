//! Operation ids and deadlines of assignments.

use std::sync::Arc;

use super::{LATER, NOW, OfUser};
use crate::{
    Call, Cause, ReadError, Refusal, WriteError,
    assignments::{NodeChange, Target},
    conformance::{
        Subject, cases,
        fixtures::{Maker, node, past, service, user, values},
    },
};

cases![
    a_repeated_assignment_gives_the_same_answer,
    a_repeated_raise_gives_the_same_answer,
    a_repeated_rekey_gives_the_same_answer,
    a_repeated_service_does_not_undo_a_later_one,
    a_repeated_node_is_one_node,
    a_repeated_renaming_does_not_undo_a_later_one,
    a_repeated_ending_gives_the_same_answer,
    a_repeated_forgetting_gives_one_slot_back,
    a_repeated_change_of_a_node_does_not_undo_a_later_one,
    a_repeated_removal_leaves_a_later_node,
    a_refusal_wrote_nothing_and_stands_while_its_cause_does,
    a_refused_ending_wrote_nothing,
    a_refusal_whose_cause_is_gone_is_what_the_store_shows,
    after_its_deadline_nothing_is_done,
];

async fn a_repeated_assignment_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 10).await;
    let (at, call, writer) = (user(&service, 1, None), make.call(), &s.assignment_writer);
    let answer = writer
        .assign(&call, &at, &values(1, 0, b""), &Target::DEFAULT, NOW)
        .await;
    let first = answer.clone().expect("there is room");
    let next = user(&service, 1, Some(first.version));
    let rekeyed = writer
        .rekey(&make.call(), &next, &values(2, 2, b"b"), LATER)
        .await;

    assert_eq!(
        writer
            .assign(&call, &at, &values(1, 0, b""), &Target::DEFAULT, NOW)
            .await,
        answer
    );
    assert_eq!(s.load(&service).await, 1);
    assert_eq!(s.record(&at).await, rekeyed.ok(), "what came later stays");
}

async fn a_repeated_raise_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 10).await;
    let first = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let (at, call) = (user(&service, 1, Some(first.version)), make.call());
    let raised = values(2, 2, b"a");
    let answer = s.assignment_writer.raise(&call, &at, &raised).await;
    assert!(answer.is_ok());
    assert_eq!(s.assignment_writer.raise(&call, &at, &raised).await, answer);
    assert_eq!(s.record(&at).await, answer.ok());
}

async fn a_repeated_rekey_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.served(&make, 10).await;
    let first = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let (at, call) = (user(&service, 1, Some(first.version)), make.call());
    let rekeyed = values(2, 2, b"b");
    let answer = s.assignment_writer.rekey(&call, &at, &rekeyed, LATER).await;
    assert!(answer.is_ok());
    assert_eq!(
        s.assignment_writer.rekey(&call, &at, &rekeyed, LATER).await,
        answer
    );
    assert_eq!(s.record(&at).await, answer.ok());
}

async fn a_repeated_service_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (first, call) = (service("sync-1.5"), make.call());
    let mut second = first.clone();
    second.token_lifetime_secs = 60;
    let admin = &s.assignment_admin;
    assert_eq!(admin.put_service(&call, first.clone()).await, Ok(()));
    s.put_service(&make, &second).await;
    assert_eq!(admin.put_service(&call, first).await, Ok(()));
    let services = s
        .assignment_reader
        .services(crate::conformance::fixtures::soon())
        .await;
    assert_eq!(services, Ok(vec![second]));
}

async fn a_repeated_node_is_one_node(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = s.served(&make, 10).await;
    let call = make.call();
    for _ in 0..2 {
        let node = node(&service, "https://node-2.example", 5);
        assert_eq!(s.assignment_admin.create_node(&call, node).await, Ok(()));
    }
    assert_eq!(s.nodes(&service).await.len(), 2);
}

async fn a_repeated_renaming_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 10).await;
    let (first, second) = ("https://node-1.example", "https://node-2.example");
    let (call, admin) = (make.call(), &s.assignment_admin);
    assert_eq!(
        admin.rename_node(&call, &service.key, first, second).await,
        Ok(())
    );
    assert_eq!(s.rename_node(&make, &service, second, first).await, Ok(()));
    assert_eq!(
        admin.rename_node(&call, &service.key, first, second).await,
        Ok(())
    );
    assert_eq!(s.nodes(&service).await[0].url, first, "what came later stays");
}

async fn a_repeated_ending_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.served(&make, 10).await;
    let first = s.user(&make, &service, 1).await;
    let (unassign, retire, writer) = (make.call(), make.call(), &s.assignment_writer);
    let left = writer.unassign(&unassign, &first.at, NOW).await;
    let at = user(&service, 1, left.as_ref().ok().map(|record| record.version));
    let retired = writer.retire(&retire, &at, LATER).await;
    let ended = OfUser::new(&at, retired.clone().expect("the version is current"));
    let back = s.assign_again(&make, &ended, &values(2, 2, b"b")).await;

    assert_eq!(writer.unassign(&unassign, &first.at, NOW).await, left);
    assert_eq!(writer.retire(&retire, &at, LATER).await, retired);
    assert_eq!(
        s.record(&at).await.as_ref(),
        Some(&back.record),
        "what came later stays"
    );
    assert_eq!(s.load(&service).await, 2);
}

async fn a_repeated_forgetting_gives_one_slot_back(s: Arc<Subject>) {
    let make = Maker::new(11);
    let service = s.served(&make, 10).await;
    let first = s.user(&make, &service, 1).await;
    let second = s.assign_again(&make, &first, &values(2, 2, b"b")).await;
    s.user(&make, &service, 2).await;
    let (call, writer) = (make.call(), &s.assignment_writer);
    let answer = writer.forget(&call, &second.at, first.uid()).await;
    let forgotten = OfUser::new(&second.at, answer.clone().expect("the version is current"));
    let third = s.rekey(&make, &forgotten, &values(3, 3, b"c")).await;
    for _ in 0..3 {
        assert_eq!(writer.forget(&call, &second.at, first.uid()).await, answer);
        assert_eq!(s.load(&service).await, 2);
    }
    assert_eq!(s.record(&second.at).await, Some(third.record));
}

async fn a_repeated_change_of_a_node_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(12);
    let service = s.served(&make, 10).await;
    let url = "https://node-1.example";
    let change = |capacity| NodeChange {
        capacity: Some(capacity),
        ..NodeChange::default()
    };
    let (call, admin) = (make.call(), &s.assignment_admin);
    assert_eq!(
        admin.update_node(&call, &service.key, url, change(20)).await,
        Ok(())
    );
    assert_eq!(s.update_node(&make, &service, url, change(30)).await, Ok(()));
    assert_eq!(
        admin.update_node(&call, &service.key, url, change(20)).await,
        Ok(())
    );
    assert_eq!(s.nodes(&service).await[0].figures.capacity, 30);
}

async fn a_repeated_removal_leaves_a_later_node(s: Arc<Subject>) {
    let make = Maker::new(13);
    let service = s.served(&make, 10).await;
    let url = "https://node-1.example";
    let (call, admin) = (make.call(), &s.assignment_admin);
    assert_eq!(admin.remove_node(&call, &service.key, url).await, Ok(()));
    s.add_node(&make, &service, url, 5).await;
    assert_eq!(admin.remove_node(&call, &service.key, url).await, Ok(()));
    assert_eq!(s.nodes(&service).await.len(), 1, "what came later stays");
}

async fn a_refusal_wrote_nothing_and_stands_while_its_cause_does(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (unknown, given) = (service("unknown-1.0"), values(1, 1, b"a"));
    let (served, empty) = (s.served(&make, 10).await, service("empty-1.0"));
    s.put_service(&make, &empty).await;
    let first = user(&served, 1, None);
    let record = s.assign(&make, &first, &given).await;
    let nodes = s.nodes(&served).await;
    let [nowhere, no_room, stale, raise, rekey, rename, create] = [(); 7].map(|()| make.call());
    let (writer, admin) = (&s.assignment_writer, &s.assignment_admin);
    let absent = user(&unknown, 1, None);
    let waiting = user(&empty, 1, None);
    for round in ["at first", "again"] {
        let answers = [
            writer
                .assign(&nowhere, &absent, &given, &Target::DEFAULT, NOW)
                .await,
            writer
                .assign(&no_room, &waiting, &given, &Target::DEFAULT, NOW)
                .await,
            writer.assign(&stale, &first, &given, &Target::DEFAULT, NOW).await,
            writer.raise(&raise, &first, &given).await,
            writer.rekey(&rekey, &first, &values(2, 2, b"b"), LATER).await,
        ];
        let expected = [
            Refusal::UnknownService,
            Refusal::NoNode,
            Refusal::Conflict,
            Refusal::Conflict,
            Refusal::Conflict,
        ];
        assert_eq!(answers, expected.map(|refusal| Err(refusal.into())), "{round}");
        let (from, to) = ("https://node-2.example", "https://node-3.example");
        let renamed = admin.rename_node(&rename, &served.key, from, to).await;
        assert_eq!(renamed, Err(Refusal::UnknownNode.into()), "{round}");
        let created = admin.create_node(&create, node(&unknown, from, 1)).await;
        assert_eq!(created, Err(Refusal::UnknownService.into()), "{round}");
        assert_eq!(s.record(&absent).await, None, "{round}");
        assert_eq!(s.record(&waiting).await, None, "{round}");
        assert_eq!(s.record(&first).await.as_ref(), Some(&record), "{round}");
        assert_eq!(s.nodes(&served).await, nodes, "no slot was taken, {round}");
        assert_eq!(s.nodes(&unknown).await, vec![], "{round}");
    }
}

async fn a_refused_ending_wrote_nothing(s: Arc<Subject>) {
    let make = Maker::new(14);
    let service = s.served(&make, 10).await;
    let stale = s.user(&make, &service, 1).await;
    let now = s.assign_again(&make, &stale, &values(2, 2, b"b")).await;
    let nodes = s.nodes(&service).await;
    let [retire, unassign, forget, active, update] = [(); 5].map(|()| make.call());
    let (writer, admin) = (&s.assignment_writer, &s.assignment_admin);
    let change = NodeChange {
        capacity: Some(1),
        ..NodeChange::default()
    };
    for round in ["at first", "again"] {
        let answers = [
            writer.retire(&retire, &stale.at, LATER).await,
            writer.unassign(&unassign, &stale.at, LATER).await,
            writer.forget(&forget, &stale.at, stale.uid()).await,
            writer.forget(&active, &now.at, now.uid()).await,
        ];
        assert_eq!(
            answers,
            [(); 4].map(|()| Err(Refusal::Conflict.into())),
            "{round}"
        );
        let unknown = "https://unknown.example";
        let updated = admin
            .update_node(&update, &service.key, unknown, change.clone())
            .await;
        assert_eq!(updated, Err(Refusal::UnknownNode.into()), "{round}");
        assert_eq!(s.record(&now.at).await.as_ref(), Some(&now.record), "{round}");
        assert_eq!(s.nodes(&service).await, nodes, "{round}");
    }
}

/// A store with a log refuses for good, one without judges again: what it answers is what has happened.
async fn a_refusal_whose_cause_is_gone_is_what_the_store_shows(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (service, call, given) = (service("sync-1.5"), make.call(), values(1, 1, b"a"));
    s.put_service(&make, &service).await;
    let (at, writer) = (user(&service, 1, None), &s.assignment_writer);
    let no_node = Err(Refusal::NoNode.into());
    assert_eq!(
        writer.assign(&call, &at, &given, &Target::DEFAULT, NOW).await,
        no_node
    );
    s.add_node(&make, &service, "https://node-1.example", 1).await;
    let answer = writer.assign(&call, &at, &given, &Target::DEFAULT, NOW).await;
    assert!(answer.is_ok() || answer == no_node, "{answer:?}");
    assert_eq!(s.load(&service).await, u64::from(answer.is_ok()));
    assert_eq!(s.record(&at).await, answer.ok());
}

async fn after_its_deadline_nothing_is_done(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.served(&make, 10).await;
    let (at, given, call) = (user(&service, 1, None), values(1, 1, b"a"), make.call());
    let late = Call {
        op: call.op,
        deadline: past(),
    };
    let writer = &s.assignment_writer;
    let answer = writer.assign(&late, &at, &given, &Target::DEFAULT, NOW).await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Timeout)));
    assert_eq!(s.record(&at).await, None);
    assert_eq!(s.load(&service).await, 0);
    let read = s
        .assignment_reader
        .user_record(past(), &at.service, &at.user)
        .await;
    assert_eq!(read, Err(ReadError(Cause::Timeout)));
    assert!(
        writer
            .assign(&call, &at, &given, &Target::DEFAULT, NOW)
            .await
            .is_ok(),
        "the same operation may still be done"
    );
}
