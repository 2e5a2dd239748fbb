//! A keyspace of a test's own on the shared cluster, and a superuser who writes into it what no process would.

use std::{sync::Arc, time::Duration};

use foxhold_core::SecretText;
use foxhold_runtime::{SystemClock, SystemRandom, crypto_provider};
use foxhold_store_cassandra::{
    CassandraReader, CassandraStore, ConnectSettings, SerialLevel,
    audit::{Options, Report},
    migrate::{self, Migrator, Plan, RegionPlan, RoleLogin, Roles},
};
use foxhold_testkit::{
    audit,
    cassandra::{SharedCluster, cql::Connection, fresh_keyspace_name, shared},
    wait::wait_until,
};

pub(crate) struct Bench {
    pub(crate) settings: ConnectSettings,
    pub(crate) cluster: SharedCluster,
    plan: Plan,
    connection: tokio::sync::Mutex<Connection>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        crypto_provider::install();
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
        let settings = settings(&cluster, &plan.keyspace);
        let made = migrate::apply(&settings, &plan, &SystemRandom).await;
        made.expect("the schema is made");
        let login = Connection::login(cluster.contact_points[0], &cluster.user, &cluster.password).await;
        let mut connection = login.expect("the superuser is let in");
        let use_it = format!("USE \"{}\"", plan.keyspace);
        connection.execute(&use_it).await.expect("the keyspace is there");
        Self {
            settings,
            cluster,
            plan,
            connection: tokio::sync::Mutex::new(connection),
        }
    }

    /// A writer.
    pub(crate) async fn store(&self) -> CassandraStore {
        let connected =
            CassandraStore::connect(&self.settings, Arc::new(SystemClock), Arc::new(SystemRandom));
        connected.await.expect("it connects")
    }

    /// A role that may do what dbwriters do, and its password.
    pub(crate) async fn writer(&self) -> (String, String) {
        let (name, password) = (self.role(), "open sesame".to_owned());
        let roles = Roles {
            dbwriter: Some(RoleLogin {
                name: name.clone(),
                password: SecretText::new(password.clone()),
            }),
            ..Roles::default()
        };
        let migrator = Migrator {
            roles,
            ..Migrator::new(&self.settings, &self.plan, &SystemRandom)
        };
        migrator.apply().await.expect("the role is made");
        // Nodes take a moment to learn who may do what.
        let login = (name.clone(), SecretText::new(password.clone()));
        let settings = ConnectSettings {
            login: Some(login),
            ..settings(&self.cluster, &self.plan.keyspace)
        };
        let let_in = async || CassandraReader::connect(&settings).await.is_ok();
        wait_until("the role to be let in", let_in)
            .await
            .expect("it is let in");
        (name, password)
    }

    /// One audit.
    pub(crate) async fn audit(&self, options: Options) -> Report {
        audit::run(&self.settings, options)
            .await
            .expect("the cluster answers")
    }

    /// Carries out a statement.
    pub(crate) async fn execute(&self, statement: &str) {
        let mut connection = self.connection.lock().await;
        let done = connection.execute_at_quorum(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error:#}"));
    }

    /// Removes the role it made. The keyspace stays as long as the cluster: see `cassandra::shared`.
    pub(crate) async fn end(self) {
        self.execute(&format!("DROP ROLE IF EXISTS \"{}\"", self.role()))
            .await;
    }

    /// Roles are the cluster's, so its name is the test's own.
    fn role(&self) -> String {
        format!("writer_{}", self.plan.keyspace)
    }

    /// How many rows a statement counts.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {from}");
        let mut connection = self.connection.lock().await;
        let count = connection.number(&statement).await;
        count.unwrap_or_else(|error| panic!("{statement}: {error:#}"))
    }
}

fn settings(cluster: &SharedCluster, keyspace: &str) -> ConnectSettings {
    let login = (cluster.user.clone(), SecretText::new(cluster.password.clone()));
    ConnectSettings {
        contact_points: cluster.contact_points.iter().map(ToString::to_string).collect(),
        keyspace: keyspace.to_owned(),
        region: "one".to_owned(),
        login: Some(login),
        tls: None,
        local_address: None,
        node_table_age: Duration::ZERO,
    }
}
