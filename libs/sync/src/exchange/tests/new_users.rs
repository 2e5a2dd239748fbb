//! The limits of new users around the exchange (`security.md` B.5): whom they concern, what they leave untouched, and
//! that a domain which vouches for any name fills nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::first_assignments::{Budget, FirstAssignmentSettings, FirstAssignments, Limited};

/// A world of strangers: the service takes certificates of any issuer, and the limits are those of the contract.
struct Crowd {
    world: World,
    clock: Arc<ManualClock>,
}

/// Two requests come so far apart.
const STEP: Duration = Duration::from_secs(2);

impl Crowd {
    async fn new(nodes: usize, capacity: u64) -> Self {
        let mut service = service();
        service.policy.schemes = Schemes {
            oauth: true,
            browserid: true,
        };
        service.policy.allowed_issuers = vec!["*".into()];
        service.policy.trusted_issuers = vec!["trusted.example".into()];
        let mut world = World::with(service, capacity).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        world.ports.clock = clock.clone();
        let limits = FirstAssignments::new(&FirstAssignmentSettings::default());
        world.ports.first_assignments = Arc::new(limits);
        let crowd = Self { world, clock };
        for number in 2..=nodes {
            crowd.add_node(number, capacity).await;
        }
        crowd
    }

    async fn add_node(&self, number: usize, capacity: u64) {
        let call = Call {
            op: OpId::new(self.clock.now(), &*self.world.ports.random),
            deadline: soon(),
        };
        let node = NewNode {
            service: service().key,
            url: format!("https://node-{number}.example"),
            node_type: None,
            pool: None,
            capacity,
            available: capacity,
        };
        self.world.store.create_node(&call, node).await.unwrap();
    }

    /// Whoever has this certificate, from the block of addresses with this number.
    async fn vouched(&self, email: &str, block: u32) -> Result<u64, ExchangeError> {
        self.send(&format!("BrowserID {email},1234,1234"), block).await
    }

    /// An own user.
    async fn own(&self, uid: &str, block: u32) -> Result<u64, ExchangeError> {
        self.send(&format!("Bearer {uid},1234"), block).await
    }

    async fn send(&self, authorization: &str, block: u32) -> Result<u64, ExchangeError> {
        let is_token = authorization.starts_with("Bearer");
        let request = Request {
            authorization: Some(authorization.as_bytes()),
            key_id: is_token.then_some(&b"1234-qqo"[..]),
            client_state: Some(b"aaaa"),
            ip: Some(IpAddr::V4((0x0b00_0000 + block * 256).into())),
            ..good("")
        };
        self.world.ask(request).await.map(|token| token.uid.get())
    }

    /// As the purge does.
    async fn take_back(&self, user: &str) {
        let (key, user) = (service().key, UserKey(user.into()));
        let record = self.world.store.user_record(soon(), &key, &user).await;
        let at = RecordRef {
            version: Some(record.unwrap().expect("a user").version),
            service: key,
            user,
        };
        let call = Call {
            op: OpId::new(self.clock.now(), &*self.world.ports.random),
            deadline: soon(),
        };
        let now = self.clock.now();
        self.world.store.unassign(&call, &at, now).await.unwrap();
    }

    async fn nodes(&self) -> Vec<NodeFigures> {
        let nodes = self.world.store.nodes(soon(), &service().key).await.unwrap();
        nodes.into_iter().map(|node| node.figures).collect()
    }

    async fn users(&self) -> u64 {
        self.nodes().await.iter().map(|node| node.current_load).sum()
    }
}

fn limit(answer: &Result<u64, ExchangeError>) -> Option<Limited> {
    match answer {
        Ok(_) => None,
        Err(ExchangeError::NewUsersLimited(limited)) => Some(*limited),
        Err(other) => panic!("{other:?}"),
    }
}

/// The test of `security.md` B.5. The attacker has all addresses there are, and more than a day.
#[tokio::test]
async fn fifty_thousand_principals_of_one_issuer_and_a_thousand_users_who_renew() {
    let crowd = Crowd::new(10, 10_000).await;
    let mut uids = Vec::new();
    for user in 0..1000 {
        uids.push(crowd.own(&format!("user-{user}"), user).await.unwrap());
    }
    let mut on_day = BTreeMap::new();
    for number in 0..50_000_u32 {
        crowd.clock.advance(STEP);
        let day = crowd.clock.now().as_secs() / 86_400;
        let answer = crowd.vouched(&format!("{number}@flood.example"), number).await;
        match limit(&answer) {
            None => *on_day.entry(day).or_insert(0_u64) += 1,
            Some(limited) => {
                assert!(matches!(limited.by, Budget::Issuer | Budget::Day), "{limited}");
                let hour = Duration::from_secs(3600);
                assert!(limited.retry_after > Duration::ZERO && limited.retry_after <= hour);
            }
        }
        if number % 50 == 0 {
            let user = number / 50;
            let again = crowd.own(&format!("user-{user}"), 0).await;
            assert_eq!(again, Ok(uids[user as usize]), "user {user}");
        }
    }
    let free = 100_000 - 1000;
    assert!(
        on_day.len() >= 2 && on_day.values().all(|&users| users <= free / 20),
        "{on_day:?}"
    );
    let nodes = crowd.nodes().await;
    assert!(
        nodes
            .iter()
            .all(|node| node.current_load * 10 <= node.capacity * 9),
        "{nodes:?}"
    );
    let let_through: u64 = on_day.values().sum();
    assert_eq!(
        crowd.users().await,
        1000 + let_through,
        "refused users have taken nothing"
    );
}

#[tokio::test]
async fn any_number_of_domains_leaves_a_tenth_of_every_node() {
    let crowd = Crowd::new(4, 50).await;
    crowd.vouched("old@domain-1.example", 0).await.unwrap();
    for number in 0..600 {
        crowd.clock.advance(STEP);
        let email = format!("{number}@domain-{number}.example");
        limit(&crowd.vouched(&email, number).await);
    }
    let nodes = crowd.nodes().await;
    assert!(nodes.iter().all(|node| node.current_load == 45), "{nodes:?}");
    let answer = crowd.vouched("new@domain.example", 700).await;
    assert_eq!(limit(&answer).map(|limited| limited.by), Some(Budget::Reserve));

    assert!(crowd.vouched("old@domain-1.example", 0).await.is_ok());
    for number in 0..10 {
        assert!(crowd.own(&format!("own-{number}"), 701).await.is_ok());
    }
    // 5 % of what is left, rounded up.
    assert!(crowd.vouched("a@trusted.example", 702).await.is_ok());
}

/// Who has a record is served whatever is used up, with a new key or on a new node as well.
#[tokio::test]
async fn existing_users_are_never_limited() {
    let crowd = Crowd::new(1, 10_000).await;
    let uid = crowd.vouched("0@flood.example", 0).await.unwrap();
    for number in 1..=200 {
        limit(&crowd.vouched(&format!("{number}@flood.example"), 0).await);
    }
    assert_eq!(crowd.users().await, 20);
    assert_eq!(crowd.vouched("0@flood.example", 0).await, Ok(uid));
    let raised = crowd.send("BrowserID 0@flood.example,1235,1234", 0).await;
    assert_eq!(raised, Ok(uid));

    let new_key = Request {
        authorization: Some(b"BrowserID 0@flood.example,2000,2000"),
        key_id: None,
        client_state: Some(b"bbbb"),
        ip: Some(IpAddr::V4(0x0b00_0000_u32.into())),
        ..good("")
    };
    assert!(crowd.world.ask(new_key).await.is_ok());
    let refused = crowd.vouched("201@flood.example", 0).await;
    assert_eq!(limit(&refused).map(|limited| limited.by), Some(Budget::Block));
}

/// Places are taken back of strangers who never came again: whoever gathers names under the limits cannot come for all of the
/// places at once.
#[tokio::test]
async fn a_stranger_whose_place_was_taken_back_is_counted_again() {
    let crowd = Crowd::new(1, 10_000).await;
    crowd.vouched("0@flood.example", 0).await.unwrap();
    crowd.own("own", 0).await.unwrap();
    for user in ["0@flood.example", "own@accounts.example"] {
        crowd.take_back(user).await;
    }
    for number in 1..=200 {
        limit(&crowd.vouched(&format!("{number}@flood.example"), 0).await);
    }
    let again = crowd.vouched("0@flood.example", 0).await;
    assert_eq!(limit(&again).map(|limited| limited.by), Some(Budget::Block));
    assert!(crowd.own("own", 0).await.is_ok());
    let elsewhere = crowd.vouched("0@flood.example", 1).await;
    assert!(elsewhere.is_ok(), "{elsewhere:?}");
    assert_eq!(crowd.vouched("0@flood.example", 0).await, elsewhere);
}

#[tokio::test]
async fn nothing_is_counted_before_the_other_checks_nor_written_after_a_refusal() {
    let mut crowd = Crowd::new(1, 10_000).await;
    crowd.world.admit(Admission::Nobody).await;
    for number in 0..50 {
        let refused = crowd.own(&format!("user-{number}"), 0).await;
        assert_eq!(refused, Err(ExchangeError::NewUsersDisabled));
    }
    crowd.world.admit(Admission::Everyone).await;
    for number in 0..20 {
        assert!(crowd.own(&format!("user-{number}"), 0).await.is_ok());
    }
    crowd.world.store_calls();
    assert!(limit(&crowd.own("late", 0).await).is_some());
    assert_eq!(crowd.world.store_calls(), (2, 0));
}

#[tokio::test]
async fn a_full_service_uses_up_nobodys_budget() {
    let crowd = Crowd::new(1, 0).await;
    for number in 0..50 {
        let refused = crowd.own(&format!("user-{number}"), 0).await;
        assert_eq!(refused, Err(ExchangeError::NoNode));
    }
    crowd.add_node(2, 100).await;
    let mut let_through = BTreeSet::new();
    for number in 0..50 {
        let_through.extend(crowd.own(&format!("user-{number}"), 0).await);
    }
    assert_eq!(let_through.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_requests_of_one_user_are_one_new_user() {
    let crowd = Arc::new(Crowd::new(1, 100).await);
    for number in 0..19 {
        crowd.own(&format!("user-{number}"), 0).await.unwrap();
    }
    let requests: Vec<_> = (0..64)
        .map(|_| {
            let crowd = crowd.clone();
            tokio::spawn(async move { crowd.own("last", 0).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), Ok(20));
    }
    assert!(limit(&crowd.own("next", 0).await).is_some());
    assert_eq!(crowd.users().await, 20);
}

/// How much room there is cannot be asked: that says nothing about the user.
#[tokio::test]
async fn an_outage_is_no_limit() {
    let crowd = Crowd::new(1, 100).await;
    for cause in Cause::ALL {
        *crowd.world.watched.nodes_outage.lock().unwrap() = Some(cause);
        let answer = crowd.vouched("a@flood.example", 0).await;
        assert_eq!(answer, Err(ExchangeError::Store(cause)));
    }
    *crowd.world.watched.nodes_outage.lock().unwrap() = None;
    assert!(crowd.vouched("a@flood.example", 0).await.is_ok());
}
