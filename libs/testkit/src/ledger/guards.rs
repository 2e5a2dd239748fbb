//! What guards users' accounts: a second factor, whose codes and backup codes are good once each, and a recovery key, which
//! is used up by the reset it is good for.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Entry, Ledger, Step, done, in_words, signed};
use crate::{
    authenticator::Authenticator,
    person::{Server, unique_hex},
};

const BY_CODE: &str = "/v1/session/verify/totp";
const BY_BACKUP_CODE: &str = "/v1/session/verify/recoveryCode";
/// Who turns the second factor on gets as many.
const BACKUP_CODES: u64 = 8;

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Guards {
    /// The code that turned the second factor on.
    second_factor: Option<String>,
    backup_code: Option<BackupCode>,
    recovery_key: Option<RecoveryKey>,
}

/// One that was used, or may have been.
struct BackupCode {
    code: String,
    acknowledged: bool,
}

struct RecoveryKey {
    id: String,
    used: bool,
}

impl Ledger {
    pub(super) async fn turns_the_second_factor_on(
        &self,
        server: &Server,
        entry: &mut Entry,
    ) -> Result<Step<Value>> {
        let made = self.posts(server, entry, "/v1/totp/create", &json!({})).await?;
        let Step::Done(made) = made else {
            return Ok(made);
        };
        let secret = made["secret"].as_str().context("no secret")?;
        let code = Authenticator::of(secret)?.code();
        let shown = self
            .posts(server, entry, BY_CODE, &json!({ "code": code }))
            .await?;
        if let Step::Done(answer) = &shown {
            ensure!(answer["success"] == true, "the present code is wrong: {answer}");
            self.acknowledges("second factor");
            entry.guards.second_factor = Some(code);
        }
        Ok(shown)
    }

    /// One of those that came with the second factor.
    pub(super) async fn uses_a_backup_code(
        &self,
        server: &Server,
        entry: &mut Entry,
        told: &Value,
    ) -> Result<Step<Value>> {
        let code = told["recoveryCodes"][0].as_str().context("no backup codes")?;
        let used = self
            .posts(server, entry, BY_BACKUP_CODE, &json!({ "code": code }))
            .await?;
        let acknowledged = matches!(used, Step::Done(_));
        if acknowledged {
            self.acknowledges("backup code");
        }
        entry.guards.backup_code = Some(BackupCode {
            code: code.to_owned(),
            acknowledged,
        });
        Ok(used)
    }

    pub(super) async fn makes_a_recovery_key(
        &self,
        server: &Server,
        entry: &mut Entry,
    ) -> Result<Step<Value>> {
        let id = unique_hex()[..32].to_owned();
        let body = json!({ "recoveryKeyId": id, "recoveryData": "sealed" });
        let made = self.posts(server, entry, "/v1/recoveryKey", &body).await?;
        if matches!(made, Step::Done(_)) {
            self.acknowledges("recovery key");
            entry.guards.recovery_key = Some(RecoveryKey { id, used: false });
        }
        Ok(made)
    }

    /// Sets another password by the recovery key: the keys stay, and what is stored under them.
    pub(super) async fn uses_the_recovery_key(
        &self,
        server: &Server,
        mailbox: SocketAddr,
        entry: &mut Entry,
    ) -> Result<Step<()>> {
        let key = entry.guards.recovery_key.as_ref().context("no recovery key")?;
        let new = unique_hex();
        let body = json!({
            "authPW": new, "wrapKb": unique_hex(), "sessionToken": true, "recoveryKeyId": key.id,
        });
        let reset = self.resets(server, mailbox, entry, new, &body).await?;
        if let (Step::Done(()), Some(key)) = (&reset, &mut entry.guards.recovery_key) {
            self.acknowledges("reset by recovery key");
            key.used = true;
        }
        Ok(reset)
    }
}

/// All that was acknowledged is there, and what is spent stays spent.
pub(super) async fn settle(server: &Server, entry: &Entry) -> Result<()> {
    let guards = &entry.guards;
    let session = &entry.person.session;
    let post = async |path: &str, body: Value| signed(server, Method::POST, path, session, Some(&body)).await;
    if let Some(key) = &guards.recovery_key {
        let known = post("/v1/recoveryKey/verify", json!({ "recoveryKeyId": key.id })).await?;
        ensure!(
            (known.status == StatusCode::OK) != key.used,
            "an acknowledged recovery key, used: {}: {}",
            key.used,
            in_words(&known)
        );
    }
    let Some(code) = &guards.second_factor else {
        return Ok(());
    };
    let factor = signed(server, Method::GET, "/v1/totp/exists", session, None).await?;
    let factor = done(factor)?;
    ensure!(
        factor["verified"] == true,
        "an acknowledged second factor is off: {factor}"
    );
    let again = done(post(BY_CODE, json!({ "code": code })).await?)?;
    ensure!(again["success"] == false, "a code is good twice: {again}");
    if let Some(used) = &guards.backup_code {
        settle_backup_code(server, entry, used).await?;
    }
    Ok(())
}

/// It is spent, or is after another try, and of the others none is.
async fn settle_backup_code(server: &Server, entry: &Entry, used: &BackupCode) -> Result<()> {
    let session = &entry.person.session;
    let body = json!({ "code": used.code });
    let use_it = async || signed(server, Method::POST, BY_BACKUP_CODE, session, Some(&body)).await;
    if !used.acknowledged {
        use_it().await?;
    }
    let again = use_it().await?;
    let is_spent = again.status == StatusCode::BAD_REQUEST && again.json()?["errno"] == 156;
    ensure!(is_spent, "a backup code is good twice: {}", in_words(&again));
    let left = done(signed(server, Method::GET, "/v1/recoveryCodes/exists", session, None).await?)?;
    ensure!(left["count"] == BACKUP_CODES - 1, "backup codes: {left}");
    Ok(())
}
