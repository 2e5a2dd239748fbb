//! Bad callers and bad calls (`security.md` E.2, gRPC): each gets the contract's answer, and the listener still serves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Secret, Timestamp};
use foxhold_ports::{
    AccountWriter, Call, Cause, Stretcher, WriteError, conformance::fixtures::Maker, stretcher::StretchError,
};
use foxhold_rpc::client::{RemoteAccountWriter, RemoteStretcher, transport};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{LIFETIME_MAX, Subject},
    channel::ChannelSettings,
    grpc_server::GrpcLimits,
    tls::{Role, TlsIdentity},
};
use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::Semaphore};
use tokio_rustls::TlsConnector;

use crate::support::{Deployment, FakeStretcher, Running, TRUST_DOMAIN, channel_as, settings, soon};

/// A write by a caller with this identity, over a channel of its own.
async fn write_as(identity: &TlsIdentity, server: &Running) -> Result<(), WriteError> {
    let channel = channel_as(identity, Role::Dbwriter, settings(&[server.address]));
    let writer = RemoteAccountWriter::new(transport(channel));
    let maker = Maker::new(1);
    let call = Call {
        deadline: soon(),
        ..maker.call()
    };
    let account = maker.account("me@example.org");
    let sign_in = maker.sign_in(account.uid);
    writer.create_account(&call, account, sign_in).await
}

async fn assert_serves(deployment: &Deployment, server: &Running) {
    let done = write_as(&deployment.identity(Role::Webhead), server).await;
    assert!(
        done.is_ok() || matches!(done, Err(WriteError::Refused(_))),
        "{done:?}"
    );
}

fn subject(uris: &[&str]) -> Subject {
    Subject {
        uris: uris.iter().map(ToString::to_string).collect(),
        hosts: vec!["localhost".into()],
        lifetime: LIFETIME_MAX,
    }
}

#[tokio::test]
async fn a_caller_who_is_nobody_does_not_get_past_the_handshake() {
    let deployment = Deployment::new();
    let server = deployment.memory_dbwriter().await;
    let good = format!("spiffe://{TRUST_DOMAIN}/home/webhead");
    let other_authority = Deployment::new();
    let other_domain = Deployment::of("other.test");

    // A certificate's own identity is checked when it is taken up, so the bad ones are made past that.
    let bad: [(&str, &Deployment, Subject); 7] = [
        ("another authority", &other_authority, subject(&[&good])),
        (
            "another trust domain and authority",
            &other_domain,
            subject(&["spiffe://other.test/home/webhead"]),
        ),
        (
            "another trust domain",
            &deployment,
            subject(&["spiffe://other.test/home/webhead"]),
        ),
        ("two URI names", &deployment, subject(&[&good, &good])),
        ("no URI name", &deployment, subject(&[])),
        (
            "one segment",
            &deployment,
            subject(&[&format!("spiffe://{TRUST_DOMAIN}/webhead")]),
        ),
        ("three segments", &deployment, subject(&[&format!("{good}/x")])),
    ];
    for (name, issuer, subject) in bad {
        let refused = raw_handshake(&deployment, Some((issuer, &subject, SystemClock.now())), &server).await;
        assert!(refused, "{name}");
    }
    assert!(raw_handshake(&deployment, None, &server).await, "no certificate");

    let long_ago = SystemClock.now().minus(Duration::from_secs(48 * 3600));
    let expired = Some((&deployment, &subject(&[&good]), long_ago));
    assert!(raw_handshake(&deployment, expired, &server).await, "expired");

    let fine = Some((&deployment, &subject(&[&good]), SystemClock.now()));
    assert!(
        !raw_handshake(&deployment, fine, &server).await,
        "a good one gets in this way"
    );
    assert_serves(&deployment, &server).await;
}

/// Whether the server refuses a client that shows this certificate. In TLS 1.3 a client is through before the server
/// has judged it, so the refusal shows as an error at the first read.
async fn raw_handshake(
    deployment: &Deployment,
    certificate: Option<(&Deployment, &Subject, Timestamp)>,
    server: &Running,
) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    let authority = pem_certificate(deployment.authority.certificate_pem());
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some((issuer, subject, now)) => {
            let pair = issuer
                .authority
                .issue(subject, &Fixed(now), &SystemRandom)
                .unwrap();
            let key =
                <rustls::pki_types::PrivateKeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
                    pair.key_pem.as_bytes(),
                );
            builder
                .with_client_auth_cert(vec![pem_certificate(&pair.certificate_pem)], key.unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Err(_) => true,
        // The server's settings frame comes first; a refusal is an alert.
        Ok(mut stream) => stream.read_u8().await.is_err(),
    }
}

fn pem_certificate(pem: &str) -> rustls::pki_types::CertificateDer<'static> {
    <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
        pem.as_bytes(),
    )
    .unwrap()
}

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[tokio::test]
async fn a_server_of_another_role_is_not_believed() {
    let deployment = Deployment::new();
    let server = deployment.keysigner().await;
    // The address of a keysigner where a dbwriter should be: nothing is sent to it.
    let done = write_as(&deployment.identity(Role::Webhead), &server).await;
    assert_eq!(done, Err(WriteError::NotDone(Cause::Unavailable)));
}

#[tokio::test]
async fn a_role_that_may_not_write_is_told_so_and_nothing_is_written() {
    let deployment = Deployment::new();
    let server = deployment.memory_dbwriter().await;
    // Operators make accounts, so theirs may.
    for role in [
        Role::Health,
        Role::Keysigner,
        Role::Dbwriter,
        Role::Worker,
        Role::Stretcher,
    ] {
        let done = write_as(&deployment.identity(role), &server).await;
        assert_eq!(done, Err(WriteError::NotDone(Cause::NotPermitted)), "{role}");
    }
    assert_serves(&deployment, &server).await;
}

#[tokio::test]
async fn a_message_of_five_mebibytes_is_refused() {
    let deployment = Deployment::new();
    let server = deployment.memory_dbwriter().await;
    let writer =
        RemoteAccountWriter::new(deployment.transport(Role::Webhead, Role::Dbwriter, &[server.address]));
    let maker = Maker::new(1);
    let account = maker.account("me@example.org");
    let mut sign_in = maker.sign_in(account.uid);
    sign_in.session.user_agent = "x".repeat(5 * 1024 * 1024);
    let done = writer.create_account(&maker.call(), account, sign_in).await;
    assert_eq!(done, Err(WriteError::NotDone(Cause::Overloaded)));
    assert_serves(&deployment, &server).await;
}

/// Waits until the test lets it go, and counts who is at work.
struct Gate {
    open: Semaphore,
    begun: AtomicUsize,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            open: Semaphore::new(0),
            begun: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Stretcher for Gate {
    async fn stretch(
        &self,
        by: Deadline,
        auth_pw: Secret<32>,
        _: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        self.begun.fetch_add(1, Ordering::AcqRel);
        match tokio::time::timeout_at(by.instant().into(), self.open.acquire()).await {
            Ok(_) => Ok(auth_pw),
            Err(_) => Err(StretchError::NotDone(Cause::Timeout)),
        }
    }
}

fn stretch_with(
    deployment: &Deployment,
    server: &Running,
) -> impl Fn(Deadline) -> futures_util::future::BoxFuture<'static, Result<Secret<32>, StretchError>> {
    let mut settings = settings(&[server.address]);
    settings.in_flight_max = 20_000;
    let channel = channel_as(&deployment.identity(Role::Webhead), Role::Stretcher, settings);
    let stretcher = RemoteStretcher::new(transport(channel));
    move |by| {
        let stretcher = stretcher.clone();
        Box::pin(async move { stretcher.stretch(by, Secret::new([1; 32]), [2; 32]).await })
    }
}

#[tokio::test]
async fn ten_thousand_calls_at_once_are_bounded_and_the_rest_is_told_so() {
    let deployment = Deployment::new();
    let gate = Gate::closed();
    let limits = GrpcLimits {
        in_work_max: 4,
        waiting_max: 4,
        // The bound on streams is not what is tried here: past it the client waits by itself.
        streams_max: 20_000,
        wait_ms_max: 60_000,
        ..GrpcLimits::default()
    };
    let server = deployment.stretcher(Arc::clone(&gate) as _, limits).await;
    let stretch = stretch_with(&deployment, &server);
    let all = tokio::spawn(join_all(
        (0..10_000).map(|_| stretch(Deadline::after(Duration::from_secs(60)))),
    ));
    // All but the eight that work or wait are refused at once; the gate opens when the first of them are at work, and
    // every call ends.
    while gate.begun.load(Ordering::Acquire) < 4 {
        tokio::task::yield_now().await;
    }
    gate.open.add_permits(10_000);
    let results = all.await.unwrap();
    let refused = results
        .iter()
        .filter(|result| matches!(result, Err(StretchError::NotDone(Cause::Overloaded))))
        .count();
    let done = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(refused + done, 10_000);
    assert!(done >= 8, "{done}");
    assert!(refused > 0, "nothing was bounded");
    assert!(stretch(soon()).await.is_ok(), "it still serves");
}

#[tokio::test]
async fn a_call_that_says_nothing_of_time_gets_a_second_and_too_little_is_refused() {
    let deployment = Deployment::new();
    let gate = Gate::closed();
    let server = deployment
        .stretcher(Arc::clone(&gate) as _, GrpcLimits::default())
        .await;
    let stretch = stretch_with(&deployment, &server);

    let late = stretch(Deadline::after(Duration::from_millis(10))).await;
    assert_eq!(late.unwrap_err(), StretchError::NotDone(Cause::Timeout));
    assert_eq!(gate.begun.load(Ordering::Acquire), 0, "no work was begun");

    // The channel's own default is the same second; the server's answer is the one that is seen.
    let code = silent_call(&deployment, &server).await;
    assert_eq!(code, tonic::Code::DeadlineExceeded);
    assert_eq!(gate.begun.load(Ordering::Acquire), 1);
}

/// A well-formed call without `grpc-timeout`, over a channel that is more patient than the server.
async fn silent_call(deployment: &Deployment, server: &Running) -> tonic::Code {
    use tower::{Service, ServiceExt};
    let mut message = vec![0, 0, 0, 0, 68];
    for field in [0x0a, 0x12] {
        message.extend([field, 32]);
        message.extend([7; 32]);
    }
    let body = http_body_util::Full::new(bytes::Bytes::from(message));
    let mut request = http::Request::post("/foxhold.stretcher.v1.Stretcher/Stretch")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(body))
        .unwrap();
    request
        .extensions_mut()
        .insert(Deadline::after(Duration::from_secs(30)));
    let mut channel = deployment.channel(Role::Webhead, Role::Stretcher, &[server.address]);
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    tonic::Status::from_header_map(response.headers()).unwrap().code()
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_garbage_is_not() {
    use tower::{Service, ServiceExt};
    let deployment = Deployment::new();
    let server = deployment
        .stretcher(Arc::new(FakeStretcher), GrpcLimits::default())
        .await;
    let field = |tag: u8, len: u8| {
        let mut bytes = vec![tag, len];
        bytes.extend(vec![7; usize::from(len)]);
        bytes
    };
    let good = [field(0x0a, 32), field(0x12, 32)].concat();
    let cases: [(&str, Vec<u8>, tonic::Code); 5] = [
        (
            "an unknown field",
            [good.clone(), field(0x7a, 3)].concat(),
            tonic::Code::Ok,
        ),
        (
            "a short secret",
            [field(0x0a, 31), field(0x12, 32)].concat(),
            tonic::Code::InvalidArgument,
        ),
        ("a missing field", field(0x0a, 32), tonic::Code::InvalidArgument),
        ("no protobuf", vec![0xff; 9], tonic::Code::Internal),
        ("a cut field", good[..40].to_vec(), tonic::Code::Internal),
    ];
    let mut channel = deployment.channel(Role::Webhead, Role::Stretcher, &[server.address]);
    for (name, message, expected) in cases {
        let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
        framed.extend(message);
        let request = http::Request::post("/foxhold.stretcher.v1.Stretcher/Stretch")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(http_body_util::Full::new(
                bytes::Bytes::from(framed),
            )))
            .unwrap();
        let response = channel.ready().await.unwrap().call(request).await.unwrap();
        let code = tonic::Status::from_header_map(response.headers())
            .map_or(tonic::Code::Ok, |status| status.code());
        assert_eq!(code, expected, "{name}");
    }
}

#[tokio::test]
async fn peers_that_say_nothing_do_not_keep_others_out() {
    let deployment = Deployment::new();
    let limits = GrpcLimits {
        connections_max: 2,
        handshake_ms_max: 100,
        ..GrpcLimits::default()
    };
    let server = deployment.stretcher(Arc::new(FakeStretcher), limits).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let stretch = stretch_with(&deployment, &server);
    assert!(stretch(soon()).await.is_ok());
}

#[tokio::test]
async fn a_caller_bounds_what_it_sends_and_what_waits() {
    let deployment = Deployment::new();
    let gate = Gate::closed();
    let server = deployment
        .stretcher(Arc::clone(&gate) as _, GrpcLimits::default())
        .await;
    let bounded = ChannelSettings {
        in_flight_max: 1,
        waiting_max: 1,
        wait_ms_max: 60_000,
        ..settings(&[server.address])
    };
    let channel = channel_as(&deployment.identity(Role::Webhead), Role::Stretcher, bounded);
    let stretcher = RemoteStretcher::new(transport(channel));
    let stretch = || stretcher.stretch(soon(), Secret::new([1; 32]), [2; 32]);
    // Polled in this order: the first is sent, the second waits, the third finds no place.
    let (first, second, third) = tokio::join!(biased; stretch(), stretch(), async {
        let refused = stretch().await;
        gate.open.add_permits(2);
        refused
    });
    assert_eq!(third.unwrap_err(), StretchError::NotDone(Cause::Overloaded));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(gate.begun.load(Ordering::Acquire), 2);
}

/// The names that both sides of the crates' border use must be the same.
#[test]
fn the_shell_and_the_table_of_errors_agree_on_the_mark() {
    assert_eq!(
        foxhold_rpc::status::NOT_DONE_KEY,
        foxhold_runtime::grpc_status::NOT_DONE_KEY
    );
}
