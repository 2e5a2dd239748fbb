//! The one cluster of a whole test run: three nodes, one data centre. Tests must not make its nodes fail; each uses
//! keyspaces of its own.
//!
//! Must stay true: no test drops a keyspace or table of it that was written to. A write that comes late to a table which is
//! being dropped ends the change half-way on that node (Cassandra 5.0.8, "Unknown CF" while the commit log is recycled),
//! and no later change of the schema gets through to it.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use super::{Cluster, Layout, Options, PASSWORD, USER};
use crate::{person::unique_hex, work_folder::WorkFolder};

/// The variable that names the shared cluster's contact points, with commas between: `cargo xtask test` starts one
/// cluster for all tests and sets it. Its name does not begin as those do that every process of ours takes for settings.
pub const CONTACT_POINTS_VARIABLE: &str = "TEST_CASSANDRA_CONTACT_POINTS";

/// How to reach the shared cluster.
#[derive(Debug, Clone)]
pub struct SharedCluster {
    /// One address a node.
    pub contact_points: Vec<SocketAddr>,
    /// The name of its data centre.
    pub data_centre: String,
    /// A superuser.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// The shared cluster: the one that the test run has started, else one that this process starts at the first call and
/// that ends with it.
///
/// # Errors
/// When none can be started.
pub async fn shared() -> Result<SharedCluster> {
    let contact_points = match given() {
        Some(text) => parse(&text)?,
        None => own().await?,
    };
    Ok(SharedCluster {
        contact_points,
        data_centre: "dc1".to_owned(),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the test run says to its tests; no configuration of a service"
)]
fn given() -> Option<String> {
    std::env::var(CONTACT_POINTS_VARIABLE).ok()
}

fn parse(text: &str) -> Result<Vec<SocketAddr>> {
    text.split(',')
        .map(|address| {
            address
                .parse()
                .with_context(|| format!("{CONTACT_POINTS_VARIABLE}: {address}"))
        })
        .collect()
}

/// Starts a cluster once. It is never dropped: statics are not. The kernel ends its nodes with this process, and the
/// next run of the same test removes its folder.
async fn own() -> Result<Vec<SocketAddr>> {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    let cluster = CLUSTER.get_or_try_init(|| async {
        let folder = WorkFolder::of(&format!("cassandra-of-{}", program()?))?;
        let path = folder.path().to_owned();
        folder.keep();
        Cluster::start(&path, Layout::three(), Options::default()).await
    });
    Ok(cluster.await?.contact_points())
}

/// The running test's program: two of them may run at the same time.
fn program() -> Result<String> {
    let path = std::env::current_exe()?;
    let name = path.file_name().context("a program without a name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// A keyspace name that no other test uses, in lower case.
#[must_use]
pub fn fresh_keyspace_name() -> String {
    format!("test_{}", &unique_hex()[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_points_are_read_as_they_are_written() {
        let addresses = parse("127.3.1.1:9042,127.3.1.2:9042").unwrap();
        assert_eq!(addresses.len(), 2);
        assert!(parse("").is_err());
        assert!(parse("localhost").is_err());
    }

    #[test]
    fn keyspace_names_are_fresh_and_allowed() {
        let (one, other) = (fresh_keyspace_name(), fresh_keyspace_name());
        assert_ne!(one, other);
        // Cassandra's limit is 48.
        assert!(
            one.len() <= 48
                && one
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        );
    }
}
