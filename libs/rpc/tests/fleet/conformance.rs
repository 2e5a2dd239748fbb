//! The suite every adapter runs, over remote writers: two dbwriters over one SQLite file behind the balancer, and a reader
//! that opens the file itself.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{Timestamp, TokenId, record::Account};
use foxhold_ports::{
    Call, InvitationWriter, WriteError,
    accounts::SignIn,
    conformance::{self, OpenIdSubject, OutboxSubject, Subject},
    invitations::InvitationTerms,
};
use foxhold_rpc::{
    client::{
        RemoteAccountAdmin, RemoteAccountGuards, RemoteAccountWriter, RemoteAssignmentAdmin,
        RemoteAssignmentWriter, RemoteClientAdmin, RemoteCommandWriter, RemoteGrantWriter,
        RemoteInvitationWriter, RemoteJobTurns, RemoteOutbox,
    },
    server::DbwriterPorts,
};
use foxhold_runtime::tls::Role;
use foxhold_store_sqlite::{SqliteReader, SqliteStore};

use crate::support::{Deployment, Running, narrowed};

/// A dbwriter's ports over a file.
pub(crate) fn sqlite_ports(path: &std::path::Path) -> DbwriterPorts {
    let store = Arc::new(SqliteStore::open_writer(path).unwrap());
    DbwriterPorts {
        accounts: Arc::clone(&store) as _,
        guards: Arc::clone(&store) as _,
        account_admin: Arc::clone(&store) as _,
        operator: narrowed(Arc::clone(&store) as _),
        commands: Arc::clone(&store) as _,
        invitations: Arc::clone(&store) as _,
        assignments: Arc::clone(&store) as _,
        admin: Arc::clone(&store) as _,
        outbox: Arc::clone(&store) as _,
        clients: Arc::clone(&store) as _,
        grants: Arc::clone(&store) as _,
        turns: store,
    }
}

/// Operators make invitations, webheads accounts with them.
struct Inviting {
    webhead: RemoteInvitationWriter,
    operator: RemoteInvitationWriter,
}

#[async_trait]
impl InvitationWriter for Inviting {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        self.operator.put_invitation(call, id, terms).await
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, now: Timestamp) -> Result<(), WriteError> {
        self.operator.delete_invitation(call, id, now).await
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.webhead
            .create_invited_account(call, account, sign_in, invitation, now)
            .await
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
        account_guards: Arc::new(RemoteAccountGuards::new(transport.clone())),
        account_directory: Arc::clone(&reader) as _,
        account_admin: Arc::new(RemoteAccountAdmin::new(operators.clone())),
        assignment_reader: Arc::clone(&reader) as _,
        command_reader: Arc::clone(&reader) as _,
        invitation_reader: reader,
        invitation_writer: Arc::new(Inviting {
            webhead: RemoteInvitationWriter::new(transport.clone()),
            operator: RemoteInvitationWriter::new(operators.clone()),
        }),
        command_writer: Arc::new(RemoteCommandWriter::new(transport.clone())),
        assignment_writer: Arc::new(RemoteAssignmentWriter::new(transport.clone())),
        assignment_admin: Arc::new(RemoteAssignmentAdmin::new(operators)),
        job_turns: Arc::new(RemoteJobTurns::new(transport)),
        remembers: true,
        knows_uids: true,
        keep: Box::new((servers, folder)),
    }
}

async fn openid_fleet(deployment: &Deployment) -> OpenIdSubject {
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
    OpenIdSubject {
        accounts: Arc::new(RemoteAccountWriter::new(transport.clone())),
        account_reader: Arc::clone(&reader) as _,
        registry: Arc::clone(&reader) as _,
        admin: Arc::new(RemoteClientAdmin::new(operators)),
        grant_reader: reader,
        grant_writer: Arc::new(RemoteGrantWriter::new(transport)),
        remembers: true,
        keep: Arc::new((servers, folder)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_clients_and_grants() {
    let deployment = Deployment::new();
    conformance::openid("remote", async || openid_fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_accounts() {
    let deployment = Deployment::new();
    conformance::accounts("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_operators_keep_the_promises_about_accounts() {
    let deployment = Deployment::new();
    conformance::account_admin("remote", async || fleet(&deployment).await).await;
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

/// Mail through two dbwriters of one file.
async fn mail(deployment: &Deployment) -> OutboxSubject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foxhold.db");
    let servers: Vec<Running> = vec![
        deployment.dbwriter(sqlite_ports(&path)).await,
        deployment.dbwriter(sqlite_ports(&path)).await,
    ];
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let transport = deployment.transport(Role::Webhead, Role::Dbwriter, &addresses);
    OutboxSubject {
        outbox: Arc::new(RemoteOutbox::new(transport)),
        reader: Arc::new(SqliteReader::open(&path, 1).unwrap()),
        remembers: true,
        keep: Box::new((servers, folder)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_mail() {
    let deployment = Deployment::new();
    conformance::outbox("remote", async || mail(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_device_commands() {
    let deployment = Deployment::new();
    conformance::device_commands("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_keep_the_promises_about_invitations() {
    let deployment = Deployment::new();
    conformance::invitations("remote", async || fleet(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_writers_answer_like_the_memory_store() {
    let deployment = Deployment::new();
    conformance::like_memory("remote", 0..8, 60, async || fleet(&deployment).await).await;
}
