//! Several users at work on a fleet, all written down in a [`Ledger`], while a test takes pieces of the fleet away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use tokio::task::JoinHandle;

use super::{Cassandra, Fleet, Tier};
use crate::{ledger::Ledger, person::Server, wait::wait_until};

/// Users at work until [`Load::end`].
pub struct Load {
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
    users: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Puts `users_at_once` to work at each of `servers`.
    #[must_use]
    pub fn start(servers: &[Server], mailbox: SocketAddr, users_at_once: usize) -> Self {
        Self::start_with(Ledger::default(), servers, mailbox, users_at_once)
    }

    /// The same at all of a fleet's servers, with an operator beside the users.
    ///
    /// # Errors
    /// When the admin API does not come up, or does not register a program.
    pub async fn start_with_operator(fleet: &mut Fleet, users_at_once: usize) -> Result<Self> {
        let ledger = Ledger::with_operator(fleet.operator().await?).await?;
        let Fleet { servers, mailbox, .. } = fleet;
        Ok(Self::start_with(ledger, servers, *mailbox, users_at_once))
    }

    fn start_with(ledger: Ledger, servers: &[Server], mailbox: SocketAddr, users_at_once: usize) -> Self {
        let (ledger, over) = (Arc::new(ledger), Arc::new(AtomicBool::new(false)));
        let seats = servers
            .iter()
            .flat_map(|server| vec![server.clone(); users_at_once]);
        let users = seats.map(|server| {
            let (ledger, over) = (Arc::clone(&ledger), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    ledger.one_person(&server, mailbox).await?;
                }
                Ok(())
            })
        });
        Self {
            users: users.collect(),
            ledger,
            over,
        }
    }

    /// What was acknowledged so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Waits until as many more answers were acknowledged, or `or` holds, or a user has met what must not be.
    ///
    /// # Errors
    /// When nothing of that happens in time.
    pub async fn goes_on(&self, more: usize, mut or: impl FnMut() -> bool) -> Result<()> {
        let enough = self.ledger.acknowledged() + more;
        wait_until("some acknowledged work", || {
            let reached = self.ledger.acknowledged() >= enough
                || or()
                || self.users.iter().any(JoinHandle::is_finished);
            async move { reached }
        })
        .await
    }

    /// Kills dbwriters in turn, `kills` times, each when some more was acknowledged, and starts them again.
    ///
    /// # Errors
    /// When the load does not go on, or a dbwriter does not come back.
    pub async fn under_kills(&self, fleet: &mut Fleet, kills: usize) -> Result<()> {
        let dbwriters = fleet.count(Tier::Dbwriter);
        for round in 0..kills {
            self.goes_on(1 + round % 7, || false).await?;
            let number = 1 + round % dbwriters;
            fleet.kill(Tier::Dbwriter, number)?;
            fleet.restart(Tier::Dbwriter, number).await?;
        }
        Ok(())
    }

    /// Lets everybody finish.
    ///
    /// # Errors
    /// What a user met that must not be.
    pub async fn end(self) -> Result<Arc<Ledger>> {
        self.over.store(true, Ordering::Relaxed);
        for user in self.users {
            user.await??;
        }
        Ok(self.ledger)
    }

    /// Lets everybody finish, holds the service to what it acknowledged, and audits what is left. The figures, for a report.
    ///
    /// # Errors
    /// The first thing that must not be.
    pub async fn settle(self, fleet: &mut Fleet, cassandra: &Cassandra) -> Result<String> {
        let ledger = self.end().await?;
        let figures = ledger.summary();
        ledger.settle(&fleet.server).await?;
        cassandra.audit_when_settled(fleet).await?;
        Ok(format!("{figures}; nothing lost, nothing for the audit"))
    }
}
