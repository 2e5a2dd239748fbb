//! Those who ask: exchanges at a webhead of one's choice, several at the same moment, each answer held to what a token must
//! be.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use foxhold_core::SecretText;
use foxhold_crypto::{
    node_secret::{NodeSecret, NodeSecrets},
    node_token,
};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::Barrier;

use super::stage::SECRET;
use crate::{
    accounts_elsewhere::Credential,
    http::{self, Answer},
    wait::{patiently, pause, wait_until},
};

/// Asks webheads; cheap to clone.
#[derive(Clone)]
pub struct Client {
    webheads: Arc<[SocketAddr]>,
    /// Of all nodes, to see what a token says.
    secrets: Arc<NodeSecrets>,
}

/// What the exchange answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// 200
    Token(Given),
    /// 401: the status and the description of the error.
    Refused(String, String),
    /// 503 or 504.
    Later(Later),
}

/// Why somebody has to come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// No node has room. The only answer of that kind that may take minutes to be another one.
    NoRoom,
    /// Anything else: the status and the description of the error.
    Busy(String, String),
}

/// How long whoever finds no room is told to wait, in seconds; whatever else is away is away for less.
const NO_ROOM_WAIT: &str = "300";

/// A token, without what differs from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The user's number.
    pub uid: u64,
    /// The node's URL, as the token has it.
    pub node: String,
    /// The id of the user's keys, as the token has it.
    pub key_id: Option<String>,
    /// The answer but for the token and its key.
    pub answer: Value,
}

impl Said {
    /// The token.
    ///
    /// # Errors
    /// When it is another answer.
    pub fn token(&self) -> Result<&Given> {
        match self {
            Self::Token(given) => Ok(given),
            other => bail!("no token: {other:?}"),
        }
    }

    /// Whether it is a refusal of this status.
    #[must_use]
    pub fn is_refused(&self, as_status: &str) -> bool {
        matches!(self, Self::Refused(status, _) if status == as_status)
    }
}

/// Something to be done at the same moment as others.
pub(super) type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Begins all of it at once. The results are in the same order.
pub(super) async fn at_once<T: Send + 'static>(works: Vec<Work<T>>) -> Result<Vec<T>> {
    let barrier = Arc::new(Barrier::new(works.len()));
    let tasks: Vec<_> = works
        .into_iter()
        .map(|work| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.context("a client failed")??);
    }
    Ok(results)
}

fn path(service: &str) -> String {
    format!("/1.0/{}", service.replacen('-', "/", 1))
}

impl Client {
    /// Asks these, whose nodes all have [`SECRET`].
    ///
    /// # Errors
    /// Never: there is a secret.
    pub fn new(webheads: impl Into<Arc<[SocketAddr]>>) -> Result<Self> {
        let secret = NodeSecret::new(SecretText::new(SECRET.to_owned()));
        let secrets = NodeSecrets::new(vec![secret]).context("a secret")?;
        Ok(Self {
            webheads: webheads.into(),
            secrets: Arc::new(secrets),
        })
    }

    /// Asks a webhead (any number: they are taken round and round) for a token of a service.
    ///
    /// # Errors
    /// When there is no answer, or one that must not be.
    pub async fn ask(&self, webhead: u64, service: &str, credential: &Credential) -> Result<Said> {
        let path = path(service);
        let authorization = format!("Bearer {}", credential.token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-keyid", credential.key_id.as_str()),
        ];
        let answer = http::send(self.webhead(webhead), &Method::GET, &path, &headers, "").await?;
        self.read(&answer)
    }

    /// Asks again while what is asked for is busy; and how often it was.
    ///
    /// # Errors
    /// As [`Self::ask`], and when it is never anything else.
    pub async fn ask_patiently(
        &self,
        first_webhead: u64,
        service: &str,
        credential: &Credential,
    ) -> Result<(Said, u64)> {
        let mut busy = 0;
        let asking = async {
            loop {
                let said = self.ask(first_webhead + busy, service, credential).await?;
                if !matches!(said, Said::Later(Later::Busy(..))) {
                    return anyhow::Ok(said);
                }
                busy += 1;
                pause().await;
            }
        };
        let said = patiently("another answer than busy", asking).await??;
        Ok((said, busy))
    }

    /// The same, to be begun with others.
    pub(super) fn asking(&self, webhead: u64, service: &str, credential: &Credential) -> Work<(Said, u64)> {
        let (client, service, credential) = (self.clone(), service.to_owned(), credential.clone());
        Box::pin(async move { client.ask_patiently(webhead, &service, &credential).await })
    }

    /// Tells a webhead of an event, and again until it is taken: as whoever delivers events does.
    ///
    /// # Errors
    /// When it is refused, or never taken.
    pub async fn tell(&self, webhead: u64, event: &str) -> Result<()> {
        let authorization = format!("Bearer {event}");
        let headers = [("authorization", authorization.as_str())];
        let path = "/1.0/webhooks/fxa/events";
        let telling = async {
            for turn in webhead.. {
                let answer = http::send(self.webhead(turn), &Method::POST, path, &headers, "").await?;
                match answer.status {
                    StatusCode::OK => break,
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => pause().await,
                    _ => bail!("an event was answered {answer:?}"),
                }
            }
            Ok(())
        };
        patiently("an event to be taken", telling).await?
    }

    /// Waits until every webhead knows of a service: they read now and then which there are.
    pub(super) async fn wait_for_service(&self, service: &str) -> Result<()> {
        let path = path(service);
        for webhead in self.webheads.iter() {
            wait_until(service, || async {
                let answer = http::get(*webhead, &path).await;
                // It asks for a credential.
                answer.is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED)
            })
            .await?;
        }
        Ok(())
    }

    fn webhead(&self, number: u64) -> SocketAddr {
        let count = self.webheads.len() as u64;
        self.webheads[usize::try_from(number % count).unwrap_or_default()]
    }

    fn read(&self, answer: &Answer) -> Result<Said> {
        let body = answer.json()?;
        ensure!(
            answer.header("content-type") == "application/json" && !answer.header("x-timestamp").is_empty(),
            "not as every answer is: {answer:?}"
        );
        let status = body["status"].as_str().unwrap_or_default().to_owned();
        let description = body["errors"][0]["description"].as_str().unwrap_or_default();
        let description = description.to_owned();
        match answer.status {
            StatusCode::OK => Ok(Said::Token(self.given(body)?)),
            StatusCode::UNAUTHORIZED => Ok(Said::Refused(status, description)),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                let wait = answer.header("retry-after");
                ensure!(!wait.is_empty(), "no Retry-After: {answer:?}");
                let is_full =
                    wait == NO_ROOM_WAIT && status == "internal-error" && description == "Server error";
                Ok(Said::Later(if is_full {
                    Later::NoRoom
                } else {
                    Later::Busy(status, description)
                }))
            }
            _ => bail!("must not be answered: {answer:?}"),
        }
    }

    /// The token has to say what is said beside it.
    fn given(&self, mut answer: Value) -> Result<Given> {
        let token = answer["id"].take();
        let key = answer["key"].take();
        let read = node_token::verify(token.as_str().context("id")?, &self.secrets)?;
        let uid = answer["uid"].as_u64().context("uid")?;
        ensure!(
            read.uid.get() == uid && key == read.key.expose(),
            "the token is another's: {answer}"
        );
        let endpoint = answer["api_endpoint"].as_str().context("api_endpoint")?;
        ensure!(
            endpoint == format!("{}/1.5/{uid}", read.node),
            "not the token's node: {answer}"
        );
        Ok(Given {
            uid,
            node: read.node,
            key_id: read.fxa_kid,
            answer,
        })
    }
}
