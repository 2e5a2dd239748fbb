//! `foxhold template`: how mails read, and whether an operator's own parts can be used.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use foxhold_webhead::{
    config::{ConfigError, mail_templates},
    mail_templates::{TemplateFault, TemplateFaults},
};
use serde_json::json;
use thiserror::Error;

use crate::{
    commands::NoSuchFile,
    data_folder::DataFolderError,
    output::{OutputArgs, table},
    single_box::stopped::settings_of,
};

/// How mails read.
#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Read all mail templates and say what is wrong with an operator's own: unknown files and variables, missing links.
    ///
    /// Run it before a box or a webhead starts with new ones. Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold template check --data foxhold-data\n  foxhold template check --templates /etc/foxhold/mail --output json"
    )]
    Check(CheckArgs),
}

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A folder with templates; that of the box when absent.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// The folder of a box, running or stopped.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    data: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Templates that no box or webhead would start with.
#[derive(Debug, Error)]
#[error("the mail templates cannot be used\n{0}\nfix: correct these files, or take them out of the folder")]
pub(crate) struct TemplatesUnfit(TemplateFaults);

/// Carries the command out.
pub(crate) fn run(command: &TemplateCommand) -> anyhow::Result<()> {
    let TemplateCommand::Check(arguments) = command;
    let folder = match &arguments.templates {
        Some(folder) => {
            NoSuchFile::check("folder", folder)?;
            Some(folder.clone())
        }
        None => of_box(arguments)?,
    };
    // Links are made by the program; templates only say where they stand.
    let templates = match mail_templates("https://accounts.example.org", folder.as_deref()) {
        Err(ConfigError::Templates(faults)) => return refuse(arguments, faults),
        read => read?,
    };
    let parts: Vec<_> = templates.parts().collect();
    let whose = |is_own: bool| if is_own { "own" } else { "foxhold" };
    let row = |(name, is_own): &(&str, bool)| [(*name).to_owned(), whose(*is_own).to_owned()];
    let rows: Vec<_> = parts.iter().map(row).collect();
    let values = parts
        .iter()
        .map(|(name, is_own)| json!({ "part": name, "from": whose(*is_own) }));
    let text = table(["PART", "FROM"], &rows);
    Ok(arguments.output.print_list(&text, "parts", values.collect())?)
}

/// Scripts get a document also of what is wrong.
fn refuse(arguments: &CheckArgs, faults: TemplateFaults) -> anyhow::Result<()> {
    let fault = |fault: &TemplateFault| json!({ "file": fault.path, "problem": fault.problem });
    let listed: Vec<_> = faults.0.iter().map(fault).collect();
    arguments.output.print("", &json!({ "faults": listed }))?;
    Err(TemplatesUnfit(faults).into())
}

fn of_box(arguments: &CheckArgs) -> anyhow::Result<Option<PathBuf>> {
    if !arguments.data.join("format").exists() {
        let folder = arguments.data.clone();
        return Err(DataFolderError::Missing { folder }.into());
    }
    Ok(settings_of(&arguments.data)?.mail_templates)
}
