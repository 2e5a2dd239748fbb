//! Words every part of Foxhold shares: ids, secrets, time, records, error codes.
//!
//! Nothing here does I/O, reads a clock or draws randomness; it depends on no other crate of ours.
//! Parse once, at the edge; past it no bare string or number has a meaning.

pub mod clock;
pub mod error_code;
pub mod hex;
pub mod id;
pub mod random;
pub mod record;
pub mod region;
pub mod secret;
pub mod time;
pub mod traces;

pub use clock::Clock;
pub use error_code::ErrorCode;
pub use id::{ClientId, DeviceId, NodeId, OpId, RequestId, ServiceUid, TokenId, Uid};
pub use random::Random;
pub use region::RegionMark;
pub use secret::{Secret, SecretText};
pub use time::{Deadline, Timestamp};
pub use traces::TRACES;
