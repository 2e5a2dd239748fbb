//! The audit of a store in Cassandra, for the end of tests: whatever was killed, cut off or repeated, no rows may be left
//! that cannot all be right.

use std::{fmt::Write as _, num::NonZeroU32, sync::Arc};

use anyhow::{Context, Result, ensure};
use foxhold_runtime::{SystemClock, SystemRandom, crypto_provider};
use foxhold_store_cassandra::{
    CassandraStore, ConnectSettings,
    audit::{self, Finding, Options, Pace, Report, Weight},
};

/// As fast as it goes.
const PACE: Pace = Pace(NonZeroU32::MAX);

/// Audits a store on which nothing is under way any more, and repairs nothing.
///
/// # Errors
/// When it cannot be asked.
pub async fn settled(settings: &ConnectSettings) -> Result<Report> {
    let options = Options {
        settled: true,
        ..Options::default()
    };
    run(settings, options).await
}

/// Audits a store, as fast as it goes.
///
/// # Errors
/// When it cannot be asked.
pub async fn run(settings: &ConnectSettings, options: Options) -> Result<Report> {
    crypto_provider::install();
    let store = CassandraStore::connect(settings, Arc::new(SystemClock), Arc::new(SystemRandom))
        .await
        .context("connecting for the audit")?;
    let options = Options {
        pace: PACE,
        ..options
    };
    audit::run(&store, options, &mut |_| ()).await.context("auditing")
}

/// What the end of a test asks for: no contradiction, and no slot that nobody has. All calls of the test must have ended,
/// and whoever was killed half-way must have been settled by another try or by the age of what it left.
///
/// # Errors
/// When something was found; with the whole report.
pub async fn expect_nothing(settings: &ConnectSettings) -> Result<()> {
    let report = settled(settings).await?;
    ensure!(
        no_contradiction(&report) && report.found(Finding::LoadAboveRecords) == 0,
        "the audit found:\n{}",
        text(&report)
    );
    Ok(())
}

/// The same for tests that replace records: the slots of those are not given back before they are purged.
///
/// # Errors
/// When a contradiction was found; with the whole report.
pub async fn expect_no_contradiction(settings: &ConnectSettings) -> Result<()> {
    let report = settled(settings).await?;
    ensure!(no_contradiction(&report), "the audit found:\n{}", text(&report));
    Ok(())
}

fn no_contradiction(report: &Report) -> bool {
    let mut findings = report.findings();
    report.unsettled() == 0 && findings.all(|(finding, _)| finding.weight() == Weight::Leftover)
}

/// A report in lines.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    for (finding, tally) in report.findings() {
        let examples = tally.examples.join("; ");
        let _ = writeln!(
            text,
            "{}: {} ({} repaired): {examples}",
            finding.name(),
            tally.found,
            tally.repaired
        );
    }
    let _ = write!(text, "{} rows, {} unsettled", report.rows(), report.unsettled());
    text
}
