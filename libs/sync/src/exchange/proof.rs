//! Checks 3 to 5: from the headers of a request to who asks, and what the credential says of them. Both kinds of
//! credential lead to the same user key for one account.

use foxhold_core::{
    Deadline, Timestamp, Uid,
    record::{ClientState, Service, UserKey, UserRecord},
};
use foxhold_ports::assignments::change::was_taken_back;
use sha2::{Digest as _, Sha256};

use super::{ExchangeError, Ports, Request, Settings};
use crate::{
    credential::{Authorization, AuthorizationError, UID_LEN_MAX, VerifiedAssertion, VerifiedToken, is_uid},
    first_assignments::Issuer,
    key_id::{KeyId, client_state_of_hex, is_client_state_header},
    reason::Reason,
    scope,
    state::Seen,
};

/// The longest bundle that is looked at (`security.md` E.2).
const BUNDLE_LEN_MAX: usize = 16 * 1024;
/// A uid and the longest name of a domain.
const USER_KEY_LEN_MAX: usize = UID_LEN_MAX + 1 + 253;

/// Who asks, by a credential that holds.
pub(super) struct Proof {
    pub(super) user: UserKey,
    /// Who vouches for the user.
    pub(super) issuer: Issuer,
    /// As administrators list users: the uid alone of an own domain's, the whole key of others'.
    pub(super) name: String,
    /// Only a certificate names a device.
    pub(super) device_id: Option<String>,
    /// Only a certificate says when its user signed in.
    pub(super) signed_in: Option<SignedIn>,
    pub(super) seen: Seen,
}

impl Proof {
    /// Whether the limits of new users are about this one: whoever has no record, and strangers whose place was taken back,
    /// or else one could gather places under the limits and come for all of them at once.
    pub(super) fn is_counted(&self, stored: Option<&UserRecord>) -> bool {
        stored.is_none_or(|record| matches!(self.issuer, Issuer::Stranger(_)) && was_taken_back(record))
    }

    /// The account that limits count. Another issuer's users are none of ours, whatever their uids look like.
    pub(super) fn counted_as(&self) -> Uid {
        self.name.parse().unwrap_or_else(|_| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&Sha256::digest(&self.user.0)[..16]);
            Uid::from_bytes(bytes)
        })
    }
}

/// When the user signed in, as far as the certificate tells.
pub(super) struct SignedIn(pub(super) Option<Timestamp>);

/// Check 2: the old header has the one allowed form, or is absent; empty is absent. Beside a bundle it is a client state
/// by itself: that has to be hex, too, and is decided in [`prove`] before the bundle is looked at.
pub(super) fn client_state_header(header: Option<&[u8]>) -> Result<Option<&str>, ExchangeError> {
    let Some(value) = header.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if !is_client_state_header(value) {
        return Err(ExchangeError::ClientStateForm);
    }
    Ok(std::str::from_utf8(value).ok())
}

/// Checks 3 to 5.
pub(super) async fn prove(
    ports: &Ports,
    settings: &Settings,
    service: &Service,
    by: Deadline,
    request: &Request<'_>,
    client_state: Option<&str>,
) -> Result<Proof, ExchangeError> {
    let schemes = service.policy.schemes;
    match Authorization::parse(request.authorization) {
        Ok(Authorization::Bearer(token)) if schemes.oauth => {
            let verified = ports.verifier.verify(by, request.ip, token).await?;
            of_token(settings, service, verified, request.key_id, client_state)
        }
        Ok(Authorization::BrowserId(bundle)) if schemes.browserid => {
            let client_state = bare_client_state(client_state)?;
            if bundle.len() > BUNDLE_LEN_MAX {
                return Err(ExchangeError::CredentialTooLong);
            }
            let assertions = &ports.assertions;
            let verified = assertions.verify(by, request.ip, bundle, &service.policy).await?;
            of_assertion(settings, service, verified, client_state)
        }
        Ok(_) | Err(AuthorizationError::UnknownScheme) => Err(ExchangeError::UnknownScheme),
        Err(AuthorizationError::Missing) => Err(ExchangeError::NoAuthorization),
        Err(AuthorizationError::NotText) => Err(ExchangeError::InvalidCredentials(Reason::NotText)),
    }
}

/// The old header where nothing stands beside it. No header is an empty client state.
fn bare_client_state(header: Option<&str>) -> Result<ClientState, ExchangeError> {
    match header {
        None => Ok(ClientState::default()),
        Some(text) => client_state_of_hex(text).ok_or(ExchangeError::ClientStateForm),
    }
}

/// A scope that covers the service's, and the key id beside the token.
fn of_token(
    settings: &Settings,
    service: &Service,
    verified: VerifiedToken,
    key_id: Option<&[u8]>,
    client_state: Option<&str>,
) -> Result<Proof, ExchangeError> {
    if !scope::grants(&verified.scope, &service.scope) {
        return Err(ExchangeError::InvalidCredentials(Reason::TokenScope));
    }
    let user = UserKey(format!("{}@{}", verified.fxa_uid, settings.issuer_domain));
    // The uid must not be able to forge the domain.
    check_user(&user, &verified.fxa_uid)?;
    let key_id = parse_key_id(key_id, client_state)?;
    Ok(Proof {
        name: verified.fxa_uid,
        user,
        issuer: Issuer::Own,
        device_id: None,
        signed_in: None,
        seen: Seen {
            generation: verified.generation,
            keys_changed_at: key_id.keys_changed_at,
            client_state: key_id.client_state,
        },
    })
}

/// The certificate says it all but the client state, which is in the old header.
fn of_assertion(
    settings: &Settings,
    service: &Service,
    verified: VerifiedAssertion,
    client_state: ClientState,
) -> Result<Proof, ExchangeError> {
    check_user(&verified.user, verified.user.fxa_uid())?;
    let name = match verified.user.0.split_once('@') {
        Some((uid, domain)) if settings.is_own(domain) => uid,
        _ => &verified.user.0,
    };
    Ok(Proof {
        name: name.to_owned(),
        user: verified.user,
        issuer: issuer(settings, service, verified.issuer),
        device_id: verified.device_id,
        signed_in: Some(SignedIn(verified.last_auth_at)),
        seen: Seen {
            generation: verified.generation,
            keys_changed_at: verified.keys_changed_at,
            client_state,
        },
    })
}

fn issuer(settings: &Settings, service: &Service, domain: String) -> Issuer {
    if settings.is_own(&domain) {
        Issuer::Own
    } else if service.policy.trusted_issuers.contains(&domain) {
        Issuer::Trusted(domain)
    } else {
        Issuer::Stranger(domain)
    }
}

fn check_user(user: &UserKey, fxa_uid: &str) -> Result<(), ExchangeError> {
    let is_usable = is_uid(fxa_uid) && user.0.len() <= USER_KEY_LEN_MAX && user.0.matches('@').count() == 1;
    if is_usable {
        Ok(())
    } else {
        Err(ExchangeError::InvalidCredentials(Reason::Subject))
    }
}

/// Check 5: the key id, and the old header's agreement with it.
fn parse_key_id(header: Option<&[u8]>, client_state: Option<&str>) -> Result<KeyId, ExchangeError> {
    let header = header.ok_or(ExchangeError::MissingKeyId)?;
    let text = std::str::from_utf8(header)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or(ExchangeError::NonAsciiKeyId)?;
    let key_id = KeyId::parse(text)?;
    if client_state.is_some_and(|state| state != key_id.client_state_hex()) {
        return Err(ExchangeError::ClientStateMismatch);
    }
    Ok(key_id)
}
