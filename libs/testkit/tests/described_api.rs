//! A running box against the documents of its own API (`docs/openapi`): for every call they describe, requests of the
//! described shape and many that are nearly so (a member missing or of another type, too long, another media type, query,
//! path or method), with and without each way to show who calls. Whatever comes back is an answer that the document has for
//! the call, never a 500, and the box serves as before.
//!
//! Made here and not by a tool from outside: most calls take a signature over each single request, which no such tool
//! makes; and answers are held against the documents by the same code that the services' own tests use.

#[path = "described_api/document.rs"]
mod document;
#[path = "described_api/examples.rs"]
mod examples;
#[path = "described_api/requests.rs"]
mod requests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use document::{Operation, operations};
use examples::{Examples, Meaningful};
use foxhold_crypto::token::TokenKind;
use foxhold_openapi::Described;
use foxhold_testkit::{
    hostile::{
        accounts::Cast,
        signer::Signer,
        stage::{Program, Stage},
    },
    http::{self, Answer},
    person::{FIREFOX, OLDSYNC, token},
    report::report,
    work_folder::WorkFolder,
};
use hyper::Method;
use requests::{Places, Request, requests};
use serde_json::{Value, json};

/// Of all that is drawn. Another one asks other things.
const SEED: u64 = 20_261_122;
/// Bodies beyond this are refused before they have come.
const LONG: usize = 1 << 20;
/// So many faults are told.
const TOLD_MAX: usize = 60;

/// What was sent, and what should not have come back.
#[derive(Default)]
struct Findings {
    sent: usize,
    /// By call and fault, with the first request that showed it.
    faults: BTreeMap<String, String>,
}

impl Findings {
    /// A server that refuses early need not read on, and whoever still sends may miss what it said.
    fn take(
        &mut self,
        described: &Described,
        operation: &Operation<'_>,
        request: &Request,
        answer: Result<Answer>,
    ) -> Result<()> {
        match answer {
            Err(_) if request.body.len() > LONG => self.sent += 1,
            answer => self.note(described, operation, request, &answer?),
        }
        Ok(())
    }

    fn note(&mut self, described: &Described, operation: &Operation<'_>, request: &Request, answer: &Answer) {
        self.sent += 1;
        let Err(fault) = judge(described, request, answer) else {
            return;
        };
        let fault: String = fault.chars().take(400).collect();
        let key = format!(
            "{}: {}: {}",
            operation.name(),
            answer.status,
            &fault.chars().take(90).collect::<String>()
        );
        let first = || {
            let body: String = String::from_utf8_lossy(&request.body).chars().take(200).collect();
            format!(
                "{} ({} {} {body}): {fault}",
                request.what, request.method, request.target
            )
        };
        self.faults.entry(key).or_insert_with(first);
    }

    fn finish(self, what: &str) {
        report(&format!("described: {what}: {} requests", self.sent));
        let told: Vec<_> = self.faults.iter().take(TOLD_MAX).collect();
        assert!(told.is_empty(), "{what}: {} faults\n{told:#?}", self.faults.len());
    }
}

fn judge(described: &Described, request: &Request, answer: &Answer) -> Result<(), String> {
    let status = answer.status.as_u16();
    if status >= 500 && !matches!(status, 503 | 504) {
        return Err(format!("failed: {}", String::from_utf8_lossy(&answer.body)));
    }
    let call = (request.method.as_str(), request.target.as_str());
    described.check(call, status, answer.header("content-type"), &answer.body)
}

/// Who shows who calls, for one of the document's schemes.
struct Callers<'a> {
    stage: &'a Stage,
    cast: &'a Cast,
    /// A session of its own for each call, since some end it.
    session: Signer,
    sync_token: String,
    program: Program,
}

impl Callers<'_> {
    /// None where the scheme cannot be shown over this way.
    fn authorization(&self, scheme: &str, request: &Request) -> Result<Option<String>> {
        let signer = match scheme {
            "session" | "sessionSigned" => &self.session,
            "keyFetch" => &self.cast.key_fetch,
            "passwordChange" => &self.cast.change,
            "passwordForgot" => &self.cast.forgot,
            "accountReset" | "accountResetUnsigned" => &self.cast.reset,
            "accessToken" if request.target.starts_with("/1.0/") => {
                return Ok(Some(format!("Bearer {}", self.sync_token)));
            }
            "accessToken" => return Ok(Some(format!("Bearer {}", self.cast.access_token))),
            "client" => return Ok(Some(self.basic())),
            "browserId" => return Ok(Some("BrowserID made~made".to_owned())),
            "securityEvent" => return Ok(Some("Bearer made.made.made".to_owned())),
            other => anyhow::bail!("who calls with {other}?"),
        };
        let mut signing = signer.signing(request.method.as_str(), &request.target);
        if !request.body.is_empty() {
            signing = signing.covering(&request.body);
        }
        Ok(Some(signing.header()))
    }

    fn basic(&self) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let pair = format!("{}:{}", self.program.id, self.program.secret);
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    async fn renew_session(&mut self) -> Result<()> {
        let server = self.stage.server();
        let session = &self.cast.person.session;
        let path = "/v1/session/duplicate";
        let answer = server
            .signed(Method::POST, path, session, Some(&json!({})))
            .await?;
        let body = answer.json()?;
        let text = body["sessionToken"].as_str().with_context(|| body.to_string())?;
        self.session = Signer::of_token(&server.root, &token(TokenKind::Session, text)?)?;
        Ok(())
    }
}

/// Calls that end what others need: theirs come last.
const LAST: [&str; 5] = [
    "/v1/account/destroy",
    "/v1/session/destroy",
    "/v1/account/attached_client/destroy",
    "/v1/password/change/finish",
    "/v1/account/reset",
];

fn meaningful(cast: &Cast, program: &Program) -> Meaningful {
    BTreeMap::from([
        (
            "email",
            vec![json!("nobody@example.test"), json!(cast.person.email)],
        ),
        ("uid", vec![json!(cast.person.uid)]),
        ("client_id", vec![json!(FIREFOX), json!(program.id)]),
        ("id", vec![json!(FIREFOX), json!(program.id)]),
        ("client_secret", vec![json!(program.secret)]),
        ("scope", vec![json!("profile"), json!(OLDSYNC), json!("openid")]),
        (
            "grant_type",
            vec![
                json!("fxa-credentials"),
                json!("authorization_code"),
                json!("refresh_token"),
            ],
        ),
        ("response_type", vec![json!("code"), json!("token")]),
        ("code_challenge_method", vec![json!("S256")]),
        ("access_type", vec![json!("online"), json!("offline")]),
        ("to", vec![json!("all")]),
        ("type", vec![json!("desktop"), json!("mobile")]),
        ("app", vec![json!("sync")]),
        ("version", vec![json!("1.5")]),
        ("duration", vec![json!("60")]),
    ])
}

async fn send(stage: &Stage, request: &Request, authorization: Option<String>) -> Result<Answer> {
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if let Some(authorization) = &authorization {
        headers.push(("authorization", authorization));
    }
    let address = stage.server().address;
    http::send(
        address,
        &request.method,
        &request.target,
        &headers,
        request.body.clone(),
    )
    .await
    .with_context(|| format!("{}: {} {}", request.what, request.method, request.target))
}

/// Sends everything there is for the calls of a document that `serves` says are the box's public ones.
async fn attack(
    callers: &mut Callers<'_>,
    file: &'static str,
    serves: impl Fn(&str) -> bool,
    findings: &mut Findings,
) -> Result<()> {
    let described = Described::open(file);
    let examples = Examples::of(
        described.document(),
        SEED,
        meaningful(callers.cast, &callers.program),
    );
    let places = Places::new();
    for operation in operations(described.document(), &LAST) {
        if !serves(operation.path) {
            continue;
        }
        // Once the password has changed there is none to be had.
        let _ = callers.renew_session().await;
        for scheme in operation.schemes() {
            for request in requests(&operation, &examples, &places) {
                let authorization = match scheme {
                    Some(scheme) => callers.authorization(scheme, &request)?,
                    None => None,
                };
                let answer = send(callers.stage, &request, authorization).await;
                findings.take(&described, &operation, &request, answer)?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_the_token_server_answer_as_described() {
    let work = WorkFolder::of("described").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let cast = Cast::call_in(&stage).await.unwrap();
    let mut callers = Callers {
        stage: &stage,
        cast: &cast,
        session: cast.session.clone(),
        sync_token: stage.access_token(&cast.person, OLDSYNC).await.unwrap(),
        program: stage.program("https://program.example/callback").unwrap(),
    };
    let mut findings = Findings::default();
    // What else is in that document belongs to a listener of its own.
    let is_exchange = |path: &str| path.starts_with("/1.0/");
    attack(&mut callers, "token-server.json", is_exchange, &mut findings)
        .await
        .unwrap();
    attack(&mut callers, "accounts.json", |_| true, &mut findings)
        .await
        .unwrap();
    let held = stage.strike().await.unwrap();
    report(&format!("described: accounts and token server: {held}"));
    findings.finish("accounts and token server");
}

/// What is changed must not be what the box needs to serve on: its service and its node.
fn places(operation: &Operation<'_>) -> Places {
    let service = if operation.method == Method::GET {
        "sync-1.5"
    } else {
        "made"
    };
    Places::from([("service", service), ("url", "https%3A%2F%2Fnode.made.example")])
}

fn meaningful_to_operators() -> Meaningful {
    BTreeMap::from([
        (
            "account",
            vec![json!("nobody@example.test"), json!("0".repeat(32))],
        ),
        ("email", vec![json!("made@example.test")]),
        (
            "url",
            vec![
                json!("https://node.made.example"),
                json!("https://node-2.made.example"),
            ],
        ),
        ("pattern", vec![json!("{node}/1.5/{uid}")]),
        ("scope", vec![json!(OLDSYNC)]),
        ("schemes", vec![json!(["oauth"]), json!(["oauth", "browserid"])]),
        ("redirect_uris", vec![json!(["https://program.example/callback"])]),
        ("user", vec![json!(format!("{}@localhost", "0".repeat(32)))]),
        ("dry_run", vec![json!("true"), json!("false")]),
    ])
}

async fn send_to_admin(socket: &Path, request: &Request) -> Result<Answer> {
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    http::send_to_socket(
        socket,
        &request.method,
        &request.target,
        &headers,
        request.body.clone(),
    )
    .await
    .with_context(|| format!("{}: {} {}", request.what, request.method, request.target))
}

async fn attack_admin(socket: PathBuf, findings: &mut Findings) -> Result<()> {
    let described = Described::open("admin.json");
    let document: &Value = described.document();
    let examples = Examples::of(document, SEED, meaningful_to_operators());
    // A service of our own first, for what is about one.
    let mut all = operations(document, &[]);
    all.sort_by_key(|operation| operation.method != Method::PUT);
    for operation in all {
        for request in requests(&operation, &examples, &places(&operation)) {
            let answer = send_to_admin(&socket, &request).await;
            findings.take(&described, &operation, &request, answer)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_answers_as_described() {
    let work = WorkFolder::of("described_admin").unwrap();
    let stage = Stage::set(work.path()).await.unwrap();
    let mut findings = Findings::default();
    let socket = work.path().join("data/admin.sock");
    attack_admin(socket, &mut findings).await.unwrap();
    let held = stage.strike().await.unwrap();
    report(&format!("described: admin API: {held}"));
    findings.finish("admin API");
}
