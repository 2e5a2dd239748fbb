//! Histories over real clusters, judged by a public checker (`security.md` D.5): three nodes of one data centre that are
//! killed and frozen, and two regions that do not see each other for a while, are linearizable for every object. The same
//! two regions with their serial level lowered are not, and the checker finds it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, Partition},
    history::{
        Judgement, Model, check,
        workload::{Reads, Site, Stage, Workload},
    },
    own_network,
    race::{Deployment, Store, wait_for_hints},
    report::report,
    wait::wait_until,
    work_folder::WorkFolder,
};

/// Operations between two things that happen to the cluster: enough that every kind of object is met in each state.
const BETWEEN: u64 = 250;
/// The least that a history has to have for its verdict to say something.
const ENOUGH: u64 = 700;
/// How long the regions do not see each other: longer than nodes need to notice.
const CUT: Duration = Duration::from_secs(25);
/// How often races at a serial level that is too low are looked at before we say that nothing shows.
const ROUNDS_MAX: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_that_fail_in_turn_are_linearizable() {
    let work = WorkFolder::of("long_linearizability_nodes").unwrap();
    let options = Options::default();
    let mut cluster = Cluster::start(work.path(), Layout::three(), options)
        .await
        .unwrap();
    let deployment = Deployment::make(&cluster).await.unwrap();
    let stores = [
        deployment.store(1).await.unwrap(),
        deployment.store(1).await.unwrap(),
    ];
    for seed in [101, 102] {
        let workload = Workload::new(seed);
        let stage = set_up(workload, &stores).await.unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let run = stage.run(move |_| stop.load(Ordering::Relaxed));
        let failing = async {
            let failed = fail_in_turn(&mut cluster, &stage).await;
            over.store(true, Ordering::Relaxed);
            failed
        };
        let (ran, failed) = tokio::join!(run, failing);
        failed
            .and(ran)
            .unwrap_or_else(|error| panic!("seed {seed}: {error:#}\n{}", cluster.logs()));
        stage.read_all().await.unwrap();
        must_be_linearizable(&format!("three nodes, seed {seed}"), &stage, &work).unwrap();
    }
    deployment.audit(&stores[0]).await.unwrap();
}

/// Each node once: killed, frozen, killed.
async fn fail_in_turn(cluster: &mut Cluster, stage: &Stage) -> Result<()> {
    goes_on(stage).await?;
    for node in [2, 1] {
        cluster.kill(node)?;
        goes_on(stage).await?;
        cluster.restart(node).await?;
        goes_on(stage).await?;
        cluster.freeze(3)?;
        goes_on(stage).await?;
        cluster.thaw(3).await?;
        goes_on(stage).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_are_linearizable_unless_their_serial_level_is_too_low() {
    let test = "two_regions_are_linearizable_unless_their_serial_level_is_too_low";
    // Boxed: unoptimised, it would not fit on a test's stack.
    own_network::run(test, Box::pin(two_regions())).await.unwrap();
}

async fn two_regions() -> Result<()> {
    let work = WorkFolder::of("long_linearizability_regions")?;
    let cluster = Cluster::start(work.path(), Layout::two_regions(), Options::default()).await?;
    let sound = Deployment::make(&cluster).await?;
    let stores = sound.stores().await?;
    for seed in [201, 202] {
        let stage = set_up(over_regions(seed), &stores).await?;
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let run = stage.run(move |_| stop.load(Ordering::Relaxed));
        let cutting = async {
            let cut = cut_for_a_while(&cluster, &stage).await;
            over.store(true, Ordering::Relaxed);
            cut
        };
        let (ran, cut) = tokio::join!(run, cutting);
        cut.and(ran).with_context(|| format!("seed {seed}"))?;
        wait_for_hints(&cluster, 1..=6).await?;
        stage.read_all().await?;
        must_be_linearizable(&format!("two regions, seed {seed}"), &stage, &work)?;
    }
    sound.audit(&stores[0]).await?;
    drop(stores);

    let lowered = Deployment::make(&cluster).await?;
    // `foxhold schema apply` refuses this.
    let lower = "UPDATE \"{}\".deployment SET serial = 'LOCAL_SERIAL' WHERE id = 1";
    lowered.execute(lower).await?;
    must_be_found(&lowered.stores().await?, &work).await
}

/// Another region's writes come a little later, so reads only serve to decide on.
fn over_regions(seed: u64) -> Workload {
    Workload {
        reads: Reads::Stale,
        ..Workload::new(seed)
    }
}

async fn cut_for_a_while(cluster: &Cluster, stage: &Stage) -> Result<()> {
    goes_on(stage).await?;
    let before = stage.tally();
    let cut = Partition::between(cluster, 1, 2)?;
    let began = Instant::now();
    wait_until("the cut to have been long enough", || {
        let over = began.elapsed() >= CUT;
        async move { over }
    })
    .await?;
    let during = stage.tally();
    cut.heal()?;
    ensure!(
        during.doubts + during.not_done > before.doubts + before.not_done,
        "nobody noticed the cut: {during}"
    );
    goes_on(stage).await?;
    goes_on(stage).await
}

/// Races from both regions at a level that does not hold over both, until the checker finds what comes of it.
async fn must_be_found(stores: &[Store], work: &WorkFolder) -> Result<()> {
    for round in 1..=ROUNDS_MAX {
        let workload = Workload {
            kinds: vec![Model::Create, Model::Assign, Model::Change],
            patience: Duration::from_secs(5),
            ..over_regions(300 + round)
        };
        let stage = set_up(workload, stores).await?;
        let began = Instant::now();
        stage
            .run(move |tally| tally.recorded() >= BETWEEN || began.elapsed() > Duration::from_secs(60))
            .await?;
        let verdict = check(&stage.history(), work.path())?;
        let illegal: Vec<_> = verdict.judged(Judgement::Illegal).collect();
        if illegal.is_empty() {
            continue;
        }
        let of = |model| illegal.iter().filter(|key| key.object.model == model).count();
        report(&format!(
            "linearizability, planted fault LOCAL_SERIAL over two regions: found in round {round}: of {} objects {} \
             addresses with two accounts, {} users with two places, {} records with two histories ({})",
            verdict.keys.len(),
            of(Model::Create),
            of(Model::Assign),
            of(Model::Change),
            stage.tally()
        ));
        return Ok(());
    }
    anyhow::bail!("two regions decided alone {ROUNDS_MAX} times, and nobody noticed")
}

async fn set_up(workload: Workload, stores: &[Store]) -> Result<Stage> {
    let sites = stores.iter().zip(1..).map(|(store, number): (_, usize)| {
        let site = Site::over(&format!("site {number}"), store.shared());
        match store.regions().mark() {
            Some(mark) => site.marked(mark),
            None => site,
        }
    });
    workload.set_up(&**stores[0].shared(), sites.collect()).await
}

/// Waits until the clients have had some more answers.
async fn goes_on(stage: &Stage) -> Result<()> {
    let enough = stage.tally().recorded() + BETWEEN;
    wait_until("clients to go on", || {
        let reached = stage.tally().recorded() >= enough;
        async move { reached }
    })
    .await
    .with_context(|| stage.tally().to_string())
}

fn must_be_linearizable(what: &str, stage: &Stage, work: &WorkFolder) -> Result<()> {
    let tally = stage.tally();
    let verdict = check(&stage.history(), work.path())?;
    verdict.require().with_context(|| what.to_owned())?;
    ensure!(
        tally.recorded() >= ENOUGH && tally.done > 80 && tally.refused > 80,
        "too little to show anything: {tally}"
    );
    report(&format!(
        "linearizability, {what}: {} objects, {tally}; passed",
        verdict.keys.len()
    ));
    Ok(())
}
