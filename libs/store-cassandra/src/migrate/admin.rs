//! The operator's connection: few statements, each put once and waited for. Used by the migrator and by what is done to
//! regions; no tier has one.
//!
//! Must stay true: what was decided is read at the serial level that spans all regions, for these tables have no other;
//! no message holds the text of a statement.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use foxhold_core::SecretText;
use scylla::{
    client::{execution_profile::ExecutionProfile, session::Session},
    deserialize::row::DeserializeRow,
    policies::{
        load_balancing::{DefaultPolicy, DefaultPolicyBuilder},
        retry::FallthroughRetryPolicy,
    },
    response::query_result::QueryResult,
    serialize::row::SerializeRow,
    statement::{Consistency, SerialConsistency, Statement},
    value::Row,
};

use super::{
    MigrateError,
    error::{may_come, may_pass},
};
use crate::{ConnectError, ConnectSettings, Region, cql};

/// How long one statement may take.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// How long nodes may take to agree on the schema.
const AGREEMENT_MAX: Duration = Duration::from_secs(60);
/// How often they are asked.
const AGREEMENT_LOOK: Duration = Duration::from_millis(50);
/// How often a statement that may be repeated is put.
const TRIES: u32 = 4;
/// How often a keyspace or table is looked for that some nodes may not know yet.
const LOOKS: u32 = 240;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Admin {
    session: Session,
    keyspace: String,
    serial: Serial,
}

/// Where conditional writes and the reads that follow them are serialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serial {
    /// Over all regions.
    Everywhere,
    /// In the data centre we are connected to: for rows that its region decides about alone.
    NearDataCentre,
}

impl Serial {
    const fn of_write(self) -> SerialConsistency {
        match self {
            Self::Everywhere => SerialConsistency::Serial,
            Self::NearDataCentre => SerialConsistency::LocalSerial,
        }
    }

    const fn of_read(self) -> Consistency {
        match self {
            Self::Everywhere => Consistency::Serial,
            Self::NearDataCentre => Consistency::LocalSerial,
        }
    }
}

/// A column of a LIST: which columns there are differs from version to version, these do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The role.
    First,
    /// The permission.
    Last,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub address: String,
    /// Its data centre.
    pub data_centre: String,
    /// Whether we have a connection to it.
    pub is_up: bool,
}

impl Admin {
    /// Connects, and puts everything to nodes of the first of these data centres that has one up.
    pub(super) async fn connect(
        settings: &ConnectSettings,
        keyspace: &str,
        data_centres: impl Iterator<Item = &str>,
    ) -> Result<Self, MigrateError> {
        let mut profile = profile(DefaultPolicy::builder()).into_handle();
        let session = cql::builder(settings)
            .schema_agreement_interval(AGREEMENT_LOOK)
            .refresh_metadata_on_auto_schema_agreement(false)
            .schema_agreement_timeout(AGREEMENT_MAX)
            .default_execution_profile_handle(profile.clone())
            .build()
            .await
            .map_err(|error| ConnectError::session(settings, error))?;
        let admin = Self {
            session,
            keyspace: keyspace.to_owned(),
            serial: Serial::Everywhere,
        };
        // A runner that died may have left the nodes with different tables.
        admin.agree().await;
        let nodes = admin.nodes();
        let data_centres: Vec<_> = data_centres.collect();
        let has_one_up = |name: &str| nodes.iter().any(|node| node.is_up && node.data_centre == name);
        let near = data_centres
            .iter()
            .find(|name| has_one_up(name))
            .ok_or_else(|| MigrateError::NoNode(data_centres.join(", ")))?;
        profile.map_to_another_profile(self::profile(
            DefaultPolicy::builder()
                .prefer_datacenter((*near).to_owned())
                .permit_dc_failover(false),
        ));
        if admin.replication(keyspace).await?.is_some() {
            admin.enter().await?;
        }
        Ok(admin)
    }

    /// From now on, decides there.
    pub(super) const fn decide_at(&mut self, serial: Serial) {
        self.serial = serial;
    }

    /// All nodes, by data centre and address.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let state = self.session.get_cluster_state();
        let mut nodes: Vec<_> = state
            .get_nodes_info()
            .iter()
            .map(|node| Node {
                address: node.address.to_string(),
                data_centre: node.datacenter.clone().unwrap_or_default(),
                is_up: node.is_connected(),
            })
            .collect();
        nodes.sort_by(|a, b| (&a.data_centre, &a.address).cmp(&(&b.data_centre, &b.address)));
        nodes
    }

    /// How many nodes each data centre has, whether they are up or not.
    pub(super) fn nodes_by_data_centre(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for node in self.nodes() {
            *count.entry(node.data_centre).or_default() += 1;
        }
        count
    }

    /// Makes the keyspace the one that tables are looked for in. Every node has to know it for that: somebody may have made
    /// it a moment ago.
    pub(super) async fn enter(&self) -> Result<(), MigrateError> {
        let what = "entering the keyspace";
        let mut left = LOOKS;
        loop {
            left -= 1;
            match self.session.use_keyspace(&self.keyspace, true).await {
                Ok(()) => return Ok(()),
                Err(_) if left > 0 => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(MigrateError::statement(what, error.into())),
            }
        }
    }

    /// A keyspace's replication, as the cluster spells it; `None` if there is no such keyspace.
    pub(super) async fn replication(
        &self,
        keyspace: &str,
    ) -> Result<Option<HashMap<String, String>>, MigrateError> {
        let text = "SELECT replication, durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let what = "reading the keyspace's replication";
        let rows: Vec<(HashMap<String, String>, bool)> =
            self.rows(what, text, (keyspace,), Consistency::One).await?;
        Ok(rows.into_iter().next().map(|(mut replication, durable)| {
            if !durable {
                replication.insert("durable_writes".to_owned(), "false".to_owned());
            }
            replication
        }))
    }

    /// Waits until all nodes that can be reached have the same schema; goes on without, for some may have gone.
    async fn agree(&self) {
        if let Err(error) = self.session.await_schema_agreement().await {
            tracing::warn!(%error, "the nodes do not agree on the schema");
        }
    }

    /// The names of the tables there are. Every node has them: one may have been made a moment ago.
    pub(super) async fn tables(&self) -> Result<Vec<String>, MigrateError> {
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let rows: Vec<(String,)> = self
            .rows("listing the tables", text, (&self.keyspace,), Consistency::One)
            .await?;
        self.agree().await;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Puts a statement that changes the schema, roles or permissions, and waits until all nodes that can be reached agree
    /// on the schema. It must be one that may be put again.
    pub(super) async fn change(&self, what: &str, text: &str) -> Result<(), MigrateError> {
        self.put(what, text, (), Consistency::LocalQuorum).await.map(drop)
    }

    /// Puts a conditional write at the serial level that spans all regions. It must be one that may be put again;
    /// whether it was applied the first time is for the caller to read.
    pub(super) async fn decide(
        &self,
        what: &str,
        text: &str,
        values: impl SerializeRow + Copy,
        commit: Consistency,
    ) -> Result<(), MigrateError> {
        self.put(what, text, values, commit).await.map(drop)
    }

    /// The regions as the near data centre has them; none before the schema is there.
    pub(super) async fn regions(&self) -> Result<Vec<Region>, MigrateError> {
        let tables = self.tables().await?;
        if !tables.iter().any(|name| name == "regions") {
            return Ok(Vec::new());
        }
        let mut regions = cql::read_regions(&self.session, &self.keyspace, None).await?;
        regions.sort_by_key(|region| region.mark);
        Ok(regions)
    }

    /// Rows of one partition, after every conditional write that can still be applied.
    pub(super) async fn serial_rows<R>(
        &self,
        what: &str,
        text: &str,
        values: impl SerializeRow + Copy,
    ) -> Result<Vec<R>, MigrateError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.rows(what, text, values, self.serial.of_read()).await
    }

    /// Rows as the near data centre has them.
    pub(super) async fn rows<R>(
        &self,
        what: &str,
        text: &str,
        values: impl SerializeRow + Copy,
        consistency: Consistency,
    ) -> Result<Vec<R>, MigrateError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let result = self.put(what, text, values, consistency).await?;
        let wrong = |error: &dyn std::error::Error| MigrateError::Answer {
            what: what.to_owned(),
            answer: error.to_string(),
        };
        let rows = result.into_rows_result().map_err(|error| wrong(&error))?;
        let rows = rows.rows::<R>().map_err(|error| wrong(&error))?;
        rows.collect::<Result<_, _>>().map_err(|error| wrong(&error))
    }

    /// What a LIST answers, in one of its columns.
    pub(super) async fn listed(
        &self,
        what: &str,
        text: &str,
        column: Column,
    ) -> Result<Vec<String>, MigrateError> {
        let result = self.put(what, text, (), Consistency::LocalQuorum).await?;
        // An empty list is no table.
        if !result.is_rows() {
            return Ok(Vec::new());
        }
        let wrong = |error: &dyn std::error::Error| MigrateError::Answer {
            what: what.to_owned(),
            answer: error.to_string(),
        };
        let rows = result.into_rows_result().map_err(|error| wrong(&error))?;
        let rows = rows.rows::<Row>().map_err(|error| wrong(&error))?;
        let text = |row: Row| {
            let cell = match column {
                Column::First => row.columns.into_iter().next(),
                Column::Last => row.columns.into_iter().next_back(),
            };
            cell.flatten()?.into_string()
        };
        let texts = rows.map(|row| row.map(text)).collect::<Result<Vec<_>, _>>();
        Ok(texts
            .map_err(|error| wrong(&error))?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Whether the nodes let a role in with this password.
    pub(super) async fn lets_in(
        &self,
        settings: &ConnectSettings,
        role: &str,
        password: &SecretText,
    ) -> Result<bool, MigrateError> {
        let builder = cql::builder(settings).user(role, password.expose());
        match builder.build().await {
            Ok(_) => Ok(true),
            Err(error) => match ConnectError::session(settings, error) {
                ConnectError::LoginRefused(_) => Ok(false),
                other => Err(other.into()),
            },
        }
    }

    async fn put(
        &self,
        what: &str,
        text: &str,
        values: impl SerializeRow + Copy,
        consistency: Consistency,
    ) -> Result<QueryResult, MigrateError> {
        let (mut tries, mut looks) = (1, 1);
        loop {
            let mut statement = Statement::new(text);
            statement.set_consistency(consistency);
            statement.set_serial_consistency(Some(self.serial.of_write()));
            match self.session.query_unpaged(statement, values).await {
                Ok(result) => return Ok(result),
                Err(error) if tries < TRIES && may_pass(&error) => tries += 1,
                Err(error) if looks < LOOKS && may_come(&error) => looks += 1,
                Err(error) => return Err(MigrateError::statement(what, error)),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn profile(nodes: DefaultPolicyBuilder) -> ExecutionProfile {
    ExecutionProfile::builder()
        .request_timeout(Some(STATEMENT_MAX))
        .consistency(Consistency::LocalQuorum)
        .retry_policy(Arc::new(FallthroughRetryPolicy))
        .speculative_execution_policy(None)
        .load_balancing_policy(nodes.build())
        .build()
}
