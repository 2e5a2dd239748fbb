//! Forgot tokens of operators.

use std::sync::Arc;

use foxhold_core::{TokenId, Uid};
use foxhold_ports::operator::ForgotToken;

use crate::{
    convert::{FieldError, field, secret, time},
    wire::dbwriter as pb,
};

impl TryFrom<pb::ForgotToken> for ForgotToken {
    type Error = FieldError;

    fn try_from(wire: pb::ForgotToken) -> Result<Self, FieldError> {
        Ok(Self {
            id: field("id", TokenId::from_slice(&wire.id))?,
            key: Arc::new(secret("key", wire.key)?),
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            created_at: time(wire.created_at_ms),
            generation: time(wire.generation_ms),
        })
    }
}

impl From<ForgotToken> for pb::ForgotToken {
    fn from(token: ForgotToken) -> Self {
        Self {
            id: token.id.as_bytes().to_vec(),
            key: token.key.expose().to_vec(),
            uid: token.uid.as_bytes().to_vec(),
            created_at_ms: token.created_at.as_millis(),
            generation_ms: token.generation.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Secret, Timestamp};

    use super::*;

    #[test]
    fn a_token_survives_the_wire_and_a_broken_one_is_refused_by_name() {
        let token = ForgotToken {
            id: TokenId::from_bytes([1; 32]),
            key: Arc::new(Secret::new([2; 32])),
            uid: Uid::from_bytes([3; 16]),
            created_at: Timestamp::from_millis(4),
            generation: Timestamp::from_millis(5),
        };
        let wire = pb::ForgotToken::from(token.clone());
        assert_eq!(ForgotToken::try_from(wire.clone()), Ok(token));
        type Break = fn(&mut pb::ForgotToken);
        let table: [(&str, Break); 3] = [
            ("id", |wire| wire.id.clear()),
            ("key", |wire| wire.key.truncate(31)),
            ("uid", |wire| wire.uid.push(0)),
        ];
        for (name, spoil) in table {
            let mut broken = wire.clone();
            spoil(&mut broken);
            assert_eq!(ForgotToken::try_from(broken), Err(FieldError::new(name)));
        }
    }
}
