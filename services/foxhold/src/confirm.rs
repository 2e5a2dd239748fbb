//! What destroys something asks for its name first (`ecosystem.md` 3.1).

use std::io::{self, BufRead as _, Write as _};

use anyhow::Context as _;
use thiserror::Error;

/// A change that was not confirmed.
#[derive(Debug, Error)]
#[error("not confirmed\nfix: give the {what} when asked, or --yes")]
pub(crate) struct Unconfirmed {
    /// What has to be given: `region's name`.
    pub(crate) what: &'static str,
}

/// Says what will happen, and goes on only when somebody has typed `name`, which is the `what` of the thing.
pub(crate) fn by_name(
    is_confirmed: bool,
    warning: &str,
    what: &'static str,
    name: &str,
) -> anyhow::Result<()> {
    if is_confirmed {
        return Ok(());
    }
    let mut err = io::stderr().lock();
    write!(err, "{warning}\nType the {what} to go on: ").context("asking")?;
    err.flush().context("asking")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("asking")?;
    if !answer.ends_with('\n') {
        // Nobody was there to end the line.
        writeln!(err).context("asking")?;
    }
    if answer.trim() == name {
        Ok(())
    } else {
        Err(Unconfirmed { what }.into())
    }
}
