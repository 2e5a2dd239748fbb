//! Runs the conformance suite on the memory store, which is thereby fit to be the model of the others.

use std::sync::Arc;

use foxhold_ports::{
    conformance::{self, OpenIdSubject, OutboxSubject, Subject},
    memory::MemoryStore,
};

async fn subject() -> Subject {
    let store = Arc::new(MemoryStore::new());
    Subject {
        account_reader: store.clone(),
        account_writer: store.clone(),
        account_guards: store.clone(),
        account_directory: store.clone(),
        account_admin: store.clone(),
        assignment_reader: store.clone(),
        assignment_writer: store.clone(),
        assignment_admin: store.clone(),
        job_turns: store.clone(),
        command_reader: store.clone(),
        command_writer: store.clone(),
        invitation_reader: store.clone(),
        invitation_writer: store,
        remembers: true,
        knows_uids: true,
        keep: Box::new(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts() {
    conformance::accounts("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments() {
    conformance::assignments("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_grants() {
    let subject = async || {
        let store = Arc::new(MemoryStore::new());
        OpenIdSubject {
            accounts: store.clone(),
            account_reader: store.clone(),
            registry: store.clone(),
            admin: store.clone(),
            grant_reader: store.clone(),
            grant_writer: store,
            remembers: true,
            keep: Arc::new(()),
        }
    };
    conformance::openid("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs() {
    conformance::jobs("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox() {
    let subject = async || {
        let store = Arc::new(MemoryStore::new());
        OutboxSubject {
            outbox: store.clone(),
            reader: store,
            remembers: true,
            keep: Box::new(()),
        }
    };
    conformance::outbox("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model() {
    conformance::like_memory("memory", 0..2, 500, subject).await;
}

/// What is asked of a store without a log of operations is part of what is asked of one with it.
#[tokio::test(flavor = "multi_thread")]
async fn model_without_a_log() {
    let forgetful = async || Subject {
        remembers: false,
        ..subject().await
    };
    conformance::like_memory("memory, log not asked for", 0..2, 500, forgetful).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_commands() {
    conformance::device_commands("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_admin() {
    conformance::account_admin("memory", subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations() {
    conformance::invitations("memory", subject).await;
}
