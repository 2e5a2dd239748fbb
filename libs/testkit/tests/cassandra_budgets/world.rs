//! A webhead in this process, over one store that both reads and writes, so that all it asks for is counted in one place.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use foxhold_core::{
    Clock as _, Deadline, OpId, Secret, SecretText,
    record::{Service, ServiceKey, ServicePolicy},
};
use foxhold_crypto::hawk::Target;
use foxhold_keysigner::{
    custody::ephemeral,
    node_secrets::NodeSecretSources,
    signer::{LocalSigner, SignerParts, SigningLimits},
};
use foxhold_pool::{PoolLimits, PoolStretcher};
use foxhold_ports::{AssignmentAdmin as _, Call, assignments::NewNode};
use foxhold_runtime::{Health, Shutdown, SystemClock, SystemRandom};
use foxhold_store_cassandra::{CassandraStore, ConnectSettings, Requests, migrate};
use foxhold_testkit::{
    cassandra::shared,
    fleet::Cassandra,
    insist::answered,
    person::{OLDSYNC, Person, Server, mailed_header},
};
use foxhold_webhead::{
    Site,
    assembly::{Deployment, Ports, assemble},
    client_address::ClientAddresses,
    limits::LimitSettings,
    mail::{CaptureMailer, capture::mailbox_router},
    mail_templates::MailTemplates,
    router,
};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) server: Server,
    mailbox: std::net::SocketAddr,
    store: Arc<CassandraStore>,
    shutdown: Shutdown,
}

impl World {
    pub(crate) async fn start() -> Self {
        let store = Arc::new(store().await);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let root = format!("http://localhost:{}", address.port());
        let (mailer, shutdown) = (Arc::new(CaptureMailer::new()), Shutdown::new());
        let ports = ports(&store, &root, &mailer);
        let app = assemble(deployment(&root), ports, &Health::new(&shutdown), &shutdown);
        serve(listener, router(app.expect("it fits together")));
        let inbox = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let mailbox = inbox.local_addr().expect("it is bound");
        serve(inbox, mailbox_router(mailer));
        fill(&store).await;
        Self {
            server: Server { address, root },
            mailbox,
            store,
            shutdown,
        }
    }

    pub(crate) async fn verify(&self, person: &Person) {
        let answer = answered(async || person.verify(&self.server, self.mailbox).await).await;
        assert_eq!(answer.expect("an answer").status, hyper::StatusCode::OK);
    }

    /// A header of the newest mail.
    pub(crate) async fn mailed(&self, person: &Person, header: &str) -> String {
        let mailed = mailed_header(self.mailbox, &person.email, header).await;
        mailed.expect("a mail")
    }

    /// What `work` asks of the cluster.
    pub(crate) async fn spending<T>(&self, work: impl Future<Output = T>) -> (T, Requests) {
        let before = self.store.requests();
        let done = work.await;
        (done, self.store.requests() - before)
    }

    pub(crate) async fn end(self) {
        self.shutdown.trigger();
        self.store.close(Deadline::after(PATIENCE)).await;
    }
}

fn call() -> Call {
    Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: Deadline::after(PATIENCE),
    }
}

async fn store() -> CassandraStore {
    let cluster = shared().await.expect("a cluster");
    let keyspace = Cassandra::on_shared(&cluster);
    // As deployments have it: nodes are looked up once a second, not for each user.
    let settings = ConnectSettings {
        node_table_age: Duration::from_secs(3600),
        ..keyspace.as_superuser(0)
    };
    let made = migrate::apply(&settings, &keyspace.plan(), &SystemRandom).await;
    made.expect("the schema is made");
    let store = CassandraStore::connect(&settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await;
    store.expect("it connects")
}

async fn fill(store: &CassandraStore) {
    let service = ServiceKey("sync-1.5".to_owned());
    let settings = Service {
        key: service.clone(),
        pattern: "{node}/1.5/{uid}".to_owned(),
        scope: OLDSYNC.to_owned(),
        token_lifetime_secs: 3600,
        uid_ceiling: (1 << 31) - 1,
        policy: ServicePolicy::default(),
    };
    let put = store.put_service(&call(), settings).await;
    put.expect("a service");
    let node = NewNode {
        service,
        url: "http://localhost:1".to_owned(),
        node_type: None,
        pool: None,
        capacity: 100_000,
        available: 100_000,
    };
    store.create_node(&call(), node).await.expect("a node");
}

fn ports(store: &Arc<CassandraStore>, root: &str, mailer: &Arc<CaptureMailer>) -> Ports {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let secret = SecretText::new("0".repeat(64));
    let signer = LocalSigner::start(SignerParts {
        issuer: root.to_owned(),
        domain: "localhost".to_owned(),
        keys: vec![ephemeral::generate(SystemClock.now()).expect("a key")],
        node_secrets: NodeSecretSources::of_master(secret).expect("a secret"),
        limits: SigningLimits::default(),
        audit: None,
        clock: clock.clone(),
        random: random.clone(),
    });
    let signer = Arc::new(signer.expect("it signs"));
    let limits = PoolLimits::of_machine(264 * 1024 * 1024);
    Ports {
        account_reader: store.clone(),
        account_writer: store.clone(),
        account_guards: store.clone(),
        command_reader: store.clone(),
        command_writer: store.clone(),
        invitation_reader: store.clone(),
        invitation_writer: store.clone(),
        assignment_reader: store.clone(),
        assignment_writer: store.clone(),
        dbwriters: None,
        signer: signer.clone(),
        registry: store.clone(),
        grant_reader: store.clone(),
        grant_writer: store.clone(),
        id_tokens: signer.clone(),
        certificates: signer.clone(),
        minter: signer.clone(),
        public_keys: signer,
        stretcher: Arc::new(PoolStretcher::start(limits, random.clone()).expect("it stretches")),
        mailer: mailer.clone(),
        clock,
        random,
    }
}

fn deployment(root: &str) -> Deployment {
    Deployment {
        site: Site {
            hsts: false,
            allowed_origins: vec![root.to_owned()],
            token_server_url: root.to_owned(),
            public_url: root.to_owned(),
        },
        host: "localhost".to_owned(),
        issuer_documents: std::collections::BTreeMap::new(),
        mail_templates: Arc::new(MailTemplates::new(root, None).expect("those that ship")),
        mail_switches: Default::default(),
        confirm_sign_ins: false,
        certificates: true,
        browserid: None,
        foreign_oauth: None,
        origin: Target::parse(root).expect("an address"),
        domain: "localhost".to_owned(),
        code_key: Secret::new([1; 32]),
        metrics_key: Arc::new(SecretText::new("metrics".to_owned())),
        account_events: None,
        addresses: ClientAddresses::default(),
        limits: LimitSettings::default(),
        first_assignments: Default::default(),
        registration: Default::default(),
        hawk_window: Duration::from_secs(900),
        remembered_max: 1000,
        accept_bearer: false,
        budget: PATIENCE,
        in_work_max: 64,
        error_endpoint: false,
        node_types: Default::default(),
        region: None,
    }
}

/// Until the test ends.
fn serve(listener: TcpListener, router: axum::Router) {
    tokio::spawn(async move { axum::serve(listener, router).await });
}
