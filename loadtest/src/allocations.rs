//! First assignments on SQLite, each durable before it is answered, over a hundred nodes: the store's, beside SQLite alone,
//! which commits in groups what an assignment writes, and which commits the users' rows and nothing else.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use foxhold_core::{
    Clock, Deadline, OpId,
    record::{ClientState, Generation, ServiceKey, UserKey},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentWriter, Call,
    assignments::{NewNode, RecordRef, Target, UserValues},
};
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_sqlite::rusqlite::{Connection, TransactionBehavior, params};
use foxhold_store_sqlite::SqliteStore;
use foxhold_testkit::work_folder::WorkFolder;
use tokio::task::JoinSet;

use crate::{exchange::world, table, tally::Tally};

/// Nodes that users are spread over.
const NODES: u64 = 100;
/// Users of one commit of SQLite alone: as many as the store puts in one at most.
const GROUP: usize = 64;

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// New users at once.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    secs: u64,
    /// Measurements of each contender.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            at_once: 64,
            secs: 4,
            rounds: 5,
        }
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When SQLite or the store fails.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let work = WorkFolder::of("loadtest-allocations")?;
    let store = Arc::new(SqliteStore::open_writer(work.path().join("store.sqlite3"))?);
    world::fill(&*store).await?;
    add_nodes(&*store).await?;
    let numbers = Arc::new(AtomicU64::new(0));
    let span = Duration::from_secs(options.secs);
    let (mut rows_only, mut bare, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        table::progress(&format!("allocations: round {round} of {}", options.rounds));
        for (file, writes, rates) in [
            ("rows.sqlite3", Writes::Row, &mut rows_only),
            ("bare.sqlite3", Writes::Assignment, &mut bare),
        ] {
            let path = work.path().join(file);
            rates.push(tokio::task::spawn_blocking(move || bare_commits(&path, writes, span)).await??);
        }
        ours.push(allocations(&store, &numbers, options, span).await?);
    }
    let (rows_only, bare, ours) = (middle(rows_only)?, middle(bare)?, middle(ours)?);
    let row = |name: &str, per_sec: f64| {
        vec![
            name.to_owned(),
            format!("{per_sec:.0}"),
            format!("{:.2}", per_sec / bare),
        ]
    };
    let rows = vec![
        row("SQLite alone, the writes of 64 assignments a commit", bare),
        row("the store", ours),
        row(
            "SQLite alone, 64 users' rows a commit and nothing else",
            rows_only,
        ),
    ];
    let how = format!(
        "{} new users at once over {NODES} nodes, `synchronous=FULL`, middle of {} rounds of {} s.",
        options.at_once, options.rounds, options.secs
    );
    table::print(
        "First assignments on SQLite",
        &how,
        &["contender", "a second", "× SQLite"],
        &rows,
    )?;
    Ok(())
}

fn middle(mut rates: Vec<f64>) -> Result<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().context("no rounds")
}

async fn add_nodes(admin: &dyn AssignmentAdmin) -> Result<()> {
    for number in 1..NODES {
        let node = NewNode {
            service: ServiceKey("sync-1.5".to_owned()),
            url: format!("https://node-{number}.example"),
            node_type: None,
            pool: None,
            capacity: 10_000_000,
            available: 10_000_000,
        };
        admin.create_node(&call(), node).await?;
    }
    Ok(())
}

fn call() -> Call {
    Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: Deadline::after(Duration::from_secs(10)),
    }
}

/// What SQLite alone writes for a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// The record.
    Row,
    /// And the operation with its answer, the figures of a node, and the service's counter.
    Assignment,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS rows (user TEXT PRIMARY KEY, uid INTEGER UNIQUE, generation INTEGER, keys INTEGER,
        client_state BLOB, created_at INTEGER, node INTEGER, version INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS operations (op BLOB PRIMARY KEY, kind INTEGER, refusal INTEGER, answer BLOB) STRICT,
        WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS nodes (id INTEGER PRIMARY KEY, available INTEGER, load INTEGER) STRICT;
    CREATE TABLE IF NOT EXISTS services (key TEXT PRIMARY KEY, next INTEGER) STRICT;
    INSERT OR IGNORE INTO services VALUES ('sync-1.5', 1);";

/// Users a second in durable commits of [`GROUP`].
fn bare_commits(path: &Path, writes: Writes, span: Duration) -> Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLES)?;
    for node in 0..NODES.cast_signed() {
        connection.execute("INSERT OR IGNORE INTO nodes VALUES (?1, 0, 0)", [node])?;
    }
    let mut next: i64 = connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0))?;
    let (began, first) = (Instant::now(), next);
    while began.elapsed() < span {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for _ in 0..GROUP {
            next += 1;
            write(&transaction, writes, next)?;
        }
        transaction.commit()?;
    }
    Ok((next - first) as f64 / began.elapsed().as_secs_f64())
}

fn write(connection: &Connection, writes: Writes, number: i64) -> Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO rows VALUES (?1, ?2, ?3, ?3, ?4, ?3, ?5, 1)")?;
    let node = number % NODES.cast_signed();
    insert.execute(params![
        user(number.unsigned_abs()),
        number,
        number,
        [0_u8; 16],
        node
    ])?;
    if writes == Writes::Row {
        return Ok(());
    }
    let op = OpId::new(SystemClock.now(), &SystemRandom);
    connection
        .prepare_cached("INSERT INTO operations VALUES (?1, 12, 0, ?2)")?
        .execute(params![op.as_bytes(), [0_u8; 100]])?;
    connection
        .prepare_cached("UPDATE nodes SET load = load + 1, available = available - 1 WHERE id = ?1")?
        .execute([node])?;
    connection
        .prepare_cached("UPDATE services SET next = ?1 WHERE key = 'sync-1.5'")?
        .execute([number])?;
    Ok(())
}

fn user(number: u64) -> String {
    // Spread as uids are, so that the rows do not come in order.
    format!(
        "{:016x}{number:016x}@localhost",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

async fn allocations(
    store: &Arc<SqliteStore>,
    numbers: &Arc<AtomicU64>,
    options: &Options,
    span: Duration,
) -> Result<f64> {
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..options.at_once {
        let (store, numbers) = (Arc::clone(store), Arc::clone(numbers));
        loops.spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < span {
                let sent = Instant::now();
                assign(&store, numbers.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(finished) = loops.join_next().await {
        latencies.extend(finished??);
    }
    Ok(Tally::new(latencies, began.elapsed()).per_sec())
}

async fn assign(store: &SqliteStore, number: u64) -> Result<()> {
    let now = SystemClock.now();
    let at = RecordRef {
        service: ServiceKey("sync-1.5".to_owned()),
        user: UserKey(user(number)),
        version: None,
    };
    let values = UserValues {
        generation: Generation(now.as_millis()),
        keys_changed_at: None,
        client_state: ClientState::default(),
    };
    store.assign(&call(), &at, &values, &Target::DEFAULT, now).await?;
    Ok(())
}
