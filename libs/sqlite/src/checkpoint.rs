//! Moves the write-ahead log into the database file, on a thread and a connection of its own, so that the writer's
//! turn is never spent on it. Started and woken by the writer.

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;

use crate::open::{self, OpenError};

/// From this many pages in the log (4 MiB), a checkpoint that disturbs nobody is tried.
pub(crate) const PAGES_WORTH_IT: i32 = 1024;
/// From this many (256 MiB), one that makes writers wait for the readers in its way.
const PAGES_TOO_MANY: i32 = 65_536;

/// The checkpoint thread. It ends when every sender of its wake-up channel is gone.
pub(crate) struct Checkpointer {
    pub(crate) wake: SyncSender<i32>,
    pub(crate) thread: JoinHandle<()>,
}

pub(crate) fn start(path: &Path, busy_wait: Duration) -> Result<Checkpointer, OpenError> {
    let connection = open::open_checkpointer(path, busy_wait)?;
    // One waiting wake-up is enough: a checkpoint moves whatever is in the log when it begins.
    let (wake, woken) = sync_channel(1);
    let thread = Builder::new()
        .name("sqlite-checkpoint".into())
        .spawn(move || run(&connection, &woken))
        .map_err(OpenError::Thread)?;
    Ok(Checkpointer { wake, thread })
}

fn run(connection: &Connection, woken: &Receiver<i32>) {
    while let Ok(pages) = woken.recv() {
        let mode = if pages >= PAGES_TOO_MANY {
            "RESTART"
        } else {
            "PASSIVE"
        };
        // A checkpoint that did not happen costs nothing but a longer log: the next commit asks again.
        let _ = connection.pragma(None, "wal_checkpoint", mode, |_| Ok(()));
    }
}
