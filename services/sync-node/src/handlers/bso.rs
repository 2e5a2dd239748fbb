//! `/storage/{collection}/{id}`.

use foxhold_sync::storage::{BsoId, CollectionName, Limits, modified_answer, parse_put, push_record};

use crate::{
    edge::Admitted,
    reply::Reply,
    store::{self, Denied},
};

pub(crate) async fn get(request: &Admitted<'_>, name: CollectionName, id: BsoId) -> Result<Reply, Denied> {
    let wanted = id.clone();
    let bso = request
        .read(move |connection, context| store::one(connection, context, &name, &wanted))
        .await?;
    let mut body = String::with_capacity(bso.payload.len() + 128);
    push_record(&mut body, &id, bso.modified, bso.sortindex, &bso.payload);
    Ok(Reply::json(bso.modified, body))
}

pub(crate) async fn put(
    request: &Admitted<'_>,
    name: CollectionName,
    id: BsoId,
    limits: &Limits,
    body: &[u8],
) -> Result<Reply, Denied> {
    let change = parse_put(body, &id, &name, limits)?;
    let written = request
        .write(move |connection, context| store::put(connection, context, &name, &id, change))
        .await?;
    Ok(Reply::json(written.time, written.time.to_string()).quota_left(written.quota_left))
}

pub(crate) async fn delete(request: &Admitted<'_>, name: CollectionName, id: BsoId) -> Result<Reply, Denied> {
    let written = request
        .write(move |connection, context| store::delete_one(connection, context, &name, &id))
        .await?;
    Ok(Reply::json(written.time, modified_answer(written.time)).quota_left(written.quota_left))
}
