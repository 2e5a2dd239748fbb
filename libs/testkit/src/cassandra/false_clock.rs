//! A wall clock that is off, for one process: `libfaketime` between it and the kernel. The clock that Java measures spans
//! with stays true, as it does on a machine whose time was set wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Lets a command see a clock that is so far ahead; negative: behind.
///
/// # Errors
/// When the library is missing.
pub(crate) fn put_before(command: &mut Command, offset_secs: i64) -> Result<()> {
    command
        .env("LD_PRELOAD", library()?)
        .env("FAKETIME", offset(offset_secs))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        // Java waits by the true clock; the library would take the end of each wait for one of the false one, and long past.
        .env("FAKETIME_FORCE_MONOTONIC_FIX", "0");
    Ok(())
}

fn offset(secs: i64) -> String {
    format!("{secs:+}s")
}

/// Debian keeps it in a folder named by the machine's architecture.
fn library() -> Result<PathBuf> {
    let mut folders = fs::read_dir("/usr/lib")?.flatten().map(|folder| folder.path());
    let found = folders.find_map(|folder| {
        let library = folder.join("faketime/libfaketime.so.1");
        Path::exists(&library).then_some(library)
    });
    found.context("libfaketime.so.1 is missing. On Debian: apt-get install faketime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_the_library_reads_them() {
        assert_eq!([600, -600].map(offset), ["+600s", "-600s"]);
    }
}
