//! The cache: what it asks and when, and that an outage is never taken for a bad token.

use foxhold_ports::memory::ManualClock;
use serde_json::json;

use super::{
    signing::{KID, NOW, Published, UID, claims, token, token_of},
    *,
};

const AWAY: SignError = SignError::NotDone(Cause::Unavailable);

struct Bench {
    source: Arc<Published>,
    clock: Arc<ManualClock>,
    cache: Arc<KeySetCache>,
}

impl Bench {
    fn new() -> Self {
        let source = Arc::new(Published::new(KID));
        let clock = Arc::new(ManualClock::new(NOW));
        let cache = Arc::new(KeySetCache::new(source.clone(), clock.clone()));
        Self { source, clock, cache }
    }

    async fn check(&self, token: &str) -> Result<String, CheckError> {
        let by = Deadline::after(Duration::from_secs(30));
        self.cache.check(by, token).await.map(|token| token.subject)
    }

    /// Lets tasks in the background run until the source was asked.
    async fn until_asked(&self) {
        while self.source.times_asked() == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_used_again() {
    let bench = Bench::new();
    for _ in 0..10 {
        assert_eq!(bench.check(&token(&claims())).await, Ok(UID.to_owned()));
    }
    assert_eq!(bench.source.times_asked(), 1);
}

#[tokio::test]
async fn many_first_requests_ask_once() {
    let bench = Arc::new(Bench::new());
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.check(&token(&claims())).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(bench.source.times_asked(), 1);
}

#[tokio::test]
async fn without_keys_nothing_is_said_about_the_token() {
    let bench = Bench::new();
    bench.source.fail(Some(AWAY));
    assert_eq!(
        bench.check(&token(&claims())).await,
        Err(CheckError::NoKeys(AWAY))
    );
    let forged = broken_signature(&token(&claims()));
    assert_eq!(bench.check(&forged).await, Err(CheckError::NoKeys(AWAY)));
    assert_eq!(
        bench.source.times_asked(),
        1,
        "not more often than the pause allows"
    );
    bench.source.fail(None);
    bench.clock.advance(FIRST_FETCH_PAUSE);
    assert!(bench.check(&token(&claims())).await.is_ok());
}

/// No key could make any of these good.
#[tokio::test]
async fn what_no_key_can_make_good_is_refused_without_keys() {
    let bench = Bench::new();
    bench.source.fail(Some(AWAY));
    let good = token(&claims());
    let (_, rest) = good.split_once('.').unwrap();
    let under = |header: serde_json::Value| {
        let header = data_encoding::BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        format!("{header}.{rest}")
    };
    let table = [
        (
            "none",
            under(json!({"alg": "none", "typ": "at+jwt"})),
            JwsError::Header,
        ),
        (
            "HS256",
            under(json!({"alg": "HS256", "typ": "at+jwt"})),
            JwsError::Header,
        ),
        (
            "ES256",
            under(json!({"alg": "ES256", "typ": "at+jwt"})),
            JwsError::Header,
        ),
        (
            "own key",
            under(json!({"alg": "RS256", "typ": "at+jwt", "jwk": {}})),
            JwsError::Header,
        ),
        (
            "ID token",
            under(json!({"alg": "RS256", "typ": "JWT"})),
            JwsError::Type,
        ),
        ("nonsense", "nonsense".to_owned(), JwsError::Malformed),
        ("padded", format!("{good}="), JwsError::Malformed),
    ];
    for (name, bad, expected) in table {
        let refused = Err(CheckError::Refused(AccessTokenError::Jws(expected)));
        assert_eq!(bench.check(&bad).await, refused, "{name}");
    }
    assert_eq!(bench.source.times_asked(), 0);
}

/// Who invents names of keys waits for a slow source in a short queue; who has a known one waits for nobody.
#[tokio::test]
async fn tokens_of_invented_keys_cannot_make_many_wait() {
    let bench = Arc::new(Bench::new());
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    bench.clock.advance(FETCH_PAUSE);
    bench.source.hold(true);
    let invented = |n: usize| broken_signature(&token_of(&format!("invented-{n}"), &claims()));
    let waiting: Vec<_> = (0..WAITERS_MAX)
        .map(|n| {
            let (bench, token) = (bench.clone(), invented(n));
            tokio::spawn(async move { bench.check(&token).await })
        })
        .collect();
    while bench.cache.0.waiters.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let full = Err(CheckError::NoKeys(SignError::NotDone(Cause::Overloaded)));
    assert_eq!(bench.check(&invented(99)).await, full);
    assert_eq!(bench.check(&token(&claims())).await, Ok(UID.to_owned()));
    bench.source.hold(false);
    for one in waiting {
        let refused = CheckError::Refused(AccessTokenError::Jws(JwsError::UnknownKey));
        assert_eq!(one.await.unwrap(), Err(refused));
    }
    assert_eq!(bench.source.times_asked(), 1);
}

#[tokio::test]
async fn an_old_set_is_refreshed_behind_the_request() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    *bench.source.kid.lock().unwrap() = "test-2".to_owned();
    bench.clock.advance(REFRESH_AFTER);
    assert!(bench.check(&token(&claims())).await.is_ok());
    // The request had the old set; soon others get the new one.
    let by = Deadline::after(Duration::from_secs(30));
    while bench.cache.keys(by).await.unwrap().named("test-2").is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.source.times_asked(), 1);
}

#[tokio::test]
async fn while_the_signer_is_away_what_was_fetched_keeps_working() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    bench.source.fail(Some(AWAY));
    for _ in 0..20 {
        bench.clock.advance(Duration::from_secs(120));
        assert_eq!(bench.check(&token(&claims())).await, Ok(UID.to_owned()));
    }
    bench.until_asked().await;
}

#[tokio::test]
async fn requests_in_the_pause_after_a_failure_start_nothing() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    bench.source.fail(Some(AWAY));
    bench.clock.advance(REFRESH_AFTER);
    bench.check(&token(&claims())).await.unwrap();
    bench.until_asked().await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = tasks();
    for _ in 0..10 {
        bench.check(&token(&claims())).await.unwrap();
    }
    assert_eq!(tasks(), idle);
}

#[tokio::test]
async fn a_set_of_the_future_is_refreshed() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    bench.clock.set(NOW.minus(Duration::from_secs(3600)));
    let by = Deadline::after(Duration::from_secs(30));
    bench.cache.keys(by).await.unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.source.times_asked(), 1, "how old it is cannot be known");
}

#[tokio::test]
async fn an_unknown_key_id_is_looked_up_once_and_not_again_and_again() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    // A rotation: the new name is found at once.
    *bench.source.kid.lock().unwrap() = "test-2".to_owned();
    bench.clock.advance(FETCH_PAUSE);
    let foreign = token_of("test-2", &claims());
    assert_eq!(bench.check(&foreign).await, Ok(UID.to_owned()));

    // The key signs, whatever it is called: a wrong name alone is no reason to refuse or to ask.
    bench.source.times_asked();
    assert!(bench.check(&token_of("anything", &claims())).await.is_ok());
    assert_eq!(bench.source.times_asked(), 0);
}

#[tokio::test]
async fn tokens_of_invented_keys_cannot_make_us_ask_often() {
    let bench = Bench::new();
    bench.check(&token(&claims())).await.unwrap();
    bench.source.times_asked();
    bench.clock.advance(FETCH_PAUSE);
    for n in 0..50 {
        let token = broken_signature(&token_of(&format!("invented-{n}"), &claims()));
        let refused = CheckError::Refused(AccessTokenError::Jws(JwsError::UnknownKey));
        assert_eq!(bench.check(&token).await, Err(refused));
    }
    assert_eq!(bench.source.times_asked(), 1);
    // Whether an unknown key is a new one cannot be known while nobody can be asked.
    bench.source.fail(Some(AWAY));
    bench.clock.advance(FETCH_PAUSE);
    let token = broken_signature(&token_of("invented", &claims()));
    assert_eq!(bench.check(&token).await, Err(CheckError::NoKeys(AWAY)));
}

fn broken_signature(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{input}.{other}{}", &signature[1..])
}

#[tokio::test]
async fn what_is_no_jwt_is_refused_without_asking_anybody() {
    let bench = Bench::new();
    bench.source.fail(Some(AWAY));
    let by = Deadline::after(Duration::from_secs(30));
    let opaque = "0123456789abcdef".repeat(4);
    for text in [
        "",
        "nonsense",
        "a.b.c",
        r#"{"payload":"e30","signatures":[]}"#,
        &opaque,
    ] {
        let refused = Err(VerifyError::Invalid(Reason::TokenNotJwt));
        assert_eq!(bench.cache.verify(by, None, text).await, refused, "{text}");
    }
    assert_eq!(bench.source.times_asked(), 0);
}

#[tokio::test]
async fn what_the_token_server_learns() {
    let bench = Bench::new();
    let by = Deadline::after(Duration::from_secs(30));
    let verify = async |value: serde_json::Value| {
        let mut claims = claims();
        claims["fxa-generation"] = value;
        bench
            .cache
            .verify(by, None, &token(&claims))
            .await
            .map(|verified| verified.generation.0)
    };
    assert_eq!(verify(json!(1234)).await, Ok(1234));
    assert_eq!(verify(json!(0)).await, Ok(0));
    assert_eq!(verify(json!(i64::MAX)).await, Ok(i64::MAX as u64));
    for bad in [
        json!(i64::MAX as u64 + 1),
        json!(-1),
        json!(1.5),
        json!("1"),
        json!([1]),
        json!(true),
        json!(null),
    ] {
        assert_eq!(verify(bad.clone()).await, Err(VerifyError::Generation), "{bad}");
    }
    let mut absent = claims();
    absent.as_object_mut().unwrap().remove("fxa-generation");
    assert_eq!(
        bench
            .cache
            .verify(by, None, &token(&absent))
            .await
            .unwrap()
            .generation,
        Generation(0)
    );
}
