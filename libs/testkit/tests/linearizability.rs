//! Recorded histories are judged by a public checker. Over the memory store, with lost answers, they are linearizable;
//! with one fault planted into a store the checker finds it, and says where.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "linearizability/faulty.rs"]
mod faulty;

use std::sync::Arc;

use foxhold_testkit::{
    history::{
        History, Judgement, Model, Verdict, check,
        workload::{Reads, Site, Tally, Workload},
    },
    report::report,
    work_folder::WorkFolder,
};

use faulty::{Fault, FaultyStore};

/// Enough that every object was raced for by all clients, several times.
const OPERATIONS: u64 = 3000;

/// Runs the workload at two sites over one store.
async fn record(workload: Workload, store: FaultyStore) -> (History, Tally) {
    let store = Arc::new(store);
    let sites = ["one", "two"].map(|name| Site::over(name, &store));
    let stage = workload.set_up(store.admin(), sites.into()).await.unwrap();
    stage.run(|tally| tally.recorded() >= OPERATIONS).await.unwrap();
    store.settle();
    stage.read_all().await.unwrap();
    (stage.history(), stage.tally())
}

async fn judge(test: &str, workload: Workload, fault: Fault) -> (Verdict, Tally, History) {
    let work = WorkFolder::of(&format!("linearizability_{test}")).unwrap();
    let (history, tally) = record(workload, FaultyStore::with(fault)).await;
    let verdict = check(&history, work.path()).unwrap();
    if let Some(page) = &verdict.visualisation {
        assert!(page.metadata().unwrap().len() > 1000, "{}", page.display());
    }
    (verdict, tally, history)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_is_linearizable() {
    let (verdict, tally, history) = judge("sound", Workload::new(1), Fault::None).await;
    verdict.require().unwrap();
    assert_eq!(tally.recorded(), history.entries.len() as u64);
    for model in [Model::Create, Model::Change, Model::Consume, Model::Assign] {
        let keys: Vec<_> = verdict
            .keys
            .iter()
            .filter(|key| key.object.model == model)
            .collect();
        assert!(keys.len() > 3, "{model:?}: {} objects", keys.len());
    }
    assert!(
        tally.done > 100 && tally.refused > 100 && tally.read > 100,
        "{tally}"
    );
    assert!(overlapping(&history) > 100, "nobody was at work at once");
    report(&format!("linearizability over memory: {tally}; passed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_found_out_by_asking_again() {
    let (verdict, tally, _) = judge("lost", Workload::new(2), Fault::AnswersLost).await;
    verdict.require().unwrap();
    assert!(tally.doubts > 50 && tally.unknown == 0, "{tally}");
    report(&format!(
        "linearizability over memory with lost answers: {tally}; passed"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_that_nobody_asks_for_again_are_judged_either_way() {
    let workload = Workload {
        patience: std::time::Duration::ZERO,
        ..Workload::new(3)
    };
    let (verdict, tally, history) = judge("unknown", workload, Fault::AnswersLost).await;
    verdict.require().unwrap();
    assert!(tally.unknown > 50, "{tally}");
    assert_eq!(history.unanswered() as u64, tally.unknown);
    report(&format!(
        "linearizability over memory, answers unknown for good: {tally}; passed"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_are_only_decided_on() {
    let workload = Workload {
        reads: Reads::Stale,
        ..Workload::new(4)
    };
    let (verdict, tally, _) = judge("stale", workload, Fault::ReadsStale).await;
    verdict.require().unwrap();
    assert!(tally.done > 100 && tally.refused > 100, "{tally}");
}

/// Each fault happens once, in the whole run, and only where it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_fault_is_found() {
    let faults = [
        (Fault::TwoAccounts, Model::Create),
        (Fault::LostUpdate, Model::Change),
        (Fault::SpentTwice, Model::Consume),
        (Fault::DoneButDenied, Model::Consume),
        (Fault::TwoPlaces, Model::Assign),
        (Fault::ReadGoesBack, Model::Change),
    ];
    for (number, (fault, model)) in faults.into_iter().enumerate() {
        let name = format!("{fault:?}").to_lowercase();
        let (verdict, _, _) = judge(&name, Workload::new(10 + number as u64), fault).await;
        assert_eq!(verdict.judgement, Judgement::Illegal, "{fault:?}");
        let found: Vec<_> = verdict.judged(Judgement::Illegal).collect();
        assert_eq!(found.len(), 1, "{fault:?}: {found:?}");
        assert_eq!(found[0].object.model, model, "{fault:?}");
        assert!(verdict.visualisation.is_some(), "{fault:?}");
        let refused = verdict.require().unwrap_err().to_string();
        assert!(refused.contains(&found[0].object.key), "{refused}");
        report(&format!("linearizability, planted fault {fault:?}: found"));
    }
}

/// How many operations began before another on the same object, that had begun before, was answered.
fn overlapping(history: &History) -> usize {
    let mut entries: Vec<_> = history.entries.iter().collect();
    entries.sort_by_key(|entry| (&entry.object, entry.call));
    let pairs = entries.windows(2);
    pairs
        .filter(|pair| {
            pair[0].object == pair[1].object && pair[0].returned.is_none_or(|end| end >= pair[1].call)
        })
        .count()
}
