//! Which loopback addresses and ports a cluster has: never fixed, so that clusters may run beside each other. Each data
//! centre has a /24 of its own, for nodes, the proxies before them, and clients; so a network between data centres can
//! be cut by two prefixes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

use super::layout::Seat;
use crate::{person::unique_hex, process::free_address};

/// How often other numbers are drawn before we give up.
const TRIES: usize = 100;

/// Ports below those the kernel gives to outgoing connections, so that none takes ours while a node starts.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Where proxies begin in a data centre's addresses.
const FIRST_PROXY: u8 = 101;

/// Where clients begin.
const FIRST_CLIENT: u8 = 201;

/// The addresses of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    second: u8,
    third: u8,
}

impl Block {
    /// The block with these numbers in its addresses.
    #[cfg(test)]
    pub(crate) fn at_numbers(second: u8, third: u8) -> Self {
        Self { second, third }
    }

    /// A block in which every node's address and proxy can have the port for clients, and every node the one for nodes.
    pub(crate) fn pick(seats: &[Seat]) -> Result<(Self, Ports)> {
        for _ in 0..TRIES {
            let [second, third, ..] = random();
            let block = Self {
                second: second.max(1),
                third: third % 240,
            };
            let ports = Ports {
                native: random_port(),
                storage: random_port(),
            };
            if block.is_free(seats, ports) {
                return Ok((block, ports));
            }
        }
        bail!("no free block of loopback addresses in {TRIES} tries")
    }

    fn is_free(self, seats: &[Seat], ports: Ports) -> bool {
        let mut wanted = Vec::new();
        for seat in seats {
            wanted.push(SocketAddr::from((self.node(seat), ports.native)));
            wanted.push(SocketAddr::from((self.node(seat), ports.storage)));
            wanted.push(SocketAddr::from((self.proxy(seat), ports.native)));
        }
        // Held until all are had, so that two equal ones do not pass.
        let held: Result<Vec<_>, _> = wanted.into_iter().map(TcpListener::bind).collect();
        held.is_ok()
    }

    /// Where a node listens.
    pub(crate) fn node(self, seat: &Seat) -> Ipv4Addr {
        self.at(seat.data_centre, 1, seat.place)
    }

    /// Where the proxy before a node listens.
    pub(crate) fn proxy(self, seat: &Seat) -> Ipv4Addr {
        self.at(seat.data_centre, FIRST_PROXY, seat.place)
    }

    /// Where clients of a data centre call from.
    pub(crate) fn client(self, data_centre: usize) -> Ipv4Addr {
        self.at(data_centre, FIRST_CLIENT, 1)
    }

    /// All addresses of a data centre, as a firewall writes them.
    pub(crate) fn prefix(self, data_centre: usize) -> String {
        format!("{}/24", self.at(data_centre, 0, 1))
    }

    fn at(self, data_centre: usize, first: u8, place: usize) -> Ipv4Addr {
        let small = |number: usize| u8::try_from(number).expect("a layout has at most nine of each");
        Ipv4Addr::new(
            127,
            self.second,
            self.third + small(data_centre),
            first + small(place) - 1,
        )
    }
}

/// The ports that all nodes of a cluster share; drivers expect that of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) native: u16,
    /// For other nodes.
    pub(crate) storage: u16,
}

/// A port of 127.0.0.1 that nothing else of this process gets, long as its taker may be in starting: Java's management
/// interface listens nowhere else.
pub(crate) fn management_port() -> Result<u16> {
    Ok(free_address()?.port())
}

fn random_port() -> u16 {
    let [high, low, ..] = random();
    PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start)
}

/// Bytes nobody else is likely to draw; nothing secret.
fn random() -> [u8; 32] {
    foxhold_crypto::mac::sha256(&[unique_hex().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassandra::Layout;

    #[test]
    fn each_data_centre_has_a_prefix_of_its_own() {
        let block = Block::at_numbers(7, 20);
        let seats = Layout::two_regions().seats();
        let texts: Vec<_> = seats
            .iter()
            .map(|seat| format!("{} {}", block.node(seat), block.proxy(seat)))
            .collect();
        assert_eq!(
            texts,
            [
                "127.7.21.1 127.7.21.101",
                "127.7.21.2 127.7.21.102",
                "127.7.21.3 127.7.21.103",
                "127.7.22.1 127.7.22.101",
                "127.7.22.2 127.7.22.102",
                "127.7.22.3 127.7.22.103",
            ]
        );
        assert_eq!(block.client(2).to_string(), "127.7.22.201");
    }

    #[test]
    fn two_clusters_get_different_blocks() {
        let seats = Layout::three().seats();
        let (first, second) = (Block::pick(&seats).unwrap(), Block::pick(&seats).unwrap());
        assert_ne!(first, second);
    }
}
