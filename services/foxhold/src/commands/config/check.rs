//! `foxhold config check`: all that is wrong with a configuration, in one run; with `--online`, also with what it names.

use std::fmt::Write as _;

use clap::Args;
use foxhold_runtime::{
    config::{ConfigErrors, Fault, Reading, Secrets},
    process,
};
use serde_json::{Value, json};

use super::{
    WhichArgs,
    online::{OnlineFaults, Seen, look_at},
};
use crate::{commands::NoSuchFile, output::OutputArgs};

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Also open what it names: store, tiers, mail server, public URL, nodes, and see how long certificates last. Exit code 4
    /// if some of it does not answer and nothing else is wrong.
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Carries the command out.
pub(super) fn run(arguments: &CheckArgs) -> anyhow::Result<()> {
    let sources = arguments.which.sources()?;
    for file in &sources.files {
        NoSuchFile::check("file", file)?;
    }
    let secrets = Secrets::of_env(&sources.env);
    let reading = Reading::of(&sources);
    let read = arguments.which.role.role().check(&reading, &secrets);
    if arguments.online {
        return online(arguments, &reading, &secrets, &read);
    }
    match read {
        Ok(keys) => {
            let text = format!("{}\n", process::no_fault(keys));
            Ok(arguments
                .output
                .print(&text, &json!({ "keys": keys, "faults": [] }))?)
        }
        Err(errors) => {
            // People read them on standard error.
            arguments.output.print("", &json!({ "faults": told(&errors) }))?;
            Err(errors.into())
        }
    }
}

/// Also where the check has found faults: what they leave is looked at.
fn online(
    arguments: &CheckArgs,
    reading: &Reading,
    secrets: &Secrets,
    read: &Result<usize, ConfigErrors>,
) -> anyhow::Result<()> {
    let name = arguments.which.role;
    // What cannot even be read names nothing.
    let named = name.role().names(reading, secrets, &arguments.which.data);
    let seen = look_at(named.unwrap_or_default())?;
    let faults = OnlineFaults::of(name.name(), reading, read.as_ref().err(), &seen);
    let keys = read.as_ref().ok();
    let mut text = match (&faults, keys) {
        (None, Some(keys)) => format!("{}\n", process::no_fault(*keys)),
        _ => String::new(),
    };
    for (key, what) in fine(&seen) {
        // Writing to a String does not fail.
        let _ = match key {
            "" => writeln!(text, "{what}"),
            key => writeln!(text, "`{key}`: {what}"),
        };
    }
    let looked_at: Vec<_> = fine(&seen)
        .map(|(key, what)| json!({ "key": key, "found": what }))
        .collect();
    let listed = faults
        .as_ref()
        .map_or_else(Vec::new, |faults| told(&faults.errors));
    let document = json!({ "keys": keys, "faults": listed, "looked_at": looked_at });
    arguments.output.print(&text, &document)?;
    faults.map_or(Ok(()), |faults| Err(faults.into()))
}

/// What was looked at and is well.
fn fine(seen: &[Seen]) -> impl Iterator<Item = (&str, &str)> {
    seen.iter()
        .filter_map(|one| Some((one.key.as_str(), one.found.as_deref().ok()?)))
}

fn told(errors: &ConfigErrors) -> Vec<Value> {
    let fault = |fault: &Fault| {
        json!({
            "key": fault.key,
            "from": fault.origin,
            "problem": fault.problem,
            "fix": fault.fix,
        })
    };
    errors.faults().iter().map(fault).collect()
}
