//! Shows what is special about passwords in a file: a new one is there whole or not at all after a kill, a file from before
//! there were password tokens takes them, damage is a fault, and old tokens go away in bounded steps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use foxhold_core::record::{Account, PasswordToken, PasswordTokenKind};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, Cause, ReadError, WriteError, accounts,
    accounts::SignIn,
    conformance::fixtures::{Maker, soon},
};
use foxhold_sqlite::{
    Schema, Writer, WriterConfig,
    rusqlite::{self, Connection, params},
};
use foxhold_store_sqlite::{SCHEMA, SqliteReader, SqliteStore};
use tempfile::TempDir;

/// The schema before there were password tokens.
static BEFORE: Schema = Schema {
    name: "store",
    migrations: SCHEMA.migrations.split_at(4).0,
};

struct Files {
    dir: TempDir,
    path: PathBuf,
}

fn files() -> Files {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    Files { dir, path }
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

async fn given_token(
    store: &SqliteStore,
    make: &Maker,
    account: &Account,
    kind: PasswordTokenKind,
) -> PasswordToken {
    let token = make.password_token(account, kind);
    let put = store.put_password_token(&make.call(), token.clone(), None).await;
    assert_eq!(put, Ok(()));
    token
}

/// The files as a power cut leaves them, with the log cut off after so many bytes.
fn as_cut(files: &Files, to: &Path, log_len: u64) -> PathBuf {
    let path = to.join("store.db");
    fs::copy(&files.path, &path).unwrap();
    let log = to.join("store.db-wal");
    fs::copy(files.dir.path().join("store.db-wal"), &log).unwrap();
    let log = fs::OpenOptions::new().write(true).open(log).unwrap();
    log.set_len(log_len).unwrap();
    path
}

#[tokio::test]
async fn a_log_that_breaks_off_anywhere_leaves_a_password_whole() {
    const ACCOUNTS: usize = 12;
    const CUTS: u64 = 40;
    let (files, make) = (files(), Maker::new(1));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let mut made = Vec::new();
    for number in 0..ACCOUNTS {
        let (account, old) = sign_up(&store, &make, &format!("user{number}@example.test")).await;
        let token = given_token(&store, &make, &account, PasswordTokenKind::Reset).await;
        made.push((account, old, token));
    }
    let log = files.dir.path().join("store.db-wal");
    let from = fs::metadata(&log).unwrap().len();
    let mut set = Vec::new();
    for (account, old, token) in made {
        let update = make.password_update(&account, token.id, make.reset(false));
        let after = update.applied_to(&account);
        let new = make.sign_in_to(&after);
        let done = store.set_password(&make.call(), update, Some(new.clone())).await;
        assert_eq!(done, Ok(()));
        set.push((account, after, old, new, token));
    }
    let to = fs::metadata(&log).unwrap().len();
    assert!(to > from, "the log was not begun anew meanwhile");
    let mut counts = Vec::new();
    for cut in 0..=CUTS {
        let copy = TempDir::new().unwrap();
        let path = as_cut(&files, copy.path(), from + (to - from) * cut / CUTS);
        let _store = SqliteStore::open_writer(&path).unwrap();
        let reader = SqliteReader::open(&path, 1).unwrap();
        let mut count = 0;
        for (before, after, old, new, token) in &set {
            let found = reader.account(soon(), before.uid).await.unwrap().unwrap();
            let is_set = found == *after;
            assert!(is_set || found == *before, "cut {cut}");
            let sessions = reader.sessions(soon(), before.uid).await.unwrap();
            let expected = if is_set { new } else { old };
            assert_eq!(sessions, vec![expected.session.clone()], "cut {cut}");
            for key_fetch in &expected.key_fetches {
                let found = reader.key_fetch(soon(), key_fetch.id).await;
                assert_eq!(found, Ok(Some(key_fetch.clone())), "cut {cut}");
            }
            let left = reader.password_token(soon(), token.id).await.unwrap();
            assert_eq!(left.is_some(), !is_set, "cut {cut}");
            count += usize::from(is_set);
        }
        counts.push(count);
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!((counts[0], counts[CUTS as usize]), (0, ACCOUNTS));
    assert!(
        counts.iter().any(|count| (1..ACCOUNTS).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_file_from_before_there_were_password_tokens_takes_them() {
    let (files, make) = (files(), Maker::new(2));
    drop(Writer::start(WriterConfig::new(&files.path, &BEFORE)).unwrap());
    let account = make.account("a@example.test");
    insert_account(&files.path, &account).unwrap();

    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    assert!(reader.account_by_email(soon(), &account.email_key).await == Ok(Some(account.clone())));
    let token = given_token(&store, &make, &account, PasswordTokenKind::Change).await;
    assert_eq!(
        reader.password_token(soon(), token.id).await,
        Ok(Some(token.clone()))
    );
    let update = make.password_update(&account, token.id, make.change());
    let after = update.applied_to(&account);
    assert_eq!(store.set_password(&make.call(), update, None).await, Ok(()));
    assert!(reader.account(soon(), account.uid).await == Ok(Some(after)));
}

fn insert_account(path: &Path, account: &Account) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    let millis = |time: foxhold_core::Timestamp| time.as_millis() as i64;
    db.execute(
        "INSERT INTO accounts VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            account.uid.as_bytes(),
            account.email,
            account.email_key.as_str(),
            accounts::encoding::encode(&account.credentials).as_slice(),
            account.code_nonce,
            millis(account.created_at),
            millis(account.verifier_set_at),
            millis(account.keys_changed_at),
            millis(account.profile_changed_at),
            account.locale,
            account.version as i64,
        ],
    )?;
    db.execute(
        "INSERT INTO email_claims VALUES (?1, ?2, 1)",
        params![account.email_key.as_str(), account.uid.as_bytes()],
    )?;
    Ok(())
}

fn sql(path: &Path, statement: &str) -> usize {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(Duration::from_secs(20)).unwrap();
    db.execute(statement, []).unwrap()
}

#[tokio::test]
async fn a_damaged_password_token_is_a_fault_and_never_an_absence() {
    for (name, damage) in [
        ("a negative time", "UPDATE password_tokens SET created_at_ms = -1"),
        ("too many misses", "UPDATE password_tokens SET misses = 256"),
    ] {
        let (files, make) = (files(), Maker::new(3));
        let store = SqliteStore::open_writer(&files.path).unwrap();
        let (account, _) = sign_up(&store, &make, "a@example.test").await;
        let token = given_token(&store, &make, &account, PasswordTokenKind::Forgot).await;
        assert_eq!(sql(&files.path, damage), 1, "{name}");
        let reader = SqliteReader::open(&files.path, 1).unwrap();
        let found = reader.password_token(soon(), token.id).await;
        assert_eq!(found, Err(ReadError(Cause::Fault)), "{name}");
        let missed = store.miss_password_token(&make.call(), token.id).await;
        assert_eq!(missed, Err(WriteError::NotDone(Cause::Fault)), "{name}");
    }
}

#[tokio::test]
async fn old_password_tokens_are_pruned_in_steps() {
    const OLD: u64 = 600;
    const DAY: Duration = Duration::from_secs(86_400);
    let (files, make) = (files(), Maker::new(4));
    let store = SqliteStore::open_writer(&files.path).unwrap();
    let reader = SqliteReader::open(&files.path, 1).unwrap();
    let (account, _) = sign_up(&store, &make, "a@example.test").await;
    let old = given_token(&store, &make, &account, PasswordTokenKind::Forgot).await;
    let now = old.created_at.plus(DAY).plus(Duration::from_millis(1));
    let mut fresh = make.password_token(&account, PasswordTokenKind::Reset);
    fresh.created_at = now.minus(DAY);
    let put = store.put_password_token(&make.call(), fresh.clone(), None).await;
    assert_eq!(put, Ok(()));
    let more = format!(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {OLD})
         INSERT INTO password_tokens SELECT randomblob(32), t.key, t.kind, t.uid, t.created_at_ms, t.generation_ms, 0
         FROM n, password_tokens t WHERE t.kind = 1"
    );
    assert_eq!(sql(&files.path, &more), OLD as usize - 1);

    let step = store.prune(soon(), now).await.unwrap();
    assert_eq!((step.password_tokens, step.is_full_step()), (500, true));
    let step = store.prune(soon(), now).await.unwrap();
    assert_eq!((step.password_tokens, step.is_full_step()), (100, false));
    assert_eq!(reader.password_token(soon(), old.id).await, Ok(None));
    assert_eq!(reader.password_token(soon(), fresh.id).await, Ok(Some(fresh)));
}
