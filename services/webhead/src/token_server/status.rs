//! What a Token Server says of itself: discovery, heartbeats, version (`tokenserver.md` section 1).
//!
//! On a listener of its own these are routes; on one origin the webhead asks [`TokenServer::vitals`] for its part of the
//! one heartbeat.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use foxhold_core::{
    Deadline,
    record::{Schemes, ServicePolicy},
};
use foxhold_runtime::health;
use foxhold_sync::{ExchangeError, exchange::Settings};
use serde_json::{Value, json};

use super::{TokenServer, TokenServerError, only_get};

/// The service that discovery speaks of, among others that take the same credentials.
const SYNC: &str = "sync-1.5";

/// What `GET /` says besides the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The Token Server's own address, without trailing slash.
    pub url: String,
    /// Whose tokens are accepted; absent = the domain of their users.
    pub oauth_issuer: Option<String>,
    /// The OAuth server's address, ending in `/v1`.
    pub oauth_server_url: String,
}

impl TokenServer {
    /// What the deployment sets; that it is not known is an outage.
    async fn home_settings(&self, by: Deadline) -> Result<&Settings, TokenServerError> {
        let settings = self.settings.get(by).await;
        settings.map_err(|cause| TokenServerError::Exchange {
            error: ExchangeError::NoKeys(cause),
            schemes: Schemes::default(),
        })
    }
}

pub(super) fn routes(error_endpoint: bool) -> Router<Arc<TokenServer>> {
    let router = Router::new()
        .route("/", any(discovery))
        .route("/__heartbeat__", any(heartbeat))
        .route("/__lbheartbeat__", any(lb_heartbeat))
        .route("/__version__", any(version));
    if error_endpoint {
        router.route("/__error__", any(deliberate_error))
    } else {
        router
    }
}

pub(super) async fn discovery(
    State(server): State<Arc<TokenServer>>,
    request: Request,
) -> Result<Json<Value>, TokenServerError> {
    only_get(&request)?;
    let by = server.deadline(&request);
    let services = server.services.all(by).await?;
    let mut versions = serde_json::Map::new();
    for (app, version) in services
        .readable
        .iter()
        .filter_map(|service| service.key.0.rsplit_once('-'))
    {
        let of_app = versions.entry(app).or_insert_with(|| json!([]));
        if let Some(of_app) = of_app.as_array_mut() {
            of_app.push(json!(version));
        }
    }
    let discovery = &server.discovery;
    let mut found = json!({"services": versions, "auth": discovery.url});
    // There is room for one: that of Sync, if there is one.
    let told = |takes: fn(&Schemes) -> bool| {
        let taking = services
            .readable
            .iter()
            .filter(|service| takes(&service.policy.schemes));
        taking.min_by_key(|service| service.key.0 != SYNC)
    };
    if let Some(service) = told(|schemes| schemes.browserid) {
        found["browserid"] = browserid(&service.policy);
    }
    if let Some(service) = told(|schemes| schemes.oauth) {
        let issuer = match &discovery.oauth_issuer {
            Some(issuer) => issuer,
            None => &server.home_settings(by).await?.issuer_domain,
        };
        found["oauth"] = json!({
            "default_issuer": issuer,
            "scope": service.scope,
            "server_url": discovery.oauth_server_url,
        });
    }
    Ok(Json(found))
}

/// Any issuer is written as null.
fn browserid(policy: &ServicePolicy) -> Value {
    let allowed = (!policy.allows_any_issuer()).then_some(&policy.allowed_issuers);
    json!({"allowed_issuers": allowed, "trusted_issuers": policy.trusted_issuers})
}

pub(super) async fn heartbeat(
    State(server): State<Arc<TokenServer>>,
    request: Request,
) -> Result<Response, TokenServerError> {
    only_get(&request)?;
    let vitals = server.vitals().await;
    let status = if vitals.are_good() { "Ok" } else { "Err" };
    let mut body = vitals.members();
    body.insert("status".to_owned(), json!(status));
    body.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    // Without a node new users wait, and nobody else: that is no reason to send all others away.
    let serves = vitals.dependencies.all_ok();
    Ok(health::answer(serves, &Value::Object(body)))
}

pub(super) async fn lb_heartbeat(
    State(server): State<Arc<TokenServer>>,
    request: Request,
) -> Result<Response, TokenServerError> {
    only_get(&request)?;
    Ok(health::answer(!server.shutdown.has_begun(), &json!({})))
}

/// For operators who want to see whether they are told of errors.
pub(super) async fn deliberate_error(request: Request) -> TokenServerError {
    only_get(&request).err().unwrap_or(TokenServerError::Deliberate)
}

pub(super) async fn version(request: Request) -> Result<Json<Value>, TokenServerError> {
    only_get(&request)?;
    Ok(crate::routes::version().await)
}
