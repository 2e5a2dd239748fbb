//! `foxhold audit verify`: whether a signer's log of decisions is what was written (`security.md` C.6). Reads files only, so
//! it works on a copy, on another machine and beside a running signer.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use foxhold_core::hex;
use foxhold_keysigner::audit::{self, Report};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    commands::{NoSuchFile, NotThere},
    output::OutputArgs,
};

/// Look through the log of what was signed with the provider's key: whether a line was edited, taken out or cut off.
///
/// A box keeps it in `audit` of its folder, a keysigner where `[audit] folder` says. Give heads that were kept elsewhere:
/// whoever can write the folder can also write all of it anew.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  foxhold audit verify foxhold-data/audit\n  foxhold audit verify /var/lib/foxhold/audit --head kept.jsonl --output json"
)]
pub(crate) struct VerifyArgs {
    /// The log's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File with signed heads, a line each, as GET /audit/checkpoint gives them; may be repeated.
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// What heads must be signed with: 64 hex digits. [default: what the log says itself]
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Option<[u8; 32]>,
    #[command(flatten)]
    output: OutputArgs,
}

fn public_key(text: &str) -> Result<[u8; 32], String> {
    hex::decode(text).map_err(|error| error.to_string())
}

/// A log that is not what was written.
#[derive(Debug, Error)]
#[error(
    "the audit log was changed: {0} findings\nfix: find out who could write the folder; keep a copy as it is"
)]
pub(crate) struct LogChanged(usize);

/// An emptied log says nothing against whoever emptied it, so it must not pass for a sound one.
const NO_LOG: NotThere = NotThere {
    what: "no record of a log in this folder",
    fix: "give the log's folder: a box's is `audit` in its data folder. If it is, the log was emptied",
};

/// Verifies one.
pub(super) fn verify(arguments: &VerifyArgs) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    NoSuchFile::check("folder", folder)?;
    for head in &arguments.head {
        NoSuchFile::check("file", head)?;
    }
    let report = audit::verify(folder, arguments.public_key, &arguments.head)
        .with_context(|| format!("reading {}", folder.display()))?;
    if report.range.is_none() && report.findings.is_empty() {
        return Err(NO_LOG.into());
    }
    arguments.output.print(&text(&report), &value(&report))?;
    match report.findings.len() {
        0 => Ok(()),
        count => Err(LogChanged(count).into()),
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{}, line {}: {}",
            finding.file.display(),
            finding.line,
            finding.what
        );
    }
    let _ = match report.range {
        Some((first, last)) => writeln!(
            text,
            "records {first} to {last}: {} signed, {} refused",
            report.signed, report.refused
        ),
        None => writeln!(text, "no records"),
    };
    if report.ends_inside_a_line {
        text.push_str("the last line is not whole: it is being written, or a crash cut it off\n");
    }
    let _ = match report.vouched_to {
        Some(last) => writeln!(
            text,
            "{} signed heads, up to record {last}; {} of them from --head",
            report.heads, report.kept_heads
        ),
        None => writeln!(text, "no signed head"),
    };
    text
}

fn value(report: &Report) -> Value {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({"file": finding.file, "line": finding.line, "what": finding.what}))
        .collect();
    json!({
        "first": report.range.map(|(first, _)| first),
        "last": report.range.map(|(_, last)| last),
        "signed": report.signed,
        "refused": report.refused,
        "heads": report.heads,
        "kept_heads": report.kept_heads,
        "vouched_to": report.vouched_to,
        "public_keys": report.public_keys,
        "ends_inside_a_line": report.ends_inside_a_line,
        "findings": findings,
    })
}
