//! How a command fails: what failed, why, and what to do about it, on standard error; and an exit code that scripts can
//! go by (`ecosystem.md` 3.4).

use std::{io::Write, process::ExitCode};

use foxhold_runtime::config::{ConfigErrors, SecretError};

use crate::{data_folder::DataFolderError, single_box::settings::SettingsError};

const FAILED: u8 = 1;
const INVALID: u8 = 3;
const UNAVAILABLE: u8 = 4;
const REFUSED: u8 = 6;

/// Says what failed, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !shown.contains(&cause) {
            text.push_str(&format!("cause: {cause}\n"));
            shown = cause;
        }
    }
    // With standard error gone, the exit code is all that is left to say.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<DataFolderError>() {
        return REFUSED;
    }
    match error.downcast_ref::<SettingsError>() {
        Some(SettingsError::MailNone(_)) => return REFUSED,
        Some(_) => return INVALID,
        None => {}
    }
    if error.is::<ConfigErrors>() || error.chain().any(|cause| cause.is::<SecretError>()) {
        return INVALID;
    }
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable) => UNAVAILABLE,
        _ => FAILED,
    }
}
