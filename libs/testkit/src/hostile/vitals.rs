//! What a process holds, as the kernel counts it: the measure of "leaks nothing" (Linux).

use std::{fmt, fs};

use anyhow::{Context, Result};

/// Open files, threads and memory of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// File handles, sockets among them.
    pub handles: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory, in KiB.
    pub resident_kib: u64,
}

impl Vitals {
    /// Of the process `id`.
    ///
    /// # Errors
    /// When there is no such process of ours.
    pub fn of(id: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        Ok(Self {
            handles: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
            threads: usize::try_from(number(&status, "Threads:")?)?,
            resident_kib: number(&status, "VmRSS:")?,
        })
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            handles,
            threads,
            resident_kib,
        } = self;
        write!(
            f,
            "{handles} handles, {threads} threads, {} MiB",
            resident_kib / 1024
        )
    }
}

fn number(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .context(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_seen() {
        let before = Vitals::of(std::process::id()).unwrap();
        let files: Vec<_> = (0..200)
            .map(|_| fs::File::open("/proc/self/status").unwrap())
            .collect();
        let after = Vitals::of(std::process::id()).unwrap();
        // Other tests of this process open and close files meanwhile.
        assert!(after.handles >= before.handles + 100, "{before:?} {after:?}");
        assert!(after.threads >= 1 && after.resident_kib > 100);
        drop(files);
    }
}
