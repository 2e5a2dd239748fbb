//! `DELETE /accounts/{account}/second-factor`: for an owner who has lost authenticator and backup codes.
//!
//! Must stay true: whoever waits for a code of the second factor goes on waiting; a sign-in from then on asks for none. Nothing
//! is mailed: the caller tells the owner.

use axum::{Json, extract::State};
use foxhold_core::{Deadline, record::Account};
use foxhold_ports::{Refusal, WriteError, repeat::settled};

use super::listed;
use crate::{
    audit::Deed,
    caller::Caller,
    extract::{By, Params, Segments},
    refused::Refused,
    router::{App, OpsPorts},
    routes::Reply,
    wire::{AccountChanged, AccountOutcome, DryRun},
    write::ROUNDS,
};

pub(crate) async fn delete_second_factor(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(named): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
) -> Reply<AccountChanged> {
    let account = app.account(by, &named).await?;
    let user = app.accounts()?.user(account.uid);
    let deed = Deed::new(&caller, "account.delete-second-factor", dry_run).on_user(&user);
    let outcome = app.take_second_factor_off(by, account, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    /// Takes it off, whatever else of the account changes meanwhile. One that is still being set up goes as well.
    async fn take_second_factor_off(
        &self,
        by: Deadline,
        mut account: Account,
        dry_run: bool,
    ) -> Result<AccountChanged, Refused> {
        let ports = self.accounts()?;
        for _ in 0..ROUNDS {
            let outcome = match account.second_factor {
                Some(_) => AccountOutcome::Changed,
                None => AccountOutcome::Unchanged,
            };
            let changed = AccountChanged {
                outcome,
                dry_run,
                account: Some(listed((&account).into())),
            };
            if dry_run || outcome == AccountOutcome::Unchanged {
                return Ok(changed);
            }
            let (call, uid, version) = (self.call(by), account.uid, account.version);
            match settled(&call, || ports.admin.delete_second_factor(&call, uid, version)).await {
                Ok(()) => return Ok(changed),
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                Err(error) => return Err(error.into()),
            }
            let found = ports.reader.account(by, uid).await?;
            account = found.ok_or_else(Refused::unknown_account)?;
        }
        Err(Refused::contended())
    }
}
