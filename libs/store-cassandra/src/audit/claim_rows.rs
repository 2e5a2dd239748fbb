//! Claims against accounts (`security.md` D.2): each held address has an account that has it.

use foxhold_core::Timestamp;
use scylla::value::CqlTimestamp;

use super::{
    Audit, AuditError, Check, Finding, Verdict,
    rows::{Account, Claim, ClaimRow, Readable, example, timestamp},
    scan::soon,
    sweep,
};
use crate::cql::{Outcome, Read};

pub(super) struct Claims;

impl Check for Claims {
    type Row = ClaimRow;
    type Suspicion = String;

    fn table(&self) -> &'static str {
        "claims"
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        &audit.statements.claims
    }

    async fn first_look(&self, audit: &Audit<'_>, row: ClaimRow) -> Result<Option<String>, AuditError> {
        let email_key = row.email_key.clone();
        let Readable::Whole(claim) = row.read() else {
            return Ok(Some(email_key));
        };
        let account = audit.account_here(claim.uid.as_bytes()).await?;
        let fault = fault(audit, &email_key, &claim, account.as_ref());
        Ok(fault.map(|_| email_key))
    }

    async fn second_look(&self, audit: &Audit<'_>, email_key: &String) -> Result<Verdict, AuditError> {
        let claim = match audit.claim(email_key).await? {
            None => return Ok(Verdict::Fine),
            Some(Readable::Damaged) => {
                return Ok(Verdict::Found(Finding::UnreadableRow, "claims".into()));
            }
            Some(Readable::Whole(claim)) => claim,
        };
        let account = audit.account(claim.uid.as_bytes()).await?;
        let Some(finding) = fault(audit, email_key, &claim, account.as_ref()) else {
            return Ok(Verdict::Fine);
        };
        let found = Verdict::Found(finding, example(claim.uid.as_bytes()));
        if !audit.options.repair {
            return Ok(found);
        }
        let done = match (finding, &account) {
            (Finding::ClaimOfAnotherAddress, Some(account)) => {
                if !holds_its_own(audit, account).await? {
                    return Ok(found);
                }
                release(audit, email_key, &claim).await?
            }
            (Finding::ClaimPendingTooLong, Some(account)) if account.is_active => {
                if account.made_by.as_ref() != Some(&claim.claim_id)
                    || account.email_key.as_ref() != Some(email_key)
                {
                    // Somebody else made it, so somebody may be using it.
                    return Ok(found);
                }
                activate(audit, email_key, &claim).await?
            }
            (Finding::ClaimPendingTooLong, account) => {
                undo(audit, email_key, &claim, account.as_ref()).await?
            }
            (_, rest) => {
                if rest.is_some() {
                    // As long as the claim is there, whoever comes next finds what is to be swept.
                    sweep::remove_all_of(audit, claim.uid.as_bytes()).await?;
                }
                release(audit, email_key, &claim).await?
            }
        };
        Ok(if done {
            Verdict::Repaired(finding, example(claim.uid.as_bytes()))
        } else {
            Verdict::Changed
        })
    }
}

/// What is wrong with a claim beside the account it names.
fn fault(audit: &Audit<'_>, email_key: &str, claim: &Claim, account: Option<&Account>) -> Option<Finding> {
    if !claim.is_active {
        return (!audit.is_going_on(timestamp(claim.claimed_at))).then_some(Finding::ClaimPendingTooLong);
    }
    let Some(account) = account else {
        return Some(Finding::ClaimWithoutAccount);
    };
    if !account.is_active {
        // Its end may be under way: the claim goes last.
        return (!audit.is_young(account.written)).then_some(Finding::ClaimOfDeletedAccount);
    }
    (account.email_key.as_deref() != Some(email_key)).then_some(Finding::ClaimOfAnotherAddress)
}

/// Gives an address back, if its claim is still the one that was read.
async fn release(audit: &Audit<'_>, email_key: &str, claim: &Claim) -> Result<bool, AuditError> {
    let uid = claim.uid.as_bytes().as_slice();
    let values = (email_key, uid, &claim.claim_id, claim.state(), claim.claimed_at);
    let outcome = audit.cql.decide(soon(), &audit.statements.release_claim, values);
    Ok(outcome.await? == Outcome::Applied)
}

/// Ends a sign-up that has come as far as the account's row, as its next attempt would have done.
async fn activate(audit: &Audit<'_>, email_key: &str, claim: &Claim) -> Result<bool, AuditError> {
    let values = (email_key, &claim.claim_id);
    let outcome = audit.cql.decide(soon(), &audit.statements.activate_claim, values);
    Ok(outcome.await? == Outcome::Applied)
}

/// Whether the address in the account's own row is held for it.
async fn holds_its_own(audit: &Audit<'_>, account: &Account) -> Result<bool, AuditError> {
    let Some(email_key) = &account.email_key else {
        return Ok(false);
    };
    let own = audit.claim(email_key).await?;
    Ok(
        matches!(own, Some(Readable::Whole(claim)) if claim.is_active && claim.uid.as_bytes()[..] == account.uid),
    )
}

/// Whether an address is held for an account, as this region sees it.
pub(super) async fn holds_here(audit: &Audit<'_>, email_key: &str, uid: &[u8]) -> Result<bool, AuditError> {
    let row = audit.cql.row(soon(), &audit.statements.claim, (email_key,));
    let claim = row.await?.map(ClaimRow::read);
    Ok(matches!(claim, Some(Readable::Whole(claim)) if claim.uid.as_bytes()[..] == *uid))
}

/// Undoes a sign-up that has not come as far as the account's row, in the order of one that takes the address over: first
/// the account can never be, then goes what was to hang on it, then the address is free.
async fn undo(
    audit: &Audit<'_>,
    email_key: &str,
    claim: &Claim,
    rest: Option<&Account>,
) -> Result<bool, AuditError> {
    let uid = claim.uid.as_bytes();
    if !sweep::bar(audit, uid, rest).await? {
        return Ok(false);
    }
    sweep::remove_all_of(audit, uid).await?;
    release(audit, email_key, claim).await
}

/// Holds an address for an account, if nobody holds it.
pub(super) async fn restore(audit: &Audit<'_>, account: &Account) -> Result<bool, AuditError> {
    let made_by = match &account.made_by {
        Some(op) => op.clone(),
        None => audit.new_op().as_bytes().to_vec(),
    };
    let now = cql_timestamp(audit.clock.now());
    let values = (account.email_key.as_deref(), &account.uid, made_by, now);
    let outcome = audit.cql.decide(soon(), &audit.statements.restore_claim, values);
    Ok(outcome.await? == Outcome::Applied)
}

fn cql_timestamp(at: Timestamp) -> CqlTimestamp {
    CqlTimestamp(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}
