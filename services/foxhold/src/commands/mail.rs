//! `foxhold mail`: whether a box's mail server takes mail.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use foxhold_runtime::config::Secrets;
use foxhold_webhead::mail::{
    PreparedMail,
    trial::{Step, try_out},
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    data_folder::DataFolderError,
    output::{OutputArgs, table},
    single_box::{mail_settings, stopped::settings_of},
};

/// The mail server of a box.
#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Send one mail through the mail server of a box, and tell each step of it.
    ///
    /// Run it when a mail server is new or mail does not arrive; the box may run or not. The mail does not pass the outbox.
    #[command(
        after_help = "Examples:\n  foxhold mail test somebody@example.org\n  foxhold mail test somebody@example.org --data /srv/foxhold --output json"
    )]
    Test(TestArgs),
}

/// Who gets it.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The receiver.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: String,
    /// The folder of the box.
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

/// Whether mail can go there at all is for the server to say.
fn address(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once('@');
    let is_address = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(|character: char| character.is_whitespace() || character.is_control());
    is_address
        .then(|| text.to_owned())
        .ok_or_else(|| "a mail address, as in somebody@example.org".to_owned())
}

/// The box hands no mail to anybody.
#[derive(Debug, Error)]
#[error("mail goes to no server: `mail = \"{0}\"`\nfix: mail = \"smtp\" and a table [smtp] in foxhold.toml")]
pub(crate) struct NoMailServer(&'static str);

/// The server did not take the mail; where it stopped was printed.
#[derive(Debug, Error)]
#[error("the mail was not sent\nfix: what the last step says; its settings are in [smtp]")]
pub(crate) struct MailNotSent;

/// Carries the command out.
pub(crate) fn run(command: &MailCommand) -> anyhow::Result<()> {
    let MailCommand::Test(arguments) = command;
    if !arguments.data.join("format").exists() {
        let folder = arguments.data.clone();
        return Err(DataFolderError::Missing { folder }.into());
    }
    let settings = settings_of(&arguments.data)?;
    let PreparedMail::Smtp(server) = mail_settings(&settings)?.prepare("smtp", &Secrets::default())? else {
        return Err(NoMailServer(settings.mail.name()).into());
    };
    let site = settings.site()?;
    let host = site.host_str().unwrap_or("localhost");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let steps = runtime.block_on(try_out(&server, &arguments.address, host))?;
    let values = steps.iter().map(value).collect();
    arguments.output.print_list(&text(&steps), "steps", values)?;
    if steps.iter().all(|step| step.is_done) {
        Ok(())
    } else {
        Err(MailNotSent.into())
    }
}

const fn state(step: &Step) -> &'static str {
    if step.is_done { "ok" } else { "failed" }
}

fn text(steps: &[Step]) -> String {
    let row = |step: &Step| [step.step.to_owned(), state(step).to_owned(), step.answer.clone()];
    let rows: Vec<_> = steps.iter().map(row).collect();
    table(["STEP", "STATE", "ANSWER"], &rows)
}

fn value(step: &Step) -> Value {
    json!({ "step": step.step, "state": state(step), "answer": step.answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_has_a_name_and_a_host() {
        for (text, expected) in [
            ("a@b.example", true),
            ("a@localhost", true),
            ("notmail", false),
            ("@b", false),
            ("a@", false),
            ("a b@c", false),
            ("a@b\n", false),
        ] {
            assert_eq!(address(text).is_ok(), expected, "{text:?}");
        }
    }
}
