//! `foxhold invite import`: an invitation for each address of a file. What each row comes to is told, and the rest goes on.
//!
//! Must stay true: whoever has an account or an invitation that is open gets none, so the same file may be imported again.

use std::{collections::BTreeSet, fs::File, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::Args;
use foxhold_accounts::Address;
use foxhold_core::record::EmailKey;
use foxhold_ops::wire::{
    Account, Code, DryRun, InvitationState, Invitations, InvitationsMade, NewInvitations,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{
    admin_client::{self, Admin, AdminArgs, AdminError, Path},
    output::{OutputArgs, table},
    values::span,
};

/// The longest note that is kept, in bytes.
const NOTE_LEN_MAX: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Comma-separated, with a line of names first: email, and if wanted locale and note.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// How long they invite, up to 365d.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "14d")]
    expires: Duration,
    /// Say what each row would come to, and invite nobody.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Some rows did not work.
#[derive(Debug, Error)]
#[error(
    "{failed} of {rows} rows came to nothing\nfix: mend them, and import the file again: nobody is invited twice"
)]
pub(crate) struct RowsFailed {
    failed: usize,
    rows: usize,
}

/// A row of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    email: String,
    /// The language of the invitation's mail, where it is mailed.
    #[serde(default)]
    #[expect(dead_code, reason = "files have it; codes are not mailed")]
    locale: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Created,
    Exists,
    AlreadyInvited,
    BadAddress,
    NoteTooLong,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Exists => "exists",
            Self::AlreadyInvited => "already invited",
            Self::BadAddress => "bad address",
            Self::NoteTooLong => "note too long",
        }
    }

    const fn is_failure(self) -> bool {
        matches!(self, Self::BadAddress | Self::NoteTooLong)
    }
}

#[derive(Debug, Serialize)]
struct Done {
    /// Counted from 1, the names not included.
    row: usize,
    email: String,
    outcome: Outcome,
    code: Option<String>,
    link: Option<String>,
    dry_run: bool,
}

pub(super) fn run(arguments: &ImportArgs) -> anyhow::Result<()> {
    let shown = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("opening {shown}"))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let rows = reader.deserialize::<Row>().collect::<Result<Vec<Row>, _>>();
    let rows = rows.with_context(|| format!("reading {shown}"))?;
    // A code is told once: those that were made are printed also where the next one could not be.
    let (done, ended) = admin_client::with(&arguments.admin, async |admin| {
        let mut invited = invited(admin).await?;
        let mut done = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            match invite(admin, arguments, &mut invited, number + 1, row).await {
                Ok(row) => done.push(row),
                Err(error) => return Ok((done, Err(error))),
            }
        }
        Ok((done, Ok(())))
    })?;
    let values = done.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    arguments.output.print_list(&text(&done), "rows", values)?;
    ended?;
    match done.iter().filter(|done| done.outcome.is_failure()).count() {
        0 => Ok(()),
        failed => {
            let rows = done.len();
            Err(RowsFailed { failed, rows }.into())
        }
    }
}

/// Whom invitations that are open are for.
async fn invited(admin: &mut Admin) -> Result<BTreeSet<EmailKey>, AdminError> {
    let (mut invited, mut after) = (BTreeSet::new(), None);
    loop {
        let path = Path::of(["invitations"])
            .with("limit", "1000")
            .after(after.as_ref());
        let page: Invitations = admin.get(&path).await?;
        let open = page
            .invitations
            .iter()
            .filter(|invitation| invitation.state == InvitationState::Open);
        let addresses = open.filter_map(|invitation| Address::parse(invitation.email.as_deref()?).ok());
        invited.extend(addresses.map(|address| address.key().clone()));
        after = page.next;
        if after.is_none() {
            return Ok(invited);
        }
    }
}

async fn invite(
    admin: &mut Admin,
    arguments: &ImportArgs,
    invited: &mut BTreeSet<EmailKey>,
    number: usize,
    row: &Row,
) -> Result<Done, AdminError> {
    let dry_run = arguments.dry_run;
    let done = |outcome, (code, link)| Done {
        row: number,
        email: row.email.clone(),
        outcome,
        code,
        link,
        dry_run,
    };
    let nothing = (None, None);
    let Ok(address) = Address::parse(&row.email) else {
        return Ok(done(Outcome::BadAddress, nothing));
    };
    if row.note.as_ref().is_some_and(|note| note.len() > NOTE_LEN_MAX) {
        return Ok(done(Outcome::NoteTooLong, nothing));
    }
    if invited.contains(address.key()) {
        return Ok(done(Outcome::AlreadyInvited, nothing));
    }
    if has_account(admin, &row.email).await? {
        return Ok(done(Outcome::Exists, nothing));
    }
    let wanted = NewInvitations {
        email: Some(row.email.clone()),
        lifetime_secs: Some(arguments.expires.as_secs()),
        note: row.note.clone().filter(|note| !note.is_empty()),
        ..NewInvitations::default()
    };
    let path = Path::of(["invitations"]).dry(DryRun { dry_run });
    let made: InvitationsMade = admin.post(&path, &wanted).await?;
    invited.insert(address.key().clone());
    let made = made.invitations.into_iter().next();
    Ok(done(
        Outcome::Created,
        made.map_or(nothing, |made| (made.code, made.link)),
    ))
}

/// Whether the address has an account that is verified. Where accounts are not administered nobody can say.
async fn has_account(admin: &mut Admin, email: &str) -> Result<bool, AdminError> {
    match admin.get::<Account>(&Path::of(["accounts", email])).await {
        Ok(found) => Ok(found.account.verified),
        Err(AdminError::Problem(problem))
            if matches!(problem.code, Code::UnknownAccount | Code::NotFound) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn text(done: &[Done]) -> String {
    let row = |done: &Done| {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            done.row.to_string(),
            // As the file has it, and so never as the terminal would read it.
            done.email.escape_debug().to_string(),
            done.outcome.name().to_owned(),
            word(&done.code),
            word(&done.link),
        ]
    };
    let rows: Vec<_> = done.iter().map(row).collect();
    table(["ROW", "ADDRESS", "RESULT", "CODE", "LINK"], &rows)
}
