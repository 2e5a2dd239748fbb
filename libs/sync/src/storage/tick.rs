//! The node's time: whole ticks of 10 ms since 1970, on the wire seconds with two decimals (`storage.md` Units, 5, 7).

use std::{fmt, time::Duration};

use foxhold_core::Timestamp;
use thiserror::Error;

use super::Refusal;

/// Ticks of 10 ms since 1970. `0` is the time of what does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(u64);

/// Which way a time between two ticks goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// For `newer` and both preconditions.
    Down,
    /// For `older`.
    Up,
}

/// Longest time text that is looked at; JavaScript and Python print at most 25 characters.
const TEXT_LEN_MAX: usize = 64;
/// The end of time: what a store's signed integer holds.
const MAX: u64 = i64::MAX as u64;
/// A write further ahead of the clock than this means that the clock is wrong.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

impl Tick {
    /// The time of what does not exist.
    pub const ZERO: Self = Self(0);

    /// From ticks since 1970; the end of time when larger than a store can hold.
    #[must_use]
    pub const fn new(ticks: u64) -> Self {
        Self(if ticks > MAX { MAX } else { ticks })
    }

    /// The tick `time` lies in.
    #[must_use]
    pub const fn from_timestamp(time: Timestamp) -> Self {
        Self::new(time.as_millis() / 10)
    }

    /// Ticks since 1970; fits an `i64`.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This time and `secs` seconds more.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        Self::new(self.0.saturating_add(secs.saturating_mul(100)))
    }

    /// This time less `span`, not before 1970.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs().saturating_mul(100)))
    }

    /// Reads seconds as an exact decimal: digits, optional fraction, optional exponent. What lies between two ticks is
    /// rounded; what lies beyond the end of time stays there.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a sign, other characters, no digit at all, or an absurd length.
    pub fn parse(text: &str, round: Round) -> Result<Self, Refusal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if text.len() > TEXT_LEN_MAX || !all_digits(whole) || !all_digits(fraction) {
            return Err(Refusal::Malformed);
        }
        if whole.len() + fraction.len() == 0 {
            return Err(Refusal::Malformed);
        }
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .map(|digit| u64::from(digit - b'0'));
        // Two places more than the seconds' own: a tick is a hundredth.
        let whole_len = i64::try_from(whole.len())
            .unwrap_or(i64::MAX)
            .saturating_add(exponent)
            .saturating_add(2);
        Ok(Self(shift(digits, whole_len, round)))
    }
}

/// The integer made of the first `whole_len` digits (zeros follow the last one), rounded by the rest.
fn shift(digits: impl Iterator<Item = u64>, whole_len: i64, round: Round) -> u64 {
    let mut value: u64 = 0;
    let mut rest_is_zero = true;
    let mut seen: i64 = 0;
    for digit in digits {
        if seen < whole_len {
            value = value.saturating_mul(10).saturating_add(digit);
        } else {
            rest_is_zero &= digit == 0;
        }
        seen += 1;
    }
    // A few steps reach the end of time, however large the exponent.
    for _ in 0..whole_len.saturating_sub(seen).clamp(0, 20) {
        value = value.saturating_mul(10);
    }
    let up = round == Round::Up && !rest_is_zero;
    value.saturating_add(u64::from(up)).min(MAX)
}

fn read_exponent(text: &str) -> Result<i64, Refusal> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::Malformed);
    }
    // More digits than an exponent can need say "very large" or "very small" alike.
    Ok(sign * digits.parse().unwrap_or(1_000_000_i64).min(1_000_000))
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// The clock lies more than an hour behind the times already handed out: answer 503 until it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the next write would lie more than an hour ahead of the clock")]
pub struct WriteTimeError;

/// The one time T of a write (section 7): strictly rising for a user, whatever the clock does.
///
/// # Errors
/// [`WriteTimeError`] when T would lie more than an hour ahead of the clock.
pub fn next_write_time(now: Tick, user_last_modified: Tick) -> Result<Tick, WriteTimeError> {
    let time = now.max(Tick::new(user_last_modified.0 + 1));
    if time > now.plus_secs(AHEAD_MAX.as_secs()) {
        Err(WriteTimeError)
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_exact_decimals() {
        let table: &[(&str, Round, u64)] = &[
            ("1510726400.10", Round::Down, 151_072_640_010),
            ("1510726400.1", Round::Up, 151_072_640_010),
            ("1510726399.1300001", Round::Down, 151_072_639_913),
            ("1510726399.1300001", Round::Up, 151_072_639_914),
            ("1510726400.125", Round::Down, 151_072_640_012),
            ("1510726400.121", Round::Up, 151_072_640_013),
            ("0", Round::Up, 0),
            ("0.00", Round::Up, 0),
            (".5", Round::Down, 50),
            ("5.", Round::Down, 500),
            ("1.51072640013e9", Round::Down, 151_072_640_013),
            ("1.51072640013E+9", Round::Up, 151_072_640_013),
            ("151072640013e-2", Round::Up, 151_072_640_013),
            ("1e-3", Round::Down, 0),
            ("1e-3", Round::Up, 1),
            ("1e-999999999999", Round::Up, 1),
            ("0e999999999999", Round::Up, 0),
            ("1e400", Round::Down, MAX),
            ("99999999999999999999999", Round::Down, MAX),
        ];
        for (text, round, ticks) in table {
            assert_eq!(Tick::parse(text, *round), Ok(Tick(*ticks)), "{text} {round:?}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "", ".", "-3", "-1", "+1", "abc", "1 ", " 1", "1e", "1e+", "1.2.3", "NaN", "inf", "0x1", "1_0",
        ] {
            assert_eq!(
                Tick::parse(text, Round::Down),
                Err(Refusal::Malformed),
                "{text:?}"
            );
        }
        assert!(Tick::parse(&"1".repeat(TEXT_LEN_MAX + 1), Round::Down).is_err());
    }

    #[test]
    fn write_times_rise_whatever_the_clock_does() {
        let at = |ticks: u64| Tick(151_072_640_000 + ticks);
        assert_eq!(next_write_time(at(9), at(12)), Ok(at(13)));
        assert_eq!(next_write_time(at(9), at(13)), Ok(at(14)));
        assert_eq!(next_write_time(at(20), at(13)), Ok(at(20)));
        assert_eq!(next_write_time(at(20), Tick::ZERO), Ok(at(20)));
        assert_eq!(next_write_time(at(0), at(359_999)), Ok(at(360_000)));
        assert_eq!(next_write_time(at(0), at(360_000)), Err(WriteTimeError));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(ticks in 0..=MAX) {
            let text = Tick(ticks).to_string();
            prop_assert_eq!(Tick::parse(&text, Round::Down), Ok(Tick(ticks)));
            prop_assert_eq!(Tick::parse(&text, Round::Up), Ok(Tick(ticks)));
        }

        #[test]
        fn no_text_panics(text in "[0-9eE+.-]{0,70}") {
            let _ = Tick::parse(&text, Round::Up);
        }
    }
}
