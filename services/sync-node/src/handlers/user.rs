//! DELETE of everything a user has.

use foxhold_sync::storage::modified_answer;

use crate::{
    edge::Admitted,
    reply::Reply,
    store::{self, Denied},
};

pub(crate) async fn delete(request: &Admitted<'_>) -> Result<Reply, Denied> {
    let written = request.write(store::delete_user).await?;
    Ok(Reply::json(written.time, modified_answer(written.time)).quota_left(written.quota_left))
}
