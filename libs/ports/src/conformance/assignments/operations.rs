//! Operation ids and deadlines of assignments.

use std::sync::Arc;

use super::{LATER, NOW};
use crate::{
    Call, Cause, ReadError, Refusal, WriteError,
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
    a_refusal_is_final_for_its_operation,
    an_operation_id_serves_one_kind_of_intent,
    after_its_deadline_nothing_is_done,
];

async fn a_repeated_assignment_gives_the_same_answer(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 10).await;
    let (at, call, writer) = (user(&service, 1, None), make.call(), &s.assignment_writer);
    let answer = writer.assign(&call, &at, &values(1, 0, b""), NOW).await;
    let first = answer.clone().expect("there is room");
    let next = user(&service, 1, Some(first.version));
    let rekeyed = writer
        .rekey(&make.call(), &next, &values(2, 2, b"b"), LATER)
        .await;

    assert_eq!(writer.assign(&call, &at, &values(1, 0, b""), NOW).await, answer);
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

    let (call, unknown) = (make.call(), Err(Refusal::UnknownNode.into()));
    let third = "https://node-3.example";
    assert_eq!(
        admin.rename_node(&call, &service.key, third, second).await,
        unknown
    );
    s.add_node(&make, &service, third, 1).await;
    assert_eq!(
        admin.rename_node(&call, &service.key, third, second).await,
        unknown,
        "a refusal is final"
    );
}

async fn a_refusal_is_final_for_its_operation(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (service, call, values) = (service("sync-1.5"), make.call(), values(1, 1, b"a"));
    let (at, writer) = (user(&service, 1, None), &s.assignment_writer);
    let unknown = Err(Refusal::UnknownService.into());
    assert_eq!(writer.assign(&call, &at, &values, NOW).await, unknown);
    s.put_service(&make, &service).await;
    assert_eq!(writer.assign(&call, &at, &values, NOW).await, unknown);

    let second = make.call();
    assert_eq!(
        writer.assign(&second, &at, &values, NOW).await,
        Err(Refusal::NoNode.into())
    );
    s.add_node(&make, &service, "https://node-1.example", 1).await;
    assert_eq!(
        writer.assign(&second, &at, &values, NOW).await,
        Err(Refusal::NoNode.into())
    );
    assert_eq!(s.record(&at).await, None);
    assert!(writer.assign(&make.call(), &at, &values, NOW).await.is_ok());
}

async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 10).await;
    let used = make.call();
    let (first, writer) = (user(&service, 1, None), &s.assignment_writer);
    let record = writer.assign(&used, &first, &values(1, 1, b"a"), NOW).await;
    let record = record.expect("there is room");
    let (at, given) = (user(&service, 1, Some(record.version)), values(2, 2, b"b"));
    let reused = Err(Refusal::OperationReused.into());
    assert_eq!(writer.raise(&used, &at, &given).await, reused);
    assert_eq!(writer.rekey(&used, &at, &given, LATER).await, reused);
    let nothing = Err(Refusal::OperationReused.into());
    let node = node(&service, "https://node-2.example", 1);
    assert_eq!(s.assignment_admin.create_node(&used, node).await, nothing);
    assert_eq!(
        s.assignment_admin.put_service(&used, service.clone()).await,
        nothing
    );
    let (from, to) = ("https://node-1.example", "https://node-2.example");
    let renamed = s
        .assignment_admin
        .rename_node(&used, &service.key, from, to)
        .await;
    assert_eq!(renamed, nothing);
    // Accounts and assignments share the log.
    let uid = make.account("a@example.test").uid;
    assert_eq!(s.account_writer.verify_email(&used, uid).await, nothing);
    assert_eq!(s.record(&at).await, Some(record));
    assert_eq!(s.nodes(&service).await.len(), 1);
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
    let answer = writer.assign(&late, &at, &given, NOW).await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Timeout)));
    assert_eq!(s.record(&at).await, None);
    assert_eq!(s.load(&service).await, 0);
    let read = s
        .assignment_reader
        .user_record(past(), &at.service, &at.user)
        .await;
    assert_eq!(read, Err(ReadError(Cause::Timeout)));
    assert!(
        writer.assign(&call, &at, &given, NOW).await.is_ok(),
        "the same operation may still be done"
    );
}
