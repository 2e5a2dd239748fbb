//! The parts of a box, plugged into the rules: the same rules, routes and store as in a fleet, without a network between.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_accounts::{Accounts, CodeKey, Settings as AccountSettings, oauth::Clients};
use foxhold_core::{Clock, Random, Secret, hex};
use foxhold_crypto::{
    hawk::Target,
    node_secret::{NodeSecret, NodeSecrets},
};
use foxhold_dbwriter::{Bootstrap, NodeSettings as NewNode, ServiceSettings, bootstrap};
use foxhold_keysigner::{
    custody::file::{self, KeyFile},
    node_secrets::{NodeSecretFiles, NodeSecretSources},
    signer::{LocalSigner, SignerParts, SigningLimits},
};
use foxhold_node_auth::{NodeAuth, NodeName};
use foxhold_pool::{PoolLimits, PoolStretcher};
use foxhold_ports::Mailer;
use foxhold_runtime::{Health, Shutdown, SystemClock, SystemRandom, config::Secrets};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use foxhold_sync::exchange;
use foxhold_sync_node::{NodeSettings, SyncNode};
use foxhold_webhead::{
    App, KeySetCache, Site,
    client_address::ClientAddresses,
    hawk::HawkRules,
    limits::{LocalLimits, LocalReplayGuard},
    mail::{CaptureMailer, LogMailer, NoMailer, SmtpMailer, smtp::SmtpSettings},
    mail_templates::MailTemplates,
    token_server::{Discovery, ServiceCache, TokenServer},
};
use url::Url;

use super::settings::{Settings, SmtpTable};
use crate::{cli::MailMode, data_folder::DataFolder, key_files::KeyFiles};

/// Connections that read the database.
const READERS: usize = 8;
/// Users the one node of a box may have; more than any one machine's disk will like.
const NODE_CAPACITY: u64 = 100_000;
/// Files of the sync node: few, since each has threads of its own. Fixed when the folder is made.
const SHARDS: u32 = 4;
/// How long a public request may take: a queue of stretchings and the work itself.
const BUDGET: Duration = Duration::from_secs(10);
const MIB: u64 = 1024 * 1024;

/// A box that is open and not served yet.
pub(super) struct Parts {
    pub(super) app: App,
    pub(super) node: Arc<SyncNode>,
    pub(super) mailbox: Option<Arc<CaptureMailer>>,
    pub(super) signer: Arc<LocalSigner>,
    pub(super) store: Arc<SqliteStore>,
    pub(super) stretcher: Arc<PoolStretcher>,
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
    let (store, reader) = open_store(folder, &means).await?;
    let signer = Arc::new(open_signer(&means)?);
    let memory = settings.stretch.memory_mib.saturating_mul(MIB);
    let stretcher = PoolStretcher::start(PoolLimits::of_machine(memory), Arc::clone(&means.random));
    let stretcher = Arc::new(stretcher.context("`stretch.memory_mib`")?);
    let (mailer, mailbox) = open_mail(&means)?;
    let node = open_node(folder, &means)?;
    let ports = LocalPorts {
        store: Arc::clone(&store),
        reader,
        signer: Arc::clone(&signer),
        stretcher,
        mailer,
    };
    let stretcher = Arc::clone(&ports.stretcher);
    let app = app(&means, ports, shutdown)?;
    Ok(Parts {
        app,
        node,
        mailbox,
        signer,
        store,
        stretcher,
    })
}

async fn open_store(
    folder: &DataFolder,
    means: &Means<'_>,
) -> anyhow::Result<(Arc<SqliteStore>, Arc<SqliteReader>)> {
    let database = folder.database();
    let store =
        SqliteStore::open_writer(&database).with_context(|| format!("opening {}", database.display()))?;
    let wanted = first_service(&means.settings.public_url());
    bootstrap(&store, &wanted, means.clock.now(), &*means.random)
        .await
        .context("making the service and its node")?;
    let reader =
        SqliteReader::open(&database, READERS).with_context(|| format!("reading {}", database.display()))?;
    Ok((Arc::new(store), Arc::new(reader)))
}

/// Sync, and the box itself as its node.
fn first_service(node_url: &str) -> Bootstrap {
    let service = ServiceSettings {
        key: "sync-1.5".to_owned(),
        pattern: "{node}/1.5/{uid}".to_owned(),
        scope: foxhold_crypto::scoped_key::OLDSYNC_SCOPE.to_owned(),
        token_lifetime_secs: 3600,
        uid_ceiling: i32::MAX as u64,
        accepts_new_users: true,
    };
    let node = NewNode {
        service: service.key.clone(),
        url: node_url.to_owned(),
        node_type: None,
        capacity: NODE_CAPACITY,
        available: None,
    };
    Bootstrap {
        services: vec![service],
        nodes: vec![node],
    }
}

fn open_signer(means: &Means<'_>) -> anyhow::Result<LocalSigner> {
    let key = KeyFile {
        file: means.keys.provider(),
        passphrase_file: means.keys.provider_passphrase(),
    };
    let custody = file::open(&means.secrets, "provider", &key).context("opening the provider's key")?;
    let node_secrets = NodeSecretFiles {
        fixed_file: Some(means.keys.node()),
        ..NodeSecretFiles::default()
    };
    let parts = SignerParts {
        issuer: means.settings.public_url(),
        keys: vec![custody],
        node_secrets: NodeSecretSources::read(&means.secrets, &node_secrets)?,
        limits: SigningLimits::default(),
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
    };
    Ok(LocalSigner::start(parts)?)
}

fn open_node(folder: &DataFolder, means: &Means<'_>) -> anyhow::Result<Arc<SyncNode>> {
    let secret = NodeSecret::new(means.secrets.read_text("node.secret", &means.keys.node())?);
    let secrets = NodeSecrets::new(vec![secret]).context("a node has one secret at least")?;
    let name = NodeName::parse(&means.settings.public_url())?;
    let auth = NodeAuth::new(vec![name], secrets);
    let settings = NodeSettings {
        shards: SHARDS,
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

type Mailbox = Option<Arc<CaptureMailer>>;

fn open_mail(means: &Means<'_>) -> anyhow::Result<(Arc<dyn Mailer>, Mailbox)> {
    Ok(match means.settings.mail {
        MailMode::Log => (Arc::new(LogMailer::stdout()?), None),
        MailMode::Capture => {
            let mailbox = Arc::new(CaptureMailer::new());
            (Arc::clone(&mailbox) as Arc<dyn Mailer>, Some(mailbox))
        }
        MailMode::Smtp => {
            let table = means.settings.smtp.as_ref().context("`smtp`")?;
            (
                Arc::new(SmtpMailer::start(&smtp(table, &means.secrets)?).context("`smtp`")?),
                None,
            )
        }
        MailMode::None => (Arc::new(NoMailer), None),
    })
}

fn smtp(table: &SmtpTable, secrets: &Secrets) -> anyhow::Result<SmtpSettings> {
    let login = match (&table.user, &table.password_file) {
        (Some(user), Some(file)) => Some((
            user.clone(),
            Arc::new(secrets.read_text("smtp.password_file", file)?),
        )),
        (None, None) => None,
        _ => anyhow::bail!("`smtp`: user and password_file go together"),
    };
    Ok(SmtpSettings {
        host: table.host.clone(),
        port: table.port,
        tls: table.tls,
        login,
        from: table.from.clone(),
    })
}

/// The adapters of this process.
struct LocalPorts {
    store: Arc<SqliteStore>,
    reader: Arc<SqliteReader>,
    signer: Arc<LocalSigner>,
    stretcher: Arc<PoolStretcher>,
    mailer: Arc<dyn Mailer>,
}

fn app(means: &Means<'_>, ports: LocalPorts, shutdown: &Shutdown) -> anyhow::Result<App> {
    let root = means.settings.public_url();
    let clock = Arc::clone(&means.clock);
    let limits =
        LocalLimits::new(&means.settings.limits, Arc::clone(&clock), &*means.random).context("`limits`")?;
    let limits = Arc::new(limits);
    let keys = Arc::new(KeySetCache::new(
        Arc::clone(&ports.signer) as _,
        Arc::clone(&clock),
    ));
    let proxies = &means.settings.trusted_proxies;
    let addresses =
        ClientAddresses::new(proxies, means.settings.forwarded_from_right).context("`trusted_proxies`")?;
    let token_server = TokenServer {
        ports: exchange::Ports {
            reader: Arc::clone(&ports.reader) as _,
            writer: Arc::clone(&ports.store) as _,
            minter: Arc::clone(&ports.signer) as _,
            verifier: Arc::clone(&keys) as _,
            limits: Arc::clone(&limits) as _,
            clock: Arc::clone(&clock),
            random: Arc::clone(&means.random),
        },
        settings: exchange::Settings {
            issuer_domain: domain(means),
            metrics_key: Arc::new(means.secrets.read_text("metrics.key", &means.keys.metrics())?),
            node_types: foxhold_sync::node_type::NodeTypes::default(),
        },
        services: ServiceCache::new(Arc::clone(&ports.reader) as _, Arc::clone(&clock)),
        keys: Arc::clone(&keys),
        addresses: addresses.clone(),
        budget: BUDGET,
        discovery: Discovery {
            url: root.clone(),
            oauth_issuer: root.clone(),
            oauth_server_url: format!("{root}/v1"),
        },
        shutdown: shutdown.clone(),
    };
    let accounts = accounts(means, ports, limits)?;
    let replay = LocalReplayGuard::new(Arc::clone(&clock), 200_000);
    Ok(App {
        accounts,
        keys,
        hawk: HawkRules {
            origin: Target::parse(&root)?,
            window: Duration::from_secs(900),
            replay: Arc::new(replay),
            accept_bearer: means.settings.accept_bearer,
        },
        addresses,
        site: Site {
            public_url: root.clone(),
            token_server_url: root,
            hsts: means.site.scheme() == "https",
            allowed_origins: Vec::new(),
        },
        budget: BUDGET,
        in_work_max: 1024,
        health: Health::new(shutdown),
        token_server: Some(Arc::new(token_server)),
    })
}

fn accounts(means: &Means<'_>, ports: LocalPorts, limits: Arc<LocalLimits>) -> anyhow::Result<Accounts> {
    let root = means.settings.public_url();
    let code_key = means.secrets.read_text("code.key", &means.keys.code())?;
    let code_key = hex::decode(code_key.expose()).context("code.key")?;
    let templates = MailTemplates::new(&root).context("mail templates")?;
    Ok(Accounts {
        reader: ports.reader,
        writer: ports.store,
        signer: ports.signer,
        stretcher: ports.stretcher,
        mailer: ports.mailer,
        templates: Arc::new(templates),
        limits,
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
        code_key: CodeKey::new(Secret::new(code_key)),
        settings: Arc::new(AccountSettings {
            domain: means.site.host_str().unwrap_or_default().to_owned(),
            token_server_url: root.clone(),
            clients: Clients::built_in(&root),
            pre_verified_allowed: false,
        }),
    })
}

/// The name users are known by: written down at the first start.
fn domain(means: &Means<'_>) -> String {
    let of_site = means.site.host_str().unwrap_or("localhost");
    means
        .settings
        .domain
        .clone()
        .unwrap_or_else(|| of_site.to_owned())
}
