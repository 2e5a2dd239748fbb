//! The private tiers as gRPC services over any adapter of their ports. A service's binary plugs its adapters in and
//! gives the routes to the runtime's gRPC server, which has authorized the caller and bounded the call before.

mod dbwriter;
mod keysigner;
mod stretcher;

use std::{sync::Arc, time::Duration};

use foxhold_core::Deadline;
use foxhold_ports::{
    AccessTokenSigner, AccountAdmin, AccountGuards, AccountWriter, AssignmentAdmin, AssignmentWriter,
    CertificateSigner, ClientAdmin, CommandWriter, GrantWriter, IdTokenSigner, InvitationWriter, JobTurns,
    NodeTokenMinter, OperatorWriter, Outbox, PublicKeySource, Stretcher,
};
use tonic::{Request, service::Routes};

use crate::{trace, wire};

/// How long a call has that says nothing of it (`security.md` C.2).
const DEADLINE_DEFAULT: Duration = Duration::from_secs(1);

/// What a dbwriter needs.
#[derive(Clone)]
pub struct DbwriterPorts {
    /// Writes accounts.
    pub accounts: Arc<dyn AccountWriter>,
    /// Writes what guards accounts.
    pub guards: Arc<dyn AccountGuards>,
    /// Administers accounts.
    pub account_admin: Arc<dyn AccountAdmin>,
    /// Writes accounts in their owners' place.
    pub operator: Arc<dyn OperatorWriter>,
    /// Lets commands wait for devices.
    pub commands: Arc<dyn CommandWriter>,
    /// Writes invitations, and accounts that are made with one.
    pub invitations: Arc<dyn InvitationWriter>,
    /// Writes users' records.
    pub assignments: Arc<dyn AssignmentWriter>,
    /// Administers services and nodes.
    pub admin: Arc<dyn AssignmentAdmin>,
    /// Changes registered clients.
    pub clients: Arc<dyn ClientAdmin>,
    /// Writes what users have agreed to.
    pub grants: Arc<dyn GrantWriter>,
    /// Hands out turns at jobs.
    pub turns: Arc<dyn JobTurns>,
    /// Keeps mail until it is sent.
    pub outbox: Arc<dyn Outbox>,
}

/// The services of `foxhold.dbwriter.v1`, with their full names for the health service.
#[must_use]
pub fn dbwriter(ports: DbwriterPorts) -> Routes {
    use wire::dbwriter::{
        account_admin_server::AccountAdminServer, account_guards_server::AccountGuardsServer,
        account_writer_server::AccountWriterServer, assignment_admin_server::AssignmentAdminServer,
        assignment_writer_server::AssignmentWriterServer, client_admin_server::ClientAdminServer,
        command_writer_server::CommandWriterServer, grant_writer_server::GrantWriterServer,
        invitation_writer_server::InvitationWriterServer, job_turns_server::JobTurnsServer,
        operator_writer_server::OperatorWriterServer, outbox_server::OutboxServer,
    };
    Routes::new(AccountWriterServer::new(dbwriter::Accounts(ports.accounts)))
        .add_service(AccountGuardsServer::new(dbwriter::Guards(ports.guards)))
        .add_service(AccountAdminServer::new(dbwriter::AccountAdministration(
            ports.account_admin,
        )))
        .add_service(OperatorWriterServer::new(dbwriter::Operators(ports.operator)))
        .add_service(CommandWriterServer::new(dbwriter::Commands(ports.commands)))
        .add_service(InvitationWriterServer::new(dbwriter::Invitations(
            ports.invitations,
        )))
        .add_service(AssignmentWriterServer::new(dbwriter::Assignments(
            ports.assignments,
        )))
        .add_service(AssignmentAdminServer::new(dbwriter::Administration(ports.admin)))
        .add_service(OutboxServer::new(dbwriter::Mails(ports.outbox)))
        .add_service(ClientAdminServer::new(dbwriter::Clients(ports.clients)))
        .add_service(GrantWriterServer::new(dbwriter::Grants(ports.grants)))
        .add_service(JobTurnsServer::new(dbwriter::Turns(ports.turns)))
}

/// Names of the services that [`dbwriter`] serves.
pub const DBWRITER_SERVICES: [&str; 12] = [
    wire::dbwriter::account_writer_server::SERVICE_NAME,
    wire::dbwriter::account_guards_server::SERVICE_NAME,
    wire::dbwriter::account_admin_server::SERVICE_NAME,
    wire::dbwriter::operator_writer_server::SERVICE_NAME,
    wire::dbwriter::command_writer_server::SERVICE_NAME,
    wire::dbwriter::invitation_writer_server::SERVICE_NAME,
    wire::dbwriter::assignment_writer_server::SERVICE_NAME,
    wire::dbwriter::assignment_admin_server::SERVICE_NAME,
    wire::dbwriter::outbox_server::SERVICE_NAME,
    wire::dbwriter::client_admin_server::SERVICE_NAME,
    wire::dbwriter::grant_writer_server::SERVICE_NAME,
    wire::dbwriter::job_turns_server::SERVICE_NAME,
];

/// What a keysigner needs.
#[derive(Clone)]
pub struct KeysignerPorts {
    /// Signs access tokens.
    pub access_tokens: Arc<dyn AccessTokenSigner>,
    /// Signs certificates.
    pub certificates: Arc<dyn CertificateSigner>,
    /// Signs ID tokens.
    pub id_tokens: Arc<dyn IdTokenSigner>,
    /// Mints node tokens.
    pub node_tokens: Arc<dyn NodeTokenMinter>,
    /// Publishes keys.
    pub public_keys: Arc<dyn PublicKeySource>,
}

/// The services of `foxhold.keysigner.v1`.
#[must_use]
pub fn keysigner(ports: KeysignerPorts) -> Routes {
    use wire::keysigner::keysigner_server::KeysignerServer;
    Routes::new(KeysignerServer::new(keysigner::Signer(ports)))
}

/// Names of the services that [`keysigner`] serves.
pub const KEYSIGNER_SERVICES: [&str; 1] = [wire::keysigner::keysigner_server::SERVICE_NAME];

/// The services of `foxhold.stretcher.v1`.
#[must_use]
pub fn stretcher(stretcher: Arc<dyn Stretcher>) -> Routes {
    use wire::stretcher::stretcher_server::StretcherServer;
    Routes::new(StretcherServer::new(stretcher::Stretching(stretcher)))
}

/// Names of the services that [`stretcher`] serves.
pub const STRETCHER_SERVICES: [&str; 1] = [wire::stretcher::stretcher_server::SERVICE_NAME];

/// When the caller stops waiting: as the runtime's server worked it out when the call came in.
fn deadline<M>(request: &Request<M>) -> Deadline {
    request
        .extensions()
        .get::<Deadline>()
        .copied()
        .unwrap_or_else(|| Deadline::after(DEADLINE_DEFAULT))
}

/// Does the work of a call in the name of the request it belongs to.
async fn traced<F: Future>(request: Option<foxhold_core::RequestId>, work: F) -> F::Output {
    match request {
        Some(id) => trace::in_request(id, work).await,
        None => work.await,
    }
}
