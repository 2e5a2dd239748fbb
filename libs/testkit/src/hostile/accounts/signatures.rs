//! Hawk, wrong in every part (`accounts.md` (b)): 109 for a signature that does not hold, 110 for a token that is none.
//! What is wrong with its time is in [`times`](super::times).

use super::Cast;
use crate::{
    hostile::{
        row::{Expected, Row},
        signer::{Signer, Signing},
        wire::RawRequest,
    },
    person::unique_hex,
};

pub(super) const STATUS: &str = "/v1/session/status";
pub(super) const DEVICE: &str = "/v1/account/device";
/// Takes a body only under the signature.
const KEY_DATA: &str = "/v1/account/scoped-key-data";
const KEY_DATA_BODY: &[u8] =
    br#"{"client_id":"5882386c6d801776","scope":"https://identity.mozilla.com/apps/oldsync"}"#;

const FORGOT: &str = "/v1/password/forgot/status";
const FINISH: &str = "/v1/password/change/finish";
const RESET: &str = "/v1/account/reset";
const DESTROY: &str = "/v1/account/destroy";

pub(super) const BAD_SIGNATURE: Expected = Expected::Accounts(401, &[109]);
pub(super) const BAD_TOKEN: Expected = Expected::Accounts(401, &[110]);
pub(super) const FINE: Expected = Expected::Status(200);

pub(super) fn get(cast: &Cast, name: &str, header: impl Into<Vec<u8>>, expected: Expected) -> Row {
    let request = RawRequest::new("GET", STATUS).header("authorization", header);
    Row::new(format!("Hawk: {name}"), &cast.host, &request, expected)
}

/// Headers that cannot be read.
#[must_use]
pub fn syntax_rows(cast: &Cast) -> Vec<Row> {
    let right = || cast.session.signing("GET", STATUS).header();
    let without = |name: &str| {
        let header = right();
        let at = header.find(&format!("{name}=")).unwrap_or_default();
        let rest = &header[at..];
        let after = rest.find(", ").map_or("", |comma| &rest[comma + 2..]);
        format!("{}{after}", &header[..at])
            .trim_end_matches([',', ' '])
            .to_owned()
    };
    let changed = |from: &str, to: &str| right().replacen(from, to, 1);
    let mut not_ascii = right().into_bytes();
    not_ascii.insert(not_ascii.len() - 1, 0xff);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("no attributes", "Hawk".into()),
        ("nothing behind the scheme", "Hawk ".into()),
        ("only commas", "Hawk ,,,".into()),
        ("no id", without("id").into()),
        ("no ts", without("ts").into()),
        ("no nonce", without("nonce").into()),
        ("no mac", without("mac").into()),
        ("an unknown attribute", format!("{}, foo=\"bar\"", right()).into()),
        (
            "id twice",
            format!("{}, id=\"{}\"", right(), cast.session.id).into(),
        ),
        ("mac twice", format!("{}, mac=\"x\"", right()).into()),
        ("ts twice", format!("{}, ts=\"1\"", right()).into()),
        ("no quotes", right().replace('"', "").into()),
        ("single quotes", right().replace('"', "'").into()),
        ("a quote that stays open", right().trim_end_matches('"').into()),
        ("no commas", right().replace(", ", " ").into()),
        ("garbage behind it", format!("{} garbage", right()).into()),
        ("a letter beyond ASCII", not_ascii),
        ("an id that is empty", changed(&cast.session.id, "").into()),
        (
            "more than 4096 bytes",
            format!("{}, ext=\"{}\"", right(), "x".repeat(4096)).into(),
        ),
        ("30 KB of commas", format!("Hawk {}", ", ".repeat(4_000)).into()),
        (
            "a backslash in the nonce",
            changed("nonce=\"", "nonce=\"\\").into(),
        ),
    ];
    let mut rows: Vec<Row> = table
        .into_iter()
        .map(|(name, header)| {
            let expected = match name {
                // Whether an empty id is no syntax or no token is left open.
                "an id that is empty" => Expected::Accounts(401, &[109, 110]),
                _ => BAD_SIGNATURE,
            };
            get(cast, name, header, expected)
        })
        .collect();
    for (name, ts) in [
        ("a word", "abc"),
        ("negative", "-1"),
        ("a fraction", "1.5"),
        ("empty", ""),
    ] {
        let mut signing = cast.session.signing("GET", STATUS);
        signing.ts = ts.into();
        rows.push(get(
            cast,
            &format!("a time that is {name}"),
            signing.header(),
            BAD_SIGNATURE,
        ));
    }
    let twice = RawRequest::new("GET", STATUS)
        .header("authorization", right())
        .header("authorization", right());
    rows.push(Row::new(
        "Hawk: two headers",
        &cast.host,
        &twice,
        Expected::Accounts(401, &[109, 110]),
    ));
    for (name, header) in [
        ("lower case", changed("Hawk", "hawk")),
        ("upper case", changed("Hawk", "HAWK")),
    ] {
        rows.push(get(cast, &format!("scheme in {name} is fine"), header, FINE));
    }
    rows
}

/// Ids that are none: refused whatever the rest is.
#[must_use]
pub fn id_rows(cast: &Cast) -> Vec<Row> {
    let id = &cast.session.id;
    let mut rows: Vec<Row> = [
        ("cut", id[..63].to_owned()),
        ("too long", format!("{id}0")),
        (
            "in upper case",
            id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
        ),
        ("not hex", format!("{}g", &id[..63])),
        ("with a blank", format!("{} ", &id[..63])),
        (
            "a path",
            "../../../../../../../../../../../../../../../../../../../etc/passw".to_owned(),
        ),
        ("unknown", unique_hex()),
        ("all zeros", "0".repeat(64)),
        ("the uid", cast.person.uid.clone()),
        ("of a key-fetch token", cast.key_fetch.id.clone()),
    ]
    .into_iter()
    .map(|(name, id)| {
        let mut signing = cast.session.signing("GET", STATUS);
        signing.id = id;
        get(cast, &format!("an id {name}"), signing.header(), BAD_TOKEN)
    })
    .collect();
    for (name, method, path, signer) in [
        ("a key-fetch token for a session", "GET", STATUS, &cast.key_fetch),
        ("a session for keys", "GET", "/v1/account/keys", &cast.session),
        ("a change token for a session", "GET", STATUS, &cast.change),
        ("a reset token for a session", "GET", STATUS, &cast.reset),
        ("a session for a forgot token", "GET", FORGOT, &cast.session),
        ("a reset token for a forgot token", "GET", FORGOT, &cast.reset),
        ("a forgot token that is spent", "GET", FORGOT, &cast.spent),
        ("a session for a change token", "POST", FINISH, &cast.session),
        ("a reset token for a change token", "POST", FINISH, &cast.reset),
        ("a change token for a reset token", "POST", RESET, &cast.change),
        ("a forgot token for a reset token", "POST", RESET, &cast.forgot),
        (
            "a key-fetch token where one may be",
            "POST",
            DESTROY,
            &cast.key_fetch,
        ),
    ] {
        let request = signer.request(method, path);
        rows.push(Row::new(format!("Hawk: {name}"), &cast.host, &request, BAD_TOKEN));
    }
    rows
}

/// Signatures over something else.
#[must_use]
pub fn mac_rows(cast: &Cast) -> Vec<Row> {
    let signing = || cast.session.signing("GET", STATUS);
    let mac = signing().mac();
    let with = |change: fn(&mut Signing)| {
        let said = signing();
        let mut signed = said.clone();
        change(&mut signed);
        said.header_with_mac(&signed.mac())
    };
    let foreign_key = Signer::new(&cast.root, cast.session.id.clone(), vec![0; 32]);
    let mut rows = vec![
        get(
            cast,
            "another method",
            with(|s| s.method = "POST".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "the method in lower case",
            with(|s| s.method = "get".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "another host",
            with(|s| s.host = "evil.example".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "the address as host",
            with(|s| s.host = "127.0.0.1".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "another port",
            with(|s| s.port = s.port.wrapping_add(1)),
            BAD_SIGNATURE,
        ),
        get(cast, "the scheme's port", with(|s| s.port = 80), BAD_SIGNATURE),
        get(
            cast,
            "another path",
            with(|s| s.target = "/v1/account/devices".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "a query more",
            with(|s| s.target.push_str("?a=b")),
            BAD_SIGNATURE,
        ),
        get(cast, "a slash more", with(|s| s.target.push('/')), BAD_SIGNATURE),
        get(
            cast,
            "an encoded path",
            with(|s| s.target = "/v1/session/%73tatus".into()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "another time",
            signing().header_with_mac(&signing().at(-5).mac()),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "another request's mac",
            signing().header_with_mac(&mac),
            BAD_SIGNATURE,
        ),
        get(cast, "an empty mac", signing().header_with_mac(""), BAD_SIGNATURE),
        get(
            cast,
            "a short mac",
            signing().header_with_mac("AAAA"),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "a mac that is no base64",
            signing().header_with_mac("!!!!"),
            BAD_SIGNATURE,
        ),
        get(
            cast,
            "a mac of zeros",
            signing().header_with_mac("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            BAD_SIGNATURE,
        ),
    ];
    let unpadded = signing();
    let short = unpadded.mac().trim_end_matches('=').to_owned();
    rows.push(get(
        cast,
        "a mac without padding",
        unpadded.header_with_mac(&short),
        BAD_SIGNATURE,
    ));
    let mut unsaid = signing();
    unsaid.ext = Some("said only in the signature".into());
    let mac = unsaid.mac();
    rows.push(get(
        cast,
        "ext left out",
        Signing { ext: None, ..unsaid }.header_with_mac(&mac),
        BAD_SIGNATURE,
    ));
    if let Ok(foreign) = foreign_key {
        rows.push(get(
            cast,
            "another key",
            foreign.signing("GET", STATUS).header(),
            BAD_SIGNATURE,
        ));
    }
    let mut extended = signing();
    extended.ext = Some("anything".into());
    rows.push(get(cast, "ext is fine", extended.header(), FINE));
    let mut delegated = signing();
    delegated.app_dlg = Some(("app".into(), "dlg".into()));
    rows.push(get(cast, "app and dlg are fine", delegated.header(), FINE));
    rows
}

/// The other calls that take a body only under the signature, each with its own token: without a hash, and with another's.
#[must_use]
pub fn uncovered_rows(cast: &Cast) -> Vec<Row> {
    let calls = [
        (FINISH, &cast.change),
        (RESET, &cast.reset),
        (DESTROY, &cast.session),
        ("/v1/session/reauth", &cast.session),
        ("/v1/session/duplicate", &cast.session),
    ];
    let mut rows = Vec::new();
    for (path, signer) in calls {
        let signing = signer.signing("POST", path);
        for (name, signing) in [
            ("no payload hash", signing.clone()),
            ("the hash of another body", signing.covering(b"{ }")),
        ] {
            let request = RawRequest::new("POST", path)
                .header("authorization", signing.header())
                .json(b"{}");
            let name = format!("Hawk: {name} for {path}");
            rows.push(Row::new(name, &cast.host, &request, BAD_SIGNATURE));
        }
    }
    rows
}

/// Bodies that are not the signed ones.
#[must_use]
pub fn payload_rows(cast: &Cast) -> Vec<Row> {
    let device: &[u8] = br#"{"name":"signed","type":"desktop"}"#;
    let post = |name: &str, path: &str, signing: &Signing, body: &[u8], expected: Expected| {
        let request = RawRequest::new("POST", path)
            .header("authorization", signing.header())
            .json(body);
        Row::new(format!("Hawk: {name}"), &cast.host, &request, expected)
    };
    let signing = |path: &str| cast.session.signing("POST", path);
    let with_hash = |path: &str, hash: &str| Signing {
        hash: Some(hash.to_owned()),
        ..signing(path)
    };
    let right = signing(KEY_DATA).covering(KEY_DATA_BODY);
    let hash = right.hash.clone().unwrap_or_default();
    let mut of_text = signing(KEY_DATA);
    of_text.hash = Some(foxhold_crypto::hawk::payload_hash("text/plain", KEY_DATA_BODY));
    let mut charset = signing(KEY_DATA).covering(KEY_DATA_BODY);
    charset.nonce.push('c');
    let with_charset = RawRequest::new("POST", KEY_DATA)
        .header("authorization", charset.header())
        .header("content-type", "application/json; charset=utf-8")
        .body(crate::hostile::wire::Body::Sized(KEY_DATA_BODY.to_vec()));
    let dropped = right.header().replacen(&format!("hash=\"{hash}\", "), "", 1);
    let dropped = RawRequest::new("POST", KEY_DATA)
        .header("authorization", dropped)
        .json(KEY_DATA_BODY);
    vec![
        post(
            "no payload hash where one must be",
            KEY_DATA,
            &signing(KEY_DATA),
            KEY_DATA_BODY,
            BAD_SIGNATURE,
        ),
        post("the hash of another body", KEY_DATA, &right, b"{}", BAD_SIGNATURE),
        post(
            "the hash of no body",
            KEY_DATA,
            &signing(KEY_DATA).covering(b""),
            KEY_DATA_BODY,
            BAD_SIGNATURE,
        ),
        post(
            "an empty hash",
            KEY_DATA,
            &with_hash(KEY_DATA, ""),
            KEY_DATA_BODY,
            BAD_SIGNATURE,
        ),
        post(
            "the hash of another type",
            KEY_DATA,
            &of_text,
            KEY_DATA_BODY,
            BAD_SIGNATURE,
        ),
        post(
            "a hash without padding",
            KEY_DATA,
            &with_hash(KEY_DATA, hash.trim_end_matches('=')),
            KEY_DATA_BODY,
            BAD_SIGNATURE,
        ),
        post(
            "no payload hash for signing out",
            "/v1/session/destroy",
            &signing("/v1/session/destroy"),
            b"{}",
            BAD_SIGNATURE,
        ),
        post(
            "no payload hash for a code",
            "/v1/oauth/authorization",
            &signing("/v1/oauth/authorization"),
            b"{}",
            BAD_SIGNATURE,
        ),
        post(
            "a wrong hash where none must be",
            DEVICE,
            &with_hash(DEVICE, "AAAA"),
            device,
            BAD_SIGNATURE,
        ),
        Row::new("Hawk: the hash taken out", &cast.host, &dropped, BAD_SIGNATURE),
        post(
            "no payload hash where none must be is fine",
            DEVICE,
            &signing(DEVICE),
            device,
            FINE,
        ),
        Row::new(
            "Hawk: parameters of the type do not count",
            &cast.host,
            &with_charset,
            FINE,
        ),
    ]
}
