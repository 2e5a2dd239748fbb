//! The limits of new users without an exchange around them: the contract's table, what is given back, bounded memory.

mod properties;

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord, PoolName},
};
use foxhold_ports::{Cause, Refusal};

use super::*;

/// Noon.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000 / 86_400 * 86_400 + 43_200);
const SOON: Duration = Duration::from_secs(1);

fn node(id: u64, current_load: u64, capacity: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        service: service(),
        url: format!("https://node-{id}.example"),
        node_type: None,
        pool: None,
        figures: NodeFigures {
            capacity,
            available: capacity - current_load,
            current_load,
            ..NodeFigures::default()
        },
    }
}

fn service() -> ServiceKey {
    ServiceKey("sync-1.5".into())
}

fn stranger(n: u32) -> Issuer {
    Issuer::Stranger(format!("issuer-{n}.example"))
}

fn address(n: u32) -> Option<IpAddr> {
    Some(IpAddr::V4((0x0b00_0000 + n * 256).into()))
}

/// Of which issuer and from where the users come, by their number.
type Who = fn(u32) -> (Issuer, Option<IpAddr>);

struct Bench {
    limits: FirstAssignments,
    now: Timestamp,
    users: u32,
}

impl Bench {
    fn new(settings: &FirstAssignmentSettings, nodes: &[NodeRecord]) -> Self {
        let bench = Self {
            limits: FirstAssignments::new(settings),
            now: NOW,
            users: 0,
        };
        bench.install(nodes);
        bench
    }

    fn roomy(settings: &FirstAssignmentSettings) -> Self {
        Self::new(settings, &[node(1, 0, 10_000_000)])
    }

    fn install(&self, nodes: &[NodeRecord]) {
        let mut state = self.limits.limits.lock();
        let room = state.room(&(service(), Target::DEFAULT));
        let reading = room.begin_reading(self.now).unwrap();
        room.install(&reading, nodes);
    }

    fn admit(&self, user: &str, issuer: &Issuer, ip: Option<IpAddr>) -> Result<Place<'_>, Limited> {
        let user = UserKey(user.to_owned());
        let new = NewUser {
            service: &service(),
            user: &user,
            target: &Target::DEFAULT,
            issuer,
            ip,
        };
        self.limits.admit(self.now, &new)
    }

    /// One more user, who is written.
    fn one(&mut self, issuer: &Issuer, ip: Option<IpAddr>) -> Result<(), Limited> {
        self.users += 1;
        let user = format!("{}@example.com", self.users);
        self.admit(&user, issuer, ip).map(drop)
    }

    /// How many are let through before the first is not.
    fn many(&mut self, who: impl Fn(u32) -> (Issuer, Option<IpAddr>)) -> (u32, Option<Limited>) {
        for n in 0..300 {
            let (issuer, ip) = who(n);
            if let Err(limited) = self.one(&issuer, ip) {
                return (n, Some(limited));
            }
        }
        (300, None)
    }
}

fn limited(by: Budget, secs: u64) -> Option<Limited> {
    let retry_after = Duration::from_secs(secs);
    Some(Limited { by, retry_after })
}

/// The table of `security.md` B.5.
#[test]
fn so_many_at_once_and_then_somebody_waits() {
    type Row = (&'static str, Vec<NodeRecord>, Who, u32, Option<Limited>);
    let rich = || vec![node(1, 0, 10_000_000)];
    let table: [Row; 15] = [
        (
            "one issuer",
            rich(),
            |n| (stranger(1), address(n)),
            100,
            limited(Budget::Issuer, 3),
        ),
        (
            "its subdomains",
            rich(),
            |n| (Issuer::Stranger(format!("a{n}.b.example.co.uk")), address(n)),
            100,
            limited(Budget::Issuer, 3),
        ),
        (
            "names that are given away",
            rich(),
            |n| (Issuer::Stranger(format!("a{n}.github.io")), address(n)),
            100,
            limited(Budget::Issuer, 3),
        ),
        ("other issuers", rich(), |n| (stranger(n), address(n)), 300, None),
        (
            "one trusted issuer",
            rich(),
            |n| (Issuer::Trusted("example.com".into()), address(n)),
            100,
            limited(Budget::Issuer, 3),
        ),
        (
            "trusted issuers of one domain",
            rich(),
            |n| (Issuer::Trusted(format!("a{n}.example.com")), address(n)),
            300,
            None,
        ),
        ("own users", rich(), |n| (Issuer::Own, address(n)), 300, None),
        (
            "own users of one /24",
            rich(),
            |n| (Issuer::Own, Some(IpAddr::V4((0xc000_0200 + n % 256).into()))),
            20,
            limited(Budget::Block, 360),
        ),
        (
            "own users from inside the network",
            rich(),
            |n| (Issuer::Own, Some(IpAddr::V4((0x0a00_0000 + n % 256).into()))),
            300,
            None,
        ),
        (
            "an address written in two ways",
            rich(),
            |n| {
                let four = std::net::Ipv4Addr::from(0xc000_0200 + n % 256);
                let six = IpAddr::V6(four.to_ipv6_mapped());
                (Issuer::Own, Some(if n % 2 == 0 { IpAddr::V4(four) } else { six }))
            },
            20,
            limited(Budget::Block, 360),
        ),
        (
            "own users of one /48",
            rich(),
            |n| {
                let address = 0x2001_0db8_0001_0000_0000_0000_0000_0000 + (u128::from(n) << 64);
                (Issuer::Own, Some(IpAddr::V6(address.into())))
            },
            20,
            limited(Budget::Block, 360),
        ),
        (
            "the part of a day",
            vec![node(1, 9_000, 10_000), node(2, 0, 200)],
            |n| (stranger(1), address(n)),
            // 5 % of 1,200 slots, less than that as they are taken.
            58,
            limited(Budget::Day, 3600),
        ),
        (
            "a small service",
            vec![node(1, 0, 10)],
            |n| (stranger(1), address(n)),
            1,
            limited(Budget::Day, 3600),
        ),
        (
            "the last tenth of a node",
            vec![node(1, 85, 100), node(2, 95, 100)],
            |n| (stranger(n), address(n)),
            5,
            limited(Budget::Reserve, 300),
        ),
        (
            "the same for the trusted: that nothing is left is for the store to say",
            vec![node(1, 85, 100), node(2, 95, 100)],
            |n| (Issuer::Trusted(format!("issuer-{n}.example")), address(n)),
            300,
            None,
        ),
    ];
    for (name, nodes, who, expected, limit) in table {
        let mut bench = Bench::new(&FirstAssignmentSettings::default(), &nodes);
        assert_eq!(bench.many(who), (expected, limit), "{name}");
    }
}

#[test]
fn room_that_is_not_released_yet_is_room() {
    let mut empty = node(2, 0, 100);
    empty.figures.available = 0;
    let mut bench = Bench::new(&FirstAssignmentSettings::default(), &[node(1, 95, 100), empty]);
    let expected = (90, limited(Budget::Reserve, 300));
    assert_eq!(bench.many(|n| (stranger(n), address(n))), expected);
}

/// Slots that are released lie on a node's last tenth, and a pool's nodes are not those of another: the store is told where
/// strangers go.
#[test]
fn strangers_are_sent_where_the_reserve_is_kept() {
    let mut unreleased = node(2, 0, 10);
    unreleased.figures.available = 0;
    let mut elsewhere = node(3, 0, 100);
    elsewhere.pool = PoolName::new("other");
    let nodes = [node(1, 89, 100), unreleased, elsewhere];
    let other = Target::Pool(PoolName::new("other"));
    let pinned = Target::Node("https://node-1.example".into());
    for (name, target, expected) in [
        ("the default pool", Target::DEFAULT, [1, 9, 0]),
        ("another pool", other, [0, 0, 90]),
        ("one node", pinned, [1, 0, 0]),
        (
            "a pool without nodes",
            Target::Pool(PoolName::new("none")),
            [0, 0, 0],
        ),
    ] {
        let mut room = Room::of(target);
        let reading = room.begin_reading(NOW).unwrap();
        room.install(&reading, &nodes);
        let free = room.free();
        let mut sent = [0; 3];
        while let Some(url) = room.take_open(10) {
            sent[nodes.iter().position(|node| node.url == url).unwrap()] += 1;
        }
        assert_eq!((sent, free), (expected, 121), "{name}");
    }
}

#[test]
fn rooms_are_forgotten_only_when_nobody_is_let_into_them() {
    let bench = Bench::roomy(&FirstAssignmentSettings::default());
    let place = bench.admit("a@x", &Issuer::Own, None).unwrap();
    let rooms = || {
        let mut state = bench.limits.limits.lock();
        for number in 0..3 * ROOMS_MAX {
            state.room(&(service(), Target::Node(format!("https://{number}.example"))));
            assert!(state.rooms.len() <= ROOMS_MAX);
        }
        state.rooms.contains_key(&(service(), Target::DEFAULT))
    };
    assert!(rooms());
    drop(place);
    assert!(!rooms());
}

#[test]
fn all_issuers_but_the_own_may_have_a_budget_together() {
    let settings = FirstAssignmentSettings {
        service_per_hour: Some(30),
        ..FirstAssignmentSettings::default()
    };
    let mut bench = Bench::roomy(&settings);
    let expected = (30, limited(Budget::Service, 120));
    assert_eq!(bench.many(|n| (stranger(n), address(n))), expected);
    assert_eq!(bench.many(|n| (Issuer::Own, address(n))), (300, None));
}

#[test]
fn after_the_time_that_was_told_there_is_one_more() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    let who: [Who; 2] = [|n| (stranger(1), address(n)), |_| (Issuer::Own, address(0))];
    for who in who {
        let (_, limit) = bench.many(who);
        let wait = limit.unwrap().retry_after;
        bench.now = bench.now.plus(wait - Duration::from_millis(1));
        assert_eq!(bench.many(who).0, 0);
        bench.now = bench.now.plus(Duration::from_millis(1));
        assert_eq!(bench.many(who).0, 1);
    }
}

#[test]
fn every_day_has_its_part() {
    let settings = FirstAssignmentSettings {
        issuer_burst: 1000,
        ..FirstAssignmentSettings::default()
    };
    let mut bench = Bench::new(&settings, &[node(1, 0, 1000)]);
    let who: Who = |n| (stranger(1), address(n));
    let (first, limit) = bench.many(who);
    assert!((45..=50).contains(&first), "{first}");
    assert_eq!(limit, limited(Budget::Day, 3600));
    bench.now = NOW.plus(Duration::from_secs(43_190));
    assert_eq!(bench.many(who), (0, limited(Budget::Day, 10)));
    bench.now = NOW.plus(Duration::from_secs(43_200));
    assert!((40..=50).contains(&bench.many(who).0));
}

#[test]
fn each_service_has_its_own() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    bench.many(|_| (Issuer::Own, address(0)));
    let other = ServiceKey("notes-1.0".into());
    let user = UserKey("x@example.com".into());
    let new = NewUser {
        service: &other,
        user: &user,
        target: &Target::DEFAULT,
        issuer: &Issuer::Own,
        ip: address(0),
    };
    assert!(bench.limits.admit(bench.now, &new).is_ok());
}

#[test]
fn what_was_not_written_is_given_back() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    let not_written = [
        WriteError::Refused(Refusal::NoNode),
        WriteError::Refused(Refusal::Conflict),
        WriteError::NotDone(Cause::Unavailable),
    ];
    for n in 0..60 {
        let place = bench.admit(&format!("{n}@x"), &stranger(1), address(0)).unwrap();
        place.settle(&Err(not_written[n % 3]));
    }
    // Nobody knows, or nobody waited for it.
    let place = bench.admit("unknown@x", &stranger(1), address(0)).unwrap();
    place.settle(&Err(WriteError::Unknown(Cause::Timeout)));
    drop(bench.admit("gone@x", &stranger(1), address(0)).unwrap());
    assert_eq!(bench.many(|_| (stranger(1), address(0))).0, 18);
}

#[test]
fn several_requests_of_one_user_are_one_user() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    let places: Vec<_> = (0..64)
        .map(|_| bench.admit("a@x", &stranger(1), address(0)).unwrap())
        .collect();
    assert_eq!(bench.limits.figures().in_work, 1);
    // One of them writes the record, and the others find it.
    let mut places = places.into_iter();
    drop(places.next());
    for place in places {
        place.settle(&Err(WriteError::Refused(Refusal::Conflict)));
    }
    assert_eq!(bench.limits.figures().in_work, 0);
    // Another process wrote it: counted there.
    let place = bench.admit("b@x", &stranger(1), address(0)).unwrap();
    place.settle(&Err(WriteError::Refused(Refusal::Conflict)));
    assert_eq!(bench.many(|_| (stranger(1), address(0))).0, 19);
}

#[test]
fn a_clock_that_steps_back_frees_nobody_at_once_and_locks_nobody_out() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    let who: Who = |_| (Issuer::Own, address(0));
    bench.many(who);
    bench.now = NOW.minus(Duration::from_secs(30));
    assert_eq!(bench.many(who), (0, limited(Budget::Block, 360)));
    bench.now = NOW.minus(Duration::from_secs(86_400));
    assert_eq!(bench.many(who).0, 20);
}

#[test]
fn off_is_off() {
    let mut bench = Bench::roomy(&FirstAssignmentSettings::default());
    bench.limits = FirstAssignments::off();
    assert_eq!(bench.many(|_| (stranger(1), address(0))), (300, None));
    assert_eq!(bench.limits.figures(), FirstAssignmentFigures::default());
}

#[test]
fn other_settings_count_on_and_can_be_turned_off_and_on() {
    let settings = FirstAssignmentSettings::default();
    let mut bench = Bench::roomy(&settings);
    let who: Who = |_| (Issuer::Own, address(0));
    assert_eq!(bench.many(who).0, 20);
    let more = FirstAssignmentSettings {
        block_burst: 25,
        ..settings.clone()
    };
    bench.limits.replace(Some(&more));
    assert_eq!(bench.many(who).0, 5, "those before count");
    bench.limits.replace(None);
    assert_eq!(bench.many(who), (300, None));
    bench.limits.replace(Some(&settings));
    assert_eq!(bench.many(who).0, 0, "and still do");
}

#[test]
fn nobody_is_freed_by_filling_the_memory() {
    let settings = FirstAssignmentSettings {
        keys_max: 10,
        ..FirstAssignmentSettings::default()
    };
    let mut bench = Bench::roomy(&settings);
    let held = |_| (stranger(0), address(0));
    assert_eq!(bench.many(held).0, 20);
    let mut let_through = 0;
    for n in 1..2000 {
        let_through += u32::from(bench.one(&stranger(n), address(n)).is_ok());
        let figures = bench.limits.figures();
        assert!(figures.issuers <= 10 && figures.blocks <= 10, "{figures:?}");
        assert_eq!(bench.many(held).0, 0, "after {n} others");
    }
    // Ten blocks are remembered, and all others are taken for the one that was forgotten last.
    assert!((190..=220).contains(&let_through), "{let_through}");
    // They, too, have it back in time.
    bench.now = NOW.plus(Duration::from_secs(2 * 3600));
    assert_eq!(bench.many(|n| (stranger(n), address(n))).0, 220);
}

#[test]
fn one_reads_and_the_others_go_on_with_what_is_known() {
    let mut room = Room::default();
    let first = room.begin_reading(NOW).unwrap();
    assert!(room.begin_reading(NOW).is_some(), "nothing is known yet");
    room.install(&first, &[node(1, 0, 10)]);
    assert!(room.begin_reading(NOW).is_none());

    let later = NOW.plus(SOON);
    let slow = room.begin_reading(later).unwrap();
    assert!(room.begin_reading(later).is_none());
    room.take();
    room.take();
    assert_eq!(room.free(), 8);
    // One of the two is written while the figures are read, and may or may not be in them.
    room.settle();
    room.install(&slow, &[node(1, 1, 10)]);
    assert_eq!(room.free(), 7);
    let now = later.plus(SOON);
    let reading = room.begin_reading(now).unwrap();
    room.install(&reading, &[node(1, 1, 10)]);
    assert_eq!(room.free(), 8, "one is still being written");
    room.install(&slow, &[node(1, 10, 10)]);
    assert_eq!(room.free(), 8, "older figures come late");

    assert!(room.begin_reading(now.plus(Duration::from_secs(10))).is_some());
    assert!(
        room.begin_reading(now.minus(SOON)).is_some(),
        "the clock was put back"
    );
}
