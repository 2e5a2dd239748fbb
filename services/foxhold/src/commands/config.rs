//! `foxhold config`: makes, checks and explains configurations, of a box and of every tier (`ecosystem.md` 3.2). What a
//! role knows and checks is the role's own: nothing is said of it a second time here.

pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod online;
pub(crate) mod role;
pub(crate) mod show;

use std::{io::Write as _, path::PathBuf};

use clap::{Args, Subcommand};
use foxhold_runtime::config::{Sources, process_env};

use self::role::RoleName;
use super::NotThere;

/// Configurations: make one, check it, see what it says.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a commented configuration to begin with, or write it to a file that is not there yet.
    ///
    /// Run it before a role is set up. Every key that is commented out shows its default.
    #[command(
        after_help = "Examples:\n  foxhold config init\n  foxhold config init --role webhead --out /etc/foxhold/webhead.toml"
    )]
    Init(init::InitArgs),
    /// Read a configuration with every file it names, and tell all that is wrong: where, which key, and what to do.
    ///
    /// Run it before a process is started with a new configuration: it is what the program's own --check-config does. With
    /// --online, run it where the process runs, and as its user. Changes nothing, and sends no mail.
    #[command(
        after_help = "Examples:\n  foxhold config check --data foxhold-data\n  foxhold config check --role webhead --config webhead.toml --online"
    )]
    Check(check::CheckArgs),
    /// List every key with the value it has, and where that comes from. Of secrets, file and length.
    ///
    /// Run it to see what files, environment and defaults make together. Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold config show --data foxhold-data\n  foxhold config show --role keysigner --config keysigner.toml --output json"
    )]
    Show(show::ShowArgs),
    /// Explain one key, or all keys of a table: its value, who sets it, what that goes over, and what it means.
    ///
    /// Run it when a process does not do what its file seems to say. The configuration need not be good. Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold config explain registration\n  foxhold config explain store.path --role webhead --config webhead.toml"
    )]
    Explain(explain::ExplainArgs),
    /// Print the JSON schema of a role's configuration.
    ///
    /// Run it to give an editor something to complete keys with, or a tool something to check files by.
    #[command(after_help = "Examples:\n  foxhold config schema\n  foxhold config schema --role sync-node")]
    Schema(SchemaArgs),
}

/// Whose schema.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Whose configuration.
    #[arg(long, value_enum, value_name = "ROLE", default_value_t)]
    role: RoleName,
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// Whose configuration.
    #[arg(long, value_enum, value_name = "ROLE", default_value_t)]
    role: RoleName,
    /// Configuration file; may be repeated, later ones win. Without it: foxhold.toml in the folder of a box, and of other
    /// roles FOXHOLD_CONFIG, or /etc/foxhold/<role>.toml.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The folder of a box, running or stopped.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    data: PathBuf,
}

impl WhichArgs {
    /// Where it comes from, whether or not there is any file.
    fn all_sources(&self) -> Sources {
        if self.role != RoleName::Box {
            return Sources::of_process(self.role.name(), self.config.clone());
        }
        let of_folder = self.data.join("foxhold.toml");
        let files = match &self.config[..] {
            [] => of_folder.exists().then_some(of_folder).into_iter().collect(),
            files => files.to_vec(),
        };
        Sources {
            files,
            env: process_env(),
            overrides: Vec::new(),
        }
    }

    /// Where it comes from, of which something must be a file: what nobody wrote, nobody wants checked.
    fn sources(&self) -> Result<Sources, NotThere> {
        let sources = self.all_sources();
        match (sources.files.is_empty(), self.role) {
            (false, _) => Ok(sources),
            (true, RoleName::Box) => Err(NotThere {
                what: "there is no foxhold.toml in the folder of the box",
                fix: "give the folder with --data, or a file with --config",
            }),
            (true, _) => Err(NotThere {
                what: "there is no configuration of this role in /etc/foxhold",
                fix: "give its file with --config; foxhold config init makes one",
            }),
        }
    }
}

/// Carries the command out.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Init(arguments) => init::run(arguments),
        ConfigCommand::Check(arguments) => check::run(arguments),
        ConfigCommand::Show(arguments) => show::run(arguments),
        ConfigCommand::Explain(arguments) => explain::run(arguments),
        ConfigCommand::Schema(arguments) => {
            let schema = arguments.role.role().schema();
            Ok(writeln!(std::io::stdout().lock(), "{schema:#}")?)
        }
    }
}
