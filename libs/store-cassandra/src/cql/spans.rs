//! The spans of what is asked of the cluster: which statement, at which level, and none of its values.

use foxhold_core::TRACES;
use scylla::statement::SerialConsistency;
use tracing::Span;

/// Reads, and writes without a condition.
pub(super) const QUORUM: &str = "local_quorum";

/// Of a statement, by its name in the catalogue.
pub(super) fn of(statement: &'static str, level: &'static str) -> Span {
    tracing::info_span!(
        target: TRACES,
        "store",
        otel.name = %format_args!("cassandra {statement}"),
        otel.kind = "client",
        db.system.name = "cassandra",
        db.operation.name = statement,
        cassandra.consistency.level = level,
    )
}

/// The level at which something is decided.
pub(super) const fn serial(level: SerialConsistency) -> &'static str {
    match level {
        SerialConsistency::Serial => "serial",
        SerialConsistency::LocalSerial => "local_serial",
    }
}
