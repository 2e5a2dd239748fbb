//! The process of one webhead.

use std::process::ExitCode;

use foxhold_runtime::process;
use foxhold_webhead::process::WebheadProcess;

fn main() -> ExitCode {
    process::run::<WebheadProcess>(env!("CARGO_PKG_VERSION"))
}
