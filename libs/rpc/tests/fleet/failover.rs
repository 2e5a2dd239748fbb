//! Instances that die, end, age, move or lose answers: nothing acknowledged is lost, what is open is settled by the
//! operation id, and what never left the caller is called not done.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use bytes::Bytes;
use foxhold_core::{
    Deadline, Secret, ServiceUid, record::ClientState, record::Generation, record::ServiceKey,
};
use foxhold_ports::{
    AccessTokenSigner, AccountReader, AccountWriter, Call, Cause, CertificateSigner, NodeTokenMinter,
    PublicKeySource, Refusal, Stretcher, WriteError,
    accounts::SignIn,
    conformance::fixtures::Maker,
    memory::MemoryStore,
    signer::{AccessTokenOrder, AuthMethod, CertificateOrder, NodeTokenOrder, SignError, SubjectNumbers},
    stretcher::StretchError,
};
use foxhold_rpc::{
    client::{RemoteAccountWriter, RemoteSigner, RemoteStretcher, transport},
    server::{self, DBWRITER_SERVICES, DbwriterPorts, KEYSIGNER_SERVICES},
    status::to_write_error,
};
use foxhold_runtime::{channel::ChannelSettings, grpc_server::GrpcLimits, health::Need, tls::Role};
use foxhold_store_sqlite::SqliteReader;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};

use crate::{
    conformance::sqlite_ports,
    support::{
        Deployment, FakeStretcher, channel_as, keysigner_routes, memory_ports, nobody, settings, soon,
    },
};

/// An account to be created, and how that call is named.
fn intent(maker: &Maker, number: usize) -> (Call, foxhold_core::record::Account, SignIn) {
    let account = maker.verified_account(&format!("user{number}@example.org"));
    let sign_in = maker.sign_in(account.uid);
    let call = Call {
        deadline: soon(),
        ..maker.call()
    };
    (call, account, sign_in)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_in_mid_load_loses_nothing_acknowledged() {
    const INTENTS: usize = 300;
    let deployment = Deployment::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foxhold.db");
    let dying = deployment.dbwriter(sqlite_ports(&path)).await;
    let staying = deployment.dbwriter(sqlite_ports(&path)).await;
    let addresses = [dying.address, staying.address];
    let writer = RemoteAccountWriter::new(deployment.transport(Role::Webhead, Role::Dbwriter, &addresses));

    let maker = Maker::new(7);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let halfway = Arc::new(Notify::new());
    let mut load = JoinSet::new();
    for number in 0..INTENTS {
        let (writer, acknowledged, halfway) =
            (writer.clone(), Arc::clone(&acknowledged), Arc::clone(&halfway));
        let (call, account, sign_in) = intent(&maker, number);
        load.spawn(async move {
            let result = writer
                .create_account(&call, account.clone(), sign_in.clone())
                .await;
            if acknowledged.fetch_add(1, Ordering::AcqRel) == INTENTS / 10 {
                halfway.notify_one();
            }
            (call, account, sign_in, result)
        });
    }
    halfway.notified().await;
    dying.kill().await;

    let reader = SqliteReader::open(&path, 2).unwrap();
    for (call, account, sign_in, mut result) in load.join_all().await {
        if let Err(WriteError::Unknown(_) | WriteError::NotDone(_)) = result {
            let again = Call {
                deadline: soon(),
                ..call
            };
            result = writer
                .create_account(&again, account.clone(), sign_in.clone())
                .await;
        }
        assert_eq!(result, Ok(()), "each intent has one answer in the end");
        let read = reader.account(soon(), account.uid).await.unwrap();
        assert_eq!(read.map(|read| read.email), Some(account.email));
        assert!(
            reader
                .session(soon(), sign_in.session.id)
                .await
                .unwrap()
                .is_some()
        );
    }
    staying.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_same_operation() {
    let deployment = Deployment::new();
    let store = Arc::new(MemoryStore::new());
    let ports = DbwriterPorts {
        accounts: Arc::clone(&store) as _,
        guards: Arc::clone(&store) as _,
        account_admin: Arc::clone(&store) as _,
        ..memory_ports()
    };
    let server = deployment.dbwriter(ports).await;
    let writer =
        RemoteAccountWriter::new(deployment.transport(Role::Webhead, Role::Dbwriter, &[server.address]));
    let maker = Maker::new(1);

    let (call, account, sign_in) = intent(&maker, 1);
    store.lose_answers(2);
    assert_eq!(
        writer
            .create_account(&call, account.clone(), sign_in.clone())
            .await,
        Ok(())
    );

    let (call, other, sign_in) = intent(&maker, 2);
    store.lose_answers(3);
    let open = writer.create_account(&call, other.clone(), sign_in.clone()).await;
    assert!(
        matches!(open, Err(WriteError::Unknown(_))),
        "three attempts and no more: {open:?}"
    );
    assert_eq!(writer.create_account(&call, other, sign_in).await, Ok(()));

    let (call, mut rival, sign_in) = intent(&maker, 3);
    rival.email_key = account.email_key;
    store.lose_answers(1);
    let refused = writer.create_account(&call, rival, sign_in).await;
    assert_eq!(refused, Err(WriteError::Refused(Refusal::EmailTaken)));
}

/// Lets `broken` answers break off after their head, then none.
async fn break_off(State(broken): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    let is_whole = broken
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
        .is_err();
    if is_whole {
        return answer;
    }
    let pieces = [Ok(Bytes::from_static(&[0])), Err(io::Error::other("gone"))];
    answer.map(|_| Body::from_stream(futures_util::stream::iter(pieces)))
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let deployment = Deployment::new();
    let broken = Arc::new(AtomicUsize::new(0));
    let signer = keysigner_routes().prepare().into_axum_router();
    let breaking = signer.layer(from_fn_with_state(Arc::clone(&broken), break_off));
    let server = deployment
        .serve(
            Role::Keysigner,
            breaking.into(),
            &KEYSIGNER_SERVICES,
            GrpcLimits::default(),
        )
        .await;
    let signer = RemoteSigner::new(deployment.transport(Role::Webhead, Role::Keysigner, &[server.address]));
    for (count, expected) in [
        (0, Ok(1)),
        (1, Ok(1)),
        (2, Ok(1)),
        (3, Err(SignError::NotDone(Cause::Unavailable))),
    ] {
        broken.store(count, Ordering::Release);
        let keys = signer.public_keys(soon()).await;
        assert_eq!(keys.map(|keys| keys.len()), expected, "{count} broken answers");
    }
}

#[tokio::test]
async fn what_never_left_is_not_done() {
    let deployment = Deployment::new();
    let (nobody, _held) = nobody();
    let writer = RemoteAccountWriter::new(deployment.transport(Role::Webhead, Role::Dbwriter, &[nobody]));
    let (call, account, sign_in) = intent(&Maker::new(1), 1);
    let result = writer
        .create_account(&call, account.clone(), sign_in.clone())
        .await;
    assert_eq!(result, Err(WriteError::NotDone(Cause::Unavailable)));

    let passed = Call {
        deadline: Deadline::after(Duration::ZERO),
        ..call
    };
    let result = writer.create_account(&passed, account, sign_in).await;
    assert_eq!(result, Err(WriteError::NotDone(Cause::Timeout)));
}

/// A way to a server that lets nothing through before it is told to.
struct Gate {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
}

impl Gate {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let (is_open, opens) = watch::channel(false);
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::AcqRel);
                let mut opens = opens.clone();
                tokio::spawn(async move {
                    if opens.wait_for(|is_open| *is_open).await.is_ok() {
                        let mut far = TcpStream::connect(server).await.unwrap();
                        // It ends with either side.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self {
            address,
            is_open,
            connections,
        }
    }

    /// Calls through it. An instance that failed is left alone for longer than the test lasts.
    fn signer(&self, deployment: &Deployment, connect_ms_max: u64) -> RemoteSigner {
        let settings = ChannelSettings {
            connect_ms_max,
            backoff_ms_min: 3_600_000,
            backoff_ms_max: 3_600_000,
            ..settings(&[self.address])
        };
        let identity = deployment.identity(Role::Webhead);
        RemoteSigner::new(transport(channel_as(&identity, Role::Keysigner, settings)))
    }
}

const HASTE: Duration = Duration::from_millis(30);

#[tokio::test]
async fn who_has_no_time_to_connect_does_not_speak_for_the_instance() {
    let deployment = Deployment::new();
    let server = deployment.keysigner().await;
    let gate = Gate::before(server.address).await;
    let signer = gate.signer(&deployment, 60_000);
    let hasty = signer.public_keys(Deadline::after(HASTE)).await.err();
    assert_eq!(hasty, Some(SignError::NotDone(Cause::Timeout)));
    gate.is_open.send_replace(true);
    let patient = signer.public_keys(soon()).await;
    assert_eq!(patient.map(|keys| keys.len()), Ok(1));
    let connections = gate.connections.load(Ordering::Acquire);
    assert_eq!(connections, 1, "connecting went on without who began it");
}

#[tokio::test]
async fn who_cannot_be_reached_is_left_alone_however_hasty_the_callers_are() {
    let deployment = Deployment::new();
    let server = deployment.keysigner().await;
    let gate = Gate::before(server.address).await;
    let signer = gate.signer(&deployment, 300);
    let left_alone = async {
        let unreachable = Some(SignError::NotDone(Cause::Unavailable));
        while signer.public_keys(Deadline::after(HASTE)).await.err() != unreachable {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), left_alone)
        .await
        .unwrap();
    gate.is_open.send_replace(true);
    let refused = signer.public_keys(soon()).await.err();
    assert_eq!(refused, Some(SignError::NotDone(Cause::Unavailable)));
}

#[tokio::test]
async fn an_instance_that_would_do_harm_does_nothing_and_the_other_does_it() {
    let deployment = Deployment::new();
    let ports = memory_ports();
    let harmful = deployment.dbwriter(ports.clone()).await;
    let clock = harmful.health.part("clock", Need::Vital);
    let maker = Maker::new(3);
    let create = async |addresses: &[SocketAddr], number| {
        let writer = RemoteAccountWriter::new(deployment.transport(Role::Webhead, Role::Dbwriter, addresses));
        let (call, account, sign_in) = intent(&maker, number);
        writer.create_account(&call, account, sign_in).await
    };
    let alone = [harmful.address];
    assert_eq!(
        create(&alone, 0).await,
        Err(WriteError::NotDone(Cause::Unavailable))
    );
    let other = deployment.dbwriter(ports).await;
    let both = [harmful.address, other.address];
    for number in 1..20 {
        assert_eq!(create(&both, number).await, Ok(()), "{number}");
    }
    clock.works();
    assert_eq!(create(&alone, 20).await, Ok(()));
}

#[tokio::test]
async fn a_call_without_time_is_not_sent() {
    let deployment = Deployment::new();
    let server = deployment.memory_dbwriter().await;
    let mut channel = deployment.channel(Role::Webhead, Role::Dbwriter, &[server.address]);
    let writer = RemoteAccountWriter::new(transport(channel.clone()));
    let (call, account, sign_in) = intent(&Maker::new(2), 1);
    // Connects, so that nothing but the time stands in the way of the next one.
    assert_eq!(writer.create_account(&call, account, sign_in).await, Ok(()));

    let mut late = http::Request::new(tonic::body::Body::empty());
    late.extensions_mut().insert(Deadline::after(Duration::ZERO));
    let status = tower::Service::call(&mut channel, late).await.unwrap_err();
    assert_eq!(
        to_write_error(&status),
        WriteError::NotDone(Cause::Timeout),
        "{status}"
    );
}

#[tokio::test]
async fn calls_go_on_while_connections_end_by_age_and_instances_move() {
    let deployment = Deployment::new();
    let ports = memory_ports();
    let ageing = || async {
        // Every connection is asked to end as soon as it is there.
        let limits = GrpcLimits {
            connection_age_secs: 0,
            ..GrpcLimits::default()
        };
        let routes = server::dbwriter(ports.clone());
        deployment
            .serve(Role::Dbwriter, routes, &DBWRITER_SERVICES, limits)
            .await
    };
    let first = ageing().await;
    let channel = deployment.channel(Role::Webhead, Role::Dbwriter, &[first.address]);
    let writer = RemoteAccountWriter::new(transport(channel.clone()));
    let maker = Maker::new(1);
    for number in 0..50 {
        let (call, account, sign_in) = intent(&maker, number);
        assert_eq!(
            writer.create_account(&call, account, sign_in).await,
            Ok(()),
            "{number}"
        );
    }
    let second = ageing().await;
    channel.set_addresses(&[second.address.to_string()]).unwrap();
    assert!(
        channel.set_addresses(&[]).is_err(),
        "the last instance is never dropped"
    );
    first.stop().await;
    for number in 50..100 {
        let (call, account, sign_in) = intent(&maker, number);
        assert_eq!(
            writer.create_account(&call, account, sign_in).await,
            Ok(()),
            "{number}"
        );
    }
}

#[tokio::test]
async fn instances_behind_a_name_are_called() {
    let deployment = Deployment::new();
    let stretcher = deployment
        .stretcher(Arc::new(FakeStretcher), GrpcLimits::default())
        .await;
    let named = ChannelSettings {
        addresses: vec![format!("localhost:{}", stretcher.address.port())],
        ..settings(&[])
    };
    let channel = channel_as(&deployment.identity(Role::Webhead), Role::Stretcher, named);
    let caller = RemoteStretcher::new(transport(channel));
    for _ in 0..3 {
        let stretched = caller.stretch(soon(), Secret::new([3; 32]), [1; 32]).await;
        assert!(stretched.is_ok(), "{stretched:?}");
    }
}

/// Says when it works, and waits to be let go.
struct Slow {
    begun: Semaphore,
    go: Semaphore,
}

#[async_trait]
impl Stretcher for Slow {
    async fn stretch(
        &self,
        _: Deadline,
        auth_pw: Secret<32>,
        _: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        self.begun.add_permits(1);
        let _go = self.go.acquire().await;
        Ok(auth_pw)
    }
}

#[tokio::test]
async fn a_server_that_ends_finishes_what_it_has_begun_and_takes_nothing_new() {
    let deployment = Deployment::new();
    let slow = Arc::new(Slow {
        begun: Semaphore::new(0),
        go: Semaphore::new(0),
    });
    let server = deployment
        .stretcher(Arc::clone(&slow) as _, GrpcLimits::default())
        .await;
    let address = server.address;
    let stretcher = RemoteStretcher::new(deployment.transport(Role::Webhead, Role::Stretcher, &[address]));
    let begun = tokio::spawn({
        let stretcher = stretcher.clone();
        async move { stretcher.stretch(soon(), Secret::new([1; 32]), [0; 32]).await }
    });
    slow.begun.acquire().await.unwrap().forget();
    let ended = tokio::spawn(server.stop());
    // The listener closes first; a caller that comes now is not taken in.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let late = RemoteStretcher::new(deployment.transport(Role::Webhead, Role::Stretcher, &[address]));
    let refused = late.stretch(soon(), Secret::new([1; 32]), [0; 32]).await;
    assert_eq!(refused.unwrap_err(), StretchError::NotDone(Cause::Unavailable));
    slow.go.add_permits(1);
    assert_eq!(begun.await.unwrap().unwrap(), Secret::new([1; 32]));
    ended.await.unwrap();
}

#[tokio::test]
async fn two_instances_share_the_load() {
    const CALLS: usize = 400;
    let deployment = Deployment::new();
    let counted = [Arc::new(Counted::default()), Arc::new(Counted::default())];
    let one = deployment
        .stretcher(Arc::clone(&counted[0]) as _, GrpcLimits::default())
        .await;
    let other = deployment
        .stretcher(Arc::clone(&counted[1]) as _, GrpcLimits::default())
        .await;
    let addresses = [one.address, other.address];
    let stretcher = RemoteStretcher::new(deployment.transport(Role::Webhead, Role::Stretcher, &addresses));
    for _ in 0..CALLS {
        let stretched = stretcher
            .stretch(soon(), Secret::new([3; 32]), [1; 32])
            .await
            .unwrap();
        assert_eq!(stretched, Secret::new([2; 32]));
    }
    for calls in counted.iter().map(|counted| counted.0.load(Ordering::Acquire)) {
        // Each goes to either by the dice: this is off by chance once in 10^20 runs.
        assert!((CALLS / 4..=CALLS * 3 / 4).contains(&calls), "{calls} of {CALLS}");
    }
}

#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl Stretcher for Counted {
    async fn stretch(
        &self,
        by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        self.0.fetch_add(1, Ordering::AcqRel);
        FakeStretcher.stretch(by, auth_pw, salt).await
    }
}

#[tokio::test]
async fn orders_reach_the_signer_and_its_answers_come_back() {
    let deployment = Deployment::new();
    let server = deployment.keysigner().await;
    let signer = RemoteSigner::new(deployment.transport(Role::Webhead, Role::Keysigner, &[server.address]));
    let maker = Maker::new(1);
    let uid = maker.account("me@example.org").uid;
    let mut order = AccessTokenOrder {
        uid,
        client: foxhold_core::ClientId::from_bytes([1; 8]),
        audience: "https://token".into(),
        scope: "s".into(),
        lifetime_secs: 60,
        jti: [2; 32],
        generation: maker.now(),
        profile_changed_at: maker.now(),
    };
    let token = signer.sign_access_token(soon(), &order).await.unwrap();
    assert_eq!(token.expose(), format!("{uid} for https://token"));
    order.audience.clear();
    assert_eq!(
        signer.sign_access_token(soon(), &order).await,
        Err(SignError::Refused)
    );

    let mut order = CertificateOrder {
        uid,
        subject: SubjectNumbers::Rsa {
            n: vec![3],
            e: vec![5],
        },
        duration_millis: 1,
        generation: maker.now(),
        last_auth_at: maker.now(),
        verified_email: "me@example.org".into(),
        device: None,
        token_verified: true,
        amr: vec![AuthMethod::Password],
        aal: 1,
        profile_changed_at: maker.now(),
        keys_changed_at: maker.now(),
    };
    let certificate = signer.sign_certificate(soon(), &order).await.unwrap();
    assert_eq!(certificate.expose(), format!("{uid} known as me@example.org"));
    order.duration_millis = 0;
    assert_eq!(
        signer.sign_certificate(soon(), &order).await,
        Err(SignError::UnfitKey)
    );

    let mut order = NodeTokenOrder {
        service: ServiceKey("sync-1.5".into()),
        node: "https://node".into(),
        uid: ServiceUid::new(9).unwrap(),
        fxa_uid: "f".into(),
        generation: Generation(1),
        keys_changed_at: None,
        client_state: ClientState::default(),
        hashed_fxa_uid: "a".into(),
        hashed_device_id: "b".into(),
        lifetime_secs: 60,
    };
    let minted = signer.mint_node_token(soon(), &order).await.unwrap();
    assert_eq!((minted.token.expose(), minted.key.expose()), ("9", "f"));
    order.node = "https://other".into();
    assert_eq!(
        signer.mint_node_token(soon(), &order).await.unwrap_err(),
        SignError::NoNodeSecret
    );

    let keys = signer.public_keys(soon()).await.unwrap();
    assert_eq!(
        (keys[0].kid.as_str(), keys[0].n.as_slice()),
        ("k", &[1, 2, 3][..])
    );
}
