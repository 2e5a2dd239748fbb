//! What operators write on the command line, beside names and numbers: spans of time, rates, shares, moments.

use std::{fmt, net::SocketAddr, time::Duration};

use foxhold_core::{
    Timestamp,
    record::{PoolName, pool::Bucket},
};
use foxhold_ports::assignments::is_node_url;
use time::{Date, Month, PrimitiveDateTime, Time};

/// Where something listens.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "address and port, as in 127.0.0.1:8000".to_owned())
}

/// `90`, `90s`, `30m`, `12h`, `7d`: without a letter it is seconds.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let (number, each) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let secs = number.parse::<u64>().ok();
    let secs = secs.and_then(|number| number.checked_mul(each));
    secs.map(Duration::from_secs)
        .ok_or_else(|| "a span of time, as in 90s, 30m, 12h or 7d".to_owned())
}

/// The same, but with its letter: where people think in minutes or days, a bare number would be taken for seconds.
pub(crate) fn span_with_unit(text: &str) -> Result<Duration, String> {
    if text.ends_with(|last: char| last.is_ascii_digit()) && text != "0" {
        return Err("a span of time with its unit, as in 90s, 30m, 12h or 7d".to_owned());
    }
    span(text)
}

/// How many a second, or a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    number: u32,
    each: Duration,
}

impl Rate {
    /// `20/s`, `30/m`
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fault = || "a rate, as in 20/s or 30/m".to_owned();
        let (number, each) = text.split_once('/').ok_or_else(fault)?;
        let each = match each {
            "s" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            _ => return Err(fault()),
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, each }),
            _ => Err(fault()),
        }
    }

    /// How long so many take.
    pub(crate) fn time_for(self, number: u64) -> Duration {
        self.each.mul_f64(number as f64 / f64::from(self.number))
    }

    /// How many to ask for at once, at most `max`: about a second's worth, so that the pace is even.
    pub(crate) fn at_once(self, max: u32) -> u32 {
        let second = f64::from(self.number) / self.each.as_secs_f64();
        // Between 1 and a number of 32 bits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let second = second.clamp(1.0, f64::from(max)) as u32;
        second
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = if self.each.as_secs() == 1 { "s" } else { "m" };
        write!(f, "{}/{each}", self.number)
    }
}

/// A share of users, in hundredths of a percent: more than nothing, all at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) u16);

impl Share {
    /// `10%`, `0.25%`; the sign may be left out.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            "a share, as in 10% or 0.25%: more than 0, at most 100, two digits behind the point".to_owned()
        };
        let number = text.strip_suffix('%').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || whole.len() > 3 || part.len() > 2 {
            return Err(fault());
        }
        let hundredths = |whole: u16, part: u16| whole * 100 + part;
        let part = format!("{part:0<2}").parse().map_err(|_| fault())?;
        let share = hundredths(whole.parse().map_err(|_| fault())?, part);
        (1..=Bucket::COUNT)
            .contains(&share)
            .then_some(Self(share))
            .ok_or_else(fault)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match (part, part % 10) {
            (0, _) => write!(f, "{whole}%"),
            (part, 0) => write!(f, "{whole}.{}%", part / 10),
            (part, _) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// `2026-11-22`, `2026-11-22T13:00:00Z`, or seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let secs = text.parse().ok().or_else(|| utc_secs(text));
    secs.map(Timestamp::from_secs)
        .ok_or_else(|| "a time in UTC, as in 2026-11-22 or 2026-11-22T13:00:00Z".to_owned())
}

fn utc_secs(text: &str) -> Option<u64> {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':')?;
    let small = |number: u16| u8::try_from(number).ok();
    let month = Month::try_from(small(month)?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, small(day)?).ok()?;
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    u64::try_from(at.unix_timestamp()).ok()
}

/// Three numbers of the usual width between signs.
fn numbers(text: &str, between: char) -> Option<[u16; 3]> {
    let mut parts = text.split(between);
    let mut number = || parts.next()?.parse().ok();
    let all = [number()?, number()?, number()?];
    parts.next().is_none().then_some(all)
}

/// A node's URL, in its one spelling.
pub(crate) fn node_url(text: &str) -> Result<String, String> {
    let url = text.strip_suffix('/').unwrap_or(text);
    is_node_url(url)
        .then(|| url.to_owned())
        .ok_or_else(|| "an address, as in https://sync-1.example.org".to_owned())
}

/// A pool's name.
pub(crate) fn pool_name(text: &str) -> Result<String, String> {
    PoolName::new(text)
        .map(|name| name.to_string())
        .ok_or_else(|| "a pool's name: 1 to 32 of a-z, 0-9 and -".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_seconds_or_have_a_letter() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("12h", Some(43_200)),
            ("7d", Some(604_800)),
            ("0", Some(0)),
            ("", None),
            ("d", None),
            ("-1s", None),
            ("1.5h", None),
            ("1w", None),
            ("é", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(span(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
        for (text, expected) in [
            ("30s", Some(30)),
            ("30m", Some(1800)),
            ("0", Some(0)),
            ("30", None),
            ("", None),
        ] {
            assert_eq!(
                span_with_unit(text).ok(),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[test]
    fn rates_say_how_many_and_how_often() {
        for (text, expected) in [
            ("20/s", Some((20, 2_000))),
            ("30/m", Some((1, 80_000))),
            ("6000/min", Some((100, 400))),
            ("100000/s", Some((200, 0))),
            ("0/s", None),
            ("20", None),
            ("20/h", None),
            ("/s", None),
        ] {
            let rate = Rate::parse(text).ok();
            let found = rate.map(|rate| (rate.at_once(200), rate.time_for(40).as_millis()));
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(Rate::parse("30/min").unwrap().to_string(), "30/m");
    }

    #[test]
    fn shares_are_hundredths_of_a_percent() {
        for (text, expected, shown) in [
            ("100%", Some(10_000), "100%"),
            ("10", Some(1000), "10%"),
            ("0.25%", Some(25), "0.25%"),
            ("12.5%", Some(1250), "12.5%"),
            ("3.05%", Some(305), "3.05%"),
            ("0%", None, ""),
            ("100.01%", None, ""),
            ("0.001%", None, ""),
            ("1000%", None, ""),
            (".5", None, ""),
            ("5.", None, ""),
            ("-5", None, ""),
            ("%", None, ""),
        ] {
            let share = Share::parse(text).ok();
            assert_eq!(share.map(|share| share.0), expected, "{text}");
            assert_eq!(share.map(|share| share.to_string()).unwrap_or_default(), shown);
        }
    }

    #[test]
    fn moments_are_days_or_exact() {
        for (text, expected) in [
            ("1970-01-02", Some(86_400)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000)),
            ("2023-11-14T23:13:20+01:00", None),
            ("2023-11-14T22:13", None),
            ("2023-11-14-01", None),
            ("1700000000", Some(1_700_000_000)),
            ("yesterday", None),
            ("2023-13-01", None),
            ("1969-01-01", None),
        ] {
            assert_eq!(moment(text).ok(), expected.map(Timestamp::from_secs), "{text}");
        }
    }

    #[test]
    fn a_node_has_one_spelling() {
        let url = "https://sync-1.example.org";
        assert_eq!(node_url("https://sync-1.example.org/").as_deref(), Ok(url));
        assert_eq!(node_url(url).as_deref(), Ok(url));
        assert!(node_url("sync-1.example.org").is_err());
    }
}
