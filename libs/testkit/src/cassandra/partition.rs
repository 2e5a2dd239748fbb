//! A cut between data centres: firewall rules in a test's [own network](crate::own_network) drop every packet between them,
//! so calls are not refused but unanswered, as when a line is cut.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{Cluster, address::Block};
use crate::own_network;

/// Processes of data centre n run in the group n above this. A node's calls to others come from 127.0.0.1 whatever it
/// listens on, so their address does not tell where they come from; their group does.
const FIRST_GROUP: u32 = 60_000;

/// The group that processes of a data centre run in.
pub(crate) fn group(data_centre: usize) -> u32 {
    let number = u32::try_from(data_centre).expect("a layout has at most nine data centres");
    FIRST_GROUP + number
}

/// A cut between two data centres, until it is healed. Cuts of different pairs add up.
#[derive(Debug)]
#[must_use = "a cut stays until it is healed"]
pub struct Partition {
    table: String,
}

impl Partition {
    /// Cuts all between two data centres (from 1): their nodes, the proxies before them, processes started with
    /// [`Cluster::in_data_centre`], and sockets bound to [`Cluster::client_address`] or others of its prefix.
    ///
    /// # Errors
    /// Outside of a test's own network, and when the firewall cannot be told.
    pub fn between(cluster: &Cluster, one: usize, other: usize) -> Result<Self> {
        ensure!(
            own_network::is_inside(),
            "a cut needs a network of the test's own"
        );
        let table = format!("cut_{one}_{other}");
        nft(&rules(&table, cluster.block(), one, other))?;
        Ok(Self { table })
    }

    /// Ends the cut.
    ///
    /// # Errors
    /// When the firewall cannot be told.
    pub fn heal(self) -> Result<()> {
        nft(&format!("delete table ip {}\n", self.table))
    }
}

/// What the firewall is told. Connections count by where a packet goes and who sends it; existing ones stop too.
fn rules(table: &str, block: Block, one: usize, other: usize) -> String {
    let mut text = format!("table ip {table} {{\n\tchain leaving {{\n");
    text.push_str("\t\ttype filter hook output priority filter; policy accept;\n");
    for (from, to) in [(one, other), (other, one)] {
        let (source, target) = (block.prefix(from), block.prefix(to));
        text.push_str(&format!("\t\tip saddr {source} ip daddr {target} drop\n"));
        text.push_str(&format!(
            "\t\tmeta skgid {} ip daddr {target} drop\n",
            group(from)
        ));
    }
    text.push_str("\t}\n}\n");
    text
}

/// Tells the firewall of this process's network.
fn nft(script: &str) -> Result<()> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting nft (Debian: nftables)")?;
    let mut input = nft.stdin.take().context("its input is not ours")?;
    input.write_all(script.as_bytes())?;
    drop(input);
    let output = nft.wait_with_output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "nft: {words}\n{script}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_works_both_ways() {
        let block = Block::at_numbers(7, 20);
        assert_eq!(
            rules("cut_1_3", block, 1, 3),
            "\
table ip cut_1_3 {
\tchain leaving {
\t\ttype filter hook output priority filter; policy accept;
\t\tip saddr 127.7.21.0/24 ip daddr 127.7.23.0/24 drop
\t\tmeta skgid 60001 ip daddr 127.7.23.0/24 drop
\t\tip saddr 127.7.23.0/24 ip daddr 127.7.21.0/24 drop
\t\tmeta skgid 60003 ip daddr 127.7.21.0/24 drop
\t}
}
"
        );
    }
}
