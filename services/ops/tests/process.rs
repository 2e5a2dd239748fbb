//! An admin API as its configuration makes it: files of certificates, a store to read, a dbwriter to write through, health,
//! who gets in, and the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::OpenOptions, io::Write as _, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path,
    sync::Arc,
};

use foxhold_dbwriter::Dbwriter;
use foxhold_ops::{
    Config, Ops,
    wire::{Code, Health, NodeOutcome, NodePut, Problem, UserChange, UserOutcome},
};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom,
    certificates::{self, CreateOptions, LIFETIME_MAX},
    config::Secrets,
    tls::{Role, TlsIdentity},
};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const TRUST_DOMAIN: &str = "fox.test";

fn make_files(folder: &Path) {
    let options = CreateOptions {
        out: folder.to_owned(),
        trust_domain: TRUST_DOMAIN.into(),
        region: "home".into(),
        roles: vec![Role::Webhead, Role::Dbwriter, Role::Ops, Role::Operator],
        lifetime: LIFETIME_MAX,
        hosts: Vec::new(),
    };
    certificates::create(&options, &SystemClock, &SystemRandom).unwrap();
    let mut key = OpenOptions::new();
    let key = key.write(true).create_new(true).mode(0o600);
    let mut key = key.open(folder.join("metrics.key")).unwrap();
    key.write_all(b"any text").unwrap();
}

fn tables(folder: &Path, certificate: Role) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "listen = \"127.0.0.1:0\"\nprivate_listen = \"127.0.0.1:0\"\ndrain_delay_secs = 0\n\
         {metrics}[tls]\ncertificate_file = {:?}\nkey_file = {:?}\nauthority_file = {:?}\ntrust_domain = {TRUST_DOMAIN:?}\n\
         [store]\npath = {:?}\n",
        path(&format!("{certificate}.pem")),
        path(&format!("{certificate}.key")),
        path("authority.pem"),
        path("foxhold.db"),
        metrics = match certificate {
            Role::Dbwriter => String::new(),
            _ => format!("metrics_key_file = {:?}\n", path("metrics.key")),
        },
    )
}

fn config(folder: &Path, certificate: Role, dbwriter: SocketAddr) -> Config {
    let ways =
        format!("[dbwriter]\naddresses = [\"{dbwriter}\"]\n[keysigner]\naddresses = [\"127.0.0.1:1\"]\n");
    toml::from_str(&(tables(folder, certificate) + &ways)).unwrap()
}

async fn open_dbwriter(folder: &Path) -> Dbwriter {
    let services =
        "[[bootstrap.services]]\nkey = \"sync-1.5\"\npattern = \"{node}/1.5/{uid}\"\nscope = \"s\"\n";
    let config = toml::from_str(&(tables(folder, Role::Dbwriter) + services)).unwrap();
    Dbwriter::open(config, &Secrets::default()).await.unwrap()
}

/// One request, on a connection of its own.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())),
    )
}

/// Somebody with a certificate.
struct Client {
    tls: TlsConnector,
    address: SocketAddr,
}

impl Client {
    fn of(folder: &Path, role: Role, address: SocketAddr) -> Self {
        let settings = certificates::settings(folder, TRUST_DOMAIN, role);
        let identity = TlsIdentity::load(&settings, &Secrets::default()).unwrap();
        let tls = identity.client_config(Arc::new(SystemClock), Role::Ops).unwrap();
        Self {
            tls: TlsConnector::from(tls),
            address,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.tls.connect(name, stream).await.unwrap();
        exchange(stream, method, &format!("/admin/v1{path}"), body).await
    }
}

#[tokio::test]
async fn operators_change_through_a_dbwriter_and_nobody_else_gets_in() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let dbwriter = open_dbwriter(folder.path()).await;
    let config = config(folder.path(), Role::Ops, dbwriter.address());
    let (shutdown, writing) = (Shutdown::new(), Shutdown::new());
    let ops = Ops::open(config, &Secrets::default(), &shutdown).await.unwrap();
    let (address, private) = (ops.address(), ops.private_address().expect("it is configured"));
    let ending = writing.clone();
    let dbwriter = tokio::spawn(async move { dbwriter.serve(&ending).await });
    let serving = tokio::spawn(ops.serve(shutdown.clone()));

    let operator = Client::of(folder.path(), Role::Operator, address);
    let health = loop {
        let (_, health) = operator.ask("GET", "/health", &json!({})).await;
        let health: Health = serde_json::from_value(health).unwrap();
        // The service of the dbwriter's configuration is made while this is asked.
        if health.services == Some(1) {
            break health;
        }
    };
    assert_eq!(
        (health.is_ok, health.caller.as_str()),
        (true, "spiffe://fox.test/home/operator")
    );

    let node = json!({"url": "https://node", "capacity": 10});
    let (status, made) = operator.ask("POST", "/services/sync-1.5/nodes", &node).await;
    assert_eq!(status, 200, "{made}");
    let made: NodePut = serde_json::from_value(made).unwrap();
    assert_eq!((made.outcome, made.node.available), (NodeOutcome::Created, 1));
    let (status, placed) = operator
        .ask("POST", "/services/sync-1.5/users/u%40x/place", &json!({}))
        .await;
    assert_eq!(status, 200, "{placed}");
    let placed: UserChange = serde_json::from_value(placed).unwrap();
    assert_eq!(placed.outcome, UserOutcome::Created);
    let (status, shown) = operator
        .ask("GET", "/services/sync-1.5/users/u%40x", &json!({}))
        .await;
    assert_eq!(
        (status, shown),
        (200, serde_json::to_value(placed.records).unwrap())
    );

    for role in [Role::Webhead, Role::Ops] {
        let stranger = Client::of(folder.path(), role, address);
        let (status, problem) = stranger.ask("GET", "/services", &json!({})).await;
        let problem: Problem = serde_json::from_value(problem).unwrap();
        assert_eq!((status, problem.code), (403, Code::NotPermitted), "{role}");
    }

    let stream = TcpStream::connect(private).await.unwrap();
    let (status, metrics) = exchange(stream, "GET", "/metrics", &json!({})).await;
    assert!(
        status == 200
            && metrics
                .as_str()
                .unwrap()
                .contains("/admin/v1/services/{service}/nodes")
    );
    // The admin API itself is not there.
    let stream = TcpStream::connect(private).await.unwrap();
    assert_eq!(
        exchange(stream, "GET", "/admin/v1/health", &json!({})).await.0,
        404
    );

    shutdown.trigger();
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    writing.trigger();
    dbwriter.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_role_is_noticed_at_start() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let config = config(folder.path(), Role::Webhead, "127.0.0.1:1".parse().unwrap());
    let refused = Ops::open(config, &Secrets::default(), &Shutdown::new()).await;
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(
        message,
        "`tls`: the own certificate is of the role webhead, not ops"
    );
}
