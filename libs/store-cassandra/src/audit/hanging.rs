//! Devices and key-fetch tokens against accounts: each has one.

use foxhold_core::TokenId;
use scylla::DeserializeRow;

use super::{
    Audit, AuditError, Check, Finding, Verdict,
    rows::{example, micros},
    scan::soon,
    sweep::{DeviceOf, end_of_none, has_any, remove_key_fetch},
};
use crate::cql::{Level, Read};

pub(super) struct Devices;

#[derive(Debug, DeserializeRow)]
pub(super) struct DeviceRow {
    uid: Vec<u8>,
    id: Vec<u8>,
    written: Option<i64>,
}

impl Check for Devices {
    type Row = DeviceRow;
    type Suspicion = DeviceRow;

    fn table(&self) -> &'static str {
        "devices"
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        &audit.statements.devices
    }

    async fn first_look(&self, audit: &Audit<'_>, row: DeviceRow) -> Result<Option<DeviceRow>, AuditError> {
        if audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        // One of a deleted account is found among the accounts.
        let account = audit.account_here(&row.uid).await?;
        Ok(account.is_none().then_some(row))
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &DeviceRow) -> Result<Verdict, AuditError> {
        if audit.account(&row.uid).await?.is_some() {
            return Ok(Verdict::Fine);
        }
        let devices = audit.cql.rows(soon(), &audit.statements.devices_of, (&row.uid,));
        let devices: Vec<DeviceOf> = devices.await?;
        if devices.iter().all(|device| device.id != row.id) {
            return Ok(Verdict::Fine);
        }
        let finding = Finding::DeviceOfNoAccount;
        if !audit.options.repair {
            return Ok(Verdict::Found(finding, example(&row.uid)));
        }
        Ok(if end_of_none(audit, &row.uid).await? {
            Verdict::Repaired(finding, example(&row.uid))
        } else {
            Verdict::Changed
        })
    }
}

pub(super) struct KeyFetches;

#[derive(Debug, DeserializeRow)]
pub(super) struct KeyFetchRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    spent_by: Option<Vec<u8>>,
    written: Option<i64>,
}

impl KeyFetchRow {
    /// Spent ones stay until they expire, whatever has become of the account.
    fn is_spent(&self) -> bool {
        self.spent_by
            .as_ref()
            .is_some_and(|op| op.iter().any(|byte| *byte != 0))
    }
}

impl Check for KeyFetches {
    type Row = KeyFetchRow;
    type Suspicion = KeyFetchRow;

    fn table(&self) -> &'static str {
        "key_fetches"
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        &audit.statements.key_fetches
    }

    async fn first_look(
        &self,
        audit: &Audit<'_>,
        row: KeyFetchRow,
    ) -> Result<Option<KeyFetchRow>, AuditError> {
        if row.is_spent() || audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        let account = audit.account_here(row.uid.as_deref().unwrap_or_default()).await?;
        let is_fine = account.is_some_and(|account| account.is_active);
        Ok((!is_fine).then_some(row))
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &KeyFetchRow) -> Result<Verdict, AuditError> {
        let (Some(id), Some(uid)) = (TokenId::from_slice(&row.id), &row.uid) else {
            return Ok(Verdict::Found(Finding::UnreadableRow, "key_fetches".into()));
        };
        let account = audit.account(uid).await?;
        if let Some(account) = &account
            && (account.is_active || audit.is_young(account.written) || has_any(audit, uid).await?)
        {
            // What else hangs on a deleted account is found there, and this token goes with it.
            return Ok(Verdict::Fine);
        }
        let regions = audit.cql.regions();
        let level = Level::Within(regions.home(&id));
        let found = audit
            .cql
            .serial_row(level, soon(), &audit.statements.key_fetch, (&row.id,));
        let found: Option<KeyFetchRow> = found.await?;
        if found.is_none_or(|found| found.is_spent()) {
            return Ok(Verdict::Fine);
        }
        let finding = Finding::KeyFetchOfNoAccount;
        if !audit.options.repair {
            return Ok(Verdict::Found(finding, example(uid)));
        }
        if account.is_none() && !end_of_none(audit, uid).await? {
            return Ok(Verdict::Changed);
        }
        Ok(if remove_key_fetch(audit, uid, &row.id).await? {
            Verdict::Repaired(finding, example(uid))
        } else {
            Verdict::Changed
        })
    }
}
