//! The other server's own word on a token: `POST {server}/v1/verify`.
//!
//! Must stay true: 200 with a body that says whose the token is, and a refusal of the token, are answers about it; all
//! else is an outage (`tokenserver.md` section 8, OAuth 5). The token stands in no log.

use std::{net::IpAddr, sync::Arc, time::Duration};

use foxhold_core::{Deadline, record::Generation};
use foxhold_crypto::jws::{self, Form};
use foxhold_outbound::{Answer, Content, Outbound, Reach};
use foxhold_ports::Cause;
use foxhold_sync::{
    credential::{VerifiedToken, VerifyError, is_uid},
    reason::Reason,
};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;

use super::{ForeignOauth, cause};
use crate::{home_domain::HomeDomain, turns::Turns};

/// The longest JWT that is passed on.
const JWT_LEN_MAX: usize = jws::LEN_MAX;
/// The longest token of another form: those of accounts servers have 64 digits.
const OPAQUE_LEN_MAX: usize = 2048;
/// The longest answer that is read.
const LEN_MAX: usize = 16 * 1024;
/// How long it may take.
const ASKING_MAX: Duration = Duration::from_secs(5);

/// Asks the server.
pub(super) struct RemoteVerifier {
    uri: Uri,
    home: Arc<HomeDomain>,
    outbound: Arc<Outbound>,
    turns: Turns,
}

/// Of what it answers, what is used.
#[derive(Deserialize)]
struct Verdict {
    user: String,
    scope: Vec<String>,
    /// In ms.
    generation: Option<u64>,
    /// The domain of the user's key.
    issuer: Option<String>,
}

/// No answer about the token: what it was, for the exchange and for logs.
struct Outage(Cause, String);

/// Whether it is worth a question. Opaque tokens may hold anything, blanks and JSON too, but not nothing.
fn may_be_token(token: &str) -> bool {
    let len_max = match jws::form(token) {
        Form::Opaque => OPAQUE_LEN_MAX,
        Form::Jws | Form::OtherAlgorithm => JWT_LEN_MAX,
    };
    token.len() <= len_max && !token.trim().is_empty() && !token.contains(char::is_control)
}

impl RemoteVerifier {
    pub(super) fn new(
        server: &ForeignOauth,
        home: Arc<HomeDomain>,
        outbound: Arc<Outbound>,
        turns: usize,
    ) -> Self {
        Self {
            uri: server.verify.clone(),
            home,
            outbound,
            turns: Turns::new(turns),
        }
    }

    /// What the server says of the token.
    pub(super) async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError> {
        if !may_be_token(token) {
            return Err(VerifyError::Invalid(Reason::TokenNoToken));
        }
        // A server that is slow must not keep more and more requests here, nor a client that brings garbage those of others.
        let Some(_turn) = self.turns.take(from) else {
            return Err(VerifyError::Unavailable(Cause::Overloaded));
        };
        let domain = self.home.get(by).await.map_err(VerifyError::Unavailable)?;
        let answered = self.ask(by.at_most(ASKING_MAX), token).await;
        let said = answered.and_then(|answer| judge(&answer, domain));
        said.unwrap_or_else(|Outage(cause, reason)| {
            tracing::warn!(reason, "the other accounts server did not verify a token");
            Err(VerifyError::Unavailable(cause))
        })
    }

    async fn ask(&self, by: Deadline, token: &str) -> Result<Answer, Outage> {
        let content = Content {
            media_type: "application/json",
            bytes: json!({"token": token}).to_string().into_bytes(),
        };
        let answer = self
            .outbound
            .post(by, &self.uri, Reach::Configured, content, LEN_MAX)
            .await;
        answer.map_err(|error| Outage(cause(&error), error.to_string()))
    }
}

/// What an answer says of the token, from a server whose users have this domain.
fn judge(answer: &Answer, domain: &str) -> Result<Result<VerifiedToken, VerifyError>, Outage> {
    let status = answer.status;
    let outage = |cause| Err(Outage(cause, format!("status {}", status.as_u16())));
    match status {
        StatusCode::OK => read(&answer.body, domain).map(Ok),
        // These two are about the asking, whatever was asked: a server that wants to be left alone for a while
        // must not sign users out.
        StatusCode::TOO_MANY_REQUESTS => outage(Cause::Overloaded),
        StatusCode::REQUEST_TIMEOUT => outage(Cause::Timeout),
        _ if status.is_client_error() => Ok(Err(VerifyError::Invalid(Reason::TokenRefusedByServer))),
        _ if status.is_server_error() => outage(Cause::Unavailable),
        _ => outage(Cause::Fault),
    }
}

fn read(body: &[u8], domain: &str) -> Result<VerifiedToken, Outage> {
    let faulty = |reason: &str| Outage(Cause::Fault, reason.to_owned());
    let verdict: Verdict = serde_json::from_slice(body).map_err(|_| faulty("unusable answer"))?;
    // A signed token of the same account has the configured domain in its user's key. Another one here would make two
    // users of one account, or let this server speak for the users of others.
    if verdict.issuer.is_some_and(|issuer| issuer != domain) {
        return Err(faulty("it speaks of another domain than that of its users"));
    }
    let is_scope = |scope: &String| !scope.is_empty() && !scope.contains(char::is_whitespace);
    let generation = verdict.generation.unwrap_or(0);
    let is_usable =
        is_uid(&verdict.user) && verdict.scope.iter().all(is_scope) && generation <= Generation::RETIRED.0;
    if !is_usable {
        return Err(faulty("unusable answer"));
    }
    Ok(VerifiedToken {
        fxa_uid: verdict.user,
        scope: verdict.scope.join(" "),
        generation: Generation(generation),
    })
}
