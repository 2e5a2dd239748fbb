//! `foxhold invite import`: an invitation for each address of a file. What each row comes to is told as it is done, and the
//! rest goes on.
//!
//! Must stay true: whoever has an account or an invitation that is open gets none, so the same file may be imported again.
//! One that nobody was mailed is none where codes are to be mailed; it stays good beside the new one.

mod rows;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use foxhold_accounts::{
    Address,
    registration::{MailDomain, Registration},
};
use foxhold_core::record::EmailKey;
use foxhold_ops::wire::{
    Account, Code, DryRun, Invitation, InvitationState, Invitations, InvitationsMade, NewInvitations,
};
use serde::Serialize;
use thiserror::Error;

pub(crate) use self::rows::BadColumns;
use self::rows::Row;
use super::MailArgs;
use crate::{
    admin_client::{self, Admin, AdminArgs, AdminError, Path},
    commands::paged::{Interrupt, Interrupted},
    output::{OutputArgs, stream::Stream},
    progress::note,
    single_box::stopped::settings_of,
    values::span,
};

/// Characters of a code as it is shown.
const CODE_LEN: usize = 19;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Comma-separated, with a line of names first: email, and if wanted note and locale.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// How long they invite, up to 365d.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "14d")]
    expires: Duration,
    #[command(flatten)]
    mail: MailArgs,
    /// Invite only to addresses of this domain (or below: *.example.org); repeat it for more. The registration_domains of a
    /// box when absent.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    domain: Vec<MailDomain>,
    /// Say what each row would come to, and invite nobody.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn domain(text: &str) -> Result<MailDomain, String> {
    MailDomain::parse(text)
        .ok_or_else(|| "a mail domain in lower case, as in example.org or *.example.org".into())
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

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Sent,
    Created,
    Exists,
    AlreadyInvited,
    BadRow,
    BadAddress,
    DomainRefused,
    BadLocale,
    NoteTooLong,
}

impl Outcome {
    /// The longest name: that of a dry run.
    const LEN_MAX: usize = 16;

    const fn name(self, dry_run: bool) -> &'static str {
        match self {
            Self::Sent if dry_run => "would be sent",
            Self::Created if dry_run => "would be created",
            Self::Sent => "sent",
            Self::Created => "created",
            Self::Exists => "exists",
            Self::AlreadyInvited => "already invited",
            Self::BadRow => "bad row",
            Self::BadAddress => "bad address",
            Self::DomainRefused => "domain refused",
            Self::BadLocale => "bad locale",
            Self::NoteTooLong => "note too long",
        }
    }

    const fn is_failure(self) -> bool {
        match self {
            Self::Sent | Self::Created | Self::Exists | Self::AlreadyInvited => false,
            Self::BadRow | Self::BadAddress | Self::DomainRefused | Self::BadLocale | Self::NoteTooLong => {
                true
            }
        }
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
    let rows = rows::read(&arguments.file)?;
    if rows.iter().any(|row| row.locale.is_some()) {
        note(
            arguments.admin.quiet,
            "the column locale is not used: mails have one language",
        );
    }
    let failed = admin_client::with(&arguments.admin, async |admin| {
        let interrupt = Interrupt::listen()?;
        let invited = invited(admin, arguments.mail.send).await?;
        let mut import = Import {
            arguments,
            rules: rules(arguments)?,
            invited,
        };
        import.all(admin, &interrupt, &rows).await
    })?;
    match failed {
        0 => Ok(()),
        failed => {
            let rows = rows.len();
            Err(RowsFailed { failed, rows }.into())
        }
    }
}

/// Whose addresses are invited. What is bound to one address overrides the rules of sign-up; what is in a file is more often a
/// slip than meant so.
fn rules(arguments: &ImportArgs) -> anyhow::Result<Registration> {
    if arguments.domain.is_empty() && !arguments.admin.is_fleet() {
        return Ok(settings_of(arguments.admin.folder())?.registration_rules()?);
    }
    Ok(Registration {
        domains: arguments.domain.clone(),
        ..Registration::default()
    })
}

/// Whom invitations that are open are for; if codes are mailed, those alone who were mailed one.
async fn invited(admin: &mut Admin, only_mailed: bool) -> Result<BTreeSet<EmailKey>, AdminError> {
    let (mut invited, mut after) = (BTreeSet::new(), None);
    loop {
        let path = Path::of(["invitations"])
            .with("limit", "1000")
            .after(after.as_ref());
        let page: Invitations = admin.get(&path).await?;
        let counts = |invitation: &&Invitation| {
            invitation.state == InvitationState::Open && (invitation.mailed || !only_mailed)
        };
        let open = page.invitations.iter().filter(counts);
        let addresses = open.filter_map(|invitation| Address::parse(invitation.email.as_deref()?).ok());
        invited.extend(addresses.map(|address| address.key().clone()));
        after = page.next;
        if after.is_none() {
            return Ok(invited);
        }
    }
}

/// An import under way.
struct Import<'a> {
    arguments: &'a ImportArgs,
    rules: Registration,
    /// Whom no code is made for any more.
    invited: BTreeSet<EmailKey>,
}

impl Import<'_> {
    /// Goes through all rows, or until somebody interrupts; how many came to nothing. A code is told once: each row is printed
    /// before the next one is looked at.
    async fn all(&mut self, admin: &mut Admin, interrupt: &Interrupt, rows: &[Row]) -> anyhow::Result<usize> {
        let mut told = begin(self.arguments.output, rows)?;
        let mut failed = 0;
        let mut ended: anyhow::Result<()> = Ok(());
        for (number, row) in (1..).zip(rows) {
            if interrupt.has_come() {
                ended = Err(Interrupted.into());
                break;
            }
            match self.invite(admin, number, row).await {
                Ok(done) => {
                    failed += usize::from(done.outcome.is_failure());
                    told.line(cells(&done), &serde_json::to_value(&done)?)?;
                }
                Err(error) => {
                    ended = Err(error.into());
                    break;
                }
            }
        }
        told.end()?;
        ended.map(|()| failed)
    }

    async fn invite(&mut self, admin: &mut Admin, number: usize, row: &Row) -> Result<Done, AdminError> {
        let (outcome, made) = match self.judge(admin, row).await? {
            Ok(key) => {
                let made = self.make(admin, row).await?;
                self.invited.insert(key);
                (self.made(), made)
            }
            Err(outcome) => (outcome, (None, None)),
        };
        let (code, link) = made;
        Ok(Done {
            row: number,
            email: row.email.clone(),
            outcome,
            code,
            link,
            dry_run: self.arguments.dry_run,
        })
    }

    const fn made(&self) -> Outcome {
        if self.arguments.mail.send {
            Outcome::Sent
        } else {
            Outcome::Created
        }
    }

    /// Whether a row is to be invited, or what it comes to without that.
    async fn judge(&self, admin: &mut Admin, row: &Row) -> Result<Result<EmailKey, Outcome>, AdminError> {
        if let Some(fault) = row.fault() {
            return Ok(Err(fault));
        }
        let Ok(address) = Address::parse(&row.email) else {
            return Ok(Err(Outcome::BadAddress));
        };
        if self.rules.check_domain(&address).is_err() {
            return Ok(Err(Outcome::DomainRefused));
        }
        if self.invited.contains(address.key()) {
            return Ok(Err(Outcome::AlreadyInvited));
        }
        if has_account(admin, &row.email).await? {
            return Ok(Err(Outcome::Exists));
        }
        Ok(Ok(address.key().clone()))
    }

    /// Makes an invitation; its code and link, if they are told.
    async fn make(
        &self,
        admin: &mut Admin,
        row: &Row,
    ) -> Result<(Option<String>, Option<String>), AdminError> {
        let arguments = self.arguments;
        let wanted = NewInvitations {
            email: Some(row.email.clone()),
            lifetime_secs: Some(arguments.expires.as_secs()),
            note: row.note.clone(),
            send: arguments.mail.send,
            from_name: arguments.mail.from_name.clone(),
            ..NewInvitations::default()
        };
        let dry_run = arguments.dry_run;
        let path = Path::of(["invitations"]).dry(DryRun { dry_run });
        let made: InvitationsMade = admin.post(&path, &wanted).await.map_err(AdminError::of_flags)?;
        let made = made.invitations.into_iter().next();
        Ok(made.map_or((None, None), |made| (made.code, made.link)))
    }
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

fn begin(output: OutputArgs, rows: &[Row]) -> std::io::Result<Stream<5>> {
    let addresses = rows.iter().map(|row| shown(&row.email).chars().count());
    let widths = [
        rows.len().to_string().len(),
        addresses.max().unwrap_or(0),
        Outcome::LEN_MAX,
        CODE_LEN,
        0,
    ];
    Stream::begin(
        output,
        "rows",
        ["ROW", "ADDRESS", "RESULT", "CODE", "LINK"],
        widths,
    )
}

fn cells(done: &Done) -> [String; 5] {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        done.row.to_string(),
        shown(&done.email),
        done.outcome.name(done.dry_run).to_owned(),
        word(&done.code),
        word(&done.link),
    ]
}

/// As the file has it, and so never as the terminal would read it.
fn shown(email: &str) -> String {
    email.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_fits_into_its_column() {
        for outcome in [
            Outcome::Sent,
            Outcome::Created,
            Outcome::Exists,
            Outcome::AlreadyInvited,
            Outcome::BadRow,
            Outcome::BadAddress,
            Outcome::DomainRefused,
            Outcome::BadLocale,
            Outcome::NoteTooLong,
        ] {
            for dry_run in [false, true] {
                assert!(outcome.name(dry_run).len() <= Outcome::LEN_MAX, "{outcome:?}");
            }
        }
    }
}
