//! Uids that are kept for records from elsewhere.

use std::sync::Arc;

use foxhold_core::{ServiceUid, record::Service};

use crate::{
    Refusal, WriteError,
    conformance::{
        Subject, cases,
        fixtures::{Maker, service, values},
    },
};

cases![
    reserved_uids_are_not_handed_out,
    what_is_handed_out_is_not_reserved_back,
    no_uids_are_reserved_beyond_the_ceiling,
    uids_are_reserved_in_a_service,
];

impl Subject {
    async fn reserve(&self, make: &Maker, service: &Service, through: u64) -> Result<(), WriteError> {
        let through = ServiceUid::new(through).expect("a uid");
        let admin = &self.assignment_admin;
        admin.reserve_uids(&make.call(), &service.key, through).await
    }
}

async fn reserved_uids_are_not_handed_out(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 100).await;
    assert_eq!(s.reserve(&make, &service, 40).await, Ok(()));
    let user = s.user(&make, &service, 1).await;
    assert!(user.uid().get() > 40, "{}", user.uid());
    // Also where a store holds some ready to hand out.
    assert_eq!(s.reserve(&make, &service, 100_000).await, Ok(()));
    for number in 2..6 {
        let user = s.user(&make, &service, number).await;
        assert!(user.uid().get() > 100_000, "{}", user.uid());
    }
    let rekeyed = s.rekey(&make, &user, &values(2, 2, b"b")).await;
    assert!(rekeyed.uid().get() > 100_000, "{}", rekeyed.uid());
}

async fn what_is_handed_out_is_not_reserved_back(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 100).await;
    assert_eq!(s.reserve(&make, &service, 1000).await, Ok(()));
    let first = s.user(&make, &service, 1).await;
    assert_eq!(s.reserve(&make, &service, 10).await, Ok(()), "done before");
    let second = s.user(&make, &service, 2).await;
    assert!(second.uid() > first.uid());
}

async fn no_uids_are_reserved_beyond_the_ceiling(s: Arc<Subject>) {
    let make = Maker::new(3);
    let mut service = service("sync-1.5");
    service.uid_ceiling = 50;
    s.put_service(&make, &service).await;
    s.add_node(&make, &service, "https://node-1.example", 100).await;
    let refused = s.reserve(&make, &service, 51).await;
    assert_eq!(refused, Err(Refusal::NoUid.into()));
    let user = s.user(&make, &service, 1).await;
    assert!(user.uid().get() <= 50);
    assert_eq!(s.reserve(&make, &service, 50).await, Ok(()));
    let at = super::user(&service, 2, None);
    let refused = s.try_assign(&make, &at, &values(1, 1, b"a")).await;
    assert_eq!(refused, Err(Refusal::NoUid.into()));
    assert_eq!(s.load(&service).await, 1);
}

async fn uids_are_reserved_in_a_service(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (service, other) = (s.served(&make, 100).await, service("other-1.0"));
    let refused = s.reserve(&make, &other, 10).await;
    assert_eq!(refused, Err(Refusal::UnknownService.into()));
    s.put_service(&make, &other).await;
    assert_eq!(s.reserve(&make, &other, 100_000).await, Ok(()));
    let user = s.user(&make, &service, 1).await;
    assert!(user.uid().get() < 100_000);
}
