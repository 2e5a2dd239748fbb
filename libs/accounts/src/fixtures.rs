//! Records for tests of single rules.

use std::sync::Arc;

use foxhold_core::{
    Secret, Timestamp, TokenId, Uid,
    record::{Account, Credentials, EmailKey, Session, Verification, Verifier},
};

use crate::SignedIn;

pub(crate) const UID: Uid = Uid::from_bytes([0xab; 16]);
pub(crate) const MADE: Timestamp = Timestamp::from_secs(1_700_000_000);

/// An account made at [`MADE`].
pub(crate) fn account(email_verified: bool) -> Account {
    let verifier = Verifier {
        verify_hash: Secret::new([1; 32]),
        wrap_wrap_kb: Secret::new([2; 32]),
    };
    Account {
        uid: UID,
        email: "alice@example.test".into(),
        email_key: EmailKey::from_normalized("alice@example.test".into()),
        email_verified,
        credentials: Arc::new(Credentials {
            auth_salt: [3; 32],
            k_a: Secret::new([4; 32]),
            version_one: verifier,
            version_two: None,
        }),
        code_nonce: [5; 16],
        created_at: MADE,
        verifier_set_at: MADE,
        keys_changed_at: MADE,
        profile_changed_at: MADE,
        locale: Some("de".into()),
        second_factor: None,
        recovery_key: None,
        disabled: None,
        version: 0,
    }
}

/// Its session number `n`.
pub(crate) fn session(n: u8, verification: Verification) -> Session {
    Session {
        id: TokenId::from_bytes([n; 32]),
        key: Arc::new(Secret::new([n; 32])),
        uid: UID,
        created_at: MADE,
        auth_at: MADE,
        verification,
        must_verify: true,
        generation: MADE,
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0".into(),
    }
}

/// Signed in by session 1.
pub(crate) fn signed_in(email_verified: bool, verification: Verification) -> SignedIn {
    SignedIn {
        session: session(1, verification),
        account: account(email_verified),
    }
}
