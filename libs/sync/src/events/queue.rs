//! A queue of events as a stream of lines, one message each: a file, or what a queue's reader writes to a pipe. What must
//! stay true: no message stops the ones behind it, and what came of each is counted; a message that failed may be told
//! again with the whole stream, since events may be repeated.

use std::{
    io::{self, BufRead, Read},
    time::Duration,
};

use foxhold_core::Deadline;
use thiserror::Error;

use super::{Applied, Ports, apply, message};

/// The longest message: what the large queue services take.
const LINE_LEN_MAX: usize = 256 * 1024;

/// What came of the messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Events carried out, or known already, or of users nobody knows.
    pub applied: u64,
    /// Of them, those that changed a record.
    pub changed: u64,
    /// Messages about events that are not for token servers; dropped.
    pub other: u64,
    /// Lines that are no message; dropped.
    pub malformed: u64,
    /// Events that the store did not take: to be told again.
    pub failed: u64,
}

/// A stream that broke off.
#[derive(Debug, Error)]
#[error("reading line {line} of the queue")]
pub struct StreamError {
    /// The line that was being read, from 1.
    pub line: u64,
    /// What came of those before.
    pub report: Report,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Applies message by message until the stream ends; empty lines are nothing. Each event may take `budget`. Reading
/// waits on the thread it is called on.
///
/// # Errors
/// [`StreamError`] if the stream cannot be read on.
pub async fn process(
    ports: Ports<'_>,
    budget: Duration,
    mut stream: impl BufRead,
) -> Result<Report, StreamError> {
    let mut report = Report::default();
    let mut text = Vec::new();
    for line in 1_u64.. {
        let read = next_line(&mut stream, &mut text);
        match read.map_err(|source| StreamError { line, report, source })? {
            Line::End => break,
            Line::TooLong => report.drop_malformed(line, "too long"),
            Line::Whole if text.trim_ascii().is_empty() => {}
            Line::Whole => report.take(ports, budget, line, &text).await,
        }
    }
    Ok(report)
}

impl Report {
    async fn take(&mut self, ports: Ports<'_>, budget: Duration, line: u64, text: &[u8]) {
        let told = match message::parse(text) {
            Ok(told) if told.event.is_ahead_of(ports.clock.now()) => {
                return self.drop_malformed(line, "it tells of the future");
            }
            Ok(told) => told,
            Err(error @ message::MessageError::Other) => {
                tracing::warn!(line, reason = %error, "account event dropped");
                self.other += 1;
                return;
            }
            Err(error) => return self.drop_malformed(line, &error.to_string()),
        };
        match apply(ports, Deadline::after(budget), &told).await {
            Ok(Applied { known, changed }) => {
                tracing::info!(line, known, changed, "account event applied");
                self.applied += 1;
                self.changed += u64::from(changed > 0);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(line, reason = %error, cause, "account event not applied, tell it again");
                self.failed += 1;
            }
        }
    }

    fn drop_malformed(&mut self, line: u64, reason: &str) {
        tracing::warn!(line, reason, "account event dropped");
        self.malformed += 1;
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads a line into `text`, without its end. Of one that is too long only so much is kept in memory.
fn next_line(stream: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Line> {
    text.clear();
    let most = LINE_LEN_MAX as u64 + 1;
    if stream.by_ref().take(most).read_until(b'\n', text)? == 0 {
        return Ok(Line::End);
    }
    if text.last() == Some(&b'\n') {
        text.pop();
        return Ok(Line::Whole);
    }
    if text.len() <= LINE_LEN_MAX {
        return Ok(Line::Whole);
    }
    stream.skip_until(b'\n')?;
    Ok(Line::TooLong)
}
