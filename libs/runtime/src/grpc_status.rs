//! Statuses of the private tiers' shell: calls that were turned away before anything of them was carried out. They say
//! so in the metadata, so that a writer's client knows that nothing was written (`rpc::status` reads it).

use http::HeaderMap;
use tonic::{Code, Status, metadata::MetadataValue};

/// Metadata that marks a call nothing of which was carried out.
pub const NOT_DONE_KEY: &str = "foxhold-not-done";

/// A call that was turned away.
#[must_use]
pub fn turned_away(code: Code, message: &'static str) -> Status {
    let mut status = Status::new(code, message);
    status
        .metadata_mut()
        .insert(NOT_DONE_KEY, MetadataValue::from_static("1"));
    status
}

/// The same as an HTTP response.
pub(crate) fn refusal(code: Code, message: &'static str) -> axum::response::Response {
    turned_away(code, message).into_http()
}

/// Whether an answer says that the instance takes no calls at present: a refusal of its shell, not of what it serves.
pub(crate) fn is_out_of_rotation(headers: &HeaderMap) -> bool {
    headers.contains_key(NOT_DONE_KEY)
        && Status::from_header_map(headers).is_some_and(|status| status.code() == Code::Unavailable)
}
