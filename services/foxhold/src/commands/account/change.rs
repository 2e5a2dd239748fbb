//! Disabling, enabling and deleting accounts, links that set a new password, and taking off second factors.

use clap::Args;
use foxhold_core::{Timestamp, Uid};
use foxhold_ops::wire::{Account, AccountChanged, AccountOutcome, DryRun, ResetLink};
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
    confirm::by_name(
        arguments.yes || dry_run,
        "The account goes for good, with all that is signed in, and its data with the next purge.",
        "account's address or uid",
        &one.account,
    )?;
    let deleted: AccountChanged = admin_client::with(&one.admin, async |admin| {
        let uid = uid_of(admin, &one.account).await?;
        let path = Path::of(["accounts", &uid]).dry(DryRun { dry_run });
        let deleted = admin.delete(&path).await;
        Ok(deleted.inspect_err(|error| say_again(error, dry_run, "delete", &uid))?)
    })?;
    Ok(one
        .output
        .print(&text(&deleted), &serde_json::to_value(&deleted)?)?)
}

/// The uid of an account that may be named by its address: once it has gone, nothing else names it.
async fn uid_of(admin: &mut Admin, named: &str) -> Result<String, AdminError> {
    if named.parse::<Uid>().is_ok() {
        return Ok(named.to_owned());
    }
    let found: Account = admin.get(&Path::of(["accounts", named])).await?;
    Ok(found.account.uid)
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
    confirm::by_name(
        arguments.yes || dry_run,
        "Whoever knows the password gets in from then on, without a code. The backup codes go as well.",
        "account's address or uid",
        &one.account,
    )?;
    let path = Path::of(["accounts", &one.account, "second-factor"]).dry(DryRun { dry_run });
    let changed: AccountChanged =
        admin_client::with(&one.admin, async |admin| Ok(admin.delete(&path).await?))?;
    Ok(one
        .output
        .print(&text(&changed), &serde_json::to_value(&changed)?)?)
}

pub(super) fn reset_link(arguments: &SwitchArgs) -> anyhow::Result<()> {
    let (one, dry_run) = (&arguments.one, arguments.dry_run);
    let path = Path::of(["accounts", &one.account, "reset-link"]).dry(DryRun { dry_run });
    let nothing = json!({});
    let made: ResetLink =
        admin_client::with(&one.admin, async |admin| Ok(admin.post(&path, &nothing).await?))?;
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
