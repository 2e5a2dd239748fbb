//! The suite every adapter of a port runs: the specification of the ports, as tests. An adapter's tests hand it a way
//! to make an empty store; each case gets one of its own and knows nothing of how it was made. A broken promise
//! panics, with the case's name printed before. What only a store with a log of operations promises stands in the
//! `log` modules, and is left out, visibly, for a store without.

mod account_admin;
mod accounts;
mod assignments;
mod device_commands;
pub mod fixtures;
mod invitations;
mod jobs;
mod model;
mod openid;
mod outbox;
pub mod turns;

use std::{
    any::Any,
    future::Future,
    io::Write as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use outbox::OutboxSubject;
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    AccountAdmin, AccountDirectory, AccountGuards, AccountReader, AccountWriter, AssignmentAdmin,
    AssignmentReader, AssignmentWriter, CommandReader, CommandWriter, InvitationReader, InvitationWriter,
    JobTurns,
};
pub use openid::{OpenIdSubject, openid};

/// An empty store, seen through its ports.
pub struct Subject {
    /// Reads accounts.
    pub account_reader: Arc<dyn AccountReader>,
    /// Writes accounts.
    pub account_writer: Arc<dyn AccountWriter>,
    /// Writes what guards accounts.
    pub account_guards: Arc<dyn AccountGuards>,
    /// Reads all accounts.
    pub account_directory: Arc<dyn AccountDirectory>,
    /// Administers accounts.
    pub account_admin: Arc<dyn AccountAdmin>,
    /// Reads assignments.
    pub assignment_reader: Arc<dyn AssignmentReader>,
    /// Writes assignments.
    pub assignment_writer: Arc<dyn AssignmentWriter>,
    /// Administers services and nodes.
    pub assignment_admin: Arc<dyn AssignmentAdmin>,
    /// Hands out turns at jobs.
    pub job_turns: Arc<dyn JobTurns>,
    /// Reads what waits for devices.
    pub command_reader: Arc<dyn CommandReader>,
    /// Lets commands wait for devices.
    pub command_writer: Arc<dyn CommandWriter>,
    /// Reads invitations.
    pub invitation_reader: Arc<dyn InvitationReader>,
    /// Writes invitations.
    pub invitation_writer: Arc<dyn InvitationWriter>,
    /// Whether it keeps a log of operations: it answers a repeated refusal alike, whatever has happened since, and
    /// notices an operation id that is used for another kind of intent.
    pub remembers: bool,
    /// Whether it notices that a uid from elsewhere is another user's.
    pub knows_uids: bool,
    /// What has to live as long as the store: its folder, its servers.
    pub keep: Box<dyn Any + Send + Sync>,
}

type Case = (
    &'static str,
    fn(Arc<Subject>) -> Pin<Box<dyn Future<Output = ()> + Send>>,
);

/// The table of a module's cases, from the names of its functions.
macro_rules! cases {
    ($($name:ident,)*) => {
        pub(super) const CASES: &[$crate::conformance::Case] =
            &[$((stringify!($name), |subject| Box::pin($name(subject))),)*];
    };
}
use cases;

/// Runs every case about accounts. `adapter` is what the log calls the store; `make` makes an empty one.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn accounts(adapter: &str, make: impl AsyncFn() -> Subject) {
    run(
        "accounts",
        adapter,
        &accounts::cases(),
        &accounts::log_cases(),
        make,
    )
    .await;
}

/// Runs every case about what operators do with accounts.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn account_admin(adapter: &str, make: impl AsyncFn() -> Subject) {
    let log_cases = account_admin::log_cases();
    run(
        "account administration",
        adapter,
        &account_admin::cases(),
        &log_cases,
        make,
    )
    .await;
}

/// Runs every case about assignments.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn assignments(adapter: &str, make: impl AsyncFn() -> Subject) {
    let log_cases = assignments::log_cases();
    run("assignments", adapter, &assignments::cases(), &log_cases, make).await;
}

/// Runs every case about turns at jobs.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn jobs(adapter: &str, make: impl AsyncFn() -> Subject) {
    run("jobs", adapter, &jobs::cases(), &jobs::log_cases(), make).await;
}

/// Runs every case about mail that waits.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn outbox(adapter: &str, make: impl AsyncFn() -> OutboxSubject) {
    outbox::run(adapter, make).await;
}

/// Runs every case about commands that wait for devices.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn device_commands(adapter: &str, make: impl AsyncFn() -> Subject) {
    let log_cases = device_commands::log_cases();
    run(
        "device commands",
        adapter,
        &device_commands::cases(),
        &log_cases,
        make,
    )
    .await;
}

/// Runs every case about invitations.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn invitations(adapter: &str, make: impl AsyncFn() -> Subject) {
    let log_cases = invitations::log_cases();
    run("invitations", adapter, &invitations::cases(), &log_cases, make).await;
}

/// Runs the cases about many exchanges at once alone: what several writers of one store must show who number users each
/// in an order of his own.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn assignment_races(adapter: &str, make: impl AsyncFn() -> Subject) {
    run("assignments", adapter, &assignments::races(), &[], make).await;
}

/// Runs random sequences of intents, one for each seed, on the store and on the memory store: every answer and
/// everything that can be read must be the same.
///
/// # Panics
/// When they differ; the seed has been printed.
pub async fn like_memory(
    adapter: &str,
    seeds: std::ops::Range<u64>,
    intents: usize,
    make: impl AsyncFn() -> Subject,
) {
    let count = seeds.end.saturating_sub(seeds.start);
    for seed in seeds {
        tell(&format!("conformance: model over {adapter}: seed {seed}"));
        in_a_case(async { model::compare(seed, intents, &make().await).await }).await;
    }
    tell(&format!(
        "conformance: model over {adapter}: {count} sequences of {intents} intents passed"
    ));
}

async fn run(
    suite: &str,
    adapter: &str,
    cases: &[Case],
    log_cases: &[Case],
    make: impl AsyncFn() -> Subject,
) {
    let mut left_out = 0;
    for (number, (name, case)) in cases.iter().chain(log_cases).enumerate() {
        let subject = make().await;
        if number >= cases.len() && !subject.remembers {
            tell(&format!("conformance: {suite} over {adapter}: {name}: left out"));
            left_out += 1;
            continue;
        }
        tell(&format!("conformance: {suite} over {adapter}: {name}"));
        in_a_case(case(Arc::new(subject))).await;
    }
    let passed = cases.len() + log_cases.len() - left_out;
    let rest = match left_out {
        0 => String::new(),
        left_out => format!(", {left_out} left out (it keeps no log of operations)"),
    };
    tell(&format!(
        "conformance: {suite} over {adapter}: {passed} cases passed{rest}"
    ));
}

/// Gives what runs a number that no other case of this process has.
async fn in_a_case(running: impl Future<Output = ()>) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    fixtures::CASE.scope(number, running).await;
}

/// Straight to standard output: the log of a test run has to show which adapters ran, also when they pass, and the
/// test harness swallows `println!`.
fn tell(line: &str) {
    // Nobody to tell that nobody can be told.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Starts `count` tasks that set off together, and collects what they answer in no order.
async fn at_once<T, F>(count: usize, start: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let barrier = Arc::clone(&barrier);
        let task = start(number);
        tasks.spawn(async move {
            barrier.wait().await;
            task.await
        });
    }
    tasks.join_all().await
}
