//! The closed list of what can go wrong between tiers and towards clients. Each code has a stable public number: the
//! `errno` of `accounts.md`, Errors. Exactly two exhaustive translations exist: to HTTP (`webhead`) and to gRPC
//! (`rpc::status`). Token Server and storage node answer in forms of their own, made from their own error types.

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $http:literal;)*) => {
        /// What went wrong, as clients and tiers are told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorCode {
            /// Every code, for tests that walk them all.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable public number (`errno`).
            #[must_use]
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// From the public number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The HTTP status that goes with it (`accounts.md`, Errors).
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$name => $http,)*
                }
            }
        }
    };
}

error_codes! {
    /// The e-mail belongs to a verified account.
    AccountExists = 101, 400;
    /// No such account.
    UnknownAccount = 102, 400;
    /// Wrong password.
    WrongPassword = 103, 400;
    /// The account's e-mail, or the session, is not verified yet.
    UnverifiedAccount = 104, 400;
    /// A mailed code is wrong.
    WrongCode = 105, 400;
    /// The body is not JSON.
    BadJson = 106, 400;
    /// A parameter has the wrong form.
    BadParameter = 107, 400;
    /// A parameter is missing.
    MissingParameter = 108, 400;
    /// The request's signature or payload hash is wrong.
    BadSignature = 109, 401;
    /// The token is malformed, unknown, spent or expired.
    BadToken = 110, 401;
    /// The request's timestamp is outside the window.
    StaleTimestamp = 111, 401;
    /// The request has no length.
    NoLength = 112, 411;
    /// The body is too large.
    BodyTooLarge = 113, 413;
    /// Too many requests.
    Throttled = 114, 429;
    /// An exact repeat of a signed request.
    Replayed = 115, 401;
    /// The endpoint is gone for good.
    Gone = 116, 410;
    /// The e-mail is stored in another spelling.
    EmailCase = 120, 400;
    /// No such device.
    UnknownDevice = 123, 400;
    /// The session is bound to another device already.
    DeviceConflict = 124, 400;
    /// The account is disabled.
    RequestBlocked = 125, 400;
    /// The session is not verified.
    UnverifiedSession = 138, 400;
    /// Mail could not be put into the outbox.
    MailNotSent = 151, 500;
    /// A code to type is wrong, told by the older call.
    WrongTokenCode = 152, 400;
    /// A code to type was right once, told by the older call.
    ExpiredTokenCode = 153, 400;
    /// A second factor is enabled already.
    TotpExists = 154, 400;
    /// The account has no second factor.
    TotpNotFound = 155, 400;
    /// No such backup code, or used.
    UnknownBackupCode = 156, 400;
    /// The device does not take this command.
    CommandUnavailable = 157, 400;
    /// The account has no recovery key.
    UnknownRecoveryKey = 158, 400;
    /// The account has another recovery key.
    WrongRecoveryKey = 159, 400;
    /// The account has a recovery key already.
    RecoveryKeyExists = 161, 400;
    /// No such OAuth client.
    UnknownClient = 162, 400;
    /// The client may not have these scopes.
    ScopesNotAllowed = 163, 400;
    /// The session's authentication is too old for this.
    StaleAuth = 164, 400;
    /// Two writes met; the caller should look again.
    StoreConflict = 165, 409;
    /// The client has to authenticate.
    NotPublicClient = 166, 400;
    /// The redirect URI is not the client's.
    BadRedirect = 167, 400;
    /// The response type is not `code`.
    BadResponseType = 168, 400;
    /// The PKCE challenge is missing.
    MissingPkce = 169, 400;
    /// A second factor is asked for, and the session has none.
    AcrTooLow = 170, 400;
    /// The client did not show its secret, or a wrong one.
    BadClientSecret = 171, 400;
    /// No such authorization code.
    UnknownAuthorizationCode = 172, 400;
    /// The authorization code was given to another client.
    ForeignAuthorizationCode = 173, 400;
    /// The authorization code has expired.
    ExpiredAuthorizationCode = 174, 400;
    /// The PKCE verifier does not fit the challenge.
    PkceMismatch = 175, 400;
    /// Overloaded, or a store or tier is unreachable or lagging; a retry is safe.
    Busy = 201, 503;
    /// The feature is switched off.
    FeatureOff = 202, 503;
    /// A tier answered with an error that a retry will not cure.
    BackendFault = 203, 500;
    /// No such route.
    NotFound = 404, 404;
    /// The route does not know the method.
    MethodNotAllowed = 405, 405;
    /// The body's encoding or media type is not supported.
    UnsupportedMedia = 415, 415;
    /// A fault of ours.
    Internal = 999, 500;
    /// No new accounts are made.
    RegistrationClosed = 1001, 403;
    /// New accounts are made with an invitation only.
    InvitationNeeded = 1002, 403;
    /// The invitation is none, or helps no more.
    BadInvitation = 1003, 403;
    /// No new accounts are made for addresses of this domain.
    MailDomainNotAllowed = 1004, 403;
    /// The user has not agreed yet.
    ConsentNeeded = 1005, 403;
    /// The user may not use this client.
    ClientNotAllowed = 1006, 403;
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn numbers_round_trip_and_every_status_is_an_error() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
            assert!((400..600).contains(&code.http_status()), "{code:?}");
        }
        assert_eq!(ErrorCode::from_number(0), None);
    }

    #[test]
    fn only_what_a_client_may_take_as_its_own_fault_is_401() {
        let unauthorized: Vec<_> = ErrorCode::ALL
            .iter()
            .filter(|c| c.http_status() == 401)
            .map(|c| c.number())
            .collect();
        assert_eq!(unauthorized, [109, 110, 111, 115]);
    }
}
