//! What an operator sets: the table `[first_assignments]` of `webhead.toml` and `foxhold.toml`.

use std::time::Duration;

use thiserror::Error;

use super::rate::Rate;

/// How fast new users may take slots, so that nobody who makes users up fills every node. All of it is counted by each process
/// for itself, and for each service by itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirstAssignmentSettings {
    /// Users of one issuer at once. The own accounts are not counted by issuer.
    #[schemars(extend("x-reload" = "value"))]
    pub issuer_burst: u32,
    /// Users of one issuer in a minute, after that.
    #[schemars(extend("x-reload" = "value"))]
    pub issuer_per_minute: u32,
    /// Users of one issuer in a day (UTC), in percent of the service's free slots, rounded up; 100 for all.
    #[schemars(extend("x-reload" = "value"))]
    pub issuer_day_percent: u8,
    /// Users of all issuers but the own, together: so many at once, and so many in each hour after; absent = any.
    #[schemars(extend("x-reload" = "value"))]
    pub service_per_hour: Option<u32>,
    /// Users from one block of addresses at once: an IPv4 /24, an IPv6 /48.
    #[schemars(extend("x-reload" = "value"))]
    pub block_burst: u32,
    /// Users from one block of addresses in an hour, after that.
    #[schemars(extend("x-reload" = "value"))]
    pub block_per_hour: u32,
    /// The part of every node, in percent, that issuers who are not trusted never get.
    #[schemars(extend("x-reload" = "value"))]
    pub reserved_percent: u8,
    /// How many issuers, and how many blocks, are remembered.
    pub keys_max: usize,
}

impl Default for FirstAssignmentSettings {
    fn default() -> Self {
        Self {
            issuer_burst: 100,
            issuer_per_minute: 20,
            issuer_day_percent: 5,
            service_per_hour: None,
            block_burst: 20,
            block_per_hour: 10,
            reserved_percent: 10,
            keys_max: 100_000,
        }
    }
}

/// A setting that would refuse everybody, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`first_assignments.{key}`: {fix}")]
pub struct FirstAssignmentsFault {
    /// The key.
    pub key: &'static str,
    /// What to give.
    pub fix: &'static str,
}

/// More in a second than any store can write: beyond that a rate is no limit, and its times would be lost in rounding.
const RATE_MAX: u32 = 1_000_000;

impl FirstAssignmentSettings {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), FirstAssignmentsFault> {
        let is_rate = |value: u32| (1..=RATE_MAX).contains(&value);
        let rate = "give 1 to 1000000";
        let rules = [
            (is_rate(self.issuer_burst), "issuer_burst", rate),
            (is_rate(self.issuer_per_minute), "issuer_per_minute", rate),
            (
                (1..=100).contains(&self.issuer_day_percent),
                "issuer_day_percent",
                "give 1 to 100",
            ),
            (
                self.service_per_hour.is_none_or(is_rate),
                "service_per_hour",
                "give 1 to 1000000, or leave it out",
            ),
            (is_rate(self.block_burst), "block_burst", rate),
            (is_rate(self.block_per_hour), "block_per_hour", rate),
            (
                self.reserved_percent < 100,
                "reserved_percent",
                "give 0 to 99; whom nobody shall vouch for is decided by `allowed_issuers`",
            ),
            (
                (1..=10_000_000).contains(&self.keys_max),
                "keys_max",
                "give 1 to 10000000; each takes about 100 bytes",
            ),
        ];
        let fault = rules.into_iter().find(|(holds, ..)| !holds);
        fault.map_or(Ok(()), |(_, key, fix)| Err(FirstAssignmentsFault { key, fix }))
    }

    pub(super) fn issuer_rate(&self) -> Rate {
        Rate::new(self.issuer_burst, self.issuer_per_minute, Duration::from_secs(60))
    }

    pub(super) fn service_rate(&self) -> Option<Rate> {
        let hour = Duration::from_secs(3600);
        self.service_per_hour.map(|count| Rate::new(count, count, hour))
    }

    pub(super) fn block_rate(&self) -> Rate {
        Rate::new(self.block_burst, self.block_per_hour, Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_refuse_everybody_is_named_by_its_key() {
        type Row = (&'static str, fn(&mut FirstAssignmentSettings));
        let table: [Row; 9] = [
            ("issuer_burst", |s| s.issuer_burst = 0),
            ("issuer_per_minute", |s| s.issuer_per_minute = RATE_MAX + 1),
            ("issuer_day_percent", |s| s.issuer_day_percent = 0),
            ("issuer_day_percent", |s| s.issuer_day_percent = 101),
            ("service_per_hour", |s| s.service_per_hour = Some(0)),
            ("block_burst", |s| s.block_burst = 0),
            ("block_per_hour", |s| s.block_per_hour = 0),
            ("reserved_percent", |s| s.reserved_percent = 100),
            ("keys_max", |s| s.keys_max = 0),
        ];
        for (key, change) in table {
            let mut settings = FirstAssignmentSettings::default();
            assert_eq!(settings.check(), Ok(()));
            change(&mut settings);
            assert_eq!(settings.check().map_err(|fault| fault.key), Err(key));
        }
    }
}
