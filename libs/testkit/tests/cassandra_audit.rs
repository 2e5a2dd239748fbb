//! What the audit of a store finds and repairs, each finding planted alone by plain CQL; and that it finds nothing beside
//! and after users who do nothing wrong.

#[path = "cassandra_audit/bench.rs"]
mod bench;
#[path = "cassandra_audit/ids.rs"]
mod ids;
#[path = "cassandra_audit/live.rs"]
mod live;
#[path = "cassandra_audit/planted.rs"]
mod planted;
#[path = "cassandra_audit/tool.rs"]
mod tool;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use foxhold_ports::conformance::fixtures::soon;
use foxhold_store_cassandra::audit::{Finding, Options, Pace, Report};
use foxhold_testkit::audit::{self, text};

use bench::Bench;
use planted::{Plant, plants};

const LOOK: Options = Options {
    repair: false,
    pace: Pace(NonZeroU32::MAX),
    settled: true,
};
const REPAIR: Options = Options { repair: true, ..LOOK };
/// While others write.
const BESIDE: Options = Options {
    settled: false,
    ..REPAIR
};

fn findings(report: &Report) -> Vec<(Finding, u64)> {
    report
        .findings()
        .map(|(finding, tally)| (finding, tally.found))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_found_alone_and_repaired_once() {
    let bench = Bench::new().await;
    assert_eq!(findings(&bench.audit(LOOK).await), [], "an empty store");
    for plant in plants() {
        let name = plant.name;
        for statement in &plant.statements {
            bench.execute(statement).await;
        }
        let expected = [(plant.found, 1)];
        for _ in 0..2 {
            let report = bench.audit(LOOK).await;
            assert_eq!(findings(&report), expected, "{name}: {}", text(&report));
        }
        repair(&bench, &plant).await;
        let report = bench.audit(REPAIR).await;
        assert_eq!(findings(&report), [], "{name}, after: {}", text(&report));
        for (from, rows) in &plant.after {
            assert_eq!(bench.count(from).await, *rows, "{name}: {from}");
        }
    }
    let found: Vec<Finding> = plants().iter().map(|plant| plant.found).collect();
    for finding in Finding::ALL {
        assert!(found.contains(finding), "{} is not planted", finding.name());
    }
    bench.end().await;
}

/// Repairs it; what the audit leaves to a person, a person does.
async fn repair(bench: &Bench, plant: &Plant) {
    let report = bench.audit(REPAIR).await;
    let (finding, tally) = report.findings().next().expect(plant.name);
    assert_eq!((finding, tally.found), (plant.found, 1), "{}", plant.name);
    let is_left = !plant.by_hand.is_empty();
    assert_eq!(
        tally.repaired,
        u64::from(!is_left),
        "{}: {}",
        plant.name,
        text(&report)
    );
    assert_eq!(report.contradictions_left(), u64::from(is_left), "{}", plant.name);
    for statement in &plant.by_hand {
        bench.execute(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_beside_users_and_after_them() {
    let bench = Bench::new().await;
    let store = Arc::new(bench.store().await);
    let service = live::open_service(&store).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let users = tokio::spawn(live::users(Arc::clone(&store), service, Arc::clone(&is_over)));
    let mut audits = 0;
    while audits == 0 || !is_over.load(Ordering::Acquire) {
        assert!(
            !users.is_finished() || is_over.load(Ordering::Acquire),
            "a user failed"
        );
        let report = bench.audit(BESIDE).await;
        assert_eq!(findings(&report), [], "beside users: {}", text(&report));
        audits += 1;
    }
    users.await.expect("no user failed");
    // Once with open leases, once with everything handed back.
    audit::expect_nothing(&bench.settings).await.unwrap();
    store.close(soon()).await;
    let report = audit::settled(&bench.settings).await.unwrap();
    assert_eq!(findings(&report), [], "after them: {}", text(&report));
    assert!(report.rows() > 300, "it looked at them: {}", report.rows());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_under_way_is_left_alone_until_nothing_is() {
    let bench = Bench::new().await;
    // A sign-up that has just begun: an address and a session, and no account yet.
    let ids = ids::Ids::young(1);
    for statement in [vec![ids.claim(ids, "pending")], ids.session()].concat() {
        bench.execute(&statement).await;
    }
    assert_eq!(findings(&bench.audit(BESIDE).await), []);
    let report = audit::settled(&bench.settings).await.unwrap();
    let expected = [
        (Finding::ClaimPendingTooLong, 1),
        (Finding::SessionOfNoAccount, 1),
    ];
    assert_eq!(findings(&report), expected, "{}", text(&report));
    assert!(audit::expect_nothing(&bench.settings).await.is_err());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_tells_what_it_found_and_ends_with_a_code_for_it() {
    let bench = Bench::new().await;
    let tool = tool::Tool::new(&bench).await;
    let plants: Vec<Plant> = plants();
    let of = |finding| plants.iter().find(|plant| plant.found == finding);
    let decidable = of(Finding::ClaimWithoutAccount).expect("planted");
    let by_hand = of(Finding::UidTwice).expect("planted");
    assert_eq!(tool.run(&[]).await, (0, vec![]));
    for statement in decidable.statements.iter().chain(&by_hand.statements) {
        bench.execute(statement).await;
    }
    let found = |repaired| {
        vec![
            ("claim_without_account".to_owned(), 1, repaired),
            ("uid_twice".to_owned(), 1, 0),
        ]
    };
    assert_eq!(tool.run(&[]).await, (7, found(0)));
    assert_eq!(tool.run(&["--repair"]).await, (7, found(1)));
    for statement in &by_hand.by_hand {
        bench.execute(statement).await;
    }
    assert_eq!(tool.run(&[]).await, (0, vec![]));
    let (code, text, error) = tool.text(&["--region", "nowhere"]).await;
    assert_eq!((code, text), (5, String::new()));
    assert!(error.contains("nowhere"), "{error}");
    bench.end().await;
}
