//! `foxhold service …`: services, and their users' records. `docs/token-server.md` goes through it.
//!
//! A verb alone is about the service that is named; `show-user` and its like are about one user of it. So no word means two
//! things: `service show sync-1.5`, `service show-user a1b2@example.org`.

mod events;
mod export;
mod import;
mod purge;
mod settings;
mod users;
mod view;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use foxhold_core::Timestamp;
use foxhold_ops::wire::{DryRun, PAGE_LIMIT_MAX};

use self::settings::SettingsArgs;
pub(crate) use self::{events::EventsLeft, import::Unfit, settings::SettingsFault};
pub(crate) use crate::record_file::read::ReadFault;
use crate::{
    admin_client::AdminArgs,
    output::OutputArgs,
    values::{moment, node_url, pool_name, span},
};

/// The service that is meant when none is named.
const DEFAULT: &str = "sync-1.5";

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// The services, and whom they take.
    ///
    /// Changes nothing.
    #[command(after_help = "Examples:\n  foxhold service list\n  foxhold service list --output json")]
    List(ListArgs),
    /// All settings of a service.
    ///
    /// Changes nothing. What `--output json` prints can be edited and given to `update --file`.
    #[command(
        after_help = "Examples:\n  foxhold service show\n  foxhold service show sync-1.5 --output json"
    )]
    Show(ShowArgs),
    /// Add a service.
    ///
    /// Run it before its nodes are added. It takes users as soon as one has room.
    #[command(
        after_help = "Examples:\n  foxhold service create notes-1.0 --pattern {node}/1.0/{uid} --scope https://example.org/notes\n  foxhold service create tabs-1.0 --pattern {node}/{uid} --scope https://example.org/tabs --token-lifetime 30m --admission first=100"
    )]
    Create(Box<CreateArgs>),
    /// Change settings of a service. What is not given stays.
    ///
    /// A list that is given replaces the whole list, and '' empties it. It takes effect within seconds, while everything
    /// runs; who has a record stays welcome.
    #[command(
        after_help = "Examples:\n  foxhold service update sync-1.5 --admission nobody --dry-run\n  foxhold service update sync-1.5 --pool new-disks=10%"
    )]
    Update(Box<UpdateArgs>),
    /// A user's records: the current one, and past ones whose data is not purged.
    ///
    /// Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold service show-user a1b2@example.org\n  foxhold service show-user a1b2@example.org --output json"
    )]
    ShowUser(UserArgs),
    /// Give a user a place, or another one.
    ///
    /// Run it before the user comes, or to move one. The user's data does not move: browsers upload it again.
    #[command(
        after_help = "Examples:\n  foxhold service place-user a1b2@example.org\n  foxhold service place-user a1b2@example.org --node https://sync-2.example.org --dry-run"
    )]
    PlaceUser(PlaceArgs),
    /// Take a user from the node: the next request gets another.
    #[command(
        after_help = "Examples:\n  foxhold service unassign-user a1b2@example.org --dry-run\n  foxhold service unassign-user a1b2@example.org"
    )]
    UnassignUser(ChangeUserArgs),
    /// End a user for good, in all services.
    ///
    /// Run it when an account is gone and its event was lost. The data is purged later.
    #[command(
        after_help = "Examples:\n  foxhold service retire-user a1b2@example.org --dry-run\n  foxhold service retire-user a1b2@example.org --yes"
    )]
    RetireUser(RetireArgs),
    /// How many users a service has.
    ///
    /// Changes nothing. It goes through all of them, and counts those who came before the last midnight (UTC), if --before
    /// says nothing else: who came today is not counted.
    #[command(
        after_help = "Examples:\n  foxhold service count-users\n  foxhold service count-users sync-1.5 --before 2026-11-01 --output jsonl"
    )]
    CountUsers(CountArgs),
    /// Delete the data of replaced records from their nodes, and forget them.
    ///
    /// The Token Server does it by itself, a day after they were replaced. Run it to have it done now.
    #[command(
        after_help = "Examples:\n  foxhold service purge --dry-run\n  foxhold service purge sync-1.5 --grace 7d --max 1000 --yes"
    )]
    Purge(PurgeArgs),
    /// Write services, nodes and all users' records to standard output, as JSON lines.
    ///
    /// Changes nothing. Run it to move to another deployment, or to keep a copy.
    #[command(after_help = "Examples:\n  foxhold service export\n  foxhold service export sync-1.5 --quiet")]
    Export(ExportArgs),
    /// Take over services, nodes and users' records from an export, or from another server's tables.
    ///
    /// Everything is checked before anything is written. It may be interrupted, and run again to go on.
    #[command(
        after_help = "Examples:\n  foxhold service import records.jsonl --dry-run\n  foxhold service import records.jsonl"
    )]
    Import(ImportArgs),
    /// Take in account events from a file of queue messages, one a line.
    ///
    /// Run it when a queue was not read for a while. Events may come twice, and in any order.
    #[command(
        after_help = "Examples:\n  foxhold service import-events events.jsonl --dry-run\n  foxhold service import-events -"
    )]
    ImportEvents(EventsArgs),
}

/// Which service, where the command's object is something else.
#[derive(Debug, Args)]
pub(crate) struct ServiceArg {
    /// The service.
    #[arg(long, value_name = "KEY", default_value = DEFAULT)]
    pub(crate) service: String,
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
    /// The service.
    #[arg(value_name = "KEY", default_value = DEFAULT)]
    key: String,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its key: application and version, as in sync-1.5.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("settings").required(true).multiple(true).args(settings::NAMES))]
pub(crate) struct UpdateArgs {
    /// The service.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What every change takes.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ChangeArgs {
    const fn dry(&self) -> DryRun {
        DryRun {
            dry_run: self.dry_run,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// The user's key: the account's uid, and its domain.
    #[arg(value_name = "UID@DOMAIN")]
    user: String,
    #[command(flatten)]
    service: ServiceArg,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeUserArgs {
    /// The user's key: the account's uid, and its domain.
    #[arg(value_name = "UID@DOMAIN")]
    user: String,
    #[command(flatten)]
    service: ServiceArg,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    of: ChangeUserArgs,
    /// On this node, also if it is in backoff. [default: wherever the service's rules say]
    #[arg(long, value_name = "URL", value_parser = node_url)]
    node: Option<String>,
    /// On the least loaded node of this pool.
    #[arg(long, value_name = "NAME", value_parser = pool_name, conflicts_with = "node")]
    pool: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RetireArgs {
    /// The user's key: the account's uid, and its domain.
    #[arg(value_name = "UID@DOMAIN")]
    user: String,
    #[command(flatten)]
    change: ChangeArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    #[command(flatten)]
    of: ShowArgs,
    /// Only users first seen before this. [default: the last midnight, UTC]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// The service.
    #[arg(value_name = "KEY", default_value = DEFAULT)]
    key: String,
    /// Only records that were replaced so long ago.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "1d")]
    grace: Duration,
    /// Users to look at in one request.
    #[arg(long, value_name = "USERS", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_LIMIT_MAX)))]
    batch: u32,
    /// Stop after so many records. [default: all]
    #[arg(long, value_name = "RECORDS")]
    max: Option<u64>,
    /// Only records from this uid on.
    #[arg(long, value_name = "UID")]
    uid_min: Option<u64>,
    /// Only records up to this uid.
    #[arg(long, value_name = "UID")]
    uid_max: Option<u64>,
    /// Only records on this node.
    #[arg(long, value_name = "URL", value_parser = node_url)]
    node: Option<String>,
    /// Delete the data from this node, whatever node the records name: it was moved there by hand.
    #[arg(long, value_name = "URL", value_parser = node_url)]
    override_node: Option<String>,
    /// Also ask nodes that are out of service to delete their data.
    #[arg(long)]
    force: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The services. [default: all]
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file. It is read twice, so it cannot be standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Bring services and nodes that are here already to what the file says.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Runs one of them.
pub(crate) fn run(command: &ServiceCommand) -> anyhow::Result<()> {
    match command {
        ServiceCommand::List(arguments) => view::list(arguments),
        ServiceCommand::Show(arguments) => view::show(arguments),
        ServiceCommand::Create(arguments) => settings::create(arguments),
        ServiceCommand::Update(arguments) => settings::update(arguments),
        ServiceCommand::ShowUser(arguments) => users::show(arguments),
        ServiceCommand::PlaceUser(arguments) => users::place(arguments),
        ServiceCommand::UnassignUser(arguments) => users::unassign(arguments),
        ServiceCommand::RetireUser(arguments) => users::retire(arguments),
        ServiceCommand::CountUsers(arguments) => users::count(arguments),
        ServiceCommand::Purge(arguments) => purge::run(arguments),
        ServiceCommand::Export(arguments) => export::run(arguments),
        ServiceCommand::Import(arguments) => import::run(arguments),
        ServiceCommand::ImportEvents(arguments) => events::run(arguments),
    }
}
