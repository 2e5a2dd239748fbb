//! From settings to a connection: the driver, the settings of the deployment, the regions.

mod error;

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use foxhold_core::RegionMark;
use scylla::{
    client::{
        PoolSize,
        execution_profile::{ExecutionProfile, ExecutionProfileHandle},
        session::Session,
        session_builder::SessionBuilder,
    },
    errors::ExecutionError,
    policies::{load_balancing::DefaultPolicy, retry::FallthroughRetryPolicy},
    statement::{Consistency, Statement},
};

pub use error::ConnectError;

use super::{Cql, Profiles, policy, requests::Counters, statement::Defaults};
use crate::{ConnectSettings, Region, RegionState, Regions, SerialLevel};

/// How long a connection to a node may take to come about.
const CONNECTING_MAX: Duration = Duration::from_secs(5);
/// A connection is asked for a sign of life this often, and given up when it gives none for as long again.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// How often the regions are read again.
const REGIONS_AGE_MAX: Duration = Duration::from_secs(5);

impl Cql {
    pub(crate) async fn connect(settings: &ConnectSettings) -> Result<Arc<Self>, ConnectError> {
        let session = builder(settings)
            .use_keyspace(&settings.keyspace, true)
            .build()
            .await
            .map_err(|error| ConnectError::session(settings, error))?;
        let unknown = || ConnectError::UnknownRegion(settings.region.clone());
        let (serial, stripes) = deployment(&session, &settings.keyspace)
            .await
            .map_err(|error| error.explained(settings))?;
        // Any data centre knows which one is ours; what holds now, only ours.
        let all = read_regions(&session, &settings.keyspace, None).await?;
        let profiles = profiles(&all, serial);
        let regions = Regions::new(all, &settings.region).ok_or_else(unknown)?;
        let own = profiles
            .get(&regions.own().data_centre)
            .map(|own| &own.repeatable);
        let all = read_regions(&session, &settings.keyspace, own).await?;
        let regions = Regions::new(all, &settings.region).ok_or_else(unknown)?;
        let cql = Arc::new(Self {
            session,
            keyspace: settings.keyspace.clone(),
            serial,
            stripes,
            regions: RwLock::new(Arc::new(regions)),
            profiles,
            node_table_age: settings.node_table_age,
            counters: Counters::default(),
        });
        Self::keep_regions_fresh(&cql, settings.keyspace.clone());
        Ok(cql)
    }

    /// What prepared statements are given; that of the own region.
    pub(crate) fn defaults(&self) -> Defaults {
        let regions = self.regions();
        let own = self.profiles.get(&regions.own().data_centre);
        let own = own.expect("there is a profile for every region");
        Defaults {
            keyspace: self.keyspace.clone(),
            serial: self.serial.consistency(),
            repeatable: own.repeatable.clone(),
            once: own.once.clone(),
        }
    }

    /// An operator may declare a region dead while this process runs. Ends with the connection. Only nodes of the own
    /// region are asked: those of one that comes back after it was declared dead still say that it lives.
    fn keep_regions_fresh(cql: &Arc<Self>, keyspace: String) {
        let weak = Arc::downgrade(cql);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(REGIONS_AGE_MAX);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(cql) = weak.upgrade() else { return };
                let own = cql.regions().own().clone();
                let profile = cql.profiles.get(&own.data_centre).map(|own| &own.repeatable);
                let read = read_regions(&cql.session, &keyspace, profile);
                let read = tokio::time::timeout(REGIONS_AGE_MAX, read);
                if let Ok(Ok(all)) = read.await
                    && let Some(regions) = Regions::new(all, &own.name)
                {
                    *cql.regions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(regions);
                }
            }
        });
    }
}

/// A builder with all but the keyspace and what is executed by default.
pub(crate) fn builder(settings: &ConnectSettings) -> SessionBuilder {
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .local_ip_address(settings.local_address)
        .connection_timeout(CONNECTING_MAX)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN.saturating_add(1)))
        .keyspaces_to_fetch([&settings.keyspace]);
    if let Some((user, password)) = &settings.login {
        builder = builder.user(user, password.expose());
    }
    if let Some(tls) = &settings.tls {
        builder = builder.tls_context(Some(tls.context()));
    }
    builder
}

fn profiles(regions: &[Region], serial: SerialLevel) -> HashMap<String, Profiles> {
    let of_region = |region: &Region| {
        let policy = DefaultPolicy::builder()
            .prefer_datacenter(region.data_centre.clone())
            .token_aware(true)
            .permit_dc_failover(false)
            .build();
        let base = ExecutionProfile::builder()
            .request_timeout(None)
            .consistency(Consistency::LocalQuorum)
            .serial_consistency(Some(serial.consistency()))
            .load_balancing_policy(policy);
        let repeatable = base
            .clone()
            .retry_policy(Arc::new(policy::AnotherNode))
            .speculative_execution_policy(Some(Arc::new(policy::beside_a_silent_node())));
        let once = base
            .retry_policy(Arc::new(FallthroughRetryPolicy))
            .speculative_execution_policy(None);
        let profiles = Profiles {
            repeatable: repeatable.build().into_handle(),
            once: once.build().into_handle(),
        };
        (region.data_centre.clone(), profiles)
    };
    regions.iter().map(of_region).collect()
}

async fn deployment(session: &Session, keyspace: &str) -> Result<(SerialLevel, u32), ConnectError> {
    let text = format!("SELECT serial, stripes FROM \"{keyspace}\".deployment WHERE id = 1");
    let row: Option<(String, i32)> = all(session, keyspace, &text, None).await?.pop();
    let (serial, stripes) = row.ok_or(ConnectError::Contradiction("no row in `deployment`"))?;
    let serial = SerialLevel::from_name(&serial).ok_or(ConnectError::Contradiction(
        "the serial level is none that is known",
    ))?;
    let stripes = u32::try_from(stripes).ok().filter(|stripes| *stripes > 0);
    let stripes = stripes.ok_or(ConnectError::Contradiction(
        "there must be at least one stripe of uids",
    ))?;
    Ok((serial, stripes))
}

type RegionRow = (String, String, i8, BTreeSet<i32>, i32, String);

/// The regions, as those nodes have them that the profile leads to; the session's own, if there is none.
pub(crate) async fn read_regions(
    session: &Session,
    keyspace: &str,
    profile: Option<&ExecutionProfileHandle>,
) -> Result<Vec<Region>, ConnectError> {
    let text =
        format!("SELECT name, data_centre, mark, stripes, replication, state FROM \"{keyspace}\".regions");
    let rows: Vec<RegionRow> = all(session, keyspace, &text, profile).await?;
    rows.into_iter().map(region).collect()
}

fn region((name, data_centre, mark, stripes, replication, state): RegionRow) -> Result<Region, ConnectError> {
    let mark = u8::try_from(mark).ok().and_then(RegionMark::new);
    let stripes = stripes.into_iter().map(u32::try_from).collect::<Result<_, _>>();
    let replication = u32::try_from(replication).ok();
    match (mark, stripes, replication, RegionState::from_name(&state)) {
        (Some(mark), Ok(stripes), Some(replication), Some(state)) => Ok(Region {
            name,
            data_centre,
            mark,
            stripes,
            replication,
            state,
        }),
        _ => Err(ConnectError::Contradiction("a row of `regions` is out of bounds")),
    }
}

async fn all<R>(
    session: &Session,
    keyspace: &str,
    text: &str,
    profile: Option<&ExecutionProfileHandle>,
) -> Result<Vec<R>, ConnectError>
where
    R: for<'frame, 'metadata> scylla::deserialize::row::DeserializeRow<'frame, 'metadata>,
{
    let unreadable = |source: ExecutionError| ConnectError::Deployment {
        keyspace: keyspace.to_owned(),
        source: Box::new(source),
    };
    let mut statement = Statement::new(text);
    statement.set_execution_profile_handle(profile.cloned());
    let result = session.query_unpaged(statement, ()).await.map_err(unreadable)?;
    let faulty = |_| ConnectError::Contradiction("a table of settings has other columns");
    let rows = result
        .into_rows_result()
        .map_err(|_| ConnectError::Contradiction("a table of settings answers no rows"))?;
    let rows = rows.rows::<R>().map_err(faulty)?;
    rows.collect::<Result<_, _>>()
        .map_err(|_| ConnectError::Contradiction("a setting is missing"))
}
