//! The process of one storage node.

use std::process::ExitCode;

use foxhold_runtime::process;
use foxhold_sync_node::process::SyncNodeProcess;

fn main() -> ExitCode {
    process::run::<SyncNodeProcess>(env!("CARGO_PKG_VERSION"))
}
