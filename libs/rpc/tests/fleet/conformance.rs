//! The suite every adapter runs, over remote writers: two dbwriters over one SQLite file behind the balancer, and a reader
//! that opens the file itself.

use std::sync::Arc;

use foxhold_ports::conformance::{self, Subject};
use foxhold_rpc::{
    client::{
        RemoteAccountWriter, RemoteAssignmentAdmin, RemoteAssignmentWriter, RemoteCommandWriter,
        RemoteJobTurns,
    },
    server::DbwriterPorts,
};
use foxhold_runtime::tls::Role;
use foxhold_store_sqlite::{SqliteReader, SqliteStore};

use crate::support::{Deployment, Running};

/// A dbwriter's ports over a file.
pub(crate) fn sqlite_ports(path: &std::path::Path) -> DbwriterPorts {
    let store = Arc::new(SqliteStore::open_writer(path).unwrap());
    DbwriterPorts {
        accounts: Arc::clone(&store) as _,
        commands: Arc::clone(&store) as _,
        assignments: Arc::clone(&store) as _,
        admin: Arc::clone(&store) as _,
        turns: store,
    }
}

async fn fleet(deployment: &Deployment) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foxhold.db");
    let servers: Vec<Running> = vec![
        deployment.dbwriter(sqlite_ports(&path)).await,
        deployment.dbwriter(sqlite_ports(&path)).await,
    ];
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let transport = deployment.transport(Role::Webhead, Role::Dbwriter, &addresses);
    let operators = deployment.transport(Role::Ops, Role::Dbwriter, &addresses);
    let reader = Arc::new(SqliteReader::open(&path, 2).unwrap());
    Subject {
        account_reader: Arc::clone(&reader) as _,
        account_writer: Arc::new(RemoteAccountWriter::new(transport.clone())),
        assignment_reader: Arc::clone(&reader) as _,
        command_reader: reader,
        command_writer: Arc::new(RemoteCommandWriter::new(transport.clone())),
        assignment_writer: Arc::new(RemoteAssignmentWriter::new(transport.clone())),
        assignment_admin: Arc::new(RemoteAssignmentAdmin::new(operators)),
        job_turns: Arc::new(RemoteJobTurns::new(transport)),
        remembers: true,
        knows_uids: true,
        keep: Box::new((servers, folder)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_accounts() {
    let deployment = Deployment::new();
    conformance::accounts("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_assignments() {
    let deployment = Deployment::new();
    conformance::assignments("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_jobs() {
    let deployment = Deployment::new();
    conformance::jobs("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_device_commands() {
    let deployment = Deployment::new();
    conformance::device_commands("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_answer_like_the_memory_store() {
    let deployment = Deployment::new();
    conformance::like_memory("remote", 0..8, 60, async || fleet(&deployment).await).await;
}
