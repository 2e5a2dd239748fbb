//! How a command of the tool fails: as every process does, and with codes for what only the tool meets.

use std::{io, process::ExitCode};

use foxhold_keysigner::{
    custody::file::KeyFileError, keygen::CreateKeyError, node_secrets::NodeSecretsError,
};
use foxhold_ports::Cause;
use foxhold_runtime::{
    process::{self, FAILED, INVALID, REFUSED, UNAVAILABLE},
    store::ClusterTlsError,
    telemetry::TelemetryError,
};
use foxhold_store_cassandra::{
    ConnectError,
    audit::AuditError,
    migrate::{MigrateError, PlanError},
};
use foxhold_webhead::{config::ConfigError, mail::MailSettingsError};

use crate::{
    admin_client::AdminError,
    commands::{
        Exists, NoSuchFile, NotThere,
        account::BadPassword,
        audit::{ContradictionsLeft, LogChanged},
        config::{explain::UnknownKey, online::OnlineFaults},
        doctor::ChecksFailed,
        invite::import::{BadColumns, RowsFailed},
        key::provider::RotationRefused,
        mail::{MailNotSent, NoMailServer},
        paged::{Interrupted, PartlyDone},
        service::{EventsLeft, ReadFault, SettingsFault, Unfit},
        template::TemplatesUnfit,
        token::TokenFileError,
    },
    confirm::Unconfirmed,
    data_folder::DataFolderError,
    key_files::KeyFilesError,
    single_box::{NodeSecretError, settings::SettingsError, setup::SetupError},
};

/// Exit code of arguments that do not go together, or that cannot be meant.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Exit code of something that is not there (`ecosystem.md` 3.4).
pub(crate) const NOT_FOUND: u8 = 5;
/// Exit code of what is done in part; the output says which (`ecosystem.md` 3.4).
pub(crate) const PARTLY: u8 = 7;
/// Exit code of what this login may not do.
pub(crate) const NOT_PERMITTED: u8 = 8;
/// Exit code of what was interrupted and may be gone on with.
pub(crate) const INTERRUPTED: u8 = 130;

/// Exit code where nobody reads what is printed any more: that of a program which a signal tells so.
pub(crate) const UNREAD: u8 = 141;

/// Says what failed, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_unread(error) {
        return ExitCode::from(UNREAD);
    }
    process::fail(error, exit_code(error))
}

/// Whether whoever was to read the output has gone, as `head` does. A connection that breaks is told as what it was for.
fn is_unread(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<DataFolderError>() {
        return match error {
            DataFolderError::Io { .. } => FAILED,
            DataFolderError::Busy { .. } => UNAVAILABLE,
            DataFolderError::ConfigLost { .. } => INVALID,
            DataFolderError::InUse { .. }
            | DataFolderError::Newer { .. }
            | DataFolderError::Foreign { .. } => REFUSED,
            DataFolderError::Missing { .. } => NOT_FOUND,
        };
    }
    if let Some(error) = error.downcast_ref::<AdminError>() {
        return error.exit_code();
    }
    if let Some(code) = exit_code_of_jobs(error) {
        return code;
    }
    if let Some(error) = error.downcast_ref::<MigrateError>() {
        return exit_code_of_schema(error);
    }
    if let Some(error) = error.downcast_ref::<AuditError>() {
        return exit_code_of_audit(error);
    }
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return exit_code_of_connecting(error);
    }
    if let Some(error) = error.downcast_ref::<TokenFileError>() {
        return exit_code_of_secrets(error);
    }
    if let Some(faults) = error.downcast_ref::<OnlineFaults>() {
        return if faults.is_away { UNAVAILABLE } else { INVALID };
    }
    if let Some(error) = error.downcast_ref::<RotationRefused>() {
        return match error {
            RotationRefused::UnderWay { .. } | RotationRefused::TooSoon => REFUSED,
            RotationRefused::None { .. } => NOT_FOUND,
        };
    }
    if error.is::<RowsFailed>()
        || error.is::<ContradictionsLeft>()
        || error.is::<ChecksFailed>()
        || error.is::<LogChanged>()
    {
        PARTLY
    } else if error.is::<NotThere>() || error.is::<NoSuchFile>() || error.is::<UnknownKey>() {
        NOT_FOUND
    } else if is_refused(error) {
        REFUSED
    } else if is_invalid(error) {
        INVALID
    } else {
        process::exit_code(error)
    }
}

/// Of what the commands about services and nodes say by themselves.
fn exit_code_of_jobs(error: &anyhow::Error) -> Option<u8> {
    if error.is::<Interrupted>() {
        return Some(INTERRUPTED);
    }
    if error.is::<MailNotSent>() {
        return Some(FAILED);
    }
    if error.is::<PartlyDone>() || error.is::<EventsLeft>() {
        return Some(PARTLY);
    }
    if error.is::<BadPassword>() {
        return Some(WRONG_USAGE);
    }
    if error.is::<ReadFault>() || error.is::<SettingsFault>() || error.is::<BadColumns>() {
        return Some(INVALID);
    }
    let unfit = error.downcast_ref::<Unfit>()?;
    Some(match unfit {
        Unfit::Faults(_) | Unfit::Overtaken(_) | Unfit::Differs(_) => REFUSED,
        Unfit::Partly { .. } => PARTLY,
    })
}

fn exit_code_of_schema(error: &MigrateError) -> u8 {
    if error.is_unavailable() {
        return UNAVAILABLE;
    }
    match error {
        MigrateError::Plan(_) => INVALID,
        MigrateError::Connect(error) => exit_code_of_connecting(error),
        MigrateError::NotPermitted(_) => NOT_PERMITTED,
        MigrateError::NoSchema(_) | MigrateError::UnknownRegion(_) => NOT_FOUND,
        MigrateError::Busy { .. }
        | MigrateError::Changed { .. }
        | MigrateError::Contradiction(_)
        | MigrateError::OlderProcesses { .. }
        | MigrateError::Refused { .. } => REFUSED,
        MigrateError::NoNode(_)
        | MigrateError::LockLost
        | MigrateError::Statement { .. }
        | MigrateError::Answer { .. } => FAILED,
    }
}

fn exit_code_of_secrets(error: &TokenFileError) -> u8 {
    match error {
        TokenFileError::Missing(_) | TokenFileError::NotListed { .. } | TokenFileError::NotPrepared(_) => {
            NOT_FOUND
        }
        TokenFileError::WhichNode(_) | TokenFileError::WhoseSecret(_) | TokenFileError::AllNodes(_) => {
            WRONG_USAGE
        }
        TokenFileError::Busy(_) | TokenFileError::Itself(_) | TokenFileError::Listed { .. } => REFUSED,
        TokenFileError::Secret(_)
        | TokenFileError::Line { .. }
        | TokenFileError::Empty(_)
        | TokenFileError::Master { .. } => INVALID,
        TokenFileError::Write { .. } => FAILED,
    }
}

fn exit_code_of_audit(error: &AuditError) -> u8 {
    match error {
        AuditError::Store(Cause::Unavailable | Cause::Timeout | Cause::Overloaded) => UNAVAILABLE,
        AuditError::Store(Cause::NotPermitted) => NOT_PERMITTED,
        AuditError::Store(Cause::Fault | Cause::Inconsistent) => FAILED,
        AuditError::Statements(error) => exit_code_of_connecting(error),
    }
}

const fn exit_code_of_connecting(error: &ConnectError) -> u8 {
    match error {
        ConnectError::Cluster(_) | ConnectError::Ended { .. } => UNAVAILABLE,
        ConnectError::LoginRefused(_) => NOT_PERMITTED,
        ConnectError::NoTls(_) | ConnectError::NodeCertificate(_) | ConnectError::OwnCertificate(_) => {
            INVALID
        }
        ConnectError::Deployment { .. } | ConnectError::UnknownRegion(_) => NOT_FOUND,
        ConnectError::Contradiction(_) | ConnectError::Statement { .. } => REFUSED,
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
    without_mail || has_keys || error.is::<Unconfirmed>() || error.is::<Exists>()
}

/// A setting or a secret that cannot be used.
fn is_invalid(error: &anyhow::Error) -> bool {
    error.is::<SettingsError>()
        || error.is::<PlanError>()
        || error.is::<ConfigError>()
        || error.is::<MailSettingsError>()
        || error.is::<TemplatesUnfit>()
        || error.is::<NoMailServer>()
        || error.is::<NodeSecretsError>()
        || error.is::<NodeSecretError>()
        || error.is::<TelemetryError>()
        || error.is::<ClusterTlsError>()
        || error.is::<KeyFileError>()
        || error
            .downcast_ref::<SetupError>()
            .is_some_and(|error| matches!(error, SetupError::KeysLost { .. }))
}
