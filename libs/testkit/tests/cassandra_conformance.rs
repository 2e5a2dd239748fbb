//! The suite of the account ports over real Cassandra, random sequences beside the memory store, and what only a store
//! without transactions has to show: creations, new passwords and deletions that died half-way, and what the next one makes
//! of them.

#[path = "cassandra_conformance/bench.rs"]
mod bench;
#[path = "cassandra_conformance/claims.rs"]
mod claims;
#[path = "cassandra_conformance/passwords.rs"]
mod passwords;
#[path = "cassandra_conformance/requests.rs"]
mod requests;

use bench::Bench;
use foxhold_ports::conformance;

/// Sequences of random intents, and intents in each.
const SEQUENCES: u64 = 3;
const INTENTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn the_suite() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    conformance::accounts("cassandra", async || Bench::subject(&[&store])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_clients_and_grants() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::openid("cassandra, two writers", async || {
        Bench::openid_subject(&one, &other)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_to_devices() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::device_commands("cassandra, two writers", async || Bench::subject(&[&one, &other])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_admin() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::account_admin("cassandra, two writers", async || Bench::subject(&[&one, &other])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::invitations("cassandra, two writers", async || Bench::subject(&[&one, &other])).await;
}

/// Half of the calls to each of two writers: what one process knows of its own doings does not help.
#[tokio::test(flavor = "multi_thread")]
async fn the_suite_over_two_writers() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::accounts("cassandra, two writers", async || Bench::subject(&[&one, &other])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_mail() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    conformance::outbox("cassandra", async || Bench::mail(&[&store])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_mail_over_two_writers() {
    let bench = Bench::new().await;
    let (one, other) = (bench.store().await, bench.store().await);
    conformance::outbox("cassandra, two writers", async || Bench::mail(&[&one, &other])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_intents_does_what_it_does_in_memory() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    conformance::like_memory("cassandra", 0..SEQUENCES, INTENTS, async || {
        Bench::subject(&[&store])
    })
    .await;
}
