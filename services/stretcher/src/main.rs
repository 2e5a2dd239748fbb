//! The process of one stretcher.

use std::process::ExitCode;

use foxhold_runtime::process;
use foxhold_stretcher::process::StretcherProcess;

fn main() -> ExitCode {
    process::run::<StretcherProcess>(env!("CARGO_PKG_VERSION"))
}
