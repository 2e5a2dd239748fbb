//! `POST /1.0/webhooks/fxa/events`: an accounts server tells of an account in a signed token (`tokenserver.md` section 10).
//!
//! Nothing is there unless an operator has named the issuer. What must stay true: an event is answered with 200 only once
//! it has been carried out in every service; a token is refused with 401 only if it is not good, never because something
//! of ours is away.

mod second_look;
mod settings;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use foxhold_core::{Clock, Deadline, record::Schemes};
use foxhold_crypto::{
    jws::{self, JwsError},
    rsa_key::KeySet,
};
use foxhold_outbound::Outbound;
use foxhold_ports::{Cause, PublicKeySource, signer::SignError};
use foxhold_runtime::metrics::{label, list as metrics};
use foxhold_sync::{
    ExchangeError,
    credential::Authorization,
    events::{
        self, Applied, ApplyError,
        security_event::{self, Expected, SecurityEventError},
    },
    reason::Reason,
};

pub use self::settings::{AccountEvents, AccountEventsError, AccountEventsSettings};

pub(super) use self::second_look::{After, SecondLooks};
use self::settings::EventKeys;
use super::{KeysOf, TokenServer, TokenServerError, dated, single};
use crate::{
    foreign_oauth::keys::{FixedKeys, PublishedKeys},
    key_set::KeySetCache,
};

/// Takes the events of one accounts server.
pub struct EventReceiver {
    pub(super) issuer: String,
    pub(super) audience: String,
    /// Second half of its users' keys; that of the users with access tokens when absent.
    pub(super) domain: Option<String>,
    pub(super) keys: KeySetCache,
    pub(super) second_looks: SecondLooks,
}

/// Where events are taken.
pub(super) const PATH: &str = "/1.0/webhooks/fxa/events";

/// Takes what an accounts server tells. A body is not looked at.
pub(super) async fn receive(State(server): State<Arc<TokenServer>>, request: Request) -> Response {
    let Some(events) = &server.account_events else {
        return TokenServerError::UnknownPath.into_response();
    };
    if request.method() != Method::POST {
        return only_post();
    }
    match take(&server, events, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            let schemes = Schemes {
                oauth: true,
                browserid: false,
            };
            TokenServerError::Exchange { error, schemes }.into_response()
        }
    }
}

fn only_post() -> Response {
    let mut response = TokenServerError::Method.into_response();
    let allowed = HeaderValue::from_static("POST");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

async fn take(
    server: &Arc<TokenServer>,
    events: &EventReceiver,
    request: Request,
) -> Result<(), ExchangeError> {
    let by = server.deadline(&request);
    let (parts, _) = request.into_parts();
    let authorization = single(&parts.headers, &header::AUTHORIZATION);
    let Ok(Authorization::Bearer(token)) = Authorization::parse(authorization) else {
        return Err(ExchangeError::InvalidCredentials(Reason::EventNoToken));
    };
    let payload = events.verified(by, token).await?;
    let expected = Expected {
        issuer: &events.issuer,
        audience: &events.audience,
        domain: match &events.domain {
            Some(domain) => domain,
            None => {
                &server
                    .settings
                    .get(by)
                    .await
                    .map_err(ExchangeError::NoKeys)?
                    .issuer_domain
            }
        },
    };
    let now = server.ports.clock.now();
    let told = security_event::parse(&payload, expected, now).map_err(refused_claims)?;
    let kind = told.as_ref().map_or(label::OTHER, |told| told.event.kind());
    metrics::TOKEN_EVENTS_RECEIVED.of([kind]).increment(1);
    let Some(told) = told else {
        tracing::debug!("account event ignored");
        return Ok(());
    };
    let Applied { known, changed } = events::apply(server.event_ports(), by, &told)
        .await
        .map_err(not_applied)?;
    metrics::TOKEN_EVENTS_PROCESSED.of([kind]).increment(1);
    tracing::info!(event = kind, known, changed, "account event applied");
    events.second_looks.plan(server, told);
    Ok(())
}

impl TokenServer {
    pub(super) fn event_ports(&self) -> events::Ports<'_> {
        events::Ports {
            reader: &*self.ports.reader,
            writer: &*self.ports.writer,
            clock: &*self.ports.clock,
            random: &*self.ports.random,
        }
    }
}

impl EventReceiver {
    /// Has asked for nothing yet. `budget` is how long a request may take.
    #[must_use]
    pub fn new(
        told_by: &AccountEvents,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
        budget: Duration,
    ) -> Self {
        let source: Arc<dyn PublicKeySource> = match &told_by.keys {
            EventKeys::Fixed(keys) => Arc::new(FixedKeys::new(keys)),
            EventKeys::Published(uri) => {
                let uri = uri.clone();
                let published = Arc::new(PublishedKeys { uri, outbound });
                dated(published, KeysOf::AccountEvents, Arc::clone(&clock))
            }
        };
        Self {
            issuer: told_by.issuer.clone(),
            audience: told_by.audience.clone(),
            domain: told_by.domain.clone(),
            keys: KeySetCache::new(source, clock),
            second_looks: SecondLooks::after_requests_of(budget),
        }
    }

    /// The payload of a token that the issuer has signed.
    pub(super) async fn verified(&self, by: Deadline, token: &str) -> Result<Vec<u8>, ExchangeError> {
        // What no key could make good is refused whether there are keys or not: garbage must not make us ask for any.
        match verify(token, &KeySet::new(Vec::new())) {
            Ok(_) | Err(JwsError::UnknownKey | JwsError::Signature) => {}
            Err(error @ (JwsError::Malformed | JwsError::Header | JwsError::Type)) => {
                return Err(refused_token(error));
            }
        }
        let keys = self.keys.keys(by).await.map_err(no_keys)?;
        match verify(token, &keys) {
            // It may be a new one.
            Err(JwsError::UnknownKey) => {
                let keys = self.keys.renewed(by, &keys).await.map_err(no_keys)?;
                verify(token, &keys).map_err(refused_token)
            }
            other => other.map_err(refused_token),
        }
    }
}

/// An access token of the same issuer has a type, which is none of these; an ID token has no `events`.
fn verify(token: &str, keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    jws::verify_unnamed(token, &security_event::TYPES, keys)
}

const fn no_keys(error: SignError) -> ExchangeError {
    ExchangeError::NoKeys(match error {
        SignError::NotDone(cause) => cause,
        SignError::Refused | SignError::UnfitKey | SignError::NoNodeSecret => Cause::Fault,
    })
}

const fn refused_token(error: JwsError) -> ExchangeError {
    ExchangeError::InvalidCredentials(match error {
        JwsError::Malformed => Reason::EventNotJwt,
        JwsError::Header => Reason::EventHeader,
        JwsError::Type => Reason::EventType,
        JwsError::UnknownKey => Reason::EventUnknownKey,
        JwsError::Signature => Reason::EventSignature,
    })
}

const fn refused_claims(error: SecurityEventError) -> ExchangeError {
    ExchangeError::InvalidCredentials(match error {
        SecurityEventError::Claims => Reason::EventClaims,
        SecurityEventError::Issuer => Reason::EventIssuer,
        SecurityEventError::Audience => Reason::EventAudience,
        SecurityEventError::Expired => Reason::EventExpired,
    })
}

fn not_applied(error: ApplyError) -> ExchangeError {
    match error {
        ApplyError::Store(cause) => ExchangeError::Store(cause),
        ApplyError::Refused(refusal) => refusal.into(),
        ApplyError::Contended => ExchangeError::Contended,
    }
}
