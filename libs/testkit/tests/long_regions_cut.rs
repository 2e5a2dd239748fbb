//! Two regions that do not see each other for a minute (`security.md` D.5, "regions partitioned"). Promised: no second
//! account for an address, no second node or uid for a user, and whoever has an account goes on as before. Refused until
//! the line is back: whatever only one region may decide. 500 addresses and 500 users are raced for from both sides
//! meanwhile, and some more while the line breaks; what was answered is counted.

#[path = "long_regions_cut/race.rs"]
mod race;
#[path = "long_regions_cut/strangers.rs"]
mod strangers;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use foxhold_core::record::Service;
use foxhold_ports::{
    AccountReader as _, AssignmentAdmin as _, AssignmentReader as _,
    conformance::fixtures::{Maker, node, service, soon},
};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, Partition},
    own_network,
    race::{Daily, Deployment, Done, Store, User, sign_up, wait_for_hints},
    report::report,
    wait::{wait_for_ok, wait_until},
    work_folder::WorkFolder,
};

use race::{Outcome, Race, each};
use strangers::Strangers;

/// Addresses, and users, raced for while the line is cut.
const RACED: usize = 500;
/// The same at the moment it is cut.
const CROSSING: usize = 40;
/// How long it stays cut (`security.md` D.5).
const CUT: Duration = Duration::from_secs(60);
/// People who have signed up in each region before.
const AT_HOME: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn regions_that_do_not_see_each_other_never_both_decide() {
    let test = "regions_that_do_not_see_each_other_never_both_decide";
    // Boxed, here and below: unoptimised, these would not all fit on a test's stack.
    own_network::run(test, Box::pin(cut_apart())).await.unwrap();
}

async fn cut_apart() -> Result<()> {
    let work = WorkFolder::of("long_regions_cut")?;
    let cluster = Cluster::start(work.path(), Layout::two_regions(), Options::default()).await?;
    let done = Box::pin(race_through_a_cut(&cluster)).await;
    done.with_context(|| cluster.logs())
}

async fn race_through_a_cut(cluster: &Cluster) -> Result<()> {
    let scene = Box::pin(Scene::set(cluster)).await?;
    let daily = [0, 1].map(|side| Daily::start(&scene.stores[side], 11 + side as u64, &scene.users, 2));
    for people in &daily {
        people.goes_on(10).await?;
    }
    let mut crossing = Race::start(&scene, "crossing", CROSSING, 1_000);
    crossing.be_patient(true);
    Box::pin(crossing.is_on()).await?;

    let cut = Partition::between(cluster, 1, 2)?;
    crossing.be_patient(false);
    let mut race = Race::start(&scene, "raced", RACED, 10_000);
    let strangers = Box::pin(during(&scene, &race, &daily)).await?;
    cut.heal()?;
    // From here on there is hope. Attempts that end before they can succeed would only keep the nodes from deciding.
    crossing.be_patient(true);
    race.be_patient(true);

    let healed = Instant::now();
    for people in &daily {
        people.goes_on(5).await?;
    }
    let [one, two] = daily;
    let done = [one.end().await?, two.end().await?];
    for people in &done {
        people.must_have_gone_on()?;
        report(&format!(
            "daily work of a region, before, during and after the cut: {people}"
        ));
    }
    let crossed = Box::pin(crossing.outcome()).await?;
    report(&format!(
        "what was asked for as the line broke is decided {:.0?} after the cut: {}",
        healed.elapsed(),
        crossing.told()
    ));
    let raced = Box::pin(race.outcome()).await?;
    report(&format!(
        "all is decided {:.0?} after the cut: {}",
        healed.elapsed(),
        race.told()
    ));
    let outcomes = [crossed, raced];
    Box::pin(scene.settles(cluster, &outcomes, &done, strangers, healed)).await
}

/// What goes on during the cut, and what does not.
async fn during(scene: &Scene, race: &Race, daily: &[Daily; 2]) -> Result<Strangers> {
    let began = Instant::now();
    let before = daily.each_ref().map(|people| people.done().rounds());
    let strangers = Strangers::meet(scene).await?;
    strangers.must_wait(scene).await?;
    // Until the minute of the contract is over, and everything has been asked for on both sides.
    wait_until("a minute, and a first answer to everything", || {
        let over = began.elapsed() >= CUT && race.asked() == 4 * RACED;
        async move { over }
    })
    .await?;
    for people in daily {
        people.goes_on(10).await?;
    }
    race.must_be_undecided()?;
    let after = daily.each_ref().map(|people| people.done().rounds());
    report(&format!(
        "cut for {:.0?}: {}; meanwhile {} and {} rounds of daily work",
        began.elapsed(),
        race.told(),
        after[0] - before[0],
        after[1] - before[1]
    ));
    Ok(strangers)
}

/// Two regions with a service, and people in both.
struct Scene {
    deployment: Deployment,
    stores: Vec<Store>,
    service: Service,
    users: Arc<Vec<User>>,
}

impl Scene {
    async fn set(cluster: &Cluster) -> Result<Self> {
        let deployment = Deployment::make(cluster).await?;
        let stores = deployment.stores().await?;
        let (make, service) = (Maker::new(1), service("sync-1.5"));
        stores[0].put_service(&make.call(), service.clone()).await?;
        for number in 1..=3 {
            let node = node(&service, &format!("https://node-{number}.example"), 10_000);
            stores[0].create_node(&make.call(), node).await?;
        }
        let mut users = Vec::new();
        for (side, store) in stores.iter().enumerate() {
            let (make, first) = (Maker::new(2 + side as u64), 100 * side as u64);
            let name = format!("at-home-{side}");
            users.extend(sign_up(store, &make, &service, &name, AT_HOME, first).await?);
        }
        let scene = Self {
            deployment,
            stores,
            service,
            users: Arc::new(users),
        };
        for store in &scene.stores {
            wait_until("people to be known everywhere", || scene.knows_all(store)).await?;
        }
        Ok(scene)
    }

    async fn knows_all(&self, store: &Store) -> bool {
        for user in self.users.iter() {
            let holder = store.account_by_email(soon(), &user.account.email_key).await;
            let record = store.user_record(soon(), &user.at.service, &user.at.user).await;
            let known = matches!(holder, Ok(Some(holder)) if holder == user.account);
            if !known || record != Ok(Some(user.record.clone())) {
                return false;
            }
        }
        true
    }

    /// After the cut: both sides know the same, and nothing is left that does not fit together.
    async fn settles(
        &self,
        cluster: &Cluster,
        outcomes: &[Outcome],
        done: &[Arc<Done>; 2],
        strangers: Strangers,
        healed: Instant,
    ) -> Result<()> {
        for store in &self.stores {
            wait_for_ok("both regions to know the same", || async {
                for outcome in outcomes {
                    outcome.judge(store).await?;
                }
                self.knows_sessions(store, done).await
            })
            .await?;
        }
        report(&format!(
            "both regions know the same {:.0?} after the cut",
            healed.elapsed()
        ));
        strangers.are_known(self).await?;
        wait_for_hints(cluster, 1..=6).await?;
        self.counts_are_right(outcomes).await?;
        let rows = self.deployment.audit(&self.stores[0]).await?;
        report(&format!("audit of {rows} rows: nothing found"));
        Ok(())
    }

    /// Every sign-in that was acknowledged anywhere and not ended is there, none that was ended is.
    async fn knows_sessions(&self, store: &Store, done: &[Arc<Done>; 2]) -> Result<()> {
        for region in done {
            let (open, closed) = (region.open(), region.closed());
            each(&open, |sign_in| async move {
                let found = store.session(soon(), sign_in.session.id).await?;
                ensure!(found.as_ref() == Some(&sign_in.session), "a sign-in is lost");
                Ok(())
            })
            .await?;
            each(&closed, |id| async move {
                let found = store.session(soon(), *id).await?;
                ensure!(found.is_none(), "an ended session is back");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn counts_are_right(&self, outcomes: &[Outcome]) -> Result<()> {
        let count = |rows: &'static str| self.deployment.number(rows);
        let expected = i64::try_from(self.users.len() + RACED + CROSSING)?;
        let claims = count("SELECT count(*) FROM \"{}\".claims").await?;
        let active = "SELECT count(*) FROM \"{}\".claims WHERE state = 'active' ALLOW FILTERING";
        ensure!(
            claims == expected && count(active).await? == expected,
            "{claims} claims, not {expected}"
        );
        let accounts = "SELECT count(*) FROM \"{}\".accounts WHERE state = 'active' ALLOW FILTERING";
        let accounts = count(accounts).await?;
        ensure!(accounts == expected, "{accounts} accounts, not {expected}");

        let raced = outcomes.iter().flat_map(|outcome| &outcome.records);
        let raced = raced.map(|(_, record)| record);
        let uids: BTreeSet<_> = self
            .users
            .iter()
            .map(|user| &user.record)
            .chain(raced)
            .map(|record| record.current.uid)
            .collect();
        ensure!(
            uids.len() == self.users.len() + RACED + CROSSING,
            "a uid is there twice"
        );
        for store in &self.stores {
            let nodes = store.nodes(soon(), &self.service.key).await?;
            let load: u64 = nodes.iter().map(|node| node.figures.current_load).sum();
            let free: u64 = nodes.iter().map(|node| node.figures.available).sum();
            let records = uids.len() as u64;
            ensure!(
                load == records && load + free == 3 * 10_000,
                "{load} slots for {records} records, {free} free: {nodes:?}"
            );
        }
        report(&format!(
            "{accounts} accounts for {claims} addresses, {} records with a uid each, slots exact in both regions",
            uids.len()
        ));
        Ok(())
    }
}
