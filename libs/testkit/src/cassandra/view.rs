//! Whom a node sees up, read from its own log: Cassandra writes a line whenever it takes a peer for up or down. Asking
//! by `nodetool` would start a Java each time. Pure but for reading the file.

use std::{fs, net::SocketAddr, path::Path};

/// What a node's log says of a peer last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Up,
    Down,
}

/// What `log` says last of `peer` (its address for nodes), from byte `from` on.
pub(crate) fn last_seen(log: &str, from: usize, peer: SocketAddr) -> Option<Seen> {
    let up = format!("InetAddress /{peer} is now UP");
    let down = format!("InetAddress /{peer} is now DOWN");
    let news = log.get(from..).unwrap_or_default().lines().rev();
    news.into_iter().find_map(|line| {
        if line.ends_with(&up) {
            Some(Seen::Up)
        } else if line.ends_with(&down) {
            Some(Seen::Down)
        } else {
            None
        }
    })
}

/// A log as text; empty before there is one. Addresses and words we look for are ASCII, so a broken end does not matter.
pub(crate) fn read(log: &Path) -> String {
    fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The last lines of a log, for whoever looks into a failure; long ones are cut.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = read(log);
    let all: Vec<String> = text
        .lines()
        .map(|line| line.chars().take(300).collect())
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let log = "\
INFO  2026-01-01 10:00:00,000 Gossiper - InetAddress /127.9.1.2:7000 is now UP
INFO  2026-01-01 10:00:01,000 Gossiper - InetAddress /127.9.1.20:7000 is now DOWN
INFO  2026-01-01 10:00:02,000 Gossiper - InetAddress /127.9.1.3:7000 is now UP
INFO  2026-01-01 10:00:03,000 Gossiper - InetAddress /127.9.1.3:7000 is now DOWN
";
        let seen = |from, peer: &str| last_seen(log, from, peer.parse().unwrap());
        assert_eq!(seen(0, "127.9.1.2:7000"), Some(Seen::Up));
        assert_eq!(seen(0, "127.9.1.3:7000"), Some(Seen::Down));
        assert_eq!(seen(0, "127.9.1.4:7000"), None);
        assert_eq!(seen(80, "127.9.1.2:7000"), None, "only what came since");
        assert_eq!(seen(log.len() + 1, "127.9.1.3:7000"), None);
    }
}
