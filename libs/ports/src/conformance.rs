//! The suite every adapter of a port runs: the specification of the ports, as tests. An adapter's tests hand it a way
//! to make an empty store; each case gets one of its own and knows nothing of how it was made. A broken promise
//! panics, with the case's name printed before.

mod accounts;
mod assignments;
pub mod fixtures;
mod model;

use std::{any::Any, future::Future, io::Write as _, pin::Pin, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};

use crate::{AccountReader, AccountWriter, AssignmentAdmin, AssignmentReader, AssignmentWriter};

/// An empty store, seen through its ports.
pub struct Subject {
    /// Reads accounts.
    pub account_reader: Arc<dyn AccountReader>,
    /// Writes accounts.
    pub account_writer: Arc<dyn AccountWriter>,
    /// Reads assignments.
    pub assignment_reader: Arc<dyn AssignmentReader>,
    /// Writes assignments.
    pub assignment_writer: Arc<dyn AssignmentWriter>,
    /// Administers services and nodes.
    pub assignment_admin: Arc<dyn AssignmentAdmin>,
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
    run("accounts", adapter, &accounts::cases(), make).await;
}

/// Runs every case about assignments.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn assignments(adapter: &str, make: impl AsyncFn() -> Subject) {
    run("assignments", adapter, &assignments::cases(), make).await;
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
        model::compare(seed, intents, &make().await).await;
    }
    tell(&format!(
        "conformance: model over {adapter}: {count} sequences of {intents} intents passed"
    ));
}

async fn run(suite: &str, adapter: &str, cases: &[Case], make: impl AsyncFn() -> Subject) {
    for (name, case) in cases {
        tell(&format!("conformance: {suite} over {adapter}: {name}"));
        case(Arc::new(make().await)).await;
    }
    tell(&format!(
        "conformance: {suite} over {adapter}: {} cases passed",
        cases.len()
    ));
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
