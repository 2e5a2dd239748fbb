//! The memory-bounded pool of CPU-heavy jobs (`security.md` A.3, A.4): password stretching, 64 MiB and an eighth of a
//! second of a core each. Used by the webhead and the stretcher.
//!
//! What must stay true: at most [`Pool`]'s slots run at once, so memory is bounded at any load (M1); what cannot be
//! through in time is refused at once, and nobody works for a caller that has left (M2).

pub mod admission;
pub mod pool;
pub mod stretcher;

pub use admission::Busy;
pub use pool::{Counts, JOB_MEMORY, Pool, PoolLimits, Refused, TooLittleMemory};
pub use stretcher::PoolStretcher;
