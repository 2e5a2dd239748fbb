//! Why no token was given, in words that an operator can look up: the `reason` of log lines and of
//! `foxhold_token_verifications_total`. `docs/refusals.md` explains each; a test compares the two.
//!
//! Must stay true: a code never changes its meaning, and nothing of a user or a credential is in one.

use crate::{
    credential::AuthorizationError,
    exchange::ExchangeError,
    first_assignments::{Budget, Limited},
    state::StateRefusal,
};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// Why a request got no token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Each of them, as the page for operators lists them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word that stands in logs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// No service of that app.
    UnknownApp = "unknown-application";
    /// The app has no such version.
    UnknownVersion = "unknown-version";
    /// `X-Client-State`, or the client state in `X-KeyID`, has not the allowed form.
    ClientStateForm = "client-state-form";
    /// No `Authorization`, or no blank in it, or two of them.
    NoAuthorization = "authorization-missing";
    /// A scheme that is unknown, or that the service does not take.
    Scheme = "scheme-not-taken";
    /// The credential is no text.
    NotText = "credential-not-text";
    /// The bundle is longer than any that is good.
    TooLong = "credential-too-long";

    /// Not of the form of a JWT, and nobody is asked about other tokens.
    TokenNotJwt = "token-not-a-jwt";
    /// An algorithm that is never taken, or a header that brings a key or asks for an extension.
    TokenHeader = "token-header";
    /// A JWT that is no access token by its `typ`.
    TokenType = "token-type";
    /// By an algorithm that only its server could verify, which is not asked.
    TokenAlgorithm = "token-algorithm";
    /// Of a key that its issuer does not publish.
    TokenUnknownKey = "token-unknown-key";
    /// No key of the issuer made the signature.
    TokenSignature = "token-signature";
    /// A claim is missing or has another type.
    TokenClaims = "token-claims";
    /// Its time is over.
    TokenExpired = "token-expired";
    /// Its time has not come.
    TokenNotYetValid = "token-not-yet-valid";
    /// Of another issuer than the configured one.
    TokenIssuer = "token-issuer";
    /// Neither a JWT nor of a length that opaque tokens have.
    TokenNoToken = "token-no-token";
    /// The server that was asked about it does not know it.
    TokenRefusedByServer = "token-refused-by-server";
    /// Not for the service's scope.
    TokenScope = "token-scope";
    /// The uid cannot be part of a user's name.
    Subject = "subject-unusable";
    /// The generation is no whole number.
    GenerationForm = "generation-form";
    /// The time of the key change is no whole number.
    KeysChangedAtForm = "keys-changed-at-form";

    /// No `X-KeyID`.
    KeyIdMissing = "key-id-missing";
    /// `X-KeyID` is not ASCII.
    KeyIdNotAscii = "key-id-not-ascii";
    /// `X-KeyID` is not a time, a hyphen and base64url.
    KeyIdForm = "key-id-form";
    /// `X-Client-State` and `X-KeyID` disagree.
    ClientStateMismatch = "client-state-mismatch";

    /// A bundle of more than 16 KiB.
    BundleTooLong = "bundle-too-long";
    /// Not exactly one certificate and one assertion.
    BundleCertificateCount = "bundle-certificate-count";
    /// A part is no compact JWS.
    BundleMalformed = "bundle-malformed";
    /// A header that brings a key of its own or asks for an extension.
    BundleHeader = "bundle-header";
    /// An algorithm that is not taken there, or that is not the key's.
    BundleAlgorithm = "bundle-algorithm";
    /// The key in the certificate is none, or too weak.
    BundlePublicKey = "bundle-public-key";
    /// A claim is missing or has another type.
    BundleClaims = "bundle-claims";
    /// The principal is not uid@domain.
    BundlePrincipal = "bundle-principal";
    /// The assertion's time is over.
    BundleAssertionExpired = "bundle-assertion-expired";
    /// The certificate's time is over.
    BundleCertificateExpired = "bundle-certificate-expired";
    /// One of the two was issued in the future.
    BundleNotYetValid = "bundle-not-yet-valid";
    /// The certificate is valid for more than a day.
    BundleCertificateLifetime = "bundle-certificate-lifetime";
    /// The assertion is for another server.
    BundleAudience = "bundle-audience";
    /// The issuer may not speak for the user's domain.
    BundleIssuerOfDomain = "bundle-issuer-of-domain";
    /// Users of that domain come by another credential, too, which this issuer cannot make.
    BundleIssuerOfOwnDomain = "bundle-issuer-of-own-domain";
    /// The service does not take this issuer.
    BundleIssuerNotAllowed = "bundle-issuer-not-allowed";
    /// The service does not take users of this domain.
    BundleEmailDomainNotAllowed = "bundle-email-domain-not-allowed";
    /// The issuer may not be asked, or its answer broke a rule.
    BundleIssuerForbidden = "bundle-issuer-forbidden";
    /// The domain publishes no keys.
    BundleNoIssuer = "bundle-no-issuer";
    /// Documents refer to each other in a circle or too often.
    BundleDelegation = "bundle-delegation";
    /// No key of the issuer made the certificate.
    BundleCertificateSignature = "bundle-certificate-signature";
    /// The key in the certificate did not make the assertion.
    BundleAssertionSignature = "bundle-assertion-signature";
    /// The session behind the certificate is not verified.
    BundleTokenUnverified = "bundle-token-unverified";
    /// The verifier that was asked says that a time is over or has not come.
    BundleVerifierTime = "bundle-verifier-time";
    /// The verifier that was asked refuses the bundle.
    BundleVerifierRefused = "bundle-verifier-refused";

    /// The user signed in longer ago than the service allows, or it cannot be told when.
    SignedInTooLongAgo = "signed-in-too-long-ago";
    /// Too many requests of one user or one address.
    Throttled = "throttled";
    /// The service's terms have not been accepted.
    Conditions = "conditions-required";
    /// No record, and the service takes no new users, or not this one.
    NewUsersDisabled = "new-users-disabled";
    /// Too many new users of one issuer lately.
    NewUsersIssuer = "new-users-of-issuer";
    /// Too many new users of one issuer today.
    NewUsersDay = "new-users-of-issuer-today";
    /// Too many new users of all issuers but the own.
    NewUsersService = "new-users-of-service";
    /// Too many new users from one block of addresses.
    NewUsersBlock = "new-users-from-block";
    /// Only slots are left that strangers do not get.
    NewUsersReserve = "new-users-reserve";

    /// The user is retired, or the generation is older than one seen.
    StateGeneration = "state-generation";
    /// The time of the key change is older than one seen, missing after one was seen, or newer than the generation.
    StateKeysChangedAt = "state-keys-changed-at";
    /// No client state, though one was seen.
    StateClientStateEmpty = "state-client-state-empty";
    /// The client state of a key that was replaced.
    StateClientStateStale = "state-client-state-stale";
    /// A new client state with a generation that is not newer.
    StateNoGenerationChange = "state-no-generation-change";
    /// A new client state with a time of the key change that is not newer.
    StateNoKeysChangedAtChange = "state-no-keys-changed-at-change";

    /// The service has no endpoint pattern.
    NoPattern = "no-endpoint-pattern";
    /// No node has room.
    NoNode = "no-node";
    /// All uids are handed out.
    NoUid = "no-uid";
    /// The user's past records have to be purged first.
    TooManyPast = "too-many-past-records";
    /// Others kept changing the user's records.
    Contended = "contended";
    /// Keys cannot be had, or an issuer or verifier not be asked.
    NoVerdict = "verdict-unavailable";
    /// The store did not answer.
    Store = "store-unavailable";
    /// The signer did not answer.
    Signer = "signer-unavailable";
    /// Something that must not be.
    Broken = "internal";

    /// An account event without a bearer token.
    EventNoToken = "event-no-token";
    /// An account event that is no JWT.
    EventNotJwt = "event-not-a-jwt";
    /// An account event whose header is not allowed.
    EventHeader = "event-header";
    /// A token that is no account event by its `typ`.
    EventType = "event-type";
    /// An account event of a key that its issuer does not publish.
    EventUnknownKey = "event-unknown-key";
    /// An account event with a wrong signature.
    EventSignature = "event-signature";
    /// A claim of an account event is missing or has another type.
    EventClaims = "event-claims";
    /// An account event of another issuer.
    EventIssuer = "event-issuer";
    /// An account event for another audience.
    EventAudience = "event-audience";
    /// An account event whose time is over.
    EventExpired = "event-expired";
}

impl From<AuthorizationError> for Reason {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::Missing => Self::NoAuthorization,
            AuthorizationError::UnknownScheme => Self::Scheme,
            AuthorizationError::NotText => Self::NotText,
        }
    }
}

impl From<StateRefusal> for Reason {
    fn from(refusal: StateRefusal) -> Self {
        match refusal {
            StateRefusal::Generation => Self::StateGeneration,
            StateRefusal::KeysChangedAt => Self::StateKeysChangedAt,
            StateRefusal::EmptyClientState => Self::StateClientStateEmpty,
            StateRefusal::StaleClientState => Self::StateClientStateStale,
            StateRefusal::NoGenerationChange => Self::StateNoGenerationChange,
            StateRefusal::NoKeysChangedAtChange => Self::StateNoKeysChangedAtChange,
        }
    }
}

impl From<Limited> for Reason {
    fn from(limited: Limited) -> Self {
        match limited.by {
            Budget::Issuer => Self::NewUsersIssuer,
            Budget::Day => Self::NewUsersDay,
            Budget::Service => Self::NewUsersService,
            Budget::Block => Self::NewUsersBlock,
            Budget::Reserve => Self::NewUsersReserve,
        }
    }
}

impl ExchangeError {
    /// The word for it in logs.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownApp => Reason::UnknownApp,
            Self::UnknownVersion(_) => Reason::UnknownVersion,
            Self::ClientStateForm => Reason::ClientStateForm,
            Self::NoAuthorization => Reason::NoAuthorization,
            Self::UnknownScheme => Reason::Scheme,
            Self::InvalidCredentials(reason) | Self::InvalidTimestamp(reason) => *reason,
            Self::CredentialTooLong => Reason::TooLong,
            Self::KeysChangedAtForm => Reason::KeysChangedAtForm,
            Self::GenerationForm => Reason::GenerationForm,
            Self::MissingKeyId => Reason::KeyIdMissing,
            Self::NonAsciiKeyId => Reason::KeyIdNotAscii,
            Self::ClientStateMismatch => Reason::ClientStateMismatch,
            Self::Throttled { .. } => Reason::Throttled,
            Self::ConditionsRequired(_) => Reason::Conditions,
            Self::NewUsersDisabled => Reason::NewUsersDisabled,
            Self::NewUsersLimited(limited) => (*limited).into(),
            Self::State(refusal) => (*refusal).into(),
            Self::NoPattern(_) => Reason::NoPattern,
            Self::NoNode => Reason::NoNode,
            Self::NoUid => Reason::NoUid,
            Self::TooManyPast => Reason::TooManyPast,
            Self::Contended => Reason::Contended,
            Self::NoKeys(_) => Reason::NoVerdict,
            Self::Store(_) => Reason::Store,
            Self::Signer(_) => Reason::Signer,
            Self::Broken(_) => Reason::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/refusals.md");

    /// The codes that begin a row of a table.
    fn explained() -> Vec<&'static str> {
        let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split_once('`').map(|(code, _)| code))
            .collect()
    }

    #[test]
    fn the_page_for_operators_explains_each_code_once_and_no_other() {
        let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(explained(), codes);
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    }

    /// Each row tells what it means, why it comes, and what to do.
    #[test]
    fn no_row_of_the_page_is_empty() {
        for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{row}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        }
    }
}
