//! Who a peer is: `spiffe://<trust-domain>/<region>/<role>`, the one URI name of its certificate.

use std::{fmt, str::FromStr};

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::{extensions::GeneralName, prelude::FromDer};

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a process may be, as far as other processes let it in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $($(#[$doc])* $name,)*
        }

        impl Role {
            /// Every role.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The last segment of the URI name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        impl FromStr for Role {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, IdentityError> {
                match text {
                    $($text => Ok(Self::$name),)*
                    _ => Err(IdentityError::UnknownRole),
                }
            }
        }
    };
}

roles! {
    /// Serves browsers; the Token Server is a part of it.
    Webhead = "webhead";
    /// Signs and mints.
    Keysigner = "keysigner";
    /// The only writer.
    Dbwriter = "dbwriter";
    /// Stretches passwords.
    Stretcher = "stretcher";
    /// Sweeps and batches.
    Worker = "worker";
    /// Serves administrators' requests.
    Ops = "ops";
    /// Administrators and their tools.
    Operator = "operator";
    /// Asks whether a process is well, and nothing else.
    Health = "health";
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A certificate without a usable identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// There is no certificate.
    #[error("no certificate")]
    NoCertificate,
    /// It cannot be read.
    #[error("not a readable X.509 certificate")]
    NotACertificate,
    /// None or several URI names.
    #[error("not exactly one URI name")]
    NotOneUri,
    /// The URI is not of the form that it must have.
    #[error("not spiffe://<trust-domain>/<region>/<role>")]
    NotSpiffe,
    /// A role that this version does not know.
    #[error("unknown role")]
    UnknownRole,
}

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffeId {
    trust_domain: String,
    region: String,
    role: Role,
}

/// Longest part of an identity; a DNS label is no longer either.
const PART_LEN_MAX: usize = 63;
/// Longest trust domain.
const TRUST_DOMAIN_LEN_MAX: usize = 255;

impl SpiffeId {
    /// Of its parts.
    ///
    /// # Errors
    /// A part is empty, too long, or has other characters than a-z, 0-9, `-`, `_` and, in the trust domain, `.`.
    pub fn new(trust_domain: &str, region: &str, role: Role) -> Result<Self, IdentityError> {
        let domain_fits = is_part(trust_domain, TRUST_DOMAIN_LEN_MAX, true);
        if !domain_fits || !is_part(region, PART_LEN_MAX, false) {
            return Err(IdentityError::NotSpiffe);
        }
        Ok(Self {
            trust_domain: trust_domain.to_owned(),
            region: region.to_owned(),
            role,
        })
    }

    /// The one URI name of a certificate.
    ///
    /// # Errors
    /// The certificate has none, several, or one of another form.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (rest, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate)
            .map_err(|_| IdentityError::NotACertificate)?;
        if !rest.is_empty() {
            return Err(IdentityError::NotACertificate);
        }
        let names = parsed
            .subject_alternative_name()
            .map_err(|_| IdentityError::NotACertificate)?
            .ok_or(IdentityError::NotOneUri)?;
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => uri.parse(),
            _ => Err(IdentityError::NotOneUri),
        }
    }

    /// The deployment.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Where the process runs.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What it is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

/// Plain names only: no percent-encoding, no upper case, so that an identity is written in exactly one way.
fn is_part(text: &str, len_max: usize, dots: bool) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'_')
            || (dots && byte == b'.')
    };
    !text.is_empty() && text.len() <= len_max && text.bytes().all(allowed)
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let rest = uri.strip_prefix("spiffe://").ok_or(IdentityError::NotSpiffe)?;
        let mut parts = rest.split('/');
        let (Some(trust_domain), Some(region), Some(role), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdentityError::NotSpiffe);
        };
        Self::new(trust_domain, region, role.parse()?)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.trust_domain, self.region, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_written_in_exactly_one_way() {
        let text = "spiffe://fox.example/eu-1/webhead";
        let id: SpiffeId = text.parse().unwrap();
        assert_eq!(
            (id.trust_domain(), id.region(), id.role()),
            ("fox.example", "eu-1", Role::Webhead)
        );
        assert_eq!(id.to_string(), text);

        let refused = [
            "",
            "spiffe://",
            "spiffe://fox.example",
            "spiffe://fox.example/webhead",
            "spiffe://fox.example/eu-1/webhead/",
            "spiffe://fox.example/eu-1/webhead/extra",
            "spiffe://fox.example//webhead",
            "spiffe:///eu-1/webhead",
            "SPIFFE://fox.example/eu-1/webhead",
            "spiffe://Fox.example/eu-1/webhead",
            "spiffe://fox.example:443/eu-1/webhead",
            "spiffe://user@fox.example/eu-1/webhead",
            "spiffe://fox.example/eu%2D1/webhead",
            "spiffe://fox.example/eu.1/webhead",
            "spiffe://fox.example/eu-1/webhead?a",
            "spiffe://fox.example/eu-1/webhead#a",
            "spiffe://fox.example/eu-1/root",
            "spiffe://fox.example/eu-1/WEBHEAD",
            "spiffe://fox.example/../webhead",
            "https://fox.example/eu-1/webhead",
            " spiffe://fox.example/eu-1/webhead",
        ];
        for uri in refused {
            assert!(uri.parse::<SpiffeId>().is_err(), "{uri}");
        }
        assert!(SpiffeId::new(&"a".repeat(256), "r", Role::Ops).is_err());
        assert!(SpiffeId::new("a", &"r".repeat(64), Role::Ops).is_err());
    }

    #[test]
    fn roles_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(*role));
        }
    }

    #[test]
    fn garbage_is_no_certificate() {
        for bytes in [&b""[..], b"0", &[0x30; 64]] {
            let certificate = CertificateDer::from(bytes);
            assert_eq!(
                SpiffeId::from_certificate(&certificate),
                Err(IdentityError::NotACertificate)
            );
        }
    }
}
