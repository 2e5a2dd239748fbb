//! Account ports in memory: the plainest reading of what the traits promise.

mod passwords;

use std::{cmp::Reverse, collections::HashMap, hash::Hash};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, DeviceId, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken,
        Session,
    },
};

use super::store::{MemoryStore, State};
use crate::{
    AccountReader, AccountWriter, Call, Cause, ReadError, Refusal, WriteError,
    accounts::{SessionAccess, SignIn},
    intent::IntentKind,
    outbox::put_at,
};

#[async_trait]
impl AccountReader for MemoryStore {
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError> {
        let found = self.read(by, |state| state.holder(key).map(|account| account.cloned()))?;
        found.map_err(ReadError)
    }

    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError> {
        self.read(by, |state| state.accounts.get(&uid).cloned())
    }

    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError> {
        self.read(by, |state| state.sessions.get(&id).cloned())
    }

    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError> {
        self.read(by, |state| {
            select(
                &state.sessions,
                |s| s.uid == uid,
                |s| (Reverse(s.created_at), s.id),
            )
        })
    }

    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError> {
        self.read(by, |state| {
            let sessions = state.sessions.values().filter(|session| session.uid == uid);
            sessions
                .filter_map(|session| {
                    let at = *state.accesses.get(&session.id)?;
                    let session = session.id;
                    Some(SessionAccess { session, at })
                })
                .collect()
        })
    }

    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError> {
        self.read(by, |state| state.key_fetches.get(&id).cloned())
    }

    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError> {
        self.read(by, |state| {
            select(&state.devices, |d| d.uid == uid, |d| (d.created_at, d.id))
        })
    }

    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError> {
        self.read(by, |state| state.codes.get(&id).cloned())
    }

    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError> {
        self.read(by, |state| state.refresh_tokens.get(&id).cloned())
    }

    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError> {
        self.read(by, |state| {
            select(&state.refresh_tokens, |t| t.uid == uid, |t| (t.created_at, t.id))
        })
    }

    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError> {
        self.read(by, |state| state.password_token(id).cloned())
    }
}

fn select<K, V: Clone, O: Ord>(
    records: &HashMap<K, V>,
    wanted: impl Fn(&V) -> bool,
    order: impl Fn(&V) -> O,
) -> Vec<V> {
    let mut found: Vec<V> = records
        .values()
        .filter(|record| wanted(record))
        .cloned()
        .collect();
    found.sort_by_key(order);
    found
}

#[async_trait]
impl AccountWriter for MemoryStore {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateAccount, |state| {
            state.create_account(account, sign_in)
        })
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        self.intent(call, IntentKind::OpenSession, |state| {
            if !state.accounts.contains_key(&sign_in.session.uid) {
                return Err(Refusal::UnknownAccount.into());
            }
            state.check_sign_in(sign_in.session.uid, &sign_in)?;
            state.add_sign_in(sign_in);
            Ok(())
        })
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CloseSession, |state| {
            state.sessions.retain(|id, s| *id != session || s.uid != uid);
            state.devices.retain(|_, d| d.uid != uid || d.session != session);
            state
                .refresh_tokens
                .retain(|_, t| t.uid != uid || t.session != Some(session));
            Ok(())
        })
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        self.intent(call, IntentKind::VerifyEmail, |state| {
            let account = state.accounts.get_mut(&uid).ok_or(Refusal::UnknownAccount)?;
            if !account.email_verified {
                account.email_verified = true;
                account.version += 1;
            }
            Ok(())
        })
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::ConsumeKeyFetch, |state| {
            spend(&mut state.key_fetches, id)
        })
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        self.intent(call, IntentKind::NoteAccess, |state| {
            let SessionAccess { session, at } = access;
            if state.sessions.get(&session).is_some_and(|found| found.uid == uid) {
                let noted = state.accesses.entry(session).or_default();
                *noted = at.max(*noted);
            }
            Ok(())
        })
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutDevice, |state| {
            if state.accounts.contains_key(&device.uid) {
                state.devices.insert((device.uid, device.id), device);
            }
            Ok(())
        })
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteDevice, |state| {
            state.devices.remove(&(uid, device));
            Ok(())
        })
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutAuthorizationCode, |state| {
            check_unused(&state.codes, &code.id)?;
            check_unused(&state.spent_codes, &code.id)?;
            if state.accounts.contains_key(&code.uid) {
                state.codes.insert(code.id, code);
            }
            Ok(())
        })
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::ConsumeAuthorizationCode, |state| {
            state.spend_code(id, put_at(call.op))
        })
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutRefreshToken, |state| {
            check_unused(&state.refresh_tokens, &token.id)?;
            if state.accounts.contains_key(&token.uid) {
                state.refresh_tokens.insert(token.id, token);
            }
            Ok(())
        })
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteRefreshToken, |state| {
            state.refresh_tokens.remove(&id);
            Ok(())
        })
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutPasswordToken, |state| {
            state.put_password_token(token, key_fetch)
        })
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        self.intent(call, IntentKind::MissPasswordToken, |state| {
            state.miss_password_token(id)
        })
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RedeemPasswordToken, |state| {
            state.redeem_password_token(forgot, reset)
        })
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::SetPassword, |state| {
            state.set_password(&update, sign_in)
        })
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteAccount, |state| {
            state.delete_account(uid, based_on)
        })
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RefreshSession, |state| {
            state.refresh_session(&session, key_fetches)
        })
    }
}

impl State {
    /// The account that holds an address (`security.md` D.2, sanity check).
    fn holder(&self, key: &EmailKey) -> Result<Option<&Account>, Cause> {
        let Some(uid) = self.claims.get(key) else {
            return Ok(None);
        };
        match self.accounts.get(uid) {
            Some(account) if account.email_key == *key => Ok(Some(account)),
            _ => Err(Cause::Inconsistent),
        }
    }

    pub(super) fn create_account(&mut self, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        let holder = self.holder(&account.email_key).map_err(WriteError::NotDone)?;
        if holder.is_some_and(Account::keeps_address) {
            return Err(Refusal::EmailTaken.into());
        }
        let holder = holder.map(|held| held.uid);
        if holder != Some(account.uid) {
            check_unused(&self.accounts, &account.uid)?;
        }
        self.check_sign_in(account.uid, &sign_in)?;
        if let Some(uid) = holder {
            self.remove_account(uid);
        }
        self.claims.insert(account.email_key.clone(), account.uid);
        self.accounts.insert(account.uid, account);
        self.add_sign_in(sign_in);
        Ok(())
    }

    fn remove_account(&mut self, uid: Uid) {
        self.accounts.remove(&uid);
        self.sessions.retain(|_, s| s.uid != uid);
        self.key_fetches.retain(|_, k| k.uid != uid);
        self.devices.retain(|_, d| d.uid != uid);
        self.codes.retain(|_, c| c.uid != uid);
        self.password_tokens.retain(|_, t| t.uid != uid);
        self.refresh_tokens.retain(|_, t| t.uid != uid);
        self.grants.retain(|_, g| g.uid != uid);
        self.spent_codes.retain(|_, c| c.code.uid != uid);
        self.replaced_tokens.retain(|_, t| t.uid != uid);
    }

    /// A sign-in for another account than it comes with is one without its account.
    fn check_sign_in(&self, uid: Uid, sign_in: &SignIn) -> Result<(), WriteError> {
        let SignIn { session, key_fetches } = sign_in;
        if session.uid != uid || key_fetches.iter().any(|token| token.uid != uid) {
            return Err(Refusal::UnknownAccount.into());
        }
        check_unused(&self.sessions, &session.id)?;
        self.check_key_fetches(key_fetches)
    }

    fn check_key_fetches(&self, tokens: &[KeyFetch]) -> Result<(), WriteError> {
        tokens
            .iter()
            .try_for_each(|token| check_unused(&self.key_fetches, &token.id))
    }

    fn add_sign_in(&mut self, sign_in: SignIn) {
        self.sessions.insert(sign_in.session.id, sign_in.session);
        self.add_key_fetches(sign_in.key_fetches);
    }

    fn add_key_fetches(&mut self, tokens: impl IntoIterator<Item = KeyFetch>) {
        self.key_fetches
            .extend(tokens.into_iter().map(|token| (token.id, token)));
    }
}

/// Ids are random and long: one that is taken means a broken caller, not bad luck.
fn check_unused<K: Eq + Hash, V>(records: &HashMap<K, V>, id: &K) -> Result<(), WriteError> {
    if records.contains_key(id) {
        return Err(WriteError::NotDone(Cause::Fault));
    }
    Ok(())
}

fn spend<V>(tokens: &mut HashMap<TokenId, V>, id: TokenId) -> Result<(), WriteError> {
    match tokens.remove(&id) {
        Some(_) => Ok(()),
        None => Err(Refusal::TokenSpent.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_without_its_account_is_a_contradiction_and_no_absence() {
        let key = EmailKey::from_normalized("a@example.test".into());
        let mut state = State::default();
        assert!(state.holder(&key) == Ok(None));
        state.claims.insert(key.clone(), Uid::from_bytes([7; 16]));
        assert!(state.holder(&key) == Err(Cause::Inconsistent));
    }
}
