//! Who may call what (`security.md` C.2), as data. A path that is not here may be called by nobody; a test in `rpc`
//! compares the table with the RPCs that exist.

use crate::tls::Role;

/// One row: the path of an RPC, and the roles that may call it.
pub type Row = (&'static str, &'static [Role]);

const WEBHEAD: &[Role] = &[Role::Webhead];
const OPS: &[Role] = &[Role::Ops];
const WEBHEAD_AND_OPS: &[Role] = &[Role::Webhead, Role::Ops];
const HEALTH: &[Role] = &[Role::Health];

/// Every RPC of every private tier.
pub const CALLERS: &[Row] = &[
    ("/foxhold.dbwriter.v1.AccountAdmin/DeleteSecondFactor", OPS),
    ("/foxhold.dbwriter.v1.AccountAdmin/SetDisabled", OPS),
    ("/foxhold.dbwriter.v1.AccountGuards/SetRecoveryKey", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountGuards/SetSecondFactor", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/CloseSession", WEBHEAD),
    (
        "/foxhold.dbwriter.v1.AccountWriter/ConsumeAuthorizationCode",
        WEBHEAD,
    ),
    ("/foxhold.dbwriter.v1.AccountWriter/ConsumeKeyFetch", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/CreateAccount", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/DeleteAccount", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/DeleteDevice", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/DeleteRefreshToken", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/MissPasswordToken", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/NoteAccess", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/OpenSession", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/PutAuthorizationCode", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/PutDevice", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/PutPasswordToken", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/PutRefreshToken", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/RedeemPasswordToken", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/RefreshSession", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/SetPassword", WEBHEAD),
    ("/foxhold.dbwriter.v1.AccountWriter/VerifyEmail", WEBHEAD),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/CreateNode", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/ImportUser", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/MarkNode", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/PutService", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/RemoveNode", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/RenameNode", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/ReserveUids", OPS),
    ("/foxhold.dbwriter.v1.AssignmentAdmin/UpdateNode", OPS),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Assign", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Forget", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Raise", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Rekey", WEBHEAD),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Retire", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.AssignmentWriter/Unassign", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.ClientAdmin/DeleteClient", OPS),
    ("/foxhold.dbwriter.v1.ClientAdmin/PutClient", OPS),
    ("/foxhold.dbwriter.v1.CommandWriter/PutCommand", WEBHEAD),
    ("/foxhold.dbwriter.v1.GrantWriter/EndGrant", WEBHEAD),
    ("/foxhold.dbwriter.v1.GrantWriter/PutGrant", WEBHEAD),
    ("/foxhold.dbwriter.v1.GrantWriter/ReplaceRefreshToken", WEBHEAD),
    (
        "/foxhold.dbwriter.v1.InvitationWriter/CreateInvitedAccount",
        WEBHEAD,
    ),
    ("/foxhold.dbwriter.v1.InvitationWriter/DeleteInvitation", OPS),
    ("/foxhold.dbwriter.v1.InvitationWriter/PutInvitation", OPS),
    ("/foxhold.dbwriter.v1.JobTurns/EndTurn", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.JobTurns/TakeTurn", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.OperatorWriter/MakeAccount", OPS),
    ("/foxhold.dbwriter.v1.OperatorWriter/PutForgotToken", OPS),
    ("/foxhold.dbwriter.v1.OperatorWriter/RemoveAccount", OPS),
    ("/foxhold.dbwriter.v1.Outbox/DeferMail", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.Outbox/EndMail", WEBHEAD),
    ("/foxhold.dbwriter.v1.Outbox/PutMail", WEBHEAD_AND_OPS),
    ("/foxhold.dbwriter.v1.Outbox/TakeMails", WEBHEAD),
    ("/foxhold.keysigner.v1.Keysigner/GetPublicKeys", WEBHEAD),
    ("/foxhold.keysigner.v1.Keysigner/MintNodeToken", WEBHEAD_AND_OPS),
    ("/foxhold.keysigner.v1.Keysigner/SignAccessToken", WEBHEAD),
    ("/foxhold.keysigner.v1.Keysigner/SignCertificate", WEBHEAD),
    ("/foxhold.keysigner.v1.Keysigner/SignIdToken", WEBHEAD),
    ("/foxhold.stretcher.v1.Stretcher/Stretch", WEBHEAD),
    ("/grpc.health.v1.Health/Check", HEALTH),
    ("/grpc.health.v1.Health/Watch", HEALTH),
];

/// The row of a path: its name as a label from a closed set, and who may call it.
#[must_use]
pub fn row(path: &str) -> Option<&'static Row> {
    CALLERS.iter().find(|(known, _)| *known == path)
}

/// Service and method of a path in the table; a name that is no path is both.
pub(crate) fn parts(path: &'static str) -> (&'static str, &'static str) {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts.unwrap_or((path, path))
}

/// The service that a path belongs to; `unknown` for a path without a row.
pub(crate) fn service(path: &str) -> &'static str {
    row(path).map_or("unknown", |(path, _)| parts(path).0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_is_a_service_and_a_method() {
        assert_eq!(parts("unknown"), ("unknown", "unknown"));
        assert_eq!(service("/"), "unknown");
        for (path, _) in CALLERS {
            let (service, method) = parts(path);
            assert_eq!(format!("/{service}/{method}"), *path);
            assert_eq!(super::service(path), service);
        }
    }

    #[test]
    fn no_path_has_two_rows_and_none_is_open_to_nobody() {
        let paths: BTreeSet<_> = CALLERS.iter().map(|(path, _)| path).collect();
        assert_eq!(paths.len(), CALLERS.len());
        assert!(CALLERS.iter().all(|(_, roles)| !roles.is_empty()));
    }

    #[test]
    fn paths_are_compared_whole() {
        assert!(row("/grpc.health.v1.Health/Check").is_some());
        for path in [
            "/grpc.health.v1.Health/Check/",
            "/grpc.health.v1.Health/check",
            "/",
            "",
        ] {
            assert!(row(path).is_none(), "{path}");
        }
    }
}
