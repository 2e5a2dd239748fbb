//! The accounts server's public calls (`accounts.md` (c) and (e)), as far as they are served, and what goes wrong with
//! each: see [`bodies`], [`fields`], [`emails`], [`certificates`], [`signatures`], [`times`], [`oauth`],
//! [`openid`].

pub mod bodies;
pub mod certificates;
pub mod emails;
pub mod fields;
pub mod oauth;
pub mod openid;
pub mod signatures;
pub mod times;

use anyhow::Result;
use hyper::Method;

use super::{
    row::{AUTH_PW, Expected, Row},
    signer::Signer,
    stage::Stage,
    wire::RawRequest,
};
use crate::person::Person;

/// How a call knows who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    Open,
    /// By a session; the contract's S.
    Session,
    /// By a session, and a body has to be under the signature; the contract's S ●.
    SessionHashed,
    /// By a key-fetch token; the contract's K.
    KeyFetch,
    /// By a password change token, the body under the signature; the contract's C ●.
    Change,
    /// By a password forgot token; the contract's G.
    Forgot,
    /// By an account reset token, the body under the signature; the contract's R ●.
    Reset,
    /// By an access token.
    Bearer,
    /// By a session or by an access token.
    SessionOrBearer,
}

/// Which numbers its errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Those of the accounts server.
    Accounts,
    /// Those of the OAuth base.
    Oauth,
}

/// A public call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Who may call.
    pub auth: Auth,
    /// A body whose fields are all well-formed; empty if it takes none. `EMAIL`, `UID` and `AUTHPW` are replaced.
    pub body: &'static str,
    /// Fields that must be there.
    pub required: &'static [&'static str],
    /// The numbers of its errors.
    pub numbers: Numbers,
}

const fn call(
    method: &'static str,
    path: &'static str,
    auth: Auth,
    body: &'static str,
    required: &'static [&'static str],
) -> Call {
    Call {
        method,
        path,
        auth,
        body,
        required,
        numbers: Numbers::Accounts,
    }
}

const fn of_oauth_base(mut call: Call) -> Call {
    call.numbers = Numbers::Oauth;
    call
}

const CREDENTIALS: &str = r#"{"email":"EMAIL","authPW":"AUTHPW"}"#;
const EMAIL: &str = r#"{"email":"EMAIL"}"#;
const OLD_PASSWORD: &str = r#"{"email":"EMAIL","oldAuthPW":"AUTHPW"}"#;
const NEW_PASSWORD: &str = r#"{"authPW":"AUTHPW","wrapKb":"AUTHPW"}"#;
const RESET_CODE: &str = r#"{"code":"0123456789abcdef0123456789abcdef"}"#;
const ATTACHED: &str =
    r#"{"sessionTokenId":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}"#;
const AUTHORIZATION: &str = r#"{"client_id":"5882386c6d801776","state":"s","scope":"profile",
    "access_type":"online","response_type":"code","code_challenge_method":"S256",
    "code_challenge":"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}"#;
const TOKEN: &str =
    r#"{"client_id":"5882386c6d801776","grant_type":"fxa-credentials","scope":"profile","ttl":60}"#;
const KEY_DATA: &str =
    r#"{"client_id":"5882386c6d801776","scope":"https://identity.mozilla.com/apps/oldsync"}"#;
/// A token that nobody gave out.
const SHOWN: &str = r#"{"token":"AUTHPW"}"#;
const DEVICE: &str = r#"{"name":"hostile","type":"desktop","availableCommands":{}}"#;
const NOTIFY: &str = r#"{"to":"all","payload":{"version":1,"command":"c","data":{}},"TTL":0}"#;
const INVOKE: &str =
    r#"{"target":"0123456789abcdef0123456789abcdef","command":"c","payload":{"a":"b"},"ttl":60}"#;
const DEVICE_ID: &str = r#"{"id":"0123456789abcdef0123456789abcdef"}"#;
/// With a key of 1024 bits.
const CERTIFICATE: &str = "{\"duration\":60000,\"publicKey\":{\"algorithm\":\"RS\",\"e\":\"65537\",\"n\":\"\
    174635839251201739391609814406746879255100817047180136584923203917811385328599787981337001\
    569477004948873952911139918345139927428687238423561293042873263751407988775552729085852279\
    738147088395799296420990281967871284987168064780871932383703233545838829399348825439832459\
    395972422292861132543133449841315961337\"}}";
const LINK_CODE: &str = r#"{"uid":"UID","code":"0123456789abcdef0123456789abcdef"}"#;

const BACKUP_CODES: &str = r#"{"recoveryCodes":["aaaaaaaa0","aaaaaaaa1","aaaaaaaa2","aaaaaaaa3","aaaaaaaa4","aaaaaaaa5","aaaaaaaa6","aaaaaaaa7"]}"#;
const RECOVERY_KEY: &str = r#"{"recoveryKeyId":"07c78d9d5b185d059ab32e8ef4305b88","recoveryData":"sealed"}"#;

/// Every call that is served. Bodies are chosen so that nothing is changed by them in vain.
pub const CALLS: &[Call] = &[
    call(
        "POST",
        "/v1/account/create",
        Auth::Open,
        CREDENTIALS,
        &["email", "authPW"],
    ),
    call(
        "POST",
        "/v1/account/login",
        Auth::Open,
        CREDENTIALS,
        &["email", "authPW"],
    ),
    call(
        "GET",
        "/v1/account/status?uid=00000000000000000000000000000000",
        Auth::Open,
        "",
        &[],
    ),
    call("POST", "/v1/account/status", Auth::Open, EMAIL, &["email"]),
    call(
        "POST",
        "/v1/account/credentials/status",
        Auth::Open,
        EMAIL,
        &["email"],
    ),
    call("GET", "/v1/account/registration", Auth::Open, "", &[]),
    call("GET", "/v1/account/profile", Auth::SessionOrBearer, "", &[]),
    call("GET", "/v1/account/keys", Auth::KeyFetch, "", &[]),
    call(
        "POST",
        "/v1/account/scoped-key-data",
        Auth::SessionHashed,
        KEY_DATA,
        &["client_id", "scope"],
    ),
    call(
        "POST",
        "/v1/account/device",
        Auth::Session,
        DEVICE,
        &["name", "type"],
    ),
    call("GET", "/v1/account/devices", Auth::Session, "", &[]),
    call(
        "POST",
        "/v1/account/device/destroy",
        Auth::Session,
        DEVICE_ID,
        &["id"],
    ),
    call(
        "POST",
        "/v1/account/devices/notify",
        Auth::Session,
        NOTIFY,
        &["to", "payload"],
    ),
    call(
        "POST",
        "/v1/account/devices/invoke_command",
        Auth::Session,
        INVOKE,
        &["target", "command", "payload"],
    ),
    call("GET", "/v1/account/device/commands", Auth::Session, "", &[]),
    call("GET", "/v1/account/attached_clients", Auth::Session, "", &[]),
    call(
        "POST",
        "/v1/account/attached_client/destroy",
        Auth::Session,
        ATTACHED,
        &[],
    ),
    call("GET", "/v1/account/sessions", Auth::Session, "", &[]),
    // With a session, too: see `signatures`.
    call(
        "POST",
        "/v1/account/destroy",
        Auth::Open,
        CREDENTIALS,
        &["email", "authPW"],
    ),
    call(
        "POST",
        "/v1/account/reset",
        Auth::Reset,
        r#"{"authPW":"AUTHPW"}"#,
        &["authPW"],
    ),
    call(
        "POST",
        "/v1/password/change/start",
        Auth::Open,
        OLD_PASSWORD,
        &["email", "oldAuthPW"],
    ),
    call(
        "POST",
        "/v1/password/change/finish",
        Auth::Change,
        NEW_PASSWORD,
        &["authPW", "wrapKb"],
    ),
    call(
        "POST",
        "/v1/password/forgot/send_code",
        Auth::Open,
        EMAIL,
        &["email"],
    ),
    call(
        "POST",
        "/v1/password/forgot/resend_code",
        Auth::Forgot,
        EMAIL,
        &["email"],
    ),
    call(
        "POST",
        "/v1/password/forgot/verify_code",
        Auth::Forgot,
        RESET_CODE,
        &["code"],
    ),
    call(
        "POST",
        "/v1/password/forgot/send_otp",
        Auth::Open,
        EMAIL,
        &["email"],
    ),
    call(
        "POST",
        "/v1/password/forgot/verify_otp",
        Auth::Open,
        r#"{"email":"EMAIL","code":"01234567"}"#,
        &["email", "code"],
    ),
    call("GET", "/v1/password/forgot/status", Auth::Forgot, "", &[]),
    call("GET", "/v1/session/status", Auth::Session, "", &[]),
    call(
        "POST",
        "/v1/session/reauth",
        Auth::SessionHashed,
        CREDENTIALS,
        &["email", "authPW"],
    ),
    call(
        "POST",
        "/v1/session/duplicate",
        Auth::SessionHashed,
        r#"{"reason":"test"}"#,
        &[],
    ),
    call(
        "POST",
        "/v1/session/verify/token",
        Auth::Session,
        r#"{"code":"000000"}"#,
        &["code"],
    ),
    call("POST", "/v1/session/destroy", Auth::SessionHashed, "{}", &[]),
    call(
        "POST",
        "/v1/session/verify_code",
        Auth::Session,
        r#"{"code":"000000"}"#,
        &["code"],
    ),
    call("POST", "/v1/session/resend_code", Auth::Session, "{}", &[]),
    call("GET", "/v1/totp/exists", Auth::Session, "", &[]),
    call(
        "POST",
        "/v1/session/verify/totp",
        Auth::Session,
        r#"{"code":"000000"}"#,
        &["code"],
    ),
    call(
        "POST",
        "/v1/session/verify/recoveryCode",
        Auth::SessionHashed,
        r#"{"code":"aaaaa-aaaaa"}"#,
        &["code"],
    ),
    call(
        "POST",
        "/v1/recoveryCodes",
        Auth::SessionHashed,
        BACKUP_CODES,
        &["recoveryCodes"],
    ),
    call("GET", "/v1/recoveryCodes", Auth::Session, "", &[]),
    call(
        "PUT",
        "/v1/recoveryCodes",
        Auth::SessionHashed,
        BACKUP_CODES,
        &["recoveryCodes"],
    ),
    call("DELETE", "/v1/recoveryKey", Auth::Session, "", &[]),
    call(
        "POST",
        "/v1/recoveryKey",
        Auth::SessionHashed,
        RECOVERY_KEY,
        &["recoveryKeyId", "recoveryData"],
    ),
    call(
        "POST",
        "/v1/recoveryKey/verify",
        Auth::SessionHashed,
        r#"{"recoveryKeyId":"07c78d9d5b185d059ab32e8ef4305b88"}"#,
        &["recoveryKeyId"],
    ),
    call("GET", "/v1/recovery_email/status", Auth::Session, "", &[]),
    call("POST", "/v1/recovery_email/resend_code", Auth::Session, "{}", &[]),
    call(
        "POST",
        "/v1/recovery_email/verify_code",
        Auth::Open,
        LINK_CODE,
        &["uid", "code"],
    ),
    call("GET", "/v1/verify_email", Auth::Open, "", &[]),
    call("GET", "/v1/complete_reset_password", Auth::Open, "", &[]),
    call("POST", "/v1/get_random_bytes", Auth::Open, "", &[]),
    call(
        "POST",
        "/v1/certificate/sign",
        Auth::SessionHashed,
        CERTIFICATE,
        &["publicKey", "duration"],
    ),
    call("GET", "/v1/profile", Auth::Bearer, "", &[]),
    call("GET", "/v1/email", Auth::Bearer, "", &[]),
    call("GET", "/v1/uid", Auth::Bearer, "", &[]),
    call("GET", "/v1/avatar", Auth::Bearer, "", &[]),
    call(
        "POST",
        "/v1/oauth/authorization",
        Auth::SessionHashed,
        AUTHORIZATION,
        &["client_id", "state", "scope"],
    ),
    call(
        "POST",
        "/v1/oauth/token",
        Auth::Session,
        TOKEN,
        &["client_id", "scope"],
    ),
    call(
        "POST",
        "/v1/oauth/destroy",
        Auth::Open,
        r#"{"token":"AUTHPW"}"#,
        &[],
    ),
    call("POST", "/v1/oauth/verify", Auth::Open, SHOWN, &["token"]),
    call("POST", "/v1/oauth/introspect", Auth::Open, SHOWN, &["token"]),
    call(
        "POST",
        "/v1/oauth/key-data",
        Auth::SessionHashed,
        KEY_DATA,
        &["client_id", "scope"],
    ),
    call("GET", "/v1/oauth/jwks", Auth::Open, "", &[]),
    call("GET", "/v1/oauth/client/5882386c6d801776", Auth::Open, "", &[]),
    of_oauth_base(call(
        "POST",
        "/v1/authorization",
        Auth::SessionHashed,
        AUTHORIZATION,
        &["client_id", "state", "scope"],
    )),
    of_oauth_base(call(
        "POST",
        "/v1/token",
        Auth::Session,
        TOKEN,
        &["client_id", "scope"],
    )),
    call("POST", "/v1/destroy", Auth::Open, r#"{"token":"AUTHPW"}"#, &[]),
    of_oauth_base(call("POST", "/v1/verify", Auth::Open, SHOWN, &["token"])),
    of_oauth_base(call("POST", "/v1/introspect", Auth::Open, SHOWN, &["token"])),
    of_oauth_base(call(
        "POST",
        "/v1/key-data",
        Auth::SessionHashed,
        KEY_DATA,
        &["client_id", "scope"],
    )),
    call("GET", "/v1/config", Auth::Open, "", &[]),
    call("GET", "/config", Auth::Open, "", &[]),
    of_oauth_base(call("GET", "/v1/client/5882386c6d801776", Auth::Open, "", &[])),
    call("GET", "/v1/jwks", Auth::Open, "", &[]),
    call(
        "GET",
        "/.well-known/fxa-client-configuration",
        Auth::Open,
        "",
        &[],
    ),
    call("GET", "/.well-known/openid-configuration", Auth::Open, "", &[]),
    call("GET", "/.well-known/browserid", Auth::Open, "", &[]),
    call("GET", "/__version__", Auth::Open, "", &[]),
    call("GET", "/__heartbeat__", Auth::Open, "", &[]),
    call("GET", "/__lbheartbeat__", Auth::Open, "", &[]),
];

impl Numbers {
    /// A refusal under one number or the other.
    #[must_use]
    pub const fn refusal(self, status: u16, accounts: &'static [u16], oauth: &'static [u16]) -> Expected {
        match self {
            Self::Accounts => Expected::Accounts(status, accounts),
            Self::Oauth => Expected::Oauth(status, oauth),
        }
    }

    /// The body is not JSON.
    #[must_use]
    pub const fn bad_json(self) -> Expected {
        self.refusal(400, &[106], &[109])
    }

    /// A field has the wrong form.
    #[must_use]
    pub const fn bad_parameter(self) -> Expected {
        self.refusal(400, &[107], &[109])
    }

    /// A field is missing.
    #[must_use]
    pub const fn missing_parameter(self) -> Expected {
        self.refusal(400, &[108], &[109])
    }

    /// The token is none.
    #[must_use]
    pub const fn bad_token(self) -> Expected {
        self.refusal(401, &[110], &[111])
    }
}

/// Who the tables are about.
pub struct Cast {
    /// As requests name the box.
    pub host: String,
    /// The public root.
    pub root: String,
    /// Signed in, confirmed.
    pub person: Person,
    /// Signs in their session.
    pub session: Signer,
    /// Signs with their key-fetch token, which is not spent.
    pub key_fetch: Signer,
    /// Signs with their password change token.
    pub change: Signer,
    /// Signs with their password forgot token.
    pub forgot: Signer,
    /// Signs with a password forgot token that is spent.
    pub spent: Signer,
    /// Signs with their account reset token.
    pub reset: Signer,
    /// Their access token for the profile.
    pub access_token: String,
}

impl Cast {
    /// Signs somebody up.
    ///
    /// # Errors
    /// When the box does not do that.
    pub async fn call_in(stage: &Stage) -> Result<Self> {
        let person = stage.person().await?;
        let root = stage.server().root.clone();
        let tokens = stage.password_tokens(&person).await?;
        Ok(Self {
            host: stage.host().to_owned(),
            change: Signer::of_token(&root, &tokens.change)?,
            forgot: Signer::of_token(&root, &tokens.forgot)?,
            spent: Signer::of_token(&root, &tokens.spent)?,
            reset: Signer::of_token(&root, &tokens.reset)?,
            session: Signer::of_token(&root, &person.session)?,
            key_fetch: Signer::of_token(&root, &person.key_fetch)?,
            access_token: stage.access_token(&person, "profile").await?,
            root,
            person,
        })
    }

    /// A call's well-formed body. Nobody has the address in it.
    #[must_use]
    pub fn body_of(&self, call: &Call) -> String {
        call.body
            .replace("EMAIL", "nobody@example.test")
            .replace("AUTHPW", AUTH_PW)
            .replace("UID", &self.person.uid)
    }

    /// A call as its contract wants it, but with this body; none if it takes none.
    #[must_use]
    pub fn request(&self, call: &Call, body: &[u8]) -> RawRequest {
        let without_body = call.body.is_empty();
        let open = RawRequest::new(call.method, call.path);
        let by = |signer: &Signer| {
            if without_body {
                signer.request(call.method, call.path)
            } else {
                signer.request_with(call.method, call.path, body)
            }
        };
        match call.auth {
            Auth::Open if without_body => open,
            Auth::Open => open.json(body),
            Auth::Bearer => open.header("authorization", format!("Bearer {}", self.access_token)),
            Auth::KeyFetch => self.key_fetch.request(call.method, call.path),
            Auth::Session | Auth::SessionHashed | Auth::SessionOrBearer => by(&self.session),
            Auth::Change => by(&self.change),
            Auth::Forgot => by(&self.forgot),
            Auth::Reset => by(&self.reset),
        }
    }

    /// A row of a call with some body.
    #[must_use]
    pub fn row(&self, call: &Call, what: &str, body: &[u8], expected: Expected) -> Row {
        let name = format!("{} {}: {what}", call.method, call.path);
        Row::new(name, &self.host, &self.request(call, body), expected)
    }
}

/// Every other method on every call: 405, in the envelope and with `Allow`.
#[must_use]
pub fn method_rows(host: &str) -> Vec<Row> {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"];
    let path = |call: &Call| call.path.split('?').next().unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for call in CALLS {
        let path = path(call);
        let known = |method: &str| {
            CALLS
                .iter()
                .any(|other| other.method == method && other.path.split('?').next() == Some(&path))
        };
        for method in METHODS.into_iter().filter(|method| !known(method)) {
            let expected = Expected::Accounts(405, &[]);
            let request = RawRequest::new(method, path.as_str());
            rows.push(Row::new(format!("{method} {path}"), host, &request, expected));
        }
        if !known(Method::GET.as_str()) {
            let request = RawRequest::new("HEAD", path.as_str());
            rows.push(Row::new(
                format!("HEAD {path}"),
                host,
                &request,
                Expected::Status(405),
            ));
        }
    }
    rows
}

/// Calls that are not there: 404, or 410 where they once were.
#[must_use]
pub fn absent_rows(host: &str) -> Vec<Row> {
    let gone = Expected::Accounts(410, &[116]);
    let not_there = Expected::Accounts(404, &[]);
    [
        ("GET", "/v0/account/status", gone.clone()),
        ("POST", "/v0/account/create", gone.clone()),
        ("GET", "/v0", gone.clone()),
        ("POST", "/v1/account/lock", gone.clone()),
        ("POST", "/v1/account/unlock/resend_code", gone.clone()),
        ("GET", "/v1/account/unlock/a/b", gone),
        ("POST", "/v1/account/unlock", not_there.clone()),
        ("GET", "/v1/nothing", not_there.clone()),
        ("POST", "/v1/account/creat", not_there.clone()),
        ("POST", "/v1/account", not_there.clone()),
        ("DELETE", "/v1/oauth/", not_there.clone()),
        ("PUT", "/nothing", not_there.clone()),
        ("GET", "/.well-known/nothing", not_there.clone()),
        ("GET", "/v1/oauth/client/", not_there.clone()),
        ("GET", "/v1/oauth/client/a/b", not_there),
    ]
    .into_iter()
    .map(|(method, path, expected)| {
        let request = RawRequest::new(method, path);
        Row::new(format!("{method} {path}"), host, &request, expected)
    })
    .collect()
}
