//! Nothing that is secret or personal is where it should not be (`security.md` F, canary test): a person's whole way over a box that
//! logs all it can, with every secret of it marked; then log, metrics, refusals, database and the log of signatures are searched
//! for the marks, as bytes, in hex and in base64.
//!
//! Must stay true: a secret is marked where the client gets or makes it, so that a new answer with a secret in it is marked too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{cell::RefCell, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use foxhold_core::{Secret, hex};
use foxhold_crypto::{
    hawk::Credentials,
    token::{KeyBundle, TokenKeys, TokenKind},
};
use foxhold_testkit::{
    http::{self, Answer},
    person::{FIREFOX, OLDSYNC, Server, exchange, mailed_header, storage, token, unique_hex},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use hyper::Method;
use serde_json::{Value, json};

/// Members of answers that are secrets.
const SECRETS: [&str; 8] = [
    "sessionToken",
    "keyFetchToken",
    "passwordChangeToken",
    "passwordForgotToken",
    "accountResetToken",
    "access_token",
    "refresh_token",
    "code",
];

/// Where a mark may be beside where the client has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nowhere.
    Secret,
    /// In the database: what tokens are looked up by, addresses, names of devices.
    Stored,
}

/// What must not be found.
#[derive(Default)]
struct Marks(RefCell<Vec<(String, Kind, Vec<u8>)>>);

impl Marks {
    fn text(&self, name: &str, kind: Kind, text: &str) {
        let mut bytes = vec![text.as_bytes().to_vec()];
        // What is hex to the client may lie there as bytes.
        bytes.extend(hex::decode::<32>(text).ok().map(|raw| raw.to_vec()));
        bytes.extend(hex::decode::<16>(text).ok().map(|raw| raw.to_vec()));
        let marks = bytes.into_iter().map(|bytes| (name.to_owned(), kind, bytes));
        self.0.borrow_mut().extend(marks);
    }

    /// A token, and what it is looked up by and signed with.
    fn token(&self, name: &str, kind: TokenKind, text: &str) -> Result<TokenKeys> {
        let keys = token(kind, text)?;
        self.text(name, Kind::Secret, text);
        self.text(
            &format!("{name}'s bundle key"),
            Kind::Secret,
            &hex::encode(keys.bundle_key.expose()),
        );
        // The store has id and key: a request is checked with them.
        self.text(
            &format!("{name}'s id"),
            Kind::Stored,
            &hex::encode(keys.id.as_bytes()),
        );
        self.text(
            &format!("{name}'s key"),
            Kind::Stored,
            &hex::encode(keys.key.expose()),
        );
        Ok(keys)
    }

    /// Names of marks that `place` holds, in whatever form.
    fn found_in(&self, place: &[u8], kinds: &[Kind]) -> Vec<String> {
        let marks = self.0.borrow();
        let searched = marks.iter().filter(|(_, kind, _)| kinds.contains(kind));
        let found = searched.filter(|(.., bytes)| forms(bytes).iter().any(|form| holds(place, form)));
        found.map(|(name, ..)| name.clone()).collect()
    }
}

fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let texts = [
        hex::encode(bytes),
        hex::encode(bytes).to_uppercase(),
        BASE64_STANDARD.encode(bytes),
        BASE64_STANDARD_NO_PAD.encode(bytes),
        BASE64_URL_SAFE_NO_PAD.encode(bytes),
        String::from_utf8_lossy(bytes).replace('@', "%40"),
    ];
    let texts = texts.into_iter().map(String::into_bytes);
    texts.chain([bytes.to_vec()]).collect()
}

fn holds(place: &[u8], form: &[u8]) -> bool {
    memchr::memmem::find(place, form).is_some()
}

/// A person whose secrets are all marked.
struct Person<'a> {
    running: &'a SingleBox,
    marks: Marks,
    refusals: RefCell<Vec<u8>>,
    email: String,
}

impl Person<'_> {
    fn server(&self) -> &Server {
        &self.running.server
    }

    /// Marks what an answer gives, and keeps what a refusal says.
    fn seen(&self, answer: &Answer) -> Result<Value> {
        let body = answer.json().unwrap_or_default();
        if !answer.status.is_success() {
            self.refusals.borrow_mut().extend_from_slice(&answer.body);
            return Ok(body);
        }
        for name in SECRETS {
            if let Some(text) = body[name].as_str() {
                self.marks.text(name, Kind::Secret, text);
            }
        }
        Ok(body)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.seen(&self.server().post(path, body).await?)
    }

    async fn signed(
        &self,
        method: Method,
        path: &str,
        keys: &TokenKeys,
        body: Option<&Value>,
    ) -> Result<Value> {
        self.seen(&self.server().signed(method, path, keys, body).await?)
    }

    /// What cannot be meant, in every way, with a secret in each part of it.
    async fn bungle(&self, session: &TokenKeys, secret: &str) -> Result<()> {
        let address = self.server().address;
        let json = ("content-type", "application/json");
        let broken = format!("{{\"email\":\"{}\",\"authPW\":\"{secret}\"", self.email);
        let unknown = json!({ "email": self.email, "authPW": secret, secret: secret }).to_string();
        let short = json!({ "email": self.email, "authPW": &secret[..63] }).to_string();
        for body in [broken, unknown, short] {
            for path in [
                "/v1/account/login",
                "/v1/account/create",
                "/v1/password/change/start",
                "/v1/oauth/token",
            ] {
                let answer = http::send(address, &Method::POST, path, &[json], body.clone()).await?;
                self.seen(&answer)?;
            }
        }
        for path in [
            format!("/v1/account/status?uid={secret}"),
            format!("/v1/{secret}"),
            format!("/1.0/{secret}/1.5"),
            format!("/1.5/{secret}/info/collections"),
            format!("/{secret}?email={}", self.email),
        ] {
            self.seen(&http::get(address, &path).await?)?;
        }
        let (bearer, hawk) = (
            format!("Bearer {secret}"),
            format!("Hawk id=\"{secret}\", mac=\"{secret}\""),
        );
        for value in [bearer.as_str(), &hawk, secret] {
            for path in [
                "/1.0/sync/1.5",
                "/v1/profile",
                "/v1/session/status",
                "/1.5/1/info/collections",
            ] {
                let answer = http::send(address, &Method::GET, path, &[("authorization", value)], "").await?;
                self.seen(&answer)?;
            }
        }
        // Another key than the session's own.
        let wrong = Credentials {
            id: &hex::encode(session.id.as_bytes()),
            key: secret.as_bytes(),
        };
        let path = "/v1/account/devices";
        let header = self.server().sign(&Method::GET, path, &wrong, None)?;
        let answer = http::send(address, &Method::GET, path, &[("authorization", &header)], "").await?;
        self.seen(&answer)?;
        Ok(())
    }

    /// The unwrapped key behind a key-fetch token, marked.
    async fn key(&self, text: &str, unwrap_b_key: &str) -> Result<()> {
        let keys = self.marks.token("key-fetch token", TokenKind::KeyFetch, text)?;
        let body = self.signed(Method::GET, "/v1/account/keys", &keys, None).await?;
        let bundle = body["bundle"].as_str().context("no bundle")?;
        let (k_a, wrap_kb) = KeyBundle::from_bytes(hex::decode(bundle)?).open(&keys.bundle_key)?;
        let k_b = wrap_kb.xor(&Secret::new(hex::decode(unwrap_b_key)?));
        self.marks.text("kB", Kind::Secret, &hex::encode(k_b.expose()));
        self.marks
            .text("wrapKb", Kind::Secret, &hex::encode(wrap_kb.expose()));
        drop(k_a);
        Ok(())
    }

    async fn sync(&self, session: &TokenKeys) -> Result<()> {
        let body = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC });
        let given = self
            .signed(Method::POST, "/v1/oauth/token", session, Some(&body))
            .await?;
        let access = given["access_token"].as_str().context("no access token")?;
        let state = &unique_hex()[..32];
        let state = BASE64_URL_SAFE_NO_PAD.encode(hex::decode::<16>(state)?);
        let record = self.seen(&exchange(self.server(), access, &format!("1700000000000-{state}")).await?)?;
        for (name, member) in [("node token", "id"), ("node token's key", "key")] {
            self.marks
                .text(name, Kind::Secret, record[member].as_str().context("no token")?);
        }
        let payload = unique_hex();
        self.marks.text("a record", Kind::Secret, &payload);
        let body = json!({ "payload": payload }).to_string();
        for (method, path, body) in [
            (Method::PUT, "/storage/meta/global", body.as_str()),
            (Method::PUT, "/storage/meta/global", &body[1..]),
            (Method::GET, "/storage/meta/global", ""),
        ] {
            let answer = storage(self.server(), &record, method, path, body).await?;
            self.seen(&answer)?;
        }
        Ok(())
    }

    async fn live(&self) -> Result<()> {
        let secret = |name: &str| {
            let text = unique_hex();
            self.marks.text(name, Kind::Secret, &text);
            text
        };
        let (first, second, third) = (
            secret("first password"),
            secret("second password"),
            secret("third password"),
        );
        let unwrap = secret("unwrapBKey");
        let keys = json!({ "email": self.email, "authPW": first });
        let made = self.post("/v1/account/create?keys=true", &keys).await?;
        let session = made["sessionToken"].as_str().context("not signed up")?;
        let session = self.marks.token("session token", TokenKind::Session, session)?;
        let code = mailed_header(self.running.private, &self.email, "x-verify-code").await?;
        self.marks.text("verify code", Kind::Secret, &code);
        let wrong = json!({ "uid": made["uid"], "code": secret("a wrong code")[..32] });
        self.post("/v1/recovery_email/verify_code", &wrong).await?;
        let right = json!({ "uid": made["uid"], "code": code });
        self.post("/v1/recovery_email/verify_code", &right).await?;
        self.key(
            made["keyFetchToken"].as_str().context("no key-fetch token")?,
            &unwrap,
        )
        .await?;
        self.bungle(&session, &first).await?;
        self.post(
            "/v1/account/login",
            &json!({ "email": self.email, "authPW": second }),
        )
        .await?;
        let device = unique_hex();
        self.marks.text("a device's name", Kind::Stored, &device);
        let device = json!({ "name": device, "type": "desktop", "availableCommands": {} });
        self.signed(Method::POST, "/v1/account/device", &session, Some(&device))
            .await?;
        self.sync(&session).await?;

        let body = json!({ "email": self.email, "oldAuthPW": first });
        let started = self
            .signed(Method::POST, "/v1/password/change/start", &session, Some(&body))
            .await?;
        let by = started["passwordChangeToken"].as_str().context("not begun")?;
        let by = self.marks.token("change token", TokenKind::PasswordChange, by)?;
        let body = json!({
            "authPW": second, "wrapKb": secret("a new wrapKb"), "sessionToken": hex::encode(session.id.as_bytes()),
        });
        let changed = self
            .signed(
                Method::POST,
                "/v1/password/change/finish?keys=true",
                &by,
                Some(&body),
            )
            .await?;
        let session = changed["sessionToken"].as_str().context("not changed")?;
        let session = self.marks.token("session token", TokenKind::Session, session)?;
        self.sync(&session).await?;

        let email = json!({ "email": self.email });
        let sent = self.post("/v1/password/forgot/send_code", &email).await?;
        let forgot = sent["passwordForgotToken"].as_str().context("no mail")?;
        let forgot = self
            .marks
            .token("forgot token", TokenKind::PasswordForgot, forgot)?;
        let code = mailed_header(self.running.private, &self.email, "x-recovery-code").await?;
        self.marks.text("recovery code", Kind::Secret, &code);
        for code in [&secret("a wrong code")[..32], &code] {
            let verified = json!({ "code": code });
            let path = "/v1/password/forgot/verify_code";
            let verified = self.signed(Method::POST, path, &forgot, Some(&verified)).await?;
            let Some(reset) = verified["accountResetToken"].as_str() else {
                continue;
            };
            let reset = self.marks.token("reset token", TokenKind::AccountReset, reset)?;
            let body = json!({ "authPW": third, "sessionToken": true });
            let done = self
                .signed(Method::POST, "/v1/account/reset?keys=true", &reset, Some(&body))
                .await?;
            ensure!(done["sessionToken"].is_string(), "{done}");
        }
        self.bungle(&session, &third).await
    }
}

fn files(folder: &Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.is_file() {
            into.extend(fs::read(path).unwrap());
        }
    }
}

fn read(folder: &Path, starts: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(starts) && path.is_file() {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_where_it_should_not_be() {
    let work = WorkFolder::of("box_canary").unwrap();
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    running.process.terminate().await.unwrap();
    let data = work.path().join("data");
    let settings = fs::read_to_string(data.join("foxhold.toml")).unwrap();
    fs::write(
        data.join("foxhold.toml"),
        format!("{settings}\n[log]\nlevel = \"trace\"\n"),
    )
    .unwrap();
    running.restart().await.unwrap();

    let person = Person {
        running: &running,
        marks: Marks::default(),
        refusals: RefCell::default(),
        email: format!("{}@example.test", &unique_hex()[..20]),
    };
    person.marks.text("address", Kind::Stored, &person.email);
    person.live().await.unwrap();
    let metrics = http::get(running.private, "/metrics").await.unwrap();
    let mut signatures = Vec::new();
    files(&data.join("audit"), &mut signatures);
    let log = running.process.output().unwrap().into_bytes();
    let database = read(&data, "foxhold.db");
    let all = [Kind::Secret, Kind::Stored];
    for (place, bytes, kinds) in [
        ("log", &log[..], &all[..]),
        ("metrics", &metrics.body, &all),
        ("log of signatures", &signatures, &all),
        ("database", &database, &[Kind::Secret]),
    ] {
        assert!(!bytes.is_empty(), "{place}");
        assert_eq!(
            person.marks.found_in(bytes, kinds),
            Vec::<String>::new(),
            "{place}"
        );
    }
    // A refusal names the address where the contract says so, to whoever sent it.
    let refusals = person.refusals.borrow();
    assert!(!refusals.is_empty());
    assert_eq!(
        person.marks.found_in(&refusals, &[Kind::Secret]),
        Vec::<String>::new(),
        "refusals"
    );
    // The search itself finds what is there.
    assert!(
        person
            .marks
            .found_in(&database, &[Kind::Stored])
            .contains(&"address".to_owned())
    );
    assert!(
        String::from_utf8_lossy(&log).contains("\"level\":\"TRACE\""),
        "all is logged"
    );
}
