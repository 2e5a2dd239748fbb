//! The second factor and the recovery key of an account, each as one cell (`security.md` D.1.3).

use std::sync::Arc;

use foxhold_core::{
    Secret, Timestamp,
    record::{BACKUP_CODES_MAX, RECOVERY_DATA_LEN_MAX, RecoveryKey, SecondFactor},
};
use zeroize::Zeroizing;

use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

/// The cell of a second factor. Wiped when dropped.
#[must_use]
pub fn encode_second_factor(factor: &SecondFactor) -> Zeroizing<Vec<u8>> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(factor.secret.expose());
    cell.bytes(&[u8::from(factor.enabled)]);
    cell.option(factor.last_step, Encoder::number);
    cell.number(factor.backup_codes.len() as u64);
    for hash in &factor.backup_codes {
        cell.bytes(hash);
    }
    cell.finish()
}

/// What such a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode_second_factor(cell: &[u8]) -> Option<SecondFactor> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let factor = SecondFactor {
        secret: Arc::new(Secret::new(cell.array()?)),
        enabled: flag(&mut cell)?,
        last_step: cell.option(Decoder::number)?,
        backup_codes: cell.list(Decoder::array)?,
    };
    cell.finish(factor)
        .filter(|factor| factor.backup_codes.len() <= BACKUP_CODES_MAX)
}

/// The cell of a recovery key. Wiped when dropped.
#[must_use]
pub fn encode_recovery_key(key: &RecoveryKey) -> Zeroizing<Vec<u8>> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(&key.id_hash);
    cell.sized(key.data.as_bytes());
    cell.bytes(&[u8::from(key.enabled)]);
    cell.option(key.hint.as_deref(), |cell, hint| cell.sized(hint.as_bytes()));
    cell.number(key.created_at.as_millis());
    cell.finish()
}

/// What such a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode_recovery_key(cell: &[u8]) -> Option<RecoveryKey> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let key = RecoveryKey {
        id_hash: cell.array()?,
        data: cell.text()?,
        enabled: flag(&mut cell)?,
        hint: cell.option(Decoder::text)?,
        created_at: Timestamp::from_millis(cell.number()?),
    };
    cell.finish(key)
        .filter(|key| (1..=RECOVERY_DATA_LEN_MAX).contains(&key.data.len()))
}

fn flag(cell: &mut Decoder<'_>) -> Option<bool> {
    match cell.array()? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cell::tests::{check, must_not_panic};

    fn second_factor() -> impl Strategy<Value = SecondFactor> {
        let hashes = proptest::collection::vec(any::<[u8; 32]>(), 0..=BACKUP_CODES_MAX);
        (any::<[u8; 20]>(), any::<bool>(), any::<Option<u64>>(), hashes).prop_map(
            |(secret, enabled, last_step, backup_codes)| SecondFactor {
                secret: Arc::new(Secret::new(secret)),
                enabled,
                last_step,
                backup_codes,
            },
        )
    }

    fn recovery_key() -> impl Strategy<Value = RecoveryKey> {
        (
            any::<[u8; 32]>(),
            "[ -~]{1,1024}",
            any::<bool>(),
            proptest::option::of(any::<String>()),
            any::<u64>(),
        )
            .prop_map(|(id_hash, data, enabled, hint, created_at)| RecoveryKey {
                id_hash,
                data,
                enabled,
                hint,
                created_at: Timestamp::from_millis(created_at),
            })
    }

    proptest! {
        #[test]
        fn second_factors_survive(factor in second_factor()) {
            check(&factor, &encode_second_factor(&factor), decode_second_factor);
        }

        #[test]
        fn recovery_keys_survive(key in recovery_key()) {
            check(&key, &encode_recovery_key(&key), decode_recovery_key);
        }

        #[test]
        fn no_bytes_panic(cell in proptest::collection::vec(any::<u8>(), 0..400)) {
            must_not_panic(cell.clone(), decode_second_factor);
            must_not_panic(cell, decode_recovery_key);
        }
    }

    fn factor(codes: usize) -> SecondFactor {
        SecondFactor {
            secret: Arc::new(Secret::new([1; 20])),
            enabled: true,
            last_step: Some(2),
            backup_codes: vec![[3; 32]; codes],
        }
    }

    fn key(data: &str) -> RecoveryKey {
        RecoveryKey {
            id_hash: [4; 32],
            data: data.into(),
            enabled: false,
            hint: Some("box".into()),
            created_at: Timestamp::from_millis(5),
        }
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_formats_are_these_for_good() {
        let number = u64::to_be_bytes;
        let expected = [&[1][..], &[1; 20], &[1], &[1], &number(2), &number(1), &[3; 32]];
        assert_eq!(*encode_second_factor(&factor(1)), expected.concat());
        let expected = [
            &[1][..],
            &[4; 32],
            &number(4),
            b"data",
            &[0],
            &[1],
            &number(3),
            b"box",
            &number(5),
        ];
        assert_eq!(*encode_recovery_key(&key("data")), expected.concat());
    }

    #[test]
    fn more_than_may_be_is_no_cell() {
        let cell = encode_second_factor(&factor(BACKUP_CODES_MAX));
        assert!(decode_second_factor(&cell).is_some());
        assert!(cell.len() <= Encoder::USUAL_LEN, "it does not outgrow its buffer");
        let cell = encode_second_factor(&factor(BACKUP_CODES_MAX + 1));
        assert!(decode_second_factor(&cell).is_none());
        for (len, is_one) in [(0, false), (1, true), (1024, true), (1025, false)] {
            let cell = encode_recovery_key(&key(&"x".repeat(len)));
            assert_eq!(decode_recovery_key(&cell).is_some(), is_one, "{len}");
        }
    }
}
