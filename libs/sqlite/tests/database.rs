//! Shows, over real files, what the crate promises: grouped commits, isolation of each job, honest errors,
//! turns between writers of one file, readers that see one snapshot and write nothing, durability of what was answered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    task::Poll,
    time::Duration,
};

use foxhold_core::Deadline;
use foxhold_sqlite::{
    OpenError, ReadError, Readers, ReadersConfig, Schema, SubmitError, Writer, WriterConfig,
    rusqlite::{self, Connection},
};
use futures_util::future::join_all;
use tempfile::TempDir;

static NUMBERS: Schema = Schema {
    name: "numbers",
    migrations: &["CREATE TABLE n (value INTEGER PRIMARY KEY)"],
};
static NUMBERS_2: Schema = Schema {
    name: "numbers",
    migrations: &[
        "CREATE TABLE n (value INTEGER PRIMARY KEY)",
        "ALTER TABLE n ADD COLUMN note TEXT",
    ],
};

/// As [`NUMBERS_2`], by other scripts.
static OTHERS_2: Schema = Schema {
    name: "numbers",
    migrations: &[
        "CREATE TABLE n (value INTEGER PRIMARY KEY, other TEXT)",
        "ALTER TABLE n ADD COLUMN note TEXT",
    ],
};

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn start(dir: &TempDir) -> Writer {
    Writer::start(WriterConfig::new(dir.path().join("n.db"), &NUMBERS)).unwrap()
}

fn insert(value: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<i64> + Send + 'static {
    move |connection| {
        connection.execute("INSERT INTO n (value) VALUES (?1)", [value])?;
        Ok(value)
    }
}

fn values(path: &Path) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT value FROM n ORDER BY value").unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

/// Holds the writer inside a job until told to go on, so that a queue forms behind it.
fn gate() -> (
    SyncSender<()>,
    Receiver<()>,
    impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
) {
    let (go, wait) = sync_channel::<()>(1);
    let (entered, seen) = sync_channel(1);
    let job = move |_: &Connection| {
        entered.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    };
    (go, seen, job)
}

#[tokio::test]
async fn jobs_that_wait_share_one_commit() {
    let dir = TempDir::new().unwrap();
    // A slow machine must not end a group early.
    let span = Duration::from_secs(60);
    let config = WriterConfig {
        group_span_max: span,
        ..WriterConfig::new(dir.path().join("n.db"), &NUMBERS)
    };
    let writer = Arc::new(Writer::start(config).unwrap());
    let (go, seen, job) = gate();
    let blocked = tokio::spawn({
        let writer = Arc::clone(&writer);
        async move { writer.submit(soon(), job).await }
    });
    tokio::task::spawn_blocking(move || seen.recv().unwrap())
        .await
        .unwrap();
    let mut jobs: Vec<_> = (0..50)
        .map(|value| Box::pin(writer.submit(soon(), insert(value))))
        .collect();
    for job in &mut jobs {
        // Polled once, a job is in the queue.
        assert!(futures_util::poll!(job.as_mut()).is_pending());
    }
    go.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    for (expected, answer) in (0..).zip(join_all(jobs).await) {
        assert_eq!(answer, Ok(expected));
    }
    let stats = writer.stats();
    assert_eq!((stats.jobs, stats.commits, stats.failed_groups), (51, 1, 0));
    assert_eq!(values(&dir.path().join("n.db")).len(), 50);
}

#[tokio::test]
async fn an_error_undoes_its_own_job_only() {
    let dir = TempDir::new().unwrap();
    let writer = start(&dir);
    let refuse = |connection: &Connection| -> Result<(), &'static str> {
        connection
            .execute("INSERT INTO n (value) VALUES (7)", [])
            .unwrap();
        Err("no")
    };
    let panic = |connection: &Connection| -> Result<(), ()> {
        connection
            .execute("INSERT INTO n (value) VALUES (8)", [])
            .unwrap();
        panic!("a job that panics, on purpose")
    };
    let (one, refused, panicked, two) = tokio::join!(
        writer.submit(soon(), insert(1)),
        writer.submit(soon(), refuse),
        writer.submit(soon(), panic),
        writer.submit(soon(), insert(2)),
    );
    assert_eq!((one, two), (Ok(1), Ok(2)));
    assert_eq!(refused, Err(SubmitError::Job("no")));
    assert_eq!(panicked, Err(SubmitError::NotDone("the job panicked".into())));
    assert_eq!(values(&dir.path().join("n.db")), [1, 2]);
}

#[tokio::test]
async fn an_observer_that_panics_costs_nobody_an_answer() {
    let dir = TempDir::new().unwrap();
    let config = WriterConfig {
        observe: Some(Arc::new(|_| panic!("an observer that panics, on purpose"))),
        ..WriterConfig::new(dir.path().join("n.db"), &NUMBERS)
    };
    let writer = Writer::start(config).unwrap();
    for value in [1, 2] {
        assert_eq!(writer.submit(soon(), insert(value)).await, Ok(value));
    }
    assert_eq!(values(&dir.path().join("n.db")), [1, 2]);
}

#[tokio::test]
async fn a_job_past_its_deadline_is_not_begun() {
    let dir = TempDir::new().unwrap();
    let writer = start(&dir);
    let late = writer.submit(Deadline::after(Duration::ZERO), insert(1)).await;
    assert_eq!(late, Err(SubmitError::DeadlinePassed));
    assert!(values(&dir.path().join("n.db")).is_empty());
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let dir = TempDir::new().unwrap();
    let config = WriterConfig {
        queue_jobs_max: 1,
        ..WriterConfig::new(dir.path().join("n.db"), &NUMBERS)
    };
    let writer = Writer::start(config).unwrap();
    let (go, seen, job) = gate();
    let mut blocked = Box::pin(writer.submit(soon(), job));
    assert!(futures_util::poll!(blocked.as_mut()).is_pending());
    seen.recv().unwrap();
    let mut waiting = Box::pin(writer.submit(soon(), insert(1)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    assert_eq!(
        writer.submit(soon(), insert(2)).await,
        Err(SubmitError::Overloaded)
    );
    go.send(()).unwrap();
    assert_eq!((blocked.await, waiting.await), (Ok(()), Ok(1)));
}

#[tokio::test]
async fn a_commit_that_violates_a_deferred_constraint_is_told_to_the_whole_group_as_not_done() {
    static FAMILY: Schema = Schema {
        name: "family",
        migrations: &[
            "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE n (value INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        ],
    };
    let dir = TempDir::new().unwrap();
    let writer = Writer::start(WriterConfig::new(dir.path().join("n.db"), &FAMILY)).unwrap();
    let orphan = |connection: &Connection| connection.execute("INSERT INTO n VALUES (1, 99)", []);
    let answer = writer.submit(soon(), orphan).await;
    assert!(matches!(answer, Err(SubmitError::NotDone(_))), "{answer:?}");
    assert_eq!(writer.submit(soon(), insert(2)).await, Ok(2));
    assert_eq!(values(&dir.path().join("n.db")), [2]);
    assert_eq!(writer.stats().failed_groups, 1);
}

#[tokio::test]
async fn what_was_answered_is_found_after_a_crash_and_what_was_not_committed_is_gone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("n.db");
    let writer = start(&dir);
    assert_eq!(writer.submit(soon(), insert(1)).await, Ok(1));
    let (go, seen, job) = gate();
    let half = move |connection: &Connection| {
        insert(2)(connection)?;
        job(connection)
    };
    let mut blocked = Box::pin(writer.submit(soon(), half));
    assert!(futures_util::poll!(blocked.as_mut()).is_pending());
    seen.recv().unwrap();
    // The files as a crash would leave them now: the first write answered, the second in the middle.
    let after = TempDir::new().unwrap();
    for file in ["n.db", "n.db-wal"] {
        std::fs::copy(dir.path().join(file), after.path().join(file)).unwrap();
    }
    assert_eq!(values(&after.path().join("n.db")), [1]);
    go.send(()).unwrap();
    assert_eq!(blocked.await, Ok(()));
    assert_eq!(values(&path), [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_file_take_turns() {
    let dir = TempDir::new().unwrap();
    let writers = [Arc::new(start(&dir)), Arc::new(start(&dir))];
    let jobs = (0..200).map(|value| {
        let writer = Arc::clone(&writers[value as usize % 2]);
        tokio::spawn(async move { writer.submit(soon(), insert(value)).await })
    });
    for answer in join_all(jobs.collect::<Vec<_>>()).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(values(&dir.path().join("n.db")), (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_not_done_in_bounded_time() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("n.db");
    let config = WriterConfig {
        busy_wait: Duration::from_millis(20),
        ..WriterConfig::new(&path, &NUMBERS)
    };
    let writer = Writer::start(config).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = writer.submit(soon(), insert(1)).await;
    assert!(matches!(answer, Err(SubmitError::NotDone(_))), "{answer:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.submit(soon(), insert(1)).await, Ok(1));
}

#[test]
fn closing_finishes_what_waits_and_needs_no_runtime() {
    let dir = TempDir::new().unwrap();
    let writer = start(&dir);
    let answers = futures_util::FutureExt::now_or_never(async {
        let mut job = Box::pin(writer.submit(soon(), insert(1)));
        // Polled once, the job is in the queue, or done already.
        let polled = futures_util::poll!(job.as_mut());
        writer.close();
        let answer = match polled {
            Poll::Ready(answer) => answer,
            Poll::Pending => job.await,
        };
        (answer, writer.submit(soon(), insert(2)).await)
    });
    assert_eq!(answers, Some((Ok(1), Err(SubmitError::Closed))));
    assert_eq!(values(&dir.path().join("n.db")), [1]);
}

#[test]
fn migrations_run_once_in_order_and_a_newer_file_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("n.db");
    drop(start(&dir));
    let not_migrated = Readers::open(&ReadersConfig::new(&path, &NUMBERS_2))
        .err()
        .unwrap();
    assert!(
        matches!(
            not_migrated,
            OpenError::NotMigrated {
                found: 1,
                known: 2,
                ..
            }
        ),
        "{not_migrated}"
    );
    drop(Writer::start(WriterConfig::new(&path, &NUMBERS_2)).unwrap());
    drop(Writer::start(WriterConfig::new(&path, &NUMBERS_2)).unwrap());
    for newer in [
        Writer::start(WriterConfig::new(&path, &NUMBERS)).err().unwrap(),
        Readers::open(&ReadersConfig::new(&path, &NUMBERS)).err().unwrap(),
    ] {
        assert!(
            matches!(
                newer,
                OpenError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{newer}"
        );
        assert!(newer.to_string().contains("numbers"));
    }
}

#[test]
fn a_file_that_other_scripts_made_is_refused_by_name() {
    for made in [&NUMBERS, &NUMBERS_2] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("n.db");
        drop(Writer::start(WriterConfig::new(&path, made)).unwrap());
        let refused = Writer::start(WriterConfig::new(&path, &OTHERS_2)).err();
        let refused = refused.expect("the scripts are others");
        let found = made.version();
        assert!(
            matches!(refused, OpenError::OtherBuild { found: version, .. } if version == found),
            "{refused}"
        );
        assert!(refused.to_string().contains("numbers"));
        drop(Writer::start(WriterConfig::new(&path, made)).unwrap());
    }
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("n.db");
    drop(start(&dir));
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "application_id", 0).unwrap();
    drop(db);
    let unmarked = Readers::open(&ReadersConfig::new(&path, &NUMBERS)).err();
    assert!(matches!(unmarked, Some(OpenError::OtherBuild { .. })));
}

#[test]
fn a_reader_does_not_create_the_file() {
    let dir = TempDir::new().unwrap();
    let missing = Readers::open(&ReadersConfig::new(dir.path().join("n.db"), &NUMBERS));
    assert!(matches!(missing.err().unwrap(), OpenError::Sqlite { .. }));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM n", [], |row| row.get(0))
}

#[tokio::test]
async fn one_read_sees_one_snapshot_and_cannot_write() {
    let dir = TempDir::new().unwrap();
    let writer = start(&dir);
    let readers = Readers::open(&ReadersConfig::new(dir.path().join("n.db"), &NUMBERS)).unwrap();
    let (go, wait) = sync_channel::<()>(1);
    let (entered, seen) = sync_channel(1);
    let twice = move |connection: &Connection| -> rusqlite::Result<(i64, i64)> {
        let before = count(connection)?;
        entered.send(()).unwrap();
        wait.recv().unwrap();
        Ok((before, count(connection)?))
    };
    let mut reading = Box::pin(readers.read(soon(), twice));
    assert!(futures_util::poll!(reading.as_mut()).is_pending());
    seen.recv().unwrap();
    assert_eq!(writer.submit(soon(), insert(1)).await, Ok(1));
    go.send(()).unwrap();
    assert_eq!(reading.await, Ok((0, 0)));
    assert_eq!(readers.read(soon(), count).await, Ok(1));
    let write = readers.read(soon(), insert(2)).await;
    assert!(matches!(write, Err(ReadError::Read(_))), "{write:?}");
}

#[tokio::test]
async fn a_read_ends_at_its_deadline_and_a_panic_spares_the_connection() {
    let dir = TempDir::new().unwrap();
    let _writer = start(&dir);
    let config = ReadersConfig {
        connections: 1,
        ..ReadersConfig::new(dir.path().join("n.db"), &NUMBERS)
    };
    let readers = Readers::open(&config).unwrap();
    let endless = |connection: &Connection| -> rusqlite::Result<i64> {
        let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
        connection.query_row(sql, [], |row| row.get(0))
    };
    let by = Deadline::after(Duration::from_millis(30));
    assert_eq!(readers.read(by, endless).await, Err(ReadError::DeadlinePassed));
    let panic = |_: &Connection| -> rusqlite::Result<()> { panic!("a read that panics, on purpose") };
    assert!(matches!(
        readers.read(soon(), panic).await,
        Err(ReadError::Failed(_))
    ));
    assert_eq!(readers.read(soon(), count).await, Ok(0));
    readers.close();
    assert_eq!(readers.read(soon(), count).await, Err(ReadError::Closed));
}

#[tokio::test]
async fn a_statement_is_prepared_once_whatever_values_it_gets() {
    static WORDS: Schema = Schema {
        name: "words",
        migrations: &[
            "CREATE TABLE w (a TEXT NOT NULL, b TEXT NOT NULL, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
                       CREATE UNIQUE INDEX w_by_c ON w (a, c);
                       CREATE TABLE v (id INTEGER PRIMARY KEY, t TEXT);",
        ],
    };
    // The planner would like to know the values here (outer join), and SQLite would plan again for each.
    const SELECT: &str = "SELECT c, t FROM w LEFT JOIN v ON v.id = w.c WHERE a = ?1 AND b = ?2";
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("w.db");
    let _writer = Writer::start(WriterConfig::new(&path, &WORDS)).unwrap();
    let readers = Readers::open(&ReadersConfig {
        connections: 1,
        ..ReadersConfig::new(&path, &WORDS)
    })
    .unwrap();
    let read = |connection: &Connection| {
        let mut again = 0;
        for word in ["x", "y", "z"] {
            let mut statement = connection.prepare_cached(SELECT)?;
            assert!(!statement.exists(["a", word])?);
            again = statement.get_status(rusqlite::StatementStatus::RePrepare);
        }
        Ok::<_, rusqlite::Error>(again)
    };
    assert_eq!(readers.read(soon(), read).await.unwrap(), 0);
}

#[test]
fn writers_that_start_together_on_a_new_file_all_start() {
    for _ in 0..20 {
        let dir = TempDir::new().unwrap();
        let started = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        // Whoever comes last waits for seven others, on a slow disk as well.
                        let config = WriterConfig {
                            busy_wait: Duration::from_secs(120),
                            ..WriterConfig::new(dir.path().join("n.db"), &NUMBERS_2)
                        };
                        Writer::start(config).map(|writer| writer.close())
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        for result in started {
            assert!(result.is_ok(), "{:?}", result.err());
        }
    }
}
