//! A mixed load of sign-ups, logins and exchanges that writes down what the service acknowledged, and afterwards holds the
//! service to it. For tests that kill processes in between.

mod belongings;
mod guards;
mod operator;
mod passwords;
mod programs;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use foxhold_crypto::token::TokenKeys;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use belongings::Belongings;
use guards::Guards;
use operator::Switch;
use passwords::{Password, Past};
use programs::{Grant, Program};

use crate::{
    http::Answer,
    insist::{answered, decided, granted, in_words, is_later, success},
    person::{Person, Server, exchange, unique_hex},
};

pub use operator::Operator;

/// Of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Every so many addresses have been taken by somebody who never confirmed them.
const SQUATTED_EVERY: usize = 4;

/// What the service said yes to, about one person.
struct Entry {
    person: Person,
    verified: bool,
    keys_fetched: bool,
    signed_out: Option<SignOut>,
    service_uid: Option<u64>,
    password: Password,
    past: Past,
    belongings: Belongings,
    guards: Guards,
    grant: Option<Grant>,
    switch: Switch,
}

/// A session that was signed out, or may have been.
struct SignOut {
    session: TokenKeys,
    acknowledged: bool,
}

/// A sign-up that got no answer: it may have happened, whole, or not at all.
struct Unsure {
    email: String,
    auth_pw: String,
    /// Somebody else had signed up with the address before, and never confirmed it.
    squatted: bool,
}

/// What few users come to, and only with an operator's tool and a program at hand to all of it.
const KINDS: [&str; 15] = [
    "account ended",
    "backup code",
    "command",
    "disable",
    "enable",
    "grant",
    "grant given back",
    "password changed",
    "password given again",
    "password reset",
    "password upgraded",
    "recovery key",
    "refresh token",
    "reset by recovery key",
    "second factor",
];

/// Everything acknowledged in a run.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Vec<Entry>>,
    unsure: Mutex<Vec<Unsure>>,
    people: AtomicUsize,
    /// Of those who got something beside their password.
    turns: AtomicUsize,
    acknowledged: AtomicUsize,
    refused_for_now: AtomicUsize,
    silent: AtomicUsize,
    by_kind: Mutex<BTreeMap<&'static str, usize>>,
    desk: Option<Desk>,
}

/// Somebody who looks after accounts, and a program that they have registered.
struct Desk {
    operator: Operator,
    program: Program,
}

/// Whether a step was acknowledged, refused with "come back later", or got no answer.
enum Step<T> {
    Done(T),
    Later,
    Silence,
}

impl<T> Step<T> {
    /// Without what was answered.
    const fn bare(&self) -> Step<()> {
        match self {
            Self::Done(_) => Step::Done(()),
            Self::Later => Step::Later,
            Self::Silence => Step::Silence,
        }
    }
}

impl Ledger {
    /// One whose users sign in to another program, too, and are disabled and enabled.
    ///
    /// # Errors
    /// When the program is not registered.
    pub async fn with_operator(operator: Operator) -> Result<Self> {
        let program = operator.registers().await.context("registering a program")?;
        Ok(Self {
            desk: Some(Desk { operator, program }),
            ..Self::default()
        })
    }

    /// How many writes and answers were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many requests were refused with 503 so far.
    pub fn refused_for_now(&self) -> usize {
        self.refused_for_now.load(Ordering::Relaxed)
    }

    /// How many sign-ups got no answer so far.
    pub fn unsure(&self) -> usize {
        lock(&self.unsure).len()
    }

    /// How many requests got no answer so far.
    pub fn silent(&self) -> usize {
        self.silent.load(Ordering::Relaxed)
    }

    /// The figures, for a report.
    #[must_use]
    pub fn summary(&self) -> String {
        let by_kind: String = lock(&self.by_kind)
            .iter()
            .map(|(kind, count)| format!(", {count} × {kind}"))
            .collect();
        format!(
            "{} answers acknowledged{by_kind}, {} refused with 503, {} sign-ups unsure",
            self.acknowledged(),
            self.refused_for_now(),
            self.unsure()
        )
    }

    /// The kind that was acknowledged least often, and how often: what was not reached was not shown to last.
    #[must_use]
    pub fn rarest(&self) -> (usize, &'static str) {
        let by_kind = lock(&self.by_kind);
        let counts = KINDS
            .into_iter()
            .map(|kind| (by_kind.get(kind).copied().unwrap_or(0), kind));
        counts.min().unwrap_or_default()
    }

    /// Counts one acknowledgement of a kind that few users come to.
    fn acknowledges(&self, kind: &'static str) {
        debug_assert!(KINDS.contains(&kind), "{kind}");
        *lock(&self.by_kind).entry(kind).or_default() += 1;
    }

    /// Works as one new user after another until `server` does not answer.
    ///
    /// # Errors
    /// For an answer that is neither a success nor "come back later".
    pub async fn work_until_silence(&self, server: &Server, mailbox: SocketAddr) -> Result<()> {
        while self.one_person(server, mailbox).await? {}
        Ok(())
    }

    /// One user's way: sign up, type the code in, sign in again, fetch keys, sign out where it began, get a node, do
    /// something about the password, and get something beside it. Every fourth finds the address taken by somebody who never
    /// confirmed it. `false` after silence.
    ///
    /// # Errors
    /// As [`Self::work_until_silence`].
    pub async fn one_person(&self, server: &Server, mailbox: SocketAddr) -> Result<bool> {
        let (email, auth_pw) = (format!("{}@example.test", &unique_hex()[..20]), unique_hex());
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let squatted = number % SQUATTED_EVERY == 1;
        if squatted {
            // Whatever becomes of this one, the address is the next one's who confirms it.
            self.told(Person::sign_up(server, &email, &unique_hex()).await)?;
        }
        let person = match self.told(Person::sign_up(server, &email, &auth_pw).await)? {
            Step::Done(person) => person,
            step => {
                lock(&self.unsure).push(Unsure {
                    email,
                    auth_pw,
                    squatted,
                });
                return Ok(matches!(step, Step::Later));
            }
        };
        let mut entry = Entry {
            person,
            verified: false,
            keys_fetched: false,
            signed_out: None,
            service_uid: None,
            password: Password::default(),
            past: Past::default(),
            belongings: Belongings::default(),
            guards: Guards::default(),
            grant: None,
            switch: Switch::default(),
        };
        let went_on = self.later_steps(number, server, mailbox, &mut entry).await;
        lock(&self.entries).push(entry);
        went_on
    }

    async fn later_steps(
        &self,
        number: usize,
        server: &Server,
        mailbox: SocketAddr,
        entry: &mut Entry,
    ) -> Result<bool> {
        // The mailbox is on the process that may just have died: no mail is silence, too.
        let Ok(answer) = entry.person.verify(server, mailbox).await else {
            return Ok(false);
        };
        match self.answered(Ok(answer))? {
            Step::Done(_) => entry.verified = true,
            Step::Later => return Ok(true),
            Step::Silence => return Ok(false),
        }
        let again = Person::sign_in(server, &entry.person.email, &entry.person.auth_pw).await;
        let first = match self.told(again)? {
            Step::Done(person) => std::mem::replace(&mut entry.person, person),
            Step::Later => return Ok(true),
            Step::Silence => return Ok(false),
        };
        let keys = server.signed(Method::GET, "/v1/account/keys", &entry.person.key_fetch, None);
        match self.answered(keys.await)? {
            Step::Done(_) => entry.keys_fetched = true,
            Step::Later => return Ok(true),
            Step::Silence => return Ok(false),
        }
        let nothing = json!({});
        let gone = server
            .signed(
                Method::POST,
                "/v1/session/destroy",
                &first.session,
                Some(&nothing),
            )
            .await;
        let gone = self.answered(gone)?;
        entry.signed_out = Some(SignOut {
            session: first.session,
            acknowledged: matches!(gone, Step::Done(_)),
        });
        match gone {
            Step::Done(_) => {}
            Step::Later => return Ok(true),
            Step::Silence => return Ok(false),
        }
        let key_id = match self.told(entry.person.key_id(server).await)? {
            Step::Done(key_id) => key_id,
            step => return Ok(matches!(step, Step::Later)),
        };
        let token = match self.told(entry.person.access_token(server).await)? {
            Step::Done(token) => token,
            step => return Ok(matches!(step, Step::Later)),
        };
        match self.answered(exchange(server, &token, &key_id).await)? {
            Step::Done(answer) => entry.service_uid = answer.json()?["uid"].as_u64(),
            step => return Ok(matches!(step, Step::Later)),
        }
        if !self.about_the_password(number, server, mailbox, entry).await? {
            return Ok(false);
        }
        self.about_belongings(number, server, mailbox, entry).await
    }

    /// One call in the person's session.
    async fn posts(&self, server: &Server, entry: &Entry, path: &str, body: &Value) -> Result<Step<Value>> {
        let session = &entry.person.session;
        self.body(server.signed(Method::POST, path, session, Some(body)).await)
    }

    fn body(&self, outcome: Result<Answer>) -> Result<Step<Value>> {
        Ok(match self.answered(outcome)? {
            Step::Done(answer) => Step::Done(answer.json()?),
            Step::Later => Step::Later,
            Step::Silence => Step::Silence,
        })
    }

    fn answered(&self, outcome: Result<Answer>) -> Result<Step<Answer>> {
        self.told(outcome.map(success))
    }

    fn told<T>(&self, outcome: Result<Result<T, Box<Answer>>>) -> Result<Step<T>> {
        match outcome {
            Err(_) => {
                self.silent.fetch_add(1, Ordering::Relaxed);
                Ok(Step::Silence)
            }
            Ok(Ok(done)) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                Ok(Step::Done(done))
            }
            Ok(Err(answer)) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                is_later(&answer)?;
                self.refused_for_now.fetch_add(1, Ordering::Relaxed);
                Ok(Step::Later)
            }
            Ok(Err(answer)) => bail!(in_words(&answer)),
        }
    }

    /// Holds the service to all of it: every session lives but those that were signed out, spent tokens are spent, every
    /// verified address is verified, every user has the node it was given, and a sign-up or a new password without an answer
    /// is either whole or not there. Then forgets it.
    ///
    /// # Errors
    /// For the first thing that is not so.
    pub async fn settle(&self, server: &Server) -> Result<()> {
        let entries = std::mem::take(&mut *lock(&self.entries));
        for entry in &entries {
            self.settle_entry(server, entry)
                .await
                .with_context(|| format!("account {}", entry.person.uid))?;
        }
        let unsure = std::mem::take(&mut *lock(&self.unsure));
        for attempt in &unsure {
            settle_unsure(server, attempt)
                .await
                .context("a sign-up without an answer")?;
        }
        Ok(())
    }

    async fn settle_entry(&self, server: &Server, entry: &Entry) -> Result<()> {
        let person = &entry.person;
        match &entry.password {
            Password::Sure => {}
            Password::Perhaps(other) => return passwords::settle_perhaps(server, person, other).await,
            Password::Gone { acknowledged } => {
                return passwords::settle_gone(server, person, *acknowledged).await;
            }
        }
        self.settle_switch(server, entry).await?;
        passwords::settle_past(server, entry).await?;
        belongings::settle(server, entry).await?;
        guards::settle(server, entry).await?;
        self.settle_grant(server, entry).await?;
        let status = signed(server, Method::GET, "/v1/session/status", &person.session, None).await?;
        ensure!(
            status.status == StatusCode::OK,
            "acknowledged session: {}",
            status.status
        );
        ensure!(
            status.json()?["uid"] == person.uid.as_str(),
            "another account's session"
        );
        if entry.verified {
            ensure!(
                status.json()?["state"] == "verified",
                "an acknowledged verification is lost"
            );
        }
        if entry.keys_fetched {
            let again = signed(server, Method::GET, "/v1/account/keys", &person.key_fetch, None).await?;
            ensure!(
                again.status == StatusCode::UNAUTHORIZED,
                "a key-fetch token works twice: {}",
                again.status
            );
        }
        if let Some(sign_out) = &entry.signed_out {
            settle_sign_out(server, sign_out).await?;
        }
        if let Some(uid) = entry.service_uid {
            let key_id = granted(decided(async || person.key_id(server).await).await?)?;
            let token = granted(decided(async || person.access_token(server).await).await?)?;
            let answer = answered(async || exchange(server, &token, &key_id).await).await?;
            ensure!(answer.status == StatusCode::OK, "exchange: {}", answer.status);
            ensure!(answer.json()?["uid"].as_u64() == Some(uid), "another service uid");
        }
        Ok(())
    }
}

/// A session that was signed out is gone; one that may have been is after another try.
async fn settle_sign_out(server: &Server, sign_out: &SignOut) -> Result<()> {
    let nothing = json!({});
    let keys = &sign_out.session;
    if !sign_out.acknowledged {
        let again = signed(server, Method::POST, "/v1/session/destroy", keys, Some(&nothing)).await?;
        let gone = matches!(again.status, StatusCode::OK | StatusCode::UNAUTHORIZED);
        ensure!(gone, "another try to sign out: {}", in_words(&again));
    }
    let status = signed(server, Method::GET, "/v1/session/status", keys, None).await?;
    ensure!(
        status.status == StatusCode::UNAUTHORIZED,
        "an acknowledged sign-out is lost: {}",
        status.status
    );
    Ok(())
}

/// Either all of it happened, or nothing; and either way the address can be had by trying again.
async fn settle_unsure(server: &Server, attempt: &Unsure) -> Result<()> {
    let Unsure { email, auth_pw, .. } = attempt;
    let whose = json!({ "email": email });
    let answer = answered(async || server.post("/v1/account/status", &whose).await).await?;
    ensure!(answer.status == StatusCode::OK, "status: {}", answer.status);
    if answer.json()?["exists"] == true {
        match decided(async || Person::sign_in(server, email, auth_pw).await).await? {
            Ok(person) => return lives(server, &person).await.context("half-made account"),
            // The address is still the other's: the sign-up did not happen.
            Err(answer) if attempt.squatted && answer.status == StatusCode::BAD_REQUEST => {}
            Err(answer) => bail!("half-made account: {}", in_words(&answer)),
        }
    }
    // What a dead writer left of a sign-up is waited for up to a minute; until then the answer is "come back later".
    let signed_up = decided(async || Person::sign_up(server, email, auth_pw).await).await?;
    lives(server, &granted(signed_up)?).await
}

/// Whether the session of somebody who signed in is one.
async fn lives(server: &Server, person: &Person) -> Result<()> {
    let status = signed(server, Method::GET, "/v1/session/status", &person.session, None).await?;
    ensure!(status.status == StatusCode::OK, "{}", in_words(&status));
    Ok(())
}

/// A signed request, asked again while the answer is to come back later.
async fn signed(
    server: &Server,
    method: Method,
    path: &str,
    keys: &TokenKeys,
    body: Option<&Value>,
) -> Result<Answer> {
    answered(async || server.signed(method.clone(), path, keys, body).await).await
}

/// What was answered, if that was a success.
fn done(answer: Answer) -> Result<Value> {
    ensure!(answer.status == StatusCode::OK, "{}", in_words(&answer));
    answer.json()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
