//! Who has as many past records as may be: what a store keeps of one user, and every answer about him, is bounded.

use std::sync::Arc;

use foxhold_core::{ServiceUid, Timestamp, record::ClientState};

use super::{LATER, OfUser};
use crate::{
    Refusal,
    assignments::{ImportedRecord, ImportedUser, PAST_MAX, RecordRef, Target},
    conformance::{
        Subject, cases,
        fixtures::{Maker, imported, service, user, values},
    },
};

cases![
    with_too_many_past_records_nothing_new_is_made,
    the_largest_record_there_can_be_is_read_as_it_was_answered,
];

/// A URL as long as one may be.
fn long_url() -> String {
    let start = "https://node-1.example/";
    format!("{start}{}", "x".repeat(256 - start.len()))
}

/// A user with as many records as may be, all of them as large as may be.
fn largest(node: &str) -> ImportedUser {
    let state = |number: u64| ClientState::new([number.to_be_bytes(), [7; 8]].concat());
    let record = |number: u64| ImportedRecord {
        // Large numbers take the most bytes on a wire.
        uid: ServiceUid::new((1 << 30) + number).expect("a uid"),
        keys_changed_at: std::num::NonZeroU64::new(u64::MAX >> 1),
        created_at: Timestamp::from_millis((1 << 42) + number),
        replaced_at: Some(Timestamp::from_millis((1 << 42) + number + 1)),
        client_state: state(number).expect("a client state"),
        ..imported(number, node)
    };
    let records = 1..=PAST_MAX as u64;
    let last = ImportedRecord {
        replaced_at: None,
        ..record(PAST_MAX as u64 + 1)
    };
    ImportedUser {
        records: records.map(record).chain([last]).collect(),
        old_client_states: (1_000..2_000).filter_map(state).collect(),
        first_seen_at: Some(Timestamp::from_millis(1)),
    }
}

impl Subject {
    async fn with_largest(&self, make: &Maker, node: &str) -> OfUser {
        let service = service("sync-1.5");
        self.put_service(make, &service).await;
        self.add_node(make, &service, node, 1000).await;
        let reserved = ServiceUid::new((1 << 30) + 1000).expect("a uid");
        let reserved = self
            .assignment_admin
            .reserve_uids(&make.call(), &service.key, reserved)
            .await;
        assert_eq!(reserved, Ok(()));
        let at = user(&service, 1, None);
        let record = self.import(make, &at, &largest(node)).await;
        OfUser::new(&at, record.expect("the user is imported"))
    }

    async fn refuses_new_records(&self, make: &Maker, user: &OfUser) {
        let (writer, values) = (&self.assignment_writer, values(999, 0, b"new"));
        let refused = Err(Refusal::TooManyPast.into());
        let target = Target::DEFAULT;
        let assigned = writer
            .assign(&make.call(), &user.at, &values, &target, LATER)
            .await;
        assert_eq!(assigned, refused);
        let rekeyed = writer.rekey(&make.call(), &user.at, &values, LATER).await;
        assert_eq!(rekeyed, refused);
        assert_eq!(self.record(&user.at).await.as_ref(), Some(&user.record));
    }
}

async fn with_too_many_past_records_nothing_new_is_made(s: Arc<Subject>) {
    let make = Maker::new(1);
    let full = s.with_largest(&make, "https://node-1.example").await;
    assert_eq!(full.record.past.len(), PAST_MAX);
    s.refuses_new_records(&make, &full).await;
    let one = ImportedUser {
        records: vec![imported(7, "https://node-1.example")],
        ..largest("https://node-1.example")
    };
    let refused = s.import(&make, &full.at, &one).await;
    assert_eq!(refused, Err(Refusal::TooManyPast.into()));

    let left = s.forget(&make, &full, full.record.past[0].uid).await;
    let rekeyed = s.rekey(&make, &left, &values(999, 0, b"new")).await;
    s.refuses_new_records(&make, &rekeyed).await;
    let left = s.forget(&make, &rekeyed, rekeyed.record.past[0].uid).await;
    let moved = s.assign_again(&make, &left, &values(1000, 0, b"newer")).await;
    s.refuses_new_records(&make, &moved).await;
    let raised = s
        .assignment_writer
        .raise(&make.call(), &moved.at, &values(1001, 0, b"newer"))
        .await;
    let retired = s.retire(&make, &moved.after(raised), LATER).await;
    assert_eq!(
        retired.record.past.len(),
        PAST_MAX,
        "what makes no new record is done"
    );
}

async fn the_largest_record_there_can_be_is_read_as_it_was_answered(s: Arc<Subject>) {
    let make = Maker::new(2);
    let user = s.with_largest(&make, &long_url()).await;
    let RecordRef { service, .. } = &user.at;
    assert_eq!(s.record(&user.at).await.as_ref(), Some(&user.record));
    assert_eq!(user.record.old_client_states.len(), 1000 + PAST_MAX);
    let page = s
        .assignment_reader
        .records(super::soon(), service, None, 10)
        .await;
    let records = page.expect("the store reads").records;
    assert_eq!(records, [(user.at.user.clone(), user.record.clone())]);
    let raised = s
        .assignment_writer
        .raise(&make.call(), &user.at, &values(2000, 0, b"a"))
        .await;
    let raised = user.after(raised);
    assert_eq!(s.record(&user.at).await, Some(raised.record));
}
