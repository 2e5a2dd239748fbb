//! The exchange over the in-memory store: order of checks, what is written when, races and outages.

mod assertions;
mod new_users;
mod placing;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{
    OpId, ServiceUid, Timestamp,
    record::{Admission, Generation, NodeFigures, Schemes, ServiceKey, ServicePolicy, UserKey},
};
use foxhold_ports::{
    AssignmentAdmin, Call, Cause, ReadError,
    assignments::{NewNode, RecordCursor, RecordPage, RecordRef, Target, UserValues, change::ASSIGNED_ONCE},
    limits::Throttled,
    memory::{ManualClock, MemoryStore, NoLimits, SeededRandom},
    signer::{NodeToken, SignError},
};

use super::*;
use crate::{
    credential::{AssertionError, VerifiedAssertion, VerifiedToken, VerifyError},
    state::StateRefusal,
};

const SCOPE: &str = "https://identity.mozilla.com/apps/oldsync";
const NODE: &str = "https://node-1.example";
const ALICE: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// Client states `aaaa` and `bbbb` as key ids write them.
const KEY_A: &str = "qqo";
const KEY_B: &str = "u7s";

/// Takes `uid,generation` for a token with the sync scope; `down` and `number` for the two ways to fail.
struct PlainTokens;

#[async_trait]
impl TokenVerifier for PlainTokens {
    async fn verify(
        &self,
        _by: Deadline,
        _from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError> {
        match token {
            "down" => return Err(VerifyError::Unavailable(Cause::Timeout)),
            "number" => return Err(VerifyError::Generation),
            _ => {}
        }
        let mut parts = token.split(',');
        let fxa_uid = parts.next().unwrap_or_default().to_owned();
        let generation = parts.next().ok_or(VerifyError::Invalid(Reason::TokenClaims))?;
        let generation = Generation(
            generation
                .parse()
                .map_err(|_| VerifyError::Invalid(Reason::TokenClaims))?,
        );
        Ok(VerifiedToken {
            fxa_uid,
            generation,
            scope: parts.next().unwrap_or(SCOPE).to_owned(),
        })
    }
}

/// Remembers orders.
#[derive(Default)]
struct Orders {
    orders: Mutex<Vec<NodeTokenOrder>>,
    failure: Mutex<Option<SignError>>,
}

#[async_trait]
impl NodeTokenMinter for Orders {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        if let Some(failure) = *self.failure.lock().unwrap() {
            return Err(failure);
        }
        self.orders.lock().unwrap().push(order.clone());
        Ok(NodeToken {
            token: SecretText::new("token".into()),
            key: SecretText::new("key".into()),
        })
    }
}

/// Counts what reaches the store.
struct Watched {
    store: Arc<MemoryStore>,
    reads: AtomicUsize,
    writes: AtomicUsize,
    nodes_outage: Mutex<Option<Cause>>,
}

#[async_trait]
impl AssignmentReader for Watched {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.store.services(by).await
    }

    async fn nodes(
        &self,
        by: Deadline,
        service: &ServiceKey,
    ) -> Result<Vec<foxhold_core::record::NodeRecord>, ReadError> {
        if let Some(cause) = *self.nodes_outage.lock().unwrap() {
            return Err(ReadError(cause));
        }
        self.store.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let record = self.store.user_record(by, service, user).await;
        // Between a read and its write everybody else may come.
        tokio::task::yield_now().await;
        record
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.store.records(by, service, after, limit).await
    }
}

#[async_trait]
impl AssignmentWriter for Watched {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.assign(call, at, values, target, now).await
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.raise(call, at, values).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.rekey(call, at, values, now).await
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.retire(call, at, now).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.unassign(call, at, now).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.store.forget(call, at, uid).await
    }
}

struct Refusing;

#[async_trait]
impl Limits for Refusing {
    async fn count(&self, _action: Action, _keys: LimitKeys<'_>) -> Result<(), Throttled> {
        Err(Throttled {
            retry_after: Duration::from_secs(300),
        })
    }

    async fn refund(&self, _action: Action, _keys: LimitKeys<'_>) {}
}

struct World {
    store: Arc<MemoryStore>,
    watched: Arc<Watched>,
    orders: Arc<Orders>,
    ports: Ports,
    settings: Settings,
    services: Catalogue,
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn alice() -> UserKey {
    UserKey(format!("{ALICE}@accounts.example"))
}

fn service() -> Service {
    Service {
        key: ServiceKey("sync-1.5".into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: SCOPE.into(),
        token_lifetime_secs: 3600,
        uid_ceiling: (1 << 31) - 1,
        policy: ServicePolicy::default(),
    }
}

impl World {
    async fn with(service: Service, capacity: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        let call = |byte| Call {
            op: OpId::from_bytes([byte; 16]),
            deadline: soon(),
        };
        store.put_service(&call(1), service.clone()).await.unwrap();
        let node = NewNode {
            service: service.key.clone(),
            url: NODE.into(),
            node_type: Some("sqlite".into()),
            pool: None,
            capacity,
            available: capacity,
        };
        store.create_node(&call(2), node).await.unwrap();
        let watched = Arc::new(Watched {
            store: store.clone(),
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            nodes_outage: Mutex::new(None),
        });
        let orders = Arc::new(Orders::default());
        let ports = Ports {
            reader: watched.clone(),
            writer: watched.clone(),
            minter: orders.clone(),
            verifier: Arc::new(PlainTokens),
            assertions: Arc::new(assertions::PlainBundles),
            limits: Arc::new(NoLimits),
            first_assignments: Arc::new(FirstAssignments::off()),
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000))),
            random: Arc::new(SeededRandom::new(7)),
        };
        let settings = Settings {
            issuer_domain: "accounts.example".into(),
            other_own_domain: None,
            metrics_key: Arc::new(SecretText::new("super-sekrit".into())),
            node_types: NodeTypes::default(),
        };
        Self {
            store,
            watched,
            orders,
            ports,
            settings,
            services: vec![service].into(),
        }
    }

    async fn new() -> Self {
        Self::with(service(), 100).await
    }

    async fn ask(&self, request: Request<'_>) -> Result<Token, ExchangeError> {
        exchange(&self.ports, &self.settings, &self.services, soon(), request).await
    }

    /// The exchange of Alice with this generation and key id.
    async fn alice(&self, generation: u64, key_id: &str) -> Result<Token, ExchangeError> {
        let authorization = format!("Bearer {ALICE},{generation}");
        let request = Request {
            authorization: Some(authorization.as_bytes()),
            ..good(key_id)
        };
        self.ask(request).await
    }

    /// Changes the policy, in the store and in what the exchange is told of it.
    async fn admit(&mut self, admission: Admission) {
        self.services.readable[0].policy.admission = admission;
        let call = Call {
            op: OpId::new(self.ports.clock.now(), &*self.ports.random),
            deadline: soon(),
        };
        let service = self.services.readable[0].clone();
        self.store.put_service(&call, service).await.unwrap();
    }

    fn store_calls(&self) -> (usize, usize) {
        (
            self.watched.reads.swap(0, Ordering::SeqCst),
            self.watched.writes.swap(0, Ordering::SeqCst),
        )
    }

    async fn figures(&self) -> NodeFigures {
        self.store
            .nodes(soon(), &self.services.readable[0].key)
            .await
            .unwrap()[0]
            .figures
    }
}

fn good(key_id: &str) -> Request<'_> {
    Request {
        app: "sync",
        version: "1.5",
        authorization: Some(b"Bearer a1b2c3d4e5f60718293a4b5c6d7e8f90,1234"),
        key_id: Some(key_id.as_bytes()),
        ..Request::default()
    }
}

#[tokio::test]
async fn a_new_user_gets_a_uid_a_node_and_a_token() {
    let world = World::new().await;
    let token = world.alice(1234, "1234-qqo").await.unwrap();
    assert_eq!(token.api_endpoint, "https://node-1.example/1.5/1");
    assert_eq!((token.uid.get(), token.duration_secs), (1, 3600));
    assert_eq!(token.node_type.as_deref(), Some("sqlite"));
    assert_eq!(token.metrics.hashed_fxa_uid(), "7274c705df1ec833444a175b1d34eb37");
    let order = world.orders.orders.lock().unwrap()[0].clone();
    assert_eq!((order.node.as_str(), order.fxa_uid.as_str()), (NODE, ALICE));
    assert_eq!(order.hashed_device_id, "1af774d3de55e6d70e950353f2df662f");
    assert_eq!(order.client_state.as_bytes(), [0xaa, 0xaa]);
    assert_eq!(world.figures().await.current_load, 1);
}

#[tokio::test]
async fn a_returning_user_costs_one_read_and_no_write() {
    let world = World::new().await;
    world.alice(1234, "1234-qqo").await.unwrap();
    world.store_calls();
    let token = world.alice(1234, "1234-qqo").await.unwrap();
    assert_eq!((token.uid.get(), world.store_calls()), (1, (1, 0)));
}

#[tokio::test]
async fn the_first_renewal_and_no_other_is_to_be_written_down() {
    let mut world = World::new().await;
    let mut renewal_at = async |secs: u64| {
        world.ports.clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000 + secs)));
        let token = world.alice(1234, "1234-qqo").await.unwrap();
        (token.first_renewal, world.ports.clone())
    };
    for too_soon in [0, 300] {
        assert!(renewal_at(too_soon).await.0.is_none(), "{too_soon}");
    }
    let (first, ports) = renewal_at(301).await;
    let (again, _) = renewal_at(302).await;
    // Both at once: one of them is written.
    first.unwrap().write_down(&ports, soon()).await;
    again.unwrap().write_down(&ports, soon()).await;
    assert!(renewal_at(303).await.0.is_none());
    let record = ports.reader.user_record(soon(), &service().key, &alice()).await;
    let record = record.unwrap().unwrap();
    assert_eq!((record.version, record.current.uid.get()), (ASSIGNED_ONCE + 1, 1));
    assert_eq!(record.current.generation, Generation(1234));
}

#[tokio::test]
async fn writes_follow_the_state_rules() {
    let world = World::new().await;
    let steps: [(&str, u64, String, Result<u64, StateRefusal>); 7] = [
        ("first", 1234, format!("1234-{KEY_A}"), Ok(1)),
        ("generation grows in place", 1235, format!("1234-{KEY_A}"), Ok(1)),
        (
            "older generation",
            1234,
            format!("1234-{KEY_A}"),
            Err(StateRefusal::Generation),
        ),
        (
            "new key without news",
            1235,
            format!("1234-{KEY_B}"),
            Err(StateRefusal::NoGenerationChange),
        ),
        ("new key", 1240, format!("1240-{KEY_B}"), Ok(2)),
        (
            "old key",
            1250,
            format!("1250-{KEY_A}"),
            Err(StateRefusal::StaleClientState),
        ),
        ("new key again", 1240, format!("1240-{KEY_B}"), Ok(2)),
    ];
    for (name, generation, key_id, expected) in steps {
        let answer = world
            .alice(generation, &key_id)
            .await
            .map(|token| token.uid.get());
        assert_eq!(answer, expected.map_err(ExchangeError::State), "{name}");
    }
    assert_eq!(
        world.figures().await.current_load,
        1,
        "a key change takes no slot"
    );
}

/// It is no unknown service: that is what clients are told who may give it up.
#[tokio::test]
async fn a_service_that_cannot_be_read_is_away_and_the_others_are_not() {
    let mut world = World::new().await;
    let unreadable = ["sync-1.6", "notes-1.0"].map(|key| ServiceKey(key.into()));
    world.services.unreadable = unreadable.into();
    assert!(world.alice(1, "1-qqo").await.is_ok());
    for (app, version, expected) in [
        ("sync", "1.6", ExchangeError::Store(Cause::Inconsistent)),
        ("notes", "1.0", ExchangeError::Store(Cause::Inconsistent)),
        ("sync", "1.7", ExchangeError::UnknownVersion("1.7".into())),
        ("notes", "1.1", ExchangeError::UnknownVersion("1.1".into())),
        ("other", "1.0", ExchangeError::UnknownApp),
    ] {
        let asked = Request {
            app,
            version,
            ..Request::default()
        };
        assert_eq!(world.ask(asked).await.unwrap_err(), expected, "{app}-{version}");
    }
}

#[tokio::test]
async fn checks_come_in_the_contracts_order() {
    use ExchangeError::*;
    let world = World::new().await;
    // Every row breaks what it names and all later checks as well.
    let broken = Request {
        app: "other",
        version: "9",
        client_state: Some(b"not/allowed"),
        authorization: None,
        key_id: None,
        ..Request::default()
    };
    let version = Request {
        app: "sync",
        ..broken
    };
    let state = Request {
        version: "1.5",
        ..version
    };
    let header = Request {
        client_state: Some(b"abcd"),
        ..state
    };
    let no_blank = Request {
        authorization: Some(b"Bearer"),
        ..header
    };
    let scheme = Request {
        authorization: Some(b"Basic x"),
        ..header
    };
    let invalid = Request {
        authorization: Some(b"Bearer nonsense"),
        ..header
    };
    let scope = Request {
        authorization: Some(b"Bearer u,1,profile"),
        ..header
    };
    let forged = Request {
        authorization: Some(b"Bearer u@x,1"),
        ..header
    };
    let number = Request {
        authorization: Some(b"Bearer number"),
        ..header
    };
    let down = Request {
        authorization: Some(b"Bearer down"),
        ..header
    };
    let no_key_id = Request {
        authorization: Some(b"Bearer u,1"),
        ..header
    };
    let non_ascii = Request {
        key_id: Some(b"1234-\xc3\xa9"),
        ..no_key_id
    };
    let malformed = Request {
        key_id: Some(b"1234"),
        ..no_key_id
    };
    let too_long = Request {
        key_id: Some(b"1-AAAAAAAAAAAAAAAAAAAAAAA"),
        ..no_key_id
    };
    let mismatch = Request {
        key_id: Some(b"1234-qqo"),
        ..no_key_id
    };
    let table = [
        ("app", broken, UnknownApp),
        ("version", version, UnknownVersion("9".into())),
        ("client state", state, ClientStateForm),
        ("no header", header, NoAuthorization),
        ("no blank", no_blank, NoAuthorization),
        ("scheme", scheme, UnknownScheme),
        ("token", invalid, InvalidCredentials(Reason::TokenClaims)),
        ("scope", scope, InvalidCredentials(Reason::TokenScope)),
        ("subject", forged, InvalidCredentials(Reason::Subject)),
        ("generation", number, GenerationForm),
        ("no keys", down, NoKeys(Cause::Timeout)),
        ("key id", no_key_id, MissingKeyId),
        ("key id not ASCII", non_ascii, NonAsciiKeyId),
        (
            "key id malformed",
            malformed,
            InvalidCredentials(Reason::KeyIdForm),
        ),
        ("key id too long", too_long, ClientStateForm),
        ("two client states", mismatch, ClientStateMismatch),
    ];
    for (name, request, expected) in table {
        assert_eq!(world.ask(request).await.unwrap_err(), expected, "{name}");
    }
    assert_eq!(world.store_calls(), (0, 0), "nothing of that reaches the store");
}

#[tokio::test]
async fn limits_stand_before_the_store() {
    let mut world = World::new().await;
    world.ports.limits = Arc::new(Refusing);
    let error = world.alice(1, "1-qqo").await.unwrap_err();
    assert_eq!(
        error,
        ExchangeError::Throttled {
            retry_after: Duration::from_secs(300)
        }
    );
    assert_eq!(world.store_calls(), (0, 0));
}

#[tokio::test]
async fn equal_client_states_in_both_headers_pass() {
    let world = World::new().await;
    for state in [&b"aaaa"[..], b""] {
        let request = Request {
            client_state: Some(state),
            ..good("1234-qqo")
        };
        assert!(world.ask(request).await.is_ok());
    }
}

#[tokio::test]
async fn a_duration_only_shortens() {
    let world = World::new().await;
    let table = [
        (None, 3600),
        (Some("60"), 60),
        (Some("3600"), 3600),
        (Some("3601"), 3600),
        (Some("0"), 3600),
        (Some("-1"), 3600),
        (Some("+60"), 3600),
        (Some("1e3"), 3600),
        (Some(""), 3600),
        (Some("99999999999999999999"), 3600),
    ];
    for (duration, expected) in table {
        let token = world
            .ask(Request {
                duration,
                ..good("1234-qqo")
            })
            .await
            .unwrap();
        assert_eq!(token.duration_secs, expected, "{duration:?}");
    }
}

#[tokio::test]
async fn closed_services_keep_their_users() {
    let mut world = World::new().await;
    world.alice(1234, "1234-qqo").await.unwrap();
    let other = Request {
        authorization: Some(b"Bearer bob,1"),
        ..good("1-qqo")
    };
    let listed = |uid: &str| Admission::Listed([uid.to_owned()].into());
    for admission in [Admission::Nobody, listed("carol"), Admission::First(1)] {
        world.admit(admission.clone()).await;
        assert!(world.alice(1234, "1234-qqo").await.is_ok(), "{admission:?}");
        assert_eq!(
            world.ask(other).await.unwrap_err(),
            ExchangeError::NewUsersDisabled,
            "{admission:?}"
        );
        assert_eq!(world.figures().await.current_load, 1);
    }
    world.admit(listed("bob")).await;
    assert!(world.ask(other).await.is_ok());
}

#[tokio::test]
async fn whom_a_service_does_not_admit_takes_nothing() {
    let mut world = World::new().await;
    world.admit(Admission::Nobody).await;
    world.alice(1, "1-qqo").await.unwrap_err();
    assert_eq!(world.store_calls(), (1, 0));
}

#[tokio::test]
async fn terms_come_after_the_credential_and_before_the_store() {
    let mut world = World::new().await;
    world.alice(1234, "1234-qqo").await.unwrap();
    world.store_calls();
    let terms = std::collections::BTreeMap::from([("tos".to_owned(), "https://e.example/tos".to_owned())]);
    world.services.readable[0].policy.conditions = terms.clone();

    let known = good("1234-qqo");
    let table = [
        (
            "no credential",
            Request {
                authorization: None,
                ..known
            },
            ExchangeError::NoAuthorization,
        ),
        (
            "no key id",
            Request {
                key_id: None,
                ..known
            },
            ExchangeError::MissingKeyId,
        ),
        ("known user", known, ExchangeError::ConditionsRequired(terms)),
    ];
    for (name, request, expected) in table {
        assert_eq!(world.ask(request).await.unwrap_err(), expected, "{name}");
    }
    assert_eq!(world.store_calls(), (0, 0));

    let accepted = Request {
        conditions_accepted: true,
        ..known
    };
    assert!(world.ask(accepted).await.is_ok());
    world.ports.limits = Arc::new(Refusing);
    let error = world.ask(known).await.unwrap_err();
    assert!(
        matches!(error, ExchangeError::Throttled { .. }),
        "asking for terms counts, too"
    );
}

#[tokio::test]
async fn schemes_that_the_service_does_not_take_are_not_looked_at() {
    let mut world = World::new().await;
    let schemes = |oauth, browserid| Schemes { oauth, browserid };
    let table = [
        ("both", schemes(true, true), true),
        ("OAuth", schemes(true, false), true),
        ("BrowserID", schemes(false, true), false),
        ("neither", schemes(false, false), false),
    ];
    for (name, schemes, bearer) in table {
        world.services.readable[0].policy.schemes = schemes;
        let answer = world.ask(good("1234-qqo")).await.map(drop);
        let expected = if bearer {
            Ok(())
        } else {
            Err(ExchangeError::UnknownScheme)
        };
        assert_eq!(answer, expected, "{name}");
    }
}

#[tokio::test]
async fn full_and_unfinished_services_say_so() {
    let full = World::with(service(), 0).await;
    assert_eq!(full.alice(1, "1-qqo").await.unwrap_err(), ExchangeError::NoNode);

    let used_up = World::with(
        Service {
            uid_ceiling: 1,
            ..service()
        },
        100,
    )
    .await;
    used_up.alice(1, "1-qqo").await.unwrap();
    let other = Request {
        authorization: Some(b"Bearer bob,1"),
        ..good("1-qqo")
    };
    assert_eq!(used_up.ask(other).await.unwrap_err(), ExchangeError::NoUid);

    let nowhere = World::with(
        Service {
            pattern: String::new(),
            ..service()
        },
        100,
    )
    .await;
    let expected = ExchangeError::NoPattern(ServiceKey("sync-1.5".into()));
    assert_eq!(nowhere.alice(1, "1-qqo").await.unwrap_err(), expected);
    let writes = nowhere.watched.writes.load(Ordering::Relaxed);
    assert_eq!(writes, 0, "nobody takes a slot for a token that cannot be");
}

#[tokio::test]
async fn outages_are_never_an_answer_about_the_credential() {
    let world = World::new().await;
    for cause in Cause::ALL {
        world.store.set_outage(Some(cause));
        assert_eq!(
            world.alice(1, "1-qqo").await.unwrap_err(),
            ExchangeError::Store(cause)
        );
    }
    world.store.set_outage(None);
    *world.orders.failure.lock().unwrap() = Some(SignError::NotDone(Cause::Unavailable));
    assert_eq!(
        world.alice(1, "1-qqo").await.unwrap_err(),
        ExchangeError::Signer(Cause::Unavailable)
    );
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_the_same_operation() {
    let world = World::new().await;
    world.store.lose_answers(2);
    assert_eq!(world.alice(1, "1-qqo").await.unwrap().uid.get(), 1);
    assert_eq!(
        (world.store_calls(), world.figures().await.current_load),
        ((1, 3), 1)
    );

    world.store.lose_answers(100);
    assert_eq!(
        world.alice(2, "1-qqo").await.unwrap_err(),
        ExchangeError::Store(Cause::Timeout)
    );
    world.store.lose_answers(0);
    // It was written all the same, and the next exchange finds that.
    world.store_calls();
    assert!(world.alice(2, "1-qqo").await.is_ok());
    assert_eq!(world.store_calls(), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_first_exchanges_of_one_user_make_one_record() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.alice(1234, "1234-qqo").await.unwrap().uid.get() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!(world.figures().await.current_load, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_key_changes_at_once_one_wins_and_the_other_is_judged_again() {
    let world = Arc::new(World::new().await);
    world.alice(1234, "1234-qqo").await.unwrap();
    let change = |key: &'static str| {
        let world = world.clone();
        tokio::spawn(async move { world.alice(2000, key).await.map(|token| token.uid.get()) })
    };
    let (one, other) = (change("2000-u7s"), change("2000-zMw"));
    let mut answers = [one.await.unwrap(), other.await.unwrap()];
    answers.sort_by_key(Result::is_err);
    let refused = Err(ExchangeError::State(StateRefusal::NoGenerationChange));
    assert_eq!(answers, [Ok(2), refused]);
    assert_eq!(world.figures().await.current_load, 1);
}
