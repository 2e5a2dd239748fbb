//! The verifier against a server that answers, refuses, lies and keeps silent.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD as URL_SAFE;
use foxhold_core::record::Generation;
use foxhold_crypto::jws::Unsigned;
use foxhold_ports::memory::ManualClock;
use serde_json::{Value, json};

use super::{
    stand_in::{AccountsServer, DOMAIN, JWKS, VERIFY, other_jwk, verdict},
    *,
};
use crate::key_set::signing::{KID, NOW, SCOPE, UID, claims, jwk, sign, token, token_of};

const OPAQUE: &str = "4c1f0a9b4c1f0a9b4c1f0a9b4c1f0a9b4c1f0a9b4c1f0a9b4c1f0a9b4c1f0a9b";
const ASK_KEYS: &str = "GET /v1/jwks";
const ASK_TOKEN: &str = "POST /v1/verify";

struct Bench {
    server: AccountsServer,
    clock: Arc<ManualClock>,
    tokens: Arc<ForeignTokens>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut ForeignOauthSettings)) -> Self {
        let server = AccountsServer::start().await;
        let mut settings = server.settings();
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(NOW));
        let prepared = settings.prepare("accounts.example").unwrap();
        let home = Arc::new(HomeDomain::configured(DOMAIN));
        let tokens = ForeignTokens::new(&prepared, &home, Arc::new(Outbound::new()), clock.clone());
        Self {
            server,
            clock,
            tokens: Arc::new(tokens),
        }
    }

    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        let by = Deadline::after(Duration::from_secs(30));
        self.tokens.verify(by, client(1), token).await
    }

    /// Past every pause between two questions for keys, and before they count as old.
    fn wait(&self) {
        self.clock.advance(Duration::from_secs(10));
    }
}

/// An address.
fn client(last: u8) -> Option<IpAddr> {
    Some([192, 0, 2, last].into())
}

fn good(scope: &str) -> Result<VerifiedToken, VerifyError> {
    Ok(VerifiedToken {
        fxa_uid: UID.to_owned(),
        scope: scope.to_owned(),
        generation: Generation(1234),
    })
}

const fn outage<T>(cause: Cause) -> Result<T, VerifyError> {
    Err(VerifyError::Unavailable(cause))
}

/// A good token under another header.
fn with_header(header: &Value) -> String {
    let token = token(&claims());
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE.encode(header.to_string().as_bytes()))
}

#[tokio::test]
async fn a_signed_token_is_verified_here() {
    let bench = Bench::new().await;
    for _ in 0..5 {
        assert_eq!(bench.verify(&token(&claims())).await, good(SCOPE));
    }
    assert_eq!(bench.server.asked(ASK_KEYS), [""], "once, and nothing else");
    let mut claims = claims();
    claims["fxa-generation"] = json!("1234");
    assert_eq!(bench.verify(&token(&claims)).await, Err(VerifyError::Generation));
}

#[tokio::test]
async fn a_signed_token_that_is_bad_costs_no_question() {
    let bench = Bench::new().await;
    bench.verify(&token(&claims())).await.unwrap();
    bench.server.asked(ASK_KEYS);
    let mut expired = claims();
    expired["exp"] = json!(NOW.as_secs() - 61);
    let good = token(&claims());
    let (input, _) = good.rsplit_once('.').unwrap();
    let header = |alg: &str| json!({"alg": alg, "kid": KID, "typ": "at+jwt"});
    let with = |name: &str, value: Value| {
        let mut header = header("ES256");
        header[name] = value;
        with_header(&header)
    };
    let table = [
        ("expired", token(&expired), Reason::TokenExpired),
        ("no signature", format!("{input}."), Reason::TokenSignature),
        (
            "other header",
            with_header(&json!({"alg": "RS256", "kid": KID, "typ": "at+jwt", "a": 1})),
            Reason::TokenSignature,
        ),
        (
            "other type",
            sign(Unsigned::new(KID, "JWT", &claims())),
            Reason::TokenType,
        ),
        ("none", with_header(&header("none")), Reason::TokenHeader),
        ("None", with_header(&header("None")), Reason::TokenHeader),
        ("HS256", with_header(&header("HS256")), Reason::TokenHeader),
        ("invented", with_header(&header("XS256")), Reason::TokenHeader),
        ("own key", with("jwk", jwk(KID)), Reason::TokenHeader),
        (
            "own keys",
            with("jku", json!("https://evil.example/")),
            Reason::TokenHeader,
        ),
        (
            "own certificate",
            with("x5u", json!("https://evil.example/")),
            Reason::TokenHeader,
        ),
        ("extension", with("crit", json!(["exp"])), Reason::TokenHeader),
        ("no base64url", format!("{input}.?"), Reason::TokenNotJwt),
    ];
    for (name, bad, reason) in table {
        assert_eq!(
            bench.verify(&bad).await,
            Err(VerifyError::Invalid(reason)),
            "{name}"
        );
    }
    assert_eq!(bench.server.asked(ASK_TOKEN), Vec::<String>::new());
}

#[tokio::test]
async fn the_issuer_matters_where_one_is_configured() {
    let bench = Bench::with(|settings| settings.issuer = Some("https://accounts.example".to_owned())).await;
    assert_eq!(bench.verify(&token(&claims())).await, good(SCOPE));
    for other in [json!("https://accounts.example.evil"), json!(null)] {
        let mut claims = claims();
        claims["iss"] = other;
        let refused = Err(VerifyError::Invalid(Reason::TokenIssuer));
        assert_eq!(bench.verify(&token(&claims)).await, refused);
    }
}

#[tokio::test]
async fn about_other_tokens_the_server_is_asked() {
    let bench = Bench::new().await;
    bench.server.answer(VERIFY, 200, verdict().to_string());
    let both = format!("profile {SCOPE}");
    let other_algorithm = with_header(&json!({"alg": "ES256", "kid": "elliptic"}));
    for token in [OPAQUE, r#"{"a": "b c"}"#, " a\u{e9} ", "a.b.c", &other_algorithm] {
        assert_eq!(bench.verify(token).await, good(&both), "{token}");
        let asked = bench.server.asked(ASK_TOKEN);
        let [asked] = asked.as_slice() else {
            panic!("asked {asked:?}")
        };
        let asked: Value = serde_json::from_str(asked).unwrap();
        assert_eq!(asked, json!({"token": token}));
    }
    let long_jwt = format!("{other_algorithm}{}", "a".repeat(8192));
    for bad in [
        String::new(),
        "  ".to_owned(),
        "a".repeat(2049),
        "a\tb".to_owned(),
        long_jwt,
    ] {
        let refused = Err(VerifyError::Invalid(Reason::TokenNoToken));
        assert_eq!(bench.verify(&bad).await, refused);
    }
    assert_eq!(bench.server.asked(ASK_TOKEN), Vec::<String>::new());
}

#[tokio::test]
async fn where_the_server_is_not_asked_other_tokens_are_refused() {
    let bench = Bench::with(|settings| settings.verify_remotely = false).await;
    bench.server.answer(VERIFY, 200, verdict().to_string());
    let other_algorithm = with_header(&json!({"alg": "ES256"}));
    for (token, reason) in [
        (OPAQUE, Reason::TokenNotJwt),
        ("", Reason::TokenNotJwt),
        (&other_algorithm, Reason::TokenAlgorithm),
    ] {
        assert_eq!(bench.verify(token).await, Err(VerifyError::Invalid(reason)));
    }
    assert_eq!(bench.server.asked(ASK_TOKEN), Vec::<String>::new());
    assert_eq!(bench.verify(&token(&claims())).await, good(SCOPE));
}

#[tokio::test]
async fn what_its_answers_mean() {
    let bench = Bench::new().await;
    let refused = || Err(VerifyError::Invalid(Reason::TokenRefusedByServer));
    let text = verdict().to_string();
    let body = text.as_str();
    let table = [
        (400, body, refused()),
        (401, "", refused()),
        (403, "", refused()),
        (404, "<html>", refused()),
        (499, "", refused()),
        (408, "", outage(Cause::Timeout)),
        (429, "", outage(Cause::Overloaded)),
        (500, body, outage(Cause::Unavailable)),
        (503, "", outage(Cause::Unavailable)),
        (201, body, outage(Cause::Fault)),
        (204, "", outage(Cause::Fault)),
        (302, body, outage(Cause::Fault)),
        (200, "", outage(Cause::Fault)),
        (200, "<html>", outage(Cause::Fault)),
        (200, "null", outage(Cause::Fault)),
        (200, "[]", outage(Cause::Fault)),
        (200, "{}", outage(Cause::Fault)),
    ];
    for (status, body, expected) in table {
        bench.server.answer(VERIFY, status, body);
        assert_eq!(bench.verify(OPAQUE).await, expected, "{status} {body}");
    }
    let long = format!("{body}{}", " ".repeat(16 * 1024));
    for (name, bad) in [("more after it", format!("{body}{{}}")), ("too long", long)] {
        bench.server.answer(VERIFY, 200, bad);
        assert_eq!(bench.verify(OPAQUE).await, outage(Cause::Fault), "{name}");
    }
}

/// What the server says has the one form or says nothing.
#[tokio::test]
async fn members_of_its_answer() {
    let bench = Bench::new().await;
    let answer = async |member: &str, value: Option<Value>| {
        let mut body = verdict();
        let members = body.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(member.to_owned(), value),
            None => members.remove(member),
        };
        bench.server.answer(VERIFY, 200, body.to_string());
        bench.verify(OPAQUE).await
    };
    let faults = [
        ("user", None),
        ("user", Some(json!(7))),
        ("user", Some(json!(""))),
        ("user", Some(json!("me@evil.example"))),
        ("user", Some(json!("me\n"))),
        ("user", Some(json!("a".repeat(256)))),
        ("scope", None),
        ("scope", Some(json!(SCOPE))),
        ("scope", Some(json!([7]))),
        ("scope", Some(json!([""]))),
        ("scope", Some(json!([format!("profile {SCOPE}")]))),
        ("generation", Some(json!("1234"))),
        ("generation", Some(json!(1.5))),
        ("generation", Some(json!(-1))),
        ("generation", Some(json!(i64::MAX as u64 + 1))),
        ("issuer", Some(json!(7))),
        ("issuer", Some(json!("accounts.example"))),
        ("issuer", Some(json!(DOMAIN.to_uppercase()))),
    ];
    for (member, value) in faults {
        let said = answer(member, value.clone()).await;
        assert_eq!(said, outage(Cause::Fault), "{member}: {value:?}");
    }
    for (member, value) in [
        ("client_id", None),
        ("issuer", None),
        ("issuer", Some(json!(null))),
    ] {
        assert_eq!(
            answer(member, value).await,
            good(&format!("profile {SCOPE}")),
            "{member}"
        );
    }
    for value in [None, Some(json!(null)), Some(json!(0))] {
        let said = answer("generation", value).await.unwrap();
        assert_eq!(said.generation, Generation(0), "not reported");
    }
    let nothing = answer("scope", Some(json!([]))).await.unwrap();
    assert_eq!(nothing.scope, "");
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_says_nothing() {
    let bench = Bench::new().await;
    bench.server.hold(true);
    for token in [OPAQUE, &token(&claims())] {
        let soon = Deadline::after(Duration::from_millis(50));
        let said = bench.tokens.verify(soon, client(1), token).await;
        assert!(matches!(said, Err(VerifyError::Unavailable(_))), "{said:?}");
    }
    let mut bench = Bench::new().await;
    bench.server.stop().await;
    for token in [OPAQUE, &token(&claims())] {
        assert_eq!(bench.verify(token).await, outage(Cause::Unavailable));
    }
}

#[tokio::test]
async fn a_slow_server_does_not_keep_ever_more_requests() {
    let bench = Bench::with(|settings| settings.verifying_max = 1).await;
    bench.server.answer(VERIFY, 200, verdict().to_string());
    bench.server.hold(true);
    let tokens = bench.tokens.clone();
    let by = Deadline::after(Duration::from_secs(30));
    let first = tokio::spawn(async move { tokens.verify(by, client(1), OPAQUE).await });
    bench.server.until_asked().await;
    assert_eq!(bench.verify(OPAQUE).await, outage(Cause::Overloaded));
    bench.server.hold(false);
    assert!(first.await.unwrap().is_ok());
    assert!(bench.verify(OPAQUE).await.is_ok());
}

/// Who brings garbage from one place keeps an eighth of the turns, and the others get in.
#[tokio::test]
async fn one_client_cannot_take_all_turns() {
    let bench = Bench::with(|settings| settings.verifying_max = 16).await;
    bench.server.answer(VERIFY, 200, verdict().to_string());
    bench.server.hold(true);
    let by = Deadline::after(Duration::from_secs(30));
    let mut first: Vec<_> = (0..2)
        .map(|_| bench.tokens.verify(by, client(1), OPAQUE))
        .collect();
    for one in &mut first {
        assert!(futures_util::poll!(one).is_pending());
    }
    assert_eq!(bench.verify(OPAQUE).await, outage(Cause::Overloaded));
    let mut other = bench.tokens.verify(by, client(2), OPAQUE);
    assert!(futures_util::poll!(&mut other).is_pending());
    bench.server.hold(false);
    assert!(other.await.is_ok());
    for one in first {
        assert!(one.await.is_ok());
    }
}

/// Each lie is told twice: to somebody who knows no key yet, and to somebody who does.
#[tokio::test]
async fn key_sets_that_are_none() {
    let elliptic = json!({"kty": "EC", "crv": "P-256", "kid": KID, "x": "AA", "y": "AA"});
    let mut short = jwk(KID);
    short["n"] = json!(URL_SAFE.encode(&[0xff; 128]));
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let good = set(&[jwk(KID)]);
    let many: Vec<Value> = (0..17).map(|n| jwk(&format!("key-{n}"))).collect();
    let table = [
        ("nothing", 200, String::new(), Cause::Fault),
        ("a page", 200, "<html>".to_owned(), Cause::Fault),
        ("another document", 200, "{}".to_owned(), Cause::Fault),
        ("a single key", 200, jwk(KID).to_string(), Cause::Fault),
        ("no keys", 200, set(&[]), Cause::Fault),
        ("keys of another kind", 200, set(&[elliptic]), Cause::Fault),
        ("a key too short", 200, set(&[short]), Cause::Fault),
        ("too many keys", 200, set(&many), Cause::Fault),
        (
            "too long",
            200,
            format!("{good}{}", " ".repeat(64 * 1024)),
            Cause::Fault,
        ),
        ("elsewhere", 302, good.clone(), Cause::Fault),
        ("not there", 404, good.clone(), Cause::Fault),
        ("broken", 500, good.clone(), Cause::Unavailable),
    ];
    let valid = token(&claims());
    for (name, status, body, cause) in table {
        let bench = Bench::new().await;
        bench.server.answer(JWKS, status, body.as_str());
        assert_eq!(bench.verify(&valid).await, outage(cause), "{name}");
        bench.server.answer(JWKS, 200, good.as_str());
        bench.wait();
        assert!(bench.verify(&valid).await.is_ok(), "{name}");

        bench.server.answer(JWKS, status, body);
        bench.wait();
        let of_new_key = with_header(&json!({"alg": "RS256", "kid": "new", "typ": "at+jwt"}));
        assert_eq!(bench.verify(&of_new_key).await, outage(cause), "{name}");
        assert!(bench.verify(&valid).await.is_ok(), "{name}: the old keys go on");
        assert_eq!(bench.server.asked(ASK_TOKEN), Vec::<String>::new());
    }
}

#[tokio::test]
async fn keys_are_rotated() {
    let bench = Bench::new().await;
    bench.server.publish(&[other_jwk("old")]);
    let wrong = bench.verify(&token_of("old", &claims())).await;
    assert_eq!(wrong, Err(VerifyError::Invalid(Reason::TokenSignature)));

    bench.server.publish(&[jwk("new"), other_jwk("old")]);
    bench.wait();
    assert_eq!(bench.verify(&token_of("new", &claims())).await, good(SCOPE));

    // Invented names do not make it be asked again and again.
    bench.server.publish(&[other_jwk("newer")]);
    bench.wait();
    bench.server.asked(ASK_KEYS);
    for round in 0..10 {
        let invented = with_header(&json!({"alg": "RS256", "kid": round.to_string(), "typ": "at+jwt"}));
        let refused = Err(VerifyError::Invalid(Reason::TokenUnknownKey));
        assert_eq!(bench.verify(&invented).await, refused);
    }
    assert_eq!(bench.server.asked(ASK_KEYS).len(), 1);
    let gone = bench.verify(&token_of("new", &claims())).await;
    assert_eq!(gone, Err(VerifyError::Invalid(Reason::TokenUnknownKey)));
}

#[tokio::test]
async fn a_question_goes_on_when_nobody_waits_any_more() {
    let bench = Bench::new().await;
    bench.server.hold(true);
    let soon = Deadline::after(Duration::from_millis(50));
    let said = bench.tokens.verify(soon, client(1), &token(&claims())).await;
    assert_eq!(said, outage(Cause::Timeout));
    bench.server.hold(false);
    assert_eq!(bench.verify(&token(&claims())).await, good(SCOPE));
    assert_eq!(bench.server.asked(ASK_KEYS).len(), 1);
}

#[tokio::test]
async fn keys_from_files_are_all_that_count() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, key: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, key.to_string()).unwrap();
        path
    };
    let (first, second) = (
        write("first", &other_jwk("first")),
        write("second", &jwk("second")),
    );
    let bench = Bench::with(|settings| {
        settings.key_files = vec![first, second];
        settings.verify_remotely = false;
    })
    .await;
    assert_eq!(bench.verify(&token_of("second", &claims())).await, good(SCOPE));
    assert_eq!(bench.verify(&token_of("any name", &claims())).await, good(SCOPE));
    let wrong = bench.verify(&token_of("first", &claims())).await;
    assert_eq!(wrong, Err(VerifyError::Invalid(Reason::TokenSignature)));
    bench.wait();
    let of_no_key = with_header(&json!({"alg": "RS256", "kid": "none", "typ": "at+jwt"}));
    let unknown = bench.verify(&of_no_key).await;
    assert_eq!(unknown, Err(VerifyError::Invalid(Reason::TokenUnknownKey)));
    assert_eq!(bench.server.asked(ASK_KEYS), Vec::<String>::new());
}
