//! The process of one dbwriter.

use std::process::ExitCode;

use foxhold_dbwriter::process::DbwriterProcess;
use foxhold_runtime::process;

fn main() -> ExitCode {
    process::run::<DbwriterProcess>(env!("CARGO_PKG_VERSION"))
}
