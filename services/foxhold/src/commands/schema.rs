//! `foxhold schema status|plan|apply`: the tables of a fleet's store. The work is `store-cassandra`'s migrator.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};
use foxhold_runtime::SystemRandom;
use foxhold_store_cassandra::migrate::{Applied, Kind, Migrator, Report, Status, Step};
use serde_json::{Value, json};

use crate::{
    fleet::Fleet,
    output::{OutputArgs, moment, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// What is applied, what is missing, and what is not as it should be.
    ///
    /// Changes nothing. Run it when a tier says that the schema is of another version.
    #[command(
        after_help = "Examples:\n  foxhold schema status --config schema.toml\n  foxhold schema status --config schema.toml --json"
    )]
    Status(SchemaArgs),
    /// The statements that `apply` would put now, without passwords.
    ///
    /// Changes nothing. Run it before an upgrade.
    #[command(
        after_help = "Examples:\n  foxhold schema plan --config schema.toml\n  foxhold schema plan --config schema.toml --contract"
    )]
    Plan(ApplyArgs),
    /// Make the keyspace, its tables and roles, or bring them up to date.
    ///
    /// Run it before the tiers are started, and before each upgrade. What is done already stays as it is.
    #[command(
        after_help = "Examples:\n  foxhold schema apply --config schema.toml\n  foxhold schema apply --config schema.toml --contract"
    )]
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Configuration file; may be repeated, later ones win. [default: /etc/foxhold/schema.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    schema: SchemaArgs,
    /// Also take away what older versions need. There is no way back to them then.
    #[arg(long)]
    contract: bool,
}

/// Runs one of them.
pub(crate) fn run(command: &SchemaCommand) -> anyhow::Result<()> {
    let (arguments, contract) = match command {
        SchemaCommand::Status(arguments) => (arguments, false),
        SchemaCommand::Plan(arguments) | SchemaCommand::Apply(arguments) => {
            (&arguments.schema, arguments.contract)
        }
    };
    let fleet = Fleet::load(&arguments.config)?;
    let mut migrator = Migrator::new(&fleet.settings, &fleet.plan, &SystemRandom);
    if !matches!(command, SchemaCommand::Status(_)) {
        // A plan, too, has to know which of them are let in.
        migrator.roles = fleet.roles()?;
    }
    migrator.contract = contract;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (text, value) = match command {
        SchemaCommand::Status(_) => {
            let status = runtime.block_on(migrator.status())?;
            let keyspace = &fleet.plan.keyspace;
            (status_text(&status, keyspace), status_value(&status, keyspace))
        }
        SchemaCommand::Plan(_) => {
            let steps = runtime.block_on(migrator.plan())?;
            (plan_text(&steps), plan_value(&steps))
        }
        SchemaCommand::Apply(_) => {
            let report = runtime.block_on(migrator.apply())?;
            (report_text(&report), report_value(&report))
        }
    };
    Ok(arguments.output.print(&text, &value)?)
}

fn status_text(status: &Status, keyspace: &str) -> String {
    let mut rows = Vec::new();
    for applied in &status.applied {
        let newer = if status.newer.contains(applied) {
            "  (of a newer version)"
        } else {
            ""
        };
        rows.push([
            format!("{:04}", applied.number),
            applied.name.clone(),
            applied.kind.clone(),
            format!("{}{newer}", moment(applied.at)),
        ]);
    }
    for file in &status.missing {
        rows.push([
            format!("{:04}", file.number),
            file.name.clone(),
            file.kind.name().to_owned(),
            "missing".to_owned(),
        ]);
    }
    let mut text = table(["NUMBER", "NAME", "KIND", "APPLIED"], &rows);
    text.push('\n');
    // Writing to a String does not fail.
    if !status.keyspace_exists {
        let _ = writeln!(text, "keyspace {keyspace} does not exist: foxhold schema apply");
    } else if status.is_current() {
        let _ = writeln!(text, "keyspace {keyspace} is up to date");
    } else if !status.missing.is_empty() {
        let _ = writeln!(
            text,
            "keyspace {keyspace} is not up to date: foxhold schema apply"
        );
    }
    if let Some(owner) = &status.at_work {
        let _ = writeln!(text, "being changed right now by {owner}");
    }
    for drift in &status.drift {
        let _ = writeln!(text, "not as it should be: {drift}");
    }
    for process in &status.processes {
        let _ = writeln!(text, "has run within the last hours: {process}");
    }
    text
}

fn status_value(status: &Status, keyspace: &str) -> Value {
    let applied = |applied: &Applied| {
        json!({
            "number": applied.number,
            "name": applied.name,
            "kind": applied.kind,
            "checksum": applied.checksum,
            "applied_at": moment(applied.at),
            "newer": status.newer.contains(applied),
        })
    };
    let missing: Vec<_> = status
        .missing
        .iter()
        .map(|file| json!({ "number": file.number, "name": file.name, "kind": file.kind.name() }))
        .collect();
    let processes: Vec<_> = status
        .processes
        .iter()
        .map(|process| {
            json!({
                "name": process.name,
                "role": process.role,
                "version": process.version,
                "knows": process.knows,
                "seen": moment(process.seen),
            })
        })
        .collect();
    json!({
        "keyspace": keyspace,
        "keyspace_exists": status.keyspace_exists,
        "is_current": status.is_current(),
        "applied": status.applied.iter().map(applied).collect::<Vec<_>>(),
        "missing": missing,
        "drift": status.drift,
        "at_work": status.at_work,
        "processes": processes,
    })
}

fn plan_text(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let mut text = String::new();
    let mut what = "";
    for step in steps {
        if step.what != what {
            let _ = writeln!(text, "-- {}", step.what);
            what = &step.what;
        }
        let _ = writeln!(text, "{};", step.cql);
    }
    text
}

fn plan_value(steps: &[Step]) -> Value {
    let step = |step: &Step| json!({ "what": step.what, "cql": step.cql });
    json!({ "steps": steps.iter().map(step).collect::<Vec<_>>() })
}

fn report_text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.applied {
        let _ = writeln!(text, "applied {file}");
    }
    if report.is_first_start {
        text.push_str("fixed the regions, their marks and stripes, and the serial level\n");
    }
    for role in &report.roles {
        let _ = writeln!(text, "{role}");
    }
    for file in &report.held_back {
        let _ = writeln!(text, "held back {file}");
    }
    if !report.held_back.is_empty() {
        let _ = writeln!(
            text,
            "when all tiers are of this version: foxhold schema apply --{}",
            Kind::Contract.name()
        );
    }
    if text.is_empty() {
        text.push_str("nothing to do\n");
    }
    text
}

fn report_value(report: &Report) -> Value {
    json!({
        "applied": report.applied,
        "held_back": report.held_back,
        "is_first_start": report.is_first_start,
        "roles": report.roles,
    })
}
