//! `GET /services/{service}/count`: users first seen before a moment, a page at a time: no store can count them at once.

use axum::{Json, extract::State};
use foxhold_core::Timestamp;

use super::{Reply, page_limit};
use crate::{
    cursor,
    extract::{By, Params, Segments},
    router::App,
    wire::{Count, CountQuery, PAGE_LIMIT_MAX},
};

const DAY_SECS: u64 = 86_400;

pub(crate) async fn page(
    State(app): State<App>,
    By(by): By,
    Segments(key): Segments<String>,
    Params(query): Params<CountQuery>,
) -> Reply<Count> {
    let limit = page_limit(query.limit.unwrap_or(PAGE_LIMIT_MAX))?;
    let service = app.service(by, &key).await?.key;
    let after = cursor::read(&service, query.after.as_ref())?;
    let before = query.before_ms.map(Timestamp::from_millis);
    let before = before.unwrap_or_else(|| last_midnight(app.clock.now()));
    let page = app.reader.records(by, &service, after.as_ref(), limit).await?;
    let seen = page
        .records
        .iter()
        .filter(|(_, record)| record.first_seen_at < before);
    Ok(Json(Count {
        users: seen.count() as u64,
        looked_at: page.records.len() as u64,
        before_ms: before.as_millis(),
        next: page.next.map(|next| cursor::told(&service, &next)),
    }))
}

fn last_midnight(now: Timestamp) -> Timestamp {
    Timestamp::from_secs(now.as_secs() / DAY_SECS * DAY_SECS)
}
