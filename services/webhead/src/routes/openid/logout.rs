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
use foxhold_ports::openid::rules;
use http::StatusCode;

use super::{
    authorization::see_other,
    form::Form,
    hint::{Hint, hint},
};
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
    match way_back(&app, by, &form).await {
        Ok(WayBack::Known) => page::document(request.headers()),
        Ok(WayBack::Untold) => see_other(&format!("{}/oauth/logout", app.site.public_url)),
        Ok(WayBack::Wrong) => page::told(
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

/// Where the browser goes afterwards.
enum WayBack {
    /// Where the program wants it, or nowhere.
    Known,
    /// Nowhere: nothing says whose the address is but a token that cannot be checked any more.
    Untold,
    /// To an address that is not the program's.
    Wrong,
}

async fn way_back(app: &App, by: Deadline, form: &Form) -> Result<WayBack, AccountError> {
    let Ok(target) = form.get("post_logout_redirect_uri") else {
        return Ok(WayBack::Wrong);
    };
    let Some(target) = target else {
        return Ok(WayBack::Known);
    };
    let named = form
        .get("client_id")
        .ok()
        .flatten()
        .and_then(|id| id.parse().ok());
    let hinted = match hint(app, by, form).await? {
        Hint::Ours(hint) => hint.audience.parse().ok(),
        Hint::OfUnknownKey if named.is_none() => return Ok(WayBack::Untold),
        Hint::None | Hint::OfUnknownKey => None,
        Hint::Forged => return Ok(WayBack::Wrong),
    };
    let id: Option<ClientId> = match (named, hinted) {
        (Some(named), Some(hinted)) if named != hinted => return Ok(WayBack::Wrong),
        (named, hinted) => named.or(hinted),
    };
    match id {
        Some(id) if is_registered(app, by, id, target).await? => Ok(WayBack::Known),
        _ => Ok(WayBack::Wrong),
    }
}

/// Whether a client has registered the address.
async fn is_registered(app: &App, by: Deadline, id: ClientId, target: &str) -> Result<bool, AccountError> {
    match app.accounts.client(by, id).await {
        Ok(client) => Ok(client
            .registered
            .is_some_and(|client| rules::may_go_back(&client, target))),
        Err(AccountError::UnknownClient { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
