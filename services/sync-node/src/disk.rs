//! How full the disk with the records is (`storage.md` 17). The node stops taking writes before there is no room left:
//! a database without room for its log cannot even delete.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Watches one disk.
pub(crate) struct Disk {
    path: PathBuf,
    used_max_percent: u8,
    used_percent: AtomicU64,
}

impl Disk {
    /// The disk `path` lies on; more than `used_max_percent` of it in use is full, so 100 is never full.
    pub(crate) fn new(path: PathBuf, used_max_percent: u8) -> Self {
        Self {
            path,
            used_max_percent,
            used_percent: AtomicU64::new(0),
        }
    }

    /// Looks now; what cannot be seen changes nothing.
    pub(crate) fn look(&self) -> io::Result<()> {
        let used_percent = used_percent(&self.path)?;
        let was_full = self.is_full();
        self.used_percent.store(used_percent, Ordering::Relaxed);
        if self.is_full() != was_full {
            let (used_percent, full) = (self.used_percent(), self.is_full());
            tracing::warn!(used_percent, full, "the disk's state has changed");
        }
        Ok(())
    }

    /// Percent in use at the last look, rounded up; zero before the first one.
    pub(crate) fn used_percent(&self) -> u64 {
        self.used_percent.load(Ordering::Relaxed)
    }

    /// Whether it was full at the last look.
    pub(crate) fn is_full(&self) -> bool {
        self.used_percent() > u64::from(self.used_max_percent)
    }
}

/// How much of the disk that `path` lies on is in use, in percent, rounded up.
///
/// # Errors
/// It cannot be seen.
pub fn used_percent(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    Ok(percent(used, disk.f_bavail))
}

/// Of what we may use, as `df` shows it: blocks kept for the superuser do not count.
fn percent(used: u64, available: u64) -> u64 {
    let all = u128::from(used) + u128::from(available);
    let hundredfold = u128::from(used) * 100;
    u64::try_from(hundredfold.div_ceil(all.max(1))).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_of_what_may_be_used_and_rounded_up() {
        let table = [
            (0, 0, 0),
            (0, 10, 0),
            (1, 999, 1),
            (95, 5, 95),
            (951, 49, 96),
            (7, 0, 100),
            (u64::MAX, u64::MAX, 50),
        ];
        for (used, available, expected) in table {
            assert_eq!(percent(used, available), expected, "{used} {available}");
        }
    }
}
