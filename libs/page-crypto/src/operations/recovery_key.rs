//! Making a recovery key, knowing it by its id, and opening what it seals (`accounts.md` (k)).

use foxhold_core::{Secret, SecretText, Uid};
use foxhold_crypto::recovery_key::RecoveryKey;
use serde::Deserialize;

use super::{Answered, OperationError};
use crate::{answer::Answer, fields};

/// A new one, with the keys of the account sealed under it. Answer: `key`, to be shown once; `id`; `data`.
#[derive(Deserialize)]
pub(super) struct Make {
    #[serde(deserialize_with = "fields::parsed")]
    uid: Uid,
    /// 20 random bytes.
    #[serde(deserialize_with = "fields::secret")]
    random: Secret<20>,
    /// 12 random bytes.
    #[serde(deserialize_with = "fields::bytes")]
    iv: [u8; 12],
    #[serde(deserialize_with = "fields::secret")]
    k_a: Secret<32>,
    #[serde(deserialize_with = "fields::secret")]
    wrap_kb: Secret<32>,
    /// Of the same version as `wrap_kb`.
    #[serde(deserialize_with = "fields::secret")]
    unwrap_b_key: Secret<32>,
}

impl Make {
    pub(super) fn answer(&self) -> Answered {
        let key = RecoveryKey::drawn(&self.random);
        let k_b = self.wrap_kb.xor(&self.unwrap_b_key);
        Ok(Answer::new()
            .text("key", &key.shown())
            .text("id", &key.id(self.uid))
            .text("data", &key.seal(self.uid, self.iv, &self.k_a, &k_b))
            .finish())
    }
}

/// One that was typed. Answer: `id`.
#[derive(Deserialize)]
pub(super) struct Read {
    #[serde(deserialize_with = "fields::parsed")]
    uid: Uid,
    #[serde(deserialize_with = "fields::secret_text")]
    typed: SecretText,
}

fn read(typed: &SecretText) -> Result<RecoveryKey, OperationError> {
    RecoveryKey::typed(typed.expose()).ok_or(OperationError::RecoveryKey)
}

impl Read {
    pub(super) fn answer(&self) -> Answered {
        let key = read(&self.typed)?;
        Ok(Answer::new().text("id", &key.id(self.uid)).finish())
    }
}

/// What the server has kept of it. Answer: `k_b`.
#[derive(Deserialize)]
pub(super) struct Open {
    #[serde(deserialize_with = "fields::parsed")]
    uid: Uid,
    #[serde(deserialize_with = "fields::secret_text")]
    typed: SecretText,
    data: String,
}

impl Open {
    pub(super) fn answer(&self) -> Answered {
        let opened = read(&self.typed)?.open(self.uid, &self.data);
        let k_b = opened.ok_or(OperationError::RecoveryKey)?;
        Ok(Answer::new().secret("k_b", &k_b).finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::operations::{OperationError, call};

    // The vector of the contract.
    const UID: &str = "aeaa1725c7a24ff983c6295725d5fc9b";
    const SHOWN: &str = "A2GT 58X4 MPKA FA59 NANT SBDE NYRB 3CNK";
    const ID: &str = "07c78d9d5b185d059ab32e8ef4305b88";

    fn answered(input: &Value) -> Result<Value, OperationError> {
        let answer = call(input.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    #[test]
    fn what_is_made_is_read_and_opened_again() {
        let made = answered(&json!({
            "op": "make_recovery_key", "uid": UID, "random": "50a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3",
            "iv": "000102030405060708090a0b", "k_a": "20".repeat(32), "wrap_kb": "0f".repeat(32),
            "unwrap_b_key": "f0".repeat(32),
        }))
        .unwrap();
        assert_eq!((&made["key"], &made["id"]), (&json!(SHOWN), &json!(ID)));
        let typed = "a2gt-58x4-mpka-fa59-nant-sbde-nyrb-3cnk";
        let read = answered(&json!({ "op": "read_recovery_key", "uid": UID, "typed": typed }));
        assert_eq!(read, Ok(json!({ "id": ID })));
        let open = |typed: &str, uid: &str| {
            answered(&json!({ "op": "open_recovery_key", "uid": uid, "typed": typed, "data": made["data"] }))
        };
        assert_eq!(open(typed, UID), Ok(json!({ "k_b": "ff".repeat(32) })));
        let refused = Err(OperationError::RecoveryKey);
        assert_eq!(open(&typed[1..], UID), refused);
        assert_eq!(open(typed, &"00".repeat(16)), refused);
        assert_eq!(open(typed, "x"), Err(OperationError::Member));
    }
}
