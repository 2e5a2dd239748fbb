//! What a store acknowledged to its clients, and is held to: accounts, sessions opened and ended, tokens spent and revoked,
//! records. Two writers share the work, so that what one begins another ends; for tests in which their clocks differ, or
//! nodes miss one half of it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use foxhold_core::{
    Clock, OpId, Timestamp, TokenId,
    record::{Account, AuthorizationCode, Device, KeyFetch, RefreshToken, Service, Session, UserRecord},
};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentReader as _, AssignmentWriter as _, Call, Refusal,
    WriteError,
    accounts::SignIn,
    assignments::{RecordRef, Target},
    conformance::fixtures::{Maker, soon, user, values},
};
use foxhold_runtime::SystemRandom;
use foxhold_store_cassandra::CassandraStore;

/// A store, and the clock that its operations are named by.
#[derive(Clone)]
pub struct Writer {
    /// The store.
    pub store: Arc<CassandraStore>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Writer {
    /// A new operation, as this writer's clock has it.
    #[must_use]
    pub fn call(&self) -> Call {
        Call {
            op: OpId::new(self.clock.now(), &SystemRandom),
            deadline: soon(),
        }
    }

    /// The same, but later than something that was read: as those who change or remove a device name their operations.
    #[must_use]
    pub fn call_after(&self, read: Timestamp) -> Call {
        let at = self.clock.now().max(read.plus(Duration::from_millis(1)));
        Call {
            op: OpId::new(at, &SystemRandom),
            deadline: soon(),
        }
    }
}

/// What was begun: an account with everything that hangs on one, half of it about to end.
pub struct Begun {
    account: Account,
    stays: Session,
    kept_keys: KeyFetch,
    spent_keys: KeyFetch,
    ends: SignIn,
    opening: Call,
    kept_token: RefreshToken,
    revoked_token: RefreshToken,
    putting: Call,
    hanging_token: RefreshToken,
    code: AuthorizationCode,
    device: Device,
    removed_device: Device,
    devices_written_at: Timestamp,
    hanging_device: Device,
    at: RecordRef,
    record: UserRecord,
}

/// What must be so from now on.
pub struct Deeds {
    begun: Begun,
    verified: Account,
    renamed: Device,
    record: UserRecord,
}

/// Lets somebody sign up at `address`, as user `number` of the service, and do all that can be begun.
///
/// # Errors
/// When the store does not do it at once.
pub async fn begin(
    by: &Writer,
    make: &Maker,
    service: &Service,
    address: &str,
    number: u64,
) -> Result<Begun> {
    let store = &by.store;
    let account = make.account(address);
    let (uid, first) = (account.uid, make.sign_in(account.uid));
    let created = store
        .create_account(&by.call(), account.clone(), first.clone())
        .await;
    created.context("signing up")?;
    let (ends, opening) = (make.sign_in(uid), by.call());
    let opened = store.open_session(&opening, ends.clone()).await;
    opened.context("signing in")?;
    let (stays, ending) = (first.session, ends.session.id);
    let (kept_token, revoked_token) = (make.refresh_token(uid, None), make.refresh_token(uid, None));
    let (hanging_token, putting) = (make.refresh_token(uid, Some(ending)), by.call());
    for (call, token) in [
        (by.call(), &kept_token),
        (putting, &revoked_token),
        (by.call(), &hanging_token),
    ] {
        let kept = store.put_refresh_token(&call, token.clone()).await;
        kept.context("keeping a refresh token")?;
    }
    let code = make.code(uid, stays.id);
    let put = store.put_authorization_code(&by.call(), code.clone()).await;
    put.context("keeping a code")?;
    let (device, hanging_device) = (make.device(uid, stays.id), make.device(uid, ending));
    let removed_device = make.device(uid, make.session(uid).id);
    for device in [&device, &removed_device, &hanging_device] {
        let put = store.put_device(&by.call(), device.clone()).await;
        put.context("keeping a device")?;
    }
    let devices_written_at = by.clock.now();
    let at = user(service, number, None);
    let assigned = store
        .assign(&by.call(), &at, &values(1, 1, b"a"), &Target::DEFAULT, make.now())
        .await;
    let [spent_keys, kept_keys] = <[KeyFetch; 2]>::try_from(first.key_fetches)
        .map_err(|tokens| anyhow::anyhow!("{} key-fetch tokens", tokens.len()))?;
    Ok(Begun {
        account,
        stays,
        kept_keys,
        spent_keys,
        ends,
        opening,
        kept_token,
        revoked_token,
        putting,
        hanging_token,
        code,
        device,
        removed_device,
        devices_written_at,
        hanging_device,
        record: assigned.context("being assigned")?,
        at,
    })
}

impl Begun {
    /// Ends what ends and changes what changes, by another writer.
    ///
    /// # Errors
    /// When the store does not do it at once.
    pub async fn end(self, by: &Writer, make: &Maker) -> Result<Deeds> {
        let (store, uid) = (&by.store, self.account.uid);
        store.verify_email(&by.call(), uid).await.context("verifying")?;
        let verified = store.account(soon(), uid).await?.context("no account")?;
        let closed = store.close_session(&by.call(), uid, self.ends.session.id).await;
        closed.context("signing out")?;
        let revoked = store
            .delete_refresh_token(&by.call(), self.revoked_token.id)
            .await;
        revoked.context("revoking a refresh token")?;
        let spent = store.consume_key_fetch(&by.call(), self.spent_keys.id).await;
        spent.context("fetching keys")?;
        let spent = store.consume_authorization_code(&by.call(), self.code.id).await;
        spent.context("trading a code")?;
        let renamed = Device {
            name: "another name".to_owned(),
            push: None,
            available_commands: std::collections::BTreeMap::new(),
            ..self.device.clone()
        };
        let later = by.call_after(self.devices_written_at);
        let put = store.put_device(&later, renamed.clone()).await;
        put.context("changing a device")?;
        let later = by.call_after(self.devices_written_at);
        let removed = store.delete_device(&later, uid, self.removed_device.id).await;
        removed.context("removing a device")?;
        let mut at = RecordRef {
            version: Some(self.record.version),
            ..self.at.clone()
        };
        let raised = store.raise(&by.call(), &at, &values(2, 1, b"a")).await;
        at.version = Some(raised.context("raising a record")?.version);
        let rekeyed = store
            .rekey(&by.call(), &at, &values(3, 3, b"b"), make.now())
            .await;
        Ok(Deeds {
            record: rekeyed.context("changing the keys of a record")?,
            verified,
            renamed,
            begun: self,
        })
    }
}

impl Deeds {
    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.begun.account.email
    }

    /// Whoever began asks again with the operations of then: that is done, and changes nothing.
    ///
    /// # Errors
    /// When it is not.
    pub async fn repeat(&self, by: &Writer) -> Result<()> {
        let begun = &self.begun;
        let opened = by.store.open_session(&begun.opening, begun.ends.clone()).await;
        opened.context("signing in again")?;
        let token = begun.revoked_token.clone();
        let kept = by.store.put_refresh_token(&begun.putting, token).await;
        kept.context("keeping a refresh token again")
    }

    /// Holds a store to all of it; how many facts that were. Tries to spend what is spent.
    ///
    /// # Errors
    /// For the first thing that is not so.
    pub async fn hold(&self, by: &Writer) -> Result<usize> {
        Ok(self.what_lives(&by.store).await?
            + self.what_is_gone(&by.store).await?
            + self.what_is_spent(by).await?)
    }

    async fn what_lives(&self, store: &CassandraStore) -> Result<usize> {
        let begun = &self.begun;
        let account = store.account(soon(), begun.account.uid).await?;
        ensure!(account.as_ref() == Some(&self.verified), "the account is another");
        ensure!(self.verified.email_verified, "a verification is lost");
        ensure!(
            self.verified.credentials == begun.account.credentials,
            "credentials have changed by themselves"
        );
        let holder = store.account_by_email(soon(), &begun.account.email_key).await?;
        ensure!(
            holder.map(|holder| holder.uid) == Some(begun.account.uid),
            "the address has another account, or none"
        );
        let session = store.session(soon(), begun.stays.id).await?;
        ensure!(session.as_ref() == Some(&begun.stays), "somebody was signed out");
        let token = store.refresh_token(soon(), begun.kept_token.id).await?;
        ensure!(
            token.as_ref() == Some(&begun.kept_token),
            "a refresh token is lost"
        );
        let keys = store.key_fetch(soon(), begun.kept_keys.id).await?;
        ensure!(
            keys.as_ref() == Some(&begun.kept_keys),
            "a key-fetch token is lost"
        );
        let record = store
            .user_record(soon(), &begun.at.service, &begun.at.user)
            .await?;
        ensure!(
            record.as_ref() == Some(&self.record),
            "the record is another: {record:?}"
        );
        Ok(7)
    }

    async fn what_is_gone(&self, store: &CassandraStore) -> Result<usize> {
        let (begun, uid) = (&self.begun, self.begun.account.uid);
        let ended = begun.ends.session.id;
        ensure!(
            store.session(soon(), ended).await?.is_none(),
            "a sign-out is lost"
        );
        let sessions = store.sessions(soon(), uid).await?;
        ensure!(
            sessions == [begun.stays.clone()],
            "{} sessions are listed",
            sessions.len()
        );
        for (token, what) in [
            (&begun.revoked_token, "a revocation"),
            (&begun.hanging_token, "a sign-out of an app"),
        ] {
            ensure!(
                store.refresh_token(soon(), token.id).await?.is_none(),
                "{what} is lost"
            );
        }
        let tokens = store.refresh_tokens(soon(), uid).await?;
        ensure!(
            tokens == [begun.kept_token.clone()],
            "{} tokens are listed",
            tokens.len()
        );
        let devices = store.devices(soon(), uid).await?;
        ensure!(devices == [self.renamed.clone()], "devices: {devices:?}");
        ensure!(
            devices.iter().all(|device| device.id != begun.hanging_device.id),
            "a device of an ended session"
        );
        Ok(7)
    }

    async fn what_is_spent(&self, by: &Writer) -> Result<usize> {
        let (store, begun) = (&by.store, &self.begun);
        let spent: [TokenId; 2] = [begun.spent_keys.id, begun.code.id];
        ensure!(
            store.key_fetch(soon(), spent[0]).await?.is_none(),
            "spent keys can be had"
        );
        ensure!(
            store.authorization_code(soon(), spent[1]).await?.is_none(),
            "a spent code can be had"
        );
        let again = store.consume_key_fetch(&by.call(), spent[0]).await;
        ensure!(
            again == Err(WriteError::Refused(Refusal::TokenSpent)),
            "keys spent twice: {again:?}"
        );
        let again = store.consume_authorization_code(&by.call(), spent[1]).await;
        ensure!(
            again == Err(WriteError::Refused(Refusal::TokenSpent)),
            "a code spent twice: {again:?}"
        );
        Ok(4)
    }
}
