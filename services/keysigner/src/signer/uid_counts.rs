//! How many certificates an account has had this hour, roughly (`security.md` C.7): webheads count exactly, each for
//! itself; this bounds what all of them together, or one that does not count, can have signed.
//!
//! A count-min sketch: never less than the truth, and seldom more as long as there are fewer accounts than cells. It
//! takes the same memory however many accounts there are, and starts anew with each hour.

use std::sync::{Mutex, PoisonError};

use foxhold_core::{Random, Timestamp, Uid, random};
use foxhold_crypto::mac::hmac_sha256;

/// Counters in each row: 512 KiB in all. With the ordinary limit there is room for several million certificates an hour
/// before anybody is refused for what others had.
const CELLS: u32 = 1 << 16;
/// Each row places an account elsewhere.
const ROWS: usize = 4;

pub(super) struct UidCounts {
    // Uids are random, but nobody shall find some that share cells.
    key: [u8; 16],
    max: u16,
    cells: Mutex<Cells>,
}

struct Cells {
    hour: u64,
    rows: [Vec<u16>; ROWS],
}

impl Cells {
    fn of(hour: u64) -> Self {
        let rows = std::array::from_fn(|_| vec![0; CELLS as usize]);
        Self { hour, rows }
    }
}

impl UidCounts {
    pub(super) fn new(max: u16, source: &dyn Random) -> Self {
        Self {
            key: random::bytes(source),
            max,
            cells: Mutex::new(Cells::of(0)),
        }
    }

    /// Counts one more for an account; whether that is not too many in this hour of the clock.
    pub(super) fn count(&self, uid: Uid, now: Timestamp) -> bool {
        let hash = hmac_sha256(&self.key, &[uid.as_bytes()]);
        let places: [usize; ROWS] = std::array::from_fn(|row| {
            let part = std::array::from_fn(|at| hash[4 * row + at]);
            (u32::from_be_bytes(part) % CELLS) as usize
        });
        let hour = now.as_secs() / 3600;
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.hour != hour {
            *cells = Cells::of(hour);
        }
        let counts = cells.rows.iter().zip(places).map(|(row, place)| row[place]);
        let count = counts.min().unwrap_or_default();
        if count >= self.max {
            return false;
        }
        for (row, place) in cells.rows.iter_mut().zip(places) {
            // Only as far as the smallest, which errs least.
            row[place] = row[place].max(count + 1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Still;
    impl Random for Still {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0x5a);
        }
    }

    const NOW: Timestamp = Timestamp::from_secs(1_699_999_200);

    fn uid(number: u64) -> Uid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Uid::from_bytes(bytes)
    }

    #[test]
    fn an_account_has_so_many_an_hour() {
        let counts = UidCounts::new(3, &Still);
        let taken = |uid, now| (0..5).filter(|_| counts.count(uid, now)).count();
        assert_eq!(taken(uid(1), NOW), 3);
        assert_eq!(taken(uid(2), NOW), 3, "another's are his own");
        assert_eq!(taken(uid(1), NOW), 0);
        let next = NOW.plus(Duration::from_secs(3600));
        assert_eq!(taken(uid(1), next), 3);
        assert_eq!(taken(uid(1), NOW), 3, "a clock that stepped back");
    }

    #[test]
    fn a_crowd_keeps_nobody_from_his_own() {
        let counts = UidCounts::new(10, &Still);
        let refused = (0..4000)
            .filter(|number| !counts.count(uid(*number), NOW))
            .count();
        assert_eq!(refused, 0);
        let taken = (0..20).filter(|_| counts.count(uid(1 << 40), NOW)).count();
        assert!((8..=10).contains(&taken), "{taken}");
    }

    /// As many for each cell as several million certificates an hour are of the ordinary limit.
    #[test]
    fn a_whole_hour_of_many_leaves_room() {
        let counts = UidCounts::new(4, &Still);
        let refused = (0..100_000)
            .filter(|number| !counts.count(uid(*number), NOW))
            .count();
        assert!(refused < 100, "{refused}");
    }
}
