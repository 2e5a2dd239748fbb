//! `/v1/invitation/…`: what an invitation says, before somebody makes an account with it.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::json;

use super::Answer;
use crate::{App, extract::OpenCall};

/// POST /invitation/status.
pub(super) async fn status(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let code = call.fields.text("invite")?;
    let status = app.accounts.invitation_status(&call.caller, &code).await?;
    let mut answer = json!({ "expiresAt": status.expires_at.as_millis() });
    if let Some(email) = status.email {
        answer["email"] = email.into();
    }
    if let Some(domain) = status.domain {
        answer["domain"] = domain.into();
    }
    Ok(Json(answer))
}
