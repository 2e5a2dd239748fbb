//! What devices of an account send each other: commands, which wait for their receiver, and messages, which need push and
//! go nowhere without it.

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::{
    AccountError,
    device_commands::{Audience, CommandRequest, PAGE_MAX},
};
use foxhold_core::DeviceId;
use foxhold_ports::device_commands::WaitingCommand;
use serde_json::{Value, json};

use super::Answer;
use crate::{App, extract::SessionCall, json::Fields};

/// POST /account/devices/invoke_command. Nobody is woken yet, so the receiver is never `notified`.
pub(super) async fn invoke(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let fields = &mut call.fields;
    let request = CommandRequest {
        target: fields.id("target")?,
        name: fields.text("command")?,
        payload: object(fields, "payload")?.to_string(),
        ttl_secs: fields.optional_number("ttl")?,
    };
    app.accounts
        .invoke_command(&call.caller, &call.signed_in, request)
        .await?;
    Ok(Json(json!({ "enqueued": true, "notified": false })))
}

/// GET /account/device/commands. With nothing new the index stays where the caller is.
pub(super) async fn waiting(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    let from: u64 = call.query.optional("index")?.unwrap_or(0);
    let limit: u64 = call.query.optional("limit")?.unwrap_or(PAGE_MAX);
    let page = app
        .accounts
        .waiting_commands(&call.caller, &call.signed_in, from, limit)
        .await?;
    let messages: Vec<_> = page.commands.iter().map(message).collect::<Result<_, _>>()?;
    let index = page.commands.last().map_or(from, |waiting| waiting.index);
    Ok(Json(json!({
        "index": index,
        "last": page.is_last,
        "messages": messages,
    })))
}

fn message(waiting: &WaitingCommand) -> Result<Value, AccountError> {
    let command = &waiting.command;
    let payload: Value = serde_json::from_str(&command.payload).map_err(|_| AccountError::Internal)?;
    let mut data = json!({ "command": command.name, "payload": payload });
    if let Some(sender) = command.sender {
        data["sender"] = sender.to_string().into();
    }
    Ok(json!({ "index": waiting.index, "data": data }))
}

/// POST /account/devices/notify.
pub(super) async fn notify(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let fields = &mut call.fields;
    let to = audience(fields)?;
    object(fields, "payload")?;
    fields.optional_number("TTL")?;
    app.accounts
        .notify_devices(&call.caller, &call.signed_in, to)
        .await?;
    Ok(Json(json!({})))
}

fn audience(fields: &mut Fields) -> Result<Audience, AccountError> {
    let to = fields.any("to")?;
    let excluded = if fields.has("excluded") {
        ids(&fields.any("excluded")?).ok_or(AccountError::BadParameter("excluded"))?
    } else {
        Vec::new()
    };
    if to == "all" {
        return Ok(Audience::AllBut(excluded));
    }
    let to = ids(&to).ok_or(AccountError::BadParameter("to"))?;
    Ok(Audience::Only(to))
}

/// A list of devices' ids.
fn ids(list: &Value) -> Option<Vec<DeviceId>> {
    let ids = list.as_array()?.iter();
    ids.map(|id| id.as_str()?.parse().ok()).collect()
}

fn object(fields: &mut Fields, name: &'static str) -> Result<Value, AccountError> {
    let value = fields.any(name)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(AccountError::BadParameter(name))
    }
}
