//! Puts a webhead together: what a deployment sets, and the ports it works with, become an [`App`]. The process of a fleet
//! calls it with remote writers and signers, the single box with its own; everything in between is decided here once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use foxhold_accounts::{
    Accounts, CodeKey, Settings,
    mail::MailSwitches,
    oauth::{Clients, OpenIdPorts},
    registration::{CurrentRegistration, Registration},
};
use foxhold_core::{Clock, Random, RegionMark, Secret, SecretText};
use foxhold_crypto::hawk::Target;
use foxhold_outbound::Outbound;
use foxhold_ports::{
    AccessTokenSigner, AccountGuards, AccountReader, AccountWriter, AssignmentReader, AssignmentWriter,
    CertificateSigner, ClientRegistry, CommandReader, CommandWriter, GrantReader, GrantWriter, IdTokenSigner,
    InvitationReader, InvitationWriter, Mailer, NodeTokenMinter, PublicKeySource, Stretcher,
};
use foxhold_runtime::{Health, Shutdown};
use foxhold_sync::{
    credential::{AssertionVerifier, TokenVerifier},
    exchange,
    first_assignments::FirstAssignmentsFault,
    node_type::NodeTypes,
};
use http::Uri;
use thiserror::Error;

use crate::{
    App, KeySetCache, Site,
    accesses::AccessNotes,
    assertions::{Assertions, Audience, RemoteAssertions, RemoteVerifier, SlowProofs},
    client_address::ClientAddresses,
    client_origins::ClientOrigins,
    follow_ups::FollowUps,
    foreign_oauth::{ForeignOauth, ForeignTokens},
    hawk::HawkRules,
    home_domain::HomeDomain,
    issuer_documents::{IssuerDocuments, OwnDomain},
    limits::{
        FirstAssignmentSettings, LimitSettings, LocalLimits, LocalReplayGuard, live::CurrentLimits,
        rules::RuleError,
    },
    mail_templates::MailTemplates,
    token_server::{
        Discovery, EventReceiver, HomeSettings, KeysOf, LastFound, NodesInBackoff, OwnAccounts, Reachable,
        RenewalWriter, ServiceCache, TokenServer, WithoutRoom, dated, events::AccountEvents, metered,
    },
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
    /// Where the support documents of these BrowserID issuers are, if not where their domains have them.
    pub issuer_documents: BTreeMap<String, Uri>,
    /// Whether BrowserID certificates are signed, and the keys told that they verify under.
    pub certificates: bool,
    /// Who verifies BrowserID bundles, if it is not done here.
    pub browserid: Option<RemoteVerifier>,
    /// Another accounts server, whose access tokens the Token Server takes in place of those of the own accounts.
    pub foreign_oauth: Option<ForeignOauth>,
    /// Another accounts server, whose account events are taken over HTTP.
    pub account_events: Option<AccountEvents>,
    /// Labels of nodes for clients' telemetry.
    pub node_types: NodeTypes,
    /// How mails read.
    pub mail_templates: Arc<MailTemplates>,
    /// Mails that are sent only where they are wanted.
    pub mail_switches: MailSwitches,
    /// Whether a sign-in to a verified account waits for a mailed code.
    pub confirm_sign_ins: bool,
    /// Derives mailed codes.
    pub code_key: Secret<32>,
    /// Hashes users' ids in telemetry.
    pub metrics_key: Arc<SecretText>,
    /// Finds clients' addresses.
    pub addresses: ClientAddresses,
    /// Abuse limits.
    pub limits: LimitSettings,
    /// Who may make an account.
    pub registration: Registration,
    /// How fast new users may take slots of nodes.
    pub first_assignments: FirstAssignmentSettings,
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
    /// Whether `GET /__error__` answers with a deliberate 500.
    pub error_endpoint: bool,
    /// The region this webhead issues tokens in, where there are several.
    pub region: Option<RegionMark>,
}

impl Deployment {
    /// The domain of the users with access tokens: of the own accounts, or of those elsewhere in their place.
    #[must_use]
    pub fn home(&self, clock: &Arc<dyn Clock>) -> HomeDomain {
        match &self.foreign_oauth {
            Some(other) => other.home(&self.domain, &Arc::new(Outbound::new()), clock),
            None => HomeDomain::configured(&self.domain),
        }
    }
}

/// The ports a webhead works with.
#[derive(Clone)]
pub struct Ports {
    /// Reads accounts.
    pub account_reader: Arc<dyn AccountReader>,
    /// Writes accounts.
    pub account_writer: Arc<dyn AccountWriter>,
    /// Writes what guards accounts.
    pub account_guards: Arc<dyn AccountGuards>,
    /// Reads what waits for devices.
    pub command_reader: Arc<dyn CommandReader>,
    /// Lets commands wait for devices.
    pub command_writer: Arc<dyn CommandWriter>,
    /// Reads invitations.
    pub invitation_reader: Arc<dyn InvitationReader>,
    /// Makes accounts with an invitation.
    pub invitation_writer: Arc<dyn InvitationWriter>,
    /// Reads services, nodes and users' records.
    pub assignment_reader: Arc<dyn AssignmentReader>,
    /// Writes users' records.
    pub assignment_writer: Arc<dyn AssignmentWriter>,
    /// Signs access tokens.
    pub signer: Arc<dyn AccessTokenSigner>,
    /// Reads registered clients.
    pub registry: Arc<dyn ClientRegistry>,
    /// Reads what users have agreed to.
    pub grant_reader: Arc<dyn GrantReader>,
    /// Writes what users have agreed to.
    pub grant_writer: Arc<dyn GrantWriter>,
    /// Signs ID tokens.
    pub id_tokens: Arc<dyn IdTokenSigner>,
    /// Signs certificates.
    pub certificates: Arc<dyn CertificateSigner>,
    /// Mints node tokens.
    pub minter: Arc<dyn NodeTokenMinter>,
    /// Tells the published keys.
    pub public_keys: Arc<dyn PublicKeySource>,
    /// Those who write, where they are processes of their own: to see whether they are there.
    pub dbwriters: Option<Arc<dyn Reachable>>,
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
    /// A limit of new users that would refuse everybody, or nobody.
    #[error(transparent)]
    FirstAssignments(#[from] FirstAssignmentsFault),
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
    let attempts = LocalLimits::new(&deployment.limits, Arc::clone(&ports.clock), &*ports.random)?;
    deployment.first_assignments.check()?;
    let limits = CurrentLimits {
        attempts: Arc::new(attempts),
        new_users: Arc::new(deployment.limits.of_new_users(&deployment.first_assignments)),
    };
    let keys = Arc::new(KeySetCache::new(
        dated(
            Arc::clone(&ports.public_keys),
            KeysOf::Own,
            Arc::clone(&ports.clock),
        ),
        Arc::clone(&ports.clock),
    ));
    let follow_ups = FollowUps::default();
    let token_server = token_server(&deployment, &ports, &limits, &keys, &follow_ups, shutdown);
    let token_server = Arc::new(token_server);
    let events = OwnAccounts::new(Arc::clone(&token_server), deployment.domain.clone());
    let replay = LocalReplayGuard::new(Arc::clone(&ports.clock), deployment.remembered_max);
    let replay = Arc::new(replay);
    replay.show();
    Ok(App {
        keys,
        hawk: HawkRules {
            origin: deployment.origin.clone(),
            window: deployment.hawk_window,
            replay,
            accept_bearer: deployment.accept_bearer,
        },
        addresses: deployment.addresses.clone(),
        client_origins: ClientOrigins::new(Arc::clone(&ports.registry), Arc::clone(&ports.clock)),
        certificates: deployment.certificates,
        site: deployment.site.clone(),
        domain: deployment.domain.clone(),
        budget: deployment.budget,
        in_work_max: deployment.in_work_max,
        error_endpoint: deployment.error_endpoint,
        health: health.clone(),
        access_notes: AccessNotes::default(),
        token_server: Some(token_server),
        limits: Some(limits.clone()),
        accounts: accounts(
            deployment,
            ports,
            limits.attempts,
            Arc::new(events),
            follow_ups.clone(),
        ),
        follow_ups,
    })
}

fn token_server(
    deployment: &Deployment,
    ports: &Ports,
    limits: &CurrentLimits,
    keys: &Arc<KeySetCache>,
    follow_ups: &FollowUps,
    shutdown: &Shutdown,
) -> TokenServer {
    let outbound = Arc::new(Outbound::new());
    let tokens = tokens(deployment, ports, keys, &outbound);
    let account_events = deployment.account_events.as_ref();
    let account_events = account_events.map(|told_by| {
        let (outbound, clock) = (Arc::clone(&outbound), Arc::clone(&ports.clock));
        EventReceiver::new(told_by, outbound, clock, deployment.budget)
    });
    TokenServer {
        ports: metered(exchange::Ports {
            reader: Arc::clone(&ports.assignment_reader),
            writer: Arc::clone(&ports.assignment_writer),
            minter: Arc::clone(&ports.minter),
            verifier: tokens.verifier,
            assertions: assertions(deployment, ports, keys, outbound, Arc::clone(&tokens.home)),
            limits: Arc::clone(&limits.attempts) as _,
            first_assignments: Arc::clone(&limits.new_users),
            clock: Arc::clone(&ports.clock),
            random: Arc::clone(&ports.random),
        }),
        settings: HomeSettings::new(
            tokens.home,
            deployment.domain.clone(),
            Arc::clone(&deployment.metrics_key),
            deployment.node_types.clone(),
        ),
        services: ServiceCache::new(Arc::clone(&ports.assignment_reader), Arc::clone(&ports.clock)),
        in_backoff: NodesInBackoff::default(),
        last_found: LastFound::default(),
        without_room: WithoutRoom::default(),
        keys: Arc::clone(keys),
        dbwriters: ports.dbwriters.clone(),
        account_events,
        addresses: deployment.addresses.clone(),
        budget: deployment.budget,
        error_endpoint: deployment.error_endpoint,
        discovery: Discovery {
            url: deployment.site.token_server_url.clone(),
            oauth_issuer: tokens.issuer,
            oauth_server_url: tokens.server_url,
        },
        follow_ups: follow_ups.clone(),
        renewals: RenewalWriter::default(),
        shutdown: shutdown.clone(),
    }
}

/// Whose access tokens the Token Server takes.
struct Tokens {
    verifier: Arc<dyn TokenVerifier>,
    /// Second half of their users' keys.
    home: Arc<HomeDomain>,
    /// As clients are told: who issues them, and where. The domain of their users when absent.
    issuer: Option<String>,
    server_url: String,
}

/// Those of the own accounts, or of another server in their place: a user has one home.
fn tokens(
    deployment: &Deployment,
    ports: &Ports,
    keys: &Arc<KeySetCache>,
    outbound: &Arc<Outbound>,
) -> Tokens {
    let home = Arc::new(deployment.home(&ports.clock));
    let Some(other) = &deployment.foreign_oauth else {
        return Tokens {
            verifier: Arc::clone(keys) as _,
            home,
            issuer: Some(deployment.site.public_url.clone()),
            server_url: format!("{}/v1", deployment.site.public_url),
        };
    };
    let verifier = ForeignTokens::new(other, &home, Arc::clone(outbound), Arc::clone(&ports.clock));
    Tokens {
        verifier: Arc::new(verifier),
        home,
        issuer: None,
        server_url: other.server_url.clone(),
    }
}

/// Verifies bundles for the Token Server's origin, whoever signed their certificates.
fn assertions(
    deployment: &Deployment,
    ports: &Ports,
    keys: &Arc<KeySetCache>,
    outbound: Arc<Outbound>,
    home: Arc<HomeDomain>,
) -> Arc<dyn AssertionVerifier> {
    let (audience, clock) = (deployment.site.token_server_url.clone(), Arc::clone(&ports.clock));
    if let Some(verifier) = &deployment.browserid {
        let audience = Audience {
            origin: audience,
            own_domain: deployment.domain.clone(),
            home,
        };
        return Arc::new(RemoteAssertions::new(verifier, audience, outbound, clock));
    }
    let own = OwnDomain {
        domain: deployment.domain.clone(),
        keys: Arc::clone(keys),
    };
    let documents = IssuerDocuments::new(
        own,
        deployment.issuer_documents.clone(),
        outbound,
        Arc::clone(&ports.clock),
    );
    Arc::new(Assertions {
        audience,
        home,
        documents: Arc::new(documents),
        slow: SlowProofs::default(),
        clock,
    })
}

fn accounts(
    deployment: Deployment,
    ports: Ports,
    limits: Arc<LocalLimits>,
    events: Arc<OwnAccounts>,
    follow_ups: FollowUps,
) -> Accounts {
    Accounts {
        reader: ports.account_reader,
        writer: ports.account_writer,
        guards: ports.account_guards,
        command_reader: ports.command_reader,
        command_writer: ports.command_writer,
        invitation_reader: ports.invitation_reader,
        invitation_writer: ports.invitation_writer,
        signer: ports.signer,
        openid: OpenIdPorts {
            registry: ports.registry,
            grant_reader: ports.grant_reader,
            grant_writer: ports.grant_writer,
            signer: ports.id_tokens,
            issuer: deployment.site.public_url.clone(),
        },
        certificates: ports.certificates,
        stretcher: ports.stretcher,
        mailer: ports.mailer,
        templates: deployment.mail_templates,
        events,
        follow_ups: Arc::new(follow_ups),
        limits,
        clock: ports.clock,
        random: ports.random,
        code_key: CodeKey::new(deployment.code_key),
        registration: Arc::new(CurrentRegistration::new(deployment.registration)),
        settings: Arc::new(Settings {
            domain: deployment.host,
            clients: Clients::built_in(&deployment.site.public_url),
            token_server_url: deployment.site.token_server_url,
            pre_verified_allowed: false,
            region: deployment.region,
            mail_switches: deployment.mail_switches,
            confirm_sign_ins: deployment.confirm_sign_ins,
        }),
    }
}
