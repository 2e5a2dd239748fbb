//! A stretcher as its configuration makes it: the stretched password is the contract's, and its end is orderly.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use foxhold_core::{Deadline, Secret};
use foxhold_ports::{Cause, Stretcher, stretcher::StretchError};
use foxhold_rpc::client::{RemoteStretcher, transport};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom,
    certificates::{self, CreateOptions, LIFETIME_MAX},
    channel::{Balanced, ChannelSettings},
    config::Secrets,
    metrics::scraped::{self, Sample},
    tls::{Role, TlsIdentity},
};
use foxhold_stretcher::{Config, StretcherService};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TRUST_DOMAIN: &str = "fox.test";

fn config(folder: &Path) -> Config {
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        private_listen = "127.0.0.1:0"
        [tls]
        certificate_file = "{}"
        key_file = "{}"
        authority_file = "{}"
        trust_domain = "{TRUST_DOMAIN}"
        [pool]
        memory_mib = 66
        "#,
        path("stretcher.pem"),
        path("stretcher.key"),
        path("authority.pem"),
    );
    toml::from_str(&text).unwrap()
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
    Deadline::after(Duration::from_secs(60))
}

#[tokio::test]
async fn it_stretches_as_the_pool_does_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let options = CreateOptions {
        out: folder.path().to_owned(),
        trust_domain: TRUST_DOMAIN.into(),
        region: "home".into(),
        roles: vec![Role::Webhead, Role::Stretcher],
        lifetime: LIFETIME_MAX,
        hosts: Vec::new(),
    };
    certificates::create(&options, &SystemClock, &SystemRandom).unwrap();
    let service = StretcherService::open(config(folder.path()), &Secrets::default())
        .await
        .unwrap();
    let settings = ChannelSettings {
        addresses: vec![service.address().to_string()],
        // A busy machine may take seconds for a handshake.
        connect_ms_max: 60_000,
        wait_ms_max: 60_000,
        ..ChannelSettings::default()
    };
    let private = service.private_address().expect("it is configured");
    let shutdown = Shutdown::new();
    let ending = shutdown.clone();
    let serving = tokio::spawn(async move { service.serve(&ending).await });

    let files = certificates::settings(folder.path(), TRUST_DOMAIN, Role::Webhead);
    let identity = TlsIdentity::load(&files, &Secrets::default()).unwrap();
    let tls = identity
        .client_config(Arc::new(SystemClock), Role::Stretcher)
        .unwrap();
    let channel = Balanced::new(settings, tls, &SystemRandom).unwrap();
    let stretcher = RemoteStretcher::new(transport(channel.clone()));
    assert!(channel.reaches(soon()).await);

    let stretched = stretcher
        .stretch(soon(), Secret::new([1; 32]), [2; 32])
        .await
        .unwrap();
    let local =
        foxhold_pool::PoolStretcher::start(config(folder.path()).pool.limits(), Arc::new(SystemRandom))
            .unwrap();
    assert_eq!(
        stretched,
        local
            .stretch(soon(), Secret::new([1; 32]), [2; 32])
            .await
            .unwrap()
    );

    let samples = scrape(private).await;
    assert!(calls(&samples, "Stretch", "OK") >= 1.0, "{samples:?}");
    for name in ["foxhold_stretch_slots_in_use", "foxhold_stretch_rejected_total"] {
        assert!(
            samples.iter().any(|sample| sample.name == name),
            "{name} in {samples:?}"
        );
    }

    shutdown.trigger();
    serving.await.unwrap().unwrap();
    let refused = stretcher.stretch(soon(), Secret::new([1; 32]), [2; 32]).await;
    assert_eq!(refused.unwrap_err(), StretchError::NotDone(Cause::Unavailable));
    assert!(!channel.reaches(soon()).await, "it has gone");
}
