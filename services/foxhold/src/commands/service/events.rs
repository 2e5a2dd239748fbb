//! `foxhold service import-events`: account events that a queue holds (`tokenserver.md` 10), from a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
};

use anyhow::Context as _;
use foxhold_ops::wire::{EVENTS_MAX, EventMessages, EventOutcome, EventsDone};
use serde_json::{Value, json};
use thiserror::Error;

use super::EventsArgs;
use crate::{
    admin_client::{self, Path},
    commands::paged::{Interrupt, Interrupted, persist},
    output::table,
    progress::Progress,
};

/// The longest message; a batch of them fits in a request.
const MESSAGE_MAX: usize = 16 * 1024;

/// Some events were not taken in.
#[derive(Debug, Error)]
pub(crate) enum EventsLeft {
    #[error(
        "{0} events were not taken in\nfix: run the same command again; those that were taken in do no harm"
    )]
    Failed(u64),
    #[error(
        "{0} events are malformed, and were left out\nfix: look at what the queue was given; a deletion may be among them"
    )]
    Malformed(u64),
}

pub(super) fn run(arguments: &EventsArgs) -> anyhow::Result<()> {
    let change = &arguments.change;
    let path = Path::of(["events"]).dry(change.dry());
    let mut input: Box<dyn BufRead> = if arguments.file.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(&arguments.file);
        Box::new(BufReader::new(
            file.with_context(|| format!("reading {}", arguments.file.display()))?,
        ))
    };
    let (sums, was_interrupted) = admin_client::with(&change.admin, async |admin| {
        let interrupt = Interrupt::listen()?;
        let mut progress = Progress::new("events", None, change.admin.quiet);
        let (mut sums, mut done) = (BTreeMap::new(), 0);
        loop {
            let messages = batch(&mut input, &mut sums).context("reading events")?;
            if messages.is_empty() {
                return Ok((sums, false));
            }
            let body = EventMessages { messages };
            let answer: EventsDone = persist(&interrupt, async || admin.post(&path, &body).await).await?;
            done += answer.outcomes.len() as u64;
            for outcome in answer.outcomes {
                *sums.entry(outcome).or_default() += 1;
            }
            progress.at(done);
            if interrupt.has_come() {
                return Ok((sums, true));
            }
        }
    })?;
    let rows: Vec<[String; 2]> = sums
        .iter()
        .map(|(of, number)| [name(*of).to_owned(), number.to_string()])
        .collect();
    let by_name: BTreeMap<&str, u64> = sums.iter().map(|(of, number)| (name(*of), *number)).collect();
    let value = json!({ "dry_run": change.dry_run, "outcomes": by_name });
    change
        .output
        .print(&table(["OUTCOME", "EVENTS"], &rows), &value)?;
    if was_interrupted {
        return Err(Interrupted.into());
    }
    let left = |of| sums.get(&of).copied();
    match (left(EventOutcome::Failed), left(EventOutcome::Malformed)) {
        (Some(failed), _) => Err(EventsLeft::Failed(failed).into()),
        (None, Some(malformed)) => Err(EventsLeft::Malformed(malformed).into()),
        (None, None) => Ok(()),
    }
}

/// The next messages. What is not even JSON is counted at once.
fn batch(input: &mut dyn BufRead, sums: &mut BTreeMap<EventOutcome, u64>) -> io::Result<Vec<Value>> {
    let mut messages = Vec::new();
    let mut line = String::new();
    while messages.len() < EVENTS_MAX {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(message) if line.len() <= MESSAGE_MAX => messages.push(message),
            _ => *sums.entry(EventOutcome::Malformed).or_default() += 1,
        }
    }
    Ok(messages)
}

const fn name(of: EventOutcome) -> &'static str {
    match of {
        EventOutcome::Changed => "changed",
        EventOutcome::Unchanged => "unchanged",
        EventOutcome::Other => "other",
        EventOutcome::Malformed => "malformed",
        EventOutcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_batches_and_what_is_no_json_is_counted() {
        let text = format!("{}\n\nholiday\n{}", "{}\n".repeat(EVENTS_MAX), "{}");
        let (mut input, mut sums) = (text.as_bytes(), BTreeMap::new());
        let mut sizes = Vec::new();
        for _ in 0..3 {
            sizes.push(batch(&mut input, &mut sums).unwrap().len());
        }
        assert_eq!(sizes, [EVENTS_MAX, 1, 0]);
        assert_eq!(sums, [(EventOutcome::Malformed, 1)].into());
    }
}
