//! Waiting on conditions. The one place of the test bench that lets time pass.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};

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
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, asking).await.is_err() {
        bail!("waited {PATIENCE:?} for {what}");
    }
    Ok(())
}
