//! All that a client asks, one request each, and what an answer may be.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use foxhold_testkit::{
    http::Answer,
    insist::{in_words, is_later},
    person::{FIREFOX, OLDSYNC, Person, Server, exchange},
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    SignUp,
    Login,
    SessionStatus,
    AccountStatus,
    Devices,
    PutDevice,
    KeyData,
    AccessToken,
    Authorize,
    FetchKeys,
    Exchange,
    FirstExchange,
    SignOut,
}

impl Ask {
    pub(crate) const ALL: [Self; 13] = [
        Self::SignUp,
        Self::Login,
        Self::SessionStatus,
        Self::AccountStatus,
        Self::Devices,
        Self::PutDevice,
        Self::KeyData,
        Self::AccessToken,
        Self::Authorize,
        Self::FetchKeys,
        Self::Exchange,
        Self::FirstExchange,
        Self::SignOut,
    ];

    /// Whether it needs a dbwriter.
    pub(crate) const fn writes(self) -> bool {
        match self {
            Self::SignUp
            | Self::Login
            | Self::PutDevice
            | Self::Authorize
            | Self::FetchKeys
            | Self::FirstExchange
            | Self::SignOut => true,
            Self::SessionStatus
            | Self::AccountStatus
            | Self::Devices
            | Self::KeyData
            | Self::AccessToken
            | Self::Exchange => false,
        }
    }

    /// Whether it takes away what it is asked with.
    pub(crate) const fn happens_once(self) -> bool {
        matches!(self, Self::FetchKeys | Self::SignOut)
    }

    /// Whether it needs a keysigner.
    pub(crate) const fn signs(self) -> bool {
        matches!(self, Self::AccessToken | Self::Exchange | Self::FirstExchange)
    }
}

/// What an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 200, and right.
    Works,
    /// 503 with Retry-After.
    Later,
}

/// What the Token Server is asked with.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) token: String,
    pub(crate) key_id: String,
}

/// Whom the requests of one wave are about.
pub(crate) struct Known {
    /// Has an account, a session and a node.
    pub(crate) home: Arc<Person>,
    pub(crate) home_pass: Pass,
    /// Has an account, but no node yet.
    pub(crate) newcomer: Pass,
    /// The same user as `home`, in a session of its own, that fetches its keys and signs out.
    pub(crate) leaver: Person,
    /// Has nothing yet; the address and password.
    pub(crate) stranger: (String, String),
}

impl Known {
    /// Puts a request.
    pub(crate) async fn ask(&self, server: &Server, ask: Ask) -> Result<Answer> {
        let session = &self.home.session;
        let signed =
            |path, body| async move { server.signed(Method::POST, path, session, Some(&body)).await };
        match ask {
            Ask::SignUp => {
                let (email, auth_pw) = &self.stranger;
                let body = json!({ "email": email, "authPW": auth_pw });
                server.post("/v1/account/create?keys=true", &body).await
            }
            Ask::Login => {
                let body = json!({ "email": self.home.email, "authPW": self.home.auth_pw });
                server.post("/v1/account/login?keys=true", &body).await
            }
            Ask::SessionStatus => {
                server
                    .signed(Method::GET, "/v1/session/status", session, None)
                    .await
            }
            Ask::AccountStatus => {
                let body = json!({ "email": self.home.email });
                server.post("/v1/account/status", &body).await
            }
            Ask::Devices => {
                server
                    .signed(Method::GET, "/v1/account/devices", session, None)
                    .await
            }
            Ask::PutDevice => {
                signed("/v1/account/device", json!({ "name": "Desk", "type": "desktop" })).await
            }
            Ask::KeyData => {
                let body = json!({ "client_id": FIREFOX, "scope": OLDSYNC });
                signed("/v1/account/scoped-key-data", body).await
            }
            Ask::AccessToken => {
                let body = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC });
                signed("/v1/oauth/token", body).await
            }
            Ask::Authorize => signed("/v1/oauth/authorization", authorization()).await,
            Ask::FetchKeys => {
                let keys = &self.leaver.key_fetch;
                server.signed(Method::GET, "/v1/account/keys", keys, None).await
            }
            Ask::Exchange => exchange(server, &self.home_pass.token, &self.home_pass.key_id).await,
            Ask::FirstExchange => exchange(server, &self.newcomer.token, &self.newcomer.key_id).await,
            Ask::SignOut => {
                let nothing = json!({});
                let session = &self.leaver.session;
                server
                    .signed(Method::POST, "/v1/session/destroy", session, Some(&nothing))
                    .await
            }
        }
    }

    /// What an answer is, if it is one that may be.
    pub(crate) fn judge(&self, ask: Ask, answer: &Answer) -> Result<Expect> {
        match answer.status {
            StatusCode::OK => self.check(ask, &answer.json()?).map(|()| Expect::Works),
            StatusCode::SERVICE_UNAVAILABLE => is_later(answer).map(|()| Expect::Later),
            _ => bail!("{}", in_words(answer)),
        }
    }

    /// What would be a lie with status 200.
    fn check(&self, ask: Ask, body: &Value) -> Result<()> {
        let is_right = match ask {
            Ask::AccountStatus => body["exists"] == true,
            Ask::SessionStatus | Ask::Login => body["uid"] == self.home.uid.as_str(),
            Ask::Devices => body.is_array(),
            Ask::Exchange | Ask::FirstExchange => body["uid"].is_u64(),
            _ => true,
        };
        ensure!(is_right, "a wrong answer: {body}");
        Ok(())
    }
}

/// The challenge is RFC 7636's example.
fn authorization() -> Value {
    json!({
        "client_id": FIREFOX,
        "state": "state",
        "scope": OLDSYNC,
        "response_type": "code",
        "access_type": "offline",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    })
}
