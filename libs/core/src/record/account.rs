//! Accounts, sessions, key-fetch tokens and devices (`accounts.md` (a), (c)).

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{RecoveryKey, SecondFactor};
use crate::{DeviceId, Secret, Timestamp, TokenId, Uid};

/// What an e-mail address is looked up and claimed by: NFKC, lower case, A-label domain. Made only by the accounts
/// area's address rules; a store treats it as opaque text. Not shown in Debug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailKey(String);

impl EmailKey {
    /// Takes text that is normalized already.
    #[must_use]
    pub const fn from_normalized(text: String) -> Self {
        Self(text)
    }

    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailKey(..)")
    }
}

/// One verifier and the wrapped key that goes with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Compared with HKDF(stretched, `verifyHash`).
    pub verify_hash: Secret<32>,
    /// kB, wrapped twice: by the client's key and by the stretched password.
    pub wrap_wrap_kb: Secret<32>,
}

/// The second verifier of an account whose client stretches with 650,000 rounds.
#[derive(Debug, PartialEq, Eq)]
pub struct VersionTwo {
    /// Verifier and wrapped key of `authPWVersion2`.
    pub verifier: Verifier,
    /// The whole PBKDF2 salt, `identity.mozilla.com/picl/v1/quickStretchV2:` and 32 hex digits.
    pub client_salt: String,
}

/// All secrets of one account. One unit: stores keep them in one cell and replace them whole (`security.md` D.1.3).
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Salt of scrypt, for both verifiers.
    pub auth_salt: [u8; 32],
    /// Part of the key bundle; no current client uses it.
    pub k_a: Secret<32>,
    /// The verifier every account has.
    pub version_one: Verifier,
    /// The verifier of current clients.
    pub version_two: Option<VersionTwo>,
}

/// That an operator has disabled an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// When it was disabled last. What was signed for it before is void for good.
    pub at: Timestamp,
    /// Whether it was enabled again.
    pub is_over: bool,
}

/// An account. The address does not show in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id for good.
    pub uid: Uid,
    /// The address as typed at registration; the salt of old clients, so never respelled.
    pub email: String,
    /// What the address is claimed by.
    pub email_key: EmailKey,
    /// Whether the address was shown to be the owner's.
    pub email_verified: bool,
    /// All secrets.
    pub credentials: Arc<Credentials>,
    /// Mailed codes are derived from this and the deployment's code key; a new one voids the codes mailed before.
    pub code_nonce: [u8; 16],
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password was last set: the `generation` of tokens. Sessions opened under an older one are dead.
    pub verifier_set_at: Timestamp,
    /// When kB last changed (creation or reset): first part of every key id.
    pub keys_changed_at: Timestamp,
    /// When anything a profile shows last changed.
    pub profile_changed_at: Timestamp,
    /// Language of mails, as the client asked for it.
    pub locale: Option<String>,
    /// What sign-ins ask for beside the password, once it is enabled.
    pub second_factor: Option<Arc<SecondFactor>>,
    /// What brings kB back after a reset.
    pub recovery_key: Option<Arc<RecoveryKey>>,
    /// Whether an operator has disabled it, now or at some time.
    pub disabled: Option<Disabled>,
    /// Counts conditional writes of this row.
    pub version: u64,
}

impl Account {
    /// The second factor, if sign-ins ask for it.
    #[must_use]
    pub fn enabled_second_factor(&self) -> Option<&Arc<SecondFactor>> {
        self.second_factor.as_ref().filter(|factor| factor.enabled)
    }

    /// Whether nobody may use it at present: nothing of it ends, and nothing of it counts.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled.is_some_and(|disabled| !disabled.is_over)
    }

    /// Whether nobody else may have its address: it was shown to be the owner's, or an operator has closed the account, and
    /// then it is not for others to make it anew.
    #[must_use]
    pub fn keeps_address(&self) -> bool {
        self.email_verified || self.is_disabled()
    }

    /// The `generation` of what is signed for it: when the password was last set, or when it was last disabled, if that was
    /// later. What was signed with a lower one is void.
    #[must_use]
    pub fn signed_since(&self) -> Timestamp {
        let disabled_at = self.disabled.map(|disabled| disabled.at);
        disabled_at.map_or(self.verifier_set_at, |at| at.max(self.verifier_set_at))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("uid", &self.uid)
            .field("email_verified", &self.email_verified)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Whether a session or key-fetch token counts as verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// By itself: it was opened on a verified account.
    Verified,
    /// Together with the account's e-mail: it was made while the address was not verified yet.
    WithAccount,
    /// Not before a code of the second factor is given in the session.
    AwaitsSecondFactor,
    /// A code of the second factor was given in it.
    SecondFactor,
    /// Not before a code is given that was mailed for this very sign-in. It counts together with the account's e-mail then.
    AwaitsConfirmation,
}

impl Verification {
    /// Whether it is verified, given the state of the account's address.
    #[must_use]
    pub const fn holds(self, email_verified: bool) -> bool {
        match self {
            Self::Verified | Self::SecondFactor => true,
            Self::WithAccount => email_verified,
            Self::AwaitsSecondFactor | Self::AwaitsConfirmation => false,
        }
    }

    /// Whether something is still to be given in the session itself.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::AwaitsSecondFactor | Self::AwaitsConfirmation)
    }
}

/// A signed-in session. Giving the password again or a second factor in it sets `auth_at`, `verification`, `must_verify` and `generation`;
/// everything else stays as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The Hawk id.
    pub id: TokenId,
    /// The Hawk key.
    pub key: Arc<Secret<32>>,
    /// Whose it is.
    pub uid: Uid,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When the password was last given in it.
    pub auth_at: Timestamp,
    /// How it counts as verified.
    pub verification: Verification,
    /// Opened for keys: report it as verified only if e-mail and session are.
    pub must_verify: bool,
    /// `verifier_set_at` of the account when it was opened.
    pub generation: Timestamp,
    /// A short description of the client, at most 255 characters.
    pub user_agent: String,
}

/// A key-fetch token: spent by the one call that fetches the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFetch {
    /// The Hawk id.
    pub id: TokenId,
    /// The Hawk key.
    pub key: Arc<Secret<32>>,
    /// The whole answer: ciphertext and mac, precomputed, so that neither kA, wrapKb nor the token are needed later.
    pub bundle: Arc<Secret<96>>,
    /// Whose keys.
    pub uid: Uid,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it counts as verified.
    pub verification: Verification,
    /// The session it was made for, where it waits: what it waits for is given there.
    pub session: Option<TokenId>,
    /// `verifier_set_at` of the account when it was made.
    pub generation: Timestamp,
}

/// Where a device wants its push messages.
#[derive(Clone, PartialEq, Eq)]
pub struct PushEndpoint {
    /// The push service's address.
    pub callback: String,
    /// The browser's public key, base64url.
    pub public_key: String,
    /// The browser's shared secret, base64url.
    pub auth_key: String,
}

impl fmt::Debug for PushEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushEndpoint(..)")
    }
}

/// A browser or app that registered itself. Written whole, last write wins.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Its own id, kept across sign-ins.
    pub id: DeviceId,
    /// Whose it is.
    pub uid: Uid,
    /// The session it is signed in by.
    pub session: TokenId,
    /// What the owner calls it.
    pub name: String,
    /// `desktop`, `mobile`, …
    pub kind: String,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_access_at: Timestamp,
    /// Push, if the browser has it.
    pub push: Option<PushEndpoint>,
    /// Commands it takes, by name.
    pub available_commands: BTreeMap<String, String>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id)
            .field("uid", &self.uid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
