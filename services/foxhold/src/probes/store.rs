//! Opens a store for reading, and says whether it is one that this version can use.

use std::{path::Path, sync::Arc, time::Duration};

use foxhold_core::Deadline;
use foxhold_ports::{AssignmentReader, ReadError};
use foxhold_runtime::store::{Cluster, Store, StoreUse};
use foxhold_store_cassandra::{CassandraReader, ConnectError};
use foxhold_store_open::connect_settings;
use foxhold_store_sqlite::{OpenError, SqliteReader};
use tokio::time::timeout;

use super::{Complaint, web::ANSWER_MAX};

/// How long opening may take.
const OPEN_MAX: Duration = Duration::from_secs(20);

/// A store that can be read.
pub(crate) struct Opened {
    pub(crate) reader: Arc<dyn AssignmentReader>,
    /// For a person.
    pub(crate) what: String,
}

/// A node's address, and whether an administrator took it out of service.
pub(crate) struct ListedNode {
    pub(crate) url: String,
    pub(crate) is_out: bool,
}

/// Opens what a process of its kind would open. None where the process makes it at its first start.
pub(crate) async fn open(store: Store, use_: StoreUse) -> Result<Option<Opened>, Complaint> {
    match store {
        Store::Sqlite { path, .. } if !path.exists() && use_ == StoreUse::Writes => to_be_made(&path),
        Store::Sqlite { path, .. } => file(&path).map(Some),
        Store::Cassandra(cluster) => connect(cluster).await.map(Some),
    }
}

fn to_be_made(path: &Path) -> Result<Option<Opened>, Complaint> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(Complaint::invalid(
            format!("the folder {} is not there", folder.display()),
            "make it, for the user that the process runs as",
        )),
        _ => Ok(None),
    }
}

/// Opens a file that a writer has made.
pub(crate) fn file(path: &Path) -> Result<Opened, Complaint> {
    if !path.exists() {
        return Err(Complaint::away(
            format!("{} is not there", path.display()),
            "start the one who writes first: it makes the file",
        ));
    }
    let reader = SqliteReader::open(path, 1).map_err(|error| {
        let is_away = matches!(error, OpenError::NotMigrated { .. });
        let fix = if is_away {
            "start the one who writes, of this version, first"
        } else {
            "see that it is the file, and that this user may read and write it and its folder"
        };
        Complaint {
            is_away,
            ..split(&anyhow::Error::from(error), fix)
        }
    })?;
    Ok(Opened {
        reader: Arc::new(reader),
        what: format!("{} opens, with the schema of this version", path.display()),
    })
}

async fn connect(cluster: Cluster) -> Result<Opened, Complaint> {
    let (keyspace, region) = (cluster.keyspace.clone(), cluster.region.clone());
    let settings = connect_settings(cluster);
    let usual_fix = "see the nodes, and foxhold schema status";
    let late = |_| Complaint::away("the cluster does not answer in time", usual_fix);
    let connected = timeout(OPEN_MAX, CassandraReader::connect(&settings)).await;
    let reader = connected.map_err(late)?.map_err(|error| {
        let is_away = matches!(error, ConnectError::Cluster(_) | ConnectError::Ended { .. });
        Complaint {
            is_away,
            ..split(&anyhow::Error::from(error), usual_fix)
        }
    })?;
    Ok(Opened {
        reader: Arc::new(reader),
        what: format!("keyspace {keyspace} is read as region {region}, with the schema of this version"),
    })
}

/// A failure whose message may hold its own fix.
fn split(error: &anyhow::Error, usual_fix: &str) -> Complaint {
    let text = format!("{error:#}");
    let causes = error.chain().skip(1).map(ToString::to_string);
    let Some((what, fix)) = error
        .to_string()
        .split_once("\nfix: ")
        .map(|(what, fix)| (what.to_owned(), fix.to_owned()))
    else {
        return Complaint::invalid(text, usual_fix);
    };
    let what = std::iter::once(what).chain(causes).collect::<Vec<_>>().join(": ");
    Complaint::invalid(what, fix)
}

/// The nodes of all services, each URL once.
pub(crate) async fn nodes(reader: &dyn AssignmentReader) -> Result<Vec<ListedNode>, ReadError> {
    let by = Deadline::after(ANSWER_MAX);
    let mut nodes: Vec<ListedNode> = Vec::new();
    for service in reader.services(by).await? {
        for node in reader.nodes(by, &service.key).await? {
            if nodes.iter().all(|known| known.url != node.url) {
                nodes.push(ListedNode {
                    is_out: node.figures.downed,
                    url: node.url,
                });
            }
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(path: &Path) -> Store {
        Store::Sqlite {
            path: path.to_owned(),
            connections: 1,
        }
    }

    #[tokio::test]
    async fn files_are_judged_by_what_mends_them() {
        let folder = tempfile::tempdir().unwrap();
        let (absent, other) = (folder.path().join("absent.db"), folder.path().join("other.db"));
        std::fs::write(
            &other,
            "no database, and longer than the head of one would have to be".repeat(3),
        )
        .unwrap();
        let nowhere = folder.path().join("absent/store.db");
        let table = [
            (&absent, StoreUse::Reads, Err(true)),
            (&absent, StoreUse::Writes, Ok(())),
            (&nowhere, StoreUse::Writes, Err(false)),
            (&other, StoreUse::Reads, Err(false)),
        ];
        for (path, use_, expected) in table {
            let opened = open(sqlite(path), use_).await;
            let found = opened.map(drop).map_err(|complaint| complaint.is_away);
            assert_eq!(found, expected, "{}", path.display());
        }
    }

    #[test]
    fn a_message_that_holds_its_fix_is_taken_apart() {
        let error = anyhow::anyhow!("below").context("above\nfix: mend it");
        assert_eq!(
            split(&error, "other"),
            Complaint::invalid("above: below", "mend it")
        );
        let error = anyhow::anyhow!("below").context("above");
        assert_eq!(
            split(&error, "other"),
            Complaint::invalid("above: below", "other")
        );
    }
}
