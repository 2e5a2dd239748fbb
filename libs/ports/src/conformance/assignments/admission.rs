//! Services that take only so many users (`tokenserver.md` 14).

use std::sync::Arc;

use foxhold_core::record::{Admission, Service, ServicePolicy, UserRecord};

use super::LATER;
use crate::{
    Refusal,
    assignments::Target,
    conformance::{
        Subject, cases,
        fixtures::{Maker, service, user, values},
    },
};

cases![
    a_service_takes_as_many_new_users_as_it_may,
    who_has_a_record_is_never_refused,
    a_service_that_is_closed_says_so_before_one_that_is_full,
    what_a_store_does_not_count_it_does_not_judge,
];

impl Subject {
    async fn admit(&self, make: &Maker, service: &Service, admission: Admission) {
        let policy = ServicePolicy {
            admission,
            ..service.policy.clone()
        };
        let service = Service {
            policy,
            ..service.clone()
        };
        self.put_service(make, &service).await;
    }
}

async fn a_service_takes_as_many_new_users_as_it_may(s: Arc<Subject>) {
    let make = Maker::new(18);
    let service = s.served(&make, 100).await;
    s.add_node(&make, &service, "https://node-2.example", 50).await;
    let (given, closed) = (values(1, 1, b"a"), Err(Refusal::Closed.into()));
    let mut users = 0;
    // Raised twice, lowered below what it has, and lifted.
    for limit in [20, 23, 5, 24] {
        s.admit(&make, &service, Admission::First(limit)).await;
        while users < limit {
            s.assign(&make, &user(&service, users, None), &given).await;
            users += 1;
            assert_eq!(s.load(&service).await, users);
        }
        let next = user(&service, users, None);
        assert_eq!(s.try_assign(&make, &next, &given).await, closed, "{limit}");
        assert_eq!(s.record(&next).await, None);
        assert_eq!(s.load(&service).await, users, "no slot is taken");
    }
    s.admit(&make, &service, Admission::Everyone).await;
    s.assign(&make, &user(&service, users, None), &given).await;
}

async fn who_has_a_record_is_never_refused(s: Arc<Subject>) {
    let make = Maker::new(19);
    let service = s.served(&make, 100).await;
    let mut record = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let closed = Err(Refusal::Closed.into());
    for (number, admission) in (2..).zip([Admission::First(1), Admission::First(0), Admission::Nobody]) {
        s.admit(&make, &service, admission.clone()).await;
        let at = |record: &UserRecord| user(&service, 1, Some(record.version));
        let writer = &s.assignment_writer;
        let given = values(number * 10, 1, b"a");
        let raised = writer.raise(&make.call(), &at(&record), &given).await;
        record = raised.expect("the user has a record");
        let given = values(1, 1, &[number as u8; 16]);
        let rekeyed = writer.rekey(&make.call(), &at(&record), &given, LATER).await;
        record = rekeyed.expect("the user has a record");
        let assigned = writer
            .assign(&make.call(), &at(&record), &given, &Target::DEFAULT, LATER)
            .await;
        record = assigned.expect("the user has a record");
        assert_eq!(s.load(&service).await, number, "a new assignment takes a slot");

        if admission.user_limit().is_some() {
            let other = user(&service, 2, None);
            assert_eq!(s.try_assign(&make, &other, &given).await, closed, "{admission:?}");
        }
        // A first assignment that somebody else has done is a conflict, not a refusal of the user.
        let again = s.try_assign(&make, &user(&service, 1, None), &given).await;
        assert_eq!(again, Err(Refusal::Conflict.into()), "{admission:?}");
    }
}

async fn a_service_that_is_closed_says_so_before_one_that_is_full(s: Arc<Subject>) {
    let make = Maker::new(20);
    let mut service = service("sync-1.5");
    service.uid_ceiling = 1;
    service.policy.admission = Admission::First(0);
    s.put_service(&make, &service).await;
    let (first, given) = (user(&service, 1, None), values(1, 1, b"a"));
    let closed = Err(Refusal::Closed.into());
    assert_eq!(
        s.try_assign(&make, &first, &given).await,
        closed,
        "no node either"
    );
    s.admit(&make, &service, Admission::First(1)).await;
    let no_node = Err(Refusal::NoNode.into());
    assert_eq!(
        s.try_assign(&make, &first, &given).await,
        no_node,
        "not closed yet"
    );
    s.add_node(&make, &service, "https://node-1.example", 1).await;
    s.assign(&make, &first, &given).await;
    let second = user(&service, 2, None);
    assert_eq!(
        s.try_assign(&make, &second, &given).await,
        closed,
        "no room and no uid either"
    );
}

/// Who is named, and whether anybody may come, is judged before a store is asked.
async fn what_a_store_does_not_count_it_does_not_judge(s: Arc<Subject>) {
    let make = Maker::new(21);
    let service = s.served(&make, 10).await;
    let somebody = Admission::Listed(["somebody".to_owned()].into());
    for (number, admission) in [somebody, Admission::Nobody].into_iter().enumerate() {
        s.admit(&make, &service, admission).await;
        s.assign(&make, &user(&service, number as u64, None), &values(1, 1, b"a"))
            .await;
    }
}
