//! SQLite as Foxhold uses it (`docs/adr`: SQLite): WAL, `synchronous=FULL`, one writing connection with
//! grouped commits, several reading ones.
//!
//! Callers bring their schema and their SQL; this crate brings durability: a [`Writer`] answers a job only after the
//! commit that holds it has reached the disk, and says honestly when it does not know. It knows no table.

mod checkpoint;
mod open;
mod readers;
mod writer;

pub use open::{OpenError, Schema};
pub use readers::{ReadError, Readers, ReadersConfig};
pub use rusqlite;
pub use writer::{GroupReport, Observe, SubmitError, Writer, WriterConfig, WriterStats};
