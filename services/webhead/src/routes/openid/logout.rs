//! GET {issuer}/oauth/logout: where another program sends a browser whose user signs out (`accounts.md` (k), sign-out).
//! The page asks, and ends the session; here it is only seen to that the browser is sent nowhere it should not go.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use foxhold_accounts::AccountError;
use foxhold_core::{ClientId, Deadline};
use foxhold_crypto::id_token;
use foxhold_ports::openid::rules;
use http::StatusCode;

use super::form::Form;
use crate::{App, page};

/// The page, if the way back is known or there is none.
pub(in crate::routes) async fn logout(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let by = request.extensions().get::<Deadline>().copied();
    let by = by.unwrap_or_else(|| Deadline::after(app.budget));
    let query = request.uri().query().unwrap_or_default();
    let Ok(form) = Form::parse(query.as_bytes()) else {
        return page::told(
            StatusCode::BAD_REQUEST,
            "The request of the other program cannot be read.",
        );
    };
    match may_go_back(&app, by, &form).await {
        Ok(true) => page::document(request.headers()),
        Ok(false) => page::told(
            StatusCode::BAD_REQUEST,
            "The program you come from wants you sent to an address that is not registered for it. You are still \
             signed in here.",
        ),
        Err(_) => page::told(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server cannot answer at the moment. Try again in a few seconds.",
        ),
    }
}

async fn may_go_back(app: &App, by: Deadline, form: &Form) -> Result<bool, AccountError> {
    let Ok(target) = form.get("post_logout_redirect_uri") else {
        return Ok(false);
    };
    let Some(target) = target else { return Ok(true) };
    let named = form
        .get("client_id")
        .ok()
        .flatten()
        .and_then(|id| id.parse().ok());
    let hinted = match form.get("id_token_hint") {
        Ok(Some(hint)) => client_of(app, by, hint).await?,
        _ => None,
    };
    let id: Option<ClientId> = match (named, hinted) {
        (Some(named), Some(hinted)) if named != hinted => return Ok(false),
        (named, hinted) => named.or(hinted),
    };
    let Some(id) = id else { return Ok(false) };
    match app.accounts.client(by, id).await {
        Ok(client) => Ok(client
            .registered
            .is_some_and(|client| rules::may_go_back(&client, target))),
        Err(AccountError::UnknownClient { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whom an ID token of ours was given to; it may be old.
async fn client_of(app: &App, by: Deadline, hint: &str) -> Result<Option<ClientId>, AccountError> {
    let keys = app.keys.keys(by).await.map_err(crate::app::no_keys)?;
    let hint = id_token::check_hint(hint, &keys).ok();
    let ours = hint.filter(|hint| hint.issuer == app.site.public_url);
    Ok(ours.and_then(|hint| hint.audience.parse().ok()))
}
