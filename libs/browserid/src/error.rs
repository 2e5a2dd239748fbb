//! Every way in which a bundle is refused, and what the client is told then.

use thiserror::Error;

/// The row of `tokenserver.md` section 4 that answers a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// 401 `invalid-credentials`.
    InvalidCredentials,
    /// 401 `invalid-timestamp`.
    InvalidTimestamp,
    /// 401 `invalid-generation`.
    InvalidGeneration,
    /// 401 `invalid-credentials` with the description `invalid keysChangedAt`.
    InvalidKeysChangedAt,
    /// 503: nothing was decided about the credential.
    Unavailable,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident, $row:ident, $code:literal, $text:literal;)*) => {
        /// Why a bundle is refused. None says anything about whom it names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
        pub enum VerifyError {
            $($(#[$doc])* #[error($text)] $name,)*
        }

        impl VerifyError {
            /// Every reason, for tests and for the operator's list of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the client is told.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row::$row,)*
                }
            }

            /// The word that stands in logs; never changes.
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
    /// More than [`crate::LEN_MAX`] bytes.
    TooLong, InvalidCredentials, "too-long", "a bundle that is too long";
    /// An assertion alone, or a chain of certificates.
    CertificateCount, InvalidCredentials, "certificate-count", "not exactly one certificate and one assertion";
    /// A part is not three pieces of canonical base64url, or not JSON as it has to be.
    Malformed, InvalidCredentials, "malformed", "not a compact JWS";
    /// A header that brings a key of its own or asks for an extension.
    Header, InvalidCredentials, "header", "a JWS header that is not allowed";
    /// An algorithm that is not taken there, or that is not the one of the key.
    Algorithm, InvalidCredentials, "algorithm", "an algorithm that is not allowed or not the key's";
    /// The key in the certificate is none, or too weak.
    PublicKey, InvalidCredentials, "public-key", "an unusable public key in the certificate";
    /// A claim is missing or has another type.
    Claims, InvalidCredentials, "claims", "a claim is missing or of the wrong type";
    /// The principal is not of the form uid@domain.
    Principal, InvalidCredentials, "principal", "a principal that is not uid@domain";
    /// The assertion's time is over.
    AssertionExpired, InvalidTimestamp, "assertion-expired", "the assertion has expired";
    /// The certificate's time is over.
    CertificateExpired, InvalidTimestamp, "certificate-expired", "the certificate has expired";
    /// One of the two was issued in the future.
    NotYetValid, InvalidTimestamp, "not-yet-valid", "issued in the future";
    /// The certificate is valid for more than a day.
    CertificateLifetime, InvalidCredentials, "certificate-lifetime", "a certificate that lives too long";
    /// The assertion is for another server.
    Audience, InvalidCredentials, "audience", "an assertion for another audience";
    /// The issuer neither is the principal's domain nor trusted to speak for others.
    IssuerOfDomain, InvalidCredentials, "issuer-of-domain", "an issuer that may not speak for the domain";
    /// The service does not take this issuer.
    IssuerNotAllowed, InvalidCredentials, "issuer-not-allowed", "an issuer that is not allowed";
    /// The service does not take users of this domain.
    EmailDomainNotAllowed, InvalidCredentials, "email-domain-not-allowed", "a domain whose users are not taken";
    /// The issuer may not be asked: its address is forbidden, or its answer broke a rule.
    IssuerForbidden, InvalidCredentials, "issuer-forbidden", "an issuer that may not be asked";
    /// The domain publishes no keys.
    NoIssuer, InvalidCredentials, "no-issuer", "a domain that is no issuer";
    /// Documents refer to each other in a circle or too often.
    Delegation, InvalidCredentials, "delegation", "a delegation without end";
    /// The issuer gave no answer.
    IssuerUnavailable, Unavailable, "issuer-unavailable", "the issuer did not answer";
    /// No key of the issuer made the certificate.
    CertificateSignature, InvalidCredentials, "certificate-signature", "a certificate with a wrong signature";
    /// The key in the certificate did not make the assertion.
    AssertionSignature, InvalidCredentials, "assertion-signature", "an assertion with a wrong signature";
    /// `fxa-tokenVerified` is not true.
    TokenUnverified, InvalidCredentials, "token-unverified", "a session that is not verified";
    /// The verifier that was asked found a time that is over or has not come.
    VerifierTime, InvalidTimestamp, "verifier-time", "the verifier says that a time is over or has not come";
    /// The verifier that was asked refused the bundle for another reason.
    VerifierRefused, InvalidCredentials, "verifier-refused", "the verifier refused the bundle";
    /// `fxa-generation` is there and no time in whole milliseconds.
    Generation, InvalidGeneration, "generation", "the generation is not a whole number";
    /// `fxa-keysChangedAt` is there and no time in whole milliseconds.
    KeysChangedAt, InvalidKeysChangedAt, "keys-changed-at", "the time of the key change is not a whole number";
}
