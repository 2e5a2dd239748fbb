//! Turns at asking somebody outside: so many at once, and no more than a share of them for one client.
//!
//! Used wherever a credential that nobody has verified makes us ask. What must stay true: whoever brings garbage from one
//! place cannot take all turns; nothing waits here, and memory is no more than the turns that are taken.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The part of all turns that one client may have. Many people can share an address.
const CLIENT_SHARE: usize = 8;

/// Where a request came from: an IPv4 address, or the network of an IPv6 address that a household gets. All of whom
/// nothing is known are one client.
type Client = Option<IpAddr>;

/// The turns.
pub(crate) struct Turns {
    all_max: usize,
    client_max: usize,
    taken: Mutex<HashMap<Client, usize>>,
}

/// One of them, until it is dropped.
#[must_use]
pub(crate) struct Turn<'a> {
    of: &'a Turns,
    client: Client,
}

impl Turns {
    /// So many at once; an eighth of them, but at least one, for each client.
    pub(crate) fn new(all_max: usize) -> Self {
        Self {
            all_max,
            client_max: (all_max / CLIENT_SHARE).max(1),
            taken: Mutex::default(),
        }
    }

    /// A turn for a client. `None` if it has its share already, or all are taken.
    pub(crate) fn take(&self, from: Option<IpAddr>) -> Option<Turn<'_>> {
        let client = from.map(network);
        let mut taken = self.taken();
        let is_full = taken.values().sum::<usize>() >= self.all_max;
        if is_full || taken.get(&client).is_some_and(|turns| *turns >= self.client_max) {
            return None;
        }
        *taken.entry(client).or_default() += 1;
        Some(Turn { of: self, client })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if let Some(turns) = taken.get_mut(&self.client) {
            *turns -= 1;
            if *turns == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn one_client_has_a_share_and_all_have_the_whole() {
        let turns = Turns::new(16);
        let greedy: Vec<_> = (0..20).filter_map(|_| turns.take(from("192.0.2.1"))).collect();
        assert_eq!(greedy.len(), 2);
        assert!(turns.take(from("::ffff:192.0.2.1")).is_none(), "the same address");
        let others: Vec<_> = (0..40_u8)
            .filter_map(|n| turns.take(Some([198, 51, 100, n].into())))
            .collect();
        assert_eq!(others.len(), 14);
        drop(greedy);
        assert!(turns.take(from("192.0.2.1")).is_some());
        drop(others);
        assert!(turns.taken().is_empty());
    }

    #[test]
    fn a_household_is_one_client_and_the_unknown_are_one() {
        let turns = Turns::new(8);
        let first = turns.take(from("2001:db8::1"));
        assert!(first.is_some() && turns.take(from("2001:db8::ffff:1")).is_none());
        assert!(turns.take(from("2001:db8:0:1::1")).is_some());
        let unknown = turns.take(None);
        assert!(unknown.is_some() && turns.take(None).is_none());
    }

    #[test]
    fn a_single_turn_is_anybodys() {
        let turns = Turns::new(1);
        let only = turns.take(from("192.0.2.1"));
        assert!(only.is_some() && turns.take(from("192.0.2.2")).is_none());
        drop(only);
        assert!(turns.take(from("192.0.2.2")).is_some());
    }
}
