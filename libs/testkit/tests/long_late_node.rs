//! A node was away while sessions were ended, tokens revoked and spent, and nobody kept the writes for it (`security.md`
//! D.5, "node back after hints expired"). It comes back without repair, and another goes, so that every read needs it:
//! what is gone stays gone, what is spent cannot be spent again, an address that was taken meanwhile is taken.

use std::{sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use foxhold_core::record::Service;
use foxhold_ports::{
    AccountWriter as _, AssignmentAdmin as _, Refusal, WriteError,
    conformance::fixtures::{Maker, node, service, soon},
};
use foxhold_runtime::SystemClock;
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options},
    deeds::{Begun, Deeds, Writer, begin},
    race::Deployment,
    report::report,
    wait::{pause, within},
    work_folder::WorkFolder,
};

/// People whose sessions end while the node is away; and as many who sign up then.
const PEOPLE: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_stays_gone_when_a_node_comes_back_that_missed_it() {
    let work = WorkFolder::of("long_late_node").unwrap();
    let options = Options {
        hinted_handoff: false,
        ..Options::default()
    };
    let mut cluster = Cluster::start(work.path(), Layout::three(), options)
        .await
        .unwrap();
    let done = late(&mut cluster).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
}

async fn late(cluster: &mut Cluster) -> Result<()> {
    let deployment = Deployment::make(cluster).await?;
    let store = deployment.store(1).await?;
    let by = Writer {
        store: Arc::clone(store.shared()),
        clock: Arc::new(SystemClock),
    };
    let (make, service) = (Maker::new(1), service("sync-1.5"));
    store.put_service(&by.call(), service.clone()).await?;
    store
        .create_node(&by.call(), node(&service, "https://node.example.test", 1000))
        .await?;
    let before = sign_up(&by, &make, &service, "before", 1).await?;

    cluster.stop(3).await?;
    answers_again(&by).await?;
    let meanwhile = sign_up(&by, &make, &service, "meanwhile", 1001).await?;
    let mut deeds = Vec::new();
    for begun in before.into_iter().chain(meanwhile) {
        deeds.push(begun.end(&by, &make).await?);
    }
    cluster.restart(3).await?;

    // Each of the two who know goes in turn, so that every read needs the one who does not.
    for away in [2, 1] {
        let began = Instant::now();
        cluster.kill(away)?;
        answers_again(&by).await?;
        let facts = hold(&deeds, &by)
            .await
            .with_context(|| format!("node {away} away"))?;
        let refused = taken(&deeds, &by, &make).await?;
        report(&format!(
            "a node back that missed {} sign-outs, without hints or repair, node {away} of the other two away: {facts} facts \
             hold, {refused} sign-ups with taken addresses refused ({:.0?})",
            deeds.len(),
            began.elapsed()
        ));
        cluster.restart(away).await?;
        answers_again(&by).await?;
    }
    let rows = deployment.audit(&store).await?;
    report(&format!("the late node: audit of {rows} rows: nothing found"));
    Ok(())
}

async fn sign_up(by: &Writer, make: &Maker, service: &Service, name: &str, first: u64) -> Result<Vec<Begun>> {
    let mut people = Vec::new();
    for number in first..first + PEOPLE {
        let address = format!("{name}-{number}@example.test");
        people.push(begin(by, make, service, &address, number).await?);
    }
    Ok(people)
}

async fn hold(deeds: &[Deeds], by: &Writer) -> Result<usize> {
    let mut facts = 0;
    for deed in deeds {
        facts += deed.hold(by).await?;
    }
    Ok(facts)
}

/// Nobody gets an address that somebody has.
async fn taken(deeds: &[Deeds], by: &Writer, make: &Maker) -> Result<usize> {
    for deed in deeds {
        let account = make.verified_account(deed.address());
        let sign_in = make.sign_in(account.uid);
        let answer = by.store.create_account(&by.call(), account, sign_in).await;
        ensure!(
            answer == Err(WriteError::Refused(Refusal::EmailTaken)),
            "a second account: {answer:?}"
        );
    }
    Ok(deeds.len())
}

/// Until the nodes that are left know who is not, a quorum can still be refused.
async fn answers_again(by: &Writer) -> Result<()> {
    let asking = async {
        let mut in_a_row = 0;
        while in_a_row < 20 {
            let services = foxhold_ports::AssignmentReader::services(by.store.as_ref(), soon()).await;
            in_a_row = if services.is_ok() { in_a_row + 1 } else { 0 };
            pause().await;
        }
    };
    within(std::time::Duration::from_secs(120), "a quorum to answer", asking).await
}
