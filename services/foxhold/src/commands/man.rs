//! `foxhold man`: the help texts as manual pages, one a command.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;

/// Write manual pages: the first one to standard output, or one for each command to a folder.
///
/// Run it when a package is made, or to read the help with `man`. Pages that are there already are written anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  foxhold man\n  foxhold man --out man1")]
pub(crate) struct ManArgs {
    /// Folder for the pages of all commands; made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn run(arguments: &ManArgs) -> anyhow::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives each command below its whole name.
    command.build();
    match &arguments.out {
        None => Ok(std::io::stdout().lock().write_all(&page(&command)?)?),
        Some(folder) => {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            write(folder, &command)
        }
    }
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// The page of a command and of those below it: `foxhold-config-check.1`.
fn write(folder: &Path, command: &Command) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command)?).with_context(|| format!("writing {}", path.display()))?;
    command
        .get_subcommands()
        .try_for_each(|below| write(folder, below))
}
