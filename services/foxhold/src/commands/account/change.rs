//! Disabling, enabling and deleting accounts, links that set a new password, and taking off second factors.

use clap::Args;
use foxhold_core::{Timestamp, Uid};
use foxhold_ops::wire::{Account, AccountChanged, AccountOutcome, Code, DryRun, ResetLink};
use serde_json::json;

use super::{ShowArgs, view};
use crate::{
    admin_client::{self, Admin, AdminError, Path},
    confirm,
    output::{moment, table},
    progress::note,
};

#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    one: ShowArgs,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    one: ShowArgs,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// `disable` or `enable`.
pub(super) fn switch(arguments: &SwitchArgs, verb: &str) -> anyhow::Result<()> {
    let (one, dry_run) = (&arguments.one, arguments.dry_run);
    let path = Path::of(["accounts", &one.account, verb]).dry(DryRun { dry_run });
    let nothing = json!({});
    let changed: AccountChanged = admin_client::with(&one.admin, async |admin| {
        let changed = admin.post(&path, &nothing).await;
        Ok(changed.inspect_err(|error| say_again(error, dry_run, verb, &one.account))?)
    })?;
    Ok(one
        .output
        .print(&text(&changed), &serde_json::to_value(&changed)?)?)
}

pub(super) fn delete(arguments: &DeleteArgs) -> anyhow::Result<()> {
    let (one, dry_run) = (&arguments.one, arguments.dry_run);
    let deleted: AccountChanged = admin_client::with(&one.admin, async |admin| {
        let found = Found::find(admin, &one.account).await?;
        found.confirm(
            arguments.yes || dry_run,
            "The account goes for good, with all that is signed in, and its data with the next purge.",
        )?;
        let uid = found.uid;
        let path = Path::of(["accounts", &uid]).dry(DryRun { dry_run });
        let deleted = admin.delete(&path).await;
        Ok(deleted.inspect_err(|error| say_again(error, dry_run, "delete", &uid))?)
    })?;
    Ok(one
        .output
        .print(&text(&deleted), &serde_json::to_value(&deleted)?)?)
}

/// An account that something is to be taken from. Whoever is asked has not misspelled it, then.
struct Found {
    /// Once it has gone, nothing else names it.
    uid: String,
    /// None where it has gone already: what was left over is asked for by the uid.
    address: Option<String>,
}

impl Found {
    async fn find(admin: &mut Admin, named: &str) -> Result<Self, AdminError> {
        match admin.get::<Account>(&Path::of(["accounts", named])).await {
            Ok(Account { account, .. }) => Ok(Self {
                uid: account.uid,
                address: Some(account.email),
            }),
            Err(AdminError::Problem(problem))
                if problem.code == Code::UnknownAccount && named.parse::<Uid>().is_ok() =>
            {
                Ok(Self {
                    uid: named.to_owned(),
                    address: None,
                })
            }
            Err(error) => Err(error),
        }
    }

    fn confirm(&self, is_confirmed: bool, warning: &str) -> anyhow::Result<()> {
        let names = [Some(&self.uid), self.address.as_ref()].into_iter().flatten();
        let names: Vec<_> = names.map(String::as_str).collect();
        confirm::by_any_name(is_confirmed, warning, "account's address or uid", &names)
    }
}

/// Whoever was to do it may have died between the account and the services: nobody tells them then but who asks again.
fn say_again(error: &AdminError, dry_run: bool, verb: &str, named: &str) {
    if error.may_be_done() && !dry_run {
        let again = format!(
            "it may have been done, and not every service told: foxhold account {verb} {named}, once more, tells them"
        );
        note(false, &again);
    }
}

pub(super) fn delete_second_factor(arguments: &DeleteArgs) -> anyhow::Result<()> {
    let (one, dry_run) = (&arguments.one, arguments.dry_run);
    let changed: AccountChanged = admin_client::with(&one.admin, async |admin| {
        let found = Found::find(admin, &one.account).await?;
        found.confirm(
            arguments.yes || dry_run,
            "Whoever knows the password gets in from then on, without a code. The backup codes go as well.",
        )?;
        let path = Path::of(["accounts", &found.uid, "second-factor"]).dry(DryRun { dry_run });
        Ok(admin.delete(&path).await?)
    })?;
    Ok(one
        .output
        .print(&text(&changed), &serde_json::to_value(&changed)?)?)
}

pub(super) fn reset_link(arguments: &SwitchArgs) -> anyhow::Result<()> {
    let (one, dry_run) = (&arguments.one, arguments.dry_run);
    let path = Path::of(["accounts", &one.account, "reset-link"]).dry(DryRun { dry_run });
    let nothing = json!({});
    let made: ResetLink = admin_client::with(&one.admin, async |admin| {
        let made = admin.post(&path, &nothing).await;
        let fix = || format!("foxhold account enable {}, then this again", one.account);
        Ok(made.map_err(|error| error.with_fix(Code::Conflict, fix()))?)
    })?;
    let expires = made
        .expires_at_ms
        .map(|millis| moment(Timestamp::from_millis(millis)));
    let word = |text: Option<String>| text.unwrap_or_else(|| "(not made)".to_owned());
    let row = [made.account.email.clone(), word(expires), word(made.link.clone())];
    let text = table(["FOR", "EXPIRES", "LINK"], &[row]);
    Ok(one.output.print(&text, &serde_json::to_value(&made)?)?)
}

/// What became of it, and the account.
pub(super) fn text(changed: &AccountChanged) -> String {
    let word = match changed.outcome {
        AccountOutcome::Created => "created",
        AccountOutcome::Disabled => "disabled",
        AccountOutcome::Enabled => "enabled",
        AccountOutcome::Deleted => "deleted",
        AccountOutcome::Changed => "changed",
        AccountOutcome::Unchanged => "unchanged",
    };
    let would = if changed.dry_run { "would be " } else { "" };
    let account = changed.account.as_ref();
    let account = account.map(|account| view::listed(std::slice::from_ref(account)));
    format!("{would}{word}\n{}", account.unwrap_or_default())
}
