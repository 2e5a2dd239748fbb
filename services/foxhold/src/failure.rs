//! How a command of the tool fails: as every process does, and with codes for what only the tool meets.

use std::process::ExitCode;

use foxhold_keysigner::{
    custody::file::KeyFileError, keygen::CreateKeyError, node_secrets::NodeSecretsError,
};
use foxhold_runtime::{
    process::{self, FAILED, INVALID, REFUSED},
    telemetry::TelemetryError,
};
use foxhold_webhead::{config::ConfigError, mail::MailSettingsError};

use crate::{
    data_folder::DataFolderError,
    key_files::KeyFilesError,
    single_box::{settings::SettingsError, setup::SetupError},
};

/// Says what failed, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    process::fail(error, exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<DataFolderError>() {
        return match error {
            DataFolderError::Io { .. } => FAILED,
            DataFolderError::InUse { .. }
            | DataFolderError::Newer { .. }
            | DataFolderError::Foreign { .. } => REFUSED,
        };
    }
    if is_refused(error) {
        REFUSED
    } else if is_invalid(error) {
        INVALID
    } else {
        process::exit_code(error)
    }
}

fn is_refused(error: &anyhow::Error) -> bool {
    let without_mail = error
        .downcast_ref::<SettingsError>()
        .is_some_and(|error| matches!(error, SettingsError::MailNone(_)));
    let has_keys = error.downcast_ref::<KeyFilesError>().is_some_and(|error| {
        matches!(
            error,
            KeyFilesError::Exists { .. } | KeyFilesError::Provider(CreateKeyError::Exists(_))
        )
    });
    without_mail || has_keys
}

/// A setting or a secret that cannot be used.
fn is_invalid(error: &anyhow::Error) -> bool {
    error.is::<SettingsError>()
        || error.is::<ConfigError>()
        || error.is::<MailSettingsError>()
        || error.is::<NodeSecretsError>()
        || error.is::<TelemetryError>()
        || error.is::<KeyFileError>()
        || error
            .downcast_ref::<SetupError>()
            .is_some_and(|error| matches!(error, SetupError::KeysLost { .. }))
}
