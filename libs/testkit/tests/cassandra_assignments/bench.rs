//! A keyspace of the test's own, and stores on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foxhold_core::{
    SecretText,
    record::{Service, ServiceKey},
};
use foxhold_ports::conformance::Subject;
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{
    CassandraStore, ConnectSettings, LeaseTimes, SerialLevel,
    migrate::{self, Plan, RegionPlan},
};
use foxhold_testkit::cassandra::{SharedCluster, cql::Connection, fresh_keyspace_name, shared};

use crate::scoped::Scoped;

pub(crate) struct Bench {
    cluster: SharedCluster,
    keyspace: String,
    cases: AtomicUsize,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let cluster = shared().await.expect("a cluster");
        let plan = Plan {
            keyspace: fresh_keyspace_name(),
            regions: vec![RegionPlan {
                name: "one".to_owned(),
                data_centre: cluster.data_centre.clone(),
                replication: u32::try_from(cluster.contact_points.len()).expect("few"),
            }],
            serial: SerialLevel::Serial,
            stripes: 4,
        };
        let settings = settings(&cluster, &plan.keyspace, Duration::ZERO);
        let made = migrate::apply(&settings, &plan, &SystemRandom).await;
        made.expect("the schema is made");
        Self {
            cluster,
            keyspace: plan.keyspace,
            cases: AtomicUsize::new(0),
        }
    }

    pub(crate) async fn store(&self, times: LeaseTimes) -> CassandraStore {
        self.connect(Duration::ZERO, times).await
    }

    /// As deployments have it: nodes are looked up once in a while, not for each user.
    pub(crate) async fn store_that_remembers_nodes(&self) -> CassandraStore {
        self.connect(Duration::from_secs(3600), LeaseTimes::default())
            .await
    }

    async fn connect(&self, node_table_age: Duration, times: LeaseTimes) -> CassandraStore {
        let settings = settings(&self.cluster, &self.keyspace, node_table_age);
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let connected = CassandraStore::connect_with(&settings, clock, random, times).await;
        connected.expect("it connects")
    }

    /// An empty store: services of its own on these stores, which take turns.
    pub(crate) fn subject(&self, stores: &[Arc<CassandraStore>]) -> Subject {
        let number = self.cases.fetch_add(1, Ordering::Relaxed);
        Scoped::subject(format!("case{number}"), stores.to_vec())
    }

    /// Leases of a service that are open.
    pub(crate) async fn leases(&self, service: &Service) -> i64 {
        let ServiceKey(key) = &service.key;
        let statement = format!(
            "SELECT count(*) FROM \"{}\".placement WHERE service = '{key}' AND kind = 1 AND size > 0 ALLOW FILTERING",
            self.keyspace
        );
        self.connection()
            .await
            .number(&statement)
            .await
            .expect("the cluster counts")
    }

    /// Carries out a statement as the superuser; `KS` in it stands for the keyspace.
    pub(crate) async fn execute(&self, statement: &str) {
        let statement = statement.replace("KS.", &format!("\"{}\".", self.keyspace));
        let executed = self.connection().await.execute_at_quorum(&statement).await;
        executed.expect("a statement of the test");
    }

    async fn connection(&self) -> Connection {
        let address = self.cluster.contact_points[0];
        let connection = Connection::login(address, &self.cluster.user, &self.cluster.password).await;
        connection.expect("the superuser is let in")
    }
}

fn settings(cluster: &SharedCluster, keyspace: &str, node_table_age: Duration) -> ConnectSettings {
    let login = (cluster.user.clone(), SecretText::new(cluster.password.clone()));
    ConnectSettings {
        contact_points: cluster.contact_points.iter().map(ToString::to_string).collect(),
        keyspace: keyspace.to_owned(),
        region: "one".to_owned(),
        login: Some(login),
        tls: None,
        local_address: None,
        node_table_age,
    }
}
