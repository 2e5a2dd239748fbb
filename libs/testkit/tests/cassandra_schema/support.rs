//! A keyspace of a test's own on the shared cluster.

use std::{sync::Arc, time::Duration};

use foxhold_core::SecretText;
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{
    CassandraReader, CassandraStore, ConnectSettings, SerialLevel,
    migrate::{Migration, Migrator, Plan, RegionPlan, RoleLogin, Roles},
};
use foxhold_testkit::{
    cassandra::{SharedCluster, cql::Connection, fresh_keyspace_name, shared},
    wait::pause,
};

const PASSWORD: &str = "it's; a \"secret\"";
const ROLES: [&str; 3] = ["webhead", "dbwriter", "migrator"];

/// The cluster, and a plan of one region for a keyspace that does not exist yet.
pub(crate) struct Bench {
    pub(crate) cluster: SharedCluster,
    pub(crate) plan: Plan,
    pub(crate) settings: ConnectSettings,
    pub(crate) random: SystemRandom,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let cluster = shared().await.expect("a cluster");
        let keyspace = fresh_keyspace_name();
        let plan = Plan {
            keyspace,
            regions: vec![RegionPlan {
                name: "one".to_owned(),
                data_centre: cluster.data_centre.clone(),
                replication: u32::try_from(cluster.contact_points.len()).expect("few"),
            }],
            serial: SerialLevel::Serial,
            stripes: 4,
        };
        let (user, password) = (cluster.user.clone(), cluster.password.clone());
        let settings = settings(&cluster, &plan.keyspace, &user, &password);
        Self {
            cluster,
            plan,
            settings,
            random: SystemRandom,
        }
    }

    /// The same, with a small schema: making all tables takes a busy cluster a minute.
    pub(crate) async fn made() -> Self {
        let bench = Self::new().await;
        bench.small().apply().await.expect("the schema is made");
        bench
    }

    /// A migrator of a small schema.
    pub(crate) fn small(&self) -> Migrator<'_> {
        let mut migrator = self.migrator();
        migrator.files.truncate(1);
        let more = [
            ("0002_notes.cql", "CREATE TABLE notes (id int PRIMARY KEY, kind text);"),
            (
                "0003_processes.cql",
                "CREATE TABLE processes (name text PRIMARY KEY, role text, version text, knows int, seen timestamp)
                 WITH default_time_to_live = 7200;",
            ),
        ];
        let read = |(name, text)| Migration::read(name, &format!("-- foxhold: expand\n{text}"));
        migrator
            .files
            .extend(more.map(|file| read(file).expect("it can be read")));
        migrator
    }

    pub(crate) fn migrator(&self) -> Migrator<'_> {
        Migrator::new(&self.settings, &self.plan, &self.random)
    }

    /// A store of this login.
    pub(crate) async fn store(&self, settings: &ConnectSettings) -> CassandraStore {
        let connected = CassandraStore::connect(settings, Arc::new(SystemClock), Arc::new(self.random));
        connected.await.expect("it connects")
    }

    /// Roles are the cluster's, so their names are the test's own.
    pub(crate) fn role_name(&self, tier: &str) -> String {
        format!("{tier}_{}", self.plan.keyspace)
    }

    /// A role for each tier.
    pub(crate) fn roles(&self) -> Roles {
        let [webhead, dbwriter, migrator] = ROLES.map(|tier| {
            Some(RoleLogin {
                name: self.role_name(tier),
                password: SecretText::new(PASSWORD.to_owned()),
            })
        });
        Roles {
            webhead,
            dbwriter,
            migrator,
        }
    }

    /// How a tier's role connects.
    pub(crate) fn role(&self, tier: &str) -> ConnectSettings {
        self.as_role(&self.role_name(tier), PASSWORD)
    }

    /// Waits until a login works: nodes remember for a moment who was unknown.
    pub(crate) async fn let_in(&self, settings: &ConnectSettings) {
        while CassandraReader::connect(settings).await.is_err() {
            pause().await;
        }
    }

    /// How a role of this name connects.
    pub(crate) fn as_role(&self, name: &str, password: &str) -> ConnectSettings {
        settings(&self.cluster, &self.plan.keyspace, name, password)
    }

    /// Carries out a statement as the superuser.
    pub(crate) async fn execute(&self, statement: &str) {
        let address = self.cluster.contact_points[0];
        let connection = Connection::login(address, &self.cluster.user, &self.cluster.password).await;
        let mut connection = connection.expect("the superuser is let in");
        connection.execute_at_quorum(statement).await.expect(statement);
    }

    /// Removes the roles it made. The keyspace stays as long as the cluster: see `cassandra::shared`.
    pub(crate) async fn end(self) {
        for tier in ROLES {
            self.execute(&format!("DROP ROLE IF EXISTS \"{}\"", self.role_name(tier)))
                .await;
        }
    }
}

fn settings(cluster: &SharedCluster, keyspace: &str, user: &str, password: &str) -> ConnectSettings {
    ConnectSettings {
        contact_points: cluster.contact_points.iter().map(ToString::to_string).collect(),
        keyspace: keyspace.to_owned(),
        region: "one".to_owned(),
        login: Some((user.to_owned(), SecretText::new(password.to_owned()))),
        tls: None,
        local_address: None,
        node_table_age: Duration::ZERO,
    }
}
