//! A user of the service, as a program: signs up, signs in, gets tokens, stores a record. It speaks the wire formats of the
//! contracts itself and skips only what a browser does slowly (the client's own stretching).

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use foxhold_core::{Secret, hex};
use foxhold_crypto::{
    hawk::{self, Credentials, Payload, Target},
    token::{TokenKeys, TokenKind},
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    http::{self, Answer},
    wait::{patiently, pause},
};

/// The built-in client id of Firefox desktop.
pub const FIREFOX: &str = "5882386c6d801776";
/// The scope that a sync token must grant.
pub const OLDSYNC: &str = "https://identity.mozilla.com/apps/oldsync";

/// Where a service answers, and under which public root it signs.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where to connect.
    pub address: SocketAddr,
    /// Its public root, as in `http://localhost:8000`.
    pub root: String,
}

impl Server {
    /// A POST of JSON, unsigned.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let headers = [("content-type", "application/json")];
        http::send(self.address, &Method::POST, path, &headers, body.to_string()).await
    }

    /// A POST of a form, unsigned: how programs ask.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_form(&self, path: &str, form: &str) -> Result<Answer> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        http::send(self.address, &Method::POST, path, &headers, form.to_owned()).await
    }

    /// A signed request; a body goes as JSON and is under the signature.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn signed(
        &self,
        method: Method,
        path: &str,
        keys: &TokenKeys,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let id = hex::encode(keys.id.as_bytes());
        let credentials = Credentials {
            id: &id,
            key: keys.key.expose(),
        };
        let body = body.map(Value::to_string);
        let header = self.sign(&method, path, &credentials, body.as_deref())?;
        let headers = [
            ("authorization", header.as_str()),
            ("content-type", "application/json"),
        ];
        http::send(self.address, &method, path, &headers, body.unwrap_or_default()).await
    }

    /// The Authorization header of a signed request.
    ///
    /// # Errors
    /// When the root is no address.
    pub fn sign(
        &self,
        method: &Method,
        path: &str,
        credentials: &Credentials<'_>,
        body: Option<&str>,
    ) -> Result<String> {
        let target = Target::parse(&format!("{}{path}", self.root))?;
        let request = target.request(method.as_str());
        let payload = body.map(|body| Payload {
            content_type: "application/json",
            body: body.as_bytes(),
        });
        Ok(hawk::sign(credentials, &request, now_secs(), &nonce(), payload))
    }
}

/// Somebody with an account, signed in.
pub struct Person {
    /// The address.
    pub email: String,
    /// What the client sends in place of a password.
    pub auth_pw: String,
    /// The account.
    pub uid: String,
    /// The session's keys.
    pub session: TokenKeys,
    /// The key-fetch token's keys.
    pub key_fetch: TokenKeys,
}

impl Person {
    /// Signs up. The outer error means no answer; the inner one is the server's refusal.
    ///
    /// # Errors
    /// When there is no answer, or one that the contract does not know.
    pub async fn sign_up(server: &Server, email: &str, auth_pw: &str) -> Result<Result<Self, Box<Answer>>> {
        let body = json!({ "email": email, "authPW": auth_pw });
        Self::enter(server, "/v1/account/create?keys=true", &body).await
    }

    /// Signs up with the code of an invitation.
    ///
    /// # Errors
    /// As [`Self::sign_up`].
    pub async fn sign_up_invited(
        server: &Server,
        email: &str,
        auth_pw: &str,
        code: &str,
    ) -> Result<Result<Self, Box<Answer>>> {
        let body = json!({ "email": email, "authPW": auth_pw, "invite": code });
        Self::enter(server, "/v1/account/create?keys=true", &body).await
    }

    /// Signs in.
    ///
    /// # Errors
    /// As [`Self::sign_up`].
    pub async fn sign_in(server: &Server, email: &str, auth_pw: &str) -> Result<Result<Self, Box<Answer>>> {
        let body = json!({ "email": email, "authPW": auth_pw });
        Self::enter(server, "/v1/account/login?keys=true", &body).await
    }

    async fn enter(server: &Server, path: &str, said: &Value) -> Result<Result<Self, Box<Answer>>> {
        let answer = server.post(path, said).await?;
        if answer.status != StatusCode::OK {
            return Ok(Err(Box::new(answer)));
        }
        let body = answer.json()?;
        Ok(Ok(Self {
            email: text(said, "email")?,
            auth_pw: text(said, "authPW")?,
            uid: text(&body, "uid")?,
            session: token(TokenKind::Session, &text(&body, "sessionToken")?)?,
            key_fetch: token(TokenKind::KeyFetch, &text(&body, "keyFetchToken")?)?,
        }))
    }

    /// Types the code in that the mail brought.
    ///
    /// # Errors
    /// When there is no mail or no answer.
    pub async fn verify(&self, server: &Server, mailbox: SocketAddr) -> Result<Answer> {
        let code = mailed_header_to(mailbox, &self.email, Some(&self.uid), "x-verify-code").await?;
        server
            .post(
                "/v1/recovery_email/verify_code",
                &json!({ "uid": self.uid, "code": code }),
            )
            .await
    }

    /// Gets an access token for sync.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn access_token(&self, server: &Server) -> Result<Result<String, Box<Answer>>> {
        let body =
            json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC, "ttl": 21600 });
        let answer = server
            .signed(Method::POST, "/v1/oauth/token", &self.session, Some(&body))
            .await?;
        if answer.status != StatusCode::OK {
            return Ok(Err(Box::new(answer)));
        }
        Ok(Ok(text(&answer.json()?, "access_token")?))
    }

    /// The key id a browser of this user sends: the account's key time, and a client state of its own.
    ///
    /// # Errors
    /// When there is no answer, or not the contract's.
    pub async fn key_id(&self, server: &Server) -> Result<Result<String, Box<Answer>>> {
        let body = json!({ "client_id": FIREFOX, "scope": OLDSYNC });
        let answer = server
            .signed(
                Method::POST,
                "/v1/account/scoped-key-data",
                &self.session,
                Some(&body),
            )
            .await?;
        if answer.status != StatusCode::OK {
            return Ok(Err(Box::new(answer)));
        }
        let since = answer.json()?[OLDSYNC]["keyRotationTimestamp"]
            .as_u64()
            .context("keyRotationTimestamp")?;
        Ok(Ok(format!("{since}-AAAAAAAAAAAAAAAAAAAAAA")))
    }
}

/// The Token Server's answer to an access token.
///
/// # Errors
/// When there is no answer.
pub async fn exchange(server: &Server, access_token: &str, key_id: &str) -> Result<Answer> {
    let bearer = format!("Bearer {access_token}");
    let headers = [("authorization", bearer.as_str()), ("x-keyid", key_id)];
    http::send(server.address, &Method::GET, "/1.0/sync/1.5", &headers, "").await
}

/// A signed request to the storage node that `token` (the exchange's answer) names.
///
/// # Errors
/// When there is no answer.
pub async fn storage(node: &Server, token: &Value, method: Method, path: &str, body: &str) -> Result<Answer> {
    let credentials = Credentials {
        id: token["id"].as_str().context("id")?,
        key: token["key"].as_str().context("key")?.as_bytes(),
    };
    let path = format!("/1.5/{}{path}", token["uid"]);
    let header = node.sign(&method, &path, &credentials, None)?;
    let headers = [
        ("authorization", header.as_str()),
        ("content-type", "application/json"),
    ];
    http::send(node.address, &method, &path, &headers, body.to_owned()).await
}

/// A header of the newest mail to `email` in a mailbox; waits for the mail, but not for a mailbox that is gone.
///
/// # Errors
/// When the mailbox does not answer, or no such mail comes.
pub async fn mailed_header(mailbox: SocketAddr, email: &str, header: &str) -> Result<String> {
    mailed_header_to(mailbox, email, None, header).await
}

/// The same of the newest mail about the account `uid`: an address may have had another before.
async fn mailed_header_to(
    mailbox: SocketAddr,
    email: &str,
    uid: Option<&str>,
    header: &str,
) -> Result<String> {
    let path = format!("/mail/{}", email.split('@').next().unwrap_or_default());
    let asking = async {
        loop {
            if let Some(found) = newest_header(mailbox, &path, uid, header).await? {
                return Ok(found);
            }
            pause().await;
        }
    };
    patiently(&format!("a mail to {email}"), asking).await?
}

async fn newest_header(
    mailbox: SocketAddr,
    path: &str,
    uid: Option<&str>,
    header: &str,
) -> Result<Option<String>> {
    let answer = http::get(mailbox, path).await?;
    ensure!(answer.status == StatusCode::OK, "mailbox: {}", answer.status);
    let mails = answer.json()?;
    let mut newest = mails.as_array().into_iter().flatten().rev();
    let mail = newest.find(|mail| uid.is_none() || mail["headers"]["x-uid"].as_str() == uid);
    Ok(mail
        .and_then(|mail| mail["headers"][header].as_str())
        .map(str::to_owned))
}

/// Half a token's worth of text that no other call got: addresses and passwords of tests.
#[must_use]
pub fn unique_hex() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    hex::encode(&foxhold_crypto::mac::sha256(&[
        &count.to_be_bytes(),
        &std::process::id().to_be_bytes(),
        &now_nanos().to_be_bytes(),
    ]))
}

fn nonce() -> String {
    unique_hex()[..16].to_owned()
}

/// The keys of a token as a client has it.
///
/// # Errors
/// When it is none.
pub fn token(kind: TokenKind, text: &str) -> Result<TokenKeys> {
    Ok(TokenKeys::derive(kind, &Secret::new(hex::decode(text)?)))
}

fn text(body: &Value, member: &str) -> Result<String> {
    Ok(body[member]
        .as_str()
        .with_context(|| format!("no {member} in {body}"))?
        .to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client of the real service lives by the real clock"
)]
fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970.
#[must_use]
pub fn now_secs() -> u64 {
    since_epoch().as_secs()
}

fn now_nanos() -> u128 {
    since_epoch().as_nanos()
}
