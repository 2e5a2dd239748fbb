//! Addresses for what tests start. A process that is restarted must come back under its address, so addresses are chosen
//! here and not by the process, some time before it listens: until then nobody else may be given the same.

use std::{
    env,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

/// Ports below those that systems give to outgoing connections: one of them would be in the way of a process that comes
/// back under its address.
const PORTS: Range<u16> = 12_000..32_000;
/// Ports that one program takes at once.
const SLICE: u16 = 200;

/// Some ports that no other program of this machine is given as long as this one runs: whoever holds the lock of a file has
/// them, and the kernel gives it back for who has ended.
struct Slice {
    _lock: File,
    left: Range<u16>,
}

impl Slice {
    /// The first that nobody holds. Programs that run beside each other begin elsewhere.
    fn take() -> Result<Self> {
        let count = (PORTS.end - PORTS.start) / SLICE;
        let first = std::process::id() % u32::from(count);
        let from_first = (0..count).map(|number| (u32::from(number) + first) % u32::from(count));
        let mut slices = from_first.filter_map(|number| Self::numbered(u16::try_from(number).ok()?));
        slices
            .next()
            .with_context(|| format!("other programs hold all of {PORTS:?}"))
    }

    fn numbered(number: u16) -> Option<Self> {
        let path = env::temp_dir().join(format!("foxhold-test-ports-{number}.lock"));
        // One that belongs to another user is as good as held.
        let lock = File::options().create(true).append(true).open(path).ok()?;
        lock.try_lock().ok()?;
        let start = PORTS.start + number * SLICE;
        Some(Self {
            _lock: lock,
            left: start..start + SLICE,
        })
    }
}

/// A loopback address that was free a moment ago, and that no other call gets, of this program or another. Nobody has its
/// port at another address either: some listen at all.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    static SLICES: Mutex<Vec<Slice>> = Mutex::new(Vec::new());
    let mut slices = SLICES.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let last = slices.last_mut();
        let free = last.and_then(|slice| slice.left.find(|&port| is_free(port)));
        if let Some(port) = free {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
        // Those that are used up stay held: what was given to a process is its own while the test runs.
        slices.push(Slice::take()?);
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_of_a_slice_that_is_held() {
        let held = Slice::take().unwrap();
        let given: BTreeSet<u16> = (0..SLICE + 10).map(|_| free_address().unwrap().port()).collect();
        assert_eq!(given.len(), usize::from(SLICE) + 10);
        assert!(given.iter().all(|port| !held.left.contains(port)));
    }

    #[test]
    fn a_slice_is_had_once() {
        let (one, other) = (Slice::take().unwrap(), Slice::take().unwrap());
        assert_ne!(one.left, other.left);
        let number = (one.left.start - PORTS.start) / SLICE;
        assert!(Slice::numbered(number).is_none());
    }
}
