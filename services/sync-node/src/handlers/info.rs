//! `/info/…` (`storage.md` 11).

use foxhold_sync::storage::{Kib, Tick, configuration_answer, info_answer, quota_answer};

use crate::{
    edge::Admitted,
    reply::Reply,
    route::Info,
    store::{self, Denied, Sum, Timed},
};

pub(crate) async fn get(request: &Admitted<'_>, what: Info) -> Result<Reply, Denied> {
    match what {
        Info::Collections => collections(request).await,
        Info::CollectionCounts => {
            let sums = sums(request, Sum::Records).await?;
            Ok(Reply::json(sums.last_modified, info_answer(&sums.value)).records(sums.value.len()))
        }
        Info::CollectionUsage => {
            let sums = sums(request, Sum::Bytes).await?;
            let usage: Vec<(String, Kib)> = sums
                .value
                .into_iter()
                .map(|(name, bytes)| (name, Kib(bytes)))
                .collect();
            Ok(Reply::json(sums.last_modified, info_answer(&usage)).records(usage.len()))
        }
        Info::Quota => quota(request).await,
        // About the node, not about the user: it has no time and no precondition.
        Info::Configuration => Ok(Reply::json(
            Tick::ZERO,
            configuration_answer(&request.node.settings.limits),
        )),
    }
}

async fn collections(request: &Admitted<'_>) -> Result<Reply, Denied> {
    let times = request.checked_times(|times| times.user).await?;
    Ok(Reply::json(times.user, info_answer(&times.collections)).records(times.collections.len()))
}

async fn sums(request: &Admitted<'_>, sum: Sum) -> Result<Timed<Vec<(String, u64)>>, Denied> {
    request.checked_times(|times| times.user).await?;
    request
        .read(move |connection, context| store::collection_sums(connection, context, sum))
        .await
}

async fn quota(request: &Admitted<'_>) -> Result<Reply, Denied> {
    request.checked_times(|times| times.user).await?;
    let used = request.read(store::usage).await?;
    Ok(Reply::json(
        used.last_modified,
        quota_answer(used.value, request.node.settings.quota_bytes),
    ))
}
