//! Waiting on conditions. The one place of the test bench that lets time pass.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result};

/// How long anything a test waits for may take. Generous: it only ends tests that would never end.
pub const PATIENCE: Duration = Duration::from_secs(300);

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

/// Tries again and again until `attempt` succeeds; an error names `what` was waited for, and the last failure.
///
/// # Errors
/// When [`PATIENCE`] has run out.
pub async fn wait_for_ok<T, F, R>(what: &str, mut attempt: F) -> Result<T>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T>>,
{
    let mut last = None;
    let trying = async {
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) => last = Some(error),
            }
            pause().await;
        }
    };
    let in_time = patiently(what, trying).await;
    in_time.with_context(|| match last {
        Some(error) => format!("last it failed with: {error:#}"),
        None => "not even one attempt ended".to_owned(),
    })
}

/// Waits for `work`, but not without end.
///
/// # Errors
/// When [`PATIENCE`] has run out; the error names `what` was waited for.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> Result<T> {
    within(PATIENCE, what, work).await
}

/// Waits for `work` no longer than `limit`, where [`PATIENCE`] does not fit.
///
/// # Errors
/// When `limit` has run out; the error names `what` was waited for.
pub async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> Result<T> {
    let in_time = tokio::time::timeout(limit, work).await;
    in_time.with_context(|| format!("waited {limit:?} for {what}"))
}

/// Between two questions.
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
