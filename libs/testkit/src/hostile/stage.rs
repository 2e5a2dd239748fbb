//! The running box that the tables are sent to: its people, and the proof at the end that nothing of it was lost.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{signer::Signer, vitals::Vitals};
use crate::{
    person::{self, FIREFOX, OLDSYNC, Person, Server, unique_hex},
    single_box::SingleBox,
    wait::wait_until,
};

/// How many more handles than before are none of the peers': files that a store opens when it first needs them.
const HANDLES_MORE: usize = 16;
/// How many more threads: pools that grow when they first need to.
const THREADS_MORE: usize = 16;
/// How much more memory: one table of the stretcher, and what an allocator keeps.
const MEMORY_MORE_KIB: u64 = 128 * 1024;

/// A box under attack.
pub struct Stage {
    running: SingleBox,
    before: Vitals,
}

/// Somebody with a token for the storage node.
pub struct Syncing {
    /// Signs storage requests.
    pub signer: Signer,
    /// `/1.5/{uid}`.
    pub base: String,
    /// The user's number in the service.
    pub uid: u64,
}

/// Tokens of the password calls.
pub struct PasswordTokens {
    /// `passwordChangeToken`.
    pub change: TokenKeys,
    /// `passwordForgotToken`.
    pub forgot: TokenKeys,
    /// One that was changed for `reset`.
    pub spent: TokenKeys,
    /// `accountResetToken`.
    pub reset: TokenKeys,
}

/// A program that was registered at the box.
pub struct Program {
    /// `client_id`
    pub id: String,
    /// `client_secret`
    pub secret: String,
}

impl Stage {
    /// Starts a box, lets it work once, and notes what it holds.
    ///
    /// # Errors
    /// When it does not come up or does not serve.
    pub async fn set(work: &Path) -> Result<Self> {
        let running = SingleBox::start(work, &[]).await?;
        let stage = Self {
            before: Vitals::of(running.process.id())?,
            running,
        };
        stage.serves().await.context("before the attack")?;
        Ok(Self {
            before: stage.vitals()?,
            ..stage
        })
    }

    /// Where it serves.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.running.server
    }

    /// As the `Host` header has it.
    #[must_use]
    pub fn host(&self) -> &str {
        let root = &self.server().root;
        root.split_once("://").map_or(root, |(_, host)| host)
    }

    /// What it holds now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn vitals(&self) -> Result<Vitals> {
        Vitals::of(self.running.process.id()).context("the box is gone")
    }

    /// Registers a program with a secret, whose answers go to `redirect_uri`.
    ///
    /// # Errors
    /// When the operator's tool does not do that.
    pub fn program(&self, redirect_uri: &str) -> Result<Program> {
        let named = ["client", "create", "--name", "Wiki", "--output", "json"];
        let arguments = [&named[..], &["--redirect-uri", redirect_uri]].concat();
        let output = self.running.tool(&arguments)?;
        let made: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let text = |at: &str| {
            let found = made.pointer(at).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("no {at}"))
        };
        Ok(Program {
            id: text("/client/id")?,
            secret: text("/secret")?,
        })
    }

    /// What it held before the attack.
    #[must_use]
    pub const fn before(&self) -> Vitals {
        self.before
    }

    /// Somebody who has just signed up and not confirmed the address.
    ///
    /// # Errors
    /// When the box does not do that.
    pub async fn unverified_person(&self) -> Result<Person> {
        let email = format!("{}@example.test", &unique_hex()[..16]);
        let signed_up = Person::sign_up(self.server(), &email, &unique_hex()).await?;
        accepted(signed_up, "signing up")
    }

    /// Somebody with a confirmed address.
    ///
    /// # Errors
    /// When the box does not do that.
    pub async fn person(&self) -> Result<Person> {
        let person = self.unverified_person().await?;
        let verified = person.verify(self.server(), self.running.private).await?;
        ensure!(
            verified.status == StatusCode::OK,
            "confirming: {}",
            verified.status
        );
        Ok(person)
    }

    /// Confirms an address.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn verify(&self, person: &Person) -> Result<StatusCode> {
        Ok(person.verify(self.server(), self.running.private).await?.status)
    }

    /// Somebody's tokens of the password calls, none of them spent.
    ///
    /// # Errors
    /// When the box does not give them.
    pub async fn password_tokens(&self, person: &Person) -> Result<PasswordTokens> {
        let email = json!({ "email": person.email, "oldAuthPW": person.auth_pw });
        let started = self.server().post("/v1/password/change/start", &email).await?;
        let member = |answer: &Value, name: &str| {
            let text = answer[name].as_str().map(str::to_owned);
            text.with_context(|| format!("no {name} in {answer}"))
        };
        let change = member(&started.json()?, "passwordChangeToken")?;
        let send = async || {
            let sent = self
                .server()
                .post("/v1/password/forgot/send_code", &email)
                .await?;
            let text = member(&sent.json()?, "passwordForgotToken")?;
            person::token(TokenKind::PasswordForgot, &text)
        };
        let spent = send().await?;
        let code = person::mailed_header(self.running.private, &person.email, "x-recovery-code").await?;
        let verify = "/v1/password/forgot/verify_code";
        let code = json!({ "code": code });
        let verified = self
            .server()
            .signed(Method::POST, verify, &spent, Some(&code))
            .await?;
        let reset = member(&verified.json()?, "accountResetToken")?;
        Ok(PasswordTokens {
            change: person::token(TokenKind::PasswordChange, &change)?,
            forgot: send().await?,
            spent,
            reset: person::token(TokenKind::AccountReset, &reset)?,
        })
    }

    /// An access token with a scope.
    ///
    /// # Errors
    /// When the box does not give it.
    pub async fn access_token(&self, person: &Person, scope: &str) -> Result<String> {
        let body = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": scope });
        let answer = self
            .server()
            .signed(Method::POST, "/v1/oauth/token", &person.session, Some(&body))
            .await?;
        let answer = answer.json()?;
        let token = answer["access_token"].as_str();
        Ok(token.with_context(|| answer.to_string())?.to_owned())
    }

    /// The Token Server's answer to somebody's access token.
    ///
    /// # Errors
    /// When the box does not give one.
    pub async fn exchanged(&self, person: &Person) -> Result<Value> {
        let token = self.access_token(person, OLDSYNC).await?;
        let key_id = accepted(person.key_id(self.server()).await?, "key id")?;
        let answer = person::exchange(self.server(), &token, &key_id).await?;
        ensure!(answer.status == StatusCode::OK, "exchange: {:?}", answer.json()?);
        answer.json()
    }

    /// Somebody who may use the storage node.
    ///
    /// # Errors
    /// When the box does not let them.
    pub async fn syncing(&self) -> Result<Syncing> {
        Self::syncing_with(&self.exchanged(&self.person().await?).await?)
    }

    /// Uses the Token Server's answer.
    ///
    /// # Errors
    /// When it is not complete.
    pub fn syncing_with(token: &Value) -> Result<Syncing> {
        let endpoint = token["api_endpoint"].as_str().context("api_endpoint")?;
        let (root, base) = endpoint.split_once("/1.5/").context("no /1.5/")?;
        let id = token["id"].as_str().context("id")?.to_owned();
        let key = token["key"].as_str().context("key")?.as_bytes().to_vec();
        Ok(Syncing {
            signer: Signer::new(root, id, key)?,
            base: format!("/1.5/{base}"),
            uid: token["uid"].as_u64().context("uid")?,
        })
    }

    /// Signs up, gets a node, writes a record and reads it back.
    ///
    /// # Errors
    /// Saying where it stopped.
    pub async fn serves(&self) -> Result<()> {
        let person = self.person().await?;
        let token = self.exchanged(&person).await?;
        let path = "/storage/meta/global";
        let body = json!({ "payload": person.email }).to_string();
        let written = person::storage(self.server(), &token, Method::PUT, path, &body).await?;
        ensure!(written.status == StatusCode::OK, "writing: {written:?}");
        let read = person::storage(self.server(), &token, Method::GET, path, "").await?;
        ensure!(
            read.json()?["payload"] == person.email.as_str(),
            "reading: {read:?}"
        );
        Ok(())
    }

    /// The end of a test: the box serves as before, holds no more than before, and stops when it is asked to. Answers
    /// what it held before and after, for the log.
    ///
    /// # Errors
    /// Saying what is wrong.
    pub async fn strike(mut self) -> Result<String> {
        self.serves().await.context("after the attack")?;
        self.has_let_go().await?;
        let after = self.vitals()?;
        ensure!(
            after.resident_kib < self.before.resident_kib + MEMORY_MORE_KIB,
            "memory grew: {:?} to {after:?}",
            self.before
        );
        ensure!(
            after.threads < self.before.threads + THREADS_MORE,
            "threads grew: {:?} to {after:?}",
            self.before
        );
        let output = self.running.process.output()?;
        ensure!(!output.contains("panicked"), "a panic:\n{output}");
        let status = self.running.process.terminate().await?;
        ensure!(status.success(), "ended with {status}");
        Ok(format!("{} before, {after} after", self.before))
    }

    /// Waits until no connection of a peer that has gone is held any more.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn has_let_go(&self) -> Result<()> {
        let most = self.before.handles + HANDLES_MORE;
        let waited = wait_until("the box to close what it opened", || {
            let has = self.vitals().is_ok_and(|vitals| vitals.handles <= most);
            async move { has }
        })
        .await;
        waited.with_context(|| format!("{:?} before, {:?} now", self.before, self.vitals()))
    }
}

fn accepted<T>(outcome: Result<T, Box<crate::http::Answer>>, what: &str) -> Result<T> {
    outcome.map_err(|answer| {
        anyhow::anyhow!(
            "{what}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )
    })
}
