//! BrowserID from end to end: a box certifies a browser's key, and its own Token Server takes the browser's assertion for
//! the same user that comes with an access token. Once with a key of ours, once with the libraries that the clients and
//! verifiers of that time are built on, which judge the box's document for themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use foxhold_testkit::{
    browserid::Browser,
    http::{self, Answer},
    person::{Person, exchange, now_secs, storage, unique_hex},
    process::{binary_path, target_folder},
    single_box::SingleBox,
    wait::wait_for_ok,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// What the domain of a box on this machine is.
const DOMAIN: &str = "localhost";
/// The hash of the sync key that `Person::key_id` tells, as BrowserID clients write it.
const CLIENT_STATE: &str = "00000000000000000000000000000000";

/// A box that takes BrowserID, and somebody with an account.
struct Scene {
    single: SingleBox,
    person: Person,
}

impl Scene {
    async fn set(work: &WorkFolder) -> Self {
        let single = SingleBox::start(work.path(), &[]).await.unwrap();
        let data = work.path().join("data");
        let settings = ["--scheme", "oauth,browserid", "--allowed-issuer", DOMAIN];
        let output = Command::new(binary_path("foxhold").unwrap())
            .args(["service", "update", "sync-1.5", "--data"])
            .arg(&data)
            .args(settings)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let email = format!("{}@example.test", &unique_hex()[..20]);
        let person = Person::sign_up(&single.server, &email, &unique_hex()).await;
        let person = person.unwrap().unwrap();
        let verified = person.verify(&single.server, single.private).await.unwrap();
        assert_eq!(verified.status, StatusCode::OK);
        Self { single, person }
    }

    async fn certify(&self, public_key: &Value) -> Answer {
        let body = json!({"publicKey": public_key, "duration": 3_600_000});
        let (path, session) = ("/v1/certificate/sign", &self.person.session);
        let signed = self
            .single
            .server
            .signed(Method::POST, path, session, Some(&body));
        signed.await.unwrap()
    }

    async fn certificate(&self, public_key: &Value) -> String {
        let answer = self.certify(public_key).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json().unwrap()["cert"].as_str().unwrap().to_owned()
    }

    async fn present(&self, bundle: &str) -> Answer {
        let authorization = format!("BrowserID {bundle}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-client-state", CLIENT_STATE),
        ];
        let address = self.single.server.address;
        let sent = http::send(address, &Method::GET, "/1.0/sync/1.5", &headers, "");
        sent.await.unwrap()
    }

    /// A service's settings are obeyed within a second of their change.
    async fn token(&self, bundle: &str) -> Value {
        let taken = wait_for_ok("the Token Server to take it", || async {
            let answer = self.present(bundle).await;
            anyhow::ensure!(answer.status == StatusCode::OK, "{answer:?}");
            answer.json()
        });
        taken.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_box_leads_to_the_users_own_records() {
    let work = WorkFolder::of("box_certificates").unwrap();
    let scene = Scene::set(&work).await;
    let server = &scene.single.server;
    let browser = Browser::new().unwrap();
    let certificate = scene.certificate(&browser.public_key()).await;
    let bundle = browser.bundle(&certificate, &server.root).unwrap();
    let token = scene.token(&bundle).await;
    let listed = storage(server, &token, Method::GET, "/info/collections", "").await;
    assert_eq!(listed.unwrap().status, StatusCode::OK);

    let access = scene.person.access_token(server).await.unwrap().unwrap();
    let key_id = scene.person.key_id(server).await.unwrap().unwrap();
    let by_token = exchange(server, &access, &key_id).await.unwrap();
    let by_token = by_token.json().unwrap();
    assert_eq!(by_token["uid"], token["uid"], "one user, whichever way they came");
    assert_eq!(by_token["hashed_fxa_uid"], token["hashed_fxa_uid"]);

    // For another server it is worth nothing, and the access token is no certificate.
    let elsewhere = browser.bundle(&certificate, "https://elsewhere.example").unwrap();
    let swapped = browser.bundle(&access, &server.root).unwrap();
    for bad in [elsewhere, swapped] {
        let refused = scene.present(&bad).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.json().unwrap()["status"], "invalid-credentials");
    }
}

/// The libraries, in a process of their own.
struct Libraries {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Libraries {
    fn start() -> Self {
        let profile = target_folder().unwrap();
        let modules = profile.parent().unwrap().join("node-browserid");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browserid/client.cjs");
        let mut process = Command::new("node")
            .arg(script)
            .arg(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node and its libraries (cargo xtask environment)");
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            questions,
            answers,
        }
    }

    /// The answer, or why it was refused.
    fn ask(&mut self, question: &Value) -> Result<Value, String> {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no answer to {question} (cargo xtask environment)"));
        match said["refused"].as_str() {
            Some(refused) => Err(refused.to_owned()),
            None => Ok(said["answer"].clone()),
        }
    }
}

impl Drop for Libraries {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_and_verifiers_take_it_for_what_it_is() {
    let work = WorkFolder::of("box_certificates_libraries").unwrap();
    let scene = Scene::set(&work).await;
    let server = &scene.single.server;
    let mut libraries = Libraries::start();
    let document = http::get(server.address, "/.well-known/browserid").await.unwrap();
    let document = String::from_utf8(document.body.to_vec()).unwrap();
    for (algorithm, keysize) in [("DS", 128), ("DS", 256), ("RS", 128)] {
        let name = format!("{algorithm}{keysize}");
        let made = json!({"what": "generate", "algorithm": algorithm, "keysize": keysize});
        let made = libraries.ask(&made).unwrap();
        let certificate = scene.certificate(&made["publicKey"]).await;
        let bundle = json!({
            "what": "bundle", "key": made["key"], "certificate": certificate, "audience": server.root,
            "expiresAt": (now_secs() + 300) * 1000,
        });
        let bundle = libraries.ask(&bundle).unwrap();
        let bundle = bundle.as_str().unwrap();
        let verify = |audience: &str| {
            json!({
                "what": "verify", "assertion": bundle, "audience": audience,
                "documents": {DOMAIN: document},
            })
        };
        let said = libraries.ask(&verify(&server.root)).unwrap();
        let email = format!("{}@{DOMAIN}", scene.person.uid);
        assert_eq!(
            (&said["email"], &said["issuer"]),
            (&json!(email), &json!(DOMAIN)),
            "{name}"
        );
        let claims = &said["idpClaims"];
        assert_eq!(claims["fxa-verifiedEmail"], scene.person.email, "{name}");
        assert_eq!(claims["fxa-tokenVerified"], true, "{name}");
        assert_eq!(claims["fxa-amr"], json!(["pwd", "email"]), "{name}");
        let refused = libraries.ask(&verify("https://elsewhere.example")).unwrap_err();
        assert!(refused.contains("audience"), "{name}: {refused}");
        scene.token(bundle).await;
    }
    // 512 bits, which they knew and nobody certifies.
    let short = json!({"what": "generate", "algorithm": "RS", "keysize": 64});
    let short = libraries.ask(&short).unwrap();
    let refused = scene.certify(&short["publicKey"]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert_eq!(refused.json().unwrap()["errno"], 107);
}
