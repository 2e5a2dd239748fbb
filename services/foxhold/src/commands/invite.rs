//! `foxhold invite …`: invitations to make an account, where `registration = "invitation"` asks for one.

pub(crate) mod import;

use std::time::Duration;

use clap::{Args, Subcommand};
use foxhold_core::Timestamp;
use foxhold_ops::wire::{
    DryRun, INVITATIONS_MAX, Invitation, InvitationDeleted, InvitationState, Invitations, InvitationsMade,
    MadeInvitation, NewInvitations,
};
use foxhold_webhead::registration::RegistrationSetting;
use serde_json::Value;

use crate::{
    admin_client::{self, AdminArgs, AdminError, Path},
    confirm,
    output::{OutputArgs, moment, table},
    progress::note,
    single_box::stopped::settings_of,
    values::span,
};

#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// Invite somebody to make an account: prints a code, and a link that brings it along.
    ///
    /// Run it where accounts are made by invitation only. The code is shown once: only its hash is kept. With --send it is mailed
    /// in place of that, and whoever uses it need not confirm the address.
    #[command(
        after_help = "Examples:\n  foxhold invite create --email ann@example.org --send --from-name \"Class 5b\"\n  foxhold invite create --domain example.org --expires 30d --count 20"
    )]
    Create(CreateArgs),
    /// All invitations, and what has become of them.
    ///
    /// Changes nothing.
    #[command(after_help = "Examples:\n  foxhold invite list\n  foxhold invite list --output jsonl")]
    List(ListArgs),
    /// One invitation, by its id in the list.
    ///
    /// Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold invite show 52c2524d78486cd39288f2c9d2599e1933665383d3495dc43fe63c60b852dc1b\n  foxhold invite show 52c2524d78486cd39288f2c9d2599e1933665383d3495dc43fe63c60b852dc1b --output json"
    )]
    Show(ShowArgs),
    /// Take an invitation back. Used ones stay, as history.
    #[command(
        after_help = "Examples:\n  foxhold invite delete 52c2524d78486cd39288f2c9d2599e1933665383d3495dc43fe63c60b852dc1b --dry-run\n  foxhold invite delete 52c2524d78486cd39288f2c9d2599e1933665383d3495dc43fe63c60b852dc1b --yes"
    )]
    Delete(DeleteArgs),
    /// Invite everybody in a file, row by row: prints a code and a link for each, or that it is mailed, or why there is none.
    ///
    /// Run it for a class or a firm; again, when rows were mended: who has an account or an open invitation gets none.
    #[command(
        after_help = "Examples:\n  foxhold invite import class.csv --dry-run\n  foxhold invite import class.csv --send --from-name \"Class 5b\" --output jsonl"
    )]
    Import(import::ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Only the owner of this address may use it.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "domain")]
    email: Option<String>,
    /// Only addresses of this domain may use it.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// How long it invites, up to 365d.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "14d")]
    expires: Duration,
    /// How many, each for one account.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "email",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(INVITATIONS_MAX)))]
    count: u32,
    /// What to remember of it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    mail: MailArgs,
    /// Say what would be made, and make nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Whether codes are mailed.
#[derive(Debug, Args)]
pub(crate) struct MailArgs {
    /// Mail the code to the address it is for, and show it to nobody.
    #[arg(long)]
    send: bool,
    /// Who invites, as the mail says it; the server alone when absent.
    #[arg(long, value_name = "NAME", requires = "send")]
    from_name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// As the list has it: 64 hex digits.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
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

/// Runs one of them.
pub(crate) fn run(command: &InviteCommand) -> anyhow::Result<()> {
    match command {
        InviteCommand::Create(arguments) => create(arguments),
        InviteCommand::List(arguments) => list(arguments),
        InviteCommand::Show(arguments) => show(arguments),
        InviteCommand::Delete(arguments) => delete(arguments),
        InviteCommand::Import(arguments) => import::run(arguments),
    }
}

fn create(arguments: &CreateArgs) -> anyhow::Result<()> {
    let wanted = NewInvitations {
        email: arguments.email.clone(),
        domain: arguments.domain.clone(),
        lifetime_secs: Some(arguments.expires.as_secs()),
        count: Some(arguments.count),
        note: arguments.note.clone(),
        send: arguments.mail.send,
        from_name: arguments.mail.from_name.clone(),
    };
    let dry_run = arguments.dry_run;
    let path = Path::of(["invitations"]).dry(DryRun { dry_run });
    let made: InvitationsMade = admin_client::with(&arguments.admin, async |admin| {
        Ok(admin.post(&path, &wanted).await.map_err(AdminError::of_flags)?)
    })?;
    note_needless(&arguments.admin);
    Ok(arguments
        .output
        .print(&codes(&made), &serde_json::to_value(&made)?)?)
}

/// Says where a code changes nothing. A fleet's webheads know that by themselves.
fn note_needless(admin: &AdminArgs) {
    if admin.is_fleet() {
        return;
    }
    let Ok(settings) = settings_of(admin.folder()) else {
        return;
    };
    let needless = match settings.registration {
        RegistrationSetting::Invitation => return,
        RegistrationSetting::Open => "anybody may make an account without a code: registration is \"open\"",
        RegistrationSetting::Closed => {
            "nobody may make an account, with a code neither: registration is \"closed\""
        }
    };
    note(
        admin.quiet,
        &format!("{needless}; foxhold.toml: registration = \"invitation\""),
    );
}

fn codes(made: &InvitationsMade) -> String {
    let dry_run = made.dry_run;
    let row = |made: &MadeInvitation| {
        let untold = if dry_run { "(not made)" } else { "(mailed)" };
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| untold.to_owned());
        [
            word(&made.code),
            whom(&made.invitation),
            moment(Timestamp::from_millis(made.invitation.expires_at_ms)),
            word(&made.link),
        ]
    };
    let rows: Vec<_> = made.invitations.iter().map(row).collect();
    table(["CODE", "FOR", "EXPIRES", "LINK"], &rows)
}

fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let listed = admin_client::with(&arguments.admin, async |admin| {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page: Invitations = admin
                .get(&Path::of(["invitations"]).after(after.as_ref()))
                .await?;
            listed.extend(page.invitations);
            after = page.next;
            if after.is_none() {
                return Ok(listed);
            }
        }
    })?;
    let mut listed = listed;
    listed.sort_by_key(|invitation: &Invitation| invitation.created_at_ms);
    let values = listed.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    Ok(arguments
        .output
        .print_list(&text(&listed), "invitations", values)?)
}

fn show(arguments: &ShowArgs) -> anyhow::Result<()> {
    let path = Path::of(["invitations", &arguments.id]);
    let found: Invitation = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let value = serde_json::to_value(&found)?;
    Ok(arguments.output.print(&text(&[found]), &value)?)
}

fn delete(arguments: &DeleteArgs) -> anyhow::Result<()> {
    let one = &arguments.one;
    let dry_run = arguments.dry_run;
    let deleted: InvitationDeleted = admin_client::with(&one.admin, async |admin| {
        let path = Path::of(["invitations", &one.id]);
        // One that there is not is told before anybody is asked.
        let _: Invitation = admin.get(&path).await?;
        confirm::by_name(
            arguments.yes || dry_run,
            "Nobody can make an account with it any more.",
            "invitation's id",
            &one.id,
        )?;
        Ok(admin.delete(&path.dry(DryRun { dry_run })).await?)
    })?;
    let word = if deleted.dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    let text = format!("{word}\n{}", text(std::slice::from_ref(&deleted.invitation)));
    Ok(one.output.print(&text, &serde_json::to_value(&deleted)?)?)
}

/// A table.
fn text(invitations: &[Invitation]) -> String {
    let row = |invitation: &Invitation| {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            invitation.id.clone(),
            state(invitation.state).to_owned(),
            whom(invitation),
            moment(Timestamp::from_millis(invitation.expires_at_ms)),
            word(&invitation.used_by),
            word(&invitation.note),
        ]
    };
    let rows: Vec<_> = invitations.iter().map(row).collect();
    table(["ID", "STATE", "FOR", "EXPIRES", "USED BY", "NOTE"], &rows)
}

const fn state(state: InvitationState) -> &'static str {
    match state {
        InvitationState::Open => "open",
        InvitationState::Used => "used",
        InvitationState::Expired => "expired",
    }
}

fn whom(invitation: &Invitation) -> String {
    match (&invitation.email, &invitation.domain) {
        (Some(email), _) => email.clone(),
        (None, Some(domain)) => format!("*@{domain}"),
        (None, None) => "anybody".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_shown_with_whom_it_is_for() {
        let mut invitation = Invitation {
            id: "52c2".into(),
            state: InvitationState::Open,
            email: None,
            domain: Some("example.org".into()),
            created_at_ms: 0,
            expires_at_ms: 86_400_000,
            mailed: false,
            note: Some("5b".into()),
            creator: "local".into(),
            used_by: None,
            used_at_ms: None,
        };
        assert_eq!(
            text(std::slice::from_ref(&invitation)),
            "ID    STATE  FOR            EXPIRES               USED BY  NOTE\n\
             52c2  open   *@example.org  1970-01-02T00:00:00Z  -        5b\n"
        );
        invitation.domain = None;
        assert_eq!(whom(&invitation), "anybody");
        invitation.email = Some("ann@example.org".into());
        assert_eq!(whom(&invitation), "ann@example.org");
    }
}
