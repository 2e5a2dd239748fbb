//! The kinds of intents, by stable numbers: stores keep them beside an operation's outcome, so that an operation id
//! used for another kind of intent is noticed.

macro_rules! intent_kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What an intent asks for: one per method of a writing port.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum IntentKind {
            $($(#[$doc])* $name = $number,)*
        }

        impl IntentKind {
            /// Every kind, for tests that walk them all.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number it is stored under, for good.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

intent_kinds! {
    /// `AccountWriter::create_account`
    CreateAccount = 1,
    /// `AccountWriter::open_session`
    OpenSession = 2,
    /// `AccountWriter::close_session`
    CloseSession = 3,
    /// `AccountWriter::verify_email`
    VerifyEmail = 4,
    /// `AccountWriter::consume_key_fetch`
    ConsumeKeyFetch = 5,
    /// `AccountWriter::put_device`
    PutDevice = 6,
    /// `AccountWriter::delete_device`
    DeleteDevice = 7,
    /// `AccountWriter::put_authorization_code`
    PutAuthorizationCode = 8,
    /// `AccountWriter::consume_authorization_code`
    ConsumeAuthorizationCode = 9,
    /// `AccountWriter::put_refresh_token`
    PutRefreshToken = 10,
    /// `AccountWriter::delete_refresh_token`
    DeleteRefreshToken = 11,
    /// `AssignmentWriter::assign`
    Assign = 12,
    /// `AssignmentWriter::raise`
    Raise = 13,
    /// `AssignmentWriter::rekey`
    Rekey = 14,
    /// `AssignmentAdmin::put_service`
    PutService = 15,
    /// `AssignmentAdmin::create_node`
    CreateNode = 16,
    /// `AssignmentAdmin::rename_node`
    RenameNode = 17,
    /// `AssignmentWriter::retire`
    Retire = 18,
    /// `AssignmentWriter::unassign`
    Unassign = 19,
    /// `AssignmentWriter::forget`
    Forget = 20,
    /// `AssignmentAdmin::update_node`
    UpdateNode = 21,
    /// `AssignmentAdmin::remove_node`
    RemoveNode = 22,
    /// `AssignmentAdmin::import_user`
    ImportUser = 23,
    /// `AssignmentAdmin::reserve_uids`
    ReserveUids = 24,
    /// `ClientAdmin::put_client`
    PutClient = 55,
    /// `ClientAdmin::delete_client`
    DeleteClient = 56,
    /// `GrantWriter::put_grant`
    PutGrant = 57,
    /// `GrantWriter::end_grant`
    EndGrant = 58,
    /// `GrantWriter::replace_refresh_token`
    ReplaceRefreshToken = 78,
    /// `JobTurns::take_turn`
    TakeTurn = 25,
    /// `JobTurns::end_turn`
    EndTurn = 26,
    /// `Outbox::put_mail`
    PutMail = 65,
    /// `Outbox::take_mails`
    TakeMails = 66,
    /// `Outbox::end_mail`
    EndMail = 67,
    /// `Outbox::defer_mail`
    DeferMail = 68,
    /// `AccountWriter::put_password_token`
    PutPasswordToken = 27,
    /// `AccountWriter::miss_password_token`
    MissPasswordToken = 28,
    /// `AccountWriter::redeem_password_token`
    RedeemPasswordToken = 29,
    /// `AccountWriter::set_password`
    SetPassword = 30,
    /// `AccountWriter::delete_account`
    DeleteAccount = 31,
    /// `AccountGuards::set_second_factor`
    SetSecondFactor = 40,
    /// `AccountGuards::set_recovery_key`
    SetRecoveryKey = 41,
    /// `AccountAdmin::set_disabled`
    SetDisabled = 74,
    /// `AccountAdmin::delete_second_factor`
    DeleteSecondFactor = 82,
    /// `AccountWriter::refresh_session`
    RefreshSession = 32,
    /// `AccountWriter::note_access`
    NoteAccess = 83,
    /// `CommandWriter::put_command`
    PutCommand = 70,
    /// `InvitationWriter::create_invited_account`
    CreateInvitedAccount = 71,
    /// `InvitationWriter::put_invitation`
    PutInvitation = 72,
    /// `InvitationWriter::delete_invitation`
    DeleteInvitation = 73,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::IntentKind;

    #[test]
    fn numbers_are_distinct() {
        let numbers: HashSet<_> = IntentKind::ALL.iter().map(|kind| kind.number()).collect();
        assert_eq!(numbers.len(), IntentKind::ALL.len());
    }
}
