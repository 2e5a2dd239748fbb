//! The one log line of a request for a token (`tokenserver.md` 7 and 15): who, by hashes that telemetry knows; with which
//! client; and why not, in a word that `docs/refusals.md` explains.
//!
//! Must stay true: no uid, no user's name and nothing of a credential is in it.

use std::time::Instant;

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::Response,
};
use foxhold_crypto::node_token::MetricsIds;
use foxhold_sync::{credential::Authorization, exchange::Token};

use super::{TokenServerError, single, user_agent::UserAgent};

/// The route, as metrics call it.
const ROUTE: &str = "/1.0/{app}/{version}";

/// What is known of a request.
pub(super) struct LogLine {
    began: Instant,
    method: Method,
    /// The path of a service that exists; what else clients ask for is nobody's business.
    path: Option<String>,
    token_type: Option<&'static str>,
    agent: UserAgent,
    /// Whoever asks, once the credential holds.
    pub(super) who: Option<MetricsIds>,
    given: Option<Given>,
    refused: Option<Refused>,
}

/// Of a token.
struct Given {
    first_seen_at: u64,
    node_type: Option<String>,
}

/// Of a refusal, and of an outage.
struct Refused {
    reason: &'static str,
    cause: Option<String>,
}

macro_rules! line {
    ($level:expr, $line:expr, $status:expr, $bound_to:expr) => {{
        let (line, status, bound_to): (&LogLine, StatusCode, Option<&str>) = ($line, $status, $bound_to);
        let (who, given, refused) = (line.who.as_ref(), line.given.as_ref(), line.refused.as_ref());
        tracing::event!(
            target: "foxhold::access",
            $level,
            http.method = line.method.as_str(),
            http.route = ROUTE,
            http.status = status.as_u16(),
            duration_ms = (line.began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            uri.method = line.method.as_str(),
            uri.path = line.path.as_deref(),
            token_type = line.token_type,
            uid = who.map(|who| who.full.as_str()),
            metrics_uid = who.map(MetricsIds::hashed_fxa_uid),
            metrics_device_id = who.map(|who| who.hashed_device_id.as_str()),
            first_seen_at = given.map(|given| given.first_seen_at),
            node_type = given.and_then(|given| given.node_type.as_deref()),
            ua.browser.family = line.agent.browser,
            ua.browser.ver = line.agent.version,
            ua.os.family = line.agent.system,
            reason = refused.map(|refused| refused.reason),
            cause = refused.and_then(|refused| refused.cause.as_deref()),
            public_url = bound_to,
            "token request"
        );
    }};
}

impl LogLine {
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let agent = headers.get(header::USER_AGENT);
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            path: None,
            token_type: token_type(headers),
            agent: UserAgent::of(agent.map_or(b"", |agent| agent.as_bytes())),
            who: None,
            given: None,
            refused: None,
        }
    }

    /// The service exists.
    pub(super) fn asked_for(&mut self, app: &str, version: &str) {
        self.path = Some(format!("/1.0/{app}/{version}"));
    }

    pub(super) fn given(&mut self, token: &Token) {
        self.given = Some(Given {
            first_seen_at: token.first_seen_at.as_millis(),
            node_type: token.node_type.clone(),
        });
    }

    pub(super) fn refused(&mut self, error: &TokenServerError) {
        self.refused = Some(Refused {
            reason: error.reason(),
            cause: error.cause(),
        });
    }

    /// Writes it. `bound_to` is the address that clients' credentials have to be for: where that is not the one they use,
    /// all of them are refused.
    pub(super) fn write(&self, response: &Response, bound_to: &str) {
        let status = response.status();
        let bound_to = self.refused.as_ref().map(|_| bound_to);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            line!(tracing::Level::ERROR, self, status, bound_to);
        } else if status.is_server_error() {
            line!(tracing::Level::WARN, self, status, bound_to);
        } else {
            line!(tracing::Level::INFO, self, status, bound_to);
        }
    }
}

fn token_type(headers: &HeaderMap) -> Option<&'static str> {
    match Authorization::parse(single(headers, &header::AUTHORIZATION)) {
        Ok(Authorization::Bearer(_)) => Some("OAuth"),
        Ok(Authorization::BrowserId(_)) => Some("BrowserID"),
        Err(_) => None,
    }
}
