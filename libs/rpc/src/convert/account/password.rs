//! Password tokens and new passwords.

use std::sync::Arc;

use foxhold_core::{
    TokenId, Uid,
    record::{PasswordEffect, PasswordToken, PasswordTokenKind, PasswordUpdate},
};

use crate::{
    convert::{FieldError, array, field, message, secret, time},
    wire::dbwriter::{self as pb, password_update::Effect},
};

/// Unspecified, and numbers this version does not know, are no kind.
fn kind(wire: i32) -> Result<PasswordTokenKind, FieldError> {
    let known = match pb::PasswordTokenKind::try_from(wire) {
        Ok(pb::PasswordTokenKind::Change) => Some(PasswordTokenKind::Change),
        Ok(pb::PasswordTokenKind::Forgot) => Some(PasswordTokenKind::Forgot),
        Ok(pb::PasswordTokenKind::Reset) => Some(PasswordTokenKind::Reset),
        Ok(pb::PasswordTokenKind::Unspecified) | Err(_) => None,
    };
    field("kind", known)
}

impl From<PasswordTokenKind> for pb::PasswordTokenKind {
    fn from(kind: PasswordTokenKind) -> Self {
        match kind {
            PasswordTokenKind::Change => Self::Change,
            PasswordTokenKind::Forgot => Self::Forgot,
            PasswordTokenKind::Reset => Self::Reset,
        }
    }
}

impl TryFrom<pb::PasswordToken> for PasswordToken {
    type Error = FieldError;

    fn try_from(wire: pb::PasswordToken) -> Result<Self, FieldError> {
        Ok(Self {
            id: field("id", TokenId::from_slice(&wire.id))?,
            key: Arc::new(secret("key", wire.key)?),
            kind: kind(wire.kind)?,
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            created_at: time(wire.created_at_ms),
            generation: time(wire.generation_ms),
            misses: field("misses", wire.misses.try_into().ok())?,
        })
    }
}

impl From<PasswordToken> for pb::PasswordToken {
    fn from(token: PasswordToken) -> Self {
        Self {
            id: token.id.as_bytes().to_vec(),
            key: token.key.expose().to_vec(),
            kind: pb::PasswordTokenKind::from(token.kind).into(),
            uid: token.uid.as_bytes().to_vec(),
            created_at_ms: token.created_at.as_millis(),
            generation_ms: token.generation.as_millis(),
            misses: token.misses.into(),
        }
    }
}

impl TryFrom<Effect> for PasswordEffect {
    type Error = FieldError;

    fn try_from(wire: Effect) -> Result<Self, FieldError> {
        Ok(match wire {
            Effect::Upgrade(pb::PasswordUpgrade {}) => Self::Upgrade,
            Effect::Change(change) => Self::Change {
                at: time(change.at_ms),
            },
            Effect::Reset(reset) => Self::Reset {
                at: time(reset.at_ms),
                keeps_keys: reset.keeps_keys,
                code_nonce: array("code_nonce", &reset.code_nonce)?,
            },
        })
    }
}

impl From<PasswordEffect> for Effect {
    fn from(effect: PasswordEffect) -> Self {
        match effect {
            PasswordEffect::Upgrade => Self::Upgrade(pb::PasswordUpgrade {}),
            PasswordEffect::Change { at } => Self::Change(pb::PasswordChange {
                at_ms: at.as_millis(),
            }),
            PasswordEffect::Reset {
                at,
                keeps_keys,
                code_nonce,
            } => Self::Reset(pb::PasswordReset {
                at_ms: at.as_millis(),
                keeps_keys,
                code_nonce: code_nonce.to_vec(),
            }),
        }
    }
}

impl TryFrom<pb::PasswordUpdate> for PasswordUpdate {
    type Error = FieldError;

    fn try_from(wire: pb::PasswordUpdate) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            based_on: wire.based_on,
            spends: field("spends", TokenId::from_slice(&wire.spends))?,
            credentials: Arc::new(message("credentials", wire.credentials)?),
            effect: message("effect", wire.effect)?,
        })
    }
}

impl From<PasswordUpdate> for pb::PasswordUpdate {
    fn from(update: PasswordUpdate) -> Self {
        Self {
            uid: update.uid.as_bytes().to_vec(),
            based_on: update.based_on,
            spends: update.spends.as_bytes().to_vec(),
            credentials: Some(update.credentials.as_ref().into()),
            effect: Some(update.effect.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{
        Secret, Timestamp,
        record::{Credentials, Verifier},
    };

    use super::*;

    fn token(kind: PasswordTokenKind) -> PasswordToken {
        PasswordToken {
            id: TokenId::from_bytes([1; 32]),
            key: Arc::new(Secret::new([2; 32])),
            kind,
            uid: Uid::from_bytes([3; 16]),
            created_at: Timestamp::from_millis(4),
            generation: Timestamp::from_millis(5),
            misses: 2,
        }
    }

    fn update(effect: PasswordEffect) -> PasswordUpdate {
        PasswordUpdate {
            uid: Uid::from_bytes([1; 16]),
            based_on: 2,
            spends: TokenId::from_bytes([3; 32]),
            credentials: Arc::new(Credentials {
                auth_salt: [4; 32],
                k_a: Secret::new([5; 32]),
                version_one: Verifier {
                    verify_hash: Secret::new([6; 32]),
                    wrap_wrap_kb: Secret::new([7; 32]),
                },
                version_two: None,
            }),
            effect,
        }
    }

    const RESET: PasswordEffect = PasswordEffect::Reset {
        at: Timestamp::from_millis(8),
        keeps_keys: true,
        code_nonce: [9; 16],
    };

    #[test]
    fn password_tokens_survive_the_wire() {
        for kind in PasswordTokenKind::ALL {
            let wire = pb::PasswordToken::from(token(kind));
            assert_eq!(PasswordToken::try_from(wire), Ok(token(kind)));
        }
    }

    #[test]
    fn new_passwords_survive_the_wire() {
        let change = PasswordEffect::Change {
            at: Timestamp::from_millis(8),
        };
        let lost = PasswordEffect::Reset {
            at: Timestamp::from_millis(8),
            keeps_keys: false,
            code_nonce: [9; 16],
        };
        for effect in [PasswordEffect::Upgrade, change, RESET, lost] {
            let wire = pb::PasswordUpdate::from(update(effect.clone()));
            assert_eq!(PasswordUpdate::try_from(wire), Ok(update(effect)));
        }
    }

    #[test]
    fn a_broken_field_of_a_token_is_named() {
        type Break = fn(&mut pb::PasswordToken);
        let table: [(&'static str, Break); 7] = [
            ("id", |t| t.id.truncate(31)),
            ("key", |t| t.key.push(0)),
            ("uid", |t| t.uid.clear()),
            ("kind", |t| t.kind = 0),
            ("kind", |t| t.kind = 4),
            ("kind", |t| t.kind = -1),
            ("misses", |t| t.misses = 256),
        ];
        for (name, break_it) in table {
            let mut wire = pb::PasswordToken::from(token(PasswordTokenKind::Forgot));
            break_it(&mut wire);
            assert_eq!(PasswordToken::try_from(wire), Err(FieldError::new(name)));
        }
    }

    #[test]
    fn a_broken_field_of_a_new_password_is_named() {
        type Break = fn(&mut pb::PasswordUpdate);
        let effect = |error: FieldError| error.under("effect");
        let table: [(FieldError, Break); 5] = [
            (FieldError::new("uid"), |u| u.uid.push(0)),
            (FieldError::new("spends"), |u| u.spends.truncate(16)),
            (FieldError::new("credentials"), |u| u.credentials = None),
            (FieldError::new("effect"), |u| u.effect = None),
            (effect(FieldError::new("code_nonce")), |u| {
                u.effect = Some(Effect::Reset(pb::PasswordReset {
                    at_ms: 8,
                    keeps_keys: true,
                    code_nonce: vec![9; 15],
                }));
            }),
        ];
        for (expected, break_it) in table {
            let mut wire = pb::PasswordUpdate::from(update(RESET));
            break_it(&mut wire);
            assert_eq!(PasswordUpdate::try_from(wire), Err(expected));
        }
    }
}
