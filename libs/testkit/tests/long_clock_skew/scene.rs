//! Writers, each with a clock of its own, over one keyspace; and what they did.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use foxhold_core::{
    Clock, OpId, Timestamp,
    record::{Service, UserRecord},
};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentAdmin as _, AssignmentReader as _,
    AssignmentWriter as _, Call, Refusal,
    assignments::Target,
    conformance::fixtures::{Maker, node, service, soon, user, values},
};
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{CassandraStore, ConnectSettings, migrate};
use foxhold_testkit::{
    audit,
    deeds::{Deeds, Writer, begin},
    fleet::Cassandra,
    race::{Candidate, Contest, candidates, contest},
    wait::{patiently, pause},
};

/// Addresses that everybody wants at once, and users whom everybody wants to give a node.
const RACED: usize = 40;
/// How long a race may take on a machine that has other things to do.
const DECIDING: Duration = Duration::from_secs(240);

/// A clock that is off.
struct OffClock {
    secs: i64,
}

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        let (now, off) = (SystemClock.now(), Duration::from_secs(self.secs.unsigned_abs()));
        if self.secs < 0 {
            now.minus(off)
        } else {
            now.plus(off)
        }
    }
}

/// What was done so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    lives: usize,
    facts: usize,
    addresses: usize,
    records: usize,
    answers: String,
    rows: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accounts begun by one and ended by another, {} facts held; {} addresses and {} records raced for, one winner \
             each ({})",
            self.lives, self.facts, self.addresses, self.records, self.answers
        )?;
        match self.rows {
            0 => Ok(()),
            rows => write!(f, "; audit of {rows} rows: nothing found"),
        }
    }
}

/// Everybody who writes.
pub(crate) struct Scene {
    settings: ConnectSettings,
    writers: Vec<(&'static str, Writer)>,
    make: Maker,
    service: Service,
    deeds: Vec<Deeds>,
    numbers: u64,
    figures: Figures,
}

impl Scene {
    /// A fresh keyspace, and a writer for each clock: its name, and how far it is off. The first one's is to be right.
    pub(crate) async fn set(keyspace: &Cassandra, clocks: &[(&'static str, i64)]) -> Result<Self> {
        let settings = keyspace.as_superuser(0);
        let made = migrate::apply(&settings, &keyspace.plan(), &SystemRandom).await;
        made.context("making the schema")?;
        let mut writers = Vec::new();
        for &(name, secs) in clocks {
            let clock: Arc<dyn Clock> = Arc::new(OffClock { secs });
            let store = CassandraStore::connect(&settings, Arc::clone(&clock), Arc::new(SystemRandom)).await;
            let store = Arc::new(store.context("connecting")?);
            writers.push((name, Writer { store, clock }));
        }
        let (service, first) = (service("sync-1.5"), &writers[0].1);
        first.store.put_service(&first.call(), service.clone()).await?;
        for url in ["https://one.example.test", "https://two.example.test"] {
            let node = node(&service, url, 10_000);
            first.store.create_node(&first.call(), node).await?;
        }
        Ok(Self {
            settings,
            writers,
            make: Maker::new(1),
            service,
            deeds: Vec::new(),
            numbers: 0,
            figures: Figures::default(),
        })
    }

    pub(crate) fn figures(&self) -> Figures {
        self.figures.clone()
    }

    /// Every writer ends what each began, so many times each; the first one asks again; and all is held to it.
    pub(crate) async fn everybody_ends_what_others_began(&mut self, times: usize) -> Result<()> {
        let mut deeds = Vec::new();
        for (began, first) in &self.writers {
            for (ended, second) in &self.writers {
                for _ in 0..times {
                    self.numbers += 1;
                    let address = format!("{began}-{ended}-{}@example.test", self.numbers);
                    let life = async {
                        let begun = begin(first, &self.make, &self.service, &address, self.numbers).await?;
                        let deed = begun.end(second, &self.make).await?;
                        deed.repeat(first).await?;
                        anyhow::Ok(deed)
                    };
                    deeds.push(life.await.with_context(|| address.clone())?);
                }
            }
        }
        self.figures.lives += deeds.len();
        self.deeds.append(&mut deeds);
        self.hold().await.map(drop)
    }

    /// Every writer reads all that is so, and tries to spend what is spent; how many facts that were.
    pub(crate) async fn hold(&mut self) -> Result<usize> {
        let mut facts = 0;
        for (name, writer) in &self.writers {
            for deed in &self.deeds {
                let held = deed.hold(writer).await;
                facts += held.with_context(|| format!("{}, as {name} reads it", deed.address()))?;
            }
        }
        self.figures.facts += facts;
        Ok(facts)
    }

    /// Everybody signs up with the same addresses at once: each has one account, and whoever was told so has it.
    pub(crate) async fn race_for_addresses(&mut self) -> Result<()> {
        self.numbers += 1;
        let name = format!("raced-{}", self.numbers);
        let mut sides = Vec::new();
        for (_, writer) in &self.writers {
            let wanted = Arc::new(candidates(&self.make, None, &name, RACED));
            let (ops, people) = (ops(writer), Arc::clone(&wanted));
            let store = Arc::clone(&writer.store);
            let contest = contest("create", RACED, move |number, call| {
                let call = Call {
                    op: ops[number],
                    ..call
                };
                let (store, Candidate { account, sign_in }) = (Arc::clone(&store), people[number].clone());
                async move { store.create_account(&call, account, sign_in).await }
            });
            contest.be_patient(true);
            sides.push((wanted, contest));
        }
        let verdicts = decided(&mut sides, &mut self.figures).await?;
        let reader = &self.writers[0].1.store;
        for number in 0..RACED {
            let mut winners = (0..sides.len()).filter(|&side| verdicts[side][number].is_ok());
            let winner = winners.next().context("an address without a winner")?;
            ensure!(winners.next().is_none(), "an address with two winners");
            ensure!(
                verdicts
                    .iter()
                    .all(|side| matches!(side[number], Ok(()) | Err(Refusal::EmailTaken))),
                "refused for another reason"
            );
            let Candidate { account, sign_in } = &sides[winner].0[number];
            let holder = reader.account_by_email(soon(), &account.email_key).await?;
            ensure!(
                holder.as_ref() == Some(account),
                "the winner does not have the address"
            );
            let session = reader.session(soon(), sign_in.session.id).await?;
            ensure!(
                session.as_ref() == Some(&sign_in.session),
                "the winner is signed out"
            );
        }
        self.figures.addresses += RACED;
        Ok(())
    }

    /// Everybody gives the same users a node at once: each has one record, and no two have one uid.
    pub(crate) async fn race_for_nodes(&mut self) -> Result<()> {
        let first = self.numbers + 1;
        self.numbers += RACED as u64;
        let users: Arc<Vec<_>> = Arc::new(
            (first..=self.numbers)
                .map(|number| user(&self.service, number, None))
                .collect(),
        );
        let now = self.make.now();
        let mut sides = Vec::new();
        for (_, writer) in &self.writers {
            let (ops, users) = (ops(writer), Arc::clone(&users));
            let store = Arc::clone(&writer.store);
            let contest = contest("assign", RACED, move |number, call| {
                let call = Call {
                    op: ops[number],
                    ..call
                };
                let (store, at) = (Arc::clone(&store), users[number].clone());
                async move {
                    store
                        .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
                        .await
                }
            });
            contest.be_patient(true);
            sides.push(((), contest));
        }
        let verdicts: Vec<Vec<Result<UserRecord, Refusal>>> = decided(&mut sides, &mut self.figures).await?;
        let mut uids = std::collections::BTreeSet::new();
        for (number, at) in users.iter().enumerate() {
            let mut told = verdicts.iter().filter_map(|side| side[number].as_ref().ok());
            let won = told.next().context("a user without a record")?;
            ensure!(told.next().is_none(), "a user was given two records");
            let reader = &self.writers[0].1.store;
            let record = reader.user_record(soon(), &at.service, &at.user).await?;
            ensure!(record.as_ref() == Some(won), "the record is another");
            ensure!(uids.insert(won.current.uid), "two users have one uid");
        }
        self.figures.records += RACED;
        Ok(())
    }

    /// Looks for contradictions; hands back what the writers held first.
    pub(crate) async fn audit(&mut self) -> Result<Figures> {
        let report = audit::settled(&self.settings).await?;
        ensure!(
            report.contradictions_left() == 0 && report.unsettled() == 0,
            "{}",
            audit::text(&report)
        );
        self.figures.rows = report.rows();
        Ok(self.figures())
    }

    /// Until nodes know who is there and who is not, a quorum can be refused.
    pub(crate) async fn answers_again(&self) -> Result<()> {
        let asking = async {
            for (_, writer) in &self.writers {
                let mut in_a_row = 0;
                while in_a_row < 20 {
                    in_a_row = match writer.store.services(soon()).await {
                        Ok(_) => in_a_row + 1,
                        Err(_) => 0,
                    };
                    pause().await;
                }
            }
        };
        patiently("a quorum to answer", asking).await
    }
}

/// One operation for each thing, named by the writer's clock.
fn ops(writer: &Writer) -> Vec<OpId> {
    (0..RACED).map(|_| writer.call().op).collect()
}

async fn decided<S, T: Send + 'static>(
    sides: &mut [(S, Contest<T>)],
    figures: &mut Figures,
) -> Result<Vec<Vec<Result<T, Refusal>>>> {
    let mut verdicts = Vec::new();
    for (_, contest) in sides.iter_mut() {
        verdicts.push(contest.decided(DECIDING).await?);
    }
    let answers: Vec<String> = sides
        .iter()
        .map(|(_, contest)| contest.answers().to_string())
        .collect();
    figures.answers = answers.join("; ");
    Ok(verdicts)
}
