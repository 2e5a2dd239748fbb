//! The schema on a real cluster: made once, by one runner, in steps that survive its death; what was fixed stays fixed;
//! roles that may do what their tier needs and nothing else.

#[path = "cassandra_schema/support.rs"]
mod support;

use std::time::Duration;

use foxhold_core::{Deadline, SecretText};
use foxhold_ports::{Cause, WriteError};
use foxhold_store_cassandra::{
    CassandraReader, SerialLevel,
    migrate::{self, MigrateError, Migration, PlanError, RegionPlan, RoleLogin, Roles, Waiting},
};
use foxhold_testkit::wait::within;

use support::Bench;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_made_once_and_again_changes_nothing() {
    let bench = Bench::new().await;
    let before = bench.migrator().status().await.unwrap();
    assert!(!before.keyspace_exists && !before.is_current());
    assert_eq!(before.missing, Migration::all());
    let planned = bench.migrator().plan().await.unwrap();
    assert!(
        planned[0].cql.starts_with("CREATE KEYSPACE IF NOT EXISTS"),
        "{planned:?}"
    );

    let first = bench.migrator().apply().await.unwrap();
    assert!(first.is_first_start);
    assert_eq!(first.applied.len(), Migration::all().len());

    let again = migrate::apply(&bench.settings, &bench.plan, &bench.random).await;
    assert_eq!(again.unwrap(), migrate::Report::default());
    let after = bench.migrator().status().await.unwrap();
    assert!(after.is_current(), "{after:?}");
    assert_eq!(after.applied.len(), first.applied.len());
    assert_eq!(after.at_work, None, "the lock is given back");
    assert_eq!(bench.migrator().plan().await.unwrap(), []);
    CassandraReader::connect(&bench.settings).await.unwrap();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runners_one_works_and_the_other_waits() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.small(), bench.small());
    for runner in [&mut one, &mut other] {
        runner.waiting.turn_max = LONG;
    }
    let (first, second) = tokio::join!(one.apply(), other.apply());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(
        first.is_first_start, second.is_first_start,
        "{first:?} {second:?}"
    );
    let mut applied = first.applied;
    applied.extend(second.applied);
    assert_eq!(applied.len(), one.files.len(), "{applied:?}");
    assert!(one.status().await.unwrap().is_current());
    bench.end().await;
}

/// The runner that dies is one that is dropped where it stands: nobody gives its lock back.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_runner_began_the_next_finishes_and_a_third_is_told_to_wait() {
    let bench = Bench::new().await;
    let mut runner = bench.migrator();
    // The next one waits so long.
    runner.waiting.lock = Duration::from_secs(10);
    let watcher = bench.migrator();
    let begun = async {
        loop {
            // The tables come into being just now: a node that is asked may have heard of some of them only.
            if let Ok(status) = watcher.status().await
                && !status.applied.is_empty()
            {
                return status;
            }
        }
    };
    let halfway = tokio::select! {
        done = runner.apply() => panic!("it was quicker than we could look: {done:?}"),
        status = begun => status,
    };
    assert!(
        halfway.at_work.is_some() && !halfway.missing.is_empty(),
        "{halfway:?}"
    );

    let mut hasty = bench.migrator();
    hasty.waiting = Waiting {
        turn_max: Duration::ZERO,
        ..Waiting::default()
    };
    let refused = hasty.apply().await;
    assert!(matches!(refused, Err(MigrateError::Busy { .. })), "{refused:?}");

    let report = bench.migrator().apply().await.unwrap();
    assert!(report.is_first_start);
    assert!(report.applied.len() < Migration::all().len(), "{report:?}");
    assert!(bench.migrator().status().await.unwrap().is_current());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_file_never_changes() {
    let bench = Bench::made().await;
    let mut other = bench.small();
    let text = "-- foxhold: expand\nCREATE TABLE notes (other text PRIMARY KEY);";
    other.files[1] = Migration::read("0002_notes.cql", text).unwrap();
    for refused in [other.apply().await.map(drop), other.plan().await.map(drop)] {
        assert!(
            matches!(refused, Err(MigrateError::Changed { number: 2, .. })),
            "{refused:?}"
        );
    }
    let status = other.status().await.unwrap();
    assert!(
        !status.is_current() && status.drift[0].contains("0002 notes"),
        "{status:?}"
    );

    bench
        .execute(&format!("DROP TABLE \"{}\".notes", bench.plan.keyspace))
        .await;
    let status = bench.small().status().await.unwrap();
    assert_eq!(status.drift, ["the table notes was made and is gone"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fixed_at_first_start_is_not_changed_by_a_later_plan() {
    type Change = fn(&mut migrate::Plan);
    let bench = Bench::made().await;
    let changes: [(&str, Change); 5] = [
        ("stripes", |plan| plan.stripes = 8),
        ("level", |plan| plan.serial = SerialLevel::LocalSerial),
        ("name", |plan| plan.regions[0].name = "two".to_owned()),
        ("copies", |plan| plan.regions[0].replication += 1),
        ("region", |plan| {
            plan.regions.push(RegionPlan {
                name: "two".to_owned(),
                data_centre: "dc2".to_owned(),
                replication: 1,
            });
        }),
    ];
    for (name, change) in changes {
        let mut plan = bench.plan.clone();
        change(&mut plan);
        let refused = migrate::apply(&bench.settings, &plan, &bench.random).await;
        let Err(MigrateError::Contradiction(faults)) = refused else {
            panic!("{name}: {refused:?}");
        };
        assert!(!faults.is_empty(), "{name}");
    }
    assert!(bench.small().status().await.unwrap().is_current());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_cannot_be_makes_nothing() {
    let bench = Bench::new().await;
    let mut regional = bench.plan.clone();
    regional.serial = SerialLevel::LocalSerial;
    regional.regions.push(RegionPlan {
        name: "two".to_owned(),
        data_centre: "dc2".to_owned(),
        replication: 1,
    });
    let refused = migrate::apply(&bench.settings, &regional, &bench.random).await;
    assert!(
        matches!(refused, Err(MigrateError::Plan(PlanError::LocalSerial))),
        "{refused:?}"
    );

    let mut many = bench.plan.clone();
    many.regions[0].replication = 9;
    let refused = migrate::apply(&bench.settings, &many, &bench.random).await;
    assert!(
        matches!(refused, Err(MigrateError::Refused { .. })),
        "{refused:?}"
    );
    let mut elsewhere = bench.plan.clone();
    elsewhere.regions[0].data_centre = "dc9".to_owned();
    let refused = migrate::apply(&bench.settings, &elsewhere, &bench.random).await;
    assert!(matches!(refused, Err(MigrateError::NoNode(_))), "{refused:?}");
    assert!(!bench.migrator().status().await.unwrap().keyspace_exists);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_away_unasked_or_while_an_older_process_runs() {
    let bench = Bench::made().await;
    let keyspace = &bench.plan.keyspace;
    bench
        .execute(&format!(
            "INSERT INTO \"{keyspace}\".processes (name, role, version, knows, seen) \
             VALUES ('dbwriter-1', 'dbwriter', '0.1.0', 3, toTimestamp(now()))"
        ))
        .await;
    let mut newer = bench.small();
    for (name, text) in [
        (
            "0004_more.cql",
            "-- foxhold: expand\nALTER TABLE notes ADD colour text;",
        ),
        (
            "0005_less.cql",
            "-- foxhold: contract\nALTER TABLE notes DROP kind;",
        ),
        (
            "0006_other.cql",
            "-- foxhold: expand\nCREATE TABLE other (id int PRIMARY KEY);",
        ),
    ] {
        newer.files.push(Migration::read(name, text).unwrap());
    }
    let report = newer.apply().await.unwrap();
    assert_eq!(report.applied, ["0004 more"]);
    assert_eq!(report.held_back, ["0005 less", "0006 other"]);

    newer.contract = true;
    let refused = newer.apply().await;
    let Err(MigrateError::OlderProcesses { processes, .. }) = refused else {
        panic!("{refused:?}");
    };
    let older = (processes[0].name.as_str(), processes[0].knows);
    assert_eq!(older, ("dbwriter-1", 3));

    bench.execute(&format!("TRUNCATE \"{keyspace}\".processes")).await;
    assert_eq!(newer.apply().await.unwrap().applied, ["0005 less", "0006 other"]);

    let older = bench.small().status().await.unwrap();
    assert!(older.is_current(), "an older version has nothing to do");
    assert_eq!(older.newer.len(), 3);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_its_tier_needs_and_nothing_else() {
    let bench = Bench::new().await;
    let mut first = bench.migrator();
    first.roles = bench.roles();
    let shown = first.plan().await.unwrap();
    assert!(shown.iter().any(|step| step.cql.starts_with("CREATE ROLE")));
    assert!(shown.iter().all(|step| !step.cql.contains("it''s")), "{shown:?}");
    let report = first.apply().await.unwrap();
    assert!(report.roles.len() > 6, "{report:?}");

    let by = Deadline::after(LONG);
    let webhead = bench.role("webhead");
    within(LONG, "the webhead's role to be known", bench.let_in(&webhead))
        .await
        .unwrap();
    CassandraReader::connect(&webhead).await.unwrap();
    // What a webhead has no code for: somebody who took over its machine would write his own.
    let writing = bench.store(&webhead).await;
    let refused = writing.report_process("webhead-1", "webhead", "0.1.0", by).await;
    assert_eq!(refused, Err(WriteError::NotDone(Cause::NotPermitted)));

    let dbwriter = bench.role("dbwriter");
    let writing = bench.store(&dbwriter).await;
    writing
        .report_process("dbwriter-1", "dbwriter", "0.1.0", by)
        .await
        .unwrap();
    let more = Migration::read(
        &format!("{:04}_more.cql", Migration::all().len() + 1),
        "-- foxhold: expand\nALTER TABLE devices ADD colour text;",
    )
    .unwrap();
    for (role, may) in [("webhead", false), ("dbwriter", false), ("migrator", true)] {
        let settings = bench.role(role);
        let mut migrator = migrate::Migrator::new(&settings, &bench.plan, &bench.random);
        migrator.files.push(more.clone());
        let done = migrator.apply().await;
        let refused = matches!(done, Err(MigrateError::NotPermitted(_)));
        assert_eq!((done.is_ok(), refused), (may, !may), "{role}: {done:?}");
    }
    // It does not even see the other roles, so it must not be told to make them.
    let settings = bench.role("migrator");
    let mut with_roles = migrate::Migrator::new(&settings, &bench.plan, &bench.random);
    with_roles.roles = bench.roles();
    let applied = with_roles.apply().await;
    for refused in [with_roles.plan().await.err(), applied.err()] {
        assert!(
            matches!(refused, Some(MigrateError::NotPermitted(_))),
            "{refused:?}"
        );
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_brought_to_what_is_configured() {
    let bench = Bench::new().await;
    let mut migrator = bench.small();
    migrator.roles = bench.roles();
    migrator.apply().await.unwrap();
    assert_eq!(
        migrator.apply().await.unwrap().roles,
        [""; 0],
        "nothing is missing"
    );
    let name = bench.role_name("webhead");
    bench
        .execute(&format!(
            "GRANT MODIFY ON KEYSPACE \"{}\" TO \"{name}\"",
            bench.plan.keyspace
        ))
        .await;
    migrator.roles = Roles {
        webhead: Some(RoleLogin {
            name: name.clone(),
            password: SecretText::new("another".to_owned()),
        }),
        ..Roles::default()
    };
    // Cassandra lets nobody change a password twice within five seconds.
    let changed = async {
        while let Err(error) = migrator.apply().await {
            assert!(error.is_unavailable(), "{error:?}");
        }
    };
    within(LONG, "the password to be changed", changed).await.unwrap();
    let settings = bench.as_role(&name, "another");
    let mut as_webhead = migrate::Migrator::new(&settings, &bench.plan, &bench.random);
    as_webhead.files = migrator.files.clone();
    // What was known or granted before is remembered by the nodes for a moment.
    let refused = async {
        loop {
            match as_webhead.apply().await {
                Err(MigrateError::NotPermitted(_)) => return,
                other => assert!(!matches!(other, Err(MigrateError::Statement { .. })), "{other:?}"),
            }
        }
    };
    within(LONG, "the right to write to be gone", refused)
        .await
        .unwrap();
    bench.end().await;
}
