//! Shows who gets in where operators' HTTP is served: with a certificate of the deployment, or from the same machine; and
//! what a router is told of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::{path::Path, sync::Arc};

use axum::{Router, extract::Request, routing::get};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom,
    certificates::{Authority, LIFETIME_MAX, Subject},
    http_edge::{self, EdgeLimits, PeerAddress, PeerCertificate},
    tls::{Role, SpiffeId, TlsIdentity},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tokio_rustls::TlsConnector;

const DOMAIN: &str = "fox.test";

/// Tells what it knows of the peer.
fn router() -> Router {
    let tell = async |request: Request| {
        let address = request.extensions().get::<PeerAddress>().is_some();
        let certificate = request.extensions().get::<PeerCertificate>();
        let name = certificate.map_or("nobody".to_owned(), |peer| {
            assert_eq!(peer.serial.len(), 32, "{}", peer.serial);
            peer.id.to_string()
        });
        format!("{name}, address {address}")
    };
    Router::new().route("/", get(tell))
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    // Who is not let in is told so at the first reading.
    if stream.write_all(request).await.is_err() || stream.read_to_string(&mut answer).await.is_err() {
        return "refused".to_owned();
    }
    let body = answer.split_once("\r\n\r\n");
    body.map_or(answer.clone(), |(_, body)| body.to_owned())
}

fn authority(domain: &str) -> Authority {
    Authority::create(domain, &SystemClock, &SystemRandom).unwrap()
}

fn identity(of: &Authority, believed: &Authority, domain: &str, role: Role) -> TlsIdentity {
    let id = SpiffeId::new(domain, "home", role).unwrap();
    let pair = of.issue(&Subject::of(&id, LIFETIME_MAX), &SystemClock, &SystemRandom);
    pair.unwrap().identity(believed).unwrap()
}

#[tokio::test]
async fn with_a_certificate_of_the_deployment_somebody_is_known() {
    let (own, other) = (authority(DOMAIN), authority(DOMAIN));
    let server = identity(&own, &own, DOMAIN, Role::Ops);
    let tls = server.http_server_config(Arc::new(SystemClock)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(http_edge::serve_with_certificates(
        listener,
        tls,
        router(),
        EdgeLimits::default(),
        shutdown.clone(),
    ));
    for (name, client, expected) in [
        (
            "an operator",
            identity(&own, &own, DOMAIN, Role::Operator),
            "spiffe://fox.test/home/operator, address true",
        ),
        (
            "another role",
            identity(&own, &own, DOMAIN, Role::Webhead),
            "spiffe://fox.test/home/webhead, address true",
        ),
        (
            "of another deployment",
            identity(&own, &own, "wolf.test", Role::Operator),
            "refused",
        ),
        (
            "of another authority",
            identity(&other, &own, DOMAIN, Role::Operator),
            "refused",
        ),
    ] {
        let config = client.client_config(Arc::new(SystemClock), Role::Ops).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name_of_server = ServerName::try_from("localhost").unwrap();
        let answer = match TlsConnector::from(config).connect(name_of_server, stream).await {
            Ok(stream) => ask(stream).await,
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(answer, expected, "{name}");
    }
    let plain = ask(TcpStream::connect(address).await.unwrap()).await;
    assert!(!plain.contains("address"), "without TLS: {plain}");
    shutdown.trigger();
    serving.await.unwrap();
}

async fn ask_at(socket: &Path) -> String {
    ask(UnixStream::connect(socket).await.unwrap()).await
}

#[tokio::test]
async fn on_a_socket_of_the_machine_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(http_edge::serve_locally(
        listener,
        router(),
        EdgeLimits::default(),
        shutdown.clone(),
    ));
    assert_eq!(ask_at(&socket).await, "nobody, address false");
    shutdown.trigger();
    serving.await.unwrap();
}
