//! Password tokens, new passwords, deletion and re-authentication.

use foxhold_core::{
    TokenId, Uid,
    record::{
        KeyFetch, PASSWORD_TOKEN_MISSES_MAX, PasswordToken, PasswordTokenKind, PasswordUpdate, Session,
    },
};

use super::check_unused;
use crate::{Refusal, WriteError, accounts::SignIn, memory::store::State};

impl State {
    /// A token that is of use: its account is there and has the password it had then.
    pub(super) fn password_token(&self, id: TokenId) -> Option<&PasswordToken> {
        let token = self.password_tokens.get(&id)?;
        let account = self.accounts.get(&token.uid)?;
        token.is_of(account).then_some(token)
    }

    fn password_token_of_kind(
        &self,
        id: TokenId,
        kind: PasswordTokenKind,
    ) -> Result<&PasswordToken, WriteError> {
        let token = self.password_token(id).filter(|token| token.kind == kind);
        token.ok_or_else(|| Refusal::TokenSpent.into())
    }

    pub(super) fn put_password_token(
        &mut self,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        let uid = token.uid;
        if !self.accounts.contains_key(&uid) || key_fetch.as_ref().is_some_and(|other| other.uid != uid) {
            return Err(Refusal::UnknownAccount.into());
        }
        check_unused(&self.password_tokens, &token.id)?;
        self.check_key_fetches(key_fetch.as_slice())?;
        self.password_tokens.insert(token.id, token);
        self.add_key_fetches(key_fetch);
        Ok(())
    }

    pub(super) fn miss_password_token(&mut self, id: TokenId) -> Result<u8, WriteError> {
        let mut token = self
            .password_token_of_kind(id, PasswordTokenKind::Forgot)?
            .clone();
        token.misses += 1;
        let misses = token.misses;
        if misses < PASSWORD_TOKEN_MISSES_MAX {
            self.password_tokens.insert(id, token);
        } else {
            self.password_tokens.remove(&id);
        }
        Ok(misses)
    }

    pub(super) fn redeem_password_token(
        &mut self,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        let spent = self.password_token_of_kind(forgot, PasswordTokenKind::Forgot)?;
        if reset.uid != spent.uid || reset.kind != PasswordTokenKind::Reset {
            return Err(Refusal::TokenSpent.into());
        }
        check_unused(&self.password_tokens, &reset.id)?;
        self.password_tokens.remove(&forgot);
        self.password_tokens.insert(reset.id, reset);
        Ok(())
    }

    pub(super) fn set_password(
        &mut self,
        update: &PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        let uid = update.uid;
        let account = self.accounts.get(&uid).ok_or(Refusal::UnknownAccount)?;
        if let Some(sign_in) = &sign_in {
            self.check_sign_in(uid, sign_in)?;
        }
        let token = self.password_token_of_kind(update.spends, update.effect.wants())?;
        if token.uid != uid {
            return Err(Refusal::TokenSpent.into());
        }
        if account.version != update.based_on {
            return Err(Refusal::Conflict.into());
        }
        let after = update.applied_to(account);
        self.password_tokens.remove(&update.spends);
        if update.effect.verifier_set_at().is_some() {
            self.end_all_of_the_old(uid, update.effect.ends_every_refresh_token());
        }
        self.accounts.insert(uid, after);
        if let Some(sign_in) = sign_in {
            self.add_sign_in(sign_in);
        }
        Ok(())
    }

    /// Ends what a new password ends.
    fn end_all_of_the_old(&mut self, uid: Uid, every_refresh_token: bool) {
        self.sessions.retain(|_, s| s.uid != uid);
        self.key_fetches.retain(|_, k| k.uid != uid);
        self.devices.retain(|_, d| d.uid != uid);
        self.codes.retain(|_, c| c.uid != uid);
        self.password_tokens.retain(|_, t| t.uid != uid);
        self.refresh_tokens
            .retain(|_, t| t.uid != uid || (t.session.is_none() && !every_refresh_token));
        if every_refresh_token {
            self.grants.retain(|_, grant| grant.uid != uid);
        }
    }

    pub(super) fn delete_account(&mut self, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        let Some(account) = self.accounts.get(&uid) else {
            return Ok(());
        };
        if account.version != based_on {
            return Err(Refusal::Conflict.into());
        }
        let key = account.email_key.clone();
        if self.claims.get(&key) == Some(&uid) {
            self.claims.remove(&key);
        }
        self.remove_account(uid);
        Ok(())
    }

    pub(super) fn refresh_session(
        &mut self,
        refreshed: &Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        if key_fetches.iter().any(|token| token.uid != refreshed.uid) {
            return Err(Refusal::UnknownAccount.into());
        }
        self.check_key_fetches(&key_fetches)?;
        let found = self.sessions.get_mut(&refreshed.id);
        let session = found
            .filter(|session| session.uid == refreshed.uid)
            .ok_or(Refusal::TokenSpent)?;
        session.auth_at = refreshed.auth_at;
        session.generation = refreshed.generation;
        session.verification = refreshed.verification;
        session.must_verify = refreshed.must_verify;
        self.add_key_fetches(key_fetches);
        Ok(())
    }
}
