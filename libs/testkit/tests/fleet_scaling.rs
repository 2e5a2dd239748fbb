//! A tier that grows and shrinks under load (`ecosystem.md` 3.8): keysigners behind one name, first one, then three, then two.
//! Whoever joins carries its share, and whoever leaves is not missed. Shares are counted by the signers themselves, over a
//! number of signatures. And tiers whose instances are replaced in turn (3.6): no request fails.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Result, bail};
use foxhold_testkit::{
    fleet::{self, Fleet, Shape, Store, Tier},
    insist::{in_words, is_later},
    person::{Person, Server, unique_hex},
    process::free_address,
    report::report,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::StatusCode;
use tokio::task::JoinHandle;

const SIGNERS: usize = 3;
const CLIENTS: usize = 6;
const WRITERS: usize = 2;
/// Of each kind, while instances are replaced.
const ROLLING_CLIENTS: usize = 2;
/// Answers that must be acknowledged while an instance is away.
const ENOUGH: usize = 20;
/// One webhead asks for all: a signer's limit for each is not what is measured.
const UNLIMITED: &str = "[signing]\ncaller_per_second = 0\n";
/// Signatures over which shares are counted: chance moves a third by two in a hundred.
const COUNTED: u64 = 600;
/// Answers "come back later" from when a signer leaves: each client's request that it had, at the most.
const MISSED_MAX: u64 = CLIENTS as u64;
/// In per cent.
const FAIR: std::ops::RangeInclusive<u64> = 20..=45;

/// The keysigners are one name, at one port of several loopback addresses.
struct Scene {
    fleet: Fleet,
    hosts: PathBuf,
}

impl Scene {
    async fn with_one(work: &WorkFolder) -> Self {
        let shape = Shape {
            webheads: 1,
            keysigners: SIGNERS,
            dbwriters: 1,
            store: Store::Sqlite,
        };
        let mut fleet = Fleet::start(work.path(), shape).await.expect("a fleet");
        let hosts = work.path().join("hosts");
        let port = free_address().expect("a port").port();
        fleet.stop(Tier::Webhead, 1).await.expect("a stop");
        for number in 1..=SIGNERS {
            fleet.stop(Tier::Keysigner, number).await.expect("a stop");
            let listen = format!("listen = \"{}:{port}\"\n{UNLIMITED}", ip(number));
            let told = fleet.add_to_configuration(Tier::Keysigner, number, &listen);
            told.expect("a configuration");
        }
        let name = format!("[keysigner]\naddresses = [\"signers.test:{port}\"]\n");
        fleet
            .add_to_configuration(Tier::Webhead, 1, &name)
            .expect("a configuration");
        fleet.set_hosts(Tier::Webhead, 1, &hosts).expect("its hosts");
        let mut scene = Self { fleet, hosts };
        scene.name_stands_for(1);
        scene.fleet.restart(Tier::Keysigner, 1).await.expect("a signer");
        scene.fleet.restart(Tier::Webhead, 1).await.expect("a webhead");
        scene
    }

    /// From the webhead's next look on, for the first so many.
    fn name_stands_for(&self, count: usize) {
        let lines = (1..=count).map(|number| format!("{} signers.test\n", ip(number)));
        let text: String = ["127.0.0.1 localhost\n".to_owned()]
            .into_iter()
            .chain(lines)
            .collect();
        fs::write(&self.hosts, text).expect("a file");
    }

    /// What each has signed so far.
    async fn signed(&self, signers: std::ops::RangeInclusive<usize>) -> Vec<u64> {
        let mut counts = Vec::new();
        for number in signers {
            let metrics = self
                .fleet
                .metrics(Tier::Keysigner, number)
                .await
                .expect("metrics");
            let line = "foxhold_audit_records_total{result=\"signed\"} ";
            let count = metrics.lines().find_map(|this| this.strip_prefix(line));
            counts.push(count.map_or(0, |count| count.parse().expect("a number")));
        }
        counts
    }

    /// Until each of these has signed something.
    async fn all_sign(&self, load: &Load, signers: std::ops::RangeInclusive<usize>) {
        let waited = wait_until("all to sign", || async {
            load.is_over() || self.signed(signers.clone()).await.iter().all(|&count| count > 0)
        });
        waited
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.fleet.logs()));
    }

    /// The shares, in per cent, of the next [`COUNTED`] signatures.
    async fn shares(&self, load: &Load, signers: std::ops::RangeInclusive<usize>) -> Vec<u64> {
        let before = self.signed(signers.clone()).await;
        let since = async || {
            let now = self.signed(signers.clone()).await;
            let more = now.iter().zip(&before).map(|(now, before)| now - before);
            more.collect::<Vec<u64>>()
        };
        wait_until("some signatures", || async {
            load.is_over() || since().await.iter().sum::<u64>() >= COUNTED
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", self.fleet.logs()));
        let since = since().await;
        let all: u64 = since.iter().sum();
        since.iter().map(|count| count * 100 / all.max(1)).collect()
    }
}

/// Of the signer of this number.
fn ip(number: usize) -> String {
    format!("127.0.0.{number}")
}

/// Clients that ask for one signed token after another, again where a signer is too busy. The first that fails ends its client.
struct Load {
    over: Arc<AtomicBool>,
    later: Arc<AtomicU64>,
    /// The tokens that each has got.
    clients: Vec<JoinHandle<Result<u64>>>,
}

/// What clients were answered.
struct Got {
    tokens: u64,
    /// Come back later.
    later: u64,
}

impl Load {
    fn start(server: &Server, person: &Arc<Person>, clients: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let later = Arc::new(AtomicU64::new(0));
        let client = || {
            let (over, later) = (Arc::clone(&over), Arc::clone(&later));
            let (server, person) = (server.clone(), Arc::clone(person));
            tokio::spawn(async move {
                let mut tokens = 0;
                while !over.load(Ordering::Relaxed) {
                    match person.access_token(&server).await? {
                        Ok(_) => tokens += 1,
                        Err(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                            is_later(&answer)?;
                            later.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(answer) => bail!(in_words(&answer)),
                    }
                }
                Ok(tokens)
            })
        };
        Self {
            clients: (0..clients).map(|_| client()).collect(),
            over,
            later,
        }
    }

    /// Whether a client did not get what it asked for.
    fn is_over(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// How often they were told to come back so far.
    fn later(&self) -> u64 {
        self.later.load(Ordering::Relaxed)
    }

    /// What all have got.
    async fn end(self, logs: impl Fn() -> String) -> Got {
        self.over.store(true, Ordering::Relaxed);
        let mut tokens = 0;
        for client in self.clients {
            let got = client.await.expect("a client");
            tokens += got.unwrap_or_else(|error| panic!("a request failed: {error:#}\n{}", logs()));
        }
        Got {
            tokens,
            later: self.later.load(Ordering::Relaxed),
        }
    }
}

/// Somebody with a confirmed address.
async fn confirmed(fleet: &Fleet) -> Arc<Person> {
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let signed_up = Person::sign_up(&fleet.server, &email, &unique_hex()).await;
    let person = signed_up.expect("an answer").expect("a sign-up");
    let verified = person.verify(&fleet.server, fleet.mailbox).await;
    assert_eq!(verified.expect("an answer").status, StatusCode::OK);
    Arc::new(person)
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_that_join_carry_their_share_and_one_that_leaves_is_not_missed() {
    let work = WorkFolder::of("fleet_scaling").unwrap();
    let mut scene = Scene::with_one(&work).await;
    let server = scene.fleet.server.clone();
    let load = Load::start(&server, &confirmed(&scene.fleet).await, CLIENTS);
    scene.all_sign(&load, 1..=1).await;

    for number in 2..=SIGNERS {
        scene.fleet.restart(Tier::Keysigner, number).await.unwrap();
    }
    scene.name_stands_for(SIGNERS);
    scene.all_sign(&load, 1..=SIGNERS).await;
    let of_three = scene.shares(&load, 1..=SIGNERS).await;

    // It is gone before its name is.
    let before = load.later();
    scene.fleet.stop(Tier::Keysigner, SIGNERS).await.unwrap();
    scene.name_stands_for(SIGNERS - 1);
    let of_two = scene.shares(&load, 1..=SIGNERS - 1).await;
    let Got { tokens, later } = load.end(|| scene.fleet.logs()).await;
    assert!(later < tokens / 10, "{later} of {tokens} were told to come back");
    let missed_it = later - before;
    assert!(missed_it <= MISSED_MAX, "{missed_it} missed the one that left");
    assert!(of_three.iter().all(|share| FAIR.contains(share)), "{of_three:?}");
    assert!(of_two.iter().all(|share| (30..=70).contains(share)), "{of_two:?}");
    report(&format!(
        "keysigners 1, 3, 2 under load: {tokens} tokens, {later} told to come back, {missed_it} since one left; shares of three {of_three:?} %, of two {of_two:?} %"
    ));
}

/// Signers and writers are asked to end (SIGTERM) one after the other, and started again, under users' whole ways and single
/// signatures: first at once, then with a pause in which they say that they are not ready.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_replaced_in_turn_are_not_missed() {
    let work = WorkFolder::of("fleet_rolling").unwrap();
    let shape = Shape {
        webheads: 1,
        keysigners: SIGNERS,
        dbwriters: WRITERS,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start_with(work.path(), shape, &[(Tier::Keysigner, UNLIMITED)])
        .await
        .unwrap();
    let tokens = Load::start(&fleet.server, &confirmed(&fleet).await, ROLLING_CLIENTS);
    let users = fleet::Load::start(&fleet.servers, fleet.mailbox, ROLLING_CLIENTS);
    for _ in ["at once", "with a pause"] {
        for (tier, count) in [(Tier::Keysigner, SIGNERS), (Tier::Dbwriter, WRITERS)] {
            for number in 1..=count {
                fleet.stop(tier, number).await.unwrap();
                let gone_on = users.goes_on(ENOUGH, || tokens.is_over()).await;
                gone_on.unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
                let unlimited = if tier == Tier::Keysigner { UNLIMITED } else { "" };
                let pause = format!("drain_delay_secs = 1\n{unlimited}");
                fleet.add_to_configuration(tier, number, &pause).unwrap();
                fleet.restart(tier, number).await.unwrap();
            }
        }
    }
    let attempts = failed_attempts(&fleet.metrics(Tier::Webhead, 1).await.unwrap());
    let Got { tokens, later } = tokens.end(|| fleet.logs()).await;
    let ledger = users
        .end()
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    let failed = (later, ledger.refused_for_now(), ledger.silent());
    assert_eq!(failed, (0, 0, 0), "{attempts}\n{}", fleet.logs());
    let figures = ledger.summary();
    ledger
        .settle(&fleet.server)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    report(&format!(
        "{SIGNERS} keysigners and {WRITERS} dbwriters replaced in turn, twice: {tokens} tokens, {figures}; attempts: {attempts}"
    ));
}

/// What a webhead has counted of calls that it asked somebody else to carry out.
fn failed_attempts(metrics: &str) -> String {
    let name = "foxhold_rpc_failed_attempts_total";
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    lines.collect::<Vec<_>>().join(" ")
}
