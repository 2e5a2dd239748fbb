//! The embedded store: accounts, assignments and turns at jobs in one SQLite file that its owner can open, copy and back up.
//!
//! [`SqliteStore`] writes (dbwriter, single box), [`SqliteReader`] reads (webhead), also from other processes than the
//! writers; several writers may share the file and take turns. Must stay true: one intent is one job of the writer,
//! and everything it does, its entry in the operation log included, is in one transaction.

mod accounts;
mod assignments;
mod codec;
mod error;
mod invitations;
mod jobs;
mod openid;
mod operations;
mod outbox;
mod reader;
mod row;
mod spans;
mod writer;

pub use foxhold_sqlite::{GroupReport, Observe, OpenError, WriterConfig, WriterStats};
pub use operations::Pruned;
pub use reader::SqliteReader;
pub use writer::SqliteStore;

use foxhold_sqlite::Schema;

/// The number of the schema's last script: the version of every file that is open.
#[must_use]
pub fn latest() -> u32 {
    u32::try_from(SCHEMA.version()).expect("there are a handful")
}

/// The schema of the file. Migrations are history: changes are appended as new scripts.
pub static SCHEMA: Schema = Schema {
    name: "store",
    migrations: &[
        include_str!("../schema/0001_operations.sql"),
        include_str!("../schema/0002_accounts.sql"),
        include_str!("../schema/0003_assignments.sql"),
        include_str!("../schema/0004_jobs.sql"),
        include_str!("../schema/0005_passwords.sql"),
        include_str!("../schema/0006_nodes_by_load.sql"),
        include_str!("../schema/0007_guards.sql"),
        include_str!("../schema/0008_outbox.sql"),
        include_str!("../schema/0009_openid.sql"),
        include_str!("../schema/0010_device_commands.sql"),
        include_str!("../schema/0011_invitations.sql"),
        include_str!("../schema/0012_disabled_accounts.sql"),
        include_str!("../schema/0013_used_tokens.sql"),
        include_str!("../schema/0014_last_access.sql"),
        include_str!("../schema/0015_confirmed_sign_ins.sql"),
    ],
};
