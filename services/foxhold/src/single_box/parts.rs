//! The parts of a box, plugged into the rules: the same rules, routes and store as in a fleet, without a network between.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_accounts::CodeKey;
use foxhold_core::{Clock, Random};
use foxhold_crypto::{hawk::Target, node_secret::NodeSecrets, outbox::OutboxKey};
use foxhold_keysigner::{
    audit::{AuditLog, AuditSettings},
    custody::{Custody, file},
    node_secrets::NodeSecretSources,
    signer::{LocalSigner, SignerParts, SigningLimits},
};
use foxhold_node_auth::{NodeAuth, NodeName};
use foxhold_ops::{AccountPorts, InvitationMailing, InvitationPorts};
use foxhold_pool::{PoolLimits, PoolStretcher};
use foxhold_ports::{Mailer, operator::Narrowed};
use foxhold_runtime::{Health, Shutdown, SystemClock, SystemRandom, config::Secrets, metrics};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use foxhold_sync_node::{NodeSettings, SyncNode};
use foxhold_webhead::{
    App, Site,
    assembly::{Deployment, Ports, assemble},
    config::{code_key, issuer_documents, mail_templates, verifier},
    jobs::{JobPorts, JobSettings},
    mail::{CaptureMailer, MailSettings, RunningSender, SenderPorts},
};
use url::Url;

use super::{node_secret::NodeSecretFile, own_node::OwnNode, settings::Settings, store};
use crate::{
    cli::MailMode,
    data_folder::DataFolder,
    key_files::{KeyFiles, NamedKeyFile},
};

/// Files of the sync node: few, since each has threads of its own. Fixed when the folder is made.
const SHARDS: u32 = 4;
/// How long a public request may take: a queue of stretchings and the work itself.
const BUDGET: Duration = Duration::from_secs(10);

/// What to do where a box sends no mail.
const NO_MAIL: &str =
    "set `mail = \"smtp\"` and a table [smtp] in foxhold.toml; or hand codes on yourself, without --send";

/// A box that is open and not served yet.
pub(super) struct Parts {
    pub(super) app: App,
    pub(super) jobs: (JobPorts, JobSettings),
    pub(super) accounts: AccountPorts,
    pub(super) invitations: InvitationPorts,
    pub(super) node: Arc<SyncNode>,
    pub(super) mailbox: Option<Arc<CaptureMailer>>,
    pub(super) sender: Option<RunningSender>,
    pub(super) signer: Arc<LocalSigner>,
    pub(super) store: Arc<SqliteStore>,
    pub(super) stretcher: Arc<PoolStretcher>,
    pub(super) node_secret: NodeSecretFile,
}

/// What every part is given.
struct Means<'a> {
    settings: &'a Settings,
    keys: &'a KeyFiles,
    site: &'a Url,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Opens everything in the folder.
pub(super) async fn open(
    folder: &DataFolder,
    settings: &Settings,
    keys: &KeyFiles,
    site: &Url,
    shutdown: &Shutdown,
) -> anyhow::Result<Parts> {
    let means = Means {
        settings,
        keys,
        site,
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let now = means.clock.now();
    let (store, reader) = store::open(
        &folder.database(),
        &settings.public_url(),
        &domain(&means),
        now,
        &*means.random,
    )
    .await?;
    let (node_secret, [of_signer, of_node]) = NodeSecretFile::open(&means.secrets, keys.node())?;
    let signer = Arc::new(open_signer(&means, of_signer, Some(folder))?);
    let limits = PoolLimits::of_machine(settings.stretch.memory_bytes());
    let stretcher = PoolStretcher::start(limits, Arc::clone(&means.random));
    let stretcher = Arc::new(stretcher.context("`stretch.memory_mib`")?);
    metrics::follow_stretching(&stretcher, PoolStretcher::running_and_refused);
    let node = open_node(folder, &means, of_node)?;
    let deployment = deployment(&means)?;
    let outbox = outbox(&means, &deployment, &store, &reader);
    let mail = mail(settings)?
        .prepare("smtp", &means.secrets)?
        .start(outbox, shutdown)?;
    let ports = ports(
        &means,
        (Arc::clone(&store), Arc::clone(&reader)),
        Arc::clone(&signer),
        Arc::clone(&stretcher),
        mail.mailer,
    );
    let invitations = invitations(&means, &ports, &deployment, &store)?;
    let accounts = accounts(&means, &ports, reader, &store)?;
    let jobs = jobs(&means, &deployment, &ports, &store, &node);
    let app = assemble(deployment, ports, &Health::new(shutdown), shutdown)?;
    Ok(Parts {
        app,
        jobs,
        accounts,
        invitations,
        node,
        mailbox: mail.mailbox,
        sender: mail.sender,
        signer,
        store,
        stretcher,
        node_secret,
    })
}

/// What a mail waits in, and what it is sealed with.
fn outbox(
    means: &Means<'_>,
    deployment: &Deployment,
    store: &Arc<SqliteStore>,
    reader: &Arc<SqliteReader>,
) -> SenderPorts {
    SenderPorts {
        outbox: Arc::clone(store) as _,
        reader: Arc::clone(reader) as _,
        invitations: Arc::clone(reader) as _,
        templates: Arc::clone(&deployment.mail_templates) as _,
        key: Arc::new(OutboxKey::derive(&deployment.code_key)),
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
        is_alone: true,
    }
}

/// One store and one signer behind every port.
fn ports(
    means: &Means<'_>,
    (store, reader): (Arc<SqliteStore>, Arc<SqliteReader>),
    signer: Arc<LocalSigner>,
    stretcher: Arc<PoolStretcher>,
    mailer: Arc<dyn Mailer>,
) -> Ports {
    Ports {
        account_reader: Arc::clone(&reader) as _,
        account_writer: Arc::clone(&store) as _,
        account_guards: Arc::clone(&store) as _,
        assignment_reader: Arc::clone(&reader) as _,
        assignment_writer: Arc::clone(&store) as _,
        command_reader: Arc::clone(&reader) as _,
        command_writer: Arc::clone(&store) as _,
        invitation_reader: Arc::clone(&reader) as _,
        invitation_writer: Arc::clone(&store) as _,
        signer: Arc::clone(&signer) as _,
        registry: Arc::clone(&reader) as _,
        grant_reader: Arc::clone(&reader) as _,
        grant_writer: Arc::clone(&store) as _,
        id_tokens: Arc::clone(&signer) as _,
        certificates: Arc::clone(&signer) as _,
        minter: Arc::clone(&signer) as _,
        public_keys: Arc::clone(&signer) as _,
        // One process: whoever asks is there.
        dbwriters: None,
        stretcher,
        mailer,
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
    }
}

/// The signer alone, for whoever administers a box that is stopped.
pub(super) fn signer_alone(settings: &Settings, keys: &KeyFiles) -> anyhow::Result<LocalSigner> {
    let means = Means {
        settings,
        keys,
        site: &settings.site()?,
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let (_, [node_secrets, _]) = NodeSecretFile::open(&means.secrets, keys.node())?;
    // It mints for nodes only, which is not written down.
    open_signer(&means, node_secrets, None)
}

fn open_keys(means: &Means<'_>) -> anyhow::Result<Vec<Box<dyn Custody>>> {
    let named = means.keys.providers().context("reading the folder of keys")?;
    let open = |NamedKeyFile { name, key }| file::open(&means.secrets, &name, &key);
    let keys: Result<_, _> = named.into_iter().map(open).collect();
    keys.context("opening the provider's keys")
}

fn open_audit(folder: &DataFolder, means: &Means<'_>, keys: &[Box<dyn Custody>]) -> anyhow::Result<AuditLog> {
    let settings = AuditSettings {
        folder: folder.audit(),
        key_file: means.keys.audit(),
    };
    let (key, clock) = (settings.key(&means.secrets)?, Arc::clone(&means.clock));
    let opened = AuditLog::open(&settings.folder, key, keys, clock, &*means.random);
    opened.context("opening the audit log of signatures")
}

/// Writes down what it signs, if the box's folder is given.
fn open_signer(
    means: &Means<'_>,
    node_secrets: NodeSecrets,
    folder: Option<&DataFolder>,
) -> anyhow::Result<LocalSigner> {
    let keys = open_keys(means)?;
    let audit = folder
        .map(|folder| open_audit(folder, means, &keys))
        .transpose()?;
    let parts = SignerParts {
        issuer: means.settings.public_url(),
        domain: domain(means),
        keys,
        node_secrets: NodeSecretSources::of_list(node_secrets),
        limits: SigningLimits::default(),
        audit,
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
    };
    Ok(LocalSigner::start(parts)?)
}

fn open_node(folder: &DataFolder, means: &Means<'_>, secrets: NodeSecrets) -> anyhow::Result<Arc<SyncNode>> {
    let name = NodeName::parse(&means.settings.public_url())?;
    let auth = NodeAuth::new(vec![name], secrets);
    let settings = NodeSettings {
        shards: SHARDS,
        disk_used_max_percent: means.settings.disk_used_max_percent,
        ..NodeSettings::new(folder.node())
    };
    let node = SyncNode::open(
        settings,
        auth,
        Arc::clone(&means.clock),
        Arc::clone(&means.random),
    );
    Ok(Arc::new(node.context("opening the sync node")?))
}

/// What the jobs of a box work with. It is the only process of its deployment, so nobody takes turns.
fn jobs(
    means: &Means<'_>,
    deployment: &Deployment,
    ports: &Ports,
    store: &Arc<SqliteStore>,
    node: &Arc<SyncNode>,
) -> (JobPorts, JobSettings) {
    let url = means.settings.public_url();
    let (clock, random) = (Arc::clone(&means.clock), Arc::clone(&means.random));
    let calls = OwnNode::new(url, Arc::clone(node), Arc::clone(&clock), Arc::clone(&random));
    let ports = JobPorts {
        reader: Arc::clone(&ports.assignment_reader),
        writer: Arc::clone(&ports.assignment_writer),
        admin: Arc::clone(store) as _,
        minter: Arc::clone(&ports.minter),
        calls: Arc::new(calls),
        turns: None,
        clock,
        random,
    };
    let settings = JobSettings {
        purge: means.settings.purge(),
        node_health: means.settings.node_health.clone(),
        node_health_by_default: false,
        metrics_key: Arc::clone(&deployment.metrics_key),
        own_domain: deployment.domain.clone(),
        home: Arc::new(deployment.home(&means.clock)),
    };
    (ports, settings)
}

/// What accounts are administered with.
fn accounts(
    means: &Means<'_>,
    ports: &Ports,
    directory: Arc<SqliteReader>,
    store: &Arc<SqliteStore>,
) -> anyhow::Result<AccountPorts> {
    let (clock, random) = (Arc::clone(&means.clock), Arc::clone(&means.random));
    let narrowed = Narrowed::new(Arc::clone(&ports.account_writer), clock, random);
    Ok(AccountPorts {
        reader: Arc::clone(&ports.account_reader),
        directory,
        writer: Arc::new(narrowed),
        admin: Arc::clone(store) as _,
        stretcher: Arc::clone(&ports.stretcher),
        code_key: CodeKey::new(code_key("code.key", &means.keys.code(), &means.secrets)?),
        domain: domain(means),
        root: means.settings.public_url(),
        region: None,
    })
}

fn invitations(
    means: &Means<'_>,
    ports: &Ports,
    deployment: &Deployment,
    store: &Arc<SqliteStore>,
) -> anyhow::Result<InvitationPorts> {
    let here = || InvitationMailing::Here {
        templates: Arc::clone(&deployment.mail_templates) as _,
        mailer: Arc::clone(&ports.mailer),
    };
    Ok(InvitationPorts {
        reader: Arc::clone(&ports.invitation_reader),
        writer: Arc::clone(&ports.invitation_writer),
        code_key: Arc::new(code_key("code.key", &means.keys.code(), &means.secrets)?),
        root: means.settings.public_url(),
        mailing: match means.settings.mail {
            MailMode::Log | MailMode::Capture => here(),
            MailMode::Smtp => InvitationMailing::Outbox(Arc::clone(store) as _),
            MailMode::None => InvitationMailing::Off(NO_MAIL),
        },
    })
}

/// The same for a box that is stopped: mail waits for its start, where any waits at all.
pub(super) fn mailing_of_stopped(mode: MailMode, store: &Arc<SqliteStore>) -> InvitationMailing {
    match mode {
        MailMode::Smtp => InvitationMailing::Outbox(Arc::clone(store) as _),
        MailMode::Log | MailMode::Capture => InvitationMailing::Off(
            "start the box: with its `mail` as it is, no mail waits while it is stopped",
        ),
        MailMode::None => InvitationMailing::Off(NO_MAIL),
    }
}

pub(crate) fn mail(settings: &Settings) -> anyhow::Result<MailSettings> {
    Ok(match settings.mail {
        MailMode::Log => MailSettings::Log,
        MailMode::Capture => MailSettings::Capture,
        MailMode::Smtp => MailSettings::Smtp(settings.smtp.clone().context("`smtp`")?),
        MailMode::None => MailSettings::None,
    })
}

fn deployment(means: &Means<'_>) -> anyhow::Result<Deployment> {
    let settings = means.settings;
    let root = settings.public_url();
    let addresses = settings.addresses()?;
    let hawk = &settings.hawk;
    let domain = domain(means);
    let foreign_oauth = settings.foreign_oauth.as_ref();
    Ok(Deployment {
        site: site(settings, means.site),
        host: means.site.host_str().unwrap_or_default().to_owned(),
        certificates: settings.browserid.certificates,
        browserid: verifier(&settings.browserid, &settings.issuer_documents)?,
        issuer_documents: issuer_documents(&settings.issuer_documents)?,
        foreign_oauth: foreign_oauth.map(|other| other.prepare(&domain)).transpose()?,
        node_types: settings.node_types()?,
        account_events: settings.account_events(&domain)?,
        origin: Target::parse(&root)?,
        domain,
        mail_templates: Arc::new(mail_templates(&root, settings.mail_templates.as_deref())?),
        mail_switches: settings.mail_news.switches(),
        confirm_sign_ins: settings.confirm_sign_ins,
        code_key: code_key("code.key", &means.keys.code(), &means.secrets)?,
        metrics_key: Arc::new(means.secrets.read_text("metrics.key", &means.keys.metrics())?),
        addresses,
        limits: settings.limits.clone(),
        registration: settings.registration_rules()?,
        first_assignments: settings.first_assignments.clone(),
        hawk_window: Duration::from_secs(hawk.window_secs),
        remembered_max: hawk.remembered_max,
        accept_bearer: settings.accept_bearer || hawk.accept_bearer,
        budget: BUDGET,
        in_work_max: 1024,
        error_endpoint: settings.error_endpoint,
        region: None,
    })
}

/// Where the world sees it: one origin for everything.
fn site(settings: &Settings, url: &Url) -> Site {
    let root = settings.public_url();
    let own_origin = || vec![root.clone()];
    Site {
        hsts: settings.hsts.unwrap_or(url.scheme() == "https"),
        allowed_origins: settings.allowed_origins.clone().unwrap_or_else(own_origin),
        token_server_url: root.clone(),
        public_url: root,
    }
}

fn domain(means: &Means<'_>) -> String {
    domain_of(means.settings, means.site)
}

/// The name users are known by: written down at the first start.
pub(super) fn domain_of(settings: &Settings, site: &Url) -> String {
    let of_site = site.host_str().unwrap_or("localhost");
    settings.domain.clone().unwrap_or_else(|| of_site.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_box_may_be_told_as_a_webhead_is() {
        let told = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            let site = site(&settings, &settings.site().unwrap());
            (site.hsts, site.allowed_origins, settings.hawk.window_secs)
        };
        let own = |url: &str| vec![url.to_owned()];
        let (http, https) = (
            "public_url = 'http://192.168.1.7:8000'\n",
            "public_url = 'https://sync.example.org'\n",
        );
        assert_eq!(told(http), (false, own("http://192.168.1.7:8000"), 900));
        assert_eq!(told(https), (true, own("https://sync.example.org"), 900));
        let more = "hsts = false\nallowed_origins = ['https://wiki.example.org']\n[hawk]\nwindow_secs = 60\n";
        let expected = (false, own("https://wiki.example.org"), 60);
        assert_eq!(told(&format!("{https}{more}")), expected);
    }
}
