//! A keysigner that is killed under load, again and again: whatever a client ever received is in the audit log
//! (`security.md` C.6). A record of something that nobody received is allowed, the reverse never.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use foxhold_core::hex;
use foxhold_crypto::mac::sha256;
use foxhold_keysigner::audit;
use foxhold_ports::{
    AccessTokenSigner, CertificateSigner,
    signer::{AuthMethod, CertificateOrder, SubjectNumbers},
};
use foxhold_runtime::{crypto_provider, tls::Role};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use crate::files::{Files, by, order};

const KILLS: usize = 50;
/// Clients at once.
const CLIENTS: u8 = 8;

/// A keysigner in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(files: &Files) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_foxhold-keysigner"))
            .arg("--config")
            .arg(&files.config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it ended before it listened"
            );
            let read: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(listen) = read["listen"].as_str() {
                break listen.parse().unwrap();
            }
        };
        // Nobody else reads it, and a full pipe would stop the process.
        std::thread::spawn(move || for _ in log.lines() {});
        Self { child, address }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn certificate_order() -> CertificateOrder {
    let order = order();
    // Of 1024 bits, made by another implementation.
    let n: [u8; 128] = hex::decode(MODULUS).unwrap();
    CertificateOrder {
        uid: order.uid,
        subject: SubjectNumbers::Rsa {
            n: n.to_vec(),
            e: vec![1, 0, 1],
        },
        duration_millis: 60_000,
        generation: order.generation,
        last_auth_at: order.generation,
        verified_email: "alice@example.test".into(),
        device: None,
        token_verified: true,
        amr: vec![AuthMethod::Password],
        aal: 1,
        profile_changed_at: order.generation,
        keys_changed_at: order.generation,
    }
}

const MODULUS: &str = "f8b08f86a76e6d561661b489487edd768eb664a0307bc202608333e9eca7d65234e87c1249e4841cee6d322f4c97780335d797fa3a74823c512f2d1452f61433ce8e059a39f9c314d10baf6979a1ac2ee6c67694e52f00aa91a4f3569fc8bad5190af0afdd860ac7fc8d3d116c92063b24228f1cfc31360241397cffe79459f9";

/// Orders as fast as answers come, until the process is gone; tells each answer.
fn load(files: &Files, address: SocketAddr, received: &mpsc::Sender<String>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let webhead = Arc::new(files.caller(Role::Webhead, address));
    for number in 0..CLIENTS {
        let (webhead, received) = (Arc::clone(&webhead), received.clone());
        clients.spawn(async move {
            let mut order = order();
            for count in 0_u64.. {
                // Or two would be the same token.
                order.jti[..8].copy_from_slice(&count.to_be_bytes());
                order.jti[8] = number;
                // One in eight is a certificate, of which an account has only so many.
                let answer = if number == 0 {
                    webhead.sign_certificate(by(), &certificate_order()).await
                } else {
                    webhead.sign_access_token(by(), &order).await
                };
                let Ok(token) = answer else { return };
                if received.send(token.expose().to_owned()).await.is_err() {
                    return;
                }
            }
        });
    }
    clients
}

fn signed_part(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    hex::encode(&sha256(&[signed.as_bytes()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_ever_received_is_in_the_log() {
    crypto_provider::install();
    let files = Files::new();
    let (sender, mut receiver) = mpsc::channel(64);
    let mut received = Vec::new();
    for round in 0..KILLS {
        let process = Process::start(&files);
        let mut clients = load(&files, process.address, &sender);
        // Killed after another number of answers each time, in the middle of whatever it does then.
        for _ in 0..=round % 23 {
            received.push(receiver.recv().await.unwrap());
        }
        process.kill();
        clients.abort_all();
        while clients.join_next().await.is_some() {}
        while let Ok(token) = receiver.try_recv() {
            received.push(token);
        }
    }
    let folder = files.folder.path().join("audit");
    let report = audit::verify(&folder, None, &[]).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.range.map(|(first, _)| first), Some(0));
    let text = std::fs::read_to_string(folder.join("audit-00000000000000000000.jsonl")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<Value> = lines.collect();
    let recorded: BTreeSet<&str> = lines.iter().filter_map(|line| line["signed"].as_str()).collect();
    assert!(lines.iter().any(|line| line["kind"] == "certificate"));
    assert!(received.len() >= KILLS && report.signed >= received.len() as u64);
    for token in &received {
        assert!(
            recorded.contains(signed_part(token).as_str()),
            "a token that is not in the log"
        );
    }
}
