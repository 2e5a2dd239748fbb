//! What a process has used: CPU time of all its threads, and its peak memory. Read from the kernel's `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// The kernel counts CPU time for `/proc` in hundredths of a second, whatever it uses itself.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of all threads, those that have ended included, in user and kernel mode together.
///
/// # Errors
/// When the process is gone.
pub(crate) fn time_of(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; the fields after it are numbers. See proc(5): utime is the 14th field.
    let (_, fields) = stat.rsplit_once(')').context("stat without a name")?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let (user, kernel) = (
        times.next().context("no utime")?,
        times.next().context("no stime")?,
    );
    Ok(TICK * u32::try_from(user.parse::<u64>()? + kernel.parse::<u64>()?)?)
}

/// Resident memory, in MiB: at present, and at its peak since the process began.
///
/// # Errors
/// When the process is gone.
pub(crate) fn memory_mib(process: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .with_context(|| name.to_owned())?;
        let kib = line.split_ascii_whitespace().nth(1).context("no figure")?;
        Ok(kib.parse::<u64>()? / 1024)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_can_be_read() {
        let own = std::process::id();
        let (now, peak) = memory_mib(own).unwrap();
        assert!(now > 0 && peak >= now);
        assert!(time_of(own).unwrap() < Duration::from_secs(3600));
        assert!(time_of(u32::MAX).is_err());
    }
}
