//! Puts a webhead together: what a deployment sets, and the ports it works with, become an [`App`]. The process of a fleet
//! calls it with remote writers and signers, the single box with its own; everything in between is decided here once.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{Accounts, CodeKey, Settings, mail::TemplateError, oauth::Clients};
use foxhold_core::{Clock, Random, Secret, SecretText};
use foxhold_crypto::hawk::Target;
use foxhold_ports::{
    AccessTokenSigner, AccountReader, AccountWriter, AssignmentReader, AssignmentWriter, Mailer,
    NodeTokenMinter, PublicKeySource, Stretcher,
};
use foxhold_runtime::{Health, Shutdown};
use foxhold_sync::{exchange, node_type::NodeTypes};
use thiserror::Error;

use crate::{
    App, KeySetCache, Site,
    client_address::ClientAddresses,
    hawk::HawkRules,
    limits::{LimitSettings, LocalLimits, LocalReplayGuard, rules::RuleError},
    mail_templates::MailTemplates,
    token_server::{Discovery, ServiceCache, TokenServer},
};

/// What a deployment sets, read and checked.
pub struct Deployment {
    /// Where the world sees us.
    pub site: Site,
    /// Host of the public root.
    pub host: String,
    /// Host and port that clients sign.
    pub origin: Target,
    /// Second half of user keys.
    pub domain: String,
    /// Derives mailed codes.
    pub code_key: Secret<32>,
    /// Hashes users' ids in telemetry.
    pub metrics_key: Arc<SecretText>,
    /// Finds clients' addresses.
    pub addresses: ClientAddresses,
    /// Abuse limits.
    pub limits: LimitSettings,
    /// How far a client's clock may be off.
    pub hawk_window: Duration,
    /// Signed requests remembered, to refuse exact repetitions.
    pub remembered_max: usize,
    /// Whether derived token ids are taken as bearers.
    pub accept_bearer: bool,
    /// How long a request may take.
    pub budget: Duration,
    /// Requests in work at once.
    pub in_work_max: usize,
}

/// The ports a webhead works with.
#[derive(Clone)]
pub struct Ports {
    /// Reads accounts.
    pub account_reader: Arc<dyn AccountReader>,
    /// Writes accounts.
    pub account_writer: Arc<dyn AccountWriter>,
    /// Reads services, nodes and users' records.
    pub assignment_reader: Arc<dyn AssignmentReader>,
    /// Writes users' records.
    pub assignment_writer: Arc<dyn AssignmentWriter>,
    /// Signs access tokens.
    pub signer: Arc<dyn AccessTokenSigner>,
    /// Mints node tokens.
    pub minter: Arc<dyn NodeTokenMinter>,
    /// Tells the published keys.
    pub public_keys: Arc<dyn PublicKeySource>,
    /// Stretches passwords.
    pub stretcher: Arc<dyn Stretcher>,
    /// Takes mail.
    pub mailer: Arc<dyn Mailer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws tokens and ids.
    pub random: Arc<dyn Random>,
}

/// A webhead that cannot be put together.
#[derive(Debug, Error)]
pub enum AssemblyError {
    /// A rule of the limits is none.
    #[error("`limits`")]
    Limits(#[from] RuleError),
    /// The mail templates are broken.
    #[error("reading the mail templates")]
    Templates(#[from] TemplateError),
}

/// The webhead, complete with its Token Server.
///
/// # Errors
/// [`AssemblyError`]
pub fn assemble(
    deployment: Deployment,
    ports: Ports,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<App, AssemblyError> {
    let limits = LocalLimits::new(&deployment.limits, Arc::clone(&ports.clock), &*ports.random)?;
    let limits = Arc::new(limits);
    let keys = Arc::new(KeySetCache::new(
        Arc::clone(&ports.public_keys),
        Arc::clone(&ports.clock),
    ));
    let token_server = token_server(&deployment, &ports, &limits, &keys, shutdown);
    let replay = LocalReplayGuard::new(Arc::clone(&ports.clock), deployment.remembered_max);
    Ok(App {
        keys,
        hawk: HawkRules {
            origin: deployment.origin.clone(),
            window: deployment.hawk_window,
            replay: Arc::new(replay),
            accept_bearer: deployment.accept_bearer,
        },
        addresses: deployment.addresses.clone(),
        site: deployment.site.clone(),
        budget: deployment.budget,
        in_work_max: deployment.in_work_max,
        health: health.clone(),
        token_server: Some(Arc::new(token_server)),
        accounts: accounts(deployment, ports, limits)?,
    })
}

fn token_server(
    deployment: &Deployment,
    ports: &Ports,
    limits: &Arc<LocalLimits>,
    keys: &Arc<KeySetCache>,
    shutdown: &Shutdown,
) -> TokenServer {
    TokenServer {
        ports: exchange::Ports {
            reader: Arc::clone(&ports.assignment_reader),
            writer: Arc::clone(&ports.assignment_writer),
            minter: Arc::clone(&ports.minter),
            verifier: Arc::clone(keys) as _,
            limits: Arc::clone(limits) as _,
            clock: Arc::clone(&ports.clock),
            random: Arc::clone(&ports.random),
        },
        settings: exchange::Settings {
            issuer_domain: deployment.domain.clone(),
            metrics_key: Arc::clone(&deployment.metrics_key),
            node_types: NodeTypes::default(),
        },
        services: ServiceCache::new(Arc::clone(&ports.assignment_reader), Arc::clone(&ports.clock)),
        keys: Arc::clone(keys),
        addresses: deployment.addresses.clone(),
        budget: deployment.budget,
        discovery: Discovery {
            url: deployment.site.token_server_url.clone(),
            oauth_issuer: deployment.site.public_url.clone(),
            oauth_server_url: format!("{}/v1", deployment.site.public_url),
        },
        shutdown: shutdown.clone(),
    }
}

fn accounts(
    deployment: Deployment,
    ports: Ports,
    limits: Arc<LocalLimits>,
) -> Result<Accounts, TemplateError> {
    Ok(Accounts {
        reader: ports.account_reader,
        writer: ports.account_writer,
        signer: ports.signer,
        stretcher: ports.stretcher,
        mailer: ports.mailer,
        templates: Arc::new(MailTemplates::new(&deployment.site.public_url)?),
        limits,
        clock: ports.clock,
        random: ports.random,
        code_key: CodeKey::new(deployment.code_key),
        settings: Arc::new(Settings {
            domain: deployment.host,
            clients: Clients::built_in(&deployment.site.public_url),
            token_server_url: deployment.site.token_server_url,
            pre_verified_allowed: false,
        }),
    })
}
