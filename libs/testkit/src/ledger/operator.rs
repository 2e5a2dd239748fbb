//! What an operator does meanwhile, by the tool: registers a program that users sign in to, disables accounts and enables
//! them. An acknowledged change holds; one without an answer may hold, and holds when it is made again.

use anyhow::{Context, Result, bail, ensure};
use foxhold_runtime::process::UNAVAILABLE;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::process::Command;

use super::{Entry, Ledger, Step, answered, programs::Program, signed};
use crate::{
    insist::in_words,
    person::Server,
    process::binary_path,
    wait::{patiently, pause},
};

/// Somebody with the operator's tool.
#[derive(Debug)]
pub struct Operator {
    reaches: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

/// What an operator has made of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Switch {
    /// It may be used.
    #[default]
    On,
    /// The last change got no answer.
    Unsure,
    /// It is disabled.
    Off,
}

impl Operator {
    /// `reaches` are the flags by which the tool finds the box or the fleet.
    #[must_use]
    pub const fn new(reaches: Vec<String>, environment: Vec<(&'static str, String)>) -> Self {
        Self { reaches, environment }
    }

    /// What a command tells programs; refused for now if the store or a tier is away.
    async fn told(&self, arguments: &[&str]) -> Result<Step<Value>> {
        let mut command = Command::new(binary_path("foxhold")?);
        command
            .args(arguments)
            .args(&self.reaches)
            .args(["--output", "json"])
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .kill_on_drop(true);
        let output = patiently("the operator's tool", command.output()).await??;
        match output.status.code() {
            Some(0) => Ok(Step::Done(serde_json::from_slice(&output.stdout)?)),
            Some(code) if code == i32::from(UNAVAILABLE) => Ok(Step::Later),
            _ => bail!(
                "{arguments:?}: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    /// The same, asked again while it is refused for now.
    async fn insists(&self, arguments: &[&str]) -> Result<Value> {
        let asking = async {
            loop {
                if let Step::Done(told) = self.told(arguments).await? {
                    return Ok(told);
                }
                pause().await;
            }
        };
        patiently("the operator to be answered", asking).await?
    }

    /// Registers a program with a secret.
    pub(super) async fn registers(&self) -> Result<Program> {
        let create = [
            "client",
            "create",
            "--name",
            "Wiki",
            "--redirect-uri",
            Program::CALLBACK,
        ];
        let scopes = ["openid", "profile", "offline_access"].map(|scope| ["--scope", scope]);
        let told = self
            .insists(&[&create[..], &scopes.concat()[..]].concat())
            .await?;
        let id = told["client"]["id"].as_str().context("no id")?;
        let secret = told["secret"].as_str().context("no secret")?;
        Ok(Program::new(id, secret))
    }
}

impl Ledger {
    /// Disables the person's account, and enables it unless it is to stay so.
    pub(super) async fn is_disabled(&self, stays_so: bool, entry: &mut Entry) -> Result<Step<Value>> {
        let switches: &[(&'static str, Switch)] = if stays_so {
            &[("disable", Switch::Off)]
        } else {
            &[("disable", Switch::Off), ("enable", Switch::On)]
        };
        let mut last = Step::Later;
        for &(command, switch) in switches {
            let Some(desk) = &self.desk else { break };
            entry.switch = Switch::Unsure;
            last = desk
                .operator
                .told(&["account", command, entry.person.uid.as_str()])
                .await?;
            if !matches!(last, Step::Done(_)) {
                break;
            }
            self.acknowledges(command);
            entry.switch = switch;
        }
        Ok(last)
    }

    /// A disabled account lets nobody in. Whatever became of it, it can be used again when it is enabled.
    pub(super) async fn settle_switch(&self, server: &Server, entry: &Entry) -> Result<()> {
        let Some(desk) = &self.desk else { return Ok(()) };
        match entry.switch {
            Switch::On => return Ok(()),
            Switch::Unsure => {}
            Switch::Off => is_shut(server, entry).await?,
        }
        let enable = ["account", "enable", entry.person.uid.as_str()];
        desk.operator.insists(&enable).await.map(drop)
    }
}

async fn is_shut(server: &Server, entry: &Entry) -> Result<()> {
    let person = &entry.person;
    let status = signed(server, Method::GET, "/v1/session/status", &person.session, None).await?;
    ensure!(
        status.status == StatusCode::UNAUTHORIZED,
        "a session of a disabled account: {}",
        in_words(&status)
    );
    let body = serde_json::json!({ "email": person.email, "authPW": person.auth_pw });
    let login = answered(async || server.post("/v1/account/login", &body).await).await?;
    ensure!(
        login.json()?["errno"] == 125,
        "a sign-in to a disabled account: {}",
        in_words(&login)
    );
    Ok(())
}
