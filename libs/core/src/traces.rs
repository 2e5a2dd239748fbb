//! The one name that all code shares about traces: the target of spans that are recorded.

/// Spans with this target go to the collector, and no other spans do. They are never part of a log line; where nothing
/// is recorded they are not even made. What must stay true: their fields hold names that the program fixes and numbers
/// that say how something went, never what came from a client or out of the store (`security.md` F).
pub const TRACES: &str = "foxhold::traces";
