//! A mixed load of sign-ups, logins and exchanges that writes down what the service acknowledged, and afterwards holds the
//! service to it. For tests that kill processes in between.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::{
    http::Answer,
    person::{Person, Server, exchange, unique_hex},
};

/// What the service said yes to, about one person.
struct Entry {
    person: Person,
    verified: bool,
    service_uid: Option<u64>,
}

/// A sign-up that got no answer: it may have happened, whole, or not at all.
struct Unsure {
    email: String,
    auth_pw: String,
}

/// Everything acknowledged in a run.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Vec<Entry>>,
    unsure: Mutex<Vec<Unsure>>,
    acknowledged: AtomicUsize,
    refused_for_now: AtomicUsize,
}

/// Whether a step was acknowledged, refused with "come back later", or got no answer.
enum Step<T> {
    Done(T),
    Later,
    Silence,
}

impl Ledger {
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

    /// Works as one new user after another until `server` does not answer.
    ///
    /// # Errors
    /// For an answer that is neither a success nor "come back later".
    pub async fn work_until_silence(&self, server: &Server, mailbox: SocketAddr) -> Result<()> {
        while self.one_person(server, mailbox).await? {}
        Ok(())
    }

    /// One user's way: sign up, type the code in, sign in again, get a node. `false` after silence.
    ///
    /// # Errors
    /// As [`Self::work_until_silence`].
    pub async fn one_person(&self, server: &Server, mailbox: SocketAddr) -> Result<bool> {
        let (email, auth_pw) = (format!("{}@example.test", &unique_hex()[..20]), unique_hex());
        let person = match self.told(Person::sign_up(server, &email, &auth_pw).await)? {
            Step::Done(person) => person,
            step => {
                lock(&self.unsure).push(Unsure { email, auth_pw });
                return Ok(matches!(step, Step::Later));
            }
        };
        let mut entry = Entry {
            person,
            verified: false,
            service_uid: None,
        };
        let went_on = self.later_steps(server, mailbox, &mut entry).await;
        lock(&self.entries).push(entry);
        went_on
    }

    async fn later_steps(&self, server: &Server, mailbox: SocketAddr, entry: &mut Entry) -> Result<bool> {
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
        match self.told(again)? {
            Step::Done(person) => entry.person = person,
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
        Ok(true)
    }

    fn answered(&self, outcome: Result<Answer>) -> Result<Step<Answer>> {
        let outcome = outcome.map(|answer| {
            if answer.status == StatusCode::OK {
                Ok(answer)
            } else {
                Err(Box::new(answer))
            }
        });
        self.told(outcome)
    }

    fn told<T>(&self, outcome: Result<Result<T, Box<Answer>>>) -> Result<Step<T>> {
        match outcome {
            Err(_) => Ok(Step::Silence),
            Ok(Ok(done)) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                Ok(Step::Done(done))
            }
            Ok(Err(answer)) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                ensure!(
                    !answer.header("retry-after").is_empty(),
                    "503 without Retry-After"
                );
                self.refused_for_now.fetch_add(1, Ordering::Relaxed);
                Ok(Step::Later)
            }
            Ok(Err(answer)) => bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
        }
    }

    /// Holds the service to all of it: every session lives, every verified address is verified, every user has the node
    /// it was given, and a sign-up without an answer is either whole or not there. Then forgets it.
    ///
    /// # Errors
    /// For the first thing that is not so.
    pub async fn settle(&self, server: &Server) -> Result<()> {
        let entries = std::mem::take(&mut *lock(&self.entries));
        for entry in &entries {
            settle_entry(server, entry)
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
}

async fn settle_entry(server: &Server, entry: &Entry) -> Result<()> {
    let status = server
        .signed(Method::GET, "/v1/session/status", &entry.person.session, None)
        .await?;
    ensure!(
        status.status == StatusCode::OK,
        "acknowledged session: {}",
        status.status
    );
    ensure!(
        status.json()?["uid"] == entry.person.uid.as_str(),
        "another account's session"
    );
    if entry.verified {
        ensure!(
            status.json()?["state"] == "verified",
            "an acknowledged verification is lost"
        );
    }
    if let Some(uid) = entry.service_uid {
        let key_id = accepted(entry.person.key_id(server).await?)?;
        let token = accepted(entry.person.access_token(server).await?)?;
        let answer = exchange(server, &token, &key_id).await?;
        ensure!(answer.status == StatusCode::OK, "exchange: {}", answer.status);
        ensure!(answer.json()?["uid"].as_u64() == Some(uid), "another service uid");
    }
    Ok(())
}

async fn settle_unsure(server: &Server, attempt: &Unsure) -> Result<()> {
    let answer = server
        .post("/v1/account/status", &json!({ "email": attempt.email }))
        .await?;
    ensure!(answer.status == StatusCode::OK, "status: {}", answer.status);
    if answer.json()?["exists"] == true {
        let person = accepted(Person::sign_in(server, &attempt.email, &attempt.auth_pw).await?)?;
        let status = server
            .signed(Method::GET, "/v1/session/status", &person.session, None)
            .await?;
        ensure!(
            status.status == StatusCode::OK,
            "half-made account: {}",
            status.status
        );
    }
    Ok(())
}

fn accepted<T>(outcome: Result<T, Box<Answer>>) -> Result<T> {
    outcome.map_err(|answer| anyhow::anyhow!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
