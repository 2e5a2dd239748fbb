//! Setting a new password (`security.md` D.2): one conditional write on the account's row decides, on the version that was
//! read and on the generation of the token that is spent for it.
//!
//! What comes with the password is written before: nobody has its secrets until *done* is told, and it is taken back when
//! it is decided against. What ends is removed after: it is dead already, by its generation, and the same operation again
//! goes on with that. Since a new generation ends the token, too, it need not be spent first, and a refusal leaves it. An
//! upgrade makes no new generation; there the token is held before and given back if another change came first.
//!
//! Must stay true: nothing is taken back while the operation may still be decided for. The password stays what it was, or
//! all of it is new; whoever finds this operation in the account's row only has to clear away.

use foxhold_core::{
    OpId, Timestamp,
    record::{PasswordEffect, PasswordUpdate},
};
use foxhold_ports::{
    Call, IntentKind, Refusal, WriteError,
    accounts::{SignIn, encoding},
};

use super::{
    judge::{AccountStanding, Standing},
    not_done,
    password_token::{self, TokenState},
    rows::NewPassword,
    session, single_use, standing,
    sweep::{self, Older},
    together,
};
use crate::{
    CassandraStore,
    cql::{AfterAStep, Outcome, Verdict, settle},
    fail_point,
};

/// `AccountWriter::set_password`
pub(super) async fn set(
    store: &CassandraStore,
    call: &Call,
    update: &PasswordUpdate,
    sign_in: Option<&SignIn>,
) -> Result<(), WriteError> {
    if let Some(sign_in) = sign_in {
        session::check_owner(update.uid, sign_in)?;
    }
    let setting = Setting {
        store,
        call,
        update,
        sign_in,
    };
    let turn = store.accounts.uids.turn(&update.uid, call.deadline).await?;
    setting.decide().await?;
    drop(turn);
    setting.clear_away().await.after_a_step()
}

struct Setting<'a> {
    store: &'a CassandraStore,
    call: &'a Call,
    update: &'a PasswordUpdate,
    sign_in: Option<&'a SignIn>,
}

/// What an account and a token say of a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It was set.
    Done,
    /// It may be, on an account of this generation.
    Set(Timestamp),
    /// It may not, and never will.
    Refused(Refusal),
    /// It may not while another holds the token.
    Held,
}

impl Setting<'_> {
    async fn decide(&self) -> Result<(), WriteError> {
        match self.judgement().await? {
            Judgement::Done => Ok(()),
            Judgement::Set(generation) => self.put(generation).await,
            Judgement::Held => Err(Refusal::TokenSpent.into()),
            Judgement::Refused(refusal) => {
                // An earlier try may have come as far as to write something, and died.
                if self.has_begun().await? {
                    self.take_back().await?;
                }
                Err(refusal.into())
            }
        }
    }

    async fn judgement(&self) -> Result<Judgement, WriteError> {
        let (store, by, uid) = (self.store, self.call.deadline, self.update.uid);
        let (token, found) = futures_util::try_join!(
            password_token::find(store, self.call, self.update.spends),
            standing::here(store, by, uid),
        )
        .map_err(not_done)?;
        let judged = self.judge(found.as_ref(), &token);
        if !matches!(judged, Judgement::Refused(_)) {
            return Ok(judged);
        }
        // What was decided in another region may not have come here yet.
        let found = standing::serial(store, by, uid).await.map_err(not_done)?;
        Ok(self.judge(found.as_ref(), &token))
    }

    fn judge(&self, found: Option<&Standing>, token: &TokenState) -> Judgement {
        judge(found, token, self.update, &self.call.op)
    }

    /// Writes what comes with the password, then the password.
    async fn put(&self, generation: Timestamp) -> Result<(), WriteError> {
        let (store, call) = (self.store, self.call);
        if self.is_upgrade() {
            let held = single_use::held_password_tokens(store);
            single_use::spend(store, call, held, self.update.spends).await?;
            fail_point("set_password.token_held");
        }
        if let Some(sign_in) = self.sign_in {
            let written = session::write(store, call, sign_in).await;
            if self.is_upgrade() {
                written.after_a_step()?;
            } else {
                written?;
            }
        }
        fail_point("set_password.signed_in");
        match self.set(generation).await {
            Err(WriteError::Refused(refusal)) => {
                self.take_back().await?;
                Err(refusal.into())
            }
            Ok(()) => {
                fail_point("set_password.decided");
                Ok(())
            }
            answer if self.is_upgrade() || self.sign_in.is_some() => answer.after_a_step(),
            answer => answer,
        }
    }

    async fn set(&self, generation: Timestamp) -> Result<(), WriteError> {
        let (store, by, uid) = (self.store, self.call.deadline, self.update.uid);
        let credentials = encoding::encode(&self.update.credentials);
        let row = NewPassword::new(self.update, &credentials, version(self.update), generation);
        settle(
            by,
            &*store.random,
            || self.change_row(row.clone()),
            || standing::serial(store, by, uid),
            |found| Ok(self.verdict(found.as_ref(), generation)),
        )
        .await
    }

    async fn change_row(&self, row: NewPassword<'_>) -> Result<Outcome, WriteError> {
        let decisions = &self.store.accounts.decisions;
        let statements = vec![
            decisions.set_password.prepared().clone(),
            decisions.note_operation.prepared().clone(),
        ];
        let kind = IntentKind::SetPassword.number().cast_signed();
        let operation = (self.update.uid.as_bytes(), self.call.op.as_bytes(), kind);
        let (cql, by) = (&self.store.cql, self.call.deadline);
        cql.decide_together(by, statements, (row, operation)).await
    }

    /// What the account's row says after the write; of the token nothing new can be said.
    fn verdict(&self, found: Option<&Standing>, generation: Timestamp) -> Verdict {
        match judge_account(found, Some(generation), self.update, &self.call.op) {
            Judgement::Done => Verdict::Done,
            Judgement::Set(_) => Verdict::Again,
            Judgement::Refused(refusal) => Verdict::Refused(refusal),
            Judgement::Held => Verdict::Refused(Refusal::TokenSpent),
        }
    }

    /// Whether an earlier try of this operation has written its session, or holds the token.
    async fn has_begun(&self) -> Result<bool, WriteError> {
        let (store, call) = (self.store, self.call);
        let token = password_token::find(store, call, self.update.spends)
            .await
            .map_err(not_done)?;
        if matches!(token, TokenState::SpentBy(op, _) if op == call.op) {
            return Ok(true);
        }
        match self.sign_in {
            Some(sign_in) => session::is_written(store, call, sign_in).await.map_err(not_done),
            None => Ok(false),
        }
    }

    /// Takes back what was written for a password that will not be. If that cannot be done the same operation has to: it
    /// will be refused again.
    async fn take_back(&self) -> Result<(), WriteError> {
        let (store, call) = (self.store, self.call);
        let (token, sign_in) = futures_util::join!(
            async {
                if self.is_upgrade() {
                    single_use::give_back(store, call, self.update.spends).await
                } else {
                    Ok(())
                }
            },
            async {
                match self.sign_in {
                    Some(sign_in) => session::take_back(store, call, sign_in).await,
                    None => Ok(()),
                }
            },
        );
        together(vec![token, sign_in]).after_a_step()
    }

    /// Removes what the new password has ended.
    async fn clear_away(&self) -> Result<(), WriteError> {
        let Some(at) = self.update.effect.verifier_set_at() else {
            return Ok(());
        };
        let (store, call) = (self.store, self.call);
        let older = Older {
            than: at,
            spared: self.sign_in.map(|sign_in| sign_in.session.id),
            every_refresh_token: self.update.effect.ends_every_refresh_token(),
        };
        sweep::sweep_older(store, call, self.update.uid, older).await?;
        if self.update.effect.ends_every_refresh_token() {
            store.end_grants_of_before(call, self.update.uid).await?;
        }
        fail_point("set_password.swept");
        let tokens = single_use::password_tokens(store);
        single_use::void_what_is_dead(store, call, tokens, self.update.spends).await
    }

    fn is_upgrade(&self) -> bool {
        self.update.effect == PasswordEffect::Upgrade
    }
}

/// As the table has it.
fn version(update: &PasswordUpdate) -> i64 {
    i64::try_from(update.based_on).unwrap_or(i64::MAX - 1)
}

fn judge(found: Option<&Standing>, token: &TokenState, update: &PasswordUpdate, op: &OpId) -> Judgement {
    let generation = match token {
        TokenState::Unspent(token) => {
            let fits = token.uid == update.uid && token.kind == update.effect.wants();
            fits.then_some(token.generation)
        }
        // Held for this operation, on an account that had this generation.
        TokenState::SpentBy(by, _) if by == op => generation(found),
        TokenState::SpentBy(..) | TokenState::Gone => None,
    };
    let is_held = matches!(token, TokenState::SpentBy(by, _) if by != op);
    match judge_account(found, generation, update, op) {
        Judgement::Refused(Refusal::TokenSpent) if is_held => Judgement::Held,
        judged => judged,
    }
}

/// The same, of a token of this generation that fits; `None` if there is none.
fn judge_account(
    found: Option<&Standing>,
    generation: Option<Timestamp>,
    update: &PasswordUpdate,
    op: &OpId,
) -> Judgement {
    let refused = |refusal| Judgement::Refused(refusal);
    if found.is_some_and(|found| found.operations.contains(op)) {
        return Judgement::Done;
    }
    let Some((found, present)) = found.zip(self::generation(found)) else {
        return refused(Refusal::UnknownAccount);
    };
    if generation != Some(present) {
        return refused(Refusal::TokenSpent);
    }
    if found.version != version(update) {
        return refused(Refusal::Conflict);
    }
    Judgement::Set(present)
}

/// Of the password of an account that is there.
fn generation(found: Option<&Standing>) -> Option<Timestamp> {
    match found?.account {
        AccountStanding::Active { verifier_set_at, .. } => Some(verifier_set_at),
        AccountStanding::Deleting => None,
    }
}

#[cfg(test)]
mod tests;
