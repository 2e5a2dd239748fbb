//! What only a store with a log of operations promises about assignments.

use std::sync::Arc;

use super::{LATER, NOW};
use crate::{
    Refusal,
    assignments::{NodeChange, Target},
    conformance::{
        Subject, cases,
        fixtures::{Maker, node, service, user, values},
    },
};

cases![
    a_refusal_is_final_for_its_operation,
    a_refused_renaming_is_refused_for_good,
    an_operation_id_serves_one_kind_of_intent,
];

async fn a_refusal_is_final_for_its_operation(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (service, call, values) = (service("sync-1.5"), make.call(), values(1, 1, b"a"));
    let (at, writer) = (user(&service, 1, None), &s.assignment_writer);
    let unknown = Err(Refusal::UnknownService.into());
    assert_eq!(
        writer.assign(&call, &at, &values, &Target::DEFAULT, NOW).await,
        unknown
    );
    s.put_service(&make, &service).await;
    assert_eq!(
        writer.assign(&call, &at, &values, &Target::DEFAULT, NOW).await,
        unknown
    );

    let second = make.call();
    assert_eq!(
        writer.assign(&second, &at, &values, &Target::DEFAULT, NOW).await,
        Err(Refusal::NoNode.into())
    );
    s.add_node(&make, &service, "https://node-1.example", 1).await;
    assert_eq!(
        writer.assign(&second, &at, &values, &Target::DEFAULT, NOW).await,
        Err(Refusal::NoNode.into())
    );
    assert_eq!(s.record(&at).await, None);
    assert!(
        writer
            .assign(&make.call(), &at, &values, &Target::DEFAULT, NOW)
            .await
            .is_ok()
    );
}

async fn a_refused_renaming_is_refused_for_good(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 10).await;
    let (call, unknown) = (make.call(), Err(Refusal::UnknownNode.into()));
    let (from, to) = ("https://node-3.example", "https://node-2.example");
    let rename = || s.assignment_admin.rename_node(&call, &service.key, from, to);
    assert_eq!(rename().await, unknown);
    s.add_node(&make, &service, from, 1).await;
    assert_eq!(rename().await, unknown);
}

async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 10).await;
    let used = make.call();
    let (first, writer) = (user(&service, 1, None), &s.assignment_writer);
    let record = writer
        .assign(&used, &first, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
        .await;
    let record = record.expect("there is room");
    let (at, given) = (user(&service, 1, Some(record.version)), values(2, 2, b"b"));
    let reused = Err(Refusal::OperationReused.into());
    assert_eq!(writer.raise(&used, &at, &given).await, reused);
    assert_eq!(writer.rekey(&used, &at, &given, LATER).await, reused);
    assert_eq!(writer.retire(&used, &at, LATER).await, reused);
    assert_eq!(writer.unassign(&used, &at, LATER).await, reused);
    assert_eq!(writer.forget(&used, &at, record.current.uid).await, reused);
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
    let change = NodeChange::default();
    let updated = s
        .assignment_admin
        .update_node(&used, &service.key, from, change)
        .await;
    assert_eq!(updated, nothing);
    let removed = s.assignment_admin.remove_node(&used, &service.key, from).await;
    assert_eq!(removed, nothing);
    // Accounts and assignments share the log.
    let uid = make.account("a@example.test").uid;
    assert_eq!(s.account_writer.verify_email(&used, uid).await, nothing);
    assert_eq!(s.record(&at).await, Some(record));
    assert_eq!(s.nodes(&service).await.len(), 1);
}
