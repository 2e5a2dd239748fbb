//! Replacing refresh tokens where a store does not do all at once: one that is taken back at that very moment, and one whose
//! replacement was decided and went no further.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_accounts::AccountError;
use foxhold_core::{
    ClientId, Deadline, Random, RegionMark, Secret, SecretText, TokenId, Uid,
    record::{ClientKind, ClientSwitches, Grant, RefreshToken, RegisteredClient},
};
use foxhold_crypto::{hkdf, mac::sha256};
use foxhold_ports::{
    AccessTokenSigner, AccountReader as _, AccountWriter as _, Call, GrantReader as _, GrantWriter, Refusal,
    WriteError,
    memory::{MemoryStore, SeededRandom},
    openid::spent::Replacement,
    signer::{AccessTokenOrder, SignError},
};

use crate::support::{Bench, EMAIL, NOW, by, caller, secret};

const CLIENT: ClientId = ClientId::from_bytes([9; 8]);

type Work = Box<dyn FnOnce() + Send>;

/// Something can happen while it draws: after all that a call reads, before what it writes.
struct Meanwhile {
    source: SeededRandom,
    work: Mutex<Option<Work>>,
}

impl Random for Meanwhile {
    fn fill(&self, dest: &mut [u8]) {
        let work = self.work.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
        self.source.fill(dest);
    }
}

/// What the store in memory does, which waits for nothing.
fn done<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

fn hashed(token: &Secret<32>) -> TokenId {
    TokenId::from_bytes(sha256(&[token.expose()]))
}

/// What replaces a token, and the token that does.
fn replacement(old: &Secret<32>, record: &RefreshToken, salt: u8) -> (Replacement, Secret<32>) {
    let salt = secret(salt);
    let next = hkdf::derive(old.expose(), salt.expose(), &[b"foxhold refresh token successor"]);
    let replacement = Replacement {
        replaces: hashed(old),
        salt: Arc::new(salt),
        token: RefreshToken {
            id: hashed(&next),
            ..record.clone()
        },
    };
    (replacement, next)
}

fn token_of(uid: Uid, token: &Secret<32>) -> RefreshToken {
    RefreshToken {
        id: hashed(token),
        uid,
        client: CLIENT,
        scope: "openid".into(),
        session: None,
        created_at: NOW,
        generation: NOW,
    }
}

#[tokio::test]
async fn a_token_that_is_taken_back_ends_with_what_replaces_it_meanwhile() {
    for shows_the_old_one in [true, false] {
        let random = Arc::new(Meanwhile {
            source: SeededRandom::new(7),
            work: Mutex::default(),
        });
        let bench = Bench::with(None, random.clone());
        let uid = bench.sign_up(EMAIL).await.uid;
        let first = secret(0x77);
        let record = token_of(uid, &first);
        let (to_second, second) = replacement(&first, &record, 1);
        let (to_third, _) = replacement(&second, &record, 2);
        let store = bench.store.clone();
        store.put_refresh_token(&bench.call(), record).await.unwrap();
        store
            .replace_refresh_token(&bench.call(), to_second)
            .await
            .unwrap();
        let call = bench.call();
        *random.work.lock().unwrap() = Some(Box::new(move || {
            done(store.replace_refresh_token(&call, to_third)).unwrap();
        }));
        let shown = if shows_the_old_one { &first } else { &second };
        let ended = bench.accounts.destroy_token(&caller(), shown, Some(CLIENT)).await;
        assert!(ended, "the old one: {shows_the_old_one}");
        assert!(random.work.lock().unwrap().is_none(), "it happened meanwhile");
        let left = bench.store.refresh_tokens(by(), uid).await.unwrap();
        assert_eq!(left, [], "the old one: {shows_the_old_one}");
    }
}

/// Finds what it is to replace replaced, and removes it, as whoever comes second does.
struct TooLate(Arc<MemoryStore>);

#[async_trait]
impl GrantWriter for TooLate {
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError> {
        self.0.put_grant(call, grant).await
    }

    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError> {
        self.0.end_grant(call, uid, client).await
    }

    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError> {
        self.0.delete_refresh_token(call, replacement.replaces).await?;
        Err(Refusal::TokenSpent.into())
    }
}

struct Signs;

#[async_trait]
impl AccessTokenSigner for Signs {
    async fn sign_access_token(&self, _: Deadline, _: &AccessTokenOrder) -> Result<SecretText, SignError> {
        Ok(SecretText::new("signed".into()))
    }
}

fn client() -> RegisteredClient {
    RegisteredClient {
        id: CLIENT,
        name: "Notes".into(),
        image_uri: None,
        kind: ClientKind::Public,
        secrets: vec![],
        redirect_uris: vec!["https://notes.example.test/cb".into()],
        post_logout_redirect_uris: vec![],
        scope: "openid offline_access".into(),
        switches: ClientSwitches::default(),
        allowed: vec![],
        created_at: NOW,
        version: 1,
    }
}

/// A token of a grant, whose replacement was decided that long ago and is still there; and that which replaces it.
async fn half_replaced(
    own: Option<RegionMark>,
    ago: Duration,
    first: &Secret<32>,
) -> (Bench, Uid, Secret<32>) {
    let bench = Bench::with(own, Arc::new(SeededRandom::new(7)));
    let uid = bench.sign_up(EMAIL).await.uid;
    let (record, store) = (token_of(uid, first), &bench.store);
    let grant = Grant {
        uid,
        client: CLIENT,
        scope: "openid".into(),
        since: NOW,
        agreed_at: NOW,
        generation: NOW,
    };
    store.put_grant(&bench.call(), grant).await.unwrap();
    store
        .put_refresh_token(&bench.call(), record.clone())
        .await
        .unwrap();
    let (replacement, second) = replacement(first, &record, 1);
    store
        .replace_refresh_token(&bench.call(), replacement)
        .await
        .unwrap();
    store.put_refresh_token(&bench.call(), record).await.unwrap();
    bench.clock.advance(ago);
    (bench, uid, second)
}

/// What two calls with such a token are given, and whether the grant still stands.
async fn used_twice(own: Option<RegionMark>, ago: Duration, first: &Secret<32>) -> (Vec<bool>, bool) {
    let (bench, uid, second) = half_replaced(own, ago, first).await;
    let store = bench.store.clone();
    let mut accounts = Arc::into_inner(bench.accounts).expect("nobody else has them");
    accounts.signer = Arc::new(Signs);
    accounts.openid.grant_writer = Arc::new(TooLate(store.clone()));
    let mut given = Vec::new();
    for _ in 0..2 {
        let answer = accounts
            .refresh_registered(&caller(), &client(), first, None)
            .await;
        given.push(match answer {
            Ok(granted) => {
                assert!(granted.refresh_token.as_ref() == Some(&second));
                true
            }
            Err(AccountError::BadToken) => false,
            Err(error) => panic!("{error}"),
        });
    }
    let grant = store.grant(by(), uid, CLIENT).await.unwrap();
    (given, grant.is_some())
}

/// That it is still there shows that nobody was given the next one: its client comes as late as it likes, once.
#[tokio::test]
async fn a_replacement_that_nobody_was_told_of_is_told_once() {
    let first = secret(0x77);
    let mark = RegionMark::of(&hashed(&first));
    let other = RegionMark::new(mark.get() ^ 1);
    let (soon, late) = (Duration::from_secs(30), Duration::from_secs(61));
    let day = Duration::from_secs(86_400);
    let table = [
        ("soon", None, soon, [true, true], true),
        ("late", None, late, [true, false], false),
        ("the day after", None, day, [true, false], false),
        ("where it is decided", Some(mark), late, [true, false], false),
        ("elsewhere, soon", other, soon, [true, true], true),
        ("elsewhere, late", other, late, [false, false], false),
    ];
    for (name, own, ago, given, stands) in table {
        assert_eq!(
            used_twice(own, ago, &first).await,
            (given.to_vec(), stands),
            "{name}"
        );
    }
}

/// Taking it back is no sign that somebody else has it.
#[tokio::test]
async fn one_of_which_nobody_was_told_is_taken_back_and_the_grant_stays() {
    let first = secret(0x77);
    for ago in [30, 86_400].map(Duration::from_secs) {
        let (bench, uid, _) = half_replaced(None, ago, &first).await;
        let ended = bench
            .accounts
            .destroy_token(&caller(), &first, Some(CLIENT))
            .await;
        let tokens = bench.store.refresh_tokens(by(), uid).await.unwrap();
        let grant = bench.store.grant(by(), uid, CLIENT).await.unwrap();
        assert_eq!((ended, tokens, grant.is_some()), (true, vec![], true), "{ago:?}");
    }
}
