//! Reading accounts and what hangs on them, for every tier.
//!
//! The end of an account, or a new password, does not find all single-use tokens, so those are asked whose they are and of
//! which password; so are refresh tokens, which a new password may not have come to remove yet.
//!
//! Must stay true: a row that is missing here is no absence while its home region has not been asked; a contradiction is
//! told only after it was looked at serially, since the halves of one write may come to a region one after the other.

use std::cmp::Reverse;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, TokenId, Uid,
    record::{Account, AuthorizationCode, Device, EmailKey, KeyFetch, PasswordToken, RefreshToken, Session},
};
use foxhold_ports::{AccountReader, Cause, ReadError, accounts::SessionAccess};
use scylla::deserialize::row::DeserializeRow;

use super::{
    access::AccessRow,
    rows::{
        ACTIVE, AccountRow, ClaimRow, CodeRow, DeviceRow, Found, KeyFetchRow, PasswordTokenRow,
        RefreshTokenRow, SessionRow, SingleUse,
    },
    validity::{self, Validity},
};
use crate::{
    CassandraReader, CassandraStore,
    cql::{Level, Read},
};

#[async_trait]
impl AccountReader for CassandraReader {
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError> {
        match self.holder(by, key, Depth::Quorum).await {
            Err(ReadError(Cause::Inconsistent)) => self.holder(by, key, Depth::Serial).await,
            Ok(None) if self.may_lag() => self.holder(by, key, Depth::Serial).await,
            answer => answer,
        }
    }

    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError> {
        let row = match self.account_row(by, uid, Depth::Quorum).await? {
            None if self.may_lag() => self.account_row(by, uid, Depth::Serial).await?,
            row => row,
        };
        Ok(match row {
            Some(Found::Account(account)) => Some(*account),
            Some(Found::Nothing) | None => None,
        })
    }

    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError> {
        let row: Option<SessionRow> = self.token_row(by, &self.accounts.session, &id).await?;
        row.map(|row| sound(row.read())).transpose()
    }

    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError> {
        let rows: Vec<SessionRow> = self.rows_of(by, &self.accounts.sessions_of, uid).await?;
        sorted(rows.into_iter().map(SessionRow::read), |s| {
            (Reverse(s.created_at), s.id)
        })
    }

    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError> {
        let rows: Vec<AccessRow> = self.rows_of(by, &self.accounts.accesses_of, uid).await?;
        rows.into_iter().map(|row| sound(row.read())).collect()
    }

    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError> {
        let row: Option<KeyFetchRow> = self.token_row(by, &self.accounts.key_fetch, &id).await?;
        let Some(token) = unspent(row.map(KeyFetchRow::read))? else {
            return Ok(None);
        };
        let validity = self.validity(by, token.uid, |_| true).await?;
        Ok(validity
            .is_some_and(|of| of.admits(token.generation))
            .then_some(token))
    }

    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError> {
        let rows: Vec<DeviceRow> = self.rows_of(by, &self.accounts.devices_of, uid).await?;
        sorted(rows.into_iter().map(DeviceRow::read), |d| (d.created_at, d.id))
    }

    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError> {
        let row: Option<CodeRow> = self.token_row(by, &self.accounts.code, &id).await?;
        let Some(code) = unspent(row.map(CodeRow::read))? else {
            return Ok(None);
        };
        let validity = self.validity(by, code.uid, |_| true).await?;
        Ok(validity
            .is_some_and(|of| of.admits(code.generation))
            .then_some(code))
    }

    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError> {
        let row: Option<RefreshTokenRow> = self.token_row(by, &self.accounts.refresh_token, &id).await?;
        let Some(token) = row.map(|row| sound(row.read())).transpose()? else {
            return Ok(None);
        };
        // That its account is gone is for whoever asks to say, who reads that, too.
        let validity = validity::here(self, by, token.uid).await?;
        let is_dead = validity.is_some_and(|of| !of.admits_refresh_token(&token));
        Ok((!is_dead).then_some(token))
    }

    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError> {
        let rows: Vec<RefreshTokenRow> = self.rows_of(by, &self.accounts.refresh_tokens_of, uid).await?;
        let mut tokens = sorted(rows.into_iter().map(RefreshTokenRow::read), |t| {
            (t.created_at, t.id)
        })?;
        if !tokens.is_empty()
            && let Some(validity) = validity::here(self, by, uid).await?
        {
            tokens.retain(|token| validity.admits_refresh_token(token));
        }
        Ok(tokens)
    }

    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError> {
        let row: Option<PasswordTokenRow> = self.token_row(by, &self.accounts.password_token, &id).await?;
        let Some(token) = unspent(row.map(PasswordTokenRow::read))? else {
            return Ok(None);
        };
        let validity = self.validity(by, token.uid, |of| of.knows(token.generation));
        Ok(validity
            .await?
            .is_some_and(|of| of.is_of(token.generation))
            .then_some(token))
    }
}

/// How sure a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Quorum,
    Serial,
}

impl CassandraReader {
    /// What an account says of all that hangs on it, as new as is asked for.
    async fn validity(
        &self,
        by: Deadline,
        uid: Uid,
        new_enough: impl Fn(&Validity) -> bool,
    ) -> Result<Option<Validity>, ReadError> {
        if self.may_lag() {
            validity::surely(self, by, uid, new_enough).await
        } else {
            validity::here(self, by, uid).await
        }
    }

    /// Whether an account may be in another region and not here yet: then a quorum of this one cannot say that there is
    /// none. Only a serial read can, and whoever is signed in must not be told so for less.
    pub(super) fn may_lag(&self) -> bool {
        self.cql.regions().all().len() > 1
    }

    /// The account that holds an address (`security.md` D.2, sanity check).
    async fn holder(&self, by: Deadline, key: &EmailKey, depth: Depth) -> Result<Option<Account>, ReadError> {
        let (statement, values) = (&self.accounts.claim, (key.as_str(),));
        let claim: Option<ClaimRow> = match depth {
            Depth::Quorum => self.cql.row(by, statement, values).await?,
            Depth::Serial => {
                self.cql
                    .serial_row(Level::Deployment, by, statement, values)
                    .await?
            }
        };
        let Some(claim) = claim.filter(|claim| claim.state == ACTIVE) else {
            return Ok(None);
        };
        let uid = sound(Uid::from_slice(&claim.uid))?;
        match self.account_row(by, uid, depth).await? {
            Some(Found::Account(account)) if account.email_key == *key => Ok(Some(*account)),
            // Condemned, and about to be replaced.
            Some(Found::Nothing) => Ok(None),
            Some(Found::Account(_)) | None => {
                if depth == Depth::Serial {
                    tracing::error!(account.uid = %uid, "an address and its account do not fit together");
                }
                Err(ReadError(Cause::Inconsistent))
            }
        }
    }

    async fn account_row(&self, by: Deadline, uid: Uid, depth: Depth) -> Result<Option<Found>, ReadError> {
        let (statement, values) = (&self.accounts.account, (uid.as_bytes(),));
        let row: Option<AccountRow> = match depth {
            Depth::Quorum => self.cql.row(by, statement, values).await?,
            Depth::Serial => {
                self.cql
                    .serial_row(Level::Deployment, by, statement, values)
                    .await?
            }
        };
        row.map(|row| sound(row.read())).transpose()
    }

    /// The row of a token, from its home region if it is missing here.
    pub(super) async fn token_row<R>(
        &self,
        by: Deadline,
        statement: &Read,
        id: &TokenId,
    ) -> Result<Option<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let here = self.cql.row(by, statement, (id.as_bytes(),)).await?;
        match self.cql.regions().foreign_home(id) {
            Some(home) if here.is_none() => self.cql.row_in(home, by, statement, (id.as_bytes(),)).await,
            _ => Ok(here),
        }
    }

    async fn rows_of<R>(&self, by: Deadline, statement: &Read, uid: Uid) -> Result<Vec<R>, ReadError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.cql.rows(by, statement, (uid.as_bytes(),)).await
    }
}

/// A row that makes no sense is a fault.
pub(crate) fn sound<T>(record: Option<T>) -> Result<T, ReadError> {
    record.ok_or_else(|| {
        tracing::error!("a row of the accounts makes no sense");
        ReadError(Cause::Fault)
    })
}

fn unspent<T>(token: Option<Option<SingleUse<T>>>) -> Result<Option<T>, ReadError> {
    Ok(match token.map(sound).transpose()? {
        Some(SingleUse::Unspent(token)) => Some(token),
        Some(SingleUse::Spent) | None => None,
    })
}

fn sorted<T, O: Ord>(
    records: impl Iterator<Item = Option<T>>,
    order: impl Fn(&T) -> O,
) -> Result<Vec<T>, ReadError> {
    let mut records: Vec<T> = records.map(sound).collect::<Result<_, _>>()?;
    records.sort_by_key(order);
    Ok(records)
}

#[async_trait]
impl AccountReader for CassandraStore {
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError> {
        self.reader.account_by_email(by, key).await
    }

    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError> {
        self.reader.account(by, uid).await
    }

    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError> {
        self.reader.session(by, id).await
    }

    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError> {
        self.reader.sessions(by, uid).await
    }

    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError> {
        self.reader.accesses(by, uid).await
    }

    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError> {
        self.reader.key_fetch(by, id).await
    }

    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError> {
        self.reader.devices(by, uid).await
    }

    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError> {
        self.reader.authorization_code(by, id).await
    }

    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError> {
        self.reader.refresh_token(by, id).await
    }

    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError> {
        self.reader.refresh_tokens(by, uid).await
    }

    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError> {
        self.reader.password_token(by, id).await
    }
}
