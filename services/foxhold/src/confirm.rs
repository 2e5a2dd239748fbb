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
    if is_confirmed || typed(warning, what)? == name {
        Ok(())
    } else {
        Err(Unconfirmed { what }.into())
    }
}

/// The same for what has several names, which count in any case.
pub(crate) fn by_any_name(
    is_confirmed: bool,
    warning: &str,
    what: &'static str,
    names: &[&str],
) -> anyhow::Result<()> {
    if is_confirmed || is_one_of(&typed(warning, what)?, names) {
        Ok(())
    } else {
        Err(Unconfirmed { what }.into())
    }
}

fn is_one_of(answer: &str, names: &[&str]) -> bool {
    let answer = answer.to_lowercase();
    names.iter().any(|name| name.to_lowercase() == answer)
}

/// What somebody answers, without what stands around it.
fn typed(warning: &str, what: &str) -> anyhow::Result<String> {
    let mut err = io::stderr().lock();
    write!(err, "{warning}\nType the {what} to go on: ").context("asking")?;
    err.flush().context("asking")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("asking")?;
    if !answer.ends_with('\n') {
        // Nobody was there to end the line.
        writeln!(err).context("asking")?;
    }
    Ok(answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_confirms_in_any_case_and_nothing_else_does() {
        let names = ["Ann@example.org", "7d3c"];
        for (answer, expected) in [
            ("Ann@example.org", true),
            ("ann@EXAMPLE.org", true),
            ("7D3C", true),
            ("", false),
            ("ann", false),
            ("7d3c ann", false),
        ] {
            assert_eq!(is_one_of(answer, &names), expected, "{answer:?}");
        }
    }
}
