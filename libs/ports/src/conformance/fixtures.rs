//! Records to write: every one different, no two made at the same time, all of them repeatable. In a case of the suite
//! they also differ from those of all other cases, so that a store that is slow to empty may be shared by them: ids and
//! addresses bear the case's number. What is drawn, and so what is done, is the same with any number.

mod guards;
mod passwords;

use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc, time::Duration};

use foxhold_core::{
    ClientId, Clock as _, Deadline, DeviceId, OpId, Random, Secret, ServiceUid, Timestamp, TokenId, Uid,
    random,
    record::{
        Account, Admission, Allocation, AuthorizationCode, Bucket, ClientState, Credentials, Device,
        EmailKey, Generation, KeyFetch, PoolName, PoolRule, PushEndpoint, RefreshToken, Schemes, Service,
        ServiceKey, ServicePolicy, Session, UserKey, Verification, Verifier, VersionTwo, Whom,
    },
};

use crate::{
    Call,
    accounts::{SessionAccess, SignIn},
    assignments::{ImportedRecord, ImportedUser, NewNode, RecordRef, UserValues},
    memory::{ManualClock, SeededRandom},
    openid::spent::Replacement,
};

/// Long enough that only a store that hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the clocks of fixtures start.
const START: Timestamp = Timestamp::from_secs(1_700_000_000);
/// Ten minutes before.
const SLOW: Timestamp = Timestamp::from_secs(1_700_000_000 - 600);

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

tokio::task_local! {
    /// The number of the case that runs, from 1.
    pub(super) static CASE: u64;
}

/// A time that is long after those of the cases before, as turns at jobs need it in a store that is shared by cases.
pub(super) fn of_this_case(time: Timestamp) -> Timestamp {
    time.plus(Duration::from_secs(1_000_000 * case()))
}

/// The number of the case, zero outside the suite.
fn case() -> u64 {
    CASE.try_with(|case| *case).unwrap_or(0)
}

/// An address of this case.
fn of_case(address: &str) -> String {
    match case() {
        0 => address.to_owned(),
        case => format!("{address}.{case}"),
    }
}

/// What an address is claimed by.
#[must_use]
pub fn email_key(address: &str) -> EmailKey {
    EmailKey::from_normalized(of_case(address).to_lowercase())
}

/// Makes records.
pub struct Maker {
    random: OfCase,
    clock: ManualClock,
}

/// Bytes of a seed, the last of which bear the number of the case.
struct OfCase {
    random: SeededRandom,
    case: u64,
}

impl Random for OfCase {
    fn fill(&self, dest: &mut [u8]) {
        self.random.fill(dest);
        let case = self.case.to_be_bytes();
        for (to, number) in dest.iter_mut().rev().zip(case.iter().rev()) {
            *to ^= number;
        }
    }
}

impl Maker {
    /// The same seed makes the same records.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: OfCase {
                random: SeededRandom::new(seed),
                case: case(),
            },
            clock: ManualClock::new(START),
        }
    }

    /// What is drawn from.
    pub fn random(&self) -> &dyn Random {
        &self.random
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.random.random.below(bound)
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

    /// A call of a process whose clock is behind all times made here.
    pub fn slow_call(&self) -> Call {
        Call {
            op: OpId::new(SLOW, &self.random),
            deadline: soon(),
        }
    }

    /// An unverified account with both verifiers.
    pub fn account(&self, address: &str) -> Account {
        Account {
            uid: Uid::random(&self.random),
            email: of_case(address),
            email_key: email_key(address),
            email_verified: false,
            credentials: Arc::new(self.credentials(true)),
            code_nonce: random::bytes(&self.random),
            created_at: self.now(),
            verifier_set_at: self.now(),
            keys_changed_at: self.now(),
            profile_changed_at: self.now(),
            locale: Some("de-AT,de;q=0.5".into()),
            second_factor: None,
            recovery_key: None,
            disabled: None,
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
            session: None,
            generation: self.now(),
        }
    }

    /// A session that is in use now.
    pub fn access(&self, session: TokenId) -> SessionAccess {
        let at = self.now();
        SessionAccess { session, at }
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
            redirect_uri: Some("https://notes.example.test/cb?x=1".into()),
            nonce: Some("n-0S6_WzA2Mj &".into()),
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

    /// A token in the place of another.
    pub fn replacement(&self, old: &RefreshToken) -> Replacement {
        Replacement {
            replaces: old.id,
            salt: Arc::new(Secret::new(random::bytes(&self.random))),
            token: RefreshToken {
                id: TokenId::random(&self.random),
                ..old.clone()
            },
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
        policy: ServicePolicy::default(),
    }
}

/// A policy in which every field says something.
#[must_use]
pub fn policy(admission: Admission) -> ServicePolicy {
    ServicePolicy {
        schemes: Schemes {
            oauth: false,
            browserid: true,
        },
        allowed_issuers: vec!["b.example.test".into(), "a.example.test".into()],
        trusted_issuers: vec!["a.example.test".into()],
        allowed_email_domains: vec!["users.example.test".into(), "a.example.test".into()],
        admission,
        conditions: [("terms".to_owned(), "https://example.test/terms".to_owned())].into(),
        auth_max_age_secs: Some(86_400),
        allocation: allocation(),
    }
}

/// Rules of every kind. No node has these names, so nobody is sent anywhere by them.
#[must_use]
pub fn allocation() -> Allocation {
    let rule = |whom, share, to| PoolRule {
        whom,
        share,
        pool: pool(to),
    };
    let names = |names: [&str; 2]| names.map(str::to_owned).into();
    Allocation {
        pinned_to: Some("https://pinned.example".into()),
        pools: vec![
            rule(Whom::Users(names(["b@x.example", "a@x.example"])), 1, "chosen"),
            rule(Whom::Domains(names(["y.example", "x.example"])), 2_500, "half"),
            rule(Whom::Everyone, Bucket::COUNT, "rest"),
        ],
        closed_pools: [pool("half"), pool("chosen")].into(),
    }
}

/// The pool of a name.
///
/// # Panics
/// If that cannot be a pool's name.
#[must_use]
pub fn pool(name: &str) -> PoolName {
    PoolName::new(name).expect("names of pools are short and plain")
}

/// A node with all its capacity released.
#[must_use]
pub fn node(service: &Service, url: &str, capacity: u64) -> NewNode {
    NewNode {
        service: service.key.clone(),
        url: url.into(),
        node_type: Some("sqlite".into()),
        pool: None,
        capacity,
        available: capacity,
    }
}

/// A record from elsewhere, active, on a node: everything in it follows from the number.
///
/// # Panics
/// If the number is zero.
#[must_use]
pub fn imported(number: u64, node: &str) -> ImportedRecord {
    ImportedRecord {
        uid: ServiceUid::new(number).expect("numbers begin at one"),
        generation: Generation(number),
        keys_changed_at: None,
        client_state: ClientState::new(number.to_be_bytes().to_vec()).expect("client states are short"),
        created_at: Timestamp::from_secs(number),
        replaced_at: None,
        node: Some(node.to_owned()),
        holds_slot: None,
    }
}

/// A user from elsewhere with these records.
#[must_use]
pub const fn imported_user(records: Vec<ImportedRecord>) -> ImportedUser {
    ImportedUser {
        records,
        old_client_states: Vec::new(),
        first_seen_at: None,
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
