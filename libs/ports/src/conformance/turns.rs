//! Several stores behind one writing port: every intent goes to another one than the intent before. For suites in which
//! no process may rely on what only it remembers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use foxhold_core::{
    DeviceId, ServiceUid, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, Disabled, KeyFetch, PasswordToken, PasswordUpdate, RecoveryKey,
        RefreshToken, SecondFactor, Service, ServiceKey, Session, UserRecord,
    },
};

use crate::{
    AccountAdmin, AccountGuards, AccountWriter, AssignmentAdmin, AssignmentWriter, Call, CommandWriter,
    InvitationWriter, JobTurns, Outbox, WriteError,
    accounts::{SessionAccess, SignIn},
    assignments::{ImportedUser, NewNode, NodeChange, RecordRef, Target, UserValues},
    device_commands::{DeviceCommand, DeviceRef},
    invitations::InvitationTerms,
    jobs::{Job, Runner},
    outbox::{LeasedMail, MailRef, SealedMail},
};

/// Writers of one store, in turns.
pub struct Turns<W> {
    writers: Vec<Arc<W>>,
    calls: AtomicUsize,
}

impl<W> Turns<W> {
    /// At least one.
    #[must_use]
    pub const fn new(writers: Vec<Arc<W>>) -> Self {
        Self {
            writers,
            calls: AtomicUsize::new(0),
        }
    }

    /// The one whose turn it is.
    pub fn next(&self) -> &W {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        &self.writers[number % self.writers.len()]
    }
}

#[async_trait]
impl<W: AccountWriter> AccountWriter for Turns<W> {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        self.next().create_account(call, account, sign_in).await
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        self.next().open_session(call, sign_in).await
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        self.next().close_session(call, uid, session).await
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        self.next().verify_email(call, uid).await
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().consume_key_fetch(call, id).await
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        self.next().note_access(call, uid, access).await
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        self.next().put_device(call, device).await
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        self.next().delete_device(call, uid, device).await
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        self.next().put_authorization_code(call, code).await
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().consume_authorization_code(call, id).await
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        self.next().put_refresh_token(call, token).await
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().delete_refresh_token(call, id).await
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.next().put_password_token(call, token, key_fetch).await
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        self.next().miss_password_token(call, id).await
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        self.next().redeem_password_token(call, forgot, reset).await
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        self.next().set_password(call, update, sign_in).await
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.next().delete_account(call, uid, based_on).await
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.next().refresh_session(call, session, key_fetches).await
    }
}

#[async_trait]
impl<W: AccountAdmin> AccountAdmin for Turns<W> {
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError> {
        self.next().set_disabled(call, uid, based_on, disabled).await
    }

    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.next().delete_second_factor(call, uid, based_on).await
    }
}

#[async_trait]
impl<W: AccountGuards> AccountGuards for Turns<W> {
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError> {
        self.next().set_second_factor(call, uid, based_on, factor).await
    }

    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError> {
        self.next().set_recovery_key(call, uid, based_on, key).await
    }
}

#[async_trait]
impl<W: AssignmentWriter> AssignmentWriter for Turns<W> {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.next().assign(call, at, values, target, now).await
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.next().raise(call, at, values).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.next().rekey(call, at, values, now).await
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.next().retire(call, at, now).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.next().unassign(call, at, now).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.next().forget(call, at, uid).await
    }
}

#[async_trait]
impl<W: AssignmentAdmin> AssignmentAdmin for Turns<W> {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        self.next().put_service(call, service).await
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        self.next().create_node(call, node).await
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        self.next().rename_node(call, service, from, to).await
    }

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        self.next().update_node(call, service, url, change).await
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        self.next().remove_node(call, service, url).await
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        self.next().import_user(call, at, user).await
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        self.next().reserve_uids(call, service, through).await
    }
}

#[async_trait]
impl<W: Outbox> Outbox for Turns<W> {
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        self.next().put_mail(call, mail, now).await
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        self.next().take_mails(call, now, limit).await
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        self.next().end_mail(call, at).await
    }

    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        self.next().defer_mail(call, at, next).await
    }
}

#[async_trait]
impl<W: CommandWriter> CommandWriter for Turns<W> {
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError> {
        self.next().put_command(call, to, command).await
    }
}

#[async_trait]
impl<W: InvitationWriter> InvitationWriter for Turns<W> {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        self.next().put_invitation(call, id, terms).await
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, now: Timestamp) -> Result<(), WriteError> {
        self.next().delete_invitation(call, id, now).await
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.next()
            .create_invited_account(call, account, sign_in, invitation, now)
            .await
    }
}

#[async_trait]
impl<W: JobTurns> JobTurns for Turns<W> {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        self.next().take_turn(call, job, runner, now).await
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        self.next().end_turn(call, job, runner).await
    }
}
