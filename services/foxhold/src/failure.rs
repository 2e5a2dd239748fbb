//! How a command of the tool fails: as every process does, and with codes for what only the tool meets.

use std::process::ExitCode;

use foxhold_runtime::process::{self, INVALID, REFUSED};

use crate::{data_folder::DataFolderError, single_box::settings::SettingsError};

/// Says what failed, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    process::fail(error, exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<SettingsError>() {
        Some(SettingsError::MailNone(_)) => REFUSED,
        Some(_) => INVALID,
        None if error.is::<DataFolderError>() => REFUSED,
        None => process::exit_code(error),
    }
}
