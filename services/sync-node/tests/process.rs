//! The node as a process: configuration, a listener, an orderly end, and kills under load.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use foxhold_core::{SecretText, ServiceUid};
use foxhold_crypto::{
    hawk::{Credentials, Target, sign},
    node_secret::NodeSecret,
    node_token::{NodeToken, NodeTokenClaims, mint},
};
use tempfile::TempDir;

const NODE_URL: &str = "http://sync.test:8000";
const SECRET: &str = "a secret of the process test";

struct Process {
    child: Child,
    address: SocketAddr,
}

fn write_config(dir: &Path) {
    let secret = dir.join("node.secret");
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\nnames = [\"{NODE_URL}\"]\nsecret_files = [{secret:?}]\ndata_dir = {:?}\nshards = 2\n\
         disk_used_max_percent = 100\ndrain_delay_secs = 0\n[log]\nformat = \"json\"\n",
        dir.join("data"),
    );
    std::fs::write(dir.join("sync-node.toml"), config).unwrap();
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foxhold-sync-node"));
    command
        .arg("--config")
        .arg(dir.join("sync-node.toml"))
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    command
}

impl Process {
    fn start(dir: &Path) -> Self {
        let mut child = command(dir).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the process ended before it served"
            );
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = event["listen"].as_str() {
                break address.parse().unwrap();
            }
        };
        // The log is read on, so that the process never waits for us.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self { child, address }
    }

    /// Status and body of one request; `None` when the process went away.
    fn send(&self, token: &NodeToken, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let target = Target::parse(&format!("{NODE_URL}{path}")).unwrap();
        let credentials = Credentials {
            id: &token.token,
            key: token.key.expose().as_bytes(),
        };
        let header = sign(&credentials, &target.request(method), now_secs(), "n0nce", None);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: sync.test:8000\r\nAuthorization: {header}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process under test reads the real clock"
)]
fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(uid: u64) -> NodeToken {
    token_of(uid, SECRET)
}

fn token_of(uid: u64, secret: &str) -> NodeToken {
    let claims = NodeTokenClaims {
        node: NODE_URL.into(),
        fxa_kid: String::new(),
        fxa_uid: String::new(),
        hashed_device_id: String::new(),
        hashed_fxa_uid: String::new(),
        expires_secs: now_secs() + 3600,
        uid: ServiceUid::new(uid).unwrap(),
        salt: [1, 2, 3],
    };
    mint(&claims, &NodeSecret::new(SecretText::new(secret.into())))
}

/// As the operator's tool does: whole or not at all.
fn put_secrets(dir: &Path, list: &str, mode: u32) {
    let new = dir.join("node.secret.new");
    std::fs::write(&new, list).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::rename(new, dir.join("node.secret")).unwrap();
}

#[test]
fn it_serves_and_ends_when_asked_to() {
    let dir = TempDir::new().unwrap();
    write_config(dir.path());
    let mut process = Process::start(dir.path());
    let token = token(42);
    let (status, time) = process
        .send(&token, "PUT", "/1.5/42/storage/meta/global", r#"{"payload":"x"}"#)
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(process.send(&token, "GET", "/__heartbeat__", "").unwrap().0, 200);
    let second = command(dir.path()).output().unwrap();
    assert!(!second.status.success());
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("in use"),
        "{second:?}"
    );
    process.signal("-TERM");
    assert!(process.child.wait().unwrap().success());
    let again = Process::start(dir.path());
    let (status, info) = again.send(&token, "GET", "/1.5/42/info/collections", "").unwrap();
    assert_eq!((status, info), (200, format!("{{\"meta\":{time}}}")));
}

#[test]
fn secrets_are_rotated_and_revoked_while_it_serves() {
    let dir = TempDir::new().unwrap();
    write_config(dir.path());
    let process = Process::start(dir.path());
    let (old, new) = (token(42), token_of(42, "another secret"));
    let ask = |token: &NodeToken| {
        let answer = process.send(token, "GET", "/1.5/42/info/collections", "");
        answer.expect("it serves all the time").0
    };
    // Asked until the node has looked at its file: nothing else tells from outside.
    let becomes = |token: &NodeToken, status: u16| (0..100_000).any(|_| ask(token) == status);
    assert_eq!((ask(&old), ask(&new)), (200, 401));
    put_secrets(dir.path(), &format!("{SECRET}\nanother secret\n"), 0o600);
    // No call with the old one is dropped, before, at and after the change.
    let mut served = 0;
    while ask(&new) != 200 {
        assert_eq!(ask(&old), 200);
        served += 1;
        assert!(served < 100_000, "the new secret is never taken over");
    }
    assert_eq!(ask(&old), 200);
    // A file that others may read takes nothing away.
    put_secrets(dir.path(), "a third secret", 0o644);
    put_secrets(dir.path(), "another secret", 0o600);
    assert!(becomes(&old, 401), "the old secret is never forgotten");
    assert_eq!(ask(&new), 200);
}

#[test]
fn what_was_answered_survives_kills_under_load() {
    let dir = TempDir::new().unwrap();
    write_config(dir.path());
    let mut answered: Vec<(u64, String, String)> = Vec::new();
    for round in 0..5_usize {
        let process = Process::start(dir.path());
        for (uid, path, time) in &answered {
            let read = process.send(&token(*uid), "GET", path, "").unwrap();
            assert_eq!(read.0, 200, "{path} was answered at {time}");
            assert!(
                read.1.contains(&format!("\"modified\":{time},")),
                "{path} {time}: {}",
                read.1
            );
        }
        std::thread::scope(|scope| {
            let process = &process;
            let writers: Vec<_> = (1..=4_u64)
                .map(|uid| {
                    scope.spawn(move || {
                        let token = token(uid);
                        let mut written = Vec::new();
                        for n in 0.. {
                            let path = format!("/1.5/{uid}/storage/c/r{round}-{n}");
                            match process.send(&token, "PUT", &path, r#"{"payload":"x"}"#) {
                                Some((200, time)) => written.push((uid, path, time)),
                                _ => break,
                            }
                        }
                        written
                    })
                })
                .collect();
            // After a different number of writes in each round.
            while process
                .send(&token(9), "PUT", &format!("/1.5/9/storage/c/{round}"), "{}")
                .is_none()
            {}
            for n in 0..round * 7 {
                process.send(&token(9), "PUT", &format!("/1.5/9/storage/c/{n}"), "{}");
            }
            process.signal("-KILL");
            answered.extend(writers.into_iter().flat_map(|writer| writer.join().unwrap()));
        });
    }
    assert!(!answered.is_empty());
    let mut times: Vec<_> = answered.iter().map(|(uid, _, time)| (uid, time)).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(
        times.len(),
        answered.len(),
        "no time was issued twice to one user"
    );
}

#[test]
fn a_configuration_is_checked_without_serving() {
    let dir = TempDir::new().unwrap();
    write_config(dir.path());
    let check = || command(dir.path()).arg("--check-config").output().unwrap();
    assert!(check().status.success());
    let path = dir.path().join("sync-node.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, named) in [
        ("names =", "nmaes =", "nmaes"),
        (NODE_URL, "sync.test", "`names`"),
        ("node.secret", "absent", "secret_files"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let bad = check();
        assert_eq!(bad.status.code(), Some(3), "{named}");
        assert!(
            String::from_utf8_lossy(&bad.stderr).contains(named),
            "{named}: {bad:?}"
        );
    }
    assert!(!dir.path().join("data").exists());
}
