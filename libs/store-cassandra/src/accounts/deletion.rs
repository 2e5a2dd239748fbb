//! Deleting an account (`security.md` D.2): its row is condemned on the version that was read, which is the decision; then
//! what hangs on it goes, then the claim of its address, then what is left of the row.
//!
//! Must stay true: a condemned row names its address until that is released, so that the same operation again, another
//! one, whoever wants the address and the audit all find what is still to be done.

use foxhold_core::{OpId, Uid, record::EmailKey};
use foxhold_ports::{Call, IntentKind, Refusal, WriteError};

use super::{
    judge::{AccountStanding, Standing},
    not_done, standing, sweep,
};
use crate::{
    CassandraStore,
    cql::{AfterAStep, Doubts, Outcome, Settled, Verdict, decide_or_look, pause, settle},
    fail_point,
};

/// What is left of an account until its address is released.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    version: i64,
    made_by: Option<OpId>,
    address: EmailKey,
}

/// What a deletion finds.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// Condemn it. What will be left is known then.
    Condemn(Rest),
    /// It is condemned, by whomever: clear away.
    Clear(Rest),
    /// There is nothing left to do.
    Gone,
    /// It is not what it was.
    Conflict,
}

/// `AccountWriter::delete_account`
pub(super) async fn delete(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    based_on: u64,
) -> Result<(), WriteError> {
    let turn = store.accounts.uids.turn(&uid, call.deadline).await?;
    let Some(rest) = condemn(store, call, uid, based_on).await? else {
        return Ok(());
    };
    drop(turn);
    clear_away(store, call, uid, &rest).await.after_a_step()
}

/// `None` if there is nothing to be cleared away.
async fn condemn(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    based_on: u64,
) -> Result<Option<Rest>, WriteError> {
    let by = call.deadline;
    let was = i64::try_from(based_on).unwrap_or(i64::MAX - 1);
    let mut found = standing::here(store, by, uid).await.map_err(not_done)?;
    if !matches!(judge(found.as_ref(), was, &call.op), Judgement::Condemn(_)) {
        // What was decided in another region may not have come here yet.
        found = standing::serial(store, by, uid).await.map_err(not_done)?;
    }
    let mut doubts = Doubts::default();
    loop {
        let rest = match judge(found.as_ref(), was, &call.op) {
            Judgement::Condemn(rest) => rest,
            Judgement::Clear(rest) => return Ok(Some(rest)),
            Judgement::Gone => return Ok(None),
            Judgement::Conflict => return Err(Refusal::Conflict.into()),
        };
        let decided = condemn_row(store, call, uid, was);
        let look = || standing::serial(store, by, uid);
        match doubts.weigh(decide_or_look(by, decided, look).await)? {
            Settled::Applied => {
                fail_point("delete_account.condemned");
                return Ok(Some(rest));
            }
            Settled::Look { view, doubt } => {
                doubts.note(doubt);
                found = view;
            }
        }
        pause(by, &*store.random).await;
    }
}

async fn condemn_row(store: &CassandraStore, call: &Call, uid: Uid, was: i64) -> Result<Outcome, WriteError> {
    let decisions = &store.accounts.decisions;
    let kind = IntentKind::DeleteAccount.number().cast_signed();
    let statements = vec![
        decisions.delete.prepared().clone(),
        decisions.note_operation.prepared().clone(),
    ];
    let values = (
        (was + 1, uid.as_bytes(), was),
        (uid.as_bytes(), call.op.as_bytes(), kind),
    );
    store.cql.decide_together(call.deadline, statements, values).await
}

fn judge(found: Option<&Standing>, was: i64, op: &OpId) -> Judgement {
    let Some(found) = found else {
        return Judgement::Gone;
    };
    let rest = |version, address: &EmailKey| Rest {
        version,
        made_by: found.made_by,
        address: address.clone(),
    };
    match (&found.account, &found.held) {
        // Made again under its uid since.
        (AccountStanding::Active { .. }, _) if found.operations.contains(op) => Judgement::Gone,
        (AccountStanding::Active { email_key, .. }, _) if found.version == was => {
            Judgement::Condemn(rest(was + 1, email_key))
        }
        (AccountStanding::Active { .. }, _) => Judgement::Conflict,
        (AccountStanding::Deleting, Some(address)) => Judgement::Clear(rest(found.version, address)),
        (AccountStanding::Deleting, None) => Judgement::Gone,
    }
}

async fn clear_away(store: &CassandraStore, call: &Call, uid: Uid, rest: &Rest) -> Result<(), WriteError> {
    sweep::sweep(store, call, uid, None).await?;
    fail_point("delete_account.swept");
    release(store, call, uid, &rest.address).await?;
    fail_point("delete_account.released");
    forget(store, call, uid, rest).await
}

/// Gives the address back, unless another has taken it over from the condemned account.
async fn release(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    address: &EmailKey,
) -> Result<(), WriteError> {
    let (cql, by) = (&store.cql, call.deadline);
    let statement = &store.accounts.decisions.release_of_deleted;
    let values = (address.as_str(), uid.as_bytes());
    settle(
        by,
        &*store.random,
        || cql.decide(by, statement, values),
        || standing::claim(store, by, address),
        |claim| {
            Ok(match claim {
                Some(claim) if claim.uid == uid => Verdict::Again,
                _ => Verdict::Done,
            })
        },
    )
    .await
}

/// Lets what is left of the row expire, without the address, now that no claim points to it.
async fn forget(store: &CassandraStore, call: &Call, uid: Uid, rest: &Rest) -> Result<(), WriteError> {
    let (cql, by) = (&store.cql, call.deadline);
    let statement = &store.accounts.decisions.forget;
    let made_by = rest.made_by.as_ref().map(OpId::as_bytes);
    let values = (made_by, rest.version, uid.as_bytes(), rest.version);
    settle(
        by,
        &*store.random,
        || cql.decide(by, statement, values),
        || standing::serial(store, by, uid),
        |found| {
            let is_left = found.is_some_and(|found| found.held.is_some() && found.version == rest.version);
            Ok(if is_left { Verdict::Again } else { Verdict::Done })
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    const ME: OpId = OpId::from_bytes([1; 16]);
    const MAKER: OpId = OpId::from_bytes([2; 16]);

    fn address() -> EmailKey {
        EmailKey::from_normalized("a@example.test".into())
    }

    fn standing(account: AccountStanding, held: Option<EmailKey>, operations: &[OpId]) -> Option<Standing> {
        Some(Standing {
            account,
            made_by: Some(MAKER),
            version: 7,
            held,
            operations: operations.to_vec(),
        })
    }

    fn active(operations: &[OpId]) -> Option<Standing> {
        let account = AccountStanding::Active {
            email_key: address(),
            verified: true,
            disabled: false,
            verifier_set_at: Timestamp::default(),
        };
        standing(account, None, operations)
    }

    fn rest(version: i64) -> Rest {
        Rest {
            version,
            made_by: Some(MAKER),
            address: address(),
        }
    }

    #[test]
    fn an_account_is_condemned_as_it_was_read_and_cleared_away_by_whoever_comes() {
        use AccountStanding::Deleting;
        let table = [
            ("as it was read", active(&[MAKER]), 7, Judgement::Condemn(rest(8))),
            ("changed since", active(&[MAKER]), 6, Judgement::Conflict),
            (
                "condemned",
                standing(Deleting, Some(address()), &[ME]),
                6,
                Judgement::Clear(rest(7)),
            ),
            (
                "by another",
                standing(Deleting, Some(address()), &[]),
                6,
                Judgement::Clear(rest(7)),
            ),
            (
                "and cleared away",
                standing(Deleting, None, &[ME]),
                6,
                Judgement::Gone,
            ),
            ("for good", None, 6, Judgement::Gone),
            ("and made again", active(&[ME, MAKER]), 6, Judgement::Gone),
        ];
        for (name, found, was, expected) in table {
            assert_eq!(judge(found.as_ref(), was, &ME), expected, "{name}");
        }
    }
}
