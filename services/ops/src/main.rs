//! The process of the admin API.

use std::process::ExitCode;

use foxhold_ops::process::OpsProcess;
use foxhold_runtime::process;

fn main() -> ExitCode {
    process::run::<OpsProcess>(env!("CARGO_PKG_VERSION"))
}
