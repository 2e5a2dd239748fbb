//! `GET|POST /accounts`, `GET|DELETE /accounts/{account}`, `POST /accounts/{account}/disable|enable|reset-link`,
//! `DELETE /accounts/{account}/second-factor`.

mod change;
mod create;
mod second_factor;
pub(super) mod telling;

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::{Address, CodeKey, operator::Operator, session};
use foxhold_core::{
    Deadline, RegionMark, Uid,
    record::{self, UserKey},
};
use foxhold_ports::{
    AccountAdmin, AccountDirectory, AccountReader, OperatorWriter, Stretcher, account_admin,
};

pub(crate) use self::{
    change::{delete, disable, enable, reset_link},
    create::create,
    second_factor::delete_second_factor,
};
use super::{Reply, page_limit};
use crate::{
    cursor,
    extract::{By, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{Account, AccountState, Accounts, Code, ListedAccount, PageQuery},
};

/// Accounts of a page, if nothing is said.
const LIMIT: u32 = 100;

/// What accounts are administered with.
#[derive(Clone)]
pub struct AccountPorts {
    /// Reads them.
    pub reader: Arc<dyn AccountReader>,
    /// Reads all of them.
    pub directory: Arc<dyn AccountDirectory>,
    /// Makes and removes them, and puts what links are made of.
    pub writer: Arc<dyn OperatorWriter>,
    /// Disables them, and takes off second factors.
    pub admin: Arc<dyn AccountAdmin>,
    /// Stretches the passwords of new ones.
    pub stretcher: Arc<dyn Stretcher>,
    /// Derives codes: the same as the webheads'.
    pub code_key: CodeKey,
    /// Second half of the keys that the accounts' users have in services: the same as the webheads'.
    pub domain: String,
    /// Root of the pages, without a trailing slash.
    pub root: String,
    /// What the ids of tokens made here bear, where there are several regions.
    pub region: Option<RegionMark>,
}

impl AccountPorts {
    fn user(&self, uid: Uid) -> UserKey {
        UserKey(format!("{uid}@{}", self.domain))
    }

    fn operator<'a>(&'a self, random: &'a dyn foxhold_core::Random) -> Operator<'a> {
        Operator {
            stretcher: &*self.stretcher,
            random,
            code_key: &self.code_key,
            region: self.region,
            root: &self.root,
        }
    }
}

pub(crate) async fn list(
    State(app): State<App>,
    By(by): By,
    Params(query): Params<PageQuery>,
) -> Reply<Accounts> {
    let limit = page_limit(query.limit.unwrap_or(LIMIT))?;
    let after = cursor::read_of_accounts(query.after.as_ref())?;
    let directory = &app.accounts()?.directory;
    let page = directory.accounts(by, after.as_ref(), limit).await?;
    Ok(Json(Accounts {
        accounts: page.accounts.into_iter().map(listed).collect(),
        next: page.next.as_ref().map(cursor::told_of_accounts),
    }))
}

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments(named): Segments<String>,
) -> Reply<Account> {
    let ports = app.accounts()?;
    let account = app.account(by, &named).await?;
    let uid = account.uid;
    let sessions = ports.reader.sessions(by, uid).await?;
    let devices = ports.reader.devices(by, uid).await?;
    let now = app.clock.now();
    let is_left = |of: &&record::Session| session::is_left(of, &account) && session::lasts(of, &devices, now);
    let clients = ports.reader.refresh_tokens(by, uid).await?;
    Ok(Json(Account {
        password_set_at_ms: account.verifier_set_at.as_millis(),
        keys_changed_at_ms: account.keys_changed_at.as_millis(),
        second_factor: account.enabled_second_factor().is_some(),
        recovery_key: account.recovery_key.as_ref().is_some_and(|key| key.enabled),
        sessions: sessions.iter().filter(is_left).count() as u64,
        devices: devices.len() as u64,
        attached_clients: clients.len() as u64,
        account: listed((&account).into()),
    }))
}

impl OpsPorts {
    fn accounts(&self) -> Result<&AccountPorts, Refused> {
        let refused = || {
            Refused::new(
                Code::NotFound,
                "this process has no `[accounts]` in its configuration",
            )
        };
        self.accounts.as_ref().ok_or_else(refused)
    }

    /// The account of a path: by its uid, or by its address.
    async fn account(&self, by: Deadline, named: &str) -> Result<record::Account, Refused> {
        let found = self.account_if_there(by, named).await?;
        found.ok_or_else(Refused::unknown_account)
    }

    async fn account_if_there(&self, by: Deadline, named: &str) -> Result<Option<record::Account>, Refused> {
        let reader = &self.accounts()?.reader;
        if let Ok(uid) = named.parse::<Uid>() {
            return Ok(reader.account(by, uid).await?);
        }
        let address = Address::parse(named);
        let address = address.map_err(|_| fault("account", "give a uid or a mail address"))?;
        Ok(reader.account_by_email(by, address.key()).await?)
    }
}

/// As it is told.
fn listed(account: account_admin::ListedAccount) -> ListedAccount {
    let disabled = account.disabled.filter(|disabled| !disabled.is_over);
    ListedAccount {
        uid: account.uid.to_string(),
        email: account.email,
        verified: account.email_verified,
        created_at_ms: account.created_at.as_millis(),
        state: match disabled {
            Some(_) => AccountState::Disabled,
            None => AccountState::Active,
        },
        disabled_at_ms: disabled.map(|disabled| disabled.at.as_millis()),
    }
}
