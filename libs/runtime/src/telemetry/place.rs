//! Where a process is, for each of its JSON lines (`ecosystem.md` 3.5): known once it listens.

use std::{net::SocketAddr, sync::OnceLock};

/// What is added to each line.
#[derive(Debug)]
pub(super) struct Place {
    /// The region of its certificate, if it has one.
    pub(super) region: Option<String>,
    /// Where it listens.
    pub(super) instance: String,
}

/// The place of this process, once somebody has told it.
pub(super) static HERE: OnceLock<Place> = OnceLock::new();

/// Tells where this process is, from the next line on: in which region, if in any, and where it listens. The first word
/// counts.
pub fn place(region: Option<&str>, listens: SocketAddr) {
    let place = Place {
        region: region.map(str::to_owned),
        instance: listens.to_string(),
    };
    // Parts of one process that listen on their own, as in tests, have one place.
    let _ = HERE.set(place);
}
