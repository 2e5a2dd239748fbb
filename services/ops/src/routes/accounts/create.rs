//! `POST /accounts`: an account by an operator. Whoever keeps others from making one does not keep them (`accounts.md` (k),
//! Registration).

use axum::{Json, extract::State};
use foxhold_accounts::{
    Address,
    credentials::{NewPassword, NewVersionTwo},
};
use foxhold_core::{Deadline, Secret, hex};
use foxhold_ports::{Refusal, WriteError, repeat::settled};

use super::listed;
use crate::{
    audit::Deed,
    caller::Caller,
    extract::{Body, By, Params},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    routes::Reply,
    wire::{AccountChanged, AccountOutcome, Code, DryRun, FieldFault, NewAccount},
};

pub(crate) async fn create(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(wanted): Body<NewAccount>,
) -> Reply<AccountChanged> {
    let address = Address::parse(&wanted.email).map_err(|_| fault("email", "give a mail address"))?;
    let password = password(&wanted)?;
    let outcome = app
        .create_account(by, &address, password, wanted.verified, dry_run)
        .await;
    // Whose account it is, is known once it is made.
    let made = outcome.as_ref().ok().and_then(|made| made.account.as_ref());
    let ports = app.accounts()?;
    let user = made.and_then(|account| Some(ports.user(account.uid.parse().ok()?)));
    let mut deed = Deed::new(&caller, "account.create", dry_run);
    deed.user = user.as_ref();
    app.audited(&deed, outcome).map(Json)
}

impl OpsPorts {
    async fn create_account(
        &self,
        by: Deadline,
        address: &Address,
        password: NewPassword,
        verified: bool,
        dry_run: bool,
    ) -> Result<AccountChanged, Refused> {
        let ports = self.accounts()?;
        if ports.reader.account_by_email(by, address.key()).await?.is_some() {
            return Err(taken());
        }
        let made = AccountChanged {
            outcome: AccountOutcome::Created,
            dry_run,
            account: None,
        };
        if dry_run {
            return Ok(made);
        }
        let operator = ports.operator(&*self.random);
        let now = self.clock.now();
        let account = operator.new_account(by, address, password, verified, now).await?;
        let call = self.call(by);
        let put = || ports.writer.make_account(&call, account.clone());
        settled(&call, put).await.map_err(|error| match error {
            WriteError::Refused(Refusal::EmailTaken) => taken(),
            error => error.into(),
        })?;
        Ok(AccountChanged {
            account: Some(listed((&account).into())),
            ..made
        })
    }
}

fn taken() -> Refused {
    Refused::new(Code::Conflict, "an account has this address")
}

fn password(wanted: &NewAccount) -> Result<NewPassword, FieldFault> {
    let password = NewPassword {
        auth_pw: secret("auth_pw", &wanted.auth_pw)?,
        wrap_kb: Some(secret("wrap_kb", &wanted.wrap_kb)?),
        version_two: Some(NewVersionTwo {
            auth_pw: secret("auth_pw_version2", &wanted.auth_pw_version2)?,
            wrap_kb: secret("wrap_kb_version2", &wanted.wrap_kb_version2)?,
            client_salt: wanted.client_salt.clone(),
        }),
    };
    password
        .check()
        .map_err(|_| fault("client_salt", "give the whole salt of version 2"))?;
    Ok(password)
}

fn secret(field: &str, text: &str) -> Result<Secret<32>, FieldFault> {
    let bytes = hex::decode(text).map_err(|_| fault(field, "give 64 hex digits"))?;
    Ok(Secret::new(bytes))
}
