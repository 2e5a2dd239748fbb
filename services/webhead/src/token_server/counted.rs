//! Each request for a token, counted: for which service, with which kind of credential, and the `status` of its answer
//! (`tokenserver.md` 15).

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use foxhold_runtime::metrics::{label, list as metrics};
use foxhold_sync::{ExchangeError, credential::Authorization, exchange, first_assignments::Budget};

use super::{TokenServer, TokenServerError, single};

/// An extension of answers that are no token: the `status` that stands in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status(pub(super) &'static str);

/// An extension of answers that are no token: which budget of new users was used up, if that is why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limited(Option<&'static str>);

impl Limited {
    pub(super) const fn by(error: &TokenServerError) -> Self {
        let TokenServerError::Exchange {
            error: ExchangeError::NewUsersLimited(limited),
            ..
        } = error
        else {
            return Self(None);
        };
        Self(Some(match limited.by {
            Budget::Issuer => "issuer",
            Budget::Day => "day",
            Budget::Service => "service",
            Budget::Block => "block",
            Budget::Reserve => "reserve",
        }))
    }
}

/// The exchange, and its count.
pub(super) async fn token(
    State(server): State<Arc<TokenServer>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let began = Instant::now();
    let scheme = scheme(&request);
    let asked = path.as_ref().ok().map(|Path(asked)| asked.clone());
    let exchanged = super::token(State(Arc::clone(&server)), path, request).await;
    let response = exchanged.into_response();
    let service = asked.map_or(label::NONE, |(app, version)| service(&server, &app, &version));
    let status = response.extensions().get::<Status>();
    let status = status.map_or("ok", |status| status.0);
    metrics::TOKEN_EXCHANGES
        .of([service, scheme, status])
        .increment(1);
    if let Some(Limited(Some(budget))) = response.extensions().get() {
        metrics::TOKEN_NEW_USERS_LIMITED
            .of([service, *budget])
            .increment(1);
    }
    metrics::TOKEN_EXCHANGE_DURATION
        .of([scheme, label::class(response.status())])
        .record(began.elapsed().as_secs_f64());
    response
}

fn scheme(request: &Request) -> &'static str {
    match Authorization::parse(single(request.headers(), &header::AUTHORIZATION)) {
        Ok(Authorization::Bearer(_)) => "oauth",
        Ok(Authorization::BrowserId(_)) => "browserid",
        Err(_) => label::NONE,
    }
}

/// Its key, if there is such a service: what else clients ask for is no label.
fn service(server: &TokenServer, app: &str, version: &str) -> &'static str {
    let Some(services) = server.services.known() else {
        return label::NONE;
    };
    let found = exchange::find_service(&services, app, version);
    found.map_or(label::NONE, |service| label::named(&service.key.0))
}
