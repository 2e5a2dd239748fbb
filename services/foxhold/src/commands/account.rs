//! `foxhold account …`: the accounts of a box or a fleet, in their owners' place.

mod change;
mod create;
mod password;
mod view;

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use foxhold_accounts::Address;
use foxhold_core::Uid;
use foxhold_ops::wire::{Account, AccountState, Accounts, ListedAccount, PAGE_LIMIT_MAX};
use serde_json::Value;

pub(crate) use self::password::BadPassword;
use crate::{
    admin_client::{self, AdminArgs, Path},
    output::OutputArgs,
};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// One account: whether it is verified and may be used, what guards it, and what is signed in.
    ///
    /// Changes nothing. No secret is shown.
    #[command(
        after_help = "Examples:\n  foxhold account show ann@example.org\n  foxhold account show 7d3c5a0f2b1e4968a1b2c3d4e5f60718 --output json"
    )]
    Show(ShowArgs),
    /// All accounts.
    ///
    /// Changes nothing. With --output jsonl each is printed as it comes, however many there are.
    #[command(
        after_help = "Examples:\n  foxhold account list\n  foxhold account list --disabled --output jsonl"
    )]
    List(ListArgs),
    /// Make an account, whoever may sign up. Its address counts as its owner's.
    ///
    /// Run it for somebody who is to sign in with a password of yours. Its owner changes it afterwards.
    #[command(
        after_help = "Examples:\n  foxhold account create ann@example.org --password-file ann.txt\n  foxhold account create ann@example.org --password-file -"
    )]
    Create(create::CreateArgs),
    /// Let nobody use an account: no sign-in, no session and no token of it counts. Nothing is deleted.
    ///
    /// Run it when somebody has left, or may have lost the password to others.
    #[command(
        after_help = "Examples:\n  foxhold account disable ann@example.org --dry-run\n  foxhold account disable ann@example.org"
    )]
    Disable(change::SwitchArgs),
    /// Let an account be used again, as it was.
    #[command(
        after_help = "Examples:\n  foxhold account enable ann@example.org --dry-run\n  foxhold account enable ann@example.org"
    )]
    Enable(change::SwitchArgs),
    /// Delete an account for good, with all that is signed in. Its address is free from then on.
    ///
    /// The records on sync nodes are erased by the next purge. If it ends with an error, run it again with the account's uid.
    #[command(
        after_help = "Examples:\n  foxhold account delete ann@example.org --dry-run\n  foxhold account delete ann@example.org --yes"
    )]
    Delete(change::DeleteArgs),
    /// Print a link with which the owner of an account sets a new password. Nothing is mailed.
    ///
    /// Run it where no mail is sent, or none arrives. Whoever has the link gets in: give it to the owner alone.
    #[command(
        name = "reset-link",
        after_help = "Examples:\n  foxhold account reset-link ann@example.org\n  foxhold account reset-link ann@example.org --dry-run"
    )]
    ResetLink(change::SwitchArgs),
    /// Take the second factor off an account, with its backup codes. Whoever knows the password gets in from then on.
    ///
    /// Run it for an owner who has lost authenticator and backup codes, once you are sure who asks. Nothing is mailed.
    #[command(
        name = "delete-second-factor",
        after_help = "Examples:\n  foxhold account delete-second-factor ann@example.org --dry-run\n  foxhold account delete-second-factor ann@example.org --yes"
    )]
    DeleteSecondFactor(change::DeleteArgs),
}

/// An account, by name.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its address, or its uid: 32 hex digits.
    #[arg(value_name = "ADDRESS|UID", value_parser = named)]
    account: String,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those that are disabled.
    #[arg(long)]
    disabled: bool,
    /// Only those whose address is not verified.
    #[arg(long)]
    unverified: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// An address, or a uid in the spelling that it is kept in.
fn named(text: &str) -> Result<String, String> {
    let folded = text.to_ascii_lowercase();
    if folded.parse::<Uid>().is_ok() {
        return Ok(folded);
    }
    address(text).map_err(|_| "a mail address, as in ann@example.org, or a uid: 32 hex digits".to_owned())
}

/// An address as it was typed: the spelling is a part of the password's salt.
fn address(text: &str) -> Result<String, String> {
    match Address::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a mail address, as in ann@example.org".to_owned()),
    }
}

/// Runs one of them.
pub(crate) fn run(command: &AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Show(arguments) => show(arguments),
        AccountCommand::List(arguments) => list(arguments),
        AccountCommand::Create(arguments) => create::run(arguments),
        AccountCommand::Disable(arguments) => change::switch(arguments, "disable"),
        AccountCommand::Enable(arguments) => change::switch(arguments, "enable"),
        AccountCommand::Delete(arguments) => change::delete(arguments),
        AccountCommand::ResetLink(arguments) => change::reset_link(arguments),
        AccountCommand::DeleteSecondFactor(arguments) => change::delete_second_factor(arguments),
    }
}

fn show(arguments: &ShowArgs) -> anyhow::Result<()> {
    let path = Path::of(["accounts", &arguments.account]);
    let found: Account = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let value = serde_json::to_value(&found)?;
    Ok(arguments.output.print(&view::one(&found), &value)?)
}

impl ListArgs {
    fn wants(&self, account: &ListedAccount) -> bool {
        (!self.disabled || account.state == AccountState::Disabled) && (!self.unverified || !account.verified)
    }
}

fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let limit = PAGE_LIMIT_MAX.to_string();
    let is_told_at_once = arguments.output.is_jsonl();
    let listed = admin_client::with(&arguments.admin, async |admin| {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let path = Path::of(["accounts"]).with("limit", &limit).after(after.as_ref());
            let page: Accounts = admin.get(&path).await?;
            let wanted = page
                .accounts
                .into_iter()
                .filter(|account| arguments.wants(account));
            if is_told_at_once {
                print(wanted)?;
            } else {
                listed.extend(wanted);
            }
            after = page.next;
            if after.is_none() {
                return Ok(listed);
            }
        }
    })?;
    if is_told_at_once {
        return Ok(());
    }
    let values = listed.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    Ok(arguments
        .output
        .print_list(&view::listed(&listed), "accounts", values)?)
}

fn print(accounts: impl Iterator<Item = ListedAccount>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for account in accounts {
        writeln!(out, "{}", serde_json::to_value(&account)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_an_address_or_a_uid() {
        let uid = "e7253c0a2b1e4968a1b2c3d4e5f60718";
        for (text, expected) in [
            (uid, Some(uid)),
            ("E7253C0A2B1E4968A1B2C3D4E5F60718", Some(uid)),
            ("Ann@example.org", Some("Ann@example.org")),
            ("", None),
            ("ann", None),
            ("e725", None),
        ] {
            assert_eq!(named(text).ok().as_deref(), expected, "{text:?}");
        }
        assert!(address(uid).is_err());
    }
}
