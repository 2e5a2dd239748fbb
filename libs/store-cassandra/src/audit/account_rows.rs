//! Accounts against claims and against what hangs on them: an active account holds its address; a deleted one has
//! nothing left.

use super::{
    Audit, AuditError, Check, Finding, Verdict, claim_rows,
    rows::{Account, AccountRow, Readable, example},
    sweep,
};
use crate::cql::Read;

pub(super) struct Accounts;

impl Check for Accounts {
    type Row = AccountRow;
    type Suspicion = Vec<u8>;

    fn table(&self) -> &'static str {
        "accounts"
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        &audit.statements.accounts
    }

    async fn first_look(&self, audit: &Audit<'_>, row: AccountRow) -> Result<Option<Vec<u8>>, AuditError> {
        let Some(account) = row.read() else {
            return Ok(None);
        };
        let is_suspicious = if !account.is_active {
            left_over(audit, &account).await?.is_some()
        } else if let Some(email_key) = &account.email_key {
            !claim_rows::holds_here(audit, email_key, &account.uid).await?
        } else {
            true
        };
        Ok(is_suspicious.then_some(account.uid))
    }

    async fn second_look(&self, audit: &Audit<'_>, uid: &Vec<u8>) -> Result<Verdict, AuditError> {
        let Some(account) = audit.account(uid).await? else {
            return Ok(Verdict::Fine);
        };
        if !account.is_active {
            return deleted(audit, &account).await;
        }
        let Some(email_key) = account.email_key.as_deref().filter(|_| account.version.is_some()) else {
            return Ok(Verdict::Found(Finding::UnreadableRow, example(uid)));
        };
        match audit.claim(email_key).await? {
            None => unclaimed(audit, &account).await,
            // Found among the claims.
            Some(Readable::Damaged) => Ok(Verdict::Fine),
            // The end of a pending claim is another finding, or still to come.
            Some(Readable::Whole(claim)) if !claim.is_active || claim.uid.as_bytes()[..] == *uid => {
                Ok(Verdict::Fine)
            }
            Some(Readable::Whole(_)) => Ok(Verdict::Found(Finding::AccountClaimedByAnother, example(uid))),
        }
    }
}

/// Nobody holds the address, so nobody loses it. Whoever ends an account takes the account first: it would not be active.
async fn unclaimed(audit: &Audit<'_>, account: &Account) -> Result<Verdict, AuditError> {
    let finding = Finding::AccountWithoutClaim;
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example(&account.uid)));
    }
    Ok(if claim_rows::restore(audit, account).await? {
        Verdict::Repaired(finding, example(&account.uid))
    } else {
        Verdict::Changed
    })
}

async fn deleted(audit: &Audit<'_>, rest: &Account) -> Result<Verdict, AuditError> {
    let Some(finding) = left_over(audit, rest).await? else {
        return Ok(Verdict::Fine);
    };
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example(&rest.uid)));
    }
    sweep::remove_all_of(audit, &rest.uid).await?;
    // No claim points to it any more: they have been gone through since it was deleted.
    Ok(if rest.expires || sweep::forget(audit, rest).await? {
        Verdict::Repaired(finding, example(&rest.uid))
    } else {
        Verdict::Changed
    })
}

/// What a deleted account has left. Whoever deletes one goes on to sweep it, so only one that was deleted before this
/// audit began is looked at.
async fn left_over(audit: &Audit<'_>, rest: &Account) -> Result<Option<Finding>, AuditError> {
    if audit.was_young(rest.written) {
        return Ok(None);
    }
    if sweep::has_any(audit, &rest.uid).await? {
        return Ok(Some(Finding::AccountHalfDeleted));
    }
    Ok((!rest.expires).then_some(Finding::DeletedAccountKept))
}
