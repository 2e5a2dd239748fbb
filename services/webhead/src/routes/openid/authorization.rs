//! GET|POST {issuer}/authorization: where another program sends a browser (`accounts.md` (k), Authorization request).
//!
//! Must stay true: until client and redirect URI are known to belong together, nothing is sent anywhere but to a page of
//! our own.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest as _, Request, State},
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError,
    oauth::{answered, redirect_uri},
};
use foxhold_core::{ClientId, Deadline, record::RegisteredClient};
use http::{HeaderValue, StatusCode, header};
use url::form_urlencoded;

use super::{
    fault::Fault,
    form::{Form, FormCall, is_form},
    form_post::{origin, posted_to},
    hint::{Hint, ID_TOKEN_HINT, hint},
};
use crate::{App, page};

/// Parameters that mean something here: a repeated one is refused.
const KNOWN: [&str; 21] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    ID_TOKEN_HINT,
    "response_mode",
    "ui_locales",
    "display",
    "claims_locales",
    "request",
    "request_uri",
    "registration",
    "keys_jwk",
];

/// What is asked of the browser's user is asked by the page; what no page could mend is answered at once.
pub(in crate::routes) async fn authorization(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Response {
    let by = request.extensions().get::<Deadline>().copied();
    let by = by.unwrap_or_else(|| Deadline::after(app.budget));
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(form) = Form::parse(query.as_bytes()) else {
        return page::told(
            StatusCode::BAD_REQUEST,
            "The request of the other program cannot be read.",
        );
    };
    let (client, target) = match target(&app, by, &form).await {
        Ok(known) => known,
        Err(error) => return not_sent(&error),
    };
    match hint(&app, by, &form).await {
        Ok(Hint::None | Hint::Ours(_)) => {}
        // The page reads the hint by itself, so it is given none that was not checked.
        Ok(Hint::OfUnknownKey) => {
            return ask_again(&app, form.pairs().filter(|(name, _)| *name != ID_TOKEN_HINT));
        }
        Ok(Hint::Forged) => {
            return sent_back(
                &app,
                &form,
                &target,
                ("invalid_request", "id_token_hint is none of ours"),
            );
        }
        Err(error) => return not_sent(&error),
    }
    match check(&client, &form) {
        Ok(Answer::Query) => page::document(request.headers()),
        Ok(Answer::FormPost) => page::document_posting_to(request.headers(), &origin(&target)),
        Err(error) => sent_back(&app, &form, &target, error),
    }
}

/// The same by POST: the browser is sent to ask again by GET, so that the page finds the request in its address.
pub(in crate::routes) async fn posted(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    const UNREADABLE: &str = "The request of the other program cannot be read.";
    if !is_form(request.headers()) {
        return page::told(StatusCode::UNSUPPORTED_MEDIA_TYPE, UNREADABLE);
    }
    let Ok(call) = FormCall::from_request(request, &app).await else {
        return page::told(StatusCode::BAD_REQUEST, UNREADABLE);
    };
    ask_again(&app, call.form.pairs())
}

/// The browser comes again, with these parameters.
fn ask_again<'a>(app: &App, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    see_other(&format!(
        "{}/authorization?{}",
        app.site.public_url,
        query.finish()
    ))
}

/// Who asks, and where the answer goes.
async fn target(
    app: &App,
    by: Deadline,
    form: &Form,
) -> Result<(Arc<RegisteredClient>, String), AccountError> {
    let missing = |_: Fault| AccountError::BadParameter("client_id");
    let id = form.get("client_id").map_err(missing)?;
    let id: Option<ClientId> = id.and_then(|id| id.parse().ok());
    let id = id.ok_or(AccountError::BadParameter("client_id"))?;
    let client = app.accounts.client(by, id).await?;
    let unknown = AccountError::UnknownClient { client: id };
    let client = client.registered.ok_or(unknown)?;
    let wanted = form.get("redirect_uri").map_err(|_| AccountError::BadRedirect)?;
    let target = redirect_uri(&client, wanted)?.to_owned();
    Ok((client, target))
}

fn not_sent(error: &AccountError) -> Response {
    let status = StatusCode::from_u16(error.code().http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    if status.is_server_error() {
        let text = "This server cannot answer at the moment. Try again in a few seconds.";
        let mut response = page::told(StatusCode::SERVICE_UNAVAILABLE, text);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    }
    let text = match error {
        AccountError::BadRedirect => {
            "The program you come from wants to be answered at an address that is not registered for it. Tell its \
             operator."
        }
        _ => "The program you come from is not registered here. Tell its operator.",
    };
    page::told(StatusCode::BAD_REQUEST, text)
}

/// How the answer is brought.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Query,
    FormPost,
}

/// What is wrong with a request, whoever signs in: its standard name, and words.
type Wrong = (&'static str, &'static str);

fn check(client: &RegisteredClient, form: &Form) -> Result<Answer, Wrong> {
    for name in KNOWN {
        let twice = ("invalid_request", "a parameter stands there twice");
        form.get(name).map_err(|_| twice)?;
    }
    let get = |name| form.get(name).ok().flatten();
    let unsupported = [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ];
    for (name, error) in unsupported {
        if get(name).is_some() {
            return Err((error, "this parameter is not taken"));
        }
    }
    match get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "code")),
        None => return Err(("invalid_request", "response_type is missing")),
    }
    let answer = match get("response_mode") {
        None | Some("query") => Answer::Query,
        Some("form_post") => Answer::FormPost,
        Some(_) => return Err(("invalid_request", "response_mode is query or form_post")),
    };
    check_values(client, &get)?;
    Ok(answer)
}

fn check_values<'a>(
    client: &RegisteredClient,
    get: &impl Fn(&'static str) -> Option<&'a str>,
) -> Result<(), Wrong> {
    let invalid = |what| Err(("invalid_request", what));
    if get("keys_jwk").is_some() {
        return invalid("keys are not given to registered clients");
    }
    if get("scope").is_none() {
        return Err(("invalid_scope", "scope is missing"));
    }
    if get("max_age").is_some_and(|secs| secs.parse::<u32>().is_err()) {
        return invalid("max_age is a number of seconds");
    }
    let prompt: Vec<_> = get("prompt").unwrap_or_default().split(' ').collect();
    if prompt.contains(&"none") && prompt.len() > 1 {
        return invalid("prompt=none stands alone");
    }
    match (get("code_challenge"), get("code_challenge_method")) {
        (Some(_), Some("S256")) => Ok(()),
        (None, None) if !client.switches.require_pkce => Ok(()),
        (None, None) => invalid("code_challenge is missing"),
        _ => invalid("code_challenge and code_challenge_method=S256 go together"),
    }
}

fn sent_back(app: &App, form: &Form, target: &str, (error, description): Wrong) -> Response {
    let mut answer = vec![
        ("error", error.to_owned()),
        ("error_description", description.to_owned()),
    ];
    if let Ok(Some(state)) = form.get("state") {
        answer.push(("state", state.to_owned()));
    }
    answer.push(("iss", app.site.public_url.clone()));
    if matches!(form.get("response_mode"), Ok(Some("form_post"))) {
        return posted_to(target, &answer);
    }
    see_other(&answered(target, &answer))
}

pub(super) fn see_other(target: &str) -> Response {
    let Ok(target) = HeaderValue::from_str(target) else {
        return page::told(
            StatusCode::BAD_REQUEST,
            "The request of the other program cannot be read.",
        );
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, target)]).into_response()
}
