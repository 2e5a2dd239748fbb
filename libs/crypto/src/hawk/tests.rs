//! Vectors of `accounts.md` (b), `tokenserver.md` section 6 and `storage.md` section 22; the parser's table.

use foxhold_core::hex;
use proptest::prelude::*;

use super::*;

const SESSION_ID: &str = "c0a29dcf46174973da1378696e4c82ae10f723cf4f4d9f75e39f4ae3851595ab";
const SESSION_KEY: &str = "9d8f22998ee7f5798b887042466b72d53e56ab0c094388bf65831f702d2febc0";
const NODE_KEY: &[u8] = b"hVoV5k2-8wFeSb3nM6swG0faglJpDMEIFBZ7hnNiy10=";

fn session_key() -> [u8; 32] {
    hex::decode(SESSION_KEY).unwrap()
}

#[test]
fn an_accounts_post_with_payload_hash() {
    let body = br#"{"client_id":"5882386c6d801776","grant_type":"fxa-credentials","scope":"profile"}"#;
    let target = Target::parse("https://accounts.example.test/v1/oauth/token").unwrap();
    let key = session_key();
    let credentials = Credentials {
        id: SESSION_ID,
        key: &key,
    };
    // The header's charset is not part of the hash.
    let payload = Payload {
        content_type: "Application/JSON; charset=utf-8",
        body,
    };
    let value = sign(
        &credentials,
        &target.request("POST"),
        1_700_000_000,
        "j4h3g2",
        Some(payload),
    );
    assert_eq!(
        value,
        format!(
            "Hawk id=\"{SESSION_ID}\", ts=\"1700000000\", nonce=\"j4h3g2\", \
             hash=\"AbgVCOfndrWS8J0g4wEqBDsmJzezGp8eg1FwLSaoYt0=\", \
             mac=\"Dcsla0Kerz1Wp+ieGv/fAQYq0Qv2NDKeHY7HGoEm4Hc=\""
        )
    );
    let header = Header::parse(value.as_bytes()).unwrap();
    assert_eq!(
        (header.id(), header.ts_secs(), header.has_payload_hash()),
        (SESSION_ID, 1_700_000_000, true)
    );
    assert!(header.is_signed_by(&key, &target.request("POST")));
    assert!(header.payload_matches("application/json", body));
    assert!(!header.payload_matches("text/plain", body));
    assert!(!header.payload_matches("application/json", b"{}"));
}

/// Key, method, address, time, nonce, body, MAC.
type Row<'a> = (&'a [u8], &'a str, String, u64, &'a str, Option<&'a str>, &'a str);

#[test]
fn macs_of_the_contracts() {
    let session_key = session_key();
    let storage = "https://sync-1.example.com/1.5/42";
    let table: [Row<'_>; 9] = [
        (
            &session_key,
            "GET",
            "http://localhost:9000/v1/account/devices?filterIdleDevicesTimestamp=1698185600000".into(),
            1_700_000_000,
            "j4h3g2",
            None,
            "OaIm65iAJFQNQUHW4UELI9kFGB7I638fsxFkuTTSnMo=",
        ),
        (
            NODE_KEY,
            "GET",
            format!("{storage}/info/collections"),
            1_510_726_400,
            "j4h3g2",
            None,
            "ZLYu7DfurZgrqso9XvKaTkABU8RW2FlZAeLRWlQyCuU=",
        ),
        (
            NODE_KEY,
            "DELETE",
            storage.into(),
            1_510_726_401,
            "zX9_qq",
            None,
            "GKJuqFQtUlvmKRpV0+l2F+ShWmjUI9ZlxxHSaJiXu4E=",
        ),
        (
            b"Md8sY1QsFGemRCuFDy1EL3JQEyNKt9caaSPzx2Hr98k=",
            "GET",
            "http://example.com:8000/1.5/42/storage/bookmarks?full=1&limit=5".into(),
            1_510_726_402,
            "n0nce1",
            None,
            "wC5eeTyMC4eKBEOrHr6JiMjPjkp7Ev/8d9GxF37FX1Y=",
        ),
        (
            NODE_KEY,
            "PUT",
            format!("{storage}/storage/meta/global"),
            1_510_726_403,
            "AAECAwQFBgc=",
            None,
            "kwWXkfVSXLVYAV3ef7kc6mkRFty1m2HpTL+WBFPHe+A=",
        ),
        (
            NODE_KEY,
            "PUT",
            format!("{storage}/storage/meta/global"),
            1_510_726_404,
            "AAECAwQFBgc=",
            Some(r#"{"id":"global","payload":"{}"}"#),
            "nIkHP2yixZGnAOjEff7W1lL7xjFVn4ueUq2o8v0Cxvo=",
        ),
        (
            NODE_KEY,
            "GET",
            format!(
                "{storage}/storage/passwords?full=1&ids=%7B6820f3ca-6e8a-4ff4-8af7-8b3625d7d650%7D,a%20b&limit=1000"
            ),
            1_510_726_405,
            "n5",
            None,
            "JARc8fQh3DpkHlOMYI6h0fcqcvgE9CuVIMJ6k2xze2k=",
        ),
        (
            NODE_KEY,
            "GET",
            "https://sync-1.example.com/sync/1.5/42/storage/bookmarks?full=1&newer=1510726000.1&limit=1000"
                .into(),
            1_510_726_406,
            "n6",
            None,
            "1vWemJmkyJKdPs09Rr55LHoC58mX0zj7N5awTFRalHg=",
        ),
        (
            NODE_KEY,
            "POST",
            format!("{storage}/storage/history?batch=cm9sbC1vdmVy%3D%3D&commit=true"),
            1_510_726_407,
            "n7",
            None,
            "5UZQtvc2Tjq0kEayL/+9BwOAibkoxDfJQFEen6bPmKc=",
        ),
    ];
    for (key, method, url, ts, nonce, body, mac) in table {
        let target = Target::parse(&url).unwrap();
        let payload = body.map(|body| Payload {
            content_type: "text/plain",
            body: body.as_bytes(),
        });
        let value = sign(
            &Credentials { id: "id", key },
            &target.request(method),
            ts,
            nonce,
            payload,
        );
        assert!(
            value.ends_with(&format!(r#"mac="{mac}""#)),
            "{method} {url}: {value}"
        );
        if body.is_some() {
            assert!(value.contains(r#"hash="qOpijewPpFh1JLsQs3l2w+vR4s4P9uBo0hvEe1BqIEE=""#));
        }
        assert!(
            Header::parse(value.as_bytes())
                .unwrap()
                .is_signed_by(key, &target.request(method))
        );
    }
}

#[test]
fn anything_changed_breaks_the_mac() {
    let target = Target::parse("https://a.test/v1/x?y=1").unwrap();
    let request = target.request("GET");
    let value = sign(
        &Credentials {
            id: "id",
            key: b"key",
        },
        &request,
        17,
        "n",
        None,
    );
    let header = Header::parse(value.as_bytes()).unwrap();
    assert!(header.is_signed_by(b"key", &request));
    assert!(header.is_signed_by(
        b"key",
        &Request {
            host: "A.TEST",
            ..request
        }
    ));
    assert!(!header.is_signed_by(b"kez", &request));
    let others = [
        (
            "method",
            Request {
                method: "POST",
                ..request
            },
        ),
        (
            "path",
            Request {
                path_and_query: "/v1/x?y=2",
                ..request
            },
        ),
        (
            "host",
            Request {
                host: "b.test",
                ..request
            },
        ),
        ("port", Request { port: 80, ..request }),
    ];
    for (name, other) in others {
        assert!(!header.is_signed_by(b"key", &other), "{name}");
    }
    for (from, to) in [
        ("ts=\"17\"", "ts=\"18\""),
        ("nonce=\"n\"", "nonce=\"m\""),
        ("mac", "ext=\"e\", mac"),
    ] {
        let changed = value.replace(from, to);
        assert!(
            !Header::parse(changed.as_bytes())
                .unwrap()
                .is_signed_by(b"key", &request),
            "{from}"
        );
    }
}

#[test]
fn headers_that_are_read() {
    let table = [
        r#"Hawk id="i", ts="1", nonce="n", mac="m""#,
        r#"hAWK ts="1",nonce="n" ,  id="i",mac="m""#,
        r#"Hawk mac="m", nonce="a b", id="i", ts="1", hash="h", ext="a,b=c", app="a", dlg="d" "#,
        r#"Hawk id="i", ts="01", nonce="n", mac="m", app="a""#,
    ];
    for text in table {
        let header = Header::parse(text.as_bytes())
            .map_err(|error| (text, error))
            .unwrap();
        assert_eq!((header.id(), header.ts_secs()), ("i", 1), "{text}");
    }
}

#[test]
fn headers_that_are_refused() {
    let long = format!(r#"Hawk id="{}", ts="1", nonce="n", mac="m""#, "i".repeat(4096));
    let table: [(&str, HeaderError); 24] = [
        ("", HeaderError::OtherScheme),
        ("Haw", HeaderError::OtherScheme),
        (
            r#"Bearer id="i", ts="1", nonce="n", mac="m""#,
            HeaderError::OtherScheme,
        ),
        (
            r#"Hawkish id="i", ts="1", nonce="n", mac="m""#,
            HeaderError::OtherScheme,
        ),
        ("Hawk", HeaderError::Malformed),
        ("Hawk ", HeaderError::Malformed),
        (&long, HeaderError::Malformed),
        (r#"Hawk ts="1", nonce="n", mac="m""#, HeaderError::Malformed),
        (r#"Hawk id="i", nonce="n", mac="m""#, HeaderError::Malformed),
        (r#"Hawk id="i", ts="1", mac="m""#, HeaderError::Malformed),
        (r#"Hawk id="i", ts="1", nonce="n""#, HeaderError::Malformed),
        (
            r#"Hawk id="i", id="i", ts="1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="1", nonce="n", mac="m", x="y""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk ID="i", ts="1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="", ts="1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="-1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="+1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="1.5", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="99999999999999999999", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="1", nonce="n\", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i" ts="1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="1", nonce="n", mac="m","#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="é", ts="1", nonce="n", mac="m""#,
            HeaderError::Malformed,
        ),
        (
            r#"Hawk id="i", ts="1", nonce="n", mac="m", dlg="d""#,
            HeaderError::Malformed,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(Header::parse(text.as_bytes()).err(), Some(expected), "{text}");
    }
    assert_eq!(
        Header::parse(b"Hawk id=\"\xff\"").err(),
        Some(HeaderError::Malformed)
    );
}

#[test]
fn a_replay_mark_tells_requests_apart() {
    let mark = |text: &str| Header::parse(text.as_bytes()).unwrap().replay_mark();
    let first = mark(r#"Hawk id="i", ts="1", nonce="n", mac="m""#);
    assert_eq!(first, mark(r#"hawk mac="m", id="i",ts="1",nonce="n""#));
    for other in [
        r#"Hawk id="j", ts="1", nonce="n", mac="m""#,
        r#"Hawk id="i", ts="2", nonce="n", mac="m""#,
        r#"Hawk id="i", ts="1", nonce="nm", mac="m""#,
        r#"Hawk id="i", ts="1", nonce="n", mac="n""#,
    ] {
        assert_ne!(first, mark(other), "{other}");
    }
}

#[test]
fn addresses_split_as_on_the_request_line() {
    let table = [
        ("https://a.test", Some(("a.test", 443, "/"))),
        ("http://A.test:8080/x?y#z", Some(("a.test", 8080, "/x?y"))),
        ("http://a.test?y", Some(("a.test", 80, "/?y"))),
        ("http://[::1]:9000/", Some(("[::1]", 9000, "/"))),
        ("ftp://a.test/", None),
        ("http://user@a.test/", None),
        ("http:///x", None),
        ("http://a.test:65536/", None),
        ("http://a.test:+1/", None),
        ("http://a.test/a b", None),
        ("http://[::1/", None),
        ("/x", None),
    ];
    for (url, expected) in table {
        let target = Target::parse(url).ok();
        let found = target
            .as_ref()
            .map(|to| (to.host.as_str(), to.port, to.path_and_query.as_str()));
        assert_eq!(found, expected, "{url}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Header::parse(&bytes);
        let _ = Header::parse(&[b"Hawk ", bytes.as_slice()].concat());
    }

    #[test]
    fn what_is_signed_verifies(
        key in proptest::collection::vec(any::<u8>(), 0..100),
        id in "[ !#-\\[\\]-~]{1,80}",
        nonce in "[ !#-\\[\\]-~]{1,20}",
        ts in any::<u64>(),
        path in "/[!-~]{0,40}",
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)),
    ) {
        let request = Request { method: "PUT", path_and_query: &path, host: "h", port: 1 };
        let payload = body.as_deref().map(|body| Payload { content_type: "a/b", body });
        let value = sign(&Credentials { id: &id, key: &key }, &request, ts, &nonce, payload);
        let header = Header::parse(value.as_bytes()).unwrap();
        prop_assert_eq!((header.id(), header.ts_secs()), (id.as_str(), ts));
        prop_assert!(header.is_signed_by(&key, &request));
        prop_assert!(header.payload_matches("a/b", body.as_deref().unwrap_or_default()));
    }
}
