//! Disabling, enabling and deleting accounts, and links that set a new password. The services of the deployment are told.
//!
//! Must stay true: an account is disabled, or gone, before a service is told so, and enabled only after all have been told which
//! tokens count no more; whoever asks again makes up for a service that could not be told.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use foxhold_core::{
    Deadline, Timestamp, Uid,
    record::{Account, Disabled},
};
use foxhold_ports::{Refusal, WriteError, account_admin::disabled_as, repeat::settled};
use foxhold_sync::events::{AccountEvent, Told};

use super::listed;
use crate::{
    audit::Deed,
    caller::Caller,
    extract::{By, NoBody, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    routes::Reply,
    wire::{AccountChanged, AccountOutcome, Code, DryRun, ResetLink},
    write::ROUNDS,
};

/// What an account is made, and what the log calls that.
type Switch = (AccountOutcome, &'static str);
const DISABLE: Switch = (AccountOutcome::Disabled, "account.disable");
const ENABLE: Switch = (AccountOutcome::Enabled, "account.enable");

pub(crate) async fn disable(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(named): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<AccountChanged> {
    app.switched(by, &caller, &named, DISABLE, dry_run).await
}

pub(crate) async fn enable(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(named): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<AccountChanged> {
    app.switched(by, &caller, &named, ENABLE, dry_run).await
}

pub(crate) async fn delete(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(named): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
) -> Reply<AccountChanged> {
    let account = app.account_if_there(by, &named).await?;
    // Whoever asks again names it by its uid: the address may be another's by now.
    let uid = account
        .as_ref()
        .map(|account| account.uid)
        .or_else(|| named.parse().ok());
    let uid = uid.ok_or_else(Refused::unknown_account)?;
    let user = app.accounts()?.user(uid);
    let deed = Deed::new(&caller, "account.delete", dry_run).on_user(&user);
    let outcome = match account {
        Some(account) => {
            let deleted = app.delete_account(by, account, dry_run).await;
            deleted.map_err(|refused| with_uid(refused, uid))
        }
        None => app.delete_again(by, uid, dry_run).await,
    };
    app.audited(&deed, outcome).map(Json)
}

pub(crate) async fn reset_link(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(named): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<ResetLink> {
    let account = app.account(by, &named).await?;
    let user = app.accounts()?.user(account.uid);
    let deed = Deed::new(&caller, "account.reset-link", dry_run).on_user(&user);
    let outcome = app.make_reset_link(by, &account, dry_run).await;
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    async fn switched(
        &self,
        by: Deadline,
        caller: &Caller,
        named: &str,
        (to, action): Switch,
        dry_run: bool,
    ) -> Reply<AccountChanged> {
        let account = self.account(by, named).await?;
        let user = self.accounts()?.user(account.uid);
        let deed = Deed::new(caller, action, dry_run).on_user(&user);
        let outcome = self.switch(by, account, to, dry_run).await;
        self.audited(&deed, outcome).map(Json)
    }

    /// Disables or enables an account, whatever else of it changes meanwhile.
    async fn switch(
        &self,
        by: Deadline,
        mut account: Account,
        wanted: AccountOutcome,
        dry_run: bool,
    ) -> Result<AccountChanged, Refused> {
        let ports = self.accounts()?;
        for _ in 0..ROUNDS {
            let disabled = switched(&account, wanted, self.clock.now());
            let outcome = disabled.map_or(AccountOutcome::Unchanged, |_| wanted);
            let changed = |account: &Account| AccountChanged {
                outcome,
                dry_run,
                account: Some(listed(account.into())),
            };
            let Some(disabled) = disabled.filter(|_| !dry_run) else {
                if !dry_run {
                    self.tell_if_disabled(by, ports, &account).await?;
                }
                return Ok(changed(&account));
            };
            let after = disabled_as(&account, disabled);
            if disabled.is_over {
                self.tell_if_disabled(by, ports, &after).await?;
            }
            let (call, uid, version) = (self.call(by), account.uid, account.version);
            match settled(&call, || ports.admin.set_disabled(&call, uid, version, disabled)).await {
                Ok(()) => {
                    if !disabled.is_over {
                        self.tell_if_disabled(by, ports, &after).await?;
                    }
                    return Ok(changed(&after));
                }
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                Err(error) => return Err(error.into()),
            }
            let found = ports.reader.account(by, uid).await?;
            account = found.ok_or_else(Refused::unknown_account)?;
        }
        Err(Refused::contended())
    }

    /// Deletes an account, whatever else of it changes meanwhile.
    async fn delete_account(
        self: &Arc<Self>,
        by: Deadline,
        mut account: Account,
        dry_run: bool,
    ) -> Result<AccountChanged, Refused> {
        let ports = self.accounts()?;
        let deleted = AccountChanged {
            outcome: AccountOutcome::Deleted,
            dry_run,
            account: Some(listed((&account).into())),
        };
        if dry_run {
            return Ok(deleted);
        }
        for _ in 0..ROUNDS {
            let (call, uid, version) = (self.call(by), account.uid, account.version);
            let done = settled(&call, || ports.writer.remove_account(&call, uid, version)).await;
            let found = match done {
                Err(WriteError::Refused(Refusal::Conflict)) => ports.reader.account(by, uid).await?,
                done => {
                    done?;
                    None
                }
            };
            let Some(found) = found else {
                self.tell_of_the_end(by, ports, uid).await?;
                return Ok(deleted);
            };
            account = found;
        }
        Err(Refused::contended())
    }

    /// Makes up for what an earlier deletion could not do any more: what hangs on the account, and telling the services. Where none
    /// of them knows the user, the uid is as good as a mistyped one.
    async fn delete_again(
        self: &Arc<Self>,
        by: Deadline,
        uid: Uid,
        dry_run: bool,
    ) -> Result<AccountChanged, Refused> {
        let ports = self.accounts()?;
        let known = if dry_run {
            let (user, event) = (ports.user(uid), AccountEvent::Retire);
            self.foretold(by, &Told { user, event }).await?.known
        } else {
            let call = self.call(by);
            settled(&call, || ports.writer.remove_account(&call, uid, 0)).await?;
            self.tell_of_the_end(by, ports, uid).await?
        };
        if known == 0 {
            return Err(Refused::unknown_account());
        }
        Ok(AccountChanged {
            outcome: AccountOutcome::Unchanged,
            dry_run,
            account: None,
        })
    }

    async fn make_reset_link(
        &self,
        by: Deadline,
        account: &Account,
        dry_run: bool,
    ) -> Result<ResetLink, Refused> {
        let ports = self.accounts()?;
        if account.is_disabled() {
            return Err(Refused::new(
                Code::Conflict,
                "the account is disabled: a new password would not let its owner in",
            ));
        }
        let made = if dry_run {
            None
        } else {
            let made = ports
                .operator(&*self.random)
                .reset_link(account, self.clock.now())?;
            let call = self.call(by);
            let put = || ports.writer.put_forgot_token(&call, made.token.clone());
            settled(&call, put).await?;
            Some(made)
        };
        Ok(ResetLink {
            account: listed(account.into()),
            expires_at_ms: made.as_ref().map(|made| made.expires_at.as_millis()),
            link: made.map(|made| made.link.expose().to_owned()),
            dry_run,
        })
    }
}

/// By the time somebody asks again the address may name nobody. Not in the detail: that is logged.
fn with_uid(refused: Refused, uid: Uid) -> Refused {
    Refused {
        errors: vec![fault("account", format!("its uid is {uid}"))],
        ..refused
    }
}

/// What is to be written; `None` if it is like this already. What was signed before ends for good, so the time is later than
/// all of that.
fn switched(account: &Account, wanted: AccountOutcome, now: Timestamp) -> Option<Disabled> {
    let signed = account.signed_since().plus(Duration::from_millis(2));
    match (wanted, account.disabled) {
        (AccountOutcome::Disabled, _) if !account.is_disabled() => Some(Disabled {
            at: now.max(signed),
            is_over: false,
        }),
        (AccountOutcome::Enabled, Some(disabled)) if !disabled.is_over => Some(Disabled {
            is_over: true,
            ..disabled
        }),
        _ => None,
    }
}
