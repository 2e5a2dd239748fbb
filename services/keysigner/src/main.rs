//! The process of one keysigner.

use std::process::ExitCode;

use foxhold_keysigner::process::KeysignerProcess;
use foxhold_runtime::process;

fn main() -> ExitCode {
    process::run::<KeysignerProcess>(env!("CARGO_PKG_VERSION"))
}
