//! Records that come from elsewhere (`tokenserver.md` 5, 11, 12). The rule is tested beside itself; here, that a store
//! obeys it: what is answered is what is read, and the load is the number of slots held.

use std::sync::Arc;

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{ClientState, Generation, Service},
};

use super::{LATER, OfUser};
use crate::{
    Refusal,
    assignments::{ImportedRecord, ImportedUser, NodeChange, PAST_MAX, RecordRef, Target},
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, imported, imported_user, service, user, values},
    },
};

cases![
    of_several_active_records_one_is_current,
    records_on_unknown_nodes_dangle,
    a_repeated_import_changes_nothing_but_the_version,
    a_repeated_operation_imports_once,
    what_comes_is_merged_into_what_is_here,
    what_is_older_goes_to_the_past,
    a_full_node_takes_nothing_of_an_import,
    a_node_out_of_service_takes_imports,
    a_uid_of_another_user_is_a_conflict,
    imports_on_another_version_are_conflicts,
    without_a_service_or_a_record_nothing_is_imported,
    who_was_imported_goes_on_as_everybody,
    who_was_imported_retired_stays_so,
    of_many_imports_at_once_one_is_done,
];

const ONE: &str = "https://node-1.example";
const OTHER: &str = "https://node-2.example";

impl Subject {
    /// A service with two nodes, and uids up to 1000 kept for imports.
    async fn importing(&self, make: &Maker, capacity: u64) -> Service {
        let service = service("sync-1.5");
        self.put_service(make, &service).await;
        for url in [ONE, OTHER] {
            self.add_node(make, &service, url, capacity).await;
        }
        let through = ServiceUid::new(1000).expect("a uid");
        let reserved = self
            .assignment_admin
            .reserve_uids(&make.call(), &service.key, through)
            .await;
        assert_eq!(reserved, Ok(()));
        service
    }

    /// Imports, and looks whether what was answered is what is read.
    async fn imported(&self, make: &Maker, at: &RecordRef, user: &ImportedUser) -> OfUser {
        let done = self.import(make, at, user).await;
        let done = OfUser::new(at, done.expect("the user is imported"));
        assert_eq!(self.record(at).await.as_ref(), Some(&done.record));
        done
    }

    async fn loads(&self, service: &Service) -> (u64, u64) {
        let one = self.load_at(service, ONE).await.0;
        (one, self.load_at(service, OTHER).await.0)
    }
}

fn uids(user: &OfUser) -> (u64, Vec<(u64, bool)>) {
    let past = user.past().into_iter();
    (
        user.uid().get(),
        past.map(|(uid, holds_slot)| (uid.get(), holds_slot)).collect(),
    )
}

async fn of_several_active_records_one_is_current(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let ended = ImportedRecord {
        replaced_at: Some(Timestamp::from_secs(20)),
        ..imported(10, ONE)
    };
    let records = vec![imported(30, OTHER), ended, imported(20, ONE), imported(25, OTHER)];
    let purged = ClientState::new(b"purged".to_vec()).expect("a client state");
    let from_elsewhere = ImportedUser {
        records,
        old_client_states: vec![purged.clone()],
        first_seen_at: Some(Timestamp::from_secs(3)),
    };
    let done = s.imported(&make, &at, &from_elsewhere).await;
    // The next one's node is the same: the slot was handed on.
    assert_eq!(uids(&done), (30, vec![(10, false), (20, true), (25, false)]));
    let current = &done.record.current;
    assert_eq!(
        (current.node.as_deref(), current.replaced_at),
        (Some(OTHER), None)
    );
    assert_eq!(current.node_type.as_deref(), Some("sqlite"));
    let replaced = |place: usize| done.record.past[place].replaced_at;
    let times = (replaced(0), replaced(1));
    assert_eq!(times, (Timestamp::from_secs(20), Timestamp::from_secs(30)));
    assert_eq!(done.record.first_seen_at, Timestamp::from_secs(3));
    assert_eq!(done.record.old_client_states.len(), 4);
    assert!(done.record.old_client_states.contains(&purged));
    assert_eq!(s.loads(&service).await, (1, 1));
}

async fn records_on_unknown_nodes_dangle(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let nowhere = ImportedRecord {
        node: None,
        holds_slot: Some(true),
        ..imported(10, ONE)
    };
    let records = vec![nowhere, imported(20, "https://gone.example")];
    let done = s.imported(&make, &at, &imported_user(records)).await;
    assert_eq!(uids(&done), (20, vec![(10, false)]));
    assert_eq!(
        (done.record.current.node.as_deref(), s.load(&service).await),
        (None, 0)
    );
    let found = s.assign_again(&make, &done, &values(21, 0, b"a")).await;
    assert!(found.record.current.node.is_some());
    assert_eq!(
        found.past(),
        [10, 20].map(|uid| (ServiceUid::new(uid).expect("a uid"), false))
    );
    assert_eq!(s.load(&service).await, 1);
}

async fn a_repeated_import_changes_nothing_but_the_version(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let from_elsewhere = imported_user(vec![imported(10, ONE), imported(20, OTHER)]);
    let first = s.imported(&make, &at, &from_elsewhere).await;
    let nodes = s.nodes(&service).await;
    let again = s.imported(&make, &first.at, &from_elsewhere).await;
    assert!(again.record.version > first.record.version);
    let mut expected = first.record.clone();
    expected.version = again.record.version;
    assert_eq!(again.record, expected);
    assert_eq!(s.nodes(&service).await, nodes);
}

async fn a_repeated_operation_imports_once(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.importing(&make, 10).await;
    let (at, call, admin) = (user(&service, 1, None), make.call(), &s.assignment_admin);
    let from_elsewhere = imported_user(vec![imported(10, ONE)]);
    let answer = admin.import_user(&call, &at, &from_elsewhere).await;
    let first = OfUser::new(&at, answer.clone().expect("the user is imported"));
    let later = s.rekey(&make, &first, &values(11, 0, b"b")).await;
    assert_eq!(admin.import_user(&call, &at, &from_elsewhere).await, answer);
    assert_eq!(s.record(&at).await, Some(later.record), "what came later stays");
    assert_eq!(s.load(&service).await, 1);
}

async fn what_comes_is_merged_into_what_is_here(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let here = s.assign_to(&make, &at, &Target::Node(ONE.into())).await;
    let here = OfUser::new(&at, here.expect("there is room"));
    let newer = imported_user(vec![imported(20, ONE)]);
    let merged = s.imported(&make, &here.at, &newer).await;
    assert_eq!(uids(&merged), (20, vec![(here.uid().get(), true)]));
    let current = &merged.record.current;
    assert_eq!(
        current.keys_changed_at, here.record.current.keys_changed_at,
        "the highest"
    );
    assert_eq!(merged.record.first_seen_at, Timestamp::from_secs(20));
    assert_eq!(s.loads(&service).await, (2, 0));

    // What is known already only grows, and keeps its node.
    let known = ImportedRecord {
        generation: Generation(77),
        ..imported(20, OTHER)
    };
    let raised = s.imported(&make, &merged.at, &imported_user(vec![known])).await;
    assert_eq!(raised.record.current.generation, Generation(77));
    assert_eq!((raised.past(), s.loads(&service).await), (merged.past(), (2, 0)));
}

async fn what_is_older_goes_to_the_past(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = s.importing(&make, 10).await;
    let here = s.user(&make, &service, 1).await;
    let here = s.rekey(&make, &here, &values(500, 0, b"b")).await;
    let earlier = s.load(&service).await;
    let merged = s
        .imported(&make, &here.at, &imported_user(vec![imported(20, OTHER)]))
        .await;
    assert_eq!(merged.uid(), here.uid());
    let past = merged.record.past.iter().find(|past| past.uid.get() == 20);
    let past = past.expect("it is in the past");
    assert_eq!(past.replaced_at, here.record.current.created_at);
    let state = imported(20, OTHER).client_state;
    assert!(merged.record.old_client_states.contains(&state));
    assert_eq!(s.load(&service).await, earlier + u64::from(past.holds_slot));
}

async fn a_full_node_takes_nothing_of_an_import(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.importing(&make, 1).await;
    let first = imported_user(vec![imported(10, ONE)]);
    s.imported(&make, &user(&service, 1, None), &first).await;
    let at = user(&service, 2, None);
    let from_elsewhere = imported_user(vec![imported(20, OTHER), imported(30, ONE)]);
    let refused = s.import(&make, &at, &from_elsewhere).await;
    assert_eq!(refused, Err(Refusal::NoNode.into()));
    assert_eq!(s.record(&at).await, None);
    assert_eq!(s.loads(&service).await, (1, 0));
    let room = imported_user(vec![imported(20, OTHER)]);
    s.imported(&make, &at, &room).await;
    assert_eq!(s.loads(&service).await, (1, 1));
}

async fn a_node_out_of_service_takes_imports(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.importing(&make, 10).await;
    let out = NodeChange {
        available: Some(0),
        downed: Some(true),
        unhealthy: Some(true),
        backoff: Some(true),
        ..NodeChange::default()
    };
    assert_eq!(s.update_node(&make, &service, ONE, out).await, Ok(()));
    let at = user(&service, 1, None);
    let done = s
        .imported(&make, &at, &imported_user(vec![imported(10, ONE)]))
        .await;
    assert_eq!(done.record.current.node.as_deref(), Some(ONE));
    assert_eq!(s.load_at(&service, ONE).await, (1, 0));
}

async fn a_uid_of_another_user_is_a_conflict(s: Arc<Subject>) {
    if !s.knows_uids {
        return;
    }
    let make = Maker::new(9);
    let service = s.importing(&make, 10).await;
    let records = vec![imported(10, ONE), imported(20, ONE)];
    let first = s
        .imported(&make, &user(&service, 1, None), &imported_user(records))
        .await;
    let nodes = s.nodes(&service).await;
    let at = user(&service, 2, None);
    for taken in [10, 20] {
        let records = vec![imported(30, OTHER), imported(taken, OTHER)];
        let refused = s.import(&make, &at, &imported_user(records)).await;
        assert_eq!(refused, Err(Refusal::Conflict.into()), "{taken}");
    }
    assert_eq!((s.record(&at).await, s.nodes(&service).await), (None, nodes));
    assert_eq!(s.record(&first.at).await, Some(first.record));
    let elsewhere = service_with_node(&s, &make).await;
    let at = user(&elsewhere, 2, None);
    s.imported(&make, &at, &imported_user(vec![imported(10, ONE)]))
        .await;
}

/// Another service, whose uids are its own.
async fn service_with_node(s: &Subject, make: &Maker) -> Service {
    let service = service("other-1.0");
    s.put_service(make, &service).await;
    s.add_node(make, &service, ONE, 10).await;
    service
}

async fn imports_on_another_version_are_conflicts(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.importing(&make, 10).await;
    let conflict = Err(Refusal::Conflict.into());
    let from_elsewhere = imported_user(vec![imported(10, ONE)]);
    let nobody = user(&service, 1, Some(1));
    assert_eq!(s.import(&make, &nobody, &from_elsewhere).await, conflict);
    let here = s.user(&make, &service, 1).await;
    let nodes = s.nodes(&service).await;
    for version in [None, Some(here.record.version + 1)] {
        let stale = user(&service, 1, version);
        assert_eq!(
            s.import(&make, &stale, &from_elsewhere).await,
            conflict,
            "{version:?}"
        );
    }
    assert_eq!(s.record(&here.at).await, Some(here.record));
    assert_eq!(s.nodes(&service).await, nodes);
}

async fn without_a_service_or_a_record_nothing_is_imported(s: Arc<Subject>) {
    let make = Maker::new(11);
    let unknown = user(&service("unknown-1.0"), 1, None);
    let refused = s
        .import(&make, &unknown, &imported_user(vec![imported(10, ONE)]))
        .await;
    assert_eq!(refused, Err(Refusal::UnknownService.into()));
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let refused = s.import(&make, &at, &imported_user(vec![])).await;
    assert_eq!(refused, Err(Refusal::Conflict.into()));
    let many = (1..=PAST_MAX as u64 + 2).map(|number| imported(number, "https://gone.example"));
    let refused = s.import(&make, &at, &imported_user(many.collect())).await;
    assert_eq!(refused, Err(Refusal::TooManyPast.into()));
    assert_eq!(s.record(&at).await, None);
}

async fn who_was_imported_goes_on_as_everybody(s: Arc<Subject>) {
    let make = Maker::new(12);
    let service = s.importing(&make, 10).await;
    let at = user(&service, 1, None);
    let records = vec![imported(10, ONE), imported(20, OTHER)];
    let now = s.imported(&make, &at, &imported_user(records)).await;
    let raised = s
        .assignment_writer
        .raise(&make.call(), &now.at, &values(30, 25, b""))
        .await;
    let rekeyed = s.rekey(&make, &now.after(raised), &values(40, 35, b"b")).await;
    assert!(rekeyed.uid().get() > 1000, "what was reserved is not handed out");
    assert_eq!(rekeyed.record.current.node.as_deref(), Some(OTHER));
    let left = s.unassign(&make, &rekeyed, LATER).await;
    let back = s.assign_again(&make, &left, &values(41, 35, b"b")).await;
    let expected = (
        back.uid().get(),
        vec![(10, true), (20, false), (rekeyed.uid().get(), true)],
    );
    assert_eq!(uids(&back), expected);
    assert_eq!(s.load(&service).await, 3);
    let purged = s.forget(&make, &back, ServiceUid::new(10).expect("a uid")).await;
    assert_eq!(s.record(&at).await.as_ref(), Some(&purged.record));
    assert_eq!(s.load(&service).await, 2);
}

async fn who_was_imported_retired_stays_so(s: Arc<Subject>) {
    let make = Maker::new(13);
    let service = s.importing(&make, 10).await;
    let retired = ImportedRecord {
        generation: Generation::RETIRED,
        replaced_at: Some(Timestamp::from_secs(50)),
        ..imported(20, ONE)
    };
    let at = user(&service, 1, None);
    let records = vec![retired, imported(30, OTHER)];
    let done = s.imported(&make, &at, &imported_user(records)).await;
    let current = &done.record.current;
    assert_eq!((current.uid.get(), current.generation), (20, Generation::RETIRED));
    assert_eq!(current.replaced_at, Some(Timestamp::from_secs(50)));
    assert_eq!(s.loads(&service).await, (1, 1));
}

async fn of_many_imports_at_once_one_is_done(s: Arc<Subject>) {
    let make = Maker::new(14);
    let service = s.importing(&make, 100).await;
    let at = user(&service, 1, None);
    let answers = at_once(16, |number| {
        let (admin, call, at) = (Arc::clone(&s.assignment_admin), make.call(), at.clone());
        let from_elsewhere = imported_user(vec![imported(number as u64 + 1, ONE)]);
        async move { admin.import_user(&call, &at, &from_elsewhere).await }
    });
    let answers = answers.await;
    let won: Vec<_> = answers.iter().flatten().collect();
    let lost = answers
        .iter()
        .filter(|answer| **answer == Err(Refusal::Conflict.into()));
    assert_eq!((won.len(), lost.count()), (1, 15), "{answers:?}");
    assert_eq!(s.record(&at).await.as_ref(), Some(won[0]));
    assert_eq!(s.load(&service).await, 1);
}
