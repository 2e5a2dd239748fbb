//! Second factors and recovery keys.

use std::sync::Arc;

use foxhold_core::record::{BACKUP_CODES_MAX, RECOVERY_DATA_LEN_MAX, RecoveryKey, SecondFactor};

use crate::{
    convert::{FieldError, array, field, secret, time},
    wire::dbwriter as pb,
};

impl TryFrom<pb::SecondFactor> for SecondFactor {
    type Error = FieldError;

    fn try_from(wire: pb::SecondFactor) -> Result<Self, FieldError> {
        let hashes = wire.backup_codes;
        field("backup_codes", (hashes.len() <= BACKUP_CODES_MAX).then_some(()))?;
        let hashes = hashes.iter().map(|hash| array("backup_codes", hash));
        Ok(Self {
            secret: Arc::new(secret("secret", wire.secret)?),
            enabled: wire.enabled,
            last_step: wire.last_step,
            backup_codes: hashes.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&SecondFactor> for pb::SecondFactor {
    fn from(factor: &SecondFactor) -> Self {
        Self {
            secret: factor.secret.expose().to_vec(),
            enabled: factor.enabled,
            last_step: factor.last_step,
            backup_codes: factor.backup_codes.iter().map(|hash| hash.to_vec()).collect(),
        }
    }
}

impl TryFrom<pb::RecoveryKey> for RecoveryKey {
    type Error = FieldError;

    fn try_from(wire: pb::RecoveryKey) -> Result<Self, FieldError> {
        let is_data = (1..=RECOVERY_DATA_LEN_MAX).contains(&wire.data.len());
        Ok(Self {
            id_hash: array("id_hash", &wire.id_hash)?,
            data: field("data", is_data.then_some(wire.data))?,
            enabled: wire.enabled,
            hint: wire.hint,
            created_at: time(wire.created_at_ms),
        })
    }
}

impl From<&RecoveryKey> for pb::RecoveryKey {
    fn from(key: &RecoveryKey) -> Self {
        Self {
            id_hash: key.id_hash.to_vec(),
            data: key.data.clone(),
            enabled: key.enabled,
            hint: key.hint.clone(),
            created_at_ms: key.created_at.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Secret, Timestamp};

    use super::*;

    fn factor(codes: usize) -> SecondFactor {
        SecondFactor {
            secret: Arc::new(Secret::new([1; 20])),
            enabled: true,
            last_step: Some(2),
            backup_codes: vec![[3; 32]; codes],
        }
    }

    fn key(data: usize) -> RecoveryKey {
        RecoveryKey {
            id_hash: [4; 32],
            data: "x".repeat(data),
            enabled: true,
            hint: Some("drawer".into()),
            created_at: Timestamp::from_millis(5),
        }
    }

    #[test]
    fn both_survive_the_wire() {
        for factor in [factor(0), factor(8)] {
            assert_eq!(
                SecondFactor::try_from(pb::SecondFactor::from(&factor)),
                Ok(factor)
            );
        }
        for key in [key(1), key(1024)] {
            assert_eq!(RecoveryKey::try_from(pb::RecoveryKey::from(&key)), Ok(key));
        }
    }

    #[test]
    fn what_has_the_wrong_form_is_refused_by_its_name() {
        type Damage = fn(&mut pb::SecondFactor);
        let table: [(&str, Damage); 3] = [
            ("secret", |wire| wire.secret.truncate(19)),
            ("backup_codes", |wire| wire.backup_codes[0].push(0)),
            ("backup_codes", |wire| wire.backup_codes.push(vec![3; 32])),
        ];
        for (name, damage) in table {
            let mut wire = pb::SecondFactor::from(&factor(8));
            damage(&mut wire);
            assert_eq!(SecondFactor::try_from(wire), Err(FieldError::new(name)), "{name}");
        }
        for (name, wrong) in [("data", key(0)), ("data", key(1025))] {
            let wire = pb::RecoveryKey::from(&wrong);
            assert_eq!(RecoveryKey::try_from(wire), Err(FieldError::new(name)));
        }
        let mut wire = pb::RecoveryKey::from(&key(1));
        wire.id_hash.pop();
        assert_eq!(RecoveryKey::try_from(wire), Err(FieldError::new("id_hash")));
    }
}
