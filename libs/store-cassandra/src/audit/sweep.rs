//! The end of an account: nobody can use it any more, and then goes what hangs on it.

use foxhold_core::{DeviceId, TokenId, Uid};
use foxhold_ports::Call;
use scylla::DeserializeRow;

use super::{Audit, AuditError, rows::Account, scan::soon};
use crate::cql::{Outcome, RegionalConditional};

#[derive(DeserializeRow)]
struct SessionOf {
    id: Vec<u8>,
    key_fetches: Option<Vec<Vec<u8>>>,
    written: Option<i64>,
}

#[derive(DeserializeRow)]
struct RefreshTokenOf {
    id: Vec<u8>,
    written: Option<i64>,
}

#[derive(DeserializeRow)]
pub(super) struct DeviceOf {
    pub(super) id: Vec<u8>,
    pub(super) session: Option<Vec<u8>>,
    pub(super) written: Option<i64>,
}

#[derive(DeserializeRow)]
pub(super) struct GrantOf {
    pub(super) client: Vec<u8>,
    pub(super) written: Option<i64>,
}

/// The timestamp of a deletion that reaches what was read and nothing newer.
pub(super) fn just_after(written: Option<i64>) -> i64 {
    written.unwrap_or(0).saturating_add(1)
}

/// Whether sessions, devices, refresh tokens or grants hang on an account.
pub(super) async fn has_any(audit: &Audit<'_>, uid: &[u8]) -> Result<bool, AuditError> {
    let statements = &audit.statements;
    let sessions: Vec<SessionOf> = audit.cql.rows(soon(), &statements.sessions_of, (uid,)).await?;
    if !sessions.is_empty() {
        return Ok(true);
    }
    let devices: Vec<DeviceOf> = audit.cql.rows(soon(), &statements.devices_of, (uid,)).await?;
    if !devices.is_empty() {
        return Ok(true);
    }
    let tokens: Vec<RefreshTokenOf> = audit
        .cql
        .rows(soon(), &statements.refresh_tokens_of, (uid,))
        .await?;
    Ok(!tokens.is_empty() || !grants(audit, uid).await?.is_empty())
}

/// What an account has agreed to, for clients.
pub(super) async fn grants(audit: &Audit<'_>, uid: &[u8]) -> Result<Vec<GrantOf>, AuditError> {
    let grants = audit.cql.rows(soon(), &audit.statements.grants_of, (uid,));
    Ok(grants.await?)
}

/// Sees to it that an account that is not there, or is deleted, cannot come to be: whoever was making it and went to
/// sleep finds the bar. `false` = it is there by now, or it is not known.
pub(super) async fn bar(audit: &Audit<'_>, uid: &[u8], rest: Option<&Account>) -> Result<bool, AuditError> {
    let (cql, statements) = (audit.cql, &audit.statements);
    let Some(rest) = rest else {
        let outcome = cql.decide(soon(), &statements.bar_account, (uid,)).await?;
        return Ok(outcome == Outcome::Applied);
    };
    if rest.made_by.is_none() {
        return Ok(!rest.is_active);
    }
    let Some(version) = rest.version else {
        return Ok(false);
    };
    let values = (version.saturating_add(1), uid, version);
    let outcome = cql.decide(soon(), &statements.bar_account_again, values).await?;
    Ok(outcome == Outcome::Applied)
}

/// Ends all that hangs on an account that is not there: first it can never be, since sign-ups write their sessions before
/// their account. `false` = it is there by now, or it is not known.
pub(super) async fn end_of_none(audit: &Audit<'_>, uid: &[u8]) -> Result<bool, AuditError> {
    let is_barred = bar(audit, uid, None).await?;
    if is_barred {
        remove_all_of(audit, uid).await?;
    }
    Ok(is_barred)
}

/// Lets what is left of a deleted account expire.
pub(super) async fn forget(audit: &Audit<'_>, rest: &Account) -> Result<bool, AuditError> {
    let values = (rest.made_by.as_ref(), rest.version, &rest.uid, rest.version);
    let outcome = audit.cql.decide(soon(), &audit.statements.forget_account, values);
    Ok(outcome.await? == Outcome::Applied)
}

/// Removes what hangs on an account that is gone or condemned. The lists go last: a sweep that is cut off is found again.
pub(super) async fn remove_all_of(audit: &Audit<'_>, uid: &[u8]) -> Result<(), AuditError> {
    let (cql, statements) = (audit.cql, &audit.statements);
    let devices: Vec<DeviceOf> = cql.rows(soon(), &statements.devices_of, (uid,)).await?;
    for device in devices {
        drop_commands(audit, uid, &device.id).await?;
        let values = (just_after(device.written), uid, &device.id);
        cql.write(soon(), &statements.remove_device, values).await?;
    }
    for grant in grants(audit, uid).await? {
        let values = (just_after(grant.written), uid, &grant.client);
        cql.write(soon(), &statements.remove_grant, values).await?;
    }
    let tokens: Vec<RefreshTokenOf> = cql.rows(soon(), &statements.refresh_tokens_of, (uid,)).await?;
    for token in tokens {
        let at = just_after(token.written);
        cql.write(soon(), &statements.remove_refresh_token, (at, &token.id))
            .await?;
        cql.write(soon(), &statements.unlist_refresh_token, (at, uid, &token.id))
            .await?;
    }
    let sessions: Vec<SessionOf> = cql.rows(soon(), &statements.sessions_of, (uid,)).await?;
    for session in sessions {
        for id in session.key_fetches.unwrap_or_default() {
            remove_single_use(audit, &statements.remove_key_fetch, uid, &id).await?;
        }
        let at = just_after(session.written);
        cql.write(soon(), &statements.remove_session, (at, &session.id))
            .await?;
        cql.write(soon(), &statements.unlist_session, (at, uid, &session.id))
            .await?;
    }
    Ok(())
}

/// Removes what waits for a device. Without the device nothing leads to it any more, so it goes first.
async fn drop_commands(audit: &Audit<'_>, uid: &[u8], device: &[u8]) -> Result<(), AuditError> {
    let (Some(uid), Some(device)) = (Uid::from_slice(uid), DeviceId::from_slice(device)) else {
        return Ok(());
    };
    let call = Call {
        op: audit.new_op(),
        deadline: soon(),
    };
    Ok(audit.store.drop_commands(&call, uid, device).await?)
}

/// Removes an unspent token, in the region that decides about it. `false` = it is not known to be gone.
pub(super) async fn remove_single_use(
    audit: &Audit<'_>,
    statement: &RegionalConditional,
    uid: &[u8],
    id: &[u8],
) -> Result<bool, AuditError> {
    let Some(token) = TokenId::from_slice(id) else {
        return Ok(false);
    };
    let regions = audit.cql.regions();
    let values = (id, uid);
    let outcome = audit
        .cql
        .decide_in(regions.home(&token), soon(), statement, values);
    Ok(!matches!(outcome.await?, Outcome::InDoubt(_)))
}
