//! `foxhold node …`: the nodes of a service, and what an operator does with them and with all users of one.
//! `docs/token-server.md` goes through it.

mod change;
mod leave;
mod view;

use clap::{Args, Subcommand};
use foxhold_ops::wire::{DryRun, PAGE_LIMIT_MAX};

use super::service::ServiceArg;
use crate::{
    admin_client::AdminArgs,
    output::OutputArgs,
    values::{Rate, Share, node_url, pool_name},
};

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// The nodes of a service: how many users they have, and how many more they take.
    ///
    /// Changes nothing. The figures are exact.
    #[command(after_help = "Examples:\n  foxhold node list\n  foxhold node list --output json")]
    List(ListArgs),
    /// One node.
    ///
    /// Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold node show https://sync-2.example.org\n  foxhold node show https://sync-2.example.org --output json"
    )]
    Show(ShowArgs),
    /// Add a node to a service.
    ///
    /// Run it when the node serves, and the keysigners know its secret.
    #[command(
        after_help = "Examples:\n  foxhold node create https://sync-4.example.org --capacity 1000\n  foxhold node create https://sync-5.example.org --capacity 5000 --pool new-disks --backoff"
    )]
    Create(CreateArgs),
    /// Change a node's figures. What is not given stays.
    #[command(
        after_help = "Examples:\n  foxhold node update https://sync-2.example.org --capacity 2000\n  foxhold node update https://sync-2.example.org --backoff true --dry-run"
    )]
    Update(UpdateArgs),
    /// Let a node take users again: neither out of service nor in backoff.
    #[command(
        after_help = "Examples:\n  foxhold node enable https://sync-2.example.org\n  foxhold node enable https://sync-2.example.org --dry-run"
    )]
    Enable(OneArgs),
    /// Take a node out of service: its users stay its users, and nobody else comes.
    ///
    /// Run it when a node is down for a while. Users keep getting tokens for it.
    #[command(
        after_help = "Examples:\n  foxhold node disable https://sync-2.example.org\n  foxhold node disable https://sync-2.example.org --dry-run"
    )]
    Disable(OneArgs),
    /// Give a node another address. Its users stay where they are.
    #[command(
        after_help = "Examples:\n  foxhold node rename https://sync-2.example.org --to https://sync-2.example.net --dry-run\n  foxhold node rename https://sync-2.example.org --to https://sync-2.example.net"
    )]
    Rename(RenameArgs),
    /// Remove a node for good. Its users get another one, and upload their data again.
    #[command(
        after_help = "Examples:\n  foxhold node delete https://sync-3.example.org --dry-run\n  foxhold node delete https://sync-3.example.org --yes"
    )]
    Delete(DeleteArgs),
    /// Take users from a node: they get another one at their next request.
    ///
    /// Run it when a node is lost, or too full. Without backoff some may come back to it.
    #[command(
        after_help = "Examples:\n  foxhold node unassign https://sync-2.example.org --rate 20/s --share 10%\n  foxhold node unassign https://sync-2.example.org --dry-run"
    )]
    Unassign(LeaveArgs),
    /// Empty a node: nobody comes any more, and its users leave it at a pace that the others can bear.
    ///
    /// Run it before a node is taken away. It may be interrupted, and run again to go on.
    #[command(
        after_help = "Examples:\n  foxhold node drain https://sync-2.example.org --rate 20/s\n  foxhold node drain https://sync-2.example.org --rate 600/m --share 25%"
    )]
    Drain(LeaveArgs),
    /// Give users of a node a place on another one at once.
    ///
    /// Run it to fill a new node. Their data does not move: browsers upload it again.
    #[command(
        after_help = "Examples:\n  foxhold node move https://sync-2.example.org --to https://sync-3.example.org --share 10% --dry-run\n  foxhold node move https://sync-2.example.org --to https://sync-3.example.org --share 10% --rate 20/s"
    )]
    Move(MoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    service: ServiceArg,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A node, and how to reach who knows it.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The node's URL.
    #[arg(value_name = "URL", value_parser = node_url)]
    url: String,
    #[command(flatten)]
    service: ServiceArg,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The same for what changes.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    node: ShowArgs,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl OneArgs {
    const fn dry(&self) -> DryRun {
        DryRun {
            dry_run: self.dry_run,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Most users ever.
    #[arg(long, value_name = "USERS")]
    capacity: u64,
    /// Places for new users at once. [default: a tenth of the capacity; more come as they are used up]
    #[arg(long, value_name = "USERS")]
    available: Option<u64>,
    /// The pool whose users come here. [default: the default pool]
    #[arg(long, value_name = "NAME", value_parser = pool_name)]
    pool: Option<String>,
    /// A label for what clients tell of it.
    #[arg(long, value_name = "LABEL")]
    node_type: Option<String>,
    /// Out of service to begin with.
    #[arg(long)]
    downed: bool,
    /// No new users to begin with.
    #[arg(long)]
    backoff: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("figures").required(true).multiple(true)
    .args(["capacity", "available", "pool", "downed", "backoff", "unhealthy"]))]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Most users ever.
    #[arg(long, value_name = "USERS")]
    capacity: Option<u64>,
    /// Places for new users at present.
    #[arg(long, value_name = "USERS")]
    available: Option<u64>,
    /// The pool whose users come here; '' is the default pool.
    #[arg(long, value_name = "NAME", value_parser = pool_or_default)]
    pool: Option<String>,
    /// Out of service.
    #[arg(long, value_name = "BOOL")]
    downed: Option<bool>,
    /// No new users.
    #[arg(long, value_name = "BOOL")]
    backoff: Option<bool>,
    /// Does not answer; the health job says it again if that is so.
    #[arg(long, value_name = "BOOL")]
    unhealthy: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its new URL.
    #[arg(long, value_name = "URL", value_parser = node_url)]
    to: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LeaveArgs {
    #[command(flatten)]
    one: OneArgs,
    /// How many users leave in a second, or in a minute.
    #[arg(long, value_name = "N/s", value_parser = Rate::parse, default_value = "10/s")]
    rate: Rate,
    /// Only this share of its users: the same ones each time. [default: all]
    #[arg(long, value_name = "P%", value_parser = Share::parse)]
    share: Option<Share>,
    /// Users to look at in one request at most.
    #[arg(long, value_name = "USERS", default_value_t = PAGE_LIMIT_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_LIMIT_MAX)))]
    batch: u32,
}

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    leave: LeaveArgs,
    /// The node to go to. [default: wherever the service's rules send them; the node must be in backoff then]
    #[arg(long, value_name = "URL", value_parser = node_url)]
    to: Option<String>,
}

fn pool_or_default(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Ok(String::new())
    } else {
        pool_name(text)
    }
}

/// Runs one of them.
pub(crate) fn run(command: &NodeCommand) -> anyhow::Result<()> {
    match command {
        NodeCommand::List(arguments) => view::list(arguments),
        NodeCommand::Show(arguments) => view::show(arguments),
        NodeCommand::Create(arguments) => change::create(arguments),
        NodeCommand::Update(arguments) => change::update(arguments),
        NodeCommand::Enable(arguments) => change::enable(arguments),
        NodeCommand::Disable(arguments) => change::disable(arguments),
        NodeCommand::Rename(arguments) => change::rename(arguments),
        NodeCommand::Delete(arguments) => change::delete(arguments),
        NodeCommand::Unassign(arguments) => leave::unassign(arguments),
        NodeCommand::Drain(arguments) => leave::drain(arguments),
        NodeCommand::Move(arguments) => leave::move_users(arguments),
    }
}
