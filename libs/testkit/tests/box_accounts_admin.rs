//! An operator looks after somebody's account on a running box, by the tool: makes it, disables and enables it, gets its owner
//! in again who has lost the password, and deletes it. What was signed in meanwhile counts, or does not, at once, the Token
//! Server of the same box included.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use anyhow::{Context, Result, ensure};
use foxhold_core::hex;
use foxhold_crypto::{
    onepw::ClientKeys,
    token::{TokenKeys, TokenKind},
};
use foxhold_testkit::{
    authenticator::Authenticator,
    http::Answer,
    person::{Person, exchange, token, unique_hex},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

const EMAIL: &str = "Ann@example.test";

/// What a browser sends in place of a password.
fn auth_pw(password: &str) -> String {
    hex::encode(ClientKeys::stretch_v1(EMAIL, password).auth_pw.expose())
}

fn ok(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    ensure!(answer.status == StatusCode::OK, "{} {body}", answer.status);
    Ok(body)
}

/// Status and number of a refusal.
fn refusal(answer: &Answer) -> Result<(u16, u64)> {
    let body = answer.json()?;
    Ok((answer.status.as_u16(), body["errno"].as_u64().unwrap_or_default()))
}

fn text(body: &Value, member: &str) -> Result<String> {
    let text = body[member].as_str().map(str::to_owned);
    text.with_context(|| format!("no {member} in {body}"))
}

/// An operator before a box.
struct Operator {
    running: SingleBox,
    password_file: String,
}

impl Operator {
    async fn start(work: &WorkFolder, password: &str) -> Result<Self> {
        let file = work.path().join("password");
        fs::write(&file, format!("{password}\n"))?;
        Ok(Self {
            running: SingleBox::start(work.path(), &[]).await?,
            password_file: file.display().to_string(),
        })
    }

    /// What a command prints for programs.
    fn told(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["account"], arguments, &["--output", "json"]].concat();
        let output = self.running.tool(&arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn code(&self, arguments: &[&str]) -> Result<Option<i32>> {
        let output = self.running.tool(&[&["account"], arguments].concat())?;
        Ok(output.status.code())
    }

    async fn sign_in(&self, password: &str) -> Result<Result<Person, Box<Answer>>> {
        Person::sign_in(&self.running.server, EMAIL, &auth_pw(password)).await
    }

    async fn signed_in(&self, password: &str) -> Result<Person> {
        let answered = self.sign_in(password).await?;
        answered.map_err(|refused| anyhow::anyhow!("{:?}", refused.json()))
    }

    async fn status_of(&self, session: &TokenKeys) -> Result<(u16, u64)> {
        let path = "/v1/session/status";
        let answer = self
            .running
            .server
            .signed(Method::GET, path, session, None)
            .await?;
        refusal(&answer)
    }

    async fn access_token(&self, person: &Person) -> Result<String> {
        let answered = person.access_token(&self.running.server).await?;
        answered.map_err(|refused| anyhow::anyhow!("{:?}", refused.json()))
    }

    async fn key_id(&self, person: &Person) -> Result<String> {
        let answered = person.key_id(&self.running.server).await?;
        answered.map_err(|refused| anyhow::anyhow!("{:?}", refused.json()))
    }

    async fn exchanged(&self, access: &str, key_id: &str) -> Result<u16> {
        let answer = exchange(&self.running.server, access, key_id).await?;
        Ok(answer.status.as_u16())
    }
}

/// As the page does with the link: the code for a reset token, and that for a new password.
async fn follow(operator: &Operator, link: &str, password: &str) -> Result<()> {
    let query = link.split_once('?').context("a query")?.1;
    let member = |name: &str| {
        let mut all = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = all.find_map(|(known, value)| (known == name).then(|| value.to_owned()));
        found.with_context(|| format!("no {name} in the link"))
    };
    let server = &operator.running.server;
    let forgot = token(TokenKind::PasswordForgot, &member("token")?)?;
    let code = json!({ "code": member("code")? });
    let path = "/v1/password/forgot/verify_code";
    let redeemed = ok(&server.signed(Method::POST, path, &forgot, Some(&code)).await?)?;
    let reset = token(TokenKind::AccountReset, &text(&redeemed, "accountResetToken")?)?;
    let body = json!({ "authPW": auth_pw(password) });
    ok(&server
        .signed(Method::POST, "/v1/account/reset", &reset, Some(&body))
        .await?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_disabled_enabled_reset_and_deleted() -> Result<()> {
    let work = WorkFolder::of("box_accounts_admin")?;
    let (password, other) = (unique_hex(), unique_hex());
    let operator = Operator::start(&work, &password).await?;
    let file = operator.password_file.as_str();
    let made = operator.told(&["create", EMAIL, "--password-file", file])?;
    let uid = text(&made["account"], "uid")?;

    // Its owner signs in, and syncs.
    let person = operator.signed_in(&password).await?;
    assert_eq!(person.uid, uid);
    let (access, key_id) = (
        operator.access_token(&person).await?,
        operator.key_id(&person).await?,
    );
    assert_eq!(operator.exchanged(&access, &key_id).await?, 200);
    let shown = operator.told(&["show", EMAIL])?;
    assert_eq!(
        (&shown["sessions"], &shown["state"]),
        (&json!(1), &json!("active"))
    );

    // Disabled: nothing of it counts, and a stranger's guess is told nothing.
    operator.told(&["disable", EMAIL])?;
    assert_eq!(operator.status_of(&person.session).await?, (401, 110));
    assert_eq!(operator.exchanged(&access, &key_id).await?, 401);
    let refused = operator.sign_in(&password).await?.err().context("refused")?;
    assert_eq!(refusal(&refused)?, (400, 125));
    let guessed = operator.sign_in(&other).await?.err().context("refused")?;
    assert_eq!(refusal(&guessed)?, (400, 103));
    let email = json!({ "email": EMAIL });
    let path = "/v1/password/forgot/send_code";
    let asked = operator.running.server.post(path, &email).await?;
    assert_eq!(refusal(&asked)?, (400, 125));
    assert_eq!(operator.code(&["reset-link", EMAIL])?, Some(6));

    // Enabled: the session is what it was; what was signed before is not.
    operator.told(&["enable", &uid])?;
    assert_eq!(operator.status_of(&person.session).await?.0, 200);
    assert_eq!(operator.exchanged(&access, &key_id).await?, 401);
    let access = operator.access_token(&person).await?;
    assert_eq!(operator.exchanged(&access, &key_id).await?, 200);
    operator.signed_in(&password).await?;

    // A link sets another password, once.
    let link = text(&operator.told(&["reset-link", EMAIL])?, "link")?;
    follow(&operator, &link, &other).await?;
    assert!(follow(&operator, &link, &password).await.is_err(), "it was used");
    assert_eq!(operator.status_of(&person.session).await?, (401, 110));
    let person = operator.signed_in(&other).await?;
    let (access, key_id) = (
        operator.access_token(&person).await?,
        operator.key_id(&person).await?,
    );
    assert_eq!(operator.exchanged(&access, &key_id).await?, 200);

    // Gone.
    operator.told(&["delete", &uid, "--yes"])?;
    assert_eq!(operator.status_of(&person.session).await?, (401, 110));
    assert_eq!(operator.exchanged(&access, &key_id).await?, 401);
    let refused = operator.sign_in(&other).await?.err().context("refused")?;
    assert_eq!(refusal(&refused)?, (400, 102));
    assert_eq!(operator.code(&["show", EMAIL])?, Some(5));
    Ok(())
}

/// What an authenticator shows is asked for until an operator takes the second factor off, and in a session that waits for it
/// even then.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_has_lost_the_authenticator_is_let_in_again() -> Result<()> {
    let work = WorkFolder::of("box_accounts_admin_factor")?;
    let password = unique_hex();
    let operator = Operator::start(&work, &password).await?;
    operator.told(&["create", EMAIL, "--password-file", &operator.password_file])?;
    let person = operator.signed_in(&password).await?;
    let server = &operator.running.server;
    let call = async |path: &str, body: Value| {
        ok(&server
            .signed(Method::POST, path, &person.session, Some(&body))
            .await?)
    };
    let made = call("/v1/totp/create", json!({})).await?;
    let authenticator = Authenticator::of(&text(&made, "secret")?)?;
    let code = json!({ "code": authenticator.code() });
    let enabled = call("/v1/session/verify/totp", code).await?;
    assert_eq!(enabled["success"], true, "{enabled}");
    assert_eq!(operator.told(&["show", EMAIL])?["second_factor"], true);

    let waiting = operator.signed_in(&password).await?;
    let refused = waiting.access_token(server).await?.err().context("it waits")?;
    assert_eq!(refusal(&refused)?, (400, 138));

    let off = ["delete-second-factor", EMAIL];
    assert_eq!(operator.code(&off)?, Some(6), "nobody has confirmed it");
    let told = operator.told(&[&off[..], &["--dry-run"]].concat())?;
    assert_eq!(
        (&told["outcome"], &told["dry_run"]),
        (&json!("changed"), &json!(true))
    );
    assert_eq!(operator.told(&["show", EMAIL])?["second_factor"], true);
    let told = operator.told(&[&off[..], &["--yes"]].concat())?;
    assert_eq!(told["outcome"], "changed");
    assert_eq!(operator.told(&["show", EMAIL])?["second_factor"], false);

    let refused = waiting.access_token(server).await?.err().context("it waits")?;
    assert_eq!(refusal(&refused)?, (400, 138));
    let person = operator.signed_in(&password).await?;
    operator.access_token(&person).await?;
    Ok(())
}
