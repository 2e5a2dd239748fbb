//! A keyspace on the shared cluster, stores on it, and a superuser who leaves behind what a process leaves
//! that dies half-way.

use std::{sync::Arc, time::Duration};

use foxhold_core::{SecretText, Timestamp, hex};
use foxhold_ports::{
    conformance::{OpenIdSubject, OutboxSubject, Subject, turns::Turns},
    memory::{ManualClock, MemoryStore},
};
use foxhold_runtime::SystemRandom;
use foxhold_store_cassandra::{
    CassandraStore, ConnectSettings, SerialLevel,
    migrate::{self, Plan, RegionPlan},
};
use foxhold_testkit::cassandra::{SharedCluster, cql::Connection, fresh_keyspace_name, shared};
use tokio::sync::OnceCell;

const REGION: &str = "one";

/// What the writers' clock says at first.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The keyspace of all tests of this program: a cluster takes seconds to make one. Each test has addresses of its own. It
/// goes with the cluster.
struct Shared {
    cluster: SharedCluster,
    keyspace: String,
}

async fn keyspace() -> &'static Shared {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    let make = async || {
        let cluster = shared().await.expect("a cluster");
        let plan = Plan {
            keyspace: fresh_keyspace_name(),
            regions: vec![RegionPlan {
                name: REGION.to_owned(),
                data_centre: cluster.data_centre.clone(),
                replication: u32::try_from(cluster.contact_points.len()).expect("few"),
            }],
            serial: SerialLevel::Serial,
            stripes: 4,
        };
        let made = migrate::apply(&settings(&cluster, &plan.keyspace), &plan, &SystemRandom).await;
        made.expect("the schema is made");
        Shared {
            cluster,
            keyspace: plan.keyspace,
        }
    };
    SHARED.get_or_init(make).await
}

fn settings(cluster: &SharedCluster, keyspace: &str) -> ConnectSettings {
    let login = (cluster.user.clone(), SecretText::new(cluster.password.clone()));
    ConnectSettings {
        contact_points: cluster.contact_points.iter().map(ToString::to_string).collect(),
        keyspace: keyspace.to_owned(),
        region: REGION.to_owned(),
        login: Some(login),
        tls: None,
        local_address: None,
        node_table_age: Duration::ZERO,
    }
}

pub(crate) struct Bench {
    shared: &'static Shared,
    /// The clock of all writers but those with one of their own.
    pub(crate) clock: Arc<ManualClock>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self {
            shared: keyspace().await,
            clock: Arc::new(ManualClock::new(NOW)),
        }
    }

    /// A writer, as another process would have one.
    pub(crate) async fn store(&self) -> Arc<CassandraStore> {
        self.store_by(Arc::clone(&self.clock)).await
    }

    /// A writer with a clock of its own.
    pub(crate) async fn store_by(&self, clock: Arc<ManualClock>) -> Arc<CassandraStore> {
        let settings = settings(&self.shared.cluster, &self.shared.keyspace);
        let store = CassandraStore::connect(&settings, clock, Arc::new(SystemRandom)).await;
        Arc::new(store.expect("it connects"))
    }

    /// Accounts in these stores, which take turns; assignments are no matter here.
    pub(crate) fn subject(stores: &[&Arc<CassandraStore>]) -> Subject {
        let assignments = Arc::new(MemoryStore::new());
        let stores: Vec<_> = stores.iter().map(|store| Arc::clone(store)).collect();
        let reader = Arc::clone(stores.last().expect("at least one"));
        let writer = Arc::new(Turns::new(stores));
        Subject {
            account_reader: reader.clone(),
            account_writer: writer.clone(),
            account_guards: writer.clone(),
            account_directory: reader.clone(),
            account_admin: writer.clone(),
            command_reader: reader.clone(),
            command_writer: writer.clone(),
            invitation_reader: reader,
            invitation_writer: writer,
            assignment_reader: assignments.clone(),
            assignment_writer: assignments.clone(),
            assignment_admin: assignments.clone(),
            job_turns: assignments,
            remembers: false,
            knows_uids: true,
            keep: Box::new(()),
        }
    }

    /// Mail in these stores, which take turns.
    pub(crate) fn mail(stores: &[&Arc<CassandraStore>]) -> OutboxSubject {
        let stores: Vec<_> = stores.iter().map(|store| Arc::clone(store)).collect();
        OutboxSubject {
            reader: Arc::clone(stores.last().expect("at least one")) as _,
            outbox: Arc::new(Turns::new(stores)),
            remembers: false,
            keep: Box::new(()),
        }
    }

    /// Registered clients and grants in one writer, the accounts and tokens that they are of in another.
    pub(crate) fn openid_subject(
        store: &Arc<CassandraStore>,
        accounts: &Arc<CassandraStore>,
    ) -> OpenIdSubject {
        OpenIdSubject {
            accounts: Arc::clone(accounts) as _,
            account_reader: Arc::clone(accounts) as _,
            registry: Arc::clone(store) as _,
            admin: Arc::clone(store) as _,
            grant_reader: Arc::clone(store) as _,
            grant_writer: Arc::clone(store) as _,
            remembers: false,
            keep: Arc::new(()),
        }
    }

    /// Carries out a statement as the superuser; `KS` in it stands for the keyspace.
    pub(crate) async fn execute(&self, statement: &str) {
        let (mut connection, statement) = self.by_hand(statement).await;
        let executed = connection.execute_at_quorum(&statement).await;
        executed.unwrap_or_else(|error| panic!("{statement}: {error:#}"));
    }

    /// How many rows there are, by hand.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let (mut connection, statement) = self.by_hand(&format!("SELECT count(*) FROM {from}")).await;
        let count = connection.number(&statement).await;
        count.unwrap_or_else(|error| panic!("{statement}: {error:#}"))
    }

    async fn by_hand(&self, statement: &str) -> (Connection, String) {
        let Shared { cluster, keyspace } = self.shared;
        let statement = statement.replace("KS.", &format!("\"{keyspace}\"."));
        let connection = Connection::login(cluster.contact_points[0], &cluster.user, &cluster.password).await;
        (connection.expect("the superuser is let in"), statement)
    }
}

/// Bytes as CQL writes them.
pub(crate) fn blob(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
