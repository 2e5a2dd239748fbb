//! The parts of a box, plugged into the rules: the same rules, routes and store as in a fleet, without a network between.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_core::{Clock, Random};
use foxhold_crypto::{
    hawk::Target,
    node_secret::{NodeSecret, NodeSecrets},
};
use foxhold_keysigner::{
    custody::file::{self, KeyFile},
    node_secrets::{NodeSecretFiles, NodeSecretSources},
    signer::{LocalSigner, SignerParts, SigningLimits},
};
use foxhold_node_auth::{NodeAuth, NodeName};
use foxhold_pool::{PoolLimits, PoolStretcher};
use foxhold_runtime::{Health, Shutdown, SystemClock, SystemRandom, config::Secrets};
use foxhold_store_sqlite::SqliteStore;
use foxhold_sync_node::{NodeSettings, SyncNode};
use foxhold_webhead::{
    App, Site,
    assembly::{Deployment, Ports, assemble},
    client_address::ClientAddresses,
    config::{HawkSettings, code_key},
    mail::{CaptureMailer, MailSettings},
};
use url::Url;

use super::{settings::Settings, store};
use crate::{cli::MailMode, data_folder::DataFolder, key_files::KeyFiles};

/// Files of the sync node: few, since each has threads of its own. Fixed when the folder is made.
const SHARDS: u32 = 4;
/// How long a public request may take: a queue of stretchings and the work itself.
const BUDGET: Duration = Duration::from_secs(10);

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
    let now = means.clock.now();
    let (store, reader) =
        store::open(&folder.database(), &settings.public_url(), now, &*means.random).await?;
    let signer = Arc::new(open_signer(&means)?);
    let limits = PoolLimits::of_machine(settings.stretch.memory_bytes());
    let stretcher = PoolStretcher::start(limits, Arc::clone(&means.random));
    let stretcher = Arc::new(stretcher.context("`stretch.memory_mib`")?);
    let (mailer, mailbox) = mail(settings)?.prepare(&means.secrets)?.start()?;
    let node = open_node(folder, &means)?;
    let ports = Ports {
        account_reader: Arc::clone(&reader) as _,
        account_writer: Arc::clone(&store) as _,
        assignment_reader: reader,
        assignment_writer: Arc::clone(&store) as _,
        signer: Arc::clone(&signer) as _,
        minter: Arc::clone(&signer) as _,
        public_keys: Arc::clone(&signer) as _,
        stretcher: Arc::clone(&stretcher) as _,
        mailer,
        clock: Arc::clone(&means.clock),
        random: Arc::clone(&means.random),
    };
    let app = assemble(deployment(&means)?, ports, &Health::new(shutdown), shutdown)?;
    Ok(Parts {
        app,
        node,
        mailbox,
        signer,
        store,
        stretcher,
    })
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

fn mail(settings: &Settings) -> anyhow::Result<MailSettings> {
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
    let proxies = &settings.trusted_proxies;
    let addresses =
        ClientAddresses::new(proxies, settings.forwarded_from_right).context("`trusted_proxies`")?;
    let hawk = HawkSettings::default();
    Ok(Deployment {
        site: Site {
            hsts: means.site.scheme() == "https",
            allowed_origins: vec![root.clone()],
            token_server_url: root.clone(),
            public_url: root.clone(),
        },
        host: means.site.host_str().unwrap_or_default().to_owned(),
        origin: Target::parse(&root)?,
        domain: domain(means),
        code_key: code_key("code.key", &means.keys.code(), &means.secrets)?,
        metrics_key: Arc::new(means.secrets.read_text("metrics.key", &means.keys.metrics())?),
        addresses,
        limits: settings.limits.clone(),
        hawk_window: Duration::from_secs(hawk.window_secs),
        remembered_max: hawk.remembered_max,
        accept_bearer: settings.accept_bearer,
        budget: BUDGET,
        in_work_max: 1024,
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
