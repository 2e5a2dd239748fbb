//! Node tokens and Hawk against the Python libraries that other nodes and clients are built on, `tokenlib` and
//! `hawkauthlib`: what we make they take, what they make we take, and both refuse the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use foxhold_core::{SecretText, ServiceUid, Timestamp};
use foxhold_crypto::{
    hawk::{self, Credentials},
    node_secret::{NodeSecret, NodeSecrets},
    node_token::{self, NodeTokenClaims},
};
use foxhold_node_auth::{AuthFailure, NodeAuth, NodeName, SignedRequest};
use foxhold_testkit::{person::now_secs, process::target_folder};
use serde_json::{Value, json};

const SECRETS: [&str; 3] = [
    "Ted Koppel is a robot",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "sécret with a blank",
];
const NODE: &str = "https://node-1.example";
const NOW: u64 = 1_700_000_000;

/// The libraries, in a process of their own.
struct Libraries {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Libraries {
    fn start() -> Self {
        let profile = target_folder().unwrap();
        let python = profile.parent().unwrap().join("venv-browser/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/token_libraries.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python of the browser tests (cargo xtask environment)");
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            questions,
            answers,
        }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer to {question}"))
    }
}

impl Drop for Libraries {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn claims(now: u64) -> NodeTokenClaims {
    NodeTokenClaims {
        node: NODE.to_owned(),
        fxa_kid: "0000000001234-qqo".to_owned(),
        fxa_uid: "a1b2c3d4e5f60718293a4b5c6d7e8f90".to_owned(),
        hashed_device_id: "1af774d3de55e6d70e950353f2df662f".to_owned(),
        hashed_fxa_uid: "7274c705df1ec833444a175b1d34eb37".to_owned(),
        expires_secs: now + 300,
        uid: ServiceUid::new(42).unwrap(),
        salt: [1, 2, 3],
    }
}

fn secret(text: &str) -> NodeSecret {
    NodeSecret::new(SecretText::new(text.to_owned()))
}

fn node(secrets: &[&str]) -> NodeAuth {
    let secrets = secrets.iter().map(|text| secret(text)).collect();
    NodeAuth::new(
        vec![NodeName::parse(NODE).unwrap()],
        NodeSecrets::new(secrets).unwrap(),
    )
}

#[test]
fn they_read_our_tokens() {
    let mut libraries = Libraries::start();
    for text in SECRETS {
        let made = node_token::mint(&claims(NOW), &secret(text));
        let ask = |what: &str, token: &str, secret: &str, now: u64| json!({"what": what, "token": token, "secret": secret, "now": now});
        let said = libraries.ask(&ask("parse", &made.token, text, NOW));
        assert_eq!(said["uid"], 42, "{said}");
        assert_eq!(
            (&said["node"], &said["expires"]),
            (&json!(NODE), &json!(NOW + 300))
        );
        assert_eq!(said["fxa_kid"], "0000000001234-qqo");
        let key = libraries.ask(&ask("key", &made.token, text, NOW));
        assert_eq!(key, made.key.expose());
        let late = libraries.ask(&ask("parse", &made.token, text, NOW + 300));
        assert_eq!(late["refused"], "ExpiredTokenError");
        let other = libraries.ask(&ask("parse", &made.token, "another secret", NOW));
        assert_eq!(other["refused"], "InvalidSignatureError");
    }
}

#[test]
fn we_read_their_tokens() {
    let mut libraries = Libraries::start();
    for text in SECRETS {
        // The library writes the end as a fraction, as its servers do.
        let data =
            json!({"uid": 42, "node": NODE, "expires": NOW as f64 + 300.5, "salt": "abcdef", "extra": [1]});
        let token = libraries.ask(&json!({"what": "make", "data": data, "secret": text}));
        let token = token.as_str().unwrap();
        let secrets = NodeSecrets::new(vec![secret("older"), secret(text)]).unwrap();
        let read = node_token::verify(token, &secrets).unwrap();
        assert_eq!((read.uid.get(), read.node.as_str()), (42, NODE));
        let key = libraries.ask(&json!({"what": "key", "token": token, "secret": text}));
        assert_eq!(key, read.key.expose());
        let others = NodeSecrets::new(vec![secret("another secret")]).unwrap();
        assert!(node_token::verify(token, &others).is_err());
    }
}

/// Requests as nodes get them: method, path, host and port all count.
const REQUESTS: [(&str, &str); 5] = [
    ("GET", "/1.5/42/info/collections"),
    ("PUT", "/1.5/42/storage/meta/global"),
    ("POST", "/1.5/42/storage/tabs?batch=true&commit=true"),
    ("DELETE", "/1.5/42"),
    (
        "GET",
        "/1.5/42/storage/history?full=1&ids=a%2Fb,c&newer=1700000000.00",
    ),
];

#[test]
fn a_node_takes_what_their_clients_sign() {
    let mut libraries = Libraries::start();
    // Their clients know no other time than the machine's.
    let now = Timestamp::from_secs(now_secs());
    let made = node_token::mint(&claims(now.as_secs()), &secret(SECRETS[0]));
    let auth = node(&["older", SECRETS[0]]);
    for (method, path) in REQUESTS {
        let url = format!("{NODE}{path}");
        let signed = json!({
            "what": "sign", "method": method, "url": url, "id": made.token, "key": made.key.expose(),
        });
        let header = libraries.ask(&signed);
        let request = SignedRequest {
            method,
            path_and_query: path,
            authorization: Some(header.as_str().unwrap().as_bytes()),
            host: None,
            uid: 42,
            serves_expired: false,
        };
        let user = auth.check(&request, now).map(|user| user.uid.get());
        assert_eq!(user, Ok(42), "{method} {path}");
        let elsewhere = SignedRequest {
            path_and_query: "/1.5/42/storage",
            ..request
        };
        let refused = auth.check(&elsewhere, now).map(|user| user.uid.get());
        assert_eq!(refused, Err(AuthFailure::Mac), "{method} {path}");
    }
}

#[test]
fn they_take_what_our_clients_sign() {
    let mut libraries = Libraries::start();
    let made = node_token::mint(&claims(NOW), &secret(SECRETS[0]));
    let credentials = Credentials {
        id: &made.token,
        key: made.key.expose().as_bytes(),
    };
    for (method, path) in REQUESTS {
        let request = hawk::Request {
            method,
            path_and_query: path,
            host: "node-1.example",
            port: 443,
        };
        let header = hawk::sign(&credentials, &request, NOW, "nonce", None);
        let mut asked = json!({
            "what": "check", "method": method, "url": format!("{NODE}{path}"), "authorization": header,
            "key": made.key.expose(),
        });
        assert_eq!(libraries.ask(&asked), true, "{method} {path}");
        asked["url"] = json!(format!("{NODE}:8443{path}"));
        assert_eq!(libraries.ask(&asked), false, "{method} {path}, another port");
    }
}

/// Nothing of ours but the node: their token server, their client.
#[test]
fn a_node_takes_their_tokens_until_their_secret_is_revoked() {
    let mut libraries = Libraries::start();
    let now = Timestamp::from_secs(now_secs());
    let auth = node(&["older", SECRETS[1]]);
    let data = json!({"uid": 42, "node": NODE, "fxa_uid": "testuser", "expires": now.as_secs() + 300});
    let token = libraries.ask(&json!({"what": "make", "data": data, "secret": SECRETS[1]}));
    let key = libraries.ask(&json!({"what": "key", "token": token, "secret": SECRETS[1]}));
    for (method, path) in REQUESTS {
        let url = format!("{NODE}{path}");
        let header =
            libraries.ask(&json!({"what": "sign", "method": method, "url": url, "id": token, "key": key}));
        let request = SignedRequest {
            method,
            path_and_query: path,
            authorization: Some(header.as_str().unwrap().as_bytes()),
            host: None,
            uid: 42,
            serves_expired: false,
        };
        let check = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|text| secret(text)).collect();
            auth.replace_secrets(NodeSecrets::new(secrets).unwrap());
            auth.check(&request, now).map(|user| user.fxa_uid)
        };
        let user = Some("testuser".to_owned());
        assert_eq!(check(&[SECRETS[1], "newer"]), Ok(user), "{method} {path}");
        assert_eq!(check(&["newer"]), Err(AuthFailure::Signature), "{method} {path}");
    }
}
