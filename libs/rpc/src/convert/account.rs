//! Records of accounts: `foxhold.dbwriter.v1` and `foxhold_core::record`.

mod guards;
mod operator;
mod password;

use std::sync::Arc;

use foxhold_core::{
    ClientId, DeviceId, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Credentials, Device, EmailKey, KeyFetch, PushEndpoint, RefreshToken,
        Session, Verification, Verifier, VersionTwo,
    },
};
use foxhold_ports::accounts::SignIn;

use super::{FieldError, array, field, message, messages, optional_message, secret, time};
use crate::wire::dbwriter as pb;

impl TryFrom<pb::Verifier> for Verifier {
    type Error = FieldError;

    fn try_from(wire: pb::Verifier) -> Result<Self, FieldError> {
        Ok(Self {
            verify_hash: secret("verify_hash", wire.verify_hash)?,
            wrap_wrap_kb: secret("wrap_wrap_kb", wire.wrap_wrap_kb)?,
        })
    }
}

impl From<&Verifier> for pb::Verifier {
    fn from(verifier: &Verifier) -> Self {
        Self {
            verify_hash: verifier.verify_hash.expose().to_vec(),
            wrap_wrap_kb: verifier.wrap_wrap_kb.expose().to_vec(),
        }
    }
}

impl TryFrom<pb::VersionTwo> for VersionTwo {
    type Error = FieldError;

    fn try_from(wire: pb::VersionTwo) -> Result<Self, FieldError> {
        Ok(Self {
            verifier: message("verifier", wire.verifier)?,
            client_salt: wire.client_salt,
        })
    }
}

impl From<&VersionTwo> for pb::VersionTwo {
    fn from(version_two: &VersionTwo) -> Self {
        Self {
            verifier: Some((&version_two.verifier).into()),
            client_salt: version_two.client_salt.clone(),
        }
    }
}

impl TryFrom<pb::Credentials> for Credentials {
    type Error = FieldError;

    fn try_from(wire: pb::Credentials) -> Result<Self, FieldError> {
        Ok(Self {
            auth_salt: array("auth_salt", &wire.auth_salt)?,
            k_a: secret("k_a", wire.k_a)?,
            version_one: message("version_one", wire.version_one)?,
            version_two: optional_message("version_two", wire.version_two)?,
        })
    }
}

impl From<&Credentials> for pb::Credentials {
    fn from(credentials: &Credentials) -> Self {
        Self {
            auth_salt: credentials.auth_salt.to_vec(),
            k_a: credentials.k_a.expose().to_vec(),
            version_one: Some((&credentials.version_one).into()),
            version_two: credentials.version_two.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<pb::Account> for Account {
    type Error = FieldError;

    fn try_from(wire: pb::Account) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            email: field("email", filled(wire.email))?,
            email_key: EmailKey::from_normalized(field("email_key", filled(wire.email_key))?),
            email_verified: wire.email_verified,
            credentials: Arc::new(message("credentials", wire.credentials)?),
            code_nonce: array("code_nonce", &wire.code_nonce)?,
            created_at: time(wire.created_at_ms),
            verifier_set_at: time(wire.verifier_set_at_ms),
            keys_changed_at: time(wire.keys_changed_at_ms),
            profile_changed_at: time(wire.profile_changed_at_ms),
            locale: wire.locale,
            // A new account has none, and is not disabled.
            second_factor: None,
            recovery_key: None,
            disabled: None,
            version: wire.version,
        })
    }
}

impl From<Account> for pb::Account {
    fn from(account: Account) -> Self {
        Self {
            uid: account.uid.as_bytes().to_vec(),
            email: account.email,
            email_key: account.email_key.as_str().to_owned(),
            email_verified: account.email_verified,
            credentials: Some(account.credentials.as_ref().into()),
            code_nonce: account.code_nonce.to_vec(),
            created_at_ms: account.created_at.as_millis(),
            verifier_set_at_ms: account.verifier_set_at.as_millis(),
            keys_changed_at_ms: account.keys_changed_at.as_millis(),
            profile_changed_at_ms: account.profile_changed_at.as_millis(),
            locale: account.locale,
            version: account.version,
        }
    }
}

/// Unspecified, and numbers this version does not know, are no verification.
fn verification(wire: i32) -> Result<Verification, FieldError> {
    let known = match pb::Verification::try_from(wire) {
        Ok(pb::Verification::Verified) => Some(Verification::Verified),
        Ok(pb::Verification::WithAccount) => Some(Verification::WithAccount),
        Ok(pb::Verification::AwaitsSecondFactor) => Some(Verification::AwaitsSecondFactor),
        Ok(pb::Verification::SecondFactor) => Some(Verification::SecondFactor),
        Ok(pb::Verification::AwaitsConfirmation) => Some(Verification::AwaitsConfirmation),
        Ok(pb::Verification::Unspecified) | Err(_) => None,
    };
    field("verification", known)
}

impl From<Verification> for pb::Verification {
    fn from(verification: Verification) -> Self {
        match verification {
            Verification::Verified => Self::Verified,
            Verification::WithAccount => Self::WithAccount,
            Verification::AwaitsSecondFactor => Self::AwaitsSecondFactor,
            Verification::SecondFactor => Self::SecondFactor,
            Verification::AwaitsConfirmation => Self::AwaitsConfirmation,
        }
    }
}

impl TryFrom<pb::Session> for Session {
    type Error = FieldError;

    fn try_from(wire: pb::Session) -> Result<Self, FieldError> {
        Ok(Self {
            id: field("id", TokenId::from_slice(&wire.id))?,
            key: Arc::new(secret("key", wire.key)?),
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            created_at: time(wire.created_at_ms),
            auth_at: time(wire.auth_at_ms),
            verification: verification(wire.verification)?,
            must_verify: wire.must_verify,
            generation: time(wire.generation_ms),
            user_agent: wire.user_agent,
        })
    }
}

impl From<Session> for pb::Session {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.as_bytes().to_vec(),
            key: session.key.expose().to_vec(),
            uid: session.uid.as_bytes().to_vec(),
            created_at_ms: session.created_at.as_millis(),
            auth_at_ms: session.auth_at.as_millis(),
            verification: pb::Verification::from(session.verification).into(),
            must_verify: session.must_verify,
            generation_ms: session.generation.as_millis(),
            user_agent: session.user_agent,
        }
    }
}

impl TryFrom<pb::KeyFetch> for KeyFetch {
    type Error = FieldError;

    fn try_from(wire: pb::KeyFetch) -> Result<Self, FieldError> {
        let session = wire.session.map(|id| field("session", TokenId::from_slice(&id)));
        Ok(Self {
            session: session.transpose()?,
            id: field("id", TokenId::from_slice(&wire.id))?,
            key: Arc::new(secret("key", wire.key)?),
            bundle: Arc::new(secret("bundle", wire.bundle)?),
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            created_at: time(wire.created_at_ms),
            verification: verification(wire.verification)?,
            generation: time(wire.generation_ms),
        })
    }
}

impl From<KeyFetch> for pb::KeyFetch {
    fn from(token: KeyFetch) -> Self {
        Self {
            id: token.id.as_bytes().to_vec(),
            key: token.key.expose().to_vec(),
            bundle: token.bundle.expose().to_vec(),
            uid: token.uid.as_bytes().to_vec(),
            created_at_ms: token.created_at.as_millis(),
            verification: pb::Verification::from(token.verification).into(),
            generation_ms: token.generation.as_millis(),
            session: token.session.map(|session| session.as_bytes().to_vec()),
        }
    }
}

/// A sign-in leaves one token per verifier at most.
const KEY_FETCHES_MAX: usize = 2;

impl TryFrom<pb::SignIn> for SignIn {
    type Error = FieldError;

    fn try_from(wire: pb::SignIn) -> Result<Self, FieldError> {
        Ok(Self {
            session: message("session", wire.session)?,
            key_fetches: key_fetches(wire.key_fetches)?,
        })
    }
}

/// The key-fetch tokens of one sign-in.
pub(crate) fn key_fetches(wire: Vec<pb::KeyFetch>) -> Result<Vec<KeyFetch>, FieldError> {
    if wire.len() > KEY_FETCHES_MAX {
        return Err(FieldError::new("key_fetches"));
    }
    messages("key_fetches", wire)
}

impl From<SignIn> for pb::SignIn {
    fn from(sign_in: SignIn) -> Self {
        Self {
            session: Some(sign_in.session.into()),
            key_fetches: sign_in.key_fetches.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<pb::PushEndpoint> for PushEndpoint {
    fn from(wire: pb::PushEndpoint) -> Self {
        Self {
            callback: wire.callback,
            public_key: wire.public_key,
            auth_key: wire.auth_key,
        }
    }
}

impl From<PushEndpoint> for pb::PushEndpoint {
    fn from(push: PushEndpoint) -> Self {
        Self {
            callback: push.callback,
            public_key: push.public_key,
            auth_key: push.auth_key,
        }
    }
}

impl TryFrom<pb::Device> for Device {
    type Error = FieldError;

    fn try_from(wire: pb::Device) -> Result<Self, FieldError> {
        Ok(Self {
            id: field("id", DeviceId::from_slice(&wire.id))?,
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            session: field("session", TokenId::from_slice(&wire.session))?,
            name: wire.name,
            kind: wire.kind,
            created_at: time(wire.created_at_ms),
            last_access_at: time(wire.last_access_at_ms),
            push: wire.push.map(Into::into),
            available_commands: wire.available_commands.into_iter().collect(),
        })
    }
}

impl From<Device> for pb::Device {
    fn from(device: Device) -> Self {
        Self {
            id: device.id.as_bytes().to_vec(),
            uid: device.uid.as_bytes().to_vec(),
            session: device.session.as_bytes().to_vec(),
            name: device.name,
            kind: device.kind,
            created_at_ms: device.created_at.as_millis(),
            last_access_at_ms: device.last_access_at.as_millis(),
            push: device.push.map(Into::into),
            available_commands: device.available_commands.into_iter().collect(),
        }
    }
}

impl TryFrom<pb::AuthorizationCode> for AuthorizationCode {
    type Error = FieldError;

    fn try_from(wire: pb::AuthorizationCode) -> Result<Self, FieldError> {
        Ok(Self {
            id: field("id", TokenId::from_slice(&wire.id))?,
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            client: field("client", ClientId::from_slice(&wire.client))?,
            scope: wire.scope,
            session: field("session", TokenId::from_slice(&wire.session))?,
            code_challenge: wire.code_challenge,
            keys_jwe: wire.keys_jwe,
            offline: wire.offline,
            auth_at: time(wire.auth_at_ms),
            created_at: time(wire.created_at_ms),
            generation: time(wire.generation_ms),
            redirect_uri: wire.redirect_uri,
            nonce: wire.nonce,
        })
    }
}

impl From<AuthorizationCode> for pb::AuthorizationCode {
    fn from(code: AuthorizationCode) -> Self {
        Self {
            id: code.id.as_bytes().to_vec(),
            uid: code.uid.as_bytes().to_vec(),
            client: code.client.as_bytes().to_vec(),
            scope: code.scope,
            session: code.session.as_bytes().to_vec(),
            code_challenge: code.code_challenge,
            keys_jwe: code.keys_jwe,
            offline: code.offline,
            auth_at_ms: code.auth_at.as_millis(),
            created_at_ms: code.created_at.as_millis(),
            generation_ms: code.generation.as_millis(),
            redirect_uri: code.redirect_uri,
            nonce: code.nonce,
        }
    }
}

impl TryFrom<pb::RefreshToken> for RefreshToken {
    type Error = FieldError;

    fn try_from(wire: pb::RefreshToken) -> Result<Self, FieldError> {
        let session = match wire.session {
            Some(id) => Some(field("session", TokenId::from_slice(&id))?),
            None => None,
        };
        Ok(Self {
            id: field("id", TokenId::from_slice(&wire.id))?,
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            client: field("client", ClientId::from_slice(&wire.client))?,
            scope: wire.scope,
            session,
            created_at: time(wire.created_at_ms),
            generation: time(wire.generation_ms),
        })
    }
}

impl From<RefreshToken> for pb::RefreshToken {
    fn from(token: RefreshToken) -> Self {
        Self {
            id: token.id.as_bytes().to_vec(),
            uid: token.uid.as_bytes().to_vec(),
            client: token.client.as_bytes().to_vec(),
            scope: token.scope,
            session: token.session.map(|session| session.as_bytes().to_vec()),
            created_at_ms: token.created_at.as_millis(),
            generation_ms: token.generation.as_millis(),
        }
    }
}

/// Text that must not be empty.
fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
