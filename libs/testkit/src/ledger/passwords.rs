//! What users do about their passwords, each something else: give it again, change it, forget it, upgrade it, or end the
//! account. A change without an answer has happened, whole, or has not: exactly one of two passwords signs in.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Entry, Ledger, Step, answered, decided, granted, in_words, signed};
use crate::{
    http::Answer,
    person::{Person, Server, mailed_header, unique_hex},
};

/// What is known of a person's password beside the one that was acknowledged last.
#[derive(Default)]
pub(super) enum Password {
    /// Nothing.
    #[default]
    Sure,
    /// This may be it instead.
    Perhaps(String),
    /// The account was ended, or may have been.
    Gone {
        /// Whether that was acknowledged.
        acknowledged: bool,
    },
}

/// What an acknowledged change has left behind.
#[derive(Default)]
pub(super) struct Past {
    /// Passwords that sign nobody in any more.
    passwords: Vec<String>,
    /// Sessions that are over.
    sessions: Vec<TokenKeys>,
    /// Another password of the same account: that of the second verifier.
    second: Option<String>,
}

impl Ledger {
    /// Something about the password, by the person's number. `false` after silence.
    pub(super) async fn about_the_password(
        &self,
        number: usize,
        server: &Server,
        mailbox: SocketAddr,
        entry: &mut Entry,
    ) -> Result<bool> {
        match number % 5 {
            0 => self.gives_it_again(server, entry).await,
            1 => self.changes_it(server, entry).await,
            2 => self.forgets_it(server, mailbox, entry).await,
            3 => self.upgrades_it(server, entry).await,
            _ => self.ends_the_account(server, entry).await,
        }
    }

    async fn gives_it_again(&self, server: &Server, entry: &mut Entry) -> Result<bool> {
        let Person {
            email,
            auth_pw,
            session,
            ..
        } = &entry.person;
        let body = json!({ "email": email, "authPW": auth_pw });
        let path = "/v1/session/reauth?keys=true";
        let asked = server.signed(Method::POST, path, session, Some(&body)).await;
        match self.answered(asked)? {
            Step::Done(answer) => entry.has_new_keys(&answer.json()?)?,
            step => return Ok(matches!(step, Step::Later)),
        }
        self.acknowledges("password given again");
        Ok(true)
    }

    async fn changes_it(&self, server: &Server, entry: &mut Entry) -> Result<bool> {
        let (token, new) = match self.starts(server, entry).await? {
            Step::Done(token) => (token, unique_hex()),
            step => return Ok(matches!(step, Step::Later)),
        };
        let body = json!({
            "authPW": new,
            "wrapKb": unique_hex(),
            "sessionToken": hex::encode(entry.person.session.id.as_bytes()),
        });
        let path = "/v1/password/change/finish?keys=true";
        let asked = server.signed(Method::POST, path, &token, Some(&body)).await;
        let changed = self.answered(asked)?;
        if matches!(changed, Step::Done(_)) {
            self.acknowledges("password changed");
        }
        entry.has_a_new_password(new, changed)
    }

    /// With the password the account has, as a client does that now stretches it longer.
    async fn upgrades_it(&self, server: &Server, entry: &mut Entry) -> Result<bool> {
        let (token, second) = match self.starts(server, entry).await? {
            Step::Done(token) => (token, unique_hex()),
            step => return Ok(matches!(step, Step::Later)),
        };
        let body = json!({
            "authPW": entry.person.auth_pw,
            "wrapKb": unique_hex(),
            "authPWVersion2": second,
            "wrapKbVersion2": unique_hex(),
            "clientSalt": format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", &unique_hex()[..32]),
            "sessionToken": hex::encode(entry.person.session.id.as_bytes()),
        });
        let path = "/v1/password/change/finish?keys=true";
        let asked = server.signed(Method::POST, path, &token, Some(&body)).await;
        match self.answered(asked)? {
            Step::Done(answer) => {
                entry.past.second = Some(second);
                entry.is_in_a_new_session(&answer.json()?)?;
            }
            step => return Ok(matches!(step, Step::Later)),
        }
        self.acknowledges("password upgraded");
        Ok(true)
    }

    async fn starts(&self, server: &Server, entry: &Entry) -> Result<Step<TokenKeys>> {
        let Person { email, auth_pw, .. } = &entry.person;
        let body = json!({ "email": email, "oldAuthPW": auth_pw });
        let asked = server.post("/v1/password/change/start", &body).await;
        self.given(asked, TokenKind::PasswordChange, "passwordChangeToken")
    }

    async fn forgets_it(&self, server: &Server, mailbox: SocketAddr, entry: &mut Entry) -> Result<bool> {
        let new = unique_hex();
        let body = json!({ "authPW": new, "sessionToken": true });
        let reset = self.resets(server, mailbox, entry, new, &body).await?;
        if matches!(reset, Step::Done(())) {
            self.acknowledges("password reset");
            // The keys are other ones now, so what was stored under the old ones is no matter.
            entry.service_uid = None;
        }
        Ok(!matches!(reset, Step::Silence))
    }

    /// Sets the password `new` with a mailed code. Types a wrong code first.
    pub(super) async fn resets(
        &self,
        server: &Server,
        mailbox: SocketAddr,
        entry: &mut Entry,
        new: String,
        body: &Value,
    ) -> Result<Step<()>> {
        let reset = match self.is_let_reset(server, mailbox, entry).await? {
            Step::Done(reset) => reset,
            step => return Ok(step.bare()),
        };
        let path = "/v1/account/reset?keys=true";
        let asked = server.signed(Method::POST, path, &reset, Some(body)).await;
        let changed = self.answered(asked)?;
        let step = changed.bare();
        entry.has_a_new_password(new, changed)?;
        Ok(step)
    }

    async fn is_let_reset(
        &self,
        server: &Server,
        mailbox: SocketAddr,
        entry: &Entry,
    ) -> Result<Step<TokenKeys>> {
        let email = json!({ "email": entry.person.email });
        let asked = server.post("/v1/password/forgot/send_code", &email).await;
        let forgot = match self.given(asked, TokenKind::PasswordForgot, "passwordForgotToken")? {
            Step::Done(forgot) => forgot,
            step => return Ok(step),
        };
        // The mailbox is on the process that may just have died: no mail is silence, too.
        let Ok(code) = mailed_header(mailbox, &entry.person.email, "x-recovery-code").await else {
            return Ok(Step::Silence);
        };
        let path = "/v1/password/forgot/verify_code";
        let wrong = json!({ "code": &unique_hex()[..32] });
        match server.signed(Method::POST, path, &forgot, Some(&wrong)).await {
            Ok(answer) if answer.status == StatusCode::BAD_REQUEST => {}
            asked => match self.answered(asked)? {
                Step::Done(answer) => bail!("a wrong code is right: {}", in_words(&answer)),
                Step::Later => return Ok(Step::Later),
                Step::Silence => return Ok(Step::Silence),
            },
        }
        let right = json!({ "code": code });
        let asked = server.signed(Method::POST, path, &forgot, Some(&right)).await;
        self.given(asked, TokenKind::AccountReset, "accountResetToken")
    }

    async fn ends_the_account(&self, server: &Server, entry: &mut Entry) -> Result<bool> {
        let Person {
            email,
            auth_pw,
            session,
            ..
        } = &entry.person;
        let body = json!({ "email": email, "authPW": auth_pw });
        let asked = server.signed(Method::POST, "/v1/account/destroy", session, Some(&body));
        let ended = self.answered(asked.await)?;
        let acknowledged = matches!(ended, Step::Done(_));
        if acknowledged {
            self.acknowledges("account ended");
        }
        entry.password = Password::Gone { acknowledged };
        Ok(!matches!(ended, Step::Silence))
    }

    /// The token that an answer brings.
    fn given(&self, asked: Result<Answer>, kind: TokenKind, member: &str) -> Result<Step<TokenKeys>> {
        Ok(match self.answered(asked)? {
            Step::Done(answer) => Step::Done(token(kind, &answer.json()?, member)?),
            Step::Later => Step::Later,
            Step::Silence => Step::Silence,
        })
    }
}

impl Entry {
    fn has_a_new_password(&mut self, new: String, changed: Step<Answer>) -> Result<bool> {
        match changed {
            Step::Done(answer) => {
                let old = std::mem::replace(&mut self.person.auth_pw, new);
                self.past.passwords.push(old);
                let before = self.is_in_a_new_session(&answer.json()?)?;
                self.past.sessions.push(before);
                Ok(true)
            }
            step => {
                self.password = Password::Perhaps(new);
                Ok(matches!(step, Step::Later))
            }
        }
    }

    /// The session before.
    fn is_in_a_new_session(&mut self, answer: &Value) -> Result<TokenKeys> {
        let session = token(TokenKind::Session, answer, "sessionToken")?;
        self.has_new_keys(answer)?;
        Ok(std::mem::replace(&mut self.person.session, session))
    }

    fn has_new_keys(&mut self, answer: &Value) -> Result<()> {
        self.person.key_fetch = token(TokenKind::KeyFetch, answer, "keyFetchToken")?;
        self.keys_fetched = false;
        Ok(())
    }
}

fn token(kind: TokenKind, answer: &Value, member: &str) -> Result<TokenKeys> {
    let text = answer[member]
        .as_str()
        .with_context(|| format!("no {member} in {answer}"))?;
    Ok(TokenKeys::derive(kind, &Secret::new(hex::decode(text)?)))
}

/// An acknowledged change ended what was before it.
pub(super) async fn settle_past(server: &Server, entry: &Entry) -> Result<()> {
    for password in &entry.past.passwords {
        ensure!(
            !signs_in(server, &entry.person.email, password).await?,
            "an old password signs in"
        );
    }
    for session in &entry.past.sessions {
        ensure!(
            !is_alive(server, session).await?,
            "a session of an old password lives"
        );
    }
    let changed = !entry.past.passwords.is_empty();
    let first = changed.then_some(&entry.person.auth_pw);
    for password in first.into_iter().chain(&entry.past.second) {
        ensure!(
            signs_in(server, &entry.person.email, password).await?,
            "an acknowledged password does not sign in"
        );
    }
    Ok(())
}

/// Either the password is what it was, and so is who is signed in, or it is the other one.
pub(super) async fn settle_perhaps(server: &Server, person: &Person, other: &str) -> Result<()> {
    let old = signs_in(server, &person.email, &person.auth_pw).await?;
    let new = signs_in(server, &person.email, other).await?;
    ensure!(
        old != new,
        "half a password: the old one signs in: {old}, and so does the other"
    );
    let lives = is_alive(server, &person.session).await?;
    ensure!(lives == old, "a session lives: {lives}; of the password: {old}");
    Ok(())
}

/// The account is gone, or another try ends it; and its address is free.
pub(super) async fn settle_gone(server: &Server, person: &Person, acknowledged: bool) -> Result<()> {
    let body = json!({ "email": person.email, "authPW": person.auth_pw });
    if !acknowledged {
        let again = answered(async || server.post("/v1/account/destroy", &body).await).await?;
        let gone = again.status == StatusCode::OK || again.json()?["errno"] == 102;
        ensure!(gone, "another try to end an account: {}", in_words(&again));
    }
    ensure!(
        !is_alive(server, &person.session).await?,
        "a session of an account that ended lives"
    );
    let whose = json!({ "email": person.email });
    let status = answered(async || server.post("/v1/account/status", &whose).await).await?;
    ensure!(status.json()?["exists"] == false, "an acknowledged end is lost");
    let next = decided(async || Person::sign_up(server, &person.email, &unique_hex()).await).await?;
    let next = granted(next).context("the address of an account that ended")?;
    ensure!(next.uid != person.uid, "an account came back");
    Ok(())
}

async fn signs_in(server: &Server, email: &str, auth_pw: &str) -> Result<bool> {
    let body = json!({ "email": email, "authPW": auth_pw });
    let answer = answered(async || server.post("/v1/account/login", &body).await).await?;
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::BAD_REQUEST if answer.json()?["errno"] == 103 => Ok(false),
        _ => bail!("a login: {}", in_words(&answer)),
    }
}

async fn is_alive(server: &Server, session: &TokenKeys) -> Result<bool> {
    let answer = signed(server, Method::GET, "/v1/session/status", session, None).await?;
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::UNAUTHORIZED => Ok(false),
        _ => bail!("a session's status: {}", in_words(&answer)),
    }
}
