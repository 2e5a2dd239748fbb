//! `foxhold doctor`: looks a box over, running or stopped, and says what to do (`tokenserver.md` 14). `gather` finds the facts
//! out, `checks` judges them. `fleet` does both of a fleet.

mod checks;
mod facts;
mod fleet;
mod gather;

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};
use thiserror::Error;

use self::checks::{Finding, State};
use crate::{
    admin_client::{self, AdminArgs},
    data_folder::DataFolderError,
    output::{OutputArgs, table},
};

/// Look a box over: settings, files, keys, secrets, clock, disk, and whether browsers reach it as they should.
///
/// Of a fleet (--admin) it looks at store, nodes and room, and with --public-url at what browsers see: address, clock, heartbeat,
/// published keys. Changes nothing. Run it when sync does not work, after a move, and before asking for help.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  foxhold doctor\n  foxhold doctor --data foxhold-data --output json")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// What browsers reach it by, if not what a box's folder says.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Something is wrong; what, was printed.
#[derive(Debug, Error)]
#[error("{failed} of {all} checks failed\nfix: what the output says of each of them")]
pub(crate) struct ChecksFailed {
    failed: usize,
    all: usize,
}

/// Looks the box or the fleet over.
pub(crate) fn run(arguments: &DoctorArgs) -> anyhow::Result<()> {
    let found = if arguments.admin.is_fleet() {
        let url = arguments.public_url.as_deref();
        let facts = admin_client::with(&arguments.admin, async |admin| {
            Ok(fleet::gather(admin, url).await?)
        })?;
        fleet::all(&facts)
    } else {
        of_box(arguments)?
    };
    let values = found.iter().map(value).collect();
    arguments.output.print_list(&text(&found), "checks", values)?;
    match checks::failures(&found) {
        0 => Ok(()),
        failed => Err(ChecksFailed {
            failed,
            all: found.len(),
        }
        .into()),
    }
}

fn of_box(arguments: &DoctorArgs) -> anyhow::Result<Vec<Finding>> {
    let data = arguments.admin.folder();
    if !data.join("format").exists() {
        let folder = data.to_owned();
        return Err(DataFolderError::Missing { folder }.into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let gathering = gather::gather(data, arguments.public_url.clone());
    Ok(checks::all(&runtime.block_on(gathering)))
}

fn text(found: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let (check, state) = (finding.check.to_owned(), finding.state.name().to_owned());
        [check, state, finding.what.clone()]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let mut text = table(["CHECK", "STATE", "FOUND"], &rows);
    for finding in found.iter().filter(|finding| finding.state > State::Ok) {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n{}: {}\n  fix: {}\n",
            finding.check, finding.what, finding.fix
        );
    }
    text
}

fn value(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "state": finding.state.name(),
        "found": finding.what,
        "fix": if finding.fix.is_empty() { None } else { Some(&finding.fix) },
    })
}
