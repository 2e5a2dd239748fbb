//! Asking again while the answer is "come back later" (503 with `Retry-After`), as every client of the contracts does. On a
//! busy machine even what works may be late; any other answer is a decision, and is never asked for again.

use anyhow::{Context, Result, anyhow, ensure};
use hyper::StatusCode;

use crate::{
    http::Answer,
    wait::{patiently, pause},
};

/// An answer, or the refusal that came instead of it.
pub type Decided<T> = Result<T, Box<Answer>>;

/// Asks until something is decided.
///
/// # Errors
/// When there is no answer, a 503 that does not say when to come back, or nothing else for too long.
pub async fn decided<T>(mut ask: impl AsyncFnMut() -> Result<Decided<T>>) -> Result<Decided<T>> {
    let asking = async {
        loop {
            match ask().await? {
                Err(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => is_later(&answer)?,
                decided => return Ok(decided),
            }
            pause().await;
        }
    };
    patiently("another answer than to come back later", asking).await?
}

/// Asks until it is granted; an error names `what` was asked for.
///
/// # Errors
/// As [`decided`], and for a refusal.
pub async fn insist<T>(what: &str, ask: impl AsyncFnMut() -> Result<Decided<T>>) -> Result<T> {
    decided(ask)
        .await
        .and_then(granted)
        .with_context(|| what.to_owned())
}

/// Asks until there is an answer that is not "come back later", whatever it says.
///
/// # Errors
/// As [`decided`].
pub async fn answered(mut ask: impl AsyncFnMut() -> Result<Answer>) -> Result<Answer> {
    let decided = decided(async || {
        let answer = ask().await?;
        Ok(match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => Err(Box::new(answer)),
            _ => Ok(answer),
        })
    });
    granted(decided.await?)
}

/// A success, or what was answered instead.
///
/// # Errors
/// Any answer but a 200.
pub fn success(answer: Answer) -> Decided<Answer> {
    if answer.status == StatusCode::OK {
        Ok(answer)
    } else {
        Err(Box::new(answer))
    }
}

/// A refusal as an error.
///
/// # Errors
/// The refusal.
pub fn granted<T>(decided: Decided<T>) -> Result<T> {
    decided.map_err(|answer| anyhow!(in_words(&answer)))
}

/// Holds a 503 to saying when to come back. The form of `tokenserver.md` 4 has no `errno`; that of the accounts names 201.
///
/// # Errors
/// When it says something else.
pub fn is_later(answer: &Answer) -> Result<()> {
    let body = answer.json()?;
    ensure!(
        !answer.header("retry-after").is_empty() && matches!(body["errno"].as_u64(), None | Some(201)),
        "a 503 that says something else: {}",
        in_words(answer)
    );
    Ok(())
}

/// Status and body.
#[must_use]
pub fn in_words(answer: &Answer) -> String {
    format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))
}
