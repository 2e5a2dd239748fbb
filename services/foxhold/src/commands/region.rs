//! `foxhold region list|declare-dead|rejoin`: what an operator does when a region is lost, and when it comes back. The work
//! is `store-cassandra`'s `migrate::regions`; `docs/schema.md` says what each step means for data.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use foxhold_store_cassandra::migrate::regions::{Done, RegionOperator, RegionView};
use serde_json::{Value, json};

use super::schema::SchemaArgs;
use crate::{confirm, fleet::Fleet, output::table};

#[derive(Debug, Subcommand)]
pub(crate) enum RegionCommand {
    /// The regions: whether they take part, what they keep, and which of their nodes are up.
    ///
    /// Changes nothing. Run it to see who decides.
    #[command(
        after_help = "Examples:\n  foxhold region list --config schema.toml\n  foxhold region list --config schema.toml --json"
    )]
    List(SchemaArgs),
    /// Let the other regions decide without one that is lost.
    ///
    /// Run it when a region is gone and the others refuse sign-ups, and nothing of it can come back by itself.
    #[command(
        after_help = "Examples:\n  foxhold region declare-dead us --config schema.toml\n  foxhold region declare-dead us --config schema.toml --yes"
    )]
    DeclareDead(ChangeArgs),
    /// Take a region back that was declared dead.
    ///
    /// Run it when its Cassandra nodes are up again, and a second time with --repaired when it has its data.
    #[command(
        after_help = "Examples:\n  foxhold region rejoin us --config schema.toml\n  foxhold region rejoin us --config schema.toml --repaired --yes"
    )]
    Rejoin(RejoinArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// The region.
    #[arg(value_name = "NAME")]
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    schema: SchemaArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RejoinArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Its data was rebuilt and repaired: it may take part.
    #[arg(long)]
    repaired: bool,
}

/// Runs one of them.
pub(crate) fn run(command: &RegionCommand) -> anyhow::Result<()> {
    let arguments = match command {
        RegionCommand::List(arguments) => arguments,
        RegionCommand::DeclareDead(change) => &change.schema,
        RegionCommand::Rejoin(rejoin) => &rejoin.change.schema,
    };
    let fleet = Fleet::load(&arguments.config)?;
    let operator = RegionOperator {
        settings: &fleet.settings,
        plan: &fleet.plan,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (text, value) = match command {
        RegionCommand::List(_) => {
            let views = runtime.block_on(operator.list())?;
            (list_text(&views), list_value(&views))
        }
        RegionCommand::DeclareDead(change) => {
            let view = runtime.block_on(operator.may_declare_dead(&change.name))?;
            confirm(change, &death(&view))?;
            done(&runtime.block_on(operator.declare_dead(&change.name))?)
        }
        RegionCommand::Rejoin(RejoinArgs { change, repaired }) => {
            if *repaired {
                confirm(change, &repaired_warning(&change.name))?;
                done(&runtime.block_on(operator.finish_rejoin(&change.name))?)
            } else {
                confirm(change, &rejoin_warning(&change.name, &fleet.plan.keyspace))?;
                done(&runtime.block_on(operator.begin_rejoin(&change.name))?)
            }
        }
    };
    Ok(arguments.output.print(&text, &value)?)
}

/// Says what will happen, and goes on only when somebody has typed the region's name.
fn confirm(change: &ChangeArgs, what: &str) -> anyhow::Result<()> {
    confirm::by_name(change.yes, what, "region's name", &change.name)
}

fn death(view: &RegionView) -> String {
    let name = &view.region.name;
    format!(
        "Region {name} is declared dead:\n\
         - its data centre {} leaves the keyspace's replication: the other regions decide alone from then on;\n\
         - what only region {name} had when it was lost is missing until it rejoins, and may lose against what was\n  \
           decided meanwhile;\n\
         - the first living region, by name, decides about the tokens that it issued;\n\
         - if it still runs somewhere, cut off, its users' changes there are not seen, and single-use tokens can be\n  \
           spent twice: stop it first.",
        view.region.data_centre
    )
}

fn rejoin_warning(name: &str, keyspace: &str) -> String {
    format!(
        "Region {name} gets its copies back. Before:\n\
         - its tiers are stopped, its Cassandra nodes are up;\n\
         - on every node of the other regions, nodetool repair --full {keyspace} has run since they decide alone:\n  \
           without it, a decision made there could be overlooked;\n\
         - if it was away for more than ten days (gc_grace_seconds), its nodes were emptied: else what was deleted\n  \
           meanwhile would come back."
    )
}

fn repaired_warning(name: &str) -> String {
    format!(
        "Region {name} takes part again: its tiers may be started, and its tokens are spent there only.\n\
         Every node of it was rebuilt, every node of every region repaired, and the rounds of decisions repaired."
    )
}

fn done(done: &Done) -> (String, Value) {
    let mut text = String::new();
    for change in &done.changed {
        let _ = writeln!(text, "{change}");
    }
    if done.changed.is_empty() {
        text.push_str("nothing to do\n");
    }
    if !done.next.is_empty() {
        text.push_str("next:\n");
    }
    for next in &done.next {
        let _ = writeln!(text, "  {next}");
    }
    (text, json!({ "changed": done.changed, "next": done.next }))
}

fn list_text(views: &[RegionView]) -> String {
    let row = |view: &RegionView| {
        let stripes: Vec<_> = view.region.stripes.iter().map(ToString::to_string).collect();
        let up = view.nodes.iter().filter(|node| node.is_up).count();
        [
            view.region.name.clone(),
            view.region.data_centre.clone(),
            view.condition().name().to_owned(),
            format!("{} of {}", view.copies, view.region.replication),
            format!("{up} of {}", view.nodes.len()),
            view.region.mark.get().to_string(),
            stripes.join(","),
        ]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    table(
        [
            "NAME",
            "DATA CENTRE",
            "STATE",
            "COPIES",
            "NODES UP",
            "MARK",
            "STRIPES",
        ],
        &rows,
    )
}

fn list_value(views: &[RegionView]) -> Value {
    let view = |view: &RegionView| {
        let nodes: Vec<_> = view
            .nodes
            .iter()
            .map(|node| json!({ "address": node.address, "is_up": node.is_up }))
            .collect();
        json!({
            "name": view.region.name,
            "data_centre": view.region.data_centre,
            "state": view.condition().name(),
            "copies": view.copies,
            "replication": view.region.replication,
            "mark": view.region.mark.get(),
            "stripes": view.region.stripes,
            "nodes": nodes,
        })
    };
    json!({ "regions": views.iter().map(view).collect::<Vec<_>>() })
}
