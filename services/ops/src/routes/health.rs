//! `GET /health`: whether the store answers, and whom the caller is taken for.

use axum::{Json, extract::State};

use crate::{caller::Caller, extract::By, router::App, wire::Health};

pub(crate) async fn show(State(app): State<App>, By(by): By, caller: Caller) -> Json<Health> {
    let services = app.reader.services(by).await.ok();
    Json(Health {
        is_ok: services.is_some(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        caller: caller.name(),
        store_answers: services.is_some(),
        services: services.map(|services| services.len() as u64),
    })
}
