//! Both verifiers by one table of outcomes; and what only one of them can do wrong.

use std::collections::BTreeMap;

use foxhold_crypto::jws::Unsigned;
use foxhold_outbound::Outbound;
use foxhold_ports::memory::ManualClock;
use serde_json::{Value, json};

use super::{
    remote::{Audience, RemoteAssertions},
    *,
};
use crate::{
    foreign_oauth::stand_in::AccountsServer,
    issuer_documents::OwnDomain,
    key_set::{
        KeySetCache,
        signing::{KID, NOW, Published, UID, bundle, certificate, jwk, sign},
    },
};

const OWN: &str = "accounts.example";
const HOME: &str = "home.example";
const ISSUER: &str = "issuer.example";
const TRUSTED: &str = "trusted.example";
const ORIGIN: &str = "https://token.example";
const DOCUMENT: &str = "/.well-known/browserid";
const ASK: &str = "POST /v2";
const DSA_KEYS: &str = include_str!("../../../../libs/crypto/testdata/dsa-rfc-6979.json");

struct Bench {
    server: AccountsServer,
    here: Arc<Assertions>,
    remote: Arc<RemoteAssertions>,
}

/// What a verdict comes to for the exchange.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Outcome {
    Taken,
    Invalid,
    Time,
    Generation,
    KeysChangedAt,
    Outage,
}

fn outcome(verdict: &Result<VerifiedAssertion, AssertionError>) -> Outcome {
    match verdict {
        Ok(_) => Outcome::Taken,
        Err(AssertionError::Invalid(_)) => Outcome::Invalid,
        Err(AssertionError::Time(_)) => Outcome::Time,
        Err(AssertionError::Generation) => Outcome::Generation,
        Err(AssertionError::KeysChangedAt) => Outcome::KeysChangedAt,
        Err(AssertionError::Unavailable(_)) => Outcome::Outage,
    }
}

fn policy() -> ServicePolicy {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    ServicePolicy {
        allowed_issuers: names(&[OWN, HOME, ISSUER, TRUSTED]),
        trusted_issuers: names(&[TRUSTED]),
        ..ServicePolicy::default()
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(120))
}

fn client(last: u8) -> Option<IpAddr> {
    Some([192, 0, 2, last].into())
}

impl Bench {
    async fn new() -> Self {
        let server = AccountsServer::start().await;
        let clock = Arc::new(ManualClock::new(NOW));
        let outbound = Arc::new(Outbound::new());
        let published = Arc::new(Published::new(KID));
        let own = OwnDomain {
            domain: OWN.to_owned(),
            keys: Arc::new(KeySetCache::new(published, clock.clone())),
        };
        let documents =
            [ISSUER, TRUSTED, HOME].map(|domain| (domain.to_owned(), server.url(DOCUMENT).parse().unwrap()));
        let documents = BTreeMap::from(documents);
        let documents = IssuerDocuments::new(own, documents, outbound.clone(), clock.clone());
        let home = Arc::new(HomeDomain::configured(HOME));
        let here = Assertions {
            audience: ORIGIN.to_owned(),
            home: home.clone(),
            documents: Arc::new(documents),
            slow: SlowProofs::default(),
            clock: clock.clone(),
        };
        let settings = BrowserIdSettings {
            verifier_url: Some(server.url("/v2")),
            verifying_max: 8,
            ..BrowserIdSettings::default()
        };
        let audience = Audience {
            origin: ORIGIN.to_owned(),
            own_domain: OWN.to_owned(),
            home,
        };
        let verifier = settings.prepare(false).unwrap().unwrap();
        let remote = RemoteAssertions::new(&verifier, audience, outbound, clock);
        let bench = Self {
            server,
            here: Arc::new(here),
            remote: Arc::new(remote),
        };
        bench.publish();
        bench
    }

    fn publish(&self) {
        let document = json!({"public-key": jwk(KID), "authentication": "/a", "provisioning": "/p"});
        self.server.answer(DOCUMENT, 200, document.to_string());
    }

    async fn here(&self, bundle: &str) -> Result<VerifiedAssertion, AssertionError> {
        self.here.verify(soon(), client(1), bundle, &policy()).await
    }

    async fn remote(&self, bundle: &str) -> Result<VerifiedAssertion, AssertionError> {
        self.remote.verify(soon(), client(1), bundle, &policy()).await
    }

    /// Has the verifier say what one says of such a certificate.
    fn vouch(&self, certificate: &Value) {
        let claims = certificate.as_object().unwrap().iter();
        let of_idp = claims.filter(|(name, _)| name.starts_with("fxa-"));
        let of_idp: serde_json::Map<_, _> = of_idp
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let answer = json!({
            "status": "okay",
            "audience": ORIGIN,
            "email": certificate["principal"]["email"],
            "issuer": certificate["iss"],
            "expires": NOW.as_millis() + 1,
            "idpClaims": of_idp,
        });
        self.server.answer("/v2", 200, answer.to_string());
    }

    fn fail(&self, reason: &str) {
        let answer = json!({"status": "failure", "reason": reason});
        self.server.answer("/v2", 200, answer.to_string());
    }
}

/// Of an issuer, about the user of a domain.
fn vouched(issuer: &str, domain: &str) -> Value {
    let mut certificate = certificate();
    certificate["iss"] = json!(issuer);
    certificate["principal"] = json!({"email": format!("{UID}@{domain}")});
    certificate
}

fn assertion() -> Value {
    json!({"aud": ORIGIN, "exp": NOW.as_millis() + 300_000})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// What a bundle comes to that both verifiers find good as far as signatures and times go.
#[tokio::test]
async fn both_take_the_same() {
    let bench = Bench::new().await;
    let good = || vouched(ISSUER, ISSUER);
    let table = [
        ("good", good(), Outcome::Taken),
        ("own user", vouched(OWN, OWN), Outcome::Taken),
        ("user with access tokens", vouched(HOME, HOME), Outcome::Taken),
        (
            "trusted with others'",
            vouched(TRUSTED, "third.example"),
            Outcome::Taken,
        ),
        ("not with own users", vouched(TRUSTED, OWN), Outcome::Invalid),
        ("nor with those of home", vouched(TRUSTED, HOME), Outcome::Invalid),
        ("not trusted", vouched(ISSUER, "third.example"), Outcome::Invalid),
        (
            "not allowed",
            vouched("other.example", "other.example"),
            Outcome::Invalid,
        ),
        (
            "principal",
            vouched(ISSUER, "issuer.example@issuer.example"),
            Outcome::Invalid,
        ),
        (
            "unverified",
            with(good(), "fxa-tokenVerified", json!(false)),
            Outcome::Invalid,
        ),
        ("device", with(good(), "fxa-deviceId", json!(1)), Outcome::Invalid),
        (
            "generation",
            with(good(), "fxa-generation", json!(null)),
            Outcome::Generation,
        ),
        (
            "generation in words",
            with(good(), "fxa-generation", json!("1")),
            Outcome::Generation,
        ),
        (
            "keys",
            with(good(), "fxa-keysChangedAt", json!([1])),
            Outcome::KeysChangedAt,
        ),
    ];
    for (name, certificate, expected) in table {
        let bundle = bundle(&certificate, &assertion());
        bench.vouch(&certificate);
        let (here, remote) = (bench.here(&bundle).await, bench.remote(&bundle).await);
        assert_eq!((outcome(&here), outcome(&remote)), (expected, expected), "{name}");
        if let (Ok(here), Ok(remote)) = (here, remote) {
            assert!(here == remote, "{name}: two users of one bundle");
        }
    }
}

/// A service may take the users of some domains only, whoever vouches for them.
#[tokio::test]
async fn both_take_users_of_the_domains_that_a_service_names() {
    let bench = Bench::new().await;
    let table = [
        (vec![], "third.example", true),
        (vec!["third.example"], "third.example", true),
        (vec!["third.example", TRUSTED], TRUSTED, true),
        (vec!["third.example"], TRUSTED, false),
        (vec!["third.example"], "sub.third.example", false),
    ];
    for (domains, domain, is_taken) in table {
        let policy = ServicePolicy {
            allowed_email_domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            ..policy()
        };
        let certificate = vouched(TRUSTED, domain);
        bench.vouch(&certificate);
        let bundle = bundle(&certificate, &assertion());
        let verdicts = [
            bench.here.verify(soon(), client(1), &bundle, &policy).await,
            bench.remote.verify(soon(), client(1), &bundle, &policy).await,
        ];
        for verdict in verdicts {
            let refused = verdict.err();
            let expected = AssertionError::Invalid(Reason::BundleEmailDomainNotAllowed);
            assert_eq!(
                refused,
                (!is_taken).then_some(expected),
                "{domain} of {domains:?}"
            );
        }
    }
}

/// What a bundle comes to that a verifier finds bad.
#[tokio::test]
async fn both_refuse_the_same() {
    let bench = Bench::new().await;
    let now = NOW.as_millis();
    let good = || vouched(ISSUER, ISSUER);
    let forged = {
        let (certificate, assertion) = (bundle(&good(), &assertion()), assertion());
        let (certificate, _) = certificate.split_once('~').unwrap();
        let other = sign(Unsigned::new("", "JWT", &assertion));
        format!("{}AAAA~{other}", &certificate[..certificate.len() - 4])
    };
    let table = [
        (
            "expired assertion",
            bundle(&good(), &with(assertion(), "exp", json!(now - 120_000))),
            "assertion has expired",
            Outcome::Time,
        ),
        (
            "expired certificate",
            bundle(&with(good(), "exp", json!(now)), &assertion()),
            "certificate expired",
            Outcome::Time,
        ),
        (
            "of the future",
            bundle(&with(good(), "iat", json!(now + 60_000)), &assertion()),
            "assertion issued later than verification date",
            Outcome::Time,
        ),
        (
            "audience",
            bundle(&good(), &with(assertion(), "aud", json!("https://other.example"))),
            "audience mismatch: domain mismatch",
            Outcome::Invalid,
        ),
        ("signature", forged, "bad signature in chain", Outcome::Invalid),
    ];
    for (name, bundle, reason, expected) in table {
        bench.fail(reason);
        let (here, remote) = (bench.here(&bundle).await, bench.remote(&bundle).await);
        assert_eq!((outcome(&here), outcome(&remote)), (expected, expected), "{name}");
    }
    bench.server.asked(ASK);
    for garbage in [
        "",
        "a~b",
        "a.b.c",
        "a.b.c~a.b.c~a.b.c",
        "a.b.c~a.b.=",
        &"a".repeat(17_000),
    ] {
        let (here, remote) = (bench.here(garbage).await, bench.remote(garbage).await);
        let expected = (Outcome::Invalid, Outcome::Invalid);
        assert_eq!((outcome(&here), outcome(&remote)), expected, "{garbage:.20}");
    }
    assert_eq!(bench.server.asked(ASK).len(), 0, "garbage costs no question");
}

/// Nobody to ask is no verdict, whoever would have been asked.
#[tokio::test]
async fn for_both_an_outage_is_no_verdict() {
    let good = bundle(&vouched(ISSUER, ISSUER), &assertion());
    let okay = json!({"status": "okay"}).to_string();
    for (status, body) in [
        (500, okay.as_str()),
        (503, ""),
        (429, ""),
        (200, "<html>"),
        (200, "{}"),
        (200, &okay),
    ] {
        let bench = Bench::new().await;
        bench.server.answer("/v2", status, body);
        bench.server.answer(DOCUMENT, status, body);
        let (here, remote) = (bench.here(&good).await, bench.remote(&good).await);
        let expected = (Outcome::Outage, Outcome::Outage);
        assert_eq!((outcome(&here), outcome(&remote)), expected, "{status} {body}");
    }
    let mut bench = Bench::new().await;
    bench.server.stop().await;
    let (here, remote) = (bench.here(&good).await, bench.remote(&good).await);
    assert_eq!(
        (outcome(&here), outcome(&remote)),
        (Outcome::Outage, Outcome::Outage)
    );
}

/// Its refusals come with status 200; another status is about the asking, and a redirect is not followed.
#[tokio::test]
async fn only_status_200_is_a_verdict_of_the_verifier() {
    let bench = Bench::new().await;
    let good = bundle(&vouched(ISSUER, ISSUER), &assertion());
    for status in [201, 204, 302, 400, 401, 404] {
        bench
            .server
            .answer("/v2", status, json!({"status": "failure"}).to_string());
        assert_eq!(outcome(&bench.remote(&good).await), Outcome::Outage, "{status}");
    }
    bench.server.answer("/v2", 200, " ".repeat(17_000));
    assert_eq!(outcome(&bench.remote(&good).await), Outcome::Outage, "too long");
}

#[tokio::test]
async fn the_verifier_is_told_what_it_has_to_know() {
    let bench = Bench::new().await;
    let certificate = vouched(ISSUER, ISSUER);
    bench.vouch(&certificate);
    let bundle = bundle(&certificate, &assertion());
    assert!(bench.remote(&bundle).await.is_ok());
    let asked: Value = serde_json::from_str(&bench.server.asked(ASK)[0]).unwrap();
    let expected = json!({"assertion": bundle, "audience": ORIGIN, "trustedIssuers": [TRUSTED]});
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_slow_verifier_keeps_a_bounded_number_and_one_client_its_share() {
    let bench = Bench::new().await;
    let certificate = vouched(ISSUER, ISSUER);
    bench.vouch(&certificate);
    let bundle = bundle(&certificate, &assertion());
    let policy = policy();
    bench.server.hold(true);
    let mut waiting = Vec::new();
    for n in 0..8 {
        let mut one = bench.remote.verify(soon(), client(n), &bundle, &policy);
        assert!(futures_util::poll!(&mut one).is_pending());
        let again = bench.remote.verify(soon(), client(n), &bundle, &policy).await;
        assert_eq!(
            again.map(|_| ()),
            Err(AssertionError::Unavailable(Cause::Overloaded))
        );
        waiting.push(one);
    }
    let full = bench.remote.verify(soon(), client(9), &bundle, &policy).await;
    assert_eq!(
        full.map(|_| ()),
        Err(AssertionError::Unavailable(Cause::Overloaded))
    );
    let by = Deadline::after(Duration::from_millis(50));
    bench.server.hold(false);
    for one in waiting {
        assert!(one.await.is_ok());
    }
    bench.server.hold(true);
    let late = bench.remote.verify(by, client(1), &bundle, &policy).await;
    assert_eq!(
        late.map(|_| ()),
        Err(AssertionError::Unavailable(Cause::Unavailable))
    );
}

/// A bundle that says it is signed by DSA; its assertion is not.
fn by_dsa() -> String {
    let keys: Value = serde_json::from_str(DSA_KEYS).unwrap();
    let numbers = &keys["keys"][0];
    let mut certificate = vouched(ISSUER, ISSUER);
    certificate["public-key"] = json!({
        "algorithm": "DS", "y": numbers["y"], "p": numbers["p"], "q": numbers["q"], "g": numbers["g"],
    });
    let (certificate, _) = bundle(&certificate, &assertion())
        .split_once('~')
        .map(|(certificate, rest)| (certificate.to_owned(), rest.to_owned()))
        .unwrap();
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let (header, claims) = (part(r#"{"alg":"DS128"}"#), part(&assertion().to_string()));
    format!("{certificate}~{header}.{claims}.{}", part(&"s".repeat(40)))
}

/// However many bundles of old browsers come: they wait for each other, and nobody else does.
#[tokio::test]
async fn slow_signatures_are_verified_aside_and_a_few_at_once() {
    let bench = Bench::new().await;
    let wrong = AssertionError::Invalid(Reason::BundleAssertionSignature);
    assert_eq!(bench.here(&by_dsa()).await.map(|_| ()), Err(wrong));

    let held = bench.here.slow.hold().await;
    let by = Deadline::after(Duration::from_millis(50));
    let late = bench.here.verify(by, client(1), &by_dsa(), &policy()).await;
    assert_eq!(late.map(|_| ()), Err(AssertionError::Unavailable(Cause::Timeout)));
    let usual = bundle(&vouched(ISSUER, ISSUER), &assertion());
    assert!(bench.here(&usual).await.is_ok(), "RSA waits for nobody");

    let (slow, policy) = (by_dsa(), policy());
    let mut greedy: Vec<_> = (0..8)
        .map(|_| bench.here.verify(soon(), client(1), &slow, &policy))
        .collect();
    for one in &mut greedy {
        assert!(futures_util::poll!(one).is_pending());
    }
    let ninth = bench.here(&slow).await;
    assert_eq!(
        ninth.map(|_| ()),
        Err(AssertionError::Unavailable(Cause::Overloaded))
    );
    let mut other = bench.here.verify(soon(), client(2), &slow, &policy);
    assert!(futures_util::poll!(&mut other).is_pending());
    drop(held);
    greedy.push(other);
    for one in futures_util::future::join_all(greedy).await {
        assert_eq!(one.map(|_| ()), Err(wrong));
    }
}

#[test]
fn settings_that_cannot_be() {
    let check = |url: &str, verifying_max, has_documents| {
        let settings: BrowserIdSettings = toml::from_str(&format!("verifier_url = {url:?}")).unwrap();
        assert_eq!(settings.verifying_max, 64);
        let settings = BrowserIdSettings {
            verifying_max,
            ..settings
        };
        settings.prepare(has_documents).map(|verifier| verifier.unwrap())
    };
    let good = check("https://verifier.example/v2", 1, false).unwrap();
    assert_eq!((good.uri.path(), good.verifying_max), ("/v2", 1));
    for url in [
        "",
        "/v2",
        "https://verifier.example/",
        "https://v.example/v2?a=/v2",
        "ftp://v.example/v2",
    ] {
        assert!(
            matches!(check(url, 1, false), Err(BrowserIdError::Url(_))),
            "{url}"
        );
    }
    for turns in [0, 1025] {
        let refused = check("https://verifier.example/v2", turns, false);
        assert!(matches!(refused, Err(BrowserIdError::VerifyingMax)));
    }
    let idle = check("https://verifier.example/v2", 1, true);
    assert!(matches!(idle, Err(BrowserIdError::Documents)));
    let nothing_said: BrowserIdSettings = toml::from_str("").unwrap();
    assert!(nothing_said.certificates && nothing_said.prepare(true).unwrap().is_none());
    assert!(toml::from_str::<BrowserIdSettings>("verifier_url = \"x\"\ncolour = 1").is_err());
}

/// No reason is told as another.
#[test]
fn every_verdict_has_its_own_word() {
    for error in VerifyError::ALL {
        match refused(*error) {
            AssertionError::Invalid(reason) | AssertionError::Time(reason) => {
                assert_eq!(reason.code(), format!("bundle-{}", error.code()));
            }
            AssertionError::Generation | AssertionError::KeysChangedAt | AssertionError::Unavailable(_) => {}
        }
    }
}
