//! GET|POST {issuer}/v1/userinfo.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{FromRequest as _, Request, State},
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError,
    oauth::{UserInfo, UserInfoError},
};
use foxhold_core::{Deadline, ErrorCode};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    fault::Fault,
    form::{FormCall, is_form},
};
use crate::{App, app::bearer_token, error::ApiError};

/// What the user has agreed to tell.
pub(in crate::routes) async fn userinfo(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    match told(&app, request).await {
        Ok(info) => Json(shown(&app, &info)).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// Why nothing is told.
enum Refused {
    /// No good token.
    Token,
    /// A good one that is for something else.
    Scope,
    /// The request, or a tier behind us.
    Other(Fault),
}

async fn told(app: &Arc<App>, request: Request<Body>) -> Result<UserInfo, Refused> {
    let from_form = request.method() == Method::POST && is_form(request.headers());
    let headers = request.headers().clone();
    let (by, in_form) = if from_form {
        let call = FormCall::from_request(request, app).await?;
        let token = call.form.get("access_token")?.map(str::to_owned);
        (call.caller.deadline, token)
    } else {
        let by = request.extensions().get::<Deadline>().copied();
        (by.unwrap_or_else(|| Deadline::after(app.budget)), None)
    };
    let token = one_of(&headers, in_form).ok_or(Refused::Token)?;
    let presented = app.presented_token(by, &token).await.map_err(Fault::from)?;
    let presented = presented.ok_or(Refused::Token)?;
    app.accounts
        .user_info(by, &presented)
        .await
        .map_err(Refused::from)
}

/// The token, if it is shown in one way.
fn one_of(headers: &HeaderMap, in_form: Option<String>) -> Option<String> {
    let value = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().ok());
    match (value, in_form) {
        (Some(value), None) => bearer_token(value?).map(str::to_owned),
        (None, Some(token)) => Some(token),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn shown(app: &App, info: &UserInfo) -> Value {
    let mut members = Map::from_iter([("sub".to_owned(), json!(info.uid.to_string()))]);
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if let Some((email, verified)) = &info.email {
        put("email", email.as_str().into());
        put("email_verified", (*verified).into());
    }
    if let Some(profile) = &info.profile {
        put("preferred_username", profile.preferred_username.as_str().into());
        put(
            "picture",
            format!("{}/page/avatar.svg", app.site.public_url).into(),
        );
        put("updated_at", profile.updated_at.as_secs().into());
        if let Some(locale) = &profile.locale {
            put("locale", locale.as_str().into());
        }
    }
    Value::Object(members)
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Other(fault)
    }
}

impl From<UserInfoError> for Refused {
    fn from(error: UserInfoError) -> Self {
        match error {
            UserInfoError::Scope => Self::Scope,
            UserInfoError::Token(AccountError::BadToken) => Self::Token,
            UserInfoError::Token(error) => Self::Other(error.into()),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Other(fault) => return fault.into_response(),
            Self::Token => (StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\""),
            Self::Scope => (
                StatusCode::FORBIDDEN,
                "Bearer error=\"insufficient_scope\", scope=\"openid\"",
            ),
        };
        let code = ErrorCode::BadToken;
        let envelope = ApiError::new(code).into_envelope(code.number(), status);
        let mut response = (status, Json(envelope)).into_response();
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}
