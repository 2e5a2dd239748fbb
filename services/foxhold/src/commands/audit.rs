//! `foxhold audit run`: looks through a fleet's store for rows that cannot all be right, and repairs them. The work is
//! `store-cassandra`'s `audit`; `docs/audit.md` says what each finding means. `foxhold audit verify` is another matter: the
//! log of a signer's decisions.

mod log;

pub(crate) use log::LogChanged;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use foxhold_core::Deadline;
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{
    CassandraStore,
    audit::{self, Options, Pace, Progress, Report, Weight},
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    fleet::Fleet,
    output::{OutputArgs, table},
};

/// Between two lines of progress.
const TELLING: Duration = Duration::from_secs(10);
/// How long handing back may take that the audit's own connection holds: nothing.
const LEAVING: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Of a fleet: look for rows in Cassandra that cannot all be right, and count them. A box has no use for it.
    ///
    /// Changes nothing without --repair. Run it after a lost disk, a restore or a region's return; nothing is stopped.
    #[command(
        after_help = "Examples:\n  foxhold audit run --config schema.toml\n  foxhold audit run --config schema.toml --repair --json"
    )]
    Run(RunArgs),
    Verify(log::VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Configuration file, that of `foxhold schema`; may be repeated, later ones win. [default: /etc/foxhold/schema.toml]
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Repair what is found, but for what a person has to decide.
    #[arg(long)]
    repair: bool,
    /// How fast.
    #[arg(long, value_name = "N", default_value_t = Pace::default().0)]
    rows_per_second: NonZeroU32,
    /// The region to run in. [default: the first of the configuration]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was found and is still there.
#[derive(Debug, Error)]
#[error("{0} contradictions are left\nfix: {1}")]
pub(crate) struct ContradictionsLeft(u64, &'static str);

/// Runs one.
pub(crate) fn run(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Run(arguments) => run_store(arguments),
        AuditCommand::Verify(arguments) => log::verify(arguments),
    }
}

fn run_store(arguments: &RunArgs) -> anyhow::Result<()> {
    let fleet = Fleet::load(&arguments.config);
    let mut fleet = fleet
        .context("reading the configuration of a fleet on Cassandra, which this is for; a box needs none")?;
    // Whoever repairs needs what dbwriters may do; the schema's own role need not be let near rows.
    fleet.log_in_as_dbwriter()?;
    let first = fleet.plan.regions.first().map(|region| region.name.clone());
    fleet.settings.region = arguments.region.clone().or(first).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(look(&fleet, arguments))?;
    arguments.output.print(&text(&report), &value(&report))?;
    match report.contradictions_left() {
        0 => Ok(()),
        left if arguments.repair => {
            Err(ContradictionsLeft(left, "docs/audit.md, what a person decides").into())
        }
        left => Err(ContradictionsLeft(left, "foxhold audit run --repair").into()),
    }
}

async fn look(fleet: &Fleet, arguments: &RunArgs) -> anyhow::Result<Report> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let store = CassandraStore::connect(&fleet.settings, clock, random).await?;
    let options = Options {
        repair: arguments.repair,
        pace: Pace(arguments.rows_per_second),
        settled: false,
    };
    let mut told = Instant::now();
    let mut telling = |progress| {
        if told.elapsed() >= TELLING {
            told = Instant::now();
            tell(progress);
        }
    };
    let report = audit::run(&store, options, &mut telling).await;
    store.close(Deadline::after(LEAVING)).await;
    Ok(report?)
}

/// Results are for standard output, this is not; that nobody reads it is no fault.
fn tell(progress: Progress) {
    let _ = writeln!(io::stderr().lock(), "{}: {} rows", progress.table, progress.rows);
}

fn text(report: &Report) -> String {
    let findings: Vec<_> = report.findings().collect();
    let mut text = String::new();
    if !findings.is_empty() {
        let rows: Vec<_> = findings
            .iter()
            .map(|(finding, tally)| {
                [
                    finding.name().to_owned(),
                    tally.found.to_string(),
                    tally.repaired.to_string(),
                ]
            })
            .collect();
        text = table(["FINDING", "FOUND", "REPAIRED"], &rows);
        text.push('\n');
    }
    // Writing to a String does not fail.
    for (finding, tally) in findings {
        let _ = writeln!(text, "{}: {}", finding.name(), finding.meaning());
        for example in &tally.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    if report.unsettled() > 0 {
        let _ = writeln!(text, "{} kept changing: run it again", report.unsettled());
    }
    let _ = writeln!(text, "{} rows looked at", report.rows());
    text
}

fn value(report: &Report) -> Value {
    let findings: Vec<_> = report
        .findings()
        .map(|(finding, tally)| {
            json!({
                "name": finding.name(),
                "is_contradiction": finding.weight() == Weight::Contradiction,
                "meaning": finding.meaning(),
                "repair": finding.repair(),
                "found": tally.found,
                "repaired": tally.repaired,
                "examples": tally.examples,
            })
        })
        .collect();
    json!({
        "findings": findings,
        "contradictions_left": report.contradictions_left(),
        "unsettled": report.unsettled(),
        "rows": report.rows(),
    })
}
