//! Devices against accounts and sessions; grants, key-fetch and password tokens against accounts.

use foxhold_core::{Timestamp, TokenId};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{
    Audit, AuditError, Check, Finding, Verdict,
    rows::{Account, example, micros, timestamp},
    scan::soon,
    statements::AuditStatements,
    sweep::{self, DeviceOf, end_of_none, has_any, just_after},
};
use crate::cql::{Level, Read, RegionalConditional};

/// What is in `spent_by` while nobody is.
const NOBODY: [u8; 16] = [0; 16];

pub(super) struct Devices;

#[derive(Debug, DeserializeRow)]
pub(super) struct DeviceRow {
    uid: Vec<u8>,
    id: Vec<u8>,
    session: Option<Vec<u8>>,
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
        let is_suspicious = match audit.account_here(&row.uid).await? {
            None => true,
            // One of a deleted account is found among the accounts.
            Some(account) if !account.is_active => false,
            Some(account) => match &row.session {
                None => true,
                Some(session) => {
                    let statement = &audit.statements.session_generation;
                    let found = audit.cql.row(soon(), statement, (session,));
                    has_ended(found.await?, &account)
                }
            },
        };
        Ok(is_suspicious.then_some(row))
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &DeviceRow) -> Result<Verdict, AuditError> {
        let account = audit.account(&row.uid).await?;
        if account.as_ref().is_some_and(|account| !account.is_active) {
            return Ok(Verdict::Fine);
        }
        let devices = audit.cql.rows(soon(), &audit.statements.devices_of, (&row.uid,));
        let devices: Vec<DeviceOf> = devices.await?;
        let Some(device) = devices.into_iter().find(|device| device.id == row.id) else {
            return Ok(Verdict::Fine);
        };
        match account {
            None => of_nobody(audit, row).await,
            Some(account) => of_a_session(audit, row, &device, &account).await,
        }
    }
}

async fn of_nobody(audit: &Audit<'_>, row: &DeviceRow) -> Result<Verdict, AuditError> {
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

/// A new password whose writer died may have left it; or it was registered while its session was ended.
async fn of_a_session(
    audit: &Audit<'_>,
    row: &DeviceRow,
    device: &DeviceOf,
    account: &Account,
) -> Result<Verdict, AuditError> {
    let found = match &device.session {
        None => None,
        Some(session) => {
            let statement = &audit.statements.session_generation;
            audit.anywhere(statement, (session,)).await?
        }
    };
    if !has_ended(found, account) {
        return Ok(Verdict::Fine);
    }
    let finding = Finding::DeviceOfEndedSession;
    if audit.options.repair {
        // As it was read: one that moves to another session meanwhile was written later, and stays.
        let values = (just_after(device.written), &row.uid, &row.id);
        let statement = &audit.statements.remove_device;
        audit.cql.write(soon(), statement, values).await?;
        return Ok(Verdict::Repaired(finding, example(&row.uid)));
    }
    Ok(Verdict::Found(finding, example(&row.uid)))
}

/// Whether a session of this generation is over, or there is none.
fn has_ended(session: Option<(Option<CqlTimestamp>,)>, account: &Account) -> bool {
    session.is_none_or(|(generation,)| {
        generation.map_or_else(Timestamp::default, timestamp) < account.verifier_set_at
    })
}

pub(super) struct Grants;

#[derive(Debug, DeserializeRow)]
pub(super) struct GrantRow {
    uid: Vec<u8>,
    client: Vec<u8>,
    written: Option<i64>,
}

/// Whoever agrees to a client while the account is deleted may leave one.
impl Check for Grants {
    type Row = GrantRow;
    type Suspicion = GrantRow;

    fn table(&self) -> &'static str {
        "oauth_grants"
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        &audit.statements.grants
    }

    async fn first_look(&self, audit: &Audit<'_>, row: GrantRow) -> Result<Option<GrantRow>, AuditError> {
        if audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        // One of a deleted account is found among the accounts.
        let is_suspicious = audit.account_here(&row.uid).await?.is_none();
        Ok(is_suspicious.then_some(row))
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &GrantRow) -> Result<Verdict, AuditError> {
        let grants = sweep::grants(audit, &row.uid).await?;
        let is_there = grants.iter().any(|grant| grant.client == row.client);
        if !is_there || audit.account(&row.uid).await?.is_some() {
            return Ok(Verdict::Fine);
        }
        let finding = Finding::GrantOfNoAccount;
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

/// Tokens that are spent once, and that nobody has to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SingleUse {
    KeyFetch,
    Password,
}

impl SingleUse {
    pub(super) const ALL: [Self; 2] = [Self::KeyFetch, Self::Password];

    const fn of_no_account(self) -> Finding {
        match self {
            Self::KeyFetch => Finding::KeyFetchOfNoAccount,
            Self::Password => Finding::PasswordTokenOfNoAccount,
        }
    }

    const fn statements(self, all: &AuditStatements) -> Statements<'_> {
        match self {
            Self::KeyFetch => Statements {
                all: &all.key_fetches,
                one: &all.key_fetch,
                remove: &all.remove_key_fetch,
            },
            Self::Password => Statements {
                all: &all.password_tokens,
                one: &all.password_token,
                remove: &all.remove_password_token,
            },
        }
    }
}

struct Statements<'a> {
    all: &'a Read,
    one: &'a Read,
    remove: &'a RegionalConditional,
}

#[derive(Debug, DeserializeRow)]
pub(super) struct SingleUseRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    spent_by: Option<Vec<u8>>,
    written: Option<i64>,
}

impl SingleUseRow {
    /// Spent ones stay until they expire, whatever has become of the account; who has spent it may have expired before. Of
    /// one that was given back the account expires before that nobody has spent it.
    fn is_spent(&self) -> bool {
        self.spent_by.as_deref() != Some(&NOBODY[..]) || self.uid.is_none()
    }
}

impl Check for SingleUse {
    type Row = SingleUseRow;
    type Suspicion = SingleUseRow;

    fn table(&self) -> &'static str {
        match self {
            Self::KeyFetch => "key_fetches",
            Self::Password => "password_tokens",
        }
    }

    fn rows<'a>(&self, audit: &'a Audit<'_>) -> &'a Read {
        self.statements(&audit.statements).all
    }

    async fn first_look(
        &self,
        audit: &Audit<'_>,
        row: SingleUseRow,
    ) -> Result<Option<SingleUseRow>, AuditError> {
        if row.is_spent() || audit.is_young(micros(row.written)) {
            return Ok(None);
        }
        let account = match &row.uid {
            Some(uid) => audit.account_here(uid).await?,
            None => None,
        };
        let is_fine = account.is_some_and(|account| account.is_active);
        Ok((!is_fine).then_some(row))
    }

    async fn second_look(&self, audit: &Audit<'_>, row: &SingleUseRow) -> Result<Verdict, AuditError> {
        let (Some(id), Some(uid)) = (TokenId::from_slice(&row.id), &row.uid) else {
            return Ok(Verdict::Found(Finding::UnreadableRow, self.table().into()));
        };
        let statements = self.statements(&audit.statements);
        let account = audit.account(uid).await?;
        if let Some(account) = &account
            && (account.is_active || audit.is_young(account.written) || has_any(audit, uid).await?)
        {
            // What else hangs on a deleted account is found there, and this token goes with it.
            return Ok(Verdict::Fine);
        }
        let regions = audit.cql.regions();
        let level = Level::Within(regions.home(&id));
        let found = audit.cql.serial_row(level, soon(), statements.one, (&row.id,));
        let found: Option<SingleUseRow> = found.await?;
        if found.is_none_or(|found| found.is_spent()) {
            return Ok(Verdict::Fine);
        }
        let finding = self.of_no_account();
        if !audit.options.repair {
            return Ok(Verdict::Found(finding, example(uid)));
        }
        if account.is_none() && !end_of_none(audit, uid).await? {
            return Ok(Verdict::Changed);
        }
        Ok(
            if sweep::remove_single_use(audit, statements.remove, uid, &row.id).await? {
                Verdict::Repaired(finding, example(uid))
            } else {
                Verdict::Changed
            },
        )
    }
}
