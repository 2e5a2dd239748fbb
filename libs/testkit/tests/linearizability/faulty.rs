//! The memory store with one fault planted, and with pauses in which others get their turn.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, DeviceId, ServiceUid, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, KeyFetch, NodeRecord, PasswordToken, PasswordUpdate,
        RefreshToken, Service, ServiceKey, Session, UserKey, UserRecord,
    },
};
use foxhold_ports::{
    AccountReader, AccountWriter, AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, Cause,
    ReadError, Refusal, WriteError,
    accounts::{SessionAccess, SignIn},
    assignments::{
        RecordCursor, RecordPage, RecordRef, Target, UserValues,
        change::{self, Place},
    },
    memory::MemoryStore,
};
use tokio::task::yield_now;

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Of every few writes one is done, and its caller is not told.
    AnswersLost,
    /// Every second read of a record gives an older one, until everything has settled.
    ReadsStale,
    /// Once, when everything has settled, a record is read as it was long before.
    ReadGoesBack,
    /// Once, an address is given to a second account.
    TwoAccounts,
    /// Once, a change of a record that has changed is called done.
    LostUpdate,
    /// Once, a spent token is spent again.
    SpentTwice,
    /// Once, a token is spent and its spender is told that nothing happened.
    DoneButDenied,
    /// Once, a user who has a place is given another.
    TwoPlaces,
}

/// One in so many answers is lost.
const LOST: u64 = 9;

pub(crate) struct FaultyStore {
    store: MemoryStore,
    fault: Fault,
    happened: AtomicBool,
    intents: AtomicU64,
    settled: AtomicBool,
    /// Records as they were first read.
    first: Mutex<HashMap<UserKey, UserRecord>>,
}

impl FaultyStore {
    pub(crate) fn with(fault: Fault) -> Self {
        Self {
            store: MemoryStore::new(),
            fault,
            happened: AtomicBool::new(false),
            intents: AtomicU64::new(0),
            settled: AtomicBool::new(false),
            first: Mutex::default(),
        }
    }

    pub(crate) fn admin(&self) -> &dyn AssignmentAdmin {
        &self.store
    }

    /// Whether `fault` is the planted one and has not happened yet; from now on it has.
    fn strikes(&self, fault: Fault) -> bool {
        self.fault == fault && !self.happened.swap(true, Ordering::SeqCst)
    }

    /// An intent, with time for others before and after it, and perhaps without an answer.
    async fn intent<T>(
        &self,
        carried_out: impl Future<Output = Result<T, WriteError>>,
    ) -> Result<T, WriteError> {
        yield_now().await;
        let answer = carried_out.await;
        yield_now().await;
        let number = self.intents.fetch_add(1, Ordering::Relaxed);
        // The first are those that set the stage.
        if self.fault == Fault::AnswersLost && number > LOST && number.is_multiple_of(LOST) {
            return Err(WriteError::Unknown(Cause::Timeout));
        }
        answer
    }

    fn spent(&self, answer: Result<(), WriteError>) -> Result<(), WriteError> {
        match answer {
            Err(WriteError::Refused(Refusal::TokenSpent)) if self.strikes(Fault::SpentTwice) => Ok(()),
            Ok(()) if self.strikes(Fault::DoneButDenied) => Err(WriteError::NotDone(Cause::Unavailable)),
            answer => answer,
        }
    }

    /// A record as it is read: perhaps as it was first.
    fn aged(&self, user: &UserKey, now: UserRecord) -> UserRecord {
        let mut first = self.first.lock().unwrap();
        let first = first.entry(user.clone()).or_insert_with(|| now.clone());
        let strikes = first.version < now.version
            && match self.fault {
                Fault::ReadsStale => {
                    !self.settled() && self.intents.load(Ordering::Relaxed).is_multiple_of(2)
                }
                Fault::ReadGoesBack => self.settled() && self.strikes(Fault::ReadGoesBack),
                _ => false,
            };
        if strikes { first.clone() } else { now }
    }

    /// From now on nobody writes any more.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::SeqCst);
    }

    fn settled(&self) -> bool {
        self.settled.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl AccountReader for FaultyStore {
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError> {
        yield_now().await;
        self.store.account_by_email(by, key).await
    }

    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError> {
        self.store.account(by, uid).await
    }

    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError> {
        self.store.session(by, id).await
    }

    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError> {
        self.store.sessions(by, uid).await
    }

    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError> {
        self.store.accesses(by, uid).await
    }

    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError> {
        yield_now().await;
        self.store.key_fetch(by, id).await
    }

    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError> {
        self.store.devices(by, uid).await
    }

    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError> {
        yield_now().await;
        self.store.authorization_code(by, id).await
    }

    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError> {
        self.store.refresh_token(by, id).await
    }

    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError> {
        self.store.refresh_tokens(by, uid).await
    }

    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError> {
        self.store.password_token(by, id).await
    }
}

#[async_trait]
impl AccountWriter for FaultyStore {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        let answer = self
            .intent(self.store.create_account(call, account, sign_in))
            .await;
        match answer {
            Err(WriteError::Refused(Refusal::EmailTaken)) if self.strikes(Fault::TwoAccounts) => Ok(()),
            answer => answer,
        }
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        self.intent(self.store.open_session(call, sign_in)).await
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        self.store.close_session(call, uid, session).await
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        self.store.verify_email(call, uid).await
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let answer = self.intent(self.store.consume_key_fetch(call, id)).await;
        self.spent(answer)
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        self.store.note_access(call, uid, access).await
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        self.store.put_device(call, device).await
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        self.store.delete_device(call, uid, device).await
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        self.intent(self.store.put_authorization_code(call, code)).await
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let answer = self.intent(self.store.consume_authorization_code(call, id)).await;
        self.spent(answer)
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        self.store.put_refresh_token(call, token).await
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.store.delete_refresh_token(call, id).await
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.store.put_password_token(call, token, key_fetch).await
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        self.store.miss_password_token(call, id).await
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        self.store.redeem_password_token(call, forgot, reset).await
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        self.store.set_password(call, update, sign_in).await
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.store.delete_account(call, uid, based_on).await
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.store.refresh_session(call, session, key_fetches).await
    }
}

#[async_trait]
impl AssignmentReader for FaultyStore {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.store.services(by).await
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.store.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        yield_now().await;
        let record = self.store.user_record(by, service, user).await?;
        Ok(record.map(|record| self.aged(user, record)))
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.store.records(by, service, after, limit).await
    }
}

#[async_trait]
impl AssignmentWriter for FaultyStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let answer = self
            .intent(self.store.assign(call, at, values, target, now))
            .await;
        match answer {
            // Users who are changed, too, get their first record so: they are told apart by what is asked for.
            Err(WriteError::Refused(Refusal::Conflict))
                if values.generation.0 == 1 && self.strikes(Fault::TwoPlaces) =>
            {
                let place = Place {
                    node: "https://nowhere.example".into(),
                    node_type: None,
                };
                let uid = ServiceUid::new(ServiceUid::MAX).expect("the largest uid is one");
                Ok(change::replaced(None, values, uid, place, now))
            }
            answer => answer,
        }
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        let answer = self.intent(self.store.raise(call, at, values)).await;
        match answer {
            Err(WriteError::Refused(Refusal::Conflict)) if self.strikes(Fault::LostUpdate) => {
                let found = self.store.user_record(call.deadline, &at.service, &at.user).await;
                let mut record = found.ok().flatten().expect("a record was read before");
                record.current.generation = values.generation;
                record.current.keys_changed_at = values.keys_changed_at;
                record.current.client_state = values.client_state.clone();
                record.version = at.version.expect("a raise names a version") + 1;
                Ok(record)
            }
            answer => answer,
        }
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.intent(self.store.rekey(call, at, values, now)).await
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.store.retire(call, at, now).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.store.unassign(call, at, now).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.store.forget(call, at, uid).await
    }
}
