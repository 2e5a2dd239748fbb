//! `foxhold config check`: all that is wrong with a configuration, in one run.

use clap::Args;
use foxhold_runtime::{
    config::{ConfigErrors, Fault, Reading, Secrets},
    process,
};
use serde_json::{Value, json};

use super::WhichArgs;
use crate::output::OutputArgs;

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Carries the command out.
pub(super) fn run(arguments: &CheckArgs) -> anyhow::Result<()> {
    let sources = arguments.which.sources()?;
    let secrets = Secrets::of_env(&sources.env);
    let reading = Reading::of(&sources);
    match arguments.which.role.role().check(&reading, &secrets) {
        Ok(keys) => {
            let text = format!("{}\n", process::no_fault(keys));
            Ok(arguments
                .output
                .print(&text, &json!({ "keys": keys, "faults": [] }))?)
        }
        Err(errors) => {
            // People read them on standard error.
            arguments.output.print("", &told(&errors))?;
            Err(errors.into())
        }
    }
}

fn told(errors: &ConfigErrors) -> Value {
    let fault = |fault: &Fault| {
        json!({
            "key": fault.key,
            "from": fault.origin,
            "problem": fault.problem,
            "fix": fault.fix,
        })
    };
    json!({ "faults": errors.faults().iter().map(fault).collect::<Vec<_>>() })
}
