//! The two ends a process holds: one that reads, one that writes as well.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use foxhold_core::{Clock, Deadline, Random, record::ServiceKey};

use crate::{
    ConnectError, ConnectSettings, Regions, Requests,
    accounts::{AccountReads, AccountWriting, CommandReads, InvitationReads},
    assignments::{
        NodeLookup,
        table::{AssignmentReads, AssignmentWrites},
        write::UserOfService,
    },
    cql::{Cql, KeyedLocks},
    jobs::TurnStatements,
    openid::{OpenIdReads, OpenIdWrites},
    outbox::{MailStatements, WaitingList},
    placement::{
        LeaseTimes, Parts, Placements,
        table::{PlacementReads, PlacementWrites},
    },
    uids::{UidStatements, Uids},
};

/// Reads accounts and assignments. Prepares nothing but SELECTs, so it works with a role that may do nothing else.
#[derive(Clone)]
pub struct CassandraReader {
    pub(crate) cql: Arc<Cql>,
    pub(crate) accounts: Arc<AccountReads>,
    pub(crate) openid: Arc<OpenIdReads>,
    pub(crate) commands: CommandReads,
    pub(crate) invitations: InvitationReads,
    pub(crate) users: AssignmentReads,
    pub(crate) nodes: NodeLookup,
    pub(crate) waiting: Arc<WaitingList>,
    /// Services whose settings could not be read when they were read last.
    pub(crate) damaged: Arc<Mutex<BTreeSet<ServiceKey>>>,
}

/// Writes accounts and assignments; reads them, too.
pub struct CassandraStore {
    pub(crate) cql: Arc<Cql>,
    pub(crate) reader: CassandraReader,
    pub(crate) accounts: AccountWriting,
    pub(crate) placements: Arc<Placements>,
    pub(crate) uids: Uids,
    pub(crate) turns: TurnStatements,
    pub(crate) mails: MailStatements,
    pub(crate) openid: OpenIdWrites,
    pub(crate) user_turns: KeyedLocks<UserOfService>,
    pub(crate) lease_times: LeaseTimes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl CassandraReader {
    /// Connects, reads the settings of the deployment, and prepares what it reads by.
    ///
    /// # Errors
    /// [`ConnectError`], which says what to look at.
    pub async fn connect(settings: &ConnectSettings) -> Result<Self, ConnectError> {
        let cql = Cql::connect(settings).await?;
        Ok(Self {
            accounts: Arc::new(AccountReads::prepare(&cql).await?),
            openid: Arc::new(OpenIdReads::prepare(&cql).await?),
            commands: CommandReads::prepare(&cql).await?,
            invitations: InvitationReads::prepare(&cql).await?,
            users: AssignmentReads::prepare(&cql).await?,
            nodes: NodeLookup {
                cql: Arc::clone(&cql),
                reads: PlacementReads::prepare(&cql).await?,
                tables: Arc::default(),
            },
            waiting: Arc::new(WaitingList::prepare(&cql).await?),
            damaged: Arc::default(),
            cql,
        })
    }

    /// The regions as they were last read.
    #[must_use]
    pub fn regions(&self) -> Arc<Regions> {
        self.cql.regions()
    }

    /// What was asked of the cluster so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.cql.requests()
    }
}

impl CassandraStore {
    /// Connects, reads the settings of the deployment, and prepares what it reads and writes by.
    ///
    /// # Errors
    /// [`ConnectError`], which says what to look at.
    pub async fn connect(
        settings: &ConnectSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ConnectError> {
        Self::connect_with(settings, clock, random, LeaseTimes::default()).await
    }

    /// The same with other times, for tests.
    ///
    /// # Errors
    /// [`ConnectError`], which says what to look at.
    #[doc(hidden)]
    pub async fn connect_with(
        settings: &ConnectSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        lease_times: LeaseTimes,
    ) -> Result<Self, ConnectError> {
        let reader = CassandraReader::connect(settings).await?;
        let cql = &reader.cql;
        let parts = Parts {
            cql: Arc::clone(cql),
            reads: reader.nodes.reads.clone(),
            writes: PlacementWrites::prepare(cql).await?,
            user_reads: reader.users.clone(),
            user_writes: AssignmentWrites::prepare(cql).await?,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let uids = UidStatements::prepare(cql).await?;
        Ok(Self {
            cql: Arc::clone(cql),
            accounts: AccountWriting::prepare(cql).await?,
            placements: Placements::start(parts, lease_times),
            turns: TurnStatements::prepare(cql).await?,
            mails: MailStatements::prepare(cql).await?,
            openid: OpenIdWrites::prepare(cql).await?,
            uids: Uids::new(Arc::clone(cql), uids, Arc::clone(&random)),
            user_turns: KeyedLocks::default(),
            lease_times,
            reader,
            clock,
            random,
        })
    }

    /// Hands back what this process holds of slots, so that nobody has to wait for it to be missed. From here on users
    /// without a record are sent elsewhere; everything else still works.
    pub async fn close(&self, by: Deadline) {
        self.placements.close(by).await;
    }

    /// What was asked of the cluster so far, reads included.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.cql.requests()
    }

    /// The regions as they were last read.
    #[must_use]
    pub fn regions(&self) -> Arc<Regions> {
        self.cql.regions()
    }
}
