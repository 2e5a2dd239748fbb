//! The wait for a store when a process starts: tiers are started in any order, and whoever makes the store may be starting
//! at the same time.

use std::{future::Future, time::Duration};

use thiserror::Error;

/// How long a starting process waits for the store.
const WAIT_MAX: Duration = Duration::from_secs(30);
const WAIT_PAUSE: Duration = Duration::from_millis(250);

/// A store that was not opened: what the last attempt said.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It did not come in time.
    #[error(transparent)]
    Away(anyhow::Error),
    /// Waiting does not help: the configuration has to be changed, or the store.
    #[error(transparent)]
    Lasting(anyhow::Error),
}

/// Opens the store, again and again for half a minute, unless `is_lasting` says of an error that the next attempt would
/// meet it, too.
///
/// # Errors
/// The last attempt's.
pub async fn opened<T, E, F>(
    attempt: impl FnMut() -> F,
    is_lasting: impl Fn(&E) -> bool,
) -> Result<T, OpenError>
where
    E: Into<anyhow::Error>,
    F: Future<Output = Result<T, E>>,
{
    opened_within(WAIT_MAX, attempt, is_lasting).await
}

async fn opened_within<T, E, F>(
    wait_max: Duration,
    mut attempt: impl FnMut() -> F,
    is_lasting: impl Fn(&E) -> bool,
) -> Result<T, OpenError>
where
    E: Into<anyhow::Error>,
    F: Future<Output = Result<T, E>>,
{
    let until = tokio::time::Instant::now() + wait_max;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(opened) => return Ok(opened),
            Err(error) if is_lasting(&error) => return Err(OpenError::Lasting(error.into())),
            Err(error) if tokio::time::Instant::now() < until => {
                if !told {
                    let error: anyhow::Error = error.into();
                    tracing::info!(error = format!("{error:#}"), "the store is not there yet");
                    told = true;
                }
                tokio::time::sleep(WAIT_PAUSE).await;
            }
            Err(error) => return Err(OpenError::Away(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[tokio::test]
    async fn a_store_that_comes_late_is_waited_for_and_one_that_never_comes_is_not() {
        let mut left = 3;
        let late = || {
            left -= 1;
            let there = left == 0;
            async move { there.then_some(()).ok_or_else(|| anyhow!("not yet")) }
        };
        assert!(opened(late, |_| false).await.is_ok());
        let never = || async { Err::<(), _>(anyhow!("never")) };
        let never = opened_within(Duration::ZERO, never, |_| false).await;
        assert!(
            matches!(&never, Err(OpenError::Away(error)) if error.to_string() == "never"),
            "{never:?}"
        );
    }

    #[tokio::test]
    async fn what_lasts_is_told_at_once() {
        let mut attempts = 0;
        let refused = || {
            attempts += 1;
            let away = attempts == 1;
            async move { Err::<(), _>(anyhow!(if away { "away" } else { "refused" })) }
        };
        let ended = opened(refused, |error: &anyhow::Error| error.to_string() == "refused").await;
        assert!(
            matches!(&ended, Err(OpenError::Lasting(error)) if error.to_string() == "refused"),
            "{ended:?}"
        );
        assert_eq!(attempts, 2);
    }
}
