//! All users' records of a service, page by page.

use std::{collections::BTreeMap, sync::Arc};

use foxhold_core::record::{Service, UserKey, UserRecord};

use super::LATER;
use crate::{
    Cause, ReadError,
    assignments::{RECORDS_PAGE_MAX, RecordPage},
    conformance::{
        Subject, cases,
        fixtures::{Maker, past, service, values},
    },
};

cases![
    a_service_without_users_has_one_empty_page,
    every_user_is_on_one_page,
    users_of_another_service_are_on_none,
    a_page_is_never_too_large,
    a_page_is_a_read_like_others,
];

const USERS: u64 = 7;

impl Subject {
    /// Users with pasts of all kinds, as they are read one by one.
    async fn with_users(&self, make: &Maker, service: &Service) -> BTreeMap<UserKey, UserRecord> {
        let mut users = BTreeMap::new();
        for number in 0..USERS {
            let mut now = self.user(make, service, number).await;
            for change in 0..number {
                let values = values(change + 2, change + 2, &[change as u8 + 2]);
                now = match change % 3 {
                    0 => self.rekey(make, &now, &values).await,
                    1 => self.unassign(make, &now, LATER).await,
                    _ => self.assign_again(make, &now, &values).await,
                };
            }
            users.insert(now.at.user.clone(), now.record);
        }
        users
    }
}

fn together(pages: Vec<RecordPage>) -> BTreeMap<UserKey, UserRecord> {
    let mut users = BTreeMap::new();
    for (user, record) in pages.into_iter().flat_map(|page| page.records) {
        assert!(users.insert(user, record).is_none(), "a user came twice");
    }
    users
}

async fn a_service_without_users_has_one_empty_page(s: Arc<Subject>) {
    let make = Maker::new(1);
    let served = s.served(&make, 10).await;
    let empty = RecordPage {
        records: Vec::new(),
        next: None,
    };
    for service in [served, service("unknown-1.0")] {
        assert_eq!(s.pages(&service, 10).await.last(), Some(&empty));
        assert!(together(s.pages(&service, 10).await).is_empty());
    }
}

async fn every_user_is_on_one_page(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 100).await;
    let expected = s.with_users(&make, &service).await;
    for size in [1, 2, 3, USERS as u32, 1000] {
        let pages = s.pages(&service, size).await;
        assert!(
            pages.iter().all(|page| page.records.len() <= size as usize),
            "{size}"
        );
        assert_eq!(together(pages), expected, "{size}");
    }
}

async fn users_of_another_service_are_on_none(s: Arc<Subject>) {
    let make = Maker::new(3);
    let services = [
        s.served(&make, 100).await,
        service("sync-1.50"),
        service("sync-1.4"),
    ];
    let mut expected = vec![s.with_users(&make, &services[0]).await];
    for service in &services[1..] {
        s.put_service(&make, service).await;
        s.add_node(&make, service, "https://other.example", 100).await;
        expected.push(s.with_users(&make, service).await);
    }
    for (service, expected) in services.iter().zip(expected) {
        assert_eq!(together(s.pages(service, 2).await), expected);
    }
}

async fn a_page_is_never_too_large(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.served(&make, 100).await;
    let expected = s.with_users(&make, &service).await;
    let pages = s.pages(&service, 0).await;
    assert!(pages.iter().all(|page| page.records.len() <= 1), "zero is one");
    assert_eq!(together(pages), expected);
    for size in [RECORDS_PAGE_MAX + 1, u32::MAX] {
        assert_eq!(together(s.pages(&service, size).await), expected);
    }
}

async fn a_page_is_a_read_like_others(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = s.served(&make, 100).await;
    s.with_users(&make, &service).await;
    let late = s.assignment_reader.records(past(), &service.key, None, 10).await;
    assert_eq!(late, Err(ReadError(Cause::Timeout)));
}
