//! Records and figures as the store has them, read past all processes; and the few writes of an operator that races need.

use std::{collections::BTreeMap, ops::AddAssign, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use foxhold_core::{
    Clock as _, Deadline, OpId,
    record::{NodeRecord, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AssignmentReader, AssignmentWriter, Call, WriteError,
    assignments::{RecordRef, UserValues},
};
use foxhold_runtime::{SystemClock, SystemRandom, crypto_provider};
use foxhold_store_cassandra::CassandraStore;
use foxhold_store_sqlite::{SqliteReader, SqliteStore};

use super::stage::User;
use crate::{fleet::Store, wait::wait_for_ok};

/// Users of one page.
const PAGE: u32 = 500;

/// The store of a fleet.
pub struct Records {
    reader: Arc<dyn AssignmentReader>,
    writer: Arc<dyn AssignmentWriter>,
}

/// A service's nodes, and what their records say, in agreement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Users with a record.
    pub users: u64,
    /// Records that hold a slot, which is the load of all nodes together.
    pub load: u64,
    /// Most users of all nodes together.
    pub capacity: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.users += other.users;
        self.load += other.load;
        self.capacity += other.capacity;
    }
}

impl Records {
    /// Opens the store of a fleet that runs below `work`.
    pub(super) async fn open(work: &Path, store: &Store) -> Result<Self> {
        match store {
            Store::Sqlite => {
                let file = work.join("foxhold.db");
                Ok(Self {
                    reader: Arc::new(SqliteReader::open(&file, 2)?),
                    writer: Arc::new(SqliteStore::open_writer(&file)?),
                })
            }
            Store::Cassandra(cassandra) => {
                crypto_provider::install();
                let settings = cassandra.as_superuser(0);
                let store =
                    CassandraStore::connect(&settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await;
                let store = Arc::new(store.context("connecting past the processes")?);
                Ok(Self {
                    reader: Arc::clone(&store) as _,
                    writer: store,
                })
            }
        }
    }

    /// All that is kept of a user.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(&self, service: &str, user: &User) -> Result<Option<UserRecord>> {
        let key = ServiceKey(service.to_owned());
        wait_for_ok("a user's record", || async {
            Ok(self.reader.user_record(by(), &key, &user.key()).await?)
        })
        .await
    }

    /// The one record of a user that counts.
    ///
    /// # Errors
    /// When there is none, or it is not active.
    pub async fn active(&self, service: &str, user: &User) -> Result<UserRecord> {
        let record = self.of(service, user).await?.context("no record")?;
        ensure!(record.current.replaced_at.is_none(), "not active: {record:?}");
        ensure!(record.current.node.is_some(), "without a node: {record:?}");
        Ok(record)
    }

    /// The nodes of a service.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn nodes(&self, service: &str) -> Result<Vec<NodeRecord>> {
        let key = ServiceKey(service.to_owned());
        wait_for_ok("the nodes", || async { Ok(self.reader.nodes(by(), &key).await?) }).await
    }

    /// The load of all nodes of a service together.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn load(&self, service: &str) -> Result<u64> {
        let nodes = self.nodes(service).await?;
        Ok(nodes.iter().map(|node| node.figures.current_load).sum())
    }

    /// Waits until that is the load, once every attempt that was cut off is settled: its slot counts until then.
    ///
    /// # Errors
    /// When it stays another.
    pub async fn load_becomes(&self, service: &str, expected: u64) -> Result<()> {
        wait_for_ok("the load", || async {
            let load = self.load(service).await?;
            ensure!(load == expected, "the load is {load}, and not {expected}");
            Ok(())
        })
        .await
    }

    /// Counts all records, and holds the figures of every node to them. Nobody may be at work on the service.
    ///
    /// # Errors
    /// When a figure is not exact.
    pub async fn exact(&self, service: &str) -> Result<Figures> {
        let (users, held) = self.held(service).await?;
        let mut figures = Figures {
            users,
            ..Figures::default()
        };
        for node in self.nodes(service).await? {
            let of_node = held.get(&node.url).copied().unwrap_or_default();
            let now = &node.figures;
            ensure!(
                now.current_load == of_node,
                "{} of {service}: {of_node} records hold a slot, the figures are {now:?}",
                node.url
            );
            ensure!(
                now.current_load <= now.capacity && now.available <= now.capacity - now.current_load,
                "{} of {service}: more than it can have: {now:?}",
                node.url
            );
            figures.load += now.current_load;
            figures.capacity += now.capacity;
        }
        ensure!(
            figures.load == held.values().sum::<u64>(),
            "records on nodes that are none"
        );
        Ok(figures)
    }

    /// The same, once what was cut off is settled.
    ///
    /// # Errors
    /// When a figure does not become exact.
    pub async fn exact_when_settled(&self, service: &str) -> Result<Figures> {
        wait_for_ok("exact figures", || self.exact(service)).await
    }

    /// Users, and by node the records that hold a slot of it.
    async fn held(&self, service: &str) -> Result<(u64, BTreeMap<String, u64>)> {
        let key = ServiceKey(service.to_owned());
        let (mut users, mut held, mut after) = (0, BTreeMap::new(), None);
        loop {
            let page = wait_for_ok("a page of records", || async {
                Ok(self.reader.records(by(), &key, after.as_ref(), PAGE).await?)
            })
            .await?;
            for (_, record) in page.records {
                users += 1;
                let past = record.past.into_iter().filter(|past| past.holds_slot);
                let nodes = past.filter_map(|past| past.node).chain(record.current.node);
                for node in nodes {
                    *held.entry(node).or_default() += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok((users, held));
            }
        }
    }

    /// Takes a user from the node, as an operator does.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn unassign(&self, service: &str, user: &User) -> Result<()> {
        let record = self.active(service, user).await?;
        let at = reference(service, user, &record);
        let call = call();
        let done = wait_for_ok("a user to be taken from the node", || async {
            Ok(self.writer.unassign(&call, &at, SystemClock.now()).await?)
        });
        done.await.map(drop)
    }

    /// A change of keys at a moment of the test's choice, on the record as it was read.
    pub(super) async fn rekey(
        &self,
        at: &RecordRef,
        values: &UserValues,
        now: foxhold_core::Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let call = call();
        let mut outcome = self.writer.rekey(&call, at, values, now).await;
        // Whether it was done is settled by asking for the same again.
        while matches!(outcome, Err(WriteError::Unknown(_) | WriteError::NotDone(_)))
            && !call.deadline.has_passed()
        {
            outcome = self.writer.rekey(&call, at, values, now).await;
        }
        outcome
    }
}

/// A record, as a write names what it was decided on.
pub(super) fn reference(service: &str, user: &User, record: &UserRecord) -> RecordRef {
    RecordRef {
        service: ServiceKey(service.to_owned()),
        user: user.key(),
        version: Some(record.version),
    }
}

fn by() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn call() -> Call {
    Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: by(),
    }
}
