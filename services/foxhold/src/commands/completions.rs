//! `foxhold completions SHELL`: what a shell needs to complete the command line.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;

/// Print what a shell completes commands and flags with.
///
/// Run it once for each shell, and again after an update: the output goes where that shell looks for completions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  foxhold completions bash\n  foxhold completions zsh")]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

/// Carries the command out.
pub(crate) fn run(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "foxhold", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}
