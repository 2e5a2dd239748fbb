//! DELETE of everything a user has.

use foxhold_sync::storage::modified_answer;

use crate::{
    edge::Admitted,
    reply::Reply,
    store::{self, Denied},
};

pub(crate) async fn delete(request: &Admitted<'_>) -> Result<Reply, Denied> {
    let (node, context) = (request.node, request.write_context());
    let write = move |connection: &_| store::delete_user(connection, context);
    let written = node.store.write(request.uid, node.turn_deadline(), write).await?;
    Ok(Reply::json(written.time, modified_answer(written.time)).quota_left(written.quota_left))
}
