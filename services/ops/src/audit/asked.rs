//! Lines of changes that were asked for and refused before their handler knew what they are about: by somebody who may not,
//! in a form that cannot be meant, of what is not there, or while too much was in work. Called as a layer.
//!
//! Must stay true: nothing of a request that was not recognized stands in a line; it might name a user.

use axum::{
    RequestExt as _,
    extract::{MatchedPath, Query, RawPathParams, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use foxhold_core::ClientId;
use foxhold_runtime::{http_edge::PeerCertificate, layers::REQUEST_ID};

use super::Line;
use crate::{
    caller::{Access, Caller},
    convert::{node_url, service_key, user_key},
    refused::Refused,
    router::{App, OpsPorts},
    wire::{Code, DryRun, PREFIX},
};

/// Every change there is: its method, its path, and the tool's words for it.
const CHANGES: [(Method, &str, &str); 28] = [
    (Method::POST, "/events", "events.take"),
    (Method::POST, "/invitations", "invite.create"),
    (Method::DELETE, "/invitations/{id}", "invite.delete"),
    (Method::POST, "/accounts", "account.create"),
    (Method::DELETE, "/accounts/{account}", "account.delete"),
    (Method::POST, "/accounts/{account}/disable", "account.disable"),
    (Method::POST, "/accounts/{account}/enable", "account.enable"),
    (
        Method::POST,
        "/accounts/{account}/reset-link",
        "account.reset-link",
    ),
    (
        Method::DELETE,
        "/accounts/{account}/second-factor",
        "account.delete-second-factor",
    ),
    (Method::POST, "/users/{user}/retire", "user.retire"),
    (Method::POST, "/clients", "client.create"),
    (Method::PUT, "/clients/{client}", "client.update"),
    (Method::DELETE, "/clients/{client}", "client.delete"),
    (Method::POST, "/clients/{client}/rotate", "client.rotate"),
    (Method::PUT, "/services/{service}", "service.put"),
    (Method::POST, "/services/{service}/nodes", "node.create"),
    (Method::PATCH, "/services/{service}/nodes/{url}", "node.update"),
    (Method::DELETE, "/services/{service}/nodes/{url}", "node.delete"),
    (
        Method::POST,
        "/services/{service}/nodes/{url}/rename",
        "node.rename",
    ),
    (
        Method::POST,
        "/services/{service}/nodes/{url}/unassign",
        "node.unassign",
    ),
    (Method::POST, "/services/{service}/nodes/{url}/move", "node.move"),
    (
        Method::POST,
        "/services/{service}/users/{user}/place",
        "user.place",
    ),
    (
        Method::POST,
        "/services/{service}/users/{user}/unassign",
        "user.unassign",
    ),
    (
        Method::POST,
        "/services/{service}/users/{user}/retire",
        "user.retire",
    ),
    (
        Method::POST,
        "/services/{service}/users/{user}/forget",
        "user.forget",
    ),
    (Method::POST, "/services/{service}/purge", "service.purge"),
    (Method::POST, "/services/{service}/import", "records.import"),
    (Method::POST, "/services/{service}/uids/reserve", "uids.reserve"),
];

/// Writes the line of a change that was refused, if nobody has. As a layer inside of what carries a request to its end, so
/// that a client that leaves does not take the line with it; and once more outside of everything, for what never got in.
pub(crate) async fn audit_refusal(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&app, access, &mut request).await;
    let mut response = next.run(request).await;
    if let Some(asked) = asked
        && let Some(code) = unaudited(&mut response)
    {
        let id = response.headers().get(REQUEST_ID);
        match id.and_then(|id| id.to_str().ok()) {
            // Out here no span names the request any more.
            Some(id) => tracing::info_span!("request", request.id = id).in_scope(|| asked.write(code)),
            None => asked.write(code),
        }
    }
    response
}

/// Why, of a refusal without a line; it has one from now on.
fn unaudited(response: &mut Response) -> Option<Code> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let answered = response.extensions().get::<Refused>().cloned();
    let refused = answered.unwrap_or_else(|| Refused::of_status(status));
    if refused.is_audited {
        return None;
    }
    let code = refused.code;
    response.extensions_mut().insert(Refused {
        is_audited: true,
        ..refused
    });
    Some(code)
}

/// A change, as far as a request says which.
struct Asked {
    caller: Option<Caller>,
    action: &'static str,
    service: Option<String>,
    node: Option<String>,
    /// The hash.
    user: Option<String>,
    client: Option<String>,
}

impl Asked {
    /// `None` = this changes nothing.
    async fn of(app: &OpsPorts, access: Access, request: &mut Request) -> Option<Self> {
        let action = action(request)?;
        let is_dry = Query::<DryRun>::try_from_uri(request.uri()).is_ok_and(|Query(asked)| asked.dry_run);
        if is_dry {
            return None;
        }
        let params = request.extract_parts::<RawPathParams>().await.ok();
        let param = |name: &str| {
            let mut all = params.as_ref()?.iter();
            all.find_map(|(known, value)| (known == name).then_some(value))
        };
        let service = param("service").filter(|key| service_key(key).is_ok() && !key.contains('@'));
        let node = param("url").filter(|url| node_url("url", url).is_ok());
        let user = param("user").and_then(|user| user_key("user", user).ok());
        let client = param("client").filter(|id| id.parse::<ClientId>().is_ok());
        let client = client.map(str::to_owned);
        let certificate = request.extensions().get::<PeerCertificate>();
        Some(Self {
            caller: Caller::asking(access, certificate),
            action,
            service: service.map(str::to_owned),
            node: node.map(str::to_owned),
            user: user.map(|user| app.hash(&user)),
            client,
        })
    }

    fn write(self, why: Code) {
        let line = Line {
            caller: self.caller.as_ref(),
            action: self.action,
            service: self.service.as_deref(),
            node: self.node.as_deref(),
            user: self.user,
            client: self.client.as_deref(),
        };
        line.write(why.name());
    }
}

fn action(request: &Request) -> Option<&'static str> {
    let path = request.extensions().get::<MatchedPath>()?;
    let path = path.as_str().strip_prefix(PREFIX)?;
    let mut all = CHANGES.iter();
    all.find_map(|(method, template, action)| {
        (request.method() == method && path == *template).then_some(*action)
    })
}
