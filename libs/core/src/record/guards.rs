//! What guards an account beside its password: the second factor with its backup codes, and the recovery key
//! (`accounts.md` (c) TOTP, (k)). Each is one unit: stores keep it in one cell of the account's own row and replace it
//! whole (`security.md` D.1.3).
//!
//! Must stay true: no Debug here shows a secret, a hash of one, or a hint.

use std::{fmt, sync::Arc};

use crate::{Secret, Timestamp};

/// Backup codes an account has at most.
pub const BACKUP_CODES_MAX: usize = 8;
/// Longest `recoveryData`, in bytes.
pub const RECOVERY_DATA_LEN_MAX: usize = 1024;

/// A secret that codes are made of, six digits for each thirty seconds, and codes to be used in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// What the codes are made of.
    pub secret: Arc<Secret<20>>,
    /// Whether a code of it was shown, and sign-ins ask for one since then.
    pub enabled: bool,
    /// The newest step whose code was used: none up to it can be used again.
    pub last_step: Option<u64>,
    /// Hashes of the backup codes that are left, at most [`BACKUP_CODES_MAX`]. They may be set before it is enabled.
    pub backup_codes: Vec<[u8; 32]>,
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor")
            .field("enabled", &self.enabled)
            .field("last_step", &self.last_step)
            .field("backup_codes", &self.backup_codes.len())
            .finish_non_exhaustive()
    }
}

/// What brings kB back after a reset, sealed under a key that only the account's owner has.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey {
    /// SHA-256 of the key's id: who knows the id has the key.
    pub id_hash: [u8; 32],
    /// `recoveryData`, never opened by a server: printable ASCII, 1 to [`RECOVERY_DATA_LEN_MAX`] bytes.
    pub data: String,
    /// Whether its owner has shown to have written it down.
    pub enabled: bool,
    /// Where it is kept, in its owner's words.
    pub hint: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryKey")
            .field("enabled", &self.enabled)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secrets() {
        let factor = SecondFactor {
            secret: Arc::new(Secret::new([170; 20])),
            enabled: true,
            last_step: Some(7),
            backup_codes: vec![[171; 32]; 3],
        };
        let key = RecoveryKey {
            id_hash: [172; 32],
            data: "sealed".into(),
            enabled: true,
            hint: Some("drawer".into()),
            created_at: Timestamp::from_secs(1),
        };
        let shown = format!("{factor:?} {key:?}");
        assert!(shown.contains("backup_codes: 3"), "{shown}");
        for hidden in ["170", "171", "172", "sealed", "drawer"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
