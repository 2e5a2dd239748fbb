//! The budgets as one pure rule: the time is told, nothing is read, and what is not counted in the end is given back.
//!
//! Must stay true: of the users that are counted and not given back, no budget ever holds more than it has; refused
//! ones count nowhere, so nobody keeps a budget empty by asking.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use foxhold_core::{Timestamp, record::ServiceKey};

use super::{
    Budget, Issuer, Limited,
    ledger::{Key, Ledger},
    rate::{Debt, Meter},
    settings::FirstAssignmentSettings,
};

/// Nobody is told to come back later than this: an operator may have made room by then.
const WAIT_MAX: Duration = Duration::from_secs(3600);
const DAY_SECS: u64 = 86_400;
/// A clock may step back so far, and time stands still meanwhile. After a larger step nothing can be said of what was
/// counted, and it is forgotten.
const STEP_BACK_MAX: Duration = Duration::from_secs(60);

/// All that is counted.
pub(super) struct Budgets {
    issuers: Meter,
    services: Option<Meter>,
    blocks: Meter,
    /// Users of each issuer on `day`.
    on_day: Ledger,
    day: u64,
    now: Timestamp,
    day_percent: u64,
    keys_max: usize,
}

/// Under what a new user is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    issuer: Option<Key>,
    service: Option<Key>,
    block: Option<Key>,
}

impl Keys {
    /// Own users have a block of their own, so that no stranger beside them uses it up; and if one comes from a private
    /// address, that is the own network, or a proxy that nobody has told us of, and everybody would be in one block.
    pub(super) fn of(service: &ServiceKey, issuer: &Issuer, ip: Option<IpAddr>) -> Self {
        let service = service.0.as_bytes();
        let group = issuer.group();
        Self {
            issuer: group.map(|(kind, domain)| Key::of(kind, &[service, domain.as_bytes()])),
            service: group.map(|_| Key::of(b'a', &[service])),
            block: ip
                .filter(|ip| group.is_some() || !is_private(*ip))
                .map(|ip| Key::of(if group.is_some() { b'x' } else { b'b' }, &[service, &block(ip)])),
        }
    }
}

/// Loopback, link-local, and what is given out inside a network (RFC 1918, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(four) => four.is_loopback() || four.is_private() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

/// The block of addresses that one customer has at most: of an IPv4 address its /24, of an IPv6 address its /48.
fn block(ip: IpAddr) -> [u8; 16] {
    let (address, len) = match ip.to_canonical() {
        IpAddr::V4(four) => (four.to_ipv6_mapped(), 96 + 24),
        IpAddr::V6(six) => (six, 48),
    };
    Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> len)).octets()
}

/// What one new user was charged with.
#[derive(Debug, Clone, Default)]
pub(super) struct Charge {
    issuer: Option<Debt>,
    service: Option<Debt>,
    block: Option<Debt>,
    /// The issuer, and the day it was on.
    on_day: Option<(Key, u64)>,
}

impl Budgets {
    pub(super) fn new(settings: &FirstAssignmentSettings) -> Self {
        let keys_max = settings.keys_max.max(1);
        Self {
            issuers: Meter::new(settings.issuer_rate(), keys_max),
            services: settings.service_rate().map(|rate| Meter::new(rate, keys_max)),
            blocks: Meter::new(settings.block_rate(), keys_max),
            on_day: Ledger::new(keys_max),
            day: 0,
            now: Timestamp::default(),
            day_percent: u64::from(settings.issuer_day_percent),
            keys_max,
        }
    }

    /// Goes on at other rates. Who is in work meanwhile is given back what one takes by these.
    pub(super) fn replace(&mut self, settings: &FirstAssignmentSettings) {
        self.issuers.set_rate(settings.issuer_rate());
        self.blocks.set_rate(settings.block_rate());
        let services = self.services.take();
        self.services = settings.service_rate().map(|rate| {
            let mut meter = services.unwrap_or_else(|| Meter::new(rate, self.keys_max));
            meter.set_rate(rate);
            meter
        });
        self.day_percent = u64::from(settings.issuer_day_percent);
    }

    /// Whether every budget has room for one more, in a service that has `free` slots; what it would be charged with.
    /// Counts nothing. If several refuse, the longest wait is the answer.
    pub(super) fn judge(&mut self, now: Timestamp, keys: Keys, free: u64) -> Result<Charge, Limited> {
        let now = self.advance(now);
        let mut refused = Vec::new();
        let mut ask = |meter: Option<&mut Meter>, key: Option<Key>, budget| {
            let (meter, key) = (meter?, key?);
            meter
                .judge(key, now)
                .map_err(|wait| refused.push((wait, budget)))
                .ok()
        };
        let mut charge = Charge {
            issuer: ask(Some(&mut self.issuers), keys.issuer, Budget::Issuer),
            service: ask(self.services.as_mut(), keys.service, Budget::Service),
            block: ask(Some(&mut self.blocks), keys.block, Budget::Block),
            on_day: None,
        };
        if let Some(key) = keys.issuer {
            charge.on_day = Some((key, self.day));
            if self.on_day.weight(key) >= self.day_max(free) {
                refused.push((self.rest_of_day(), Budget::Day));
            }
        }
        match refused.into_iter().max_by_key(|(wait, _)| *wait) {
            None => Ok(charge),
            Some((wait, by)) => Err(Limited {
                by,
                retry_after: wait.min(WAIT_MAX),
            }),
        }
    }

    /// Counts one that was judged just before.
    pub(super) fn charge(&mut self, charge: &Charge) {
        for (meter, debt) in self.meters(charge) {
            meter.charge(debt);
        }
        if let Some((key, _)) = charge.on_day {
            self.on_day.set(key, self.on_day.weight(key).saturating_add(1));
        }
    }

    /// One that was counted took nothing in the end.
    pub(super) fn give_back(&mut self, charge: &Charge) {
        let now = micros(self.now);
        for (meter, debt) in self.meters(charge) {
            meter.give_back(debt, now);
        }
        if let Some((key, day)) = charge.on_day
            && day == self.day
            && self.on_day.holds(key)
        {
            self.on_day.set(key, self.on_day.weight(key).saturating_sub(1));
        }
    }

    fn meters(&mut self, charge: &Charge) -> impl Iterator<Item = (&mut Meter, Debt)> {
        let all = [
            (Some(&mut self.issuers), charge.issuer),
            (self.services.as_mut(), charge.service),
            (Some(&mut self.blocks), charge.block),
        ];
        all.into_iter().filter_map(|(meter, debt)| Some((meter?, debt?)))
    }

    /// How many users one issuer may have on this day. Where no slot is free, the store says so, and why.
    fn day_max(&self, free: u64) -> u64 {
        if self.day_percent >= 100 || free == 0 {
            return u64::MAX;
        }
        let part = (u128::from(free) * u128::from(self.day_percent)).div_ceil(100);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    fn rest_of_day(&self) -> Duration {
        Duration::from_secs(DAY_SECS - self.now.as_secs() % DAY_SECS)
    }

    /// Goes on to `now`, in microseconds.
    fn advance(&mut self, now: Timestamp) -> u64 {
        if self.now.since(now) > STEP_BACK_MAX {
            self.issuers.clear();
            self.blocks.clear();
            if let Some(services) = &mut self.services {
                services.clear();
            }
            self.now = now;
        }
        self.now = self.now.max(now);
        let day = self.now.as_secs() / DAY_SECS;
        if day != self.day {
            self.day = day;
            self.on_day.clear();
        }
        micros(self.now)
    }

    /// Issuers that are remembered.
    pub(super) fn issuers(&self) -> usize {
        self.issuers.len().max(self.on_day.len())
    }

    /// Blocks of addresses that are remembered.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }
}

fn micros(time: Timestamp) -> u64 {
    time.as_millis().saturating_mul(1000)
}
