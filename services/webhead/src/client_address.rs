//! Who is asking: the client's address as limits and logs use it (`security.md` A.5).
//!
//! Must stay true: a header decides nothing unless the connection comes from a proxy that is trusted by configuration.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::http::HeaderMap;
use thiserror::Error;

/// An address block, `10.0.0.0/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
}

/// Text that names no address block.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no address and no address block")]
pub struct NetworkError(String);

/// Proxies that could not be seen through.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxiesError {
    /// One is no address.
    #[error("`trusted_proxies`")]
    Network(#[from] NetworkError),
    /// What they say would not be looked at.
    #[error(
        "`trusted_proxies`: nothing they say counts while `forwarded_from_right` is 0: all clients behind them are one\n\
         fix: forwarded_from_right = 1 behind one proxy, 2 where two stand one behind the other"
    )]
    NoPlace,
    /// Nobody may say anything.
    #[error(
        "`forwarded_from_right`: nobody's `X-Forwarded-For` is believed while `trusted_proxies` is empty\n\
         fix: in trusted_proxies, the addresses that proxies come from, as in [\"10.0.0.0/8\"]; or leave both out"
    )]
    Nobody,
}

impl Network {
    /// Whether an address lies in it. IPv4 and its IPv6-mapped form are the same.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.base
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(base, len)| (base, Some(len)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse::<u32>).map_err(|_| error())?;
        if prefix > width {
            return Err(error());
        }
        let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
        Ok(Self {
            base: bits(address) & mask,
            mask,
        })
    }
}

/// Every address as one number: IPv4 as its IPv6-mapped form.
fn bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// The rule for finding the client's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientAddresses {
    trusted_proxies: Vec<Network>,
    forwarded_from_right: usize,
}

impl ClientAddresses {
    /// Trusts `X-Forwarded-For` of these proxies: its n-th entry from the right, counted from one. With no proxies and
    /// zero, the default, the header is ignored.
    ///
    /// # Errors
    /// [`ProxiesError`] for the first block that is none, and for one of the two without the other: limits would take all
    /// clients for one, and nobody would know why.
    pub fn new<S: AsRef<str>>(proxies: &[S], forwarded_from_right: usize) -> Result<Self, ProxiesError> {
        let trusted_proxies: Vec<Network> = proxies
            .iter()
            .map(|text| text.as_ref().parse())
            .collect::<Result<_, NetworkError>>()?;
        match (trusted_proxies.is_empty(), forwarded_from_right) {
            (false, 0) => return Err(ProxiesError::NoPlace),
            (true, 1..) => return Err(ProxiesError::Nobody),
            _ => {}
        }
        Ok(Self {
            trusted_proxies,
            forwarded_from_right,
        })
    }

    /// The client's address, given the peer of the connection.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = self.trusted_proxies.iter().any(|network| network.contains(peer));
        let forwarded = if trusted { self.forwarded(headers) } else { None };
        forwarded.unwrap_or(peer).to_canonical()
    }

    fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let place = self.forwarded_from_right.checked_sub(1)?;
        // Several header lines are one list; the rightmost entry is the one the nearest proxy added.
        let lines: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .map(|value| value.to_str().ok())
            .collect::<Option<_>>()?;
        lines
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(','))
            .nth(place)
            .and_then(entry)
    }
}

/// An entry of the list: an address, maybe with a port.
fn entry(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap()))
            .collect()
    }

    fn client(n: usize, peer: &str, lines: &[&str]) -> String {
        let rule = match n {
            0 => ClientAddresses::default(),
            n => ClientAddresses::new(&["10.0.0.0/8", "fd00::/8", "192.0.2.1"], n).unwrap(),
        };
        rule.client(peer.parse().unwrap(), &headers(lines)).to_string()
    }

    #[test]
    fn the_header_counts_only_from_a_trusted_proxy_and_only_where_configured() {
        let table: [(&str, usize, &str, &[&str], &str); 14] = [
            (
                "forged by a client",
                1,
                "203.0.113.9",
                &["198.51.100.1"],
                "203.0.113.9",
            ),
            ("ignored by default", 0, "10.1.1.1", &["198.51.100.1"], "10.1.1.1"),
            (
                "one proxy",
                1,
                "10.1.1.1",
                &["1.1.1.1, 198.51.100.1"],
                "198.51.100.1",
            ),
            (
                "two proxies",
                2,
                "10.1.1.1",
                &["9.9.9.9, 198.51.100.1, 10.2.2.2"],
                "198.51.100.1",
            ),
            (
                "two lines",
                2,
                "10.1.1.1",
                &["9.9.9.9, 198.51.100.1", "10.2.2.2"],
                "198.51.100.1",
            ),
            ("too few entries", 3, "10.1.1.1", &["198.51.100.1"], "10.1.1.1"),
            ("no header", 1, "10.1.1.1", &[], "10.1.1.1"),
            ("nonsense", 1, "10.1.1.1", &["unknown"], "10.1.1.1"),
            (
                "with a port",
                1,
                "10.1.1.1",
                &["198.51.100.1:5000"],
                "198.51.100.1",
            ),
            ("IPv6", 1, "fd00::7", &["2001:db8::1"], "2001:db8::1"),
            (
                "IPv6 in brackets",
                1,
                "fd00::7",
                &["[2001:db8::1]:443"],
                "2001:db8::1",
            ),
            (
                "mapped peer",
                1,
                "::ffff:10.1.1.1",
                &["198.51.100.1"],
                "198.51.100.1",
            ),
            (
                "mapped and not trusted",
                1,
                "::ffff:203.0.113.9",
                &["198.51.100.1"],
                "203.0.113.9",
            ),
            ("single address", 1, "192.0.2.2", &["198.51.100.1"], "192.0.2.2"),
        ];
        for (name, n, peer, lines, expected) in table {
            assert_eq!(client(n, peer, lines), expected, "{name}");
        }
    }

    #[test]
    fn proxies_and_their_place_go_together() {
        let rule = |proxies: &[&str], n| ClientAddresses::new(proxies, n).map(drop);
        assert_eq!(rule(&[], 0), Ok(()));
        assert_eq!(rule(&["10.0.0.1"], 1), Ok(()));
        assert_eq!(rule(&["10.0.0.1"], 0), Err(ProxiesError::NoPlace));
        assert_eq!(rule(&[], 1), Err(ProxiesError::Nobody));
        assert!(matches!(rule(&["proxy"], 1), Err(ProxiesError::Network(_))));
    }

    #[test]
    fn blocks_are_read_or_refused() {
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        let four: Network = "0.0.0.0/0".parse().unwrap();
        assert!(
            four.contains("203.0.113.9".parse().unwrap()) && !four.contains("2001:db8::1".parse().unwrap())
        );
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "host",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
