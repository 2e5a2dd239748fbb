//! A dbwriter as its configuration makes it: files of certificates, SQLite, services from the configuration, health, and
//! the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use foxhold_core::{Deadline, record::ServiceKey};
use foxhold_dbwriter::{Config, Dbwriter};
use foxhold_ports::{
    AccountReader, AccountWriter, AssignmentReader, Call, Cause, WriteError, conformance::fixtures::Maker,
};
use foxhold_rpc::{
    client::{RemoteAccountWriter, transport},
    server::DBWRITER_SERVICES,
};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom,
    certificates::{self, CreateOptions, LIFETIME_MAX},
    channel::{Balanced, ChannelSettings},
    config::Secrets,
    metrics::scraped::{self, Sample},
    tls::{Role, TlsIdentity},
};
use foxhold_store_sqlite::SqliteReader;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const TRUST_DOMAIN: &str = "fox.test";

fn make_certificates(folder: &Path) {
    let options = CreateOptions {
        out: folder.to_owned(),
        trust_domain: TRUST_DOMAIN.into(),
        region: "home".into(),
        roles: vec![Role::Webhead, Role::Dbwriter, Role::Health],
        lifetime: LIFETIME_MAX,
        hosts: Vec::new(),
    };
    certificates::create(&options, &SystemClock, &SystemRandom).unwrap();
}

fn config(folder: &Path, certificate: Role) -> Config {
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        private_listen = "127.0.0.1:0"
        drain_delay_secs = 0
        [tls]
        certificate_file = "{certificate}"
        key_file = "{key}"
        authority_file = "{authority}"
        trust_domain = "{TRUST_DOMAIN}"
        [store]
        path = "{store}"
        [[bootstrap.services]]
        key = "sync-1.5"
        pattern = "{{node}}/1.5/{{uid}}"
        scope = "s"
        [[bootstrap.nodes]]
        service = "sync-1.5"
        url = "https://node"
        capacity = 10
        "#,
        certificate = path(&format!("{certificate}.pem")),
        key = path(&format!("{certificate}.key")),
        authority = path("authority.pem"),
        store = path("foxhold.db"),
    );
    toml::from_str(&text).unwrap()
}

fn channel(folder: &Path, role: Role, address: std::net::SocketAddr) -> Balanced {
    let settings = certificates::settings(folder, TRUST_DOMAIN, role);
    let identity = TlsIdentity::load(&settings, &Secrets::default()).unwrap();
    let tls = identity
        .client_config(Arc::new(SystemClock), Role::Dbwriter)
        .unwrap();
    let settings = ChannelSettings {
        addresses: vec![address.to_string()],
        // A busy machine may take seconds for a handshake.
        connect_ms_max: 60_000,
        wait_ms_max: 60_000,
        ..ChannelSettings::default()
    };
    Balanced::new(settings, tls, &SystemRandom).unwrap()
}

/// What operators see, held against the list of metrics.
async fn scrape(address: SocketAddr) -> Vec<Sample> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    scraped::read(text).unwrap()
}

/// How many calls of a method have ended so.
fn calls(samples: &[Sample], method: &str, code: &str) -> f64 {
    let labels = [("method", method), ("code", code), ("side", "server")];
    scraped::sum(samples, "foxhold_rpc_duration_seconds_count", &labels)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[tokio::test]
async fn it_writes_is_well_and_ends_with_everything_written() {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let dbwriter = Dbwriter::open(config(folder.path(), Role::Dbwriter), &Secrets::default())
        .await
        .unwrap();
    let address = dbwriter.address();
    let private = dbwriter.private_address().expect("it is configured");
    let shutdown = Shutdown::new();
    let ending = shutdown.clone();
    let serving = tokio::spawn(async move { dbwriter.serve(&ending).await });

    let mut health = HealthClient::new(transport(channel(folder.path(), Role::Health, address)));
    for service in DBWRITER_SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        // It serves once the services and nodes of the configuration are there.
        let mut told = loop {
            // A call that says nothing of time has a second, which may be too little on a busy machine.
            if let Ok(told) = health.watch(request.clone()).await {
                break told.into_inner();
            }
        };
        while told.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    }

    let writer = RemoteAccountWriter::new(transport(channel(folder.path(), Role::Webhead, address)));
    let maker = Maker::new(1);
    let account = maker.account("me@example.org");
    let sign_in = maker.sign_in(account.uid);
    let call = Call {
        deadline: soon(),
        ..maker.call()
    };
    assert_eq!(
        writer
            .create_account(&call, account.clone(), sign_in.clone())
            .await,
        Ok(())
    );
    let samples = scrape(private).await;
    assert!(calls(&samples, "CreateAccount", "OK") >= 1.0, "{samples:?}");
    let schema = foxhold_store_sqlite::latest().to_string();
    let shown = scraped::sum(&samples, "foxhold_schema_version", &[("version", &schema)]);
    assert!(shown >= 1.0, "{samples:?}");

    shutdown.trigger();
    serving.await.unwrap().unwrap();
    let late = Call {
        deadline: soon(),
        ..maker.call()
    };
    let refused = writer.verify_email(&late, account.uid).await;
    assert_eq!(refused, Err(WriteError::NotDone(Cause::Unavailable)));

    // Opened again, everything is there, and what the configuration asks for is there once.
    let again = Dbwriter::open(config(folder.path(), Role::Dbwriter), &Secrets::default())
        .await
        .unwrap();
    let reader = SqliteReader::open(folder.path().join("foxhold.db"), 1).unwrap();
    assert!(reader.account(soon(), account.uid).await.unwrap().is_some());
    let nodes = reader
        .nodes(soon(), &ServiceKey("sync-1.5".into()))
        .await
        .unwrap();
    assert_eq!(nodes.len(), 1);
    drop(again);
}

#[tokio::test]
async fn a_certificate_of_another_role_is_noticed_at_start() {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let refused = Dbwriter::open(config(folder.path(), Role::Webhead), &Secrets::default()).await;
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(
        message,
        "the own certificate is of the role webhead, not dbwriter"
    );
}
