//! `/storage/{collection}/{id}`.

use foxhold_sync::storage::{BsoId, CollectionName, Limits, modified_answer, parse_put, push_record};

use crate::{
    edge::Admitted,
    reply::Reply,
    store::{self, Denied},
};

pub(crate) async fn get(request: &Admitted<'_>, name: &CollectionName, id: &BsoId) -> Result<Reply, Denied> {
    let (node, context) = (request.node, request.read_context());
    let (name, wanted) = (name.clone(), id.clone());
    let read = move |connection: &_| store::one(connection, context, &name, &wanted);
    let bso = node.store.read(request.uid, node.turn_deadline(), read).await?;
    let mut body = String::with_capacity(bso.payload.len() + 128);
    push_record(&mut body, id, bso.modified, bso.sortindex, &bso.payload);
    Ok(Reply::json(bso.modified, body))
}

pub(crate) async fn put(
    request: &Admitted<'_>,
    name: &CollectionName,
    id: &BsoId,
    limits: &Limits,
    body: &[u8],
) -> Result<Reply, Denied> {
    let change = parse_put(body, id, name, limits)?;
    let (node, context) = (request.node, request.write_context());
    let (name, id) = (name.clone(), id.clone());
    let write = move |connection: &_| store::put(connection, context, &name, &id, change);
    let written = node.store.write(request.uid, node.turn_deadline(), write).await?;
    Ok(Reply::json(written.time, written.time.to_string()).quota_left(written.quota_left))
}

pub(crate) async fn delete(
    request: &Admitted<'_>,
    name: &CollectionName,
    id: &BsoId,
) -> Result<Reply, Denied> {
    let (node, context) = (request.node, request.write_context());
    let (name, id) = (name.clone(), id.clone());
    let write = move |connection: &_| store::delete_one(connection, context, &name, &id);
    let written = node.store.write(request.uid, node.turn_deadline(), write).await?;
    Ok(Reply::json(written.time, modified_answer(written.time)).quota_left(written.quota_left))
}
