//! The vectors of `storage.md` 22 and `tokenserver.md` 6, and every way to be refused.

use foxhold_crypto::{
    hawk::{Credentials, Payload, sign},
    node_token::{NodeTokenClaims, mint},
};

use super::*;

const V1_TOKEN: &str = "eyJub2RlIjoiaHR0cHM6Ly9zeW5jLTEuZXhhbXBsZS5jb20iLCJmeGFfa2lkIjoiMTUxMDcyNjMxNzAwMC1BU05GWjRtcnplOEJJMFZuaWF2Tjd3IiwiZnhhX3VpZCI6ImExYjJjM2Q0ZTVmNjA3MTgyOTNhNGI1YzZkN2U4ZjkwIiwiaGFzaGVkX2RldmljZV9pZCI6IjFhZjc3NGQzZGU1NWU2ZDcwZTk1MDM1M2YyZGY2NjJmIiwiaGFzaGVkX2Z4YV91aWQiOiI3Mjc0YzcwNWRmMWVjODMzNDQ0YTE3NWIxZDM0ZWIzNyIsImV4cGlyZXMiOjE4OTM0NTYwMDAsInVpZCI6NDIsInRva2Vuc2VydmVyX29yaWdpbiI6InJ1c3QiLCJzYWx0IjoiYTFiMmMzIn0Zkh7OVzLxdZ18R0PLyzi0sf_2z7wBC-8fRDvyu3Vr7w==";
const V1_SECRET: &str = "Ted Koppel is a robot";
const V2_TOKEN: &str = "eyJ1aWQiOiA0MiwgIm5vZGUiOiAiaHR0cHM6Ly9leGFtcGxlLmNvbSIsICJleHBpcmVzIjogMTg5MzQ1NjAwMCwgImZ4YV91aWQiOiAidGVzdHVzZXIiLCAiZnhhX2tpZCI6ICIwMDAwMDAwMDAxMjM0LXFxbyIsICJzYWx0IjogIjAwZmYxMCJ9s3PWfDVac5rv1jrXPSCi_Ymsw67Th18ccc8L7pjzxLA=";
const BODY_HASH: &str = "qOpijewPpFh1JLsQs3l2w+vR4s4P9uBo0hvEe1BqIEE=";
const NOW: Timestamp = Timestamp::from_secs(1_510_726_400);

fn secrets(texts: &[&str]) -> NodeSecrets {
    let secrets = texts
        .iter()
        .map(|text| NodeSecret::new(SecretText::new((*text).into())));
    NodeSecrets::new(secrets.collect()).unwrap()
}

fn node(url: &str, texts: &[&str]) -> NodeAuth {
    NodeAuth::new(vec![NodeName::parse(url).unwrap()], secrets(texts))
}

fn request<'a>(method: &'a str, path_and_query: &'a str, authorization: &'a str) -> SignedRequest<'a> {
    SignedRequest {
        method,
        path_and_query,
        authorization: Some(authorization.as_bytes()),
        host: None,
        uid: 42,
        serves_expired: false,
    }
}

fn header(token: &str, ts: &str, nonce: &str, mac: &str) -> String {
    format!(r#"Hawk ts="{ts}", nonce="{nonce}", id="{token}", mac="{mac}""#)
}

fn failure(result: Result<NodeUser<'_>, AuthFailure>) -> Option<AuthFailure> {
    result.err()
}

#[test]
fn the_vectors_of_both_contracts_are_let_in() {
    let filtered =
        "/1.5/42/storage/passwords?full=1&ids=%7B6820f3ca-6e8a-4ff4-8af7-8b3625d7d650%7D,a%20b&limit=1000";
    let table = [
        (
            "GET",
            "/1.5/42/info/collections",
            "1510726400",
            "j4h3g2",
            "ZLYu7DfurZgrqso9XvKaTkABU8RW2FlZAeLRWlQyCuU=",
        ),
        (
            "DELETE",
            "/1.5/42",
            "1510726401",
            "zX9_qq",
            "GKJuqFQtUlvmKRpV0+l2F+ShWmjUI9ZlxxHSaJiXu4E=",
        ),
        (
            "PUT",
            "/1.5/42/storage/meta/global",
            "1510726403",
            "AAECAwQFBgc=",
            "kwWXkfVSXLVYAV3ef7kc6mkRFty1m2HpTL+WBFPHe+A=",
        ),
        (
            "GET",
            filtered,
            "1510726405",
            "n5",
            "JARc8fQh3DpkHlOMYI6h0fcqcvgE9CuVIMJ6k2xze2k=",
        ),
        (
            "POST",
            "/1.5/42/storage/history?batch=cm9sbC1vdmVy%3D%3D&commit=true",
            "1510726407",
            "n7",
            "5UZQtvc2Tjq0kEayL/+9BwOAibkoxDfJQFEen6bPmKc=",
        ),
    ];
    let auth = node("https://sync-1.example.com", &["older", V1_SECRET, "newer"]);
    for (method, path, ts, nonce, mac) in table {
        let header = header(V1_TOKEN, ts, nonce, mac);
        let user = auth
            .check(&request(method, path, &header), NOW)
            .unwrap_or_else(|why| panic!("{path}: {why}"));
        assert_eq!(user.uid.get(), 42);
        assert_eq!(
            user.hashed_fxa_uid.as_deref(),
            Some("7274c705df1ec833444a175b1d34eb37")
        );
        assert_eq!(
            user.check_payload("text/plain", b"whatever, nothing was signed"),
            Ok(())
        );
    }
}

#[test]
fn a_node_under_a_path_signs_the_whole_request_line() {
    // The vector's token names a node without prefix; only host and port matter to the MAC.
    let path = "/sync/1.5/42/storage/bookmarks?full=1&newer=1510726000.1&limit=1000";
    let header = header(
        V1_TOKEN,
        "1510726406",
        "n6",
        "1vWemJmkyJKdPs09Rr55LHoC58mX0zj7N5awTFRalHg=",
    );
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    assert_eq!(failure(auth.check(&request("GET", path, &header), NOW)), None);
}

#[test]
fn the_reduced_token_of_another_writer_is_read_behind_a_trusted_host_header() {
    let header = header(
        V2_TOKEN,
        "1510726402",
        "n0nce1",
        "wC5eeTyMC4eKBEOrHr6JiMjPjkp7Ev/8d9GxF37FX1Y=",
    );
    let mut auth = node("https://example.com", &["secret0"]);
    let mut request = request("GET", "/1.5/42/storage/bookmarks?full=1&limit=5", &header);
    request.host = Some("example.com:8000");
    assert_eq!(failure(auth.check(&request, NOW)), Some(AuthFailure::Mac));
    auth.trust_host = true;
    assert_eq!(failure(auth.check(&request, NOW)), None);
}

#[test]
fn a_signed_payload_hash_must_be_that_of_the_body() {
    let mac = "nIkHP2yixZGnAOjEff7W1lL7xjFVn4ueUq2o8v0Cxvo=";
    let header = format!(
        r#"{}, hash="{BODY_HASH}""#,
        header(V1_TOKEN, "1510726404", "AAECAwQFBgc=", mac)
    );
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    let request = request("PUT", "/1.5/42/storage/meta/global", &header);
    let user = auth.check(&request, NOW).map_err(|why| why.label()).ok().unwrap();
    let body = br#"{"id":"global","payload":"{}"}"#;
    assert_eq!(user.check_payload("Text/Plain; charset=utf-8", body), Ok(()));
    assert_eq!(user.check_payload("text/plain", b"{}"), Err(AuthFailure::Hash));
    assert_eq!(
        user.check_payload("application/json", body),
        Err(AuthFailure::Hash)
    );
}

const INFO: &str = "/1.5/42/info/collections";
const INFO_MAC: &str = "ZLYu7DfurZgrqso9XvKaTkABU8RW2FlZAeLRWlQyCuU=";

#[test]
fn every_other_way_is_refused_for_its_own_reason() {
    let good = header(V1_TOKEN, "1510726400", "j4h3g2", INFO_MAC);
    let short = header(
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "1510726400",
        "j4h3g2",
        INFO_MAC,
    );
    let unpadded = header(V1_TOKEN.trim_end_matches('='), "1510726400", "j4h3g2", INFO_MAC);
    let twice = format!(r#"{good}, nonce="j4h3g2""#);
    let table = [
        ("Bearer x", AuthFailure::Header),
        ("", AuthFailure::Header),
        (&twice, AuthFailure::Header),
        (&header(V1_TOKEN, "soon", "j4h3g2", INFO_MAC), AuthFailure::Header),
        (&short, AuthFailure::Decode),
        (&unpadded, AuthFailure::Decode),
        (
            &header(V2_TOKEN, "1510726400", "j4h3g2", INFO_MAC),
            AuthFailure::Signature,
        ),
        (
            &header(V1_TOKEN, "1510726401", "j4h3g2", INFO_MAC),
            AuthFailure::Mac,
        ),
        (
            &header(V1_TOKEN, "1510726400", "j4h3g3", INFO_MAC),
            AuthFailure::Mac,
        ),
    ];
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    for (authorization, why) in table {
        assert_eq!(
            failure(auth.check(&request("GET", INFO, authorization), NOW)),
            Some(why),
            "{authorization}"
        );
    }
    assert_eq!(
        failure(auth.check(
            &SignedRequest {
                authorization: None,
                ..request("GET", INFO, "")
            },
            NOW
        )),
        Some(AuthFailure::Header)
    );
    assert_eq!(
        failure(auth.check(&request("HEAD", INFO, &good), NOW)),
        Some(AuthFailure::Mac)
    );
    assert_eq!(
        failure(auth.check(
            &SignedRequest {
                uid: 43,
                ..request("GET", INFO, &good)
            },
            NOW
        )),
        Some(AuthFailure::Uid)
    );
    let elsewhere = node("https://sync-2.example.com", &[V1_SECRET]);
    assert_eq!(
        failure(elsewhere.check(&request("GET", INFO, &good), NOW)),
        Some(AuthFailure::Node)
    );
    let next_year = NOW.plus(Duration::from_secs(52 * 7 * 86_400 + 1));
    assert_eq!(
        failure(auth.check(&request("GET", INFO, &good), next_year)),
        Some(AuthFailure::Expired)
    );
}

#[test]
fn an_expired_token_serves_marked_requests_for_its_grace() {
    let secret = NodeSecret::new(SecretText::new(V1_SECRET.into()));
    let claims = NodeTokenClaims {
        node: "https://sync-1.example.com".into(),
        fxa_kid: String::new(),
        fxa_uid: String::new(),
        hashed_device_id: String::new(),
        hashed_fxa_uid: String::new(),
        expires_secs: NOW.as_secs(),
        uid: ServiceUid::new(42).unwrap(),
        salt: [1, 2, 3],
    };
    let token = mint(&claims, &secret);
    let credentials = Credentials {
        id: &token.token,
        key: token.key.expose().as_bytes(),
    };
    let target = Target::parse("https://sync-1.example.com/1.5/42/info/collections").unwrap();
    let header = sign(
        &credentials,
        &target.request("GET"),
        NOW.as_secs(),
        "n",
        None::<Payload<'_>>,
    );
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    let check = |serves_expired, offset_secs: i64| {
        let now = Timestamp::from_secs(NOW.as_secs().saturating_add_signed(offset_secs));
        auth.check(
            &SignedRequest {
                serves_expired,
                ..request("GET", INFO, &header)
            },
            now,
        )
        .map(|user| user.token_expired)
    };
    assert_eq!(check(false, -1), Ok(false));
    assert_eq!(check(false, 0), Err(AuthFailure::Expired));
    assert_eq!(check(true, 60), Ok(true));
    assert_eq!(check(true, 7199), Ok(true));
    assert_eq!(check(true, 7200), Err(AuthFailure::Expired));
}

#[test]
fn other_secrets_count_from_the_next_request_on() {
    let good = header(V1_TOKEN, "1510726400", "j4h3g2", INFO_MAC);
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    let table: [(&[&str], Option<AuthFailure>); 4] = [
        // A rotation: appended, then the old one dropped; then a revocation that is taken back.
        (&[V1_SECRET, "newer"], None),
        (&["newer"], Some(AuthFailure::Signature)),
        (&["newest"], Some(AuthFailure::Signature)),
        (&["newest", V1_SECRET], None),
    ];
    for (texts, expected) in table {
        auth.replace_secrets(secrets(texts));
        let checked = failure(auth.check(&request("GET", INFO, &good), NOW));
        assert_eq!(checked, expected, "{texts:?}");
    }
}

#[test]
fn requests_under_way_are_not_disturbed_by_other_secrets() {
    let good = header(V1_TOKEN, "1510726400", "j4h3g2", INFO_MAC);
    let auth = node("https://sync-1.example.com", &[V1_SECRET]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let checked = failure(auth.check(&request("GET", INFO, &good), NOW));
                    assert_eq!(checked, None);
                }
            });
        }
        for round in 0..200 {
            auth.replace_secrets(secrets(&[V1_SECRET, &format!("secret {round}")]));
        }
    });
}

#[test]
fn the_documentation_for_other_languages_has_the_same_vectors() {
    let text = include_str!("../../../docs/nodes.md");
    for vector in [
        V1_SECRET,
        V1_TOKEN,
        V2_TOKEN,
        BODY_HASH,
        INFO_MAC,
        "GKJuqFQtUlvmKRpV0+l2F+ShWmjUI9ZlxxHSaJiXu4E=",
        "kwWXkfVSXLVYAV3ef7kc6mkRFty1m2HpTL+WBFPHe+A=",
        "nIkHP2yixZGnAOjEff7W1lL7xjFVn4ueUq2o8v0Cxvo=",
        "wC5eeTyMC4eKBEOrHr6JiMjPjkp7Ev/8d9GxF37FX1Y=",
    ] {
        assert!(text.contains(vector), "{vector}");
    }
    for failure in [
        AuthFailure::Header,
        AuthFailure::Decode,
        AuthFailure::Signature,
        AuthFailure::Expired,
        AuthFailure::Node,
        AuthFailure::Uid,
        AuthFailure::Mac,
        AuthFailure::Hash,
    ] {
        assert!(text.contains(&format!("`{}`", failure.label())), "{failure}");
    }
}
