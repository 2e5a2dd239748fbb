//! How fast an audit goes: so many rows a second and no more, so that it can run beside users. Pure.

use std::{num::NonZeroU32, time::Duration};

/// Rows of one page.
const PAGE_ROWS: u32 = 500;

/// Rows a second, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(pub NonZeroU32);

impl Default for Pace {
    /// A thousand rows a second: 1 to 3 reads each.
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(999))
    }
}

impl Pace {
    /// Rows to ask for at once: no more than a second's worth.
    pub(super) fn page_rows(self) -> i32 {
        i32::try_from(self.0.get().min(PAGE_ROWS)).expect("a page is small")
    }

    /// How long to wait after so many rows that took so long.
    pub(super) fn pause(self, rows: usize, took: Duration) -> Duration {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let due = Duration::from_secs(1).saturating_mul(rows) / self.0.get();
        due.saturating_sub(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rows: u32) -> Pace {
        Pace(NonZeroU32::new(rows).unwrap())
    }

    #[test]
    fn a_page_lasts_as_long_as_its_rows_may() {
        let ms = Duration::from_millis;
        let table = [
            (1000, 500, ms(0), ms(500)),
            (1000, 500, ms(200), ms(300)),
            (1000, 500, ms(900), ms(0)),
            (1, 1, ms(10), ms(990)),
            (u32::MAX, 500, ms(0), ms(0)),
        ];
        for (rate, rows, took, expected) in table {
            let pause = pace(rate).pause(rows, took);
            assert_eq!(pause.as_millis(), expected.as_millis(), "{rate} {rows} {took:?}");
        }
    }

    #[test]
    fn a_page_is_small_and_never_more_than_a_second() {
        for (rate, rows) in [(1, 1), (100, 100), (500, 500), (u32::MAX, 500)] {
            assert_eq!(pace(rate).page_rows(), rows, "{rate}");
        }
    }
}
