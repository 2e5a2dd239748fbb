//! `GET /services/{service}/records`: all users with all their records, a page at a time.

use axum::{Json, extract::State};

use super::{Reply, page_limit};
use crate::{
    convert::user_records,
    cursor,
    extract::{By, Params, Segments},
    router::App,
    wire::{PageQuery, Records},
};

/// Users of a page, if nothing is said.
const LIMIT: u32 = 100;

pub(crate) async fn page(
    State(app): State<App>,
    By(by): By,
    Segments(key): Segments<String>,
    Params(query): Params<PageQuery>,
) -> Reply<Records> {
    let limit = page_limit(query.limit.unwrap_or(LIMIT))?;
    let service = app.service(by, &key).await?.key;
    let after = cursor::read(&service, query.after.as_ref())?;
    let page = app.reader.records(by, &service, after.as_ref(), limit).await?;
    let told = page
        .records
        .into_iter()
        .map(|(user, record)| user_records(&user, record));
    Ok(Json(Records {
        users: told.collect(),
        next: page.next.map(|next| cursor::told(&service, &next)),
    }))
}
