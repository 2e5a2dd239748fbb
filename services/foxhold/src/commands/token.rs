//! `foxhold token list|rotate|revoke|export`: the secrets that node tokens are signed with (`tokenserver.md` 7). Works on the
//! files themselves; signer and nodes read them again when they change, so nothing is asked of a running process.
//!
//! Must stay true: no secret is ever printed; what destroys tokens is confirmed.

mod elsewhere;
mod file;
mod report;
mod rules;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use foxhold_core::{Clock as _, SecretText, hex, random};
use foxhold_crypto::node_secret::DatedSecret;
use foxhold_ports::signer::LIFETIME_SECS_MAX;
use foxhold_runtime::{SystemClock, SystemRandom, config::SecretError};

pub(crate) use self::file::TokenFileError;
use self::{
    file::{Content, Form, TokenFile},
    report::{Action, Report, Row},
    rules::Changed,
};
use crate::{
    commands::NoSuchFile, confirm, data_folder::DataFolderError, key_files::KeyFiles, output::OutputArgs,
    values,
};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// How many secrets each node has, and how old they are; never the secrets.
    ///
    /// Changes nothing. Run it to see which are due for a rotation, or in the middle of one. Of lists, as a box has one,
    /// only the newest secret's age is known.
    #[command(
        after_help = "Examples:\n  foxhold token list\n  foxhold token list --secrets-file nodes.secrets --output json"
    )]
    List(ListArgs),
    /// Sign with a new secret from now on; tokens of the old ones serve until they end.
    ///
    /// Run it regularly, and when somebody leaves who knew the secrets. Nobody notices, if nodes elsewhere have the new
    /// secret first: --prepare, `token export`, take it there, then this without --prepare. A box alone needs none of it.
    #[command(
        after_help = "Examples:\n  foxhold token rotate\n  foxhold token rotate https://sync-1.example.org --secrets-file nodes.secrets --prepare"
    )]
    Rotate(RotateArgs),
    /// Sign with a new secret and forget the old ones: every token of the node is refused at once.
    ///
    /// Run it when a secret has leaked, and take the new one to nodes elsewhere at once (`token export`). Clients fetch new
    /// tokens by themselves.
    #[command(
        after_help = "Examples:\n  foxhold token revoke --yes\n  foxhold token revoke https://sync-1.example.org --secrets-file nodes.secrets --yes"
    )]
    Revoke(RevokeArgs),
    /// Write the list of secrets that a node needs, those prepared for it included, to a file.
    ///
    /// Run it when the node is set up, and after each change of its secrets; then take the file to the node.
    #[command(
        after_help = "Examples:\n  foxhold token export --out node.secret\n  foxhold token export https://sync-1.example.org --secrets-file nodes.secrets --out sync-1.secret"
    )]
    Export(ExportArgs),
}

/// Which secrets.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The folder of a box, running or stopped; does not count where a file is named.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    data: PathBuf,
    /// The signer's file with a line for each node (`node_secrets.files`).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fixed_file", "master_file"])]
    secrets_file: Option<PathBuf>,
    /// The signer's file with one list for all nodes (`node_secrets.fixed_file`).
    #[arg(long, value_name = "FILE", conflicts_with = "master_file")]
    fixed_file: Option<PathBuf>,
    /// The signer's file of masters (`node_secrets.master_files`; the last of them).
    #[arg(long, value_name = "FILE")]
    master_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this node.
    #[arg(value_name = "NODE", value_parser = values::node_url)]
    node: Option<String>,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What every change is told.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// The node's URL, for a file with a line for each.
    #[arg(value_name = "NODE", value_parser = values::node_url)]
    node: Option<String>,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Only make the new secret, for the node to have first; the next run without this signs with it.
    #[arg(long)]
    prepare: bool,
    /// Make no new secret, only drop those whose tokens have ended.
    #[arg(long, conflicts_with_all = ["prepare", "add_node"])]
    finish: bool,
    /// The node is new: add it to the file, which is made if there is none.
    #[arg(long, requires = "secrets_file")]
    add_node: bool,
    /// How long tokens live at most. [default: 14d, the most that a service can be set to]
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    keep: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Sign with the secret that `rotate --prepare` made, which the node has by now.
    #[arg(long)]
    prepared: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// The file to write; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs one of them.
pub(crate) fn run(command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::List(arguments) => list(arguments),
        TokenCommand::Rotate(arguments) => rotate(arguments),
        TokenCommand::Revoke(arguments) => revoke(arguments),
        TokenCommand::Export(arguments) => export(arguments),
    }
}

impl FileArgs {
    /// The file, and whether it is a box's: signer and node in one.
    fn find(&self, find: FindFile) -> anyhow::Result<(TokenFile, bool)> {
        let named = [
            (&self.secrets_file, Form::ByNode),
            (&self.fixed_file, Form::List),
            (&self.master_file, Form::Masters),
        ];
        let named = named
            .iter()
            .find_map(|(path, form)| path.as_ref().map(|path| (path, *form)));
        if let Some((path, form)) = named {
            return Ok((find(path, form)?, false));
        }
        if !self.data.join("format").exists() {
            let folder = self.data.clone();
            return Err(DataFolderError::Missing { folder }.into());
        }
        let path = KeyFiles::in_folder(self.data.join("keys")).node().0;
        Ok((TokenFile::find(&path, Form::List)?, true))
    }
}

fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let (file, _) = arguments.file.find(TokenFile::find)?;
    let now = SystemClock.now().as_secs();
    let (held, prepared) = (file.read()?, file.read_prepared()?);
    let mut rows = Row::all(&held, &prepared, now);
    if let Some(node) = &arguments.node {
        file.subject(Some(node))?;
        rows.retain(|row| row.node.as_ref() == Some(node));
        if rows.is_empty() {
            let (path, node) = (file.path, node.clone());
            return Err(TokenFileError::NotListed { path, node }.into());
        }
    }
    let (text, values) = (report::rows_text(&rows), rows.iter().map(Row::value).collect());
    Ok(arguments.output.print_list(&text, "nodes", values)?)
}

/// A file that is being changed, and what it holds about the change's subject.
struct Change<'a> {
    arguments: &'a ChangeArgs,
    file: TokenFile,
    is_box: bool,
    /// Of a box, its other nodes.
    elsewhere: Vec<String>,
    node: Option<&'a str>,
    held: Content,
    prepared: Content,
    // Last, so that it is let go after everything.
    _lock: std::fs::File,
}

impl<'a> Change<'a> {
    fn open(
        arguments: &'a ChangeArgs,
        find: FindFile,
        read: fn(&TokenFile) -> ReadFile,
    ) -> anyhow::Result<Self> {
        let (file, is_box) = arguments.file.find(find)?;
        let node = file.subject(arguments.node.as_deref())?;
        let lock = file.lock()?;
        Ok(Self {
            arguments,
            is_box,
            elsewhere: elsewhere_of(is_box, &arguments.file),
            node,
            held: read(&file)?,
            prepared: file.read_prepared()?,
            file,
            _lock: lock,
        })
    }

    /// Writes down what has become of the subject's secrets, then that nothing is prepared for it any more. A run that is
    /// cut off in between leaves a secret in both, which the next one finds.
    fn write(&mut self, changed: Changed, is_prepared_used: bool) -> anyhow::Result<()> {
        self.held.put(self.node, changed.secrets);
        if self.arguments.dry_run {
            return Ok(());
        }
        self.file.replace(&self.held)?;
        if is_prepared_used {
            self.prepared.put(self.node, Vec::new());
            self.file.replace_prepared(&self.prepared)?;
        }
        Ok(())
    }

    fn report(&self, action: Action, secrets: usize, dropped: usize, needed_until: Option<u64>) -> Report {
        Report {
            action,
            dry_run: self.arguments.dry_run,
            node: self.node.map(str::to_owned),
            path: self.file.path.clone(),
            form: self.file.form,
            is_box: self.is_box,
            elsewhere: self.elsewhere.clone(),
            secrets,
            dropped,
            needed_until,
        }
    }

    fn print(&self, report: &Report) -> anyhow::Result<()> {
        Ok(self.arguments.output.print(&report.text(), &report.value())?)
    }
}

type ReadFile = Result<Content, TokenFileError>;
type FindFile = fn(&std::path::Path, Form) -> Result<TokenFile, TokenFileError>;

fn elsewhere_of(is_box: bool, file: &FileArgs) -> Vec<String> {
    if is_box {
        elsewhere::nodes(&file.data)
    } else {
        Vec::new()
    }
}

fn rotate(arguments: &RotateArgs) -> anyhow::Result<()> {
    let (find, read): (FindFile, fn(&TokenFile) -> ReadFile) = if arguments.add_node {
        (TokenFile::find_or_new, TokenFile::read_if_any)
    } else {
        (TokenFile::find, TokenFile::read)
    };
    let mut change = Change::open(&arguments.change, find, read)?;
    let now = SystemClock.now().as_secs();
    let keep = arguments.keep.unwrap_or(Duration::from_secs(LIFETIME_SECS_MAX));
    let node = change.node;
    let held = match (change.held.take(node), arguments.add_node) {
        (None, true) => Vec::new(),
        (Some(held), false) => held,
        (held, _) => {
            let (path, node) = (change.file.path, node.unwrap_or_default().to_owned());
            return Err(match held {
                None => TokenFileError::NotListed { path, node },
                Some(_) => TokenFileError::Listed { path, node },
            }
            .into());
        }
    };
    if arguments.finish {
        let changed = rules::prune(held, now, keep);
        let report = change.report(
            Action::Finish,
            changed.secrets.len(),
            changed.dropped,
            changed.needed_until,
        );
        change.write(changed, false)?;
        return change.print(&report);
    }
    let prepared = change.prepared.take(node).unwrap_or_default();
    if arguments.prepare {
        let secrets = held.len();
        change.held.put(node, held);
        return prepare(&mut change, prepared, secrets, now);
    }
    let is_prepared_used = !prepared.is_empty();
    let new = prepared.into_iter().next_back();
    let new = new.map_or_else(new_secret, |prepared| prepared.text);
    let changed = rules::rotate(held, new, now, keep);
    let action = if is_prepared_used {
        Action::RotateToPrepared
    } else {
        Action::Rotate
    };
    let report = change.report(
        action,
        changed.secrets.len(),
        changed.dropped,
        changed.needed_until,
    );
    change.write(changed, is_prepared_used)?;
    change.print(&report)
}

/// Puts a new secret where `export` finds it and the signer does not. One that waits there already stays.
fn prepare(
    change: &mut Change<'_>,
    mut prepared: Vec<DatedSecret>,
    secrets: usize,
    now: u64,
) -> anyhow::Result<()> {
    if prepared.is_empty() {
        let text = new_secret();
        prepared.push(DatedSecret { added: now, text });
    }
    change.prepared.put(change.node, prepared);
    if !change.arguments.dry_run {
        change.file.replace_prepared(&change.prepared)?;
    }
    change.print(&change.report(Action::Prepare, secrets, 0, None))
}

fn revoke(arguments: &RevokeArgs) -> anyhow::Result<()> {
    let mut change = Change::open(&arguments.change, TokenFile::find, read_for_revocation)?;
    let now = SystemClock.now().as_secs();
    let node = change.node;
    let Some(held) = change.held.take(node) else {
        let (path, node) = (change.file.path, node.unwrap_or_default().to_owned());
        return Err(TokenFileError::NotListed { path, node }.into());
    };
    let prepared = change.prepared.take(node).unwrap_or_default();
    let prepared = prepared.into_iter().next_back();
    let new = match prepared.filter(|_| arguments.prepared) {
        Some(prepared) => prepared.text,
        None if arguments.prepared => {
            return Err(TokenFileError::NotPrepared(change.file.path).into());
        }
        None => new_secret(),
    };
    let changed = rules::revoke(&held, new, now);
    let action = if arguments.prepared {
        Action::RevokeToPrepared
    } else {
        Action::Revoke
    };
    let report = change.report(action, 1, changed.dropped, None);
    if !arguments.change.dry_run {
        let name = change.file.path.display().to_string();
        let (what, name) = node.map_or(("file's path", name.as_str()), |node| ("node's URL", node));
        confirm::by_name(arguments.yes, &report.warning(), what, name)?;
    }
    change.write(changed, true)?;
    change.print(&report)
}

/// Of a list that holds nothing any more, nothing is kept either: a revocation is how to get a new one.
fn read_for_revocation(file: &TokenFile) -> ReadFile {
    match file.read() {
        Err(TokenFileError::Secret(SecretError::Empty { .. })) if file.form == Form::List => {
            Ok(Content::List(Vec::new()))
        }
        read => read,
    }
}

fn export(arguments: &ExportArgs) -> anyhow::Result<()> {
    let change = &arguments.change;
    let (file, is_box) = change.file.find(TokenFile::find)?;
    let list = file.list_for(change.node.as_deref())?;
    file.check_export(&arguments.out)?;
    NoSuchFile::check_folder_of(&arguments.out)?;
    if !change.dry_run {
        file::replace(&arguments.out, &list)?;
    }
    let report = Report {
        action: Action::Export,
        dry_run: change.dry_run,
        node: change.node.clone(),
        path: arguments.out.clone(),
        form: file.form,
        is_box,
        elsewhere: elsewhere_of(is_box, &change.file),
        secrets: list.expose().lines().count(),
        dropped: 0,
        needed_until: None,
    };
    Ok(change.output.print(&report.text(), &report.value())?)
}

/// 32 random bytes as hex (`tokenserver.md` 7).
fn new_secret() -> SecretText {
    SecretText::new(hex::encode(&random::bytes::<32>(&SystemRandom)))
}
