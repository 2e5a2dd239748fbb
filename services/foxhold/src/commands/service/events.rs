//! `foxhold service import-events`: account events that a queue holds (`tokenserver.md` 10), from a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path as FilePath,
};

use anyhow::Context as _;
use foxhold_ops::wire::{EVENTS_MAX, EventMessages, EventOutcome, EventsDone};
use serde_json::{Value, json};
use thiserror::Error;

use super::EventsArgs;
use crate::{
    admin_client::{self, Path},
    commands::{
        NoSuchFile,
        paged::{Interrupt, Interrupted, persist},
    },
    output::table,
    progress::Progress,
};

/// The longest message: what the large queue services take.
const MESSAGE_LEN_MAX: usize = 256 * 1024;
/// Messages of one request are so long together, but for the last of them: it fits in a request.
const BATCH_LEN_MAX: usize = 1024 * 1024;

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
    let mut input = BufReader::with_capacity(MESSAGE_LEN_MAX, open(&arguments.file)?);
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

fn open(file: &FilePath) -> anyhow::Result<Box<dyn Read>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    NoSuchFile::check("file", file)?;
    let opened = File::open(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Box::new(opened))
}

/// The next messages: as many as one request takes, or as have come, so that none waits for those behind it in a pipe. A line
/// that is no JSON, or too long, is counted at once and stops nobody.
fn batch<R: Read>(
    input: &mut BufReader<R>,
    sums: &mut BTreeMap<EventOutcome, u64>,
) -> io::Result<Vec<Value>> {
    let (mut messages, mut len, mut line) = (Vec::new(), 0, Vec::new());
    while messages.len() < EVENTS_MAX && len < BATCH_LEN_MAX {
        match next_line(input, &mut line)? {
            Line::End => break,
            Line::Whole if line.trim_ascii().is_empty() => {}
            Line::Whole => match serde_json::from_slice(&line) {
                Ok(message) => messages.push(message),
                Err(_) => *sums.entry(EventOutcome::Malformed).or_default() += 1,
            },
            Line::TooLong => *sums.entry(EventOutcome::Malformed).or_default() += 1,
        }
        len += line.len();
        if !messages.is_empty() && input.buffer().is_empty() {
            break;
        }
    }
    Ok(messages)
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads a line into `text`. Of one that is too long only so much is kept in memory.
fn next_line(input: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Line> {
    text.clear();
    let most = MESSAGE_LEN_MAX as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', text)? == 0 {
        return Ok(Line::End);
    }
    if text.len() <= MESSAGE_LEN_MAX || text.last() == Some(&b'\n') {
        return Ok(Line::Whole);
    }
    input.skip_until(b'\n')?;
    Ok(Line::TooLong)
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

    type Sums = BTreeMap<EventOutcome, u64>;

    fn sizes(text: impl Read, batches: usize) -> (Vec<usize>, Sums) {
        let (mut input, mut sums) = (BufReader::with_capacity(MESSAGE_LEN_MAX, text), Sums::new());
        let sizes = (0..batches).map(|_| batch(&mut input, &mut sums).unwrap().len());
        (sizes.collect(), sums)
    }

    #[test]
    fn lines_come_in_batches_and_what_is_no_message_is_counted() {
        let text = format!("{}\n\nholiday\n{}", "{}\n".repeat(EVENTS_MAX), "{}");
        let (sizes, sums) = sizes(text.as_bytes(), 3);
        assert_eq!(sizes, [EVENTS_MAX, 1, 0]);
        assert_eq!(sums, [(EventOutcome::Malformed, 1)].into());
    }

    #[test]
    fn no_line_stops_those_behind_it() {
        let long = vec![b'x'; 3 * MESSAGE_LEN_MAX];
        let text = [b"\xff\xfe\n{}\n".as_slice(), &long, b"\n{}\n"].concat();
        let (sizes, sums) = sizes(&*text, 3);
        assert_eq!(sizes.iter().sum::<usize>(), 2);
        assert_eq!(sums, [(EventOutcome::Malformed, 2)].into());
    }

    #[test]
    fn long_messages_make_short_batches() {
        let text = format!("{:?}\n", "x".repeat(MESSAGE_LEN_MAX - 3)).repeat(9);
        let (sizes, sums) = sizes(text.as_bytes(), 10);
        assert_eq!((sizes.iter().sum::<usize>(), sums), (9, Sums::new()));
        assert!(
            sizes.iter().all(|size| *size <= BATCH_LEN_MAX / MESSAGE_LEN_MAX),
            "{sizes:?}"
        );
    }

    /// Gives a line whenever it is asked, as a pipe does.
    struct Pipe(usize);

    impl Read for Pipe {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(left) = self.0.checked_sub(1) else {
                return Ok(0);
            };
            self.0 = left;
            into[..3].copy_from_slice(b"{}\n");
            Ok(3)
        }
    }

    #[test]
    fn what_has_come_does_not_wait_for_what_comes() {
        assert_eq!(sizes(Pipe(2), 3).0, [1, 1, 0]);
    }
}
