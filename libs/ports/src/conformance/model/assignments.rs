//! The half of the model that is about services, nodes and users' records.

use std::{collections::BTreeMap, num::NonZeroU64};

use foxhold_core::{
    NodeId, ServiceUid, Timestamp,
    record::{
        Admission, ClientState, Generation, NodeRecord, PoolName, ServiceKey, ServicePolicy, UserKey,
        UserRecord,
    },
};

use super::{Intent, pick};
use crate::{
    assignments::{ImportedRecord, ImportedUser, NodeChange, RecordRef, Target},
    conformance::{
        Subject,
        fixtures::{self, Maker, node, policy, service, soon, user, values},
    },
    jobs::{Job, Runner},
};

const USERS: u64 = 6;
const SERVICES: [&str; 2] = ["sync-1.5", "other-1.0"];

pub(super) async fn look(model: &Subject, subject: &Subject, at: &str) {
    let (a, b) = (&model.assignment_reader, &subject.assignment_reader);
    assert_eq!(b.services(soon()).await, a.services(soon()).await, "{at}");
    for service in SERVICES.map(service) {
        let key = &service.key;
        let (expected, found) = (a.nodes(soon(), key).await, b.nodes(soon(), key).await);
        assert_eq!(found.map(by_rank), expected.map(by_rank), "{at}");
        for number in 0..USERS {
            let user = user(&service, number, None).user;
            let (expected, found) = (
                a.user_record(soon(), key, &user).await,
                b.user_record(soon(), key, &user).await,
            );
            assert_eq!(found, expected, "{at}");
        }
        let (expected, found) = (everybody(model, key).await, everybody(subject, key).await);
        assert_eq!(found, expected, "{at}");
        holds_what_it_shows(model, key, &expected, at).await;
    }
}

/// All users of a service, by pages.
async fn everybody(of: &Subject, service: &ServiceKey) -> BTreeMap<UserKey, UserRecord> {
    let (mut users, mut after) = (BTreeMap::new(), None);
    loop {
        let page = of
            .assignment_reader
            .records(soon(), service, after.as_ref(), 4)
            .await;
        let page = page.expect("the store reads");
        users.extend(page.records);
        match page.next {
            Some(next) => after = Some(next),
            None => return users,
        }
    }
}

/// The load of every node is the number of records that hold a slot there.
async fn holds_what_it_shows(
    of: &Subject,
    service: &ServiceKey,
    users: &BTreeMap<UserKey, UserRecord>,
    at: &str,
) {
    let nodes = of.assignment_reader.nodes(soon(), service).await;
    for node in nodes.expect("the store reads") {
        let is_there = |url: &Option<String>| url.as_ref() == Some(&node.url);
        let slots = users.values().map(|record| {
            let past = record.past.iter().filter(|past| past.holds_slot);
            past.filter(|past| is_there(&past.node)).count() + usize::from(is_there(&record.current.node))
        });
        assert_eq!(node.figures.current_load, slots.sum::<usize>() as u64, "{at}");
    }
}

/// Nodes numbered by their place: a store numbers them as it likes, but lists them in the order they were made in.
fn by_rank(mut nodes: Vec<NodeRecord>) -> Vec<NodeRecord> {
    for (rank, node) in (1..).zip(&mut nodes) {
        node.id = NodeId(rank);
    }
    nodes
}

pub(super) async fn intent(make: &Maker, model: &Subject, knows_uids: bool) -> Intent {
    let mut service = service(SERVICES[make.below(2) as usize]);
    let number = make.below(USERS);
    let mut at = user(&service, number, None);
    let known = model
        .assignment_reader
        .user_record(soon(), &at.service, &at.user)
        .await
        .ok()
        .flatten();
    at.version = known.as_ref().map(|record| record.version);
    if make.below(6) == 0 {
        at.version = Some(make.below(4)); // Mostly stale.
    }
    let values = values(make.below(50), make.below(50), &[make.below(5) as u8]);
    match make.below(26) {
        0 => {
            service.uid_ceiling = 10 + make.below(190);
            service.policy = changed_policy(make);
            Intent::PutService(service)
        }
        1 | 2 => {
            let mut node = node(&service, &url(make), make.below(20));
            node.available = make.below(node.capacity + 1);
            node.pool = pool(make);
            Intent::CreateNode(node)
        }
        3..8 => Intent::Assign(at, values, target(make), make.now()),
        8..11 => Intent::Raise(at, values),
        11 => Intent::RenameNode(at.service, url(make), url(make)),
        12 => Intent::Retire(at, make.now()),
        13 | 14 => Intent::Unassign(at, make.now()),
        15..18 => Intent::Forget(at, forgotten(make, known.as_ref())),
        18 => Intent::UpdateNode(at.service, url(make), node_change(make)),
        19 if make.below(2) == 0 => Intent::RemoveNode(at.service, url(make)),
        20..23 => {
            let uids = uids(make, model, &at, knows_uids).await;
            Intent::ImportUser(at, import(make, &uids))
        }
        23 if knows_uids => Intent::ReserveUids(at.service, uid(1 + make.below(60))),
        _ => Intent::Rekey(at, values, make.now()),
    }
}

/// Mostly a pool; now and then a node, which may not exist.
fn target(make: &Maker) -> Target {
    match make.below(4) {
        0 => Target::Node(url(make)),
        _ => Target::Pool(pool(make)),
    }
}

/// Turns at jobs, by few runners. A turn is over after a while of other intents.
pub(super) fn turn(make: &Maker) -> Intent {
    let job = Job::ALL[make.below(Job::ALL.len() as u64) as usize];
    let runner = Runner([make.below(3) as u8; 16]);
    match make.below(3) {
        0 => Intent::EndTurn(job, runner),
        _ => Intent::TakeTurn(job, runner, fixtures::of_this_case(make.now())),
    }
}

/// Uids that an import may bring: those that were handed out, without those of other users; where a store notices that,
/// with them, and some that nobody has had.
async fn uids(make: &Maker, model: &Subject, at: &RecordRef, knows_uids: bool) -> Vec<u64> {
    let users = everybody(model, &at.service).await;
    let of = |record: &UserRecord| -> Vec<u64> {
        let past = record.past.iter().map(|past| past.uid);
        past.chain([record.current.uid]).map(ServiceUid::get).collect()
    };
    let highest = users.values().flat_map(of).max().unwrap_or(0);
    if knows_uids {
        return (1..=highest + 1 + make.below(4)).collect();
    }
    let others = users.iter().filter(|(user, _)| **user != at.user);
    let others: Vec<u64> = others.flat_map(|(_, record)| of(record)).collect();
    (1..=highest).filter(|uid| !others.contains(uid)).collect()
}

fn import(make: &Maker, uids: &[u64]) -> ImportedUser {
    let few = |make: &Maker| make.below(30);
    let records = (0..make.below(4)).filter_map(|_| {
        let number = *pick(make, uids)?;
        Some(ImportedRecord {
            uid: uid(number),
            generation: Generation(few(make)),
            keys_changed_at: NonZeroU64::new(few(make)),
            client_state: state(make),
            created_at: Timestamp::from_secs(few(make)),
            replaced_at: (make.below(2) == 0).then(|| Timestamp::from_secs(few(make))),
            node: (make.below(5) != 0).then(|| url(make)),
            holds_slot: (make.below(3) == 0).then(|| make.below(2) == 0),
        })
    });
    ImportedUser {
        records: records.collect(),
        old_client_states: (0..make.below(2)).map(|_| state(make)).collect(),
        first_seen_at: (make.below(4) == 0).then(|| Timestamp::from_secs(few(make))),
    }
}

fn state(make: &Maker) -> ClientState {
    values(0, 0, &[make.below(5) as u8]).client_state
}

fn uid(number: u64) -> ServiceUid {
    ServiceUid::new(number).expect("uids begin at one")
}

/// The uid of any of a user's records, or of nobody's.
fn forgotten(make: &Maker, known: Option<&UserRecord>) -> ServiceUid {
    let mut uids: Vec<_> = known.map(|record| record.current.uid).into_iter().collect();
    uids.extend(
        known
            .into_iter()
            .flat_map(|record| record.past.iter().map(|past| past.uid)),
    );
    let nobody = ServiceUid::new(ServiceUid::MAX).expect("the largest uid is one");
    pick(make, &uids).copied().unwrap_or(nobody)
}

fn node_change(make: &Maker) -> NodeChange {
    let some = |bound| (make.below(2) == 0).then(|| make.below(bound));
    let flag = || (make.below(3) == 0).then(|| make.below(3) == 0);
    NodeChange {
        capacity: some(20),
        available: some(20),
        downed: flag(),
        backoff: flag(),
        unhealthy: flag(),
        pool: (make.below(4) == 0).then(|| pool(make)),
    }
}

/// Mostly one that stops new users soon, where those that are known go on.
fn changed_policy(make: &Maker) -> ServicePolicy {
    let admission = match make.below(4) {
        0 => Admission::Everyone,
        1 => Admission::Nobody,
        _ => Admission::First(make.below(12)),
    };
    policy(admission)
}

/// Mostly none, so that users still meet on nodes.
fn pool(make: &Maker) -> Option<PoolName> {
    (make.below(4) == 0).then(|| fixtures::pool("disks"))
}

fn url(make: &Maker) -> String {
    format!("https://n{}.example", make.below(5))
}
