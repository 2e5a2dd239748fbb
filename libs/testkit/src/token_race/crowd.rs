//! As many new users as there are slots, and one more.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use foxhold_ports::memory::SeededRandom;
use tokio::task::JoinSet;

use super::{Client, Figures, Given, Later, Said, Stage, User};
use crate::{
    accounts_elsewhere::Credential,
    wait::{patiently, pause},
};

/// Users who ask at the same time.
const AT_ONCE: u64 = 64;
const NODES: u64 = 10;
/// Users who come back afterwards.
const BACK: usize = 20;

/// A service with ten nodes, whose capacities the seed has chosen so that together they are for `users`.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// What else there is to choose.
    pub seed: u64,
    /// How many there is room for.
    pub users: u64,
}

impl Crowd {
    /// The key of the service.
    #[must_use]
    pub fn service(&self) -> String {
        format!("crowd{}-1.0", self.seed)
    }

    /// Capacity and released slots of each node. Of some nodes only a part is released, so that the rest has to be released
    /// on the way.
    pub(super) fn nodes(&self) -> Vec<(u64, u64)> {
        let dice = SeededRandom::new(self.seed);
        let mut left = self.users;
        let capacities = (1..=NODES).map(|number| {
            let fair = left / (NODES + 1 - number);
            let capacity = if number == NODES {
                left
            } else {
                (fair / 2 + dice.below(fair.max(1))).clamp(1, left - (NODES - number))
            };
            left -= capacity;
            let available = match dice.below(3) {
                0 => capacity.div_ceil(10),
                _ => capacity,
            };
            (capacity, available)
        });
        capacities.collect()
    }
}

/// How often users of a crowd were told to come later who then had their node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// Since the store was busy.
    pub busy: u64,
    /// Since there was no room, as far as the writer could tell: an attempt that is cut off holds a slot for as long as nobody
    /// knows what became of it. Never over SQLite, where nothing is in doubt.
    pub no_room: u64,
}

impl AddAssign for Waits {
    fn add_assign(&mut self, other: Self) {
        self.busy += other.busy;
        self.no_room += other.no_room;
    }
}

/// The users of a crowd come, 64 at a time: exactly all nodes are full then, and whoever comes next is told to come later.
/// The users who have a node are served as before. The figures in the end, which are exact.
///
/// # Errors
/// With the seed, when it ended otherwise.
pub async fn crowd(stage: &Stage, crowd: Crowd) -> Result<(Figures, Waits)> {
    race(stage, crowd)
        .await
        .with_context(|| format!("crowd of {}, seed {}", crowd.users, crowd.seed))
}

async fn race(stage: &Stage, crowd: Crowd) -> Result<(Figures, Waits)> {
    let service = crowd.service();
    let users: Vec<User> = (0..crowd.users).map(|_| User::new()).collect();
    let credentials: Result<Vec<Credential>> =
        users.iter().map(|user| stage.credential(user, 1000, 1)).collect();
    let line = Arc::new(Line {
        client: stage.client.clone(),
        service: service.clone(),
        credentials: credentials?,
        next: AtomicU64::new(0),
        waits: Mutex::default(),
        given: Mutex::default(),
    });
    let mut clients = JoinSet::new();
    for place in 0..AT_ONCE {
        clients.spawn(Arc::clone(&line).go_through(place));
    }
    while let Some(ended) = clients.join_next().await {
        ended.context("a client failed")??;
    }
    let given = locked(&line.given).clone();
    is_exactly_full(stage, &service, crowd, &given).await?;
    nobody_else_comes(stage, &service).await?;
    for (number, given) in given.iter().take(BACK) {
        let credential = &line.credentials[*number];
        let (said, _) = stage.client.ask_patiently(0, &service, credential).await?;
        ensure!(said.token()? == given, "{said:?}, and before {given:?}");
    }
    let figures = stage.records.exact(&service).await?;
    let waits = *locked(&line.waits);
    Ok((figures, waits))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn is_exactly_full(
    stage: &Stage,
    service: &str,
    crowd: Crowd,
    given: &BTreeMap<usize, Given>,
) -> Result<()> {
    let figures = stage.records.exact_when_settled(service).await?;
    let full = [figures.users, figures.load, figures.capacity];
    ensure!(full == [crowd.users; 3], "not exactly full: {figures:?}");
    let uids: BTreeSet<u64> = given.values().map(|given| given.uid).collect();
    ensure!(uids.len() == given.len(), "two users have one uid");
    let mut told: BTreeMap<&str, u64> = BTreeMap::new();
    for given in given.values() {
        *told.entry(&given.node).or_default() += 1;
    }
    for node in stage.records.nodes(service).await? {
        let of_node = told.get(node.url.as_str()).copied().unwrap_or_default();
        let now = &node.figures;
        ensure!(
            now.capacity == of_node && now.available == 0,
            "{of_node} users were sent to {}: {now:?}",
            node.url
        );
    }
    Ok(())
}

async fn nobody_else_comes(stage: &Stage, service: &str) -> Result<()> {
    for webhead in 0..2 {
        let late = User::new();
        let credential = stage.credential(&late, 1000, 1)?;
        let (said, _) = stage.client.ask_patiently(webhead, service, &credential).await?;
        ensure!(
            said == Said::Later(Later::NoRoom),
            "one too many was told {said:?}"
        );
        ensure!(
            stage.records.of(service, &late).await?.is_none(),
            "one too many has a record"
        );
    }
    Ok(())
}

/// Those who wait for their turn.
struct Line {
    client: Client,
    service: String,
    credentials: Vec<Credential>,
    next: AtomicU64,
    waits: Mutex<Waits>,
    given: Mutex<BTreeMap<usize, Given>>,
}

impl Line {
    async fn go_through(self: Arc<Self>, place: u64) -> Result<()> {
        loop {
            let number = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed))?;
            let Some(credential) = self.credentials.get(number) else {
                return Ok(());
            };
            let given = patiently("a node", self.node(place, credential)).await?;
            let given = given.with_context(|| format!("user {number}"))?;
            locked(&self.given).insert(number, given);
        }
    }

    async fn node(&self, place: u64, credential: &Credential) -> Result<Given> {
        loop {
            let asked = self.client.ask_patiently(place, &self.service, credential).await;
            let (said, busy) = asked?;
            let no_room = u64::from(said == Said::Later(Later::NoRoom));
            *locked(&self.waits) += Waits { busy, no_room };
            if no_room == 0 {
                return said.token().cloned();
            }
            pause().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_for_all_users_together() {
        for seed in 0..200 {
            for users in [20, 200, 2000] {
                let nodes = Crowd { seed, users }.nodes();
                assert_eq!(nodes.len() as u64, NODES);
                assert_eq!(nodes.iter().map(|node| node.0).sum::<u64>(), users, "seed {seed}");
                assert!(
                    nodes
                        .iter()
                        .all(|(capacity, available)| *capacity > 0 && available <= capacity)
                );
            }
        }
    }
}
