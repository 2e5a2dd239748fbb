//! Shows what is special about a file: what was answered survives a kill, what was not is whole or absent, damage is a
//! fault and never an absence, a reader in another process cannot write, and old rows go away in bounded steps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use foxhold_core::{
    OpId, Timestamp, Uid,
    record::{Account, AuthorizationCode, EmailKey},
};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentAdmin as _, AssignmentReader as _,
    AssignmentWriter as _, Cause, GrantReader as _, ReadError, Refusal, WriteError,
    accounts::SignIn,
    assignments::Target,
    conformance::fixtures::{Maker, node, service, soon, user, values},
};
use foxhold_sqlite::rusqlite::{self, Connection};
use foxhold_store_sqlite::{OpenError, SqliteReader, SqliteStore};
use tempfile::TempDir;

struct Files {
    dir: TempDir,
    path: PathBuf,
}

fn files() -> Files {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    Files { dir, path }
}

fn address(number: usize) -> String {
    format!("user{number}@example.test")
}

async fn sign_up(store: &SqliteStore, make: &Maker, address: &str) -> (Account, SignIn) {
    let account = make.account(address);
    let sign_in = make.sign_in(account.uid);
    let done = store
        .create_account(&make.call(), account.clone(), sign_in.clone())
        .await;
    assert_eq!(done, Ok(()));
    (account, sign_in)
}

fn sql(path: &Path, statement: &str) -> usize {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    db.execute(statement, []).unwrap()
}

/// The files as a `kill -9` at this moment leaves them: no checkpoint, no closing. The log may end after `log_len`
/// bytes, as after a power cut.
fn as_killed(files: &Files, to: &Path, log_len: Option<u64>) -> PathBuf {
    let path = to.join("store.db");
    fs::copy(&files.path, &path).unwrap();
    let log = to.join("store.db-wal");
    fs::copy(files.dir.path().join("store.db-wal"), &log).unwrap();
    if let Some(len) = log_len {
        fs::OpenOptions::new()
            .write(true)
            .open(log)
            .unwrap()
            .set_len(len)
            .unwrap();
    }
    path
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let (files, make) = (files(), Maker::new(1));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let (account, sign_in) = sign_up(&store, &make, "a@example.test").await;
    let copy = TempDir::new().unwrap();
    let path = as_killed(&files, copy.path(), None);

    let store = SqliteStore::open_writer(&path).unwrap();
    let reader = SqliteReader::open(&path, 1).unwrap();
    assert!(reader.account_by_email(soon(), &account.email_key).await == Ok(Some(account)));
    let session = reader.session(soon(), sign_in.session.id).await;
    assert_eq!(session, Ok(Some(sign_in.session)));
    sign_up(&store, &make, "b@example.test").await;
}

/// The log of many sign-ups and assignments is cut at many places: each account and each record is there as a whole
/// or not at all, and the figures fit.
#[tokio::test]
async fn a_log_that_breaks_off_anywhere_leaves_whole_intents() {
    const INTENTS: usize = 24;
    const CUTS: u64 = 40;
    let (files, make) = (files(), Maker::new(2));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let service = service("sync-1.5");
    store.put_service(&make.call(), service.clone()).await.unwrap();
    store
        .create_node(&make.call(), node(&service, "https://node.example", 100))
        .await
        .unwrap();
    let mut made = Vec::new();
    for number in 0..INTENTS {
        made.push(sign_up(&store, &make, &address(number)).await);
        let at = user(&service, number as u64, None);
        let now = make.now();
        store
            .assign(&make.call(), &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
            .await
            .unwrap();
    }
    let log_len = fs::metadata(files.dir.path().join("store.db-wal")).unwrap().len();
    let mut counts = Vec::new();
    for cut in 0..=CUTS {
        let copy = TempDir::new().unwrap();
        let path = as_killed(&files, copy.path(), Some(log_len * cut / CUTS));
        // Opening migrates again where even the schema was cut away.
        let _store = SqliteStore::open_writer(&path).unwrap();
        let reader = SqliteReader::open(&path, 1).unwrap();
        let mut count = 0;
        for (account, sign_in) in &made {
            let found = reader.account_by_email(soon(), &account.email_key).await.unwrap();
            let session = reader.session(soon(), sign_in.session.id).await.unwrap();
            assert_eq!(found.is_some(), session.is_some(), "cut {cut}");
            count += usize::from(found.is_some());
        }
        let mut records = 0;
        for number in 0..INTENTS as u64 {
            let user = user(&service, number, None).user;
            let record = reader.user_record(soon(), &service.key, &user).await.unwrap();
            records += u64::from(record.is_some());
        }
        let nodes = reader.nodes(soon(), &service.key).await.unwrap();
        let load: u64 = nodes.iter().map(|node| node.figures.current_load).sum();
        assert_eq!(load, records, "cut {cut}");
        counts.push(count);
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!((counts[0], counts[CUTS as usize]), (0, INTENTS));
    assert!(
        counts.iter().any(|count| (1..INTENTS).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test]
async fn an_operation_is_known_after_the_next_start() {
    let (files, make) = (files(), Maker::new(3));
    let service = service("sync-1.5");
    let (assign, verify) = (make.call(), make.call());
    let at = user(&service, 1, None);
    let nobody = Uid::from_bytes([7; 16]);
    let now = make.now();
    let (first, refused) = {
        let store = SqliteStore::open_writer(&files.path).unwrap();
        store.put_service(&make.call(), service.clone()).await.unwrap();
        let node = node(&service, "https://node.example", 10);
        store.create_node(&make.call(), node).await.unwrap();
        let first = store
            .assign(&assign, &at, &values(1, 0, b""), &Target::DEFAULT, now)
            .await;
        (first, store.verify_email(&verify, nobody).await)
    };
    assert!(first.is_ok());
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    assert_eq!(
        store
            .assign(&assign, &at, &values(1, 0, b""), &Target::DEFAULT, now)
            .await,
        first
    );
    assert_eq!(store.verify_email(&verify, nobody).await, refused);
    let reused = store.raise(&verify, &at, &values(1, 0, b"")).await;
    assert_eq!(reused, Err(Refusal::OperationReused.into()));
}

#[tokio::test]
async fn a_transaction_that_was_not_committed_leaves_nothing() {
    let (files, make) = (files(), Maker::new(4));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let (account, _) = sign_up(&store, &make, "a@example.test").await;
    {
        let mut other = Connection::open(&files.path).unwrap();
        let transaction = other.transaction().unwrap();
        transaction
            .execute("UPDATE accounts SET email_verified = 1", [])
            .unwrap();
        transaction.execute("DELETE FROM sessions", []).unwrap();
        // Dropped here, as by a writer that dies.
    }
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    assert!(reader.account(soon(), account.uid).await == Ok(Some(account.clone())));
    assert_eq!(reader.sessions(soon(), account.uid).await.unwrap().len(), 1);
}

/// While somebody else holds the file, an intent waits its bounded time and then was not done; afterwards it goes on.
#[tokio::test]
async fn a_file_that_stays_locked_is_not_done() {
    let (files, make) = (files(), Maker::new(5));
    let mut config = SqliteStore::config(&files.path);
    config.busy_wait = Duration::from_millis(20);
    let store = SqliteStore::open_with(config).unwrap();
    let account = make.account("a@example.test");
    let (call, sign_in) = (make.call(), make.sign_in(account.uid));
    let other = Connection::open(&files.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let create = || store.create_account(&call, account.clone(), sign_in.clone());
    assert_eq!(create().await, Err(WriteError::NotDone(Cause::Unavailable)));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(create().await, Ok(()));
}

/// Each statement damages a sound store in one way; what can be read of the account must be a fault, or a contradiction
/// where every row is sound by itself (`security.md` D.2).
#[tokio::test]
async fn damage_is_a_fault_and_never_an_absence() {
    let by_address = [
        (
            "the account is gone",
            "UPDATE email_claims SET uid = zeroblob(16)",
            Cause::Inconsistent,
        ),
        (
            "another address",
            "UPDATE accounts SET email_key = 'b@example.test'",
            Cause::Inconsistent,
        ),
        (
            "secrets of an unknown format",
            "UPDATE accounts SET credentials = x'ff'",
            Cause::Fault,
        ),
        (
            "secrets cut off",
            "UPDATE accounts SET credentials = substr(credentials, 1, 100)",
            Cause::Fault,
        ),
        (
            "a negative time",
            "UPDATE accounts SET created_at_ms = -1",
            Cause::Fault,
        ),
        (
            "a negative version",
            "UPDATE accounts SET version = -1",
            Cause::Fault,
        ),
    ];
    for (name, damage, cause) in by_address {
        let (files, make) = (files(), Maker::new(6));
        let store = SqliteStore::open_writer(&files.path).unwrap();
        let (account, _) = sign_up(&store, &make, "a@example.test").await;
        assert_eq!(sql(&files.path, damage), 1, "{name}");
        let reader = SqliteReader::open(&files.path, 1).unwrap();
        let found = reader.account_by_email(soon(), &account.email_key).await;
        assert!(found == Err(ReadError(cause)), "{name}: {found:?}");

        // And nobody gets a second account under that address.
        let second = make.account("a@example.test");
        let sign_in = make.sign_in(second.uid);
        let answer = store.create_account(&make.call(), second.clone(), sign_in).await;
        assert_eq!(answer, Err(WriteError::NotDone(cause)), "{name}");
        assert!(reader.account(soon(), second.uid).await == Ok(None), "{name}");
    }
}

#[tokio::test]
async fn a_damaged_record_is_a_fault() {
    let cases = [
        ("no uid", "UPDATE user_records SET uid = 0"),
        (
            "client state too long",
            "UPDATE user_records SET client_state = zeroblob(17)",
        ),
        (
            "old client states cut off",
            "UPDATE user_records SET old_client_states = x'010403'",
        ),
        (
            "old client states of an unknown format",
            "UPDATE user_records SET old_client_states = x'02'",
        ),
        ("negative generation", "UPDATE user_records SET generation = -1"),
        ("no uid in the past", "UPDATE past_records SET uid = 0"),
        (
            "negative time in the past",
            "UPDATE past_records SET replaced_at_ms = -1",
        ),
    ];
    for (name, damage) in cases {
        let (files, make, service) = (files(), Maker::new(7), service("sync-1.5"));
        let store = SqliteStore::open_writer(&files.path).unwrap();
        store.put_service(&make.call(), service.clone()).await.unwrap();
        let new = node(&service, "https://node.example", 10);
        store.create_node(&make.call(), new).await.unwrap();
        let (mut at, now) = (user(&service, 1, None), make.now());
        let first = store
            .assign(&make.call(), &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
            .await;
        at.version = first.ok().map(|record| record.version);
        let second = store.rekey(&make.call(), &at, &values(2, 2, b"b"), now).await;
        assert_eq!(second.unwrap().past.len(), 1);
        assert_eq!(sql(&files.path, damage), 1, "{name}");
        let reader = SqliteReader::open(&files.path, 1).unwrap();
        let found = reader.user_record(soon(), &at.service, &at.user).await;
        assert_eq!(found, Err(ReadError(Cause::Fault)), "{name}");
        let page = reader.records(soon(), &at.service, None, 10).await;
        assert_eq!(page, Err(ReadError(Cause::Fault)), "{name}");
    }
}

#[tokio::test]
async fn a_pending_claim_is_no_account() {
    let (files, make) = (files(), Maker::new(8));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let pending =
        "INSERT INTO email_claims (email_key, uid, state) VALUES ('a@example.test', zeroblob(16), 0)";
    sql(&files.path, pending);
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    let key = EmailKey::from_normalized("a@example.test".into());
    assert!(reader.account_by_email(soon(), &key).await == Ok(None));
    let (account, _) = sign_up(&store, &make, "a@example.test").await;
    assert!(reader.account_by_email(soon(), &key).await == Ok(Some(account)));
}

/// `tokenserver.md` 5, a record whose node is gone, or that was replaced: only a new assignment may follow.
#[tokio::test]
async fn a_record_without_its_node_needs_a_new_assignment() {
    for gone in [
        "DELETE FROM nodes WHERE url = 'https://first.example'",
        "UPDATE user_records SET replaced_at_ms = 5",
    ] {
        let (files, make, service) = (files(), Maker::new(9), service("sync-1.5"));
        let store = SqliteStore::open_writer(&files.path).unwrap();
        let reader = SqliteReader::open(&files.path, 1).unwrap();
        store.put_service(&make.call(), service.clone()).await.unwrap();
        let first = node(&service, "https://first.example", 1);
        store.create_node(&make.call(), first).await.unwrap();
        let (mut at, now) = (user(&service, 1, None), make.now());
        let before = store
            .assign(&make.call(), &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
            .await
            .unwrap();
        let second = node(&service, "https://second.example", 1);
        store.create_node(&make.call(), second).await.unwrap();
        assert_eq!(sql(&files.path, gone), 1);

        let read = reader
            .user_record(soon(), &at.service, &at.user)
            .await
            .unwrap()
            .unwrap();
        assert!(read.current.node.is_none() || read.current.replaced_at.is_some());
        at.version = Some(read.version);
        let (same, changed) = (values(2, 2, b"a"), values(2, 2, b"b"));
        let conflict = Err(Refusal::Conflict.into());
        let raised = store.raise(&make.call(), &at, &same).await.unwrap();
        at.version = Some(raised.version);
        assert_eq!(store.rekey(&make.call(), &at, &changed, now).await, conflict);
        let after = store
            .assign(&make.call(), &at, &same, &Target::DEFAULT, now)
            .await
            .unwrap();
        assert_eq!(after.current.node.as_deref(), Some("https://second.example"));
        assert_ne!(after.current.uid, before.current.uid);
        assert_eq!(after.current.replaced_at, None);
    }
}

/// As after a counter was put back by hand, or came from another backup than the records.
#[tokio::test]
async fn a_uid_handed_out_twice_is_a_fault_and_costs_nobody_the_record() {
    let (files, make, service) = (files(), Maker::new(15), service("sync-1.5"));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    store.put_service(&make.call(), service.clone()).await.unwrap();
    let node = node(&service, "https://node.example", 10);
    store.create_node(&make.call(), node).await.unwrap();
    let (one, other) = (user(&service, 1, None), user(&service, 2, None));
    let assign = async |at| {
        store
            .assign(
                &make.call(),
                at,
                &values(1, 1, b"a"),
                &Target::DEFAULT,
                make.now(),
            )
            .await
    };
    let record = assign(&one).await.unwrap();
    assert_eq!(sql(&files.path, "UPDATE services SET next_uid = 1"), 1);

    assert_eq!(assign(&other).await, Err(WriteError::NotDone(Cause::Fault)));
    let kept = reader.user_record(soon(), &one.service, &one.user).await;
    assert_eq!(kept, Ok(Some(record)));
    let none = reader.user_record(soon(), &other.service, &other.user).await;
    assert_eq!(none, Ok(None));
}

#[tokio::test]
async fn replaced_records_are_kept_for_the_purge() {
    let (files, make, service) = (files(), Maker::new(10), service("sync-1.5"));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    store.put_service(&make.call(), service.clone()).await.unwrap();
    store
        .create_node(&make.call(), node(&service, "https://node.example", 10))
        .await
        .unwrap();
    let at = user(&service, 1, None);
    let first = store
        .assign(
            &make.call(),
            &at,
            &values(1, 1, b"a"),
            &Target::DEFAULT,
            make.now(),
        )
        .await
        .unwrap();
    let at = user(&service, 1, Some(first.version));
    let now = make.now();
    store
        .rekey(&make.call(), &at, &values(2, 2, b"b"), now)
        .await
        .unwrap();
    let past = Connection::open(&files.path).unwrap().query_row(
        "SELECT uid, client_state, replaced_at_ms, node FROM past_records",
        [],
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))
        },
    );
    let expected = (
        first.current.uid.get() as i64,
        b"a".to_vec(),
        now.as_millis() as i64,
        1,
    );
    assert_eq!(past.unwrap(), expected);
}

/// A pool of readers as a webhead has it: it comes after the writer, in its own connections, and can change nothing.
#[tokio::test]
async fn a_reader_needs_a_file_that_a_writer_has_made() {
    let files = files();
    assert!(matches!(
        SqliteReader::open(&files.path, 1),
        Err(OpenError::Sqlite { .. })
    ));
    assert!(!files.path.exists(), "a reader makes no file");
    drop(Connection::open(&files.path).unwrap());
    assert!(matches!(
        SqliteReader::open(&files.path, 1),
        Err(OpenError::NotMigrated { .. })
    ));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    let (account, _) = sign_up(&store, &Maker::new(11), "a@example.test").await;
    assert!(reader.account(soon(), account.uid).await == Ok(Some(account)));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (files, make) = (files(), Maker::new(12));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    sign_up(&store, &make, "a@example.test").await;
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = fs::metadata(files.dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn old_operations_and_codes_are_pruned_in_steps() {
    const OLD: u64 = 600;
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    let (files, make) = (files(), Maker::new(13));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    let (account, sign_in) = sign_up(&store, &make, "a@example.test").await;
    let mut old = make.code(account.uid, sign_in.session.id);
    let mut fresh = make.code(account.uid, sign_in.session.id);
    let now = make.now().plus(Duration::from_secs(86_400));
    old.created_at = now.minus(Duration::from_secs(901));
    fresh.created_at = now.minus(Duration::from_secs(899));
    let traded = [3599, 3601].map(|secs| AuthorizationCode {
        created_at: now.minus(Duration::from_secs(secs)),
        ..make.code(account.uid, sign_in.session.id)
    });
    for code in [&old, &fresh, &traded[0], &traded[1]] {
        store
            .put_authorization_code(&make.call(), code.clone())
            .await
            .unwrap();
    }
    for code in &traded {
        let spent = store.consume_authorization_code(&make.call(), code.id).await;
        spent.unwrap();
    }
    insert_operations(&files.path, now.minus(WEEK).minus(Duration::from_millis(1)), OLD);
    insert_operations(&files.path, now.minus(WEEK), 1);
    let count = || -> i64 {
        let db = Connection::open(&files.path).unwrap();
        db.query_row("SELECT count(*) FROM operations", [], |row| row.get(0))
            .unwrap()
    };
    let before = count();

    let step = store.prune(soon(), now).await.unwrap();
    assert_eq!(
        (step.operations, step.authorization_codes, step.is_full_step()),
        (500, 2, true)
    );
    assert_eq!(reader.authorization_code(soon(), old.id).await, Ok(None));
    let known = |code: &AuthorizationCode| reader.spent_code(soon(), code.id);
    assert!(known(&traded[0]).await.unwrap().is_some());
    assert_eq!(known(&traded[1]).await, Ok(None));
    assert_eq!(reader.authorization_code(soon(), fresh.id).await, Ok(Some(fresh)));
    let step = store.prune(soon(), now).await.unwrap();
    assert_eq!(
        (step.operations, step.authorization_codes, step.is_full_step()),
        (100, 0, false)
    );
    assert_eq!(count(), before - OLD as i64);
}

#[tokio::test]
async fn sessions_that_have_run_out_and_old_key_fetch_tokens_are_pruned() {
    const DAY: Duration = Duration::from_secs(86_400);
    const LATER: Duration = Duration::from_millis(1);
    let (files, make) = (files(), Maker::new(21));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    let (account, first) = sign_up(&store, &make, "a@example.test").await;
    let (uid, now) = (account.uid, make.now().plus(DAY * 100));
    // How old; whether the session is left, and its key-fetch token.
    let table = [
        (DAY * 60, true, false),
        (DAY * 29 + LATER, false, false),
        (DAY * 29, true, false),
        (DAY * 28 + LATER, true, false),
        (DAY * 28, true, true),
    ];
    let opened = table.map(|(age, ..)| {
        let mut sign_in = make.sign_in(uid);
        sign_in.key_fetches.truncate(1);
        sign_in.session.created_at = now.minus(age);
        sign_in.key_fetches[0].created_at = now.minus(age);
        sign_in
    });
    for sign_in in &opened {
        store.open_session(&make.call(), sign_in.clone()).await.unwrap();
    }
    let device = make.device(uid, opened[0].session.id);
    store.put_device(&make.call(), device).await.unwrap();

    let step = store.prune(soon(), now).await.unwrap();
    // What came with the account is a hundred days old: a session and two tokens.
    assert_eq!((step.sessions, step.key_fetches), (1 + 1, 2 + 4));
    assert_eq!(reader.session(soon(), first.session.id).await, Ok(None));
    for ((age, session, key_fetch), sign_in) in table.into_iter().zip(opened) {
        let found = reader.session(soon(), sign_in.session.id).await.unwrap();
        assert_eq!(found.is_some(), session, "{age:?}");
        let found = reader.key_fetch(soon(), sign_in.key_fetches[0].id).await.unwrap();
        assert_eq!(found.is_some(), key_fetch, "{age:?}");
    }
    let step = store.prune(soon(), now).await.unwrap();
    assert_eq!((step.sessions, step.key_fetches), (0, 0));
}

/// Outcomes of intents made at `time`.
fn insert_operations(path: &Path, time: Timestamp, count: u64) {
    let make = Maker::new(time.as_millis());
    let mut db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    let transaction = db.transaction().unwrap();
    for _ in 0..count {
        let mut op = *make.call().op.as_bytes();
        op[..6].copy_from_slice(&time.as_millis().to_be_bytes()[2..]);
        let insert = "INSERT INTO operations (op, kind, refusal) VALUES (?1, 4, 0)";
        transaction
            .execute(insert, [OpId::from_bytes(op).as_bytes()])
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// `user_record` is the hot path: one statement, found by primary key, no scan and no temporary tree. A page of users is
/// found where it begins.
#[test]
fn a_returning_user_costs_one_search_by_key() {
    let files = files();
    drop(SqliteStore::open_writer(&files.path).unwrap());
    let db = Connection::open(&files.path).unwrap();
    let source = include_str!("../src/assignments/user.rs");
    let plan = |beginning: &str, params: &[&str]| -> Vec<String> {
        let start = source.find(beginning).unwrap() + 1;
        let end = start + source[start..].find("\";").unwrap();
        db.prepare(&format!("EXPLAIN QUERY PLAN {}", &source[start..end]))
            .unwrap()
            .query_map(rusqlite::params_from_iter(params), |row| row.get(3))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap()
    };
    // The user, the node, the past, and its nodes.
    let user = plan("\"SELECT u.", &["s", "u"]);
    assert_eq!(user.len(), 4, "{user:?}");
    assert!(user.iter().all(|step| step.starts_with("SEARCH")), "{user:?}");
    let page = plan("\"SELECT user_key", &["s", "u", "10"]);
    assert_eq!(page.len(), 1, "{page:?}");
    assert!(page[0].contains("USING PRIMARY KEY"), "{page:?}");
}

#[tokio::test]
async fn a_number_too_large_for_the_store_writes_nothing() {
    let (files, make) = (files(), Maker::new(14));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let mut account = make.account("a@example.test");
    account.keys_changed_at = Timestamp::from_millis(u64::MAX);
    let (sign_in, call) = (make.sign_in(account.uid), make.call());
    let answer = store.create_account(&call, account.clone(), sign_in).await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Fault)));
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    assert!(reader.account(soon(), account.uid).await == Ok(None));
    assert!(reader.account_by_email(soon(), &account.email_key).await == Ok(None));
}

#[tokio::test]
async fn a_probe_reaches_the_disk_and_changes_nothing() {
    let files = files();
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let log = files.path.with_extension("db-wal");
    let version = |path: &Path| -> i64 {
        let db = Connection::open(path).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let before = (version(&files.path), fs::metadata(&log).unwrap().len());
    assert_eq!(store.probe(soon()).await, Ok(()));
    assert!(
        fs::metadata(&log).unwrap().len() > before.1,
        "nothing was written"
    );
    assert_eq!(version(&files.path), before.0);
    store.close();
    assert_eq!(
        store.probe(soon()).await,
        Err(WriteError::NotDone(Cause::Unavailable))
    );
}
