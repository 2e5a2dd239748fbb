//! Devices and attached clients. Push messages are not sent yet; Firefox does without them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{attached::AttachedClient, detach::DetachRequest, device::DeviceRequest};
use foxhold_core::{Timestamp, record::Device};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Answer;
use crate::{App, error::ApiError, extract::SessionCall};

/// POST /account/device.
pub(super) async fn put(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let fields = &mut call.fields;
    let request = DeviceRequest {
        id: fields.optional_id("id")?,
        name: fields.optional_text("name")?,
        kind: fields.optional_text("type")?,
        push_callback: fields.optional_text("pushCallback")?,
        push_public_key: fields.optional_text("pushPublicKey")?,
        push_auth_key: fields.optional_text("pushAuthKey")?,
        available_commands: fields.optional_texts("availableCommands")?,
    };
    let device = app
        .accounts
        .put_device(&call.caller, &call.signed_in, request)
        .await?;
    let mut answer = shown(&device);
    answer["createdAt"] = device.created_at.as_millis().into();
    Ok(Json(answer))
}

/// GET /account/devices.
pub(super) async fn list(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    let heard_since = call
        .query
        .optional("filterIdleDevicesTimestamp")?
        .map(Timestamp::from_millis);
    let devices = app
        .accounts
        .devices(&call.caller, &call.signed_in, heard_since)
        .await?;
    let current = call.signed_in.session.id;
    let shown = devices.iter().map(|device| {
        let mut answer = shown(device);
        answer["isCurrentDevice"] = (device.session == current).into();
        answer["lastAccessTime"] = device.last_access_at.as_millis().into();
        answer["location"] = json!({});
        answer
    });
    Ok(Json(shown.collect()))
}

fn shown(device: &Device) -> Value {
    let push = device.push.as_ref();
    json!({
        "id": device.id.to_string(),
        "name": device.name,
        "type": device.kind,
        "pushCallback": push.map(|push| &push.callback),
        "pushPublicKey": push.map(|push| &push.public_key),
        "pushAuthKey": push.map(|push| &push.auth_key),
        "pushEndpointExpired": false,
        "availableCommands": device.available_commands,
    })
}

/// POST /account/device/destroy.
pub(super) async fn destroy(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let id = call.fields.id("id")?;
    app.accounts
        .destroy_device(&call.caller, &call.signed_in, id)
        .await?;
    Ok(Json(json!({})))
}

/// GET /account/attached_clients.
pub(super) async fn attached_clients(
    State(app): State<Arc<App>>,
    call: SessionCall<false>,
) -> Result<Response, ApiError> {
    let clients = app
        .accounts
        .attached_clients(&call.caller, &call.signed_in)
        .await?;
    let mut response = Json(clients.iter().map(attached).collect::<Vec<_>>()).into_response();
    let now_ms = HeaderValue::from(app.accounts.clock.now().as_millis());
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-timestamp"), now_ms);
    Ok(response)
}

/// POST /account/attached_client/destroy.
pub(super) async fn detach(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let fields = &mut call.fields;
    let request = DetachRequest {
        client: fields.optional_id("clientId")?,
        session: fields.optional_id("sessionTokenId")?,
        refresh_token: fields.optional_id("refreshTokenId")?,
        device: fields.optional_id("deviceId")?,
    };
    app.accounts
        .detach(&call.caller, &call.signed_in, request)
        .await?;
    Ok(Json(json!({})))
}

/// GET /account/sessions: what older clients ask for in place of attached clients.
pub(super) async fn sessions(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    let clients = app
        .accounts
        .attached_clients(&call.caller, &call.signed_in)
        .await?;
    let sessions = clients.iter().filter(|client| client.session.is_some());
    Ok(Json(sessions.map(session).collect()))
}

fn session(client: &AttachedClient) -> Value {
    json!({
        "id": client.session.map(|id| id.to_string()),
        "isCurrentDevice": client.is_current_session,
        "isDevice": client.device.is_some(),
        "deviceId": client.device.map(|id| id.to_string()),
        "deviceName": client.name,
        "deviceType": client.device_type,
        "createdTime": client.created_at.as_millis(),
        "lastAccessTime": client.last_access_at.as_millis(),
        "location": {},
        "userAgent": client.user_agent,
        "os": client.os,
    })
}

fn attached(client: &AttachedClient) -> Value {
    json!({
        "clientId": client.client.map(|id| id.to_string()),
        "deviceId": client.device.map(|id| id.to_string()),
        "sessionTokenId": client.session.map(|id| id.to_string()),
        "refreshTokenId": client.refresh_token.map(|id| id.to_string()),
        "isCurrentSession": client.is_current_session,
        "deviceType": client.device_type,
        "name": client.name,
        "createdTime": client.created_at.as_millis(),
        "lastAccessTime": client.last_access_at.as_millis(),
        "scope": client.scope.as_ref().map(|scope| scope.split(' ').collect::<Vec<_>>()),
        "location": {},
        "userAgent": client.user_agent,
        "os": client.os,
    })
}
