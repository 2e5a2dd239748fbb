//! Where a node serves a user (`tokenserver.md` 3): the service's pattern, filled in.

use foxhold_core::{ServiceUid, record::Service};

/// Without a trailing slash. `None` = the service has no pattern.
pub(crate) fn endpoint(service: &Service, node: &str, uid: ServiceUid) -> Option<String> {
    if service.pattern.is_empty() {
        return None;
    }
    let filled = service
        .pattern
        .replace("{service}", &service.key.0)
        .replace("{uid}", &uid.to_string())
        .replace("{node}", node);
    Some(filled.trim_end_matches('/').to_owned())
}
