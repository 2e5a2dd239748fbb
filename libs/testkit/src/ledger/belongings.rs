//! What users have beside their password: a device for which a command waits, a refresh token, and what other modules tell: what
//! guards the account, what a program was granted, what an operator has made of it. Only those get some whose password is known for
//! sure, since its change ends sessions and what hangs on them.

use std::{net::SocketAddr, sync::atomic::Ordering};

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};

use super::{
    CHALLENGE, Entry, Ledger, Step, VERIFIER, answered, done, in_words, passwords::Password, signed,
};
use crate::person::{FIREFOX, Server, unique_hex};

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Belongings {
    /// Sent to the own device, and not looked for yet.
    command: Option<String>,
    /// The token, and the code that was spent for it.
    refresh: Option<(Value, Value)>,
}

impl Ledger {
    /// Something of that, in turn, and something that hangs on it. `false` after silence.
    pub(super) async fn about_belongings(
        &self,
        number: usize,
        server: &Server,
        mailbox: SocketAddr,
        entry: &mut Entry,
    ) -> Result<bool> {
        // As in `about_the_password`: these only give it again, or change it.
        if number % 5 > 1 || !matches!(entry.password, Password::Sure) {
            return Ok(true);
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let is_odd = turn / 4 % 2 == 1;
        let step = match turn % 4 {
            0 => match self.sends_a_command(server, entry).await? {
                Step::Done(_) => self.signs_in_to_a_program(server, is_odd, entry).await?.bare(),
                step => step.bare(),
            },
            1 => match self.makes_a_recovery_key(server, entry).await? {
                Step::Done(_) if is_odd => self.uses_the_recovery_key(server, mailbox, entry).await?,
                step => step.bare(),
            },
            2 => match self.gets_a_refresh_token(server, entry).await? {
                Step::Done(_) => self.is_disabled(is_odd, entry).await?.bare(),
                step => step.bare(),
            },
            _ => match self.turns_the_second_factor_on(server, entry).await? {
                Step::Done(told) => self.uses_a_backup_code(server, entry, &told).await?.bare(),
                step => step.bare(),
            },
        };
        Ok(!matches!(step, Step::Silence))
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
            self.acknowledges("command");
            entry.belongings.command = Some(text);
        }
        Ok(sent)
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
            self.acknowledges("refresh token");
            entry.belongings.refresh = Some((tokens["refresh_token"].clone(), asked["code"].clone()));
        }
        Ok(traded)
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
    Ok(())
}
