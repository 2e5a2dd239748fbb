//! Runs the conformance suite on files of its own, once with one writer and once with two that share the file, as two
//! dbwriters do; and compares random intents with the memory store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use foxhold_ports::conformance::{self, OpenIdSubject, OutboxSubject, Subject, turns::Turns};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use tempfile::TempDir;

async fn one_writer() -> Subject {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    let writer = Arc::new(SqliteStore::open_writer(&path).unwrap());
    let reader = Arc::new(SqliteReader::open(&path, 2).unwrap());
    Subject {
        account_reader: reader.clone(),
        account_writer: writer.clone(),
        account_guards: writer.clone(),
        account_directory: reader.clone(),
        account_admin: writer.clone(),
        assignment_reader: reader.clone(),
        command_reader: reader.clone(),
        invitation_reader: reader,
        assignment_writer: writer.clone(),
        assignment_admin: writer.clone(),
        job_turns: writer.clone(),
        command_writer: writer.clone(),
        invitation_writer: writer,
        remembers: true,
        knows_uids: true,
        keep: Box::new(dir),
    }
}

async fn two_writers() -> Subject {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    let open = || Arc::new(SqliteStore::open_writer(&path).unwrap());
    let writer = Arc::new(Turns::new(vec![open(), open()]));
    let reader = Arc::new(SqliteReader::open(&path, 2).unwrap());
    Subject {
        account_reader: reader.clone(),
        account_writer: writer.clone(),
        account_guards: writer.clone(),
        account_directory: reader.clone(),
        account_admin: writer.clone(),
        assignment_reader: reader.clone(),
        command_reader: reader.clone(),
        invitation_reader: reader,
        assignment_writer: writer.clone(),
        assignment_admin: writer.clone(),
        job_turns: writer.clone(),
        command_writer: writer.clone(),
        invitation_writer: writer,
        remembers: true,
        knows_uids: true,
        keep: Box::new(dir),
    }
}

/// As many writers of one file, and a reader.
fn mail(writers: usize) -> OutboxSubject {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    let open = |_| Arc::new(SqliteStore::open_writer(&path).unwrap());
    let outbox = Arc::new(Turns::new((0..writers).map(open).collect()));
    OutboxSubject {
        outbox,
        reader: Arc::new(SqliteReader::open(&path, 1).unwrap()),
        remembers: true,
        keep: Box::new(dir),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox() {
    conformance::outbox("sqlite", async || mail(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_by_two_writers() {
    conformance::outbox("sqlite, two writers", async || mail(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts() {
    conformance::accounts("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments() {
    conformance::assignments("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_by_two_writers() {
    conformance::accounts("sqlite, two writers", two_writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments_by_two_writers() {
    conformance::assignments("sqlite, two writers", two_writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_grants() {
    let subject = async || {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("store.db");
        let writer = Arc::new(SqliteStore::open_writer(&path).unwrap());
        let reader = Arc::new(SqliteReader::open(&path, 2).unwrap());
        OpenIdSubject {
            accounts: writer.clone(),
            account_reader: reader.clone(),
            registry: reader.clone(),
            admin: writer.clone(),
            grant_reader: reader,
            grant_writer: writer,
            remembers: true,
            keep: Arc::new(dir),
        }
    };
    conformance::openid("sqlite", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs() {
    conformance::jobs("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_admin() {
    conformance::account_admin("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_admin_by_two_writers() {
    conformance::account_admin("sqlite, two writers", two_writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_by_two_writers() {
    conformance::jobs("sqlite, two writers", two_writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model() {
    conformance::like_memory("sqlite", 0..8, 250, one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_commands() {
    conformance::device_commands("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_commands_by_two_writers() {
    conformance::device_commands("sqlite, two writers", two_writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations() {
    conformance::invitations("sqlite", one_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_by_two_writers() {
    conformance::invitations("sqlite, two writers", two_writers).await;
}
