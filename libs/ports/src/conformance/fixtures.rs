//! Records to write: every one different, no two made at the same time, all of them repeatable.

use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc, time::Duration};

use foxhold_core::{
    ClientId, Clock as _, Deadline, DeviceId, OpId, Secret, Timestamp, TokenId, Uid, random,
    record::{
        Account, AuthorizationCode, ClientState, Credentials, Device, EmailKey, Generation, KeyFetch,
        PushEndpoint, RefreshToken, Service, ServiceKey, Session, UserKey, Verification, Verifier,
        VersionTwo,
    },
};

use crate::{
    Call,
    accounts::SignIn,
    assignments::{NewNode, RecordRef, UserValues},
    memory::{ManualClock, SeededRandom},
};

/// Long enough that only a store that hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deadline far enough away.
#[must_use]
pub fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A deadline that has passed.
#[must_use]
pub fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

/// What an address is claimed by.
#[must_use]
pub fn email_key(address: &str) -> EmailKey {
    EmailKey::from_normalized(address.to_lowercase())
}

/// Makes records.
pub struct Maker {
    random: SeededRandom,
    clock: ManualClock,
}

impl Maker {
    /// The same seed makes the same records.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
            clock: ManualClock::new(Timestamp::from_secs(1_700_000_000)),
        }
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// A time later than all before.
    pub fn now(&self) -> Timestamp {
        self.clock.advance(Duration::from_millis(1001));
        self.clock.now()
    }

    /// A call with a new operation id.
    pub fn call(&self) -> Call {
        Call {
            op: OpId::new(self.now(), &self.random),
            deadline: soon(),
        }
    }

    /// An unverified account with both verifiers.
    pub fn account(&self, address: &str) -> Account {
        Account {
            uid: Uid::random(&self.random),
            email: address.into(),
            email_key: email_key(address),
            email_verified: false,
            credentials: Arc::new(self.credentials(true)),
            code_nonce: random::bytes(&self.random),
            created_at: self.now(),
            verifier_set_at: self.now(),
            keys_changed_at: self.now(),
            profile_changed_at: self.now(),
            locale: Some("de-AT,de;q=0.5".into()),
            version: 1,
        }
    }

    /// A verified account with one verifier and nothing optional.
    pub fn verified_account(&self, address: &str) -> Account {
        Account {
            email_verified: true,
            credentials: Arc::new(self.credentials(false)),
            locale: None,
            ..self.account(address)
        }
    }

    /// New secrets.
    pub fn credentials(&self, version_two: bool) -> Credentials {
        let secret = || Secret::new(random::bytes(&self.random));
        let verifier = || Verifier {
            verify_hash: secret(),
            wrap_wrap_kb: secret(),
        };
        Credentials {
            auth_salt: random::bytes(&self.random),
            k_a: secret(),
            version_one: verifier(),
            version_two: version_two.then(|| VersionTwo {
                verifier: verifier(),
                client_salt: format!(
                    "identity.mozilla.com/picl/v1/quickStretchV2:{:032x}",
                    self.below(999)
                ),
            }),
        }
    }

    /// A session and two key-fetch tokens.
    pub fn sign_in(&self, uid: Uid) -> SignIn {
        SignIn {
            session: self.session(uid),
            key_fetches: vec![self.key_fetch(uid), self.key_fetch(uid)],
        }
    }

    /// A session alone.
    pub fn plain_sign_in(&self, uid: Uid) -> SignIn {
        SignIn {
            session: Session {
                verification: Verification::Verified,
                must_verify: false,
                user_agent: String::new(),
                ..self.session(uid)
            },
            key_fetches: Vec::new(),
        }
    }

    /// A session.
    pub fn session(&self, uid: Uid) -> Session {
        Session {
            id: TokenId::random(&self.random),
            key: Arc::new(Secret::new(random::bytes(&self.random))),
            uid,
            created_at: self.now(),
            auth_at: self.now(),
            verification: Verification::WithAccount,
            must_verify: true,
            generation: self.now(),
            user_agent: "Firefox 153 „Nightly“".into(),
        }
    }

    /// A key-fetch token.
    pub fn key_fetch(&self, uid: Uid) -> KeyFetch {
        KeyFetch {
            id: TokenId::random(&self.random),
            key: Arc::new(Secret::new(random::bytes(&self.random))),
            bundle: Arc::new(Secret::new(random::bytes(&self.random))),
            uid,
            created_at: self.now(),
            verification: Verification::WithAccount,
            generation: self.now(),
        }
    }

    /// A device with push and commands.
    pub fn device(&self, uid: Uid, session: TokenId) -> Device {
        Device {
            id: DeviceId::random(&self.random),
            uid,
            session,
            name: "Ann\u{2019}s Firefox".into(),
            kind: "desktop".into(),
            created_at: self.now(),
            last_access_at: self.now(),
            push: Some(PushEndpoint {
                callback: "https://push.example/1".into(),
                public_key: "BPublic".into(),
                auth_key: "auth".into(),
            }),
            available_commands: BTreeMap::from([
                (
                    "https://identity.mozilla.com/cmd/open-uri".into(),
                    "{\"kid\":\"1\"}".into(),
                ),
                (
                    "https://identity.mozilla.com/cmd/close-uri/v1".into(),
                    String::new(),
                ),
            ]),
        }
    }

    /// An authorization code that carries keys.
    pub fn code(&self, uid: Uid, session: TokenId) -> AuthorizationCode {
        AuthorizationCode {
            id: TokenId::random(&self.random),
            uid,
            client: ClientId::random(&self.random),
            scope: "profile https://identity.mozilla.com/apps/oldsync".into(),
            session,
            code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
            keys_jwe: Some("header..iv.text.tag".into()),
            offline: true,
            auth_at: self.now(),
            created_at: self.now(),
            generation: self.now(),
        }
    }

    /// A refresh token.
    pub fn refresh_token(&self, uid: Uid, session: Option<TokenId>) -> RefreshToken {
        RefreshToken {
            id: TokenId::random(&self.random),
            uid,
            client: ClientId::random(&self.random),
            scope: "profile".into(),
            session,
            created_at: self.now(),
            generation: self.now(),
        }
    }
}

/// A service that takes users.
#[must_use]
pub fn service(key: &str) -> Service {
    Service {
        key: ServiceKey(key.into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: "https://identity.mozilla.com/apps/oldsync".into(),
        token_lifetime_secs: 3600,
        uid_ceiling: (1 << 31) - 1,
        accepts_new_users: true,
    }
}

/// A node with all its capacity released.
#[must_use]
pub fn node(service: &Service, url: &str, capacity: u64) -> NewNode {
    NewNode {
        service: service.key.clone(),
        url: url.into(),
        node_type: Some("sqlite".into()),
        capacity,
        available: capacity,
    }
}

/// A user of a service, as read at `version`.
#[must_use]
pub fn user(service: &Service, number: u64, version: Option<u64>) -> RecordRef {
    RecordRef {
        service: service.key.clone(),
        user: UserKey(format!("{number:032x}@accounts.example.test")),
        version,
    }
}

/// What a credential said; a key change time of zero is none.
///
/// # Panics
/// If `client_state` is longer than a client state may be.
#[must_use]
pub fn values(generation: u64, keys_changed_at: u64, client_state: &[u8]) -> UserValues {
    UserValues {
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(keys_changed_at),
        client_state: ClientState::new(client_state.to_vec()).expect("client states are short"),
    }
}
