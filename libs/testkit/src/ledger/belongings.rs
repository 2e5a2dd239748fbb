//! What users have beside their password: a device for which a command waits, a recovery key, a refresh token, a second factor.
//! Only who keeps the password gets some, since its change ends sessions and what hangs on them.

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Entry, Ledger, Step, answered, in_words, signed};
use crate::{
    authenticator::Authenticator,
    http::Answer,
    person::{FIREFOX, Server, unique_hex},
};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Belongings {
    /// Sent to the own device, and not looked for yet.
    command: Option<String>,
    /// Its id.
    recovery_key: Option<String>,
    /// The token, and the code that was spent for it.
    refresh: Option<(Value, Value)>,
    /// Turned on.
    second_factor: bool,
}

impl Ledger {
    /// Something of that, by the person's number. `false` after silence.
    pub(super) async fn about_belongings(
        &self,
        number: usize,
        server: &Server,
        entry: &mut Entry,
    ) -> Result<bool> {
        // As in `about_the_password`: this one only gives it again.
        if !number.is_multiple_of(5) {
            return Ok(true);
        }
        let step = match number / 5 % 4 {
            0 => self.sends_a_command(server, entry).await?,
            1 => self.makes_a_recovery_key(server, entry).await?,
            2 => self.gets_a_refresh_token(server, entry).await?,
            _ => self.turns_the_second_factor_on(server, entry).await?,
        };
        Ok(!matches!(step, Step::Silence))
    }

    /// One call in the person's session.
    async fn posts(&self, server: &Server, entry: &Entry, path: &str, body: &Value) -> Result<Step<Value>> {
        let session = &entry.person.session;
        let asked = server.signed(Method::POST, path, session, Some(body)).await;
        Ok(match self.answered(asked)? {
            Step::Done(answer) => Step::Done(answer.json()?),
            Step::Later => Step::Later,
            Step::Silence => Step::Silence,
        })
    }

    async fn sends_a_command(&self, server: &Server, entry: &mut Entry) -> Result<Step<Value>> {
        let body = json!({ "name": "n", "type": "desktop", "availableCommands": { "c": "k" } });
        let device = self.posts(server, entry, "/v1/account/device", &body).await?;
        let Step::Done(device) = device else {
            return Ok(device);
        };
        let text = unique_hex();
        let body =
            json!({ "target": device["id"], "command": "c", "payload": { "text": text }, "ttl": 86_400 });
        let path = "/v1/account/devices/invoke_command";
        let sent = self.posts(server, entry, path, &body).await?;
        if matches!(sent, Step::Done(_)) {
            entry.belongings.command = Some(text);
        }
        Ok(sent)
    }

    async fn makes_a_recovery_key(&self, server: &Server, entry: &mut Entry) -> Result<Step<Value>> {
        let id = unique_hex()[..32].to_owned();
        let body = json!({ "recoveryKeyId": id, "recoveryData": "sealed" });
        let made = self.posts(server, entry, "/v1/recoveryKey", &body).await?;
        if matches!(made, Step::Done(_)) {
            entry.belongings.recovery_key = Some(id);
        }
        Ok(made)
    }

    async fn gets_a_refresh_token(&self, server: &Server, entry: &mut Entry) -> Result<Step<Value>> {
        let body = json!({
            "client_id": FIREFOX, "state": "s", "scope": "profile", "access_type": "offline", "response_type": "code",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        let asked = self
            .posts(server, entry, "/v1/oauth/authorization", &body)
            .await?;
        let Step::Done(asked) = asked else {
            return Ok(asked);
        };
        let traded = self
            .posts(server, entry, "/v1/oauth/token", &trade(&asked["code"]))
            .await?;
        if let Step::Done(tokens) = &traded {
            entry.belongings.refresh = Some((tokens["refresh_token"].clone(), asked["code"].clone()));
        }
        Ok(traded)
    }

    async fn turns_the_second_factor_on(&self, server: &Server, entry: &mut Entry) -> Result<Step<Value>> {
        let made = self.posts(server, entry, "/v1/totp/create", &json!({})).await?;
        let Step::Done(made) = made else {
            return Ok(made);
        };
        let secret = made["secret"].as_str().context("no secret")?;
        let body = json!({ "code": Authenticator::of(secret)?.code() });
        let shown = self
            .posts(server, entry, "/v1/session/verify/totp", &body)
            .await?;
        if let Step::Done(answer) = &shown {
            ensure!(answer["success"] == true, "the present code is wrong: {answer}");
            entry.belongings.second_factor = true;
        }
        Ok(shown)
    }
}

fn trade(code: &Value) -> Value {
    json!({ "grant_type": "authorization_code", "client_id": FIREFOX, "code": code, "code_verifier": VERIFIER })
}

/// All that was acknowledged is there, and what is spent stays spent.
pub(super) async fn settle(server: &Server, entry: &Entry) -> Result<()> {
    let belongings = &entry.belongings;
    let session = &entry.person.session;
    let get = async |path: &str| done(signed(server, Method::GET, path, session, None).await?);
    if let Some(text) = &belongings.command {
        let waiting = get("/v1/account/device/commands").await?;
        let messages = waiting["messages"].as_array().context("no messages")?;
        let mut texts = messages.iter().map(|message| &message["data"]["payload"]["text"]);
        ensure!(
            texts.any(|found| found == text),
            "an acknowledged command is lost: {waiting}"
        );
    }
    if let Some(id) = &belongings.recovery_key {
        let body = json!({ "recoveryKeyId": id });
        let path = "/v1/recoveryKey/verify";
        let known = signed(server, Method::POST, path, session, Some(&body)).await?;
        done(known).context("an acknowledged recovery key")?;
    }
    if let Some((token, code)) = &belongings.refresh {
        let body = json!({ "grant_type": "refresh_token", "client_id": FIREFOX, "refresh_token": token });
        let fresh = answered(async || server.post("/v1/oauth/token", &body).await).await?;
        done(fresh).context("an acknowledged refresh token")?;
        let again = answered(async || server.post("/v1/oauth/token", &trade(code)).await).await?;
        ensure!(
            again.json()?["errno"] == 172,
            "a code is good twice: {}",
            in_words(&again)
        );
    }
    if belongings.second_factor {
        let factor = get("/v1/totp/exists").await?;
        ensure!(
            factor["verified"] == true,
            "an acknowledged second factor is off: {factor}"
        );
    }
    Ok(())
}

fn done(answer: Answer) -> Result<Value> {
    ensure!(answer.status == StatusCode::OK, "{}", in_words(&answer));
    answer.json()
}
