//! Disabling, enabling and deleting accounts, and links that set a new password.

use clap::Args;
use foxhold_core::Timestamp;
use foxhold_ops::wire::{AccountChanged, AccountOutcome, DryRun, ResetLink};
use serde_json::json;

use super::{ShowArgs, view};
use crate::{
    admin_client::{self, Path},
    confirm,
    output::{moment, table},
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
    let changed: AccountChanged =
        admin_client::with(&one.admin, async |admin| Ok(admin.post(&path, &nothing).await?))?;
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
    let path = Path::of(["accounts", &one.account]).dry(DryRun { dry_run });
    let deleted: AccountChanged =
        admin_client::with(&one.admin, async |admin| Ok(admin.delete(&path).await?))?;
    Ok(one
        .output
        .print(&text(&deleted), &serde_json::to_value(&deleted)?)?)
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
        AccountOutcome::Unchanged => "unchanged",
    };
    let would = if changed.dry_run { "would be " } else { "" };
    let account = changed.account.as_ref();
    let account = account.map(|account| view::listed(std::slice::from_ref(account)));
    format!("{would}{word}\n{}", account.unwrap_or_default())
}
