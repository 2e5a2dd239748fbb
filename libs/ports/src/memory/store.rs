//! The store's frame: one mutex, the operation log, and faults that tests switch on. `accounts` and `assignments`
//! beside it hold the decisions.
//!
//! Must stay true: a decision that does not end in done has changed nothing, and the lock is never held across an
//! await.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use foxhold_core::{
    ClientId, Deadline, DeviceId, OpId, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, Grant, KeyFetch, NodeRecord, PasswordToken,
        RefreshToken, RegisteredClient, Service, ServiceKey, Session, UserKey, UserRecord,
    },
};

use super::device_commands::Queue;
use crate::{
    Call, Cause, ReadError, Refusal, WriteError,
    device_commands::DeviceRef,
    intent::IntentKind,
    invitations::Invitation,
    jobs::{Job, Runner},
    openid::spent::{ReplacedToken, SpentCode},
};

/// Accounts and assignments in memory. Share it behind an `Arc`; it is reader, writer and administration in one.
#[derive(Default)]
pub struct MemoryStore(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    state: State,
    operations: HashMap<OpId, (IntentKind, Result<Answer, Refusal>)>,
    outage: Option<Cause>,
    answers_to_lose: u32,
    /// Begins when the next answer is lost.
    outage_to_come: Option<Cause>,
}

/// All that is kept.
#[derive(Default)]
pub(super) struct State {
    pub(super) claims: HashMap<EmailKey, Uid>,
    pub(super) accounts: HashMap<Uid, Account>,
    pub(super) sessions: HashMap<TokenId, Session>,
    pub(super) accesses: HashMap<TokenId, Timestamp>,
    pub(super) key_fetches: HashMap<TokenId, KeyFetch>,
    pub(super) devices: HashMap<(Uid, DeviceId), Device>,
    pub(super) commands: HashMap<DeviceRef, Queue>,
    pub(super) invitations: BTreeMap<TokenId, Invitation>,
    pub(super) codes: HashMap<TokenId, AuthorizationCode>,
    pub(super) refresh_tokens: HashMap<TokenId, RefreshToken>,
    pub(super) spent_codes: HashMap<TokenId, SpentCode>,
    pub(super) replaced_tokens: HashMap<TokenId, ReplacedToken>,
    pub(super) password_tokens: HashMap<TokenId, PasswordToken>,
    pub(super) services: BTreeMap<ServiceKey, StoredService>,
    pub(super) nodes: Vec<NodeRecord>,
    /// Nodes ever made: a number is never used twice.
    pub(super) nodes_made: u64,
    pub(super) users: HashMap<(ServiceKey, UserKey), UserRecord>,
    /// `None` = it was deleted; its id is never used again.
    pub(super) clients: BTreeMap<ClientId, Option<RegisteredClient>>,
    pub(super) grants: HashMap<(Uid, ClientId), Grant>,
    pub(super) turns: HashMap<Job, (Runner, Timestamp)>,
    pub(super) mails: BTreeMap<OpId, super::outbox::KeptMail>,
}

/// A service with its counter.
pub(super) struct StoredService {
    pub(super) service: Service,
    pub(super) next_uid: u64,
}

/// What an intent that was done answered.
#[derive(Clone)]
pub(super) enum Answer {
    Nothing,
    Record(Box<UserRecord>),
    Flag(bool),
    Count(u8),
    Index(u64),
}

/// What intents answer, as the operation log keeps it.
pub(super) trait Remembered: Sized {
    fn keep(&self) -> Answer;
    fn recall(answer: Answer) -> Option<Self>;
}

impl Remembered for () {
    fn keep(&self) -> Answer {
        Answer::Nothing
    }

    fn recall(answer: Answer) -> Option<Self> {
        matches!(answer, Answer::Nothing).then_some(())
    }
}

impl Remembered for UserRecord {
    fn keep(&self) -> Answer {
        Answer::Record(Box::new(self.clone()))
    }

    fn recall(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Record(record) => Some(*record),
            Answer::Nothing | Answer::Flag(_) | Answer::Count(_) | Answer::Index(_) => None,
        }
    }
}

impl Remembered for bool {
    fn keep(&self) -> Answer {
        Answer::Flag(*self)
    }

    fn recall(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Flag(flag) => Some(flag),
            Answer::Nothing | Answer::Record(_) | Answer::Count(_) | Answer::Index(_) => None,
        }
    }
}

impl Remembered for u8 {
    fn keep(&self) -> Answer {
        Answer::Count(*self)
    }

    fn recall(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Count(count) => Some(count),
            Answer::Nothing | Answer::Record(_) | Answer::Flag(_) | Answer::Index(_) => None,
        }
    }
}

impl Remembered for u64 {
    fn keep(&self) -> Answer {
        Answer::Index(*self)
    }

    fn recall(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Index(index) => Some(index),
            Answer::Nothing | Answer::Record(_) | Answer::Flag(_) | Answer::Count(_) => None,
        }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// While a cause is set, every read and every intent fails with it, and nothing is written.
    pub fn set_outage(&self, outage: Option<Cause>) {
        self.lock().outage = outage;
    }

    /// The next `intents` intents are carried out, but their callers are told that the outcome is unknown.
    pub fn lose_answers(&self, intents: u32) {
        self.lock().answers_to_lose = intents;
    }

    /// The next intent is carried out, but its caller is told that the outcome is unknown, and from then on the store is away
    /// for that cause.
    pub fn go_away_after_intent(&self, cause: Cause) {
        let mut inner = self.lock();
        inner.answers_to_lose = 1;
        inner.outage_to_come = Some(cause);
    }

    pub(super) fn read<T>(&self, by: Deadline, look: impl FnOnce(&State) -> T) -> Result<T, ReadError> {
        let inner = self.lock();
        match inner.hindrance(by) {
            Some(cause) => Err(ReadError(cause)),
            None => Ok(look(&inner.state)),
        }
    }

    /// Decides an intent once and remembers the outcome. `decide` changes the state only if it ends in `Ok`.
    pub(super) fn intent<T: Remembered>(
        &self,
        call: &Call,
        kind: IntentKind,
        decide: impl FnOnce(&mut State) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut inner = self.lock();
        if let Some(cause) = inner.hindrance(call.deadline) {
            return Err(WriteError::NotDone(cause));
        }
        let outcome = inner.decide_once(call.op, kind, decide);
        if inner.answers_to_lose > 0 {
            inner.answers_to_lose -= 1;
            inner.outage = inner.outage_to_come.take();
            return Err(WriteError::Unknown(Cause::Timeout));
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn hindrance(&self, by: Deadline) -> Option<Cause> {
        self.outage.or(by.has_passed().then_some(Cause::Timeout))
    }

    fn decide_once<T: Remembered>(
        &mut self,
        op: OpId,
        kind: IntentKind,
        decide: impl FnOnce(&mut State) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        if let Some((known_kind, outcome)) = self.operations.get(&op) {
            if *known_kind != kind {
                return Err(Refusal::OperationReused.into());
            }
            let answer = outcome.clone()?;
            return T::recall(answer).ok_or(WriteError::NotDone(Cause::Fault));
        }
        let outcome = decide(&mut self.state);
        self.state.drop_commands_of_gone_devices();
        match &outcome {
            Ok(answer) => self.operations.insert(op, (kind, Ok(answer.keep()))),
            Err(WriteError::Refused(refusal)) => self.operations.insert(op, (kind, Err(*refusal))),
            Err(WriteError::NotDone(_) | WriteError::Unknown(_)) => None,
        };
        outcome
    }
}
