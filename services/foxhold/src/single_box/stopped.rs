//! A box that is stopped, as far as an administrator needs it: its store and its signer behind the admin API, in this
//! process. Nothing listens, no job runs.
//!
//! Must stay true: the folder is held as long as this lives, so that no box starts on it meanwhile; nothing is made or
//! changed that nobody asked for.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use axum::{Router, body::Body};
use bytes::Bytes;
use foxhold_accounts::CodeKey;
use foxhold_node_calls::HttpNodeCalls;
use foxhold_ops::{Access, AccountPorts, InvitationPorts, OpsLimits, OpsPorts};
use foxhold_outbound::Outbound;
use foxhold_pool::{JOB_MEMORY, PoolLimits, PoolStretcher};
use foxhold_ports::operator::Narrowed;
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom, UnderWay,
    config::{self, Secrets},
};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use foxhold_webhead::config::code_key;
use http::{Request, Response};
use http_body_util::Full;
use tower::ServiceExt as _;

use super::{
    parts,
    settings::{Settings, SettingsError},
};
use crate::{
    cli::UpArgs,
    data_folder::{DataFolder, DataFolderError, check_config_of},
    key_files::KeyFiles,
};

/// Connections that read the database: commands ask one thing after the other.
const READERS: usize = 2;

/// The box.
pub(crate) struct StoppedBox {
    router: Router,
    under_way: UnderWay,
    store: Arc<SqliteStore>,
    _folder: DataFolder,
}

impl StoppedBox {
    /// Opens it.
    pub(crate) fn open(folder: DataFolder) -> anyhow::Result<Self> {
        let database = folder.database();
        if !database.exists() {
            let folder = folder.root().to_owned();
            return Err(DataFolderError::Missing { folder }.into());
        }
        check_config_of(folder.root())?;
        let settings = settings_of(folder.root())?;
        let keys = KeyFiles::in_folder(folder.keys());
        let store =
            SqliteStore::open_writer(&database).with_context(|| format!("opening {}", database.display()))?;
        let store = Arc::new(store);
        let reader = SqliteReader::open(&database, READERS)
            .with_context(|| format!("reading {}", database.display()))?;
        let secrets = Secrets::default();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let outbound = Arc::new(Outbound::new());
        let reader = Arc::new(reader);
        let invitations = InvitationPorts {
            reader: Arc::clone(&reader) as _,
            writer: Arc::clone(&store) as _,
            code_key: Arc::new(code_key("code.key", &keys.code(), &secrets)?),
            root: settings.public_url(),
            mailing: parts::mailing_of_stopped(settings.mail, &store),
        };
        let accounts = accounts(&settings, &keys, &secrets, &reader, &store)?;
        let under_way = UnderWay::default();
        let ports = OpsPorts {
            accounts: Some(accounts),
            invitations: Some(invitations),
            registry: Arc::clone(&reader) as _,
            clients: Arc::clone(&store) as _,
            reader,
            writer: Arc::clone(&store) as _,
            admin: Arc::clone(&store) as _,
            minter: Arc::new(parts::signer_alone(&settings, &keys)?),
            node_calls: Arc::new(HttpNodeCalls::new(
                outbound,
                Arc::clone(&clock) as _,
                Arc::clone(&random) as _,
            )),
            clock,
            random,
            metrics_key: Arc::new(secrets.read_text("metrics.key", &keys.metrics())?),
            by_uid: settings.purge().by_uid(),
            limits: OpsLimits::default(),
            shutdown: Shutdown::new(),
            under_way: under_way.clone(),
        };
        Ok(Self {
            under_way,
            router: foxhold_ops::router(ports, Access::Local),
            store,
            _folder: folder,
        })
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Full<Bytes>>) -> Response<Body> {
        let answered = self.router.clone().oneshot(request.map(Body::new)).await;
        answered.unwrap_or_else(|never| match never {})
    }

    /// Finishes the waiting writes, closes the files, and lets go of the folder.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Self {
            router,
            under_way,
            store,
            _folder,
        } = self;
        drop(router);
        under_way.ended().await;
        let closing = tokio::task::spawn_blocking(move || store.close());
        closing.await.context("closing the store")
    }
}

/// What accounts are administered with. One password is stretched at a time.
fn accounts(
    settings: &Settings,
    keys: &KeyFiles,
    secrets: &Secrets,
    reader: &Arc<SqliteReader>,
    store: &Arc<SqliteStore>,
) -> anyhow::Result<AccountPorts> {
    let limits = PoolLimits::of_machine(JOB_MEMORY);
    let stretcher = PoolStretcher::start(limits, Arc::new(SystemRandom))?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    Ok(AccountPorts {
        reader: Arc::clone(reader) as _,
        directory: Arc::clone(reader) as _,
        writer: Arc::new(Narrowed::new(Arc::clone(store) as _, clock, random)),
        admin: Arc::clone(store) as _,
        stretcher: Arc::new(stretcher),
        code_key: CodeKey::new(code_key("code.key", &keys.code(), secrets)?),
        domain: parts::domain_of(settings, &settings.site()?),
        root: settings.public_url(),
        region: None,
    })
}

/// What the box of a folder is told, whether it runs or not. Without flags; whoever works on a box need not confirm again
/// how it was set up.
pub(crate) fn settings_of(root: &Path) -> Result<Settings, SettingsError> {
    Settings::load(&root.join("foxhold.toml"), config::process_env(), &as_it_is(root))
}

fn as_it_is(root: &Path) -> UpArgs {
    UpArgs {
        data: root.to_owned(),
        listen: None,
        private_listen: None,
        public_url: None,
        mail: None,
        yes: true,
    }
}
