//! Services and nodes as an administrator writes them.

use std::sync::Arc;

use foxhold_core::record::{Admission, NodeFigures, ServiceKey, ServicePolicy, UserKey};

use crate::{
    Refusal,
    conformance::{
        Subject, cases,
        fixtures::{Maker, node, policy, service, soon, user, values},
    },
};

cases![
    before_the_first_write_there_is_nothing,
    a_service_is_read_as_it_was_put,
    a_service_put_again_is_changed,
    every_policy_is_read_as_it_was_put,
    nodes_are_listed_by_id,
    a_node_that_exists_is_left_as_it_is,
    a_node_needs_its_service,
    one_url_may_serve_two_services,
    a_renamed_node_keeps_its_users,
    a_renamed_node_takes_further_users,
    renaming_what_is_renamed_already_is_done,
    only_a_node_can_be_renamed,
    no_node_is_renamed_to_another_ones_url,
    renaming_stays_within_the_service,
];

const OLD: &str = "https://node-1.example";
const NEW: &str = "https://moved.example";

async fn before_the_first_write_there_is_nothing(s: Arc<Subject>) {
    let (reader, key) = (&s.assignment_reader, ServiceKey("sync-1.5".into()));
    assert_eq!(reader.services(soon()).await, Ok(vec![]));
    assert_eq!(reader.nodes(soon(), &key).await, Ok(vec![]));
    let user = UserKey("u@accounts.example.test".into());
    assert_eq!(reader.user_record(soon(), &key, &user).await, Ok(None));
}

async fn a_service_is_read_as_it_was_put(s: Arc<Subject>) {
    let make = Maker::new(1);
    let mut other = service("other-2.0");
    other.scope = "https://example.test/other".into();
    other.token_lifetime_secs = 300;
    other.uid_ceiling = (1 << 53) - 1;
    other.policy = policy(Admission::Nobody);
    for service in [&service("sync-1.5"), &other] {
        s.put_service(&make, service).await;
    }
    let mut services = s
        .assignment_reader
        .services(soon())
        .await
        .expect("the store reads");
    services.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(services, vec![other, service("sync-1.5")]);
}

async fn a_service_put_again_is_changed(s: Arc<Subject>) {
    let make = Maker::new(2);
    let mut service = s.served(&make, 10).await;
    service.pattern = "{node}/changed/{uid}".into();
    service.token_lifetime_secs = 60;
    s.put_service(&make, &service).await;
    assert_eq!(
        s.assignment_reader.services(soon()).await,
        Ok(vec![service.clone()])
    );
    assert_eq!(s.nodes(&service).await.len(), 1, "its nodes stay");
}

async fn every_policy_is_read_as_it_was_put(s: Arc<Subject>) {
    let make = Maker::new(13);
    let mut service = s.served(&make, 10).await;
    let most = (0..ServicePolicy::LISTED_MAX).map(|number| format!("{number:032x}"));
    for policy in [
        policy(Admission::Everyone),
        policy(Admission::Listed(most.collect())),
        policy(Admission::First(0)),
        policy(Admission::First(u64::MAX)),
        policy(Admission::Nobody),
        ServicePolicy::default(),
    ] {
        service.policy = policy;
        s.put_service(&make, &service).await;
        let services = s.assignment_reader.services(soon()).await;
        assert_eq!(services, Ok(vec![service.clone()]));
    }
    assert_eq!(s.nodes(&service).await.len(), 1, "its nodes stay");
}

async fn nodes_are_listed_by_id(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = service("sync-1.5");
    s.put_service(&make, &service).await;
    let mut expected = Vec::new();
    for (number, label) in [
        (3, Some("big".to_owned())),
        (1, None),
        (2, Some("small".to_owned())),
    ] {
        let mut new = node(&service, &format!("https://node-{number}.example"), 10 * number);
        new.available = number;
        new.node_type = label;
        expected.push(new.clone());
        assert_eq!(s.assignment_admin.create_node(&make.call(), new).await, Ok(()));
    }
    let nodes = s.nodes(&service).await;
    assert!(nodes.is_sorted_by_key(|node| node.id));
    for new in expected {
        let node = nodes
            .iter()
            .find(|node| node.url == new.url)
            .expect("the node is listed");
        let figures = NodeFigures {
            capacity: new.capacity,
            available: new.available,
            ..NodeFigures::default()
        };
        assert_eq!(
            (&node.service, &node.node_type, node.figures),
            (&new.service, &new.node_type, figures)
        );
    }
}

async fn a_node_that_exists_is_left_as_it_is(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.served(&make, 10).await;
    let before = s.nodes(&service).await;
    let mut again = node(&service, &before[0].url, 99);
    again.node_type = None;
    assert_eq!(s.assignment_admin.create_node(&make.call(), again).await, Ok(()));
    assert_eq!(s.nodes(&service).await, before);
}

async fn a_node_needs_its_service(s: Arc<Subject>) {
    let make = Maker::new(5);
    let unknown = service("unknown-1.0");
    let refused = s
        .assignment_admin
        .create_node(&make.call(), node(&unknown, "https://node.example", 1))
        .await;
    assert_eq!(refused, Err(Refusal::UnknownService.into()));
    assert_eq!(s.nodes(&unknown).await, vec![]);
}

async fn one_url_may_serve_two_services(s: Arc<Subject>) {
    let make = Maker::new(6);
    let services = [service("sync-1.5"), service("sync-2.0")];
    for service in &services {
        s.put_service(&make, service).await;
        s.add_node(&make, service, "https://node.example", 5).await;
    }
    let [first, second] = [s.nodes(&services[0]).await, s.nodes(&services[1]).await];
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(
        [&first[0].service, &second[0].service],
        services.each_ref().map(|of| &of.key)
    );
}

async fn a_renamed_node_keeps_its_users(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 10).await;
    let at = user(&service, 1, None);
    let mut expected = s.assign(&make, &at, &values(1, 1, b"a")).await;
    let mut nodes = s.nodes(&service).await;
    assert_eq!(s.rename_node(&make, &service, OLD, NEW).await, Ok(()));

    expected.current.node = Some(NEW.into());
    assert_eq!(s.record(&at).await.as_ref(), Some(&expected), "the rest stays");
    nodes[0].url = NEW.into();
    assert_eq!(s.nodes(&service).await, nodes, "id and figures stay");

    // A decision on the record as it was read before is still one on the same version.
    let at = user(&service, 1, Some(expected.version));
    let writer = &s.assignment_writer;
    let rekeyed = writer
        .rekey(&make.call(), &at, &values(2, 2, b"b"), make.now())
        .await;
    let rekeyed = rekeyed.expect("the version is current");
    assert_eq!(rekeyed.current.node.as_deref(), Some(NEW));
}

async fn a_renamed_node_takes_further_users(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.served(&make, 10).await;
    assert_eq!(s.rename_node(&make, &service, OLD, NEW).await, Ok(()));
    let record = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    assert_eq!(record.current.node.as_deref(), Some(NEW));
    // The old URL is free again, for a node of its own.
    s.add_node(&make, &service, OLD, 5).await;
    assert_eq!(s.nodes(&service).await.len(), 2);
}

async fn renaming_what_is_renamed_already_is_done(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 10).await;
    for _ in 0..2 {
        assert_eq!(s.rename_node(&make, &service, OLD, NEW).await, Ok(()));
    }
    assert_eq!(
        s.rename_node(&make, &service, NEW, NEW).await,
        Ok(()),
        "to itself"
    );
    let nodes = s.nodes(&service).await;
    assert_eq!((nodes.len(), nodes[0].url.as_str()), (1, NEW));
}

async fn only_a_node_can_be_renamed(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.served(&make, 10).await;
    let before = s.nodes(&service).await;
    let neither = s
        .rename_node(&make, &service, "https://unknown.example", NEW)
        .await;
    assert_eq!(neither, Err(Refusal::UnknownNode.into()));
    let unknown = crate::conformance::fixtures::service("unknown-1.0");
    let no_service = s.rename_node(&make, &unknown, OLD, NEW).await;
    assert_eq!(no_service, Err(Refusal::UnknownService.into()));
    assert_eq!(s.nodes(&service).await, before);
}

async fn no_node_is_renamed_to_another_ones_url(s: Arc<Subject>) {
    let make = Maker::new(11);
    let service = s.served(&make, 10).await;
    s.add_node(&make, &service, NEW, 5).await;
    let before = s.nodes(&service).await;
    let both = s.rename_node(&make, &service, OLD, NEW).await;
    assert_eq!(both, Err(Refusal::Conflict.into()));
    assert_eq!(s.nodes(&service).await, before);
}

async fn renaming_stays_within_the_service(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (service, other) = (s.served(&make, 10).await, service("other-2.0"));
    s.put_service(&make, &other).await;
    s.add_node(&make, &other, OLD, 10).await;
    let at = user(&other, 1, None);
    let record = s.assign(&make, &at, &values(1, 1, b"a")).await;
    let nodes = s.nodes(&other).await;
    assert_eq!(s.rename_node(&make, &service, OLD, NEW).await, Ok(()));
    assert_eq!(s.nodes(&other).await, nodes);
    assert_eq!(s.record(&at).await, Some(record));
}
