//! Random sequences of intents on a store and on the memory store side by side. Few names and many intents, so that
//! they meet: addresses are taken, tokens spent twice, operations repeated and ids reused. On a store without a log of
//! operations an intent is repeated as callers do it, at once: later, a refusal may have become a yes.

mod assignments;
mod passwords;

use std::sync::Arc;

use foxhold_core::{
    DeviceId, OpId, ServiceUid, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken, Service,
        ServiceKey, Session, UserRecord,
    },
};

use super::{
    Subject,
    fixtures::{Maker, email_key, soon},
};
use crate::{
    Call, WriteError,
    accounts::SignIn,
    assignments::{ImportedUser, NewNode, NodeChange, RecordRef, Target, UserValues},
    guards::Guard,
    jobs::{Job, Runner},
    memory::MemoryStore,
};

#[derive(Clone)]
enum Intent {
    CreateAccount(Box<Account>, SignIn),
    OpenSession(SignIn),
    CloseSession(Uid, TokenId),
    VerifyEmail(Uid),
    ConsumeKeyFetch(TokenId),
    PutDevice(Device),
    DeleteDevice(Uid, DeviceId),
    PutCode(AuthorizationCode),
    ConsumeCode(TokenId),
    PutRefreshToken(RefreshToken),
    DeleteRefreshToken(TokenId),
    PutPasswordToken(PasswordToken, Option<KeyFetch>),
    MissPasswordToken(TokenId),
    RedeemPasswordToken(TokenId, PasswordToken),
    SetPassword(Box<PasswordUpdate>, Option<SignIn>),
    DeleteAccount(Uid, u64),
    RefreshSession(Session, Vec<KeyFetch>),
    SetGuard(Uid, u64, Guard),
    Assign(RecordRef, UserValues, Target, Timestamp),
    Raise(RecordRef, UserValues),
    Rekey(RecordRef, UserValues, Timestamp),
    Retire(RecordRef, Timestamp),
    Unassign(RecordRef, Timestamp),
    Forget(RecordRef, ServiceUid),
    PutService(Service),
    CreateNode(NewNode),
    RenameNode(ServiceKey, String, String),
    UpdateNode(ServiceKey, String, NodeChange),
    RemoveNode(ServiceKey, String),
    ImportUser(RecordRef, ImportedUser),
    ReserveUids(ServiceKey, ServiceUid),
    TakeTurn(Job, Runner, Timestamp),
    EndTurn(Job, Runner),
}

/// What an intent that was done answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Record(Box<UserRecord>),
    Flag(bool),
    Count(u8),
}

const ADDRESSES: u64 = 4;
/// Intents between two looks at everything.
const LOOK_EVERY: usize = 25;

/// Everything that was ever named in a sequence.
#[derive(Default)]
struct Names {
    uids: Vec<Uid>,
    sessions: Vec<(Uid, TokenId)>,
    key_fetches: Vec<TokenId>,
    devices: Vec<(Uid, DeviceId)>,
    codes: Vec<TokenId>,
    refresh_tokens: Vec<TokenId>,
    password_tokens: Vec<TokenId>,
    past: Vec<(OpId, Intent)>,
}

pub(super) async fn compare(seed: u64, intents: usize, subject: &Subject) {
    let (make, model, mut names) = (Maker::new(seed), memory(), Names::default());
    for number in 0..intents {
        let (call, intent) = names.next(&make, &model, subject).await;
        let expected = apply(&model, &call, intent.clone()).await;
        let answer = apply(subject, &call, intent.clone()).await;
        assert_eq!(answer, expected, "seed {seed}, intent {number}");
        names.past.push((call.op, intent));
        if number % LOOK_EVERY == 0 || number + 1 == intents {
            names.look(&model, subject, seed, number).await;
        }
    }
}

fn memory() -> Subject {
    let store = Arc::new(MemoryStore::new());
    Subject {
        account_reader: store.clone(),
        account_writer: store.clone(),
        account_guards: store.clone(),
        account_directory: store.clone(),
        account_admin: store.clone(),
        assignment_reader: store.clone(),
        assignment_writer: store.clone(),
        assignment_admin: store.clone(),
        job_turns: store.clone(),
        command_reader: store.clone(),
        command_writer: store.clone(),
        invitation_reader: store.clone(),
        invitation_writer: store,
        remembers: true,
        knows_uids: true,
        keep: Box::new(()),
    }
}

async fn apply(to: &Subject, call: &Call, intent: Intent) -> Result<Answer, WriteError> {
    let (accounts, admin, turns) = (&to.account_writer, &to.assignment_admin, &to.job_turns);
    match intent {
        Intent::CreateAccount(account, sign_in) => accounts.create_account(call, *account, sign_in).await,
        Intent::OpenSession(sign_in) => accounts.open_session(call, sign_in).await,
        Intent::CloseSession(uid, id) => accounts.close_session(call, uid, id).await,
        Intent::VerifyEmail(uid) => accounts.verify_email(call, uid).await,
        Intent::ConsumeKeyFetch(id) => accounts.consume_key_fetch(call, id).await,
        Intent::PutDevice(device) => accounts.put_device(call, device).await,
        Intent::DeleteDevice(uid, id) => accounts.delete_device(call, uid, id).await,
        Intent::PutCode(code) => accounts.put_authorization_code(call, code).await,
        Intent::ConsumeCode(id) => accounts.consume_authorization_code(call, id).await,
        Intent::PutRefreshToken(token) => accounts.put_refresh_token(call, token).await,
        Intent::DeleteRefreshToken(id) => accounts.delete_refresh_token(call, id).await,
        Intent::PutPasswordToken(token, key_fetch) => {
            accounts.put_password_token(call, token, key_fetch).await
        }
        Intent::MissPasswordToken(id) => {
            let misses = accounts.miss_password_token(call, id).await;
            return misses.map(Answer::Count);
        }
        Intent::RedeemPasswordToken(forgot, reset) => {
            accounts.redeem_password_token(call, forgot, reset).await
        }
        Intent::SetPassword(update, sign_in) => accounts.set_password(call, *update, sign_in).await,
        Intent::DeleteAccount(uid, based_on) => accounts.delete_account(call, uid, based_on).await,
        Intent::RefreshSession(session, key_fetches) => {
            accounts.refresh_session(call, session, key_fetches).await
        }
        Intent::SetGuard(uid, based_on, Guard::SecondFactor(factor)) => {
            to.account_guards
                .set_second_factor(call, uid, based_on, factor)
                .await
        }
        Intent::SetGuard(uid, based_on, Guard::RecoveryKey(key)) => {
            to.account_guards.set_recovery_key(call, uid, based_on, key).await
        }
        Intent::PutService(service) => admin.put_service(call, service).await,
        Intent::CreateNode(node) => admin.create_node(call, node).await,
        Intent::RenameNode(service, from, to) => admin.rename_node(call, &service, &from, &to).await,
        Intent::UpdateNode(service, url, change) => admin.update_node(call, &service, &url, change).await,
        Intent::RemoveNode(service, url) => admin.remove_node(call, &service, &url).await,
        Intent::ReserveUids(service, through) => admin.reserve_uids(call, &service, through).await,
        Intent::EndTurn(job, runner) => turns.end_turn(call, job, runner).await,
        Intent::TakeTurn(job, runner, now) => {
            let taken = turns.take_turn(call, job, runner, now).await;
            return taken.map(Answer::Flag);
        }
        other => {
            let record = about_a_user(to, call, other).await;
            return record.map(|record| Answer::Record(Box::new(record)));
        }
    }
    .map(|()| Answer::Nothing)
}

/// The intents that answer a user's records.
async fn about_a_user(to: &Subject, call: &Call, intent: Intent) -> Result<UserRecord, WriteError> {
    let users = &to.assignment_writer;
    match intent {
        Intent::Assign(at, values, target, now) => users.assign(call, &at, &values, &target, now).await,
        Intent::Raise(at, values) => users.raise(call, &at, &values).await,
        Intent::Rekey(at, values, now) => users.rekey(call, &at, &values, now).await,
        Intent::Retire(at, now) => users.retire(call, &at, now).await,
        Intent::Unassign(at, now) => users.unassign(call, &at, now).await,
        Intent::Forget(at, uid) => users.forget(call, &at, uid).await,
        Intent::ImportUser(at, user) => to.assignment_admin.import_user(call, &at, &user).await,
        _ => unreachable!("every other intent answers something else"),
    }
}

impl Names {
    async fn next(&mut self, make: &Maker, model: &Subject, of: &Subject) -> (Call, Intent) {
        let mut call = make.call();
        let past = if of.remembers {
            pick(make, &self.past)
        } else {
            self.past.last()
        };
        if let Some((op, intent)) = past
            && make.below(8) == 0
        {
            call.op = *op;
            // Mostly a repetition; now and then the id with an intent of its own, which only a log notices.
            if !of.remembers || make.below(4) != 0 {
                return (call, intent.clone());
            }
        }
        (call, self.intent(make, model, of.knows_uids).await)
    }

    async fn intent(&mut self, make: &Maker, model: &Subject, knows_uids: bool) -> Intent {
        let uid = pick(make, &self.uids).copied();
        let session = pick(make, &self.sessions).copied();
        match (make.below(32), uid, session) {
            (0..3, ..) | (_, None, _) | (_, _, None) => self.creation(make),
            (3..5, Some(uid), _) => self.sign_in(make, uid),
            (5, _, Some((uid, id))) => Intent::CloseSession(uid, id),
            (6, Some(uid), _) => Intent::VerifyEmail(uid),
            (7..9, ..) => Intent::ConsumeKeyFetch(chosen(make, &self.key_fetches)),
            (9..11, _, Some((uid, id))) => self.device(make, uid, id),
            (11, Some(uid), _) => {
                let (owner, id) = pick(make, &self.devices)
                    .copied()
                    .unwrap_or((uid, DeviceId::from_bytes([0; 16])));
                Intent::DeleteDevice(owner, id)
            }
            (12, _, Some((uid, id))) => {
                let code = make.code(uid, id);
                self.codes.push(code.id);
                Intent::PutCode(code)
            }
            (13, ..) => Intent::ConsumeCode(chosen(make, &self.codes)),
            (14, Some(uid), Some((_, id))) => {
                let token = make.refresh_token(uid, (make.below(2) == 0).then_some(id));
                self.refresh_tokens.push(token.id);
                Intent::PutRefreshToken(token)
            }
            (15, ..) => Intent::DeleteRefreshToken(chosen(make, &self.refresh_tokens)),
            (16, ..) => assignments::turn(make),
            (17..25, ..) => self.about_a_password(make, model).await,
            _ => assignments::intent(make, model, knows_uids).await,
        }
    }

    fn creation(&mut self, make: &Maker) -> Intent {
        let mut account = make.account(&address(make.below(ADDRESSES)));
        account.email_verified = make.below(8) == 0;
        let sign_in = make.sign_in(account.uid);
        self.uids.push(account.uid);
        self.note(&sign_in);
        Intent::CreateAccount(Box::new(account), sign_in)
    }

    fn sign_in(&mut self, make: &Maker, uid: Uid) -> Intent {
        let sign_in = if make.below(2) == 0 {
            make.sign_in(uid)
        } else {
            make.plain_sign_in(uid)
        };
        self.note(&sign_in);
        Intent::OpenSession(sign_in)
    }

    fn note(&mut self, sign_in: &SignIn) {
        self.sessions.push((sign_in.session.uid, sign_in.session.id));
        self.key_fetches
            .extend(sign_in.key_fetches.iter().map(|token| token.id));
    }

    fn device(&mut self, make: &Maker, uid: Uid, session: TokenId) -> Intent {
        let mut device = make.device(uid, session);
        if let Some((_, id)) = pick(make, &self.devices)
            && make.below(2) == 0
        {
            device.id = *id;
        }
        self.devices.push((uid, device.id));
        Intent::PutDevice(device)
    }

    async fn look(&self, model: &Subject, subject: &Subject, seed: u64, number: usize) {
        let at = format!("seed {seed}, after intent {number}");
        let (a, b) = (&model.account_reader, &subject.account_reader);
        for address_number in 0..ADDRESSES {
            let key = email_key(&address(address_number));
            let (expected, found) = (
                a.account_by_email(soon(), &key).await,
                b.account_by_email(soon(), &key).await,
            );
            assert!(found == expected, "{at}: holder of an address");
        }
        for uid in self.uids.iter().copied() {
            assert!(
                b.account(soon(), uid).await == a.account(soon(), uid).await,
                "{at}: account"
            );
            assert_eq!(
                b.sessions(soon(), uid).await,
                a.sessions(soon(), uid).await,
                "{at}"
            );
            assert_eq!(b.devices(soon(), uid).await, a.devices(soon(), uid).await, "{at}");
            assert_eq!(
                b.refresh_tokens(soon(), uid).await,
                a.refresh_tokens(soon(), uid).await,
                "{at}"
            );
        }
        for (_, id) in self.sessions.iter().copied() {
            assert_eq!(b.session(soon(), id).await, a.session(soon(), id).await, "{at}");
        }
        for id in self.key_fetches.iter().copied() {
            assert_eq!(
                b.key_fetch(soon(), id).await,
                a.key_fetch(soon(), id).await,
                "{at}"
            );
        }
        for id in self.codes.iter().copied() {
            let (expected, found) = (
                a.authorization_code(soon(), id).await,
                b.authorization_code(soon(), id).await,
            );
            assert_eq!(found, expected, "{at}");
        }
        for id in self.password_tokens.iter().copied() {
            let (expected, found) = (
                a.password_token(soon(), id).await,
                b.password_token(soon(), id).await,
            );
            assert_eq!(found, expected, "{at}");
        }
        assignments::look(model, subject, &at).await;
    }
}

fn address(number: u64) -> String {
    format!("User{number}@example.test")
}

fn pick<'a, T>(make: &Maker, from: &'a [T]) -> Option<&'a T> {
    if from.is_empty() {
        return None;
    }
    from.get(make.below(from.len() as u64) as usize)
}

fn chosen(make: &Maker, from: &[TokenId]) -> TokenId {
    pick(make, from)
        .copied()
        .unwrap_or_else(|| TokenId::from_bytes([0; 32]))
}
