//! Documents from a server of the test, and how long they count.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use axum::{Router, extract::State, response::IntoResponse, routing::get};
use foxhold_core::Timestamp;
use foxhold_outbound::Resolver;
use foxhold_ports::memory::ManualClock;
use rustls::RootCertStore;

use super::*;
use crate::key_set::signing::{KID, NOW, Published};

const DOMAIN: &str = "issuer.example";
const AUTHORITY: &str = r#"{"authority":"other.example"}"#;

/// Every name leads to this machine.
struct Loopback;

#[async_trait]
impl Resolver for Loopback {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[derive(Clone)]
struct Served {
    status: u16,
    cache_control: &'static str,
    body: String,
}

struct Issuer {
    served: Mutex<Served>,
    asked: AtomicUsize,
}

async fn answer(State(issuer): State<Arc<Issuer>>) -> axum::response::Response {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    let served = issuer.served.lock().unwrap().clone();
    let status = StatusCode::from_u16(served.status).unwrap();
    (status, [("cache-control", served.cache_control)], served.body).into_response()
}

struct World {
    issuer: Arc<Issuer>,
    clock: Arc<ManualClock>,
    published: Arc<Published>,
    documents: Arc<IssuerDocuments>,
}

impl World {
    async fn new() -> Self {
        let issuer = Arc::new(Issuer {
            served: Mutex::new(Served {
                status: 200,
                cache_control: "max-age=600",
                body: AUTHORITY.to_owned(),
            }),
            asked: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route("/document", get(answer))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let clock = Arc::new(ManualClock::new(NOW));
        let published = Arc::new(Published::new(KID));
        let own = OwnDomain {
            domain: "accounts.example".to_owned(),
            keys: Arc::new(KeySetCache::new(published.clone(), clock.clone())),
        };
        let uri: Uri = format!("http://127.0.0.1:{port}/document").parse().unwrap();
        let outbound = Outbound::trusting(RootCertStore::empty(), Arc::new(Loopback));
        let configured = BTreeMap::from([(DOMAIN.to_owned(), uri)]);
        let documents = IssuerDocuments::new(own, configured, Arc::new(outbound), clock.clone());
        Self {
            issuer,
            clock,
            published,
            documents: Arc::new(documents),
        }
    }

    fn serve(&self, status: u16, cache_control: &'static str, body: impl Into<String>) {
        *self.issuer.served.lock().unwrap() = Served {
            status,
            cache_control,
            body: body.into(),
        };
    }

    async fn fetch(&self) -> Result<Document, FetchError> {
        let by = Deadline::after(Duration::from_secs(30));
        self.documents.fetch(by, DOMAIN).await
    }

    fn asked(&self) -> usize {
        self.issuer.asked.swap(0, Ordering::SeqCst)
    }
}

fn other() -> Result<Document, FetchError> {
    Ok(Document::Authority("other.example".to_owned()))
}

#[tokio::test]
async fn answers_and_how_long_they_count() {
    let hour = 3600;
    let table = [
        ("as long as it says", 200, "max-age=600", AUTHORITY, other(), 600),
        (
            "not longer than an hour",
            200,
            "max-age=86400",
            AUTHORITY,
            other(),
            hour,
        ),
        ("without a word", 200, "public", AUTHORITY, other(), hour),
        (
            "not shorter than a minute",
            200,
            "max-age=1",
            AUTHORITY,
            other(),
            60,
        ),
        ("never", 200, "public, No-Store", AUTHORITY, other(), 60),
        ("none there", 404, "max-age=600", "", Err(FetchError::Absent), 60),
        ("elsewhere", 302, "", "", Err(FetchError::Forbidden), 60),
        (
            "broken",
            500,
            "max-age=600",
            AUTHORITY,
            Err(FetchError::Unavailable),
            5,
        ),
        (
            "garbage",
            200,
            "max-age=600",
            "<html>",
            Err(FetchError::Unavailable),
            5,
        ),
    ];
    for (name, status, cache_control, body, expected, secs) in table {
        let world = World::new().await;
        world.serve(status, cache_control, body);
        assert_eq!(world.fetch().await, expected, "{name}");
        world.serve(200, "", r#"{"disabled":true}"#);
        world
            .clock
            .advance(Duration::from_secs(secs) - Duration::from_millis(1));
        assert_eq!((world.fetch().await, world.asked()), (expected, 1), "{name}");
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(
            (world.fetch().await, world.asked()),
            (Ok(Document::Disabled), 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_too_long_is_not_read() {
    let world = World::new().await;
    world.serve(200, "", format!("{AUTHORITY}{}", " ".repeat(Document::LEN_MAX)));
    assert_eq!(world.fetch().await, Err(FetchError::Forbidden));
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_for_long() {
    let world = World::new().await;
    world.fetch().await.unwrap();
    world.clock.set(Timestamp::from_secs(1_000_000));
    world.fetch().await.unwrap();
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn many_who_want_one_document_ask_once() {
    let world = World::new().await;
    let all = futures_util::future::join_all((0..16).map(|_| world.fetch())).await;
    assert!(all.into_iter().all(|one| one == other()));
    assert_eq!(world.asked(), 1);
}

/// Whoever finds that a key is missing asks again, but not more often than once a minute.
#[tokio::test]
async fn a_fresh_document_is_of_the_last_minute() {
    let world = World::new().await;
    let by = Deadline::after(Duration::from_secs(30));
    world.fetch().await.unwrap();
    world.clock.advance(Duration::from_millis(59_999));
    assert_eq!(world.documents.fresh().fetch(by, DOMAIN).await, other());
    assert_eq!(world.asked(), 1);
    world.serve(200, "max-age=600", r#"{"disabled":true}"#);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.fetch().await, other(), "good enough for others");
    assert_eq!(
        world.documents.fresh().fetch(by, DOMAIN).await,
        Ok(Document::Disabled)
    );
    assert_eq!((world.fetch().await, world.asked()), (Ok(Document::Disabled), 1));
}

/// Strangers may keep each other waiting, nobody else; and that somebody was not asked is not remembered.
#[tokio::test]
async fn domains_of_the_configuration_have_turns_of_their_own() {
    let world = World::new().await;
    let by = Deadline::after(Duration::from_secs(30));
    let asker = &world.documents.asker;
    let all = asker.fetches.acquire_many(16).await.unwrap();
    let inside = world.documents.fetch(by, "evil.example").await;
    assert_eq!(inside, Err(FetchError::Unavailable), "not asked");
    assert_eq!(world.fetch().await, other());
    drop(all);
    let inside = world.documents.fetch(by, "evil.example").await;
    assert_eq!(inside, Err(FetchError::Forbidden), "asked at last");
}

/// Who names a domain that keeps silent waits in a short queue; the operator's own have a long one.
#[tokio::test]
async fn those_who_wait_for_one_domain_are_bounded() {
    for (configured, waiters_max) in [(false, 32), (true, 512)] {
        let mut world = World::new().await;
        if !configured {
            let documents = Arc::get_mut(&mut world.documents).unwrap();
            Arc::get_mut(&mut documents.asker).unwrap().configured.clear();
        }
        let by = Deadline::after(Duration::from_secs(30));
        // Somebody asks, and hears nothing.
        let asking = world.documents.cache.hold(DOMAIN).await;
        let mut waiting = Vec::new();
        for _ in 0..waiters_max {
            let documents = world.documents.clone();
            let mut one = Box::pin(async move { documents.fetch(by, DOMAIN).await });
            assert!(futures_util::poll!(&mut one).is_pending());
            waiting.push(one);
        }
        assert_eq!(
            world.documents.fetch(by, DOMAIN).await,
            Err(FetchError::Unavailable)
        );
        drop(asking);
        let said = futures_util::future::join_all(waiting).await;
        let expected = if configured {
            other()
        } else {
            Err(FetchError::Forbidden)
        };
        assert!(said.into_iter().all(|one| one == expected));
        assert_eq!(world.fetch().await, expected, "and the next is served");
    }
}

/// The same set is read once, another anew.
#[tokio::test]
async fn the_own_keys_are_read_once_for_each_set() {
    let world = World::new().await;
    let by = Deadline::after(Duration::from_secs(30));
    let kid = async || match world.documents.fetch(by, "accounts.example").await {
        Ok(Document::Keys(keys)) => keys[0].kid.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kid().await.as_deref(), Some(KID));
    let kept = || {
        world
            .documents
            .own_document
            .lock()
            .unwrap()
            .as_ref()
            .map(|(keys, _)| keys.clone())
    };
    let first = kept().unwrap();
    assert_eq!(kid().await.as_deref(), Some(KID));
    assert!(Arc::ptr_eq(&first, &kept().unwrap()));
    *world.published.kid.lock().unwrap() = "next".to_owned();
    world.clock.advance(Duration::from_secs(5));
    let Ok(Document::Keys(keys)) = world.documents.fresh().fetch(by, "accounts.example").await else {
        panic!("no keys")
    };
    assert_eq!(keys[0].kid.as_deref(), Some("next"));
    assert_eq!(kid().await.as_deref(), Some("next"));
}

/// A few bytes may stand for many: only plain ones are read.
#[test]
fn a_compressed_document_is_not_read() {
    assert_eq!(failed(&OutboundError::Encoded), FetchError::Forbidden);
}

#[tokio::test]
async fn the_own_domain_is_not_asked() {
    let world = World::new().await;
    let by = Deadline::after(Duration::from_secs(30));
    world
        .published
        .fail(Some(foxhold_ports::signer::SignError::NotDone(
            foxhold_ports::Cause::Timeout,
        )));
    let own = world.documents.fetch(by, "accounts.example").await;
    assert_eq!(own, Err(FetchError::Unavailable));
    world.published.fail(None);
    world.clock.advance(Duration::from_secs(5));
    let Ok(Document::Keys(keys)) = world.documents.fetch(by, "accounts.example").await else {
        panic!("no keys")
    };
    assert_eq!(keys[0].kid.as_deref(), Some(KID));
}

/// A stranger's domain that leads to this machine: nothing is sent there.
#[tokio::test]
async fn a_domain_that_leads_inside_is_forbidden() {
    let world = World::new().await;
    let by = Deadline::after(Duration::from_secs(30));
    let inside = world.documents.fetch(by, "evil.example").await;
    assert_eq!((inside, world.asked()), (Err(FetchError::Forbidden), 0));
}

/// And what strangers' domains led to is forgotten before any document.
#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let world = World::new().await;
    world.fetch().await.unwrap();
    let by = Deadline::after(Duration::from_secs(30));
    for number in 0..1100 {
        let inside = world.documents.fetch(by, &format!("evil-{number}.example")).await;
        assert_eq!(inside, Err(FetchError::Forbidden));
    }
    assert!(world.documents.cache.remembered() <= 1024);
    world.fetch().await.unwrap();
    assert_eq!(world.asked(), 1);
}
