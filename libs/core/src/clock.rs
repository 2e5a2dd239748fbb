//! The wall clock is passed in: rules take a [`Timestamp`], processes hold a [`Clock`].

use crate::Timestamp;

/// The one source of wall-clock time in a process.
pub trait Clock: Send + Sync {
    /// Now, as milliseconds since 1970 (UTC). May step back; callers must not assume otherwise.
    fn now(&self) -> Timestamp;
}
