//! Waiting on conditions. The one place of the test bench that lets time pass.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result};

/// How long anything a test waits for may take. Generous: it only ends tests that would never end.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until `condition` holds; an error names `what` was waited for.
///
/// # Errors
/// When [`PATIENCE`] has run out.
pub async fn wait_until<F, R>(what: &str, mut condition: F) -> Result<()>
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    let asking = async {
        while !condition().await {
            pause().await;
        }
    };
    patiently(what, asking).await
}

/// Waits for `work`, but not without end.
///
/// # Errors
/// When [`PATIENCE`] has run out; the error names `what` was waited for.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> Result<T> {
    let in_time = tokio::time::timeout(PATIENCE, work).await;
    in_time.with_context(|| format!("waited {PATIENCE:?} for {what}"))
}

/// Between two questions.
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
