//! One request of the edge, one id in every tier. The edge names the id for the time it works on a request; clients send
//! it as metadata; servers name it in turn, so that it reaches their log lines and the calls they make.

use foxhold_core::RequestId;
use tonic::metadata::{MetadataMap, MetadataValue};

/// Metadata: the id of the edge's request, 16 hex digits.
pub const REQUEST_ID_KEY: &str = "foxhold-request-id";

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// Does `work` in the name of a request.
pub async fn in_request<F: Future>(id: RequestId, work: F) -> F::Output {
    REQUEST_ID.scope(id, work).await
}

/// The request this task works on, if any is named.
#[must_use]
pub fn current() -> Option<RequestId> {
    REQUEST_ID.try_with(|id| *id).ok()
}

/// Puts the current request's id into outgoing metadata.
pub(crate) fn put(metadata: &mut MetadataMap) {
    if let Some(value) = current().and_then(|id| MetadataValue::try_from(id.to_string()).ok()) {
        metadata.insert(REQUEST_ID_KEY, value);
    }
}

/// The id in incoming metadata; a malformed one counts as none.
pub(crate) fn take(metadata: &MetadataMap) -> Option<RequestId> {
    metadata.get(REQUEST_ID_KEY)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_travels_only_where_it_is_named() {
        let mut metadata = MetadataMap::new();
        put(&mut metadata);
        assert_eq!(take(&metadata), None);

        let id = RequestId::from_bytes([0xab; 8]);
        in_request(id, async { put(&mut metadata) }).await;
        assert_eq!(take(&metadata), Some(id));

        metadata.insert(REQUEST_ID_KEY, MetadataValue::from_static("no hex"));
        assert_eq!(take(&metadata), None);
    }
}
