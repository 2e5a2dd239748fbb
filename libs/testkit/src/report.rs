//! What a test found, as one line in the log of the run.

use std::io::Write;

/// Writes one line to standard output, past the capturing of the test harness.
pub fn report(line: &str) {
    let mut out = std::io::stdout().lock();
    // A log that cannot be written is no reason to fail a test.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}
