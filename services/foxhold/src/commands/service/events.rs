//! `foxhold service import-events`: account events that a queue holds (`tokenserver.md` 10), from a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path as FilePath,
    time::Duration,
};

use anyhow::Context as _;
use foxhold_ops::wire::{EVENTS_MAX, EventMessages, EventOutcome, EventsDone};
use serde_json::{Value, json};
use thiserror::Error;

use super::EventsArgs;
use crate::{
    admin_client::{self, AdminError, Path},
    commands::{
        NoSuchFile,
        paged::{Interrupt, Interrupted},
    },
    output::table,
    progress::{Progress, note},
};

/// The longest message: what the large queue services take.
const MESSAGE_LEN_MAX: usize = 256 * 1024;
/// Messages of one request are so long together, but for the last of them: it fits in a request.
const BATCH_LEN_MAX: usize = 1024 * 1024;

/// How often the same is told again, where it can be read again.
const TRIES: u32 = 5;
/// Between two tries, at first and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

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
    let mut lines = Lines::of(open(&arguments.file)?);
    let (sums, was_interrupted) = admin_client::with(&change.admin, async |admin| {
        let mut feed = Feed {
            interrupt: Interrupt::listen()?,
            patience: Patience::for_file(&arguments.file),
            told: Told {
                sums: BTreeMap::new(),
                is_quiet: change.admin.quiet,
            },
        };
        let mut progress = Progress::new("events", None, change.admin.quiet);
        loop {
            let batch = lines.batch().context("reading events")?;
            if batch.is_over() {
                return Ok((feed.told.sums, false));
            }
            feed.put(batch, async |messages| {
                admin.post(&path, &EventMessages { messages }).await
            })
            .await?;
            progress.at(feed.told.number());
            if feed.interrupt.has_come() {
                return Ok((feed.told.sums, true));
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

/// How often, and how far apart, the same is told again while the store is away.
struct Patience {
    /// Absent = until somebody interrupts.
    tries: Option<u32>,
    /// Used up since the last batch that was taken in whole: one that cannot be taken in costs others nothing, and a store that
    /// is away for good not a wait for each batch.
    used: u32,
    pause: Duration,
}

impl Patience {
    /// A file can be read again. What came through a pipe is nowhere else any more.
    fn for_file(file: &FilePath) -> Self {
        Self {
            tries: (!is_pipe(file)).then_some(TRIES),
            used: 0,
            pause: PAUSE_MIN,
        }
    }

    /// How long to wait before the next try, if there is one.
    fn next(&mut self) -> Option<Duration> {
        if self.tries.is_some_and(|tries| self.used >= tries) {
            return None;
        }
        self.used = self.used.saturating_add(1);
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        Some(pause)
    }

    fn renew(&mut self) {
        self.used = 0;
        self.pause = self.pause.min(PAUSE_MIN);
    }
}

/// What came of the lines so far.
struct Told {
    sums: BTreeMap<EventOutcome, u64>,
    is_quiet: bool,
}

impl Told {
    /// Counts, and names the lines that came to nothing: whoever looks for an event finds it by that.
    fn add(&mut self, of: EventOutcome, lines: &[u64]) {
        if lines.is_empty() {
            return;
        }
        *self.sums.entry(of).or_default() += lines.len() as u64;
        if let Some(what) = worth_a_look(of) {
            note(self.is_quiet, &format!("{what}: {}", named(lines)));
        }
    }

    fn number(&self) -> u64 {
        self.sums.values().sum()
    }
}

const fn worth_a_look(of: EventOutcome) -> Option<&'static str> {
    match of {
        EventOutcome::Changed | EventOutcome::Unchanged => None,
        EventOutcome::Other => Some("not for token servers"),
        EventOutcome::Malformed => Some("malformed"),
        EventOutcome::Failed => Some("not taken in"),
    }
}

fn named(lines: &[u64]) -> String {
    let numbers: Vec<String> = lines.iter().map(u64::to_string).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!("{word} {}", numbers.join(", "))
}

/// Tells the events, batch for batch.
struct Feed {
    interrupt: Interrupt,
    patience: Patience,
    told: Told,
}

impl Feed {
    /// A batch, until nothing of it fails any more: nothing behind it is read before, so that nothing is lost with it.
    async fn put(
        &mut self,
        batch: Batch,
        mut ask: impl AsyncFnMut(Vec<Value>) -> Result<EventsDone, AdminError>,
    ) -> Result<(), AdminError> {
        self.told.add(EventOutcome::Malformed, &batch.malformed);
        let mut left = batch.messages;
        while !left.is_empty() {
            let messages = left.iter().map(|(_, message)| message.clone()).collect();
            let failure = match ask(messages).await {
                Ok(done) => {
                    left = self.sort(left, done.outcomes);
                    None
                }
                Err(error) if error.is_passing() => Some(error),
                Err(error) => return Err(error),
            };
            if left.is_empty() {
                break;
            }
            let next = (!self.interrupt.has_come()).then(|| self.patience.next());
            match (next.flatten(), failure) {
                (Some(pause), _) => {
                    let text = format!("the store or the admin API is away; {} events wait", left.len());
                    note(self.told.is_quiet, &text);
                    self.interrupt.sleep(pause).await;
                }
                (None, Some(failure)) => return Err(failure),
                (None, None) => {
                    let lines: Vec<u64> = left.iter().map(|(line, _)| *line).collect();
                    self.told.add(EventOutcome::Failed, &lines);
                    return Ok(());
                }
            }
        }
        self.patience.renew();
        Ok(())
    }

    /// Counts what is done with; gives back what has to be told again.
    fn sort(&mut self, told: Vec<(u64, Value)>, outcomes: Vec<EventOutcome>) -> Vec<(u64, Value)> {
        let (mut failed, mut done) = (Vec::new(), BTreeMap::<_, Vec<u64>>::new());
        for ((line, message), outcome) in told.into_iter().zip(outcomes) {
            if outcome == EventOutcome::Failed {
                failed.push((line, message));
            } else {
                done.entry(outcome).or_default().push(line);
            }
        }
        for (outcome, lines) in done {
            self.told.add(outcome, &lines);
        }
        failed
    }
}

fn is_pipe(file: &FilePath) -> bool {
    file.as_os_str() == "-"
}

fn open(file: &FilePath) -> anyhow::Result<Box<dyn Read>> {
    if is_pipe(file) {
        return Ok(Box::new(io::stdin()));
    }
    NoSuchFile::check("file", file)?;
    let opened = File::open(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Box::new(opened))
}

/// What goes in one request.
#[derive(Default)]
struct Batch {
    /// With the line each stands on; the first is 1.
    messages: Vec<(u64, Value)>,
    /// Lines that are no JSON, or too long.
    malformed: Vec<u64>,
}

impl Batch {
    fn is_over(&self) -> bool {
        self.messages.is_empty() && self.malformed.is_empty()
    }
}

/// The input, and how many lines of it were read.
struct Lines<R> {
    input: BufReader<R>,
    read: u64,
}

impl<R: Read> Lines<R> {
    fn of(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(MESSAGE_LEN_MAX, input),
            read: 0,
        }
    }

    /// The next messages: as many as one request takes, or as have come, so that none waits for those behind it in a pipe. A
    /// line that is no JSON, or too long, stops nobody.
    fn batch(&mut self) -> io::Result<Batch> {
        let (mut batch, mut len, mut line) = (Batch::default(), 0, Vec::new());
        while batch.messages.len() < EVENTS_MAX && len < BATCH_LEN_MAX {
            let found = next_line(&mut self.input, &mut line)?;
            self.read += 1;
            match found {
                Line::End => break,
                // However many there are, they are no batch.
                Line::Whole if line.trim_ascii().is_empty() => line.clear(),
                Line::Whole => match serde_json::from_slice(&line) {
                    Ok(message) => batch.messages.push((self.read, message)),
                    Err(_) => batch.malformed.push(self.read),
                },
                Line::TooLong => batch.malformed.push(self.read),
            }
            len += line.len();
            if !batch.is_over() && self.input.buffer().is_empty() {
                break;
            }
        }
        Ok(batch)
    }
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
    use foxhold_runtime::Shutdown;

    use super::*;

    /// How many messages the batches have, and which lines are malformed.
    fn sizes(text: impl Read, batches: usize) -> (Vec<usize>, Vec<u64>) {
        let (mut lines, mut malformed) = (Lines::of(text), Vec::new());
        let sizes = (0..batches).map(|_| {
            let batch = lines.batch().unwrap();
            malformed.extend(batch.malformed);
            batch.messages.len()
        });
        (sizes.collect(), malformed)
    }

    #[test]
    fn lines_come_in_batches_and_what_is_no_message_is_named() {
        let text = format!("{}\n\nholiday\n{}", "{}\n".repeat(EVENTS_MAX), "{}");
        let (sizes, malformed) = sizes(text.as_bytes(), 3);
        assert_eq!(sizes, [EVENTS_MAX, 1, 0]);
        // Behind the empty ones, which count.
        assert_eq!(malformed, [EVENTS_MAX as u64 + 3]);
    }

    #[test]
    fn no_line_stops_those_behind_it() {
        let long = vec![b'x'; 3 * MESSAGE_LEN_MAX];
        let text = [b"\xff\xfe\n{}\n".as_slice(), &long, b"\n{}\n"].concat();
        let (sizes, malformed) = sizes(&*text, 4);
        assert_eq!(sizes.iter().sum::<usize>(), 2);
        assert_eq!(malformed, [1, 3]);
    }

    #[test]
    fn empty_lines_are_not_the_end() {
        let text = format!("{}{{}}\n", "\n".repeat(BATCH_LEN_MAX + 1));
        assert_eq!(sizes(text.as_bytes(), 2), (vec![1, 0], vec![]));
    }

    #[test]
    fn long_messages_make_short_batches() {
        let text = format!("{:?}\n", "x".repeat(MESSAGE_LEN_MAX - 3)).repeat(9);
        let (sizes, malformed) = sizes(text.as_bytes(), 10);
        assert_eq!((sizes.iter().sum::<usize>(), malformed), (9, vec![]));
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
    use EventOutcome::{Changed, Failed, Malformed, Other};

    /// Waits for nothing.
    fn feed(tries: Option<u32>, interrupt: Interrupt) -> Feed {
        Feed {
            interrupt,
            patience: Patience {
                tries,
                used: 0,
                pause: Duration::ZERO,
            },
            told: Told {
                sums: BTreeMap::new(),
                is_quiet: true,
            },
        }
    }

    fn batch(messages: &[u64]) -> Batch {
        Batch {
            messages: messages.iter().map(|line| (*line, json!(line))).collect(),
            malformed: Vec::new(),
        }
    }

    fn done(outcomes: &[EventOutcome]) -> EventsDone {
        EventsDone {
            dry_run: false,
            outcomes: outcomes.to_vec(),
        }
    }

    #[tokio::test]
    async fn what_failed_is_told_again_and_nothing_else() {
        for tries in [Some(2), None] {
            let mut feed = feed(tries, Interrupt::at(Shutdown::new()));
            let mut asked = Vec::new();
            let mut batch = batch(&[1, 3, 4]);
            batch.malformed = vec![2];
            let ask = async |messages: Vec<Value>| {
                asked.push(messages);
                Ok(match asked.len() {
                    1 => done(&[Failed, Other, Failed]),
                    2 => done(&[Changed, Failed]),
                    _ => done(&[Changed]),
                })
            };
            feed.put(batch, ask).await.unwrap();
            let expected = [
                vec![json!(1), json!(3), json!(4)],
                vec![json!(1), json!(4)],
                vec![json!(4)],
            ];
            assert_eq!(asked, expected);
            assert_eq!(feed.told.sums, [(Changed, 2), (Other, 1), (Malformed, 1)].into());
        }
    }

    /// One that can never be taken in does not keep a file from its end.
    #[tokio::test]
    async fn patience_with_a_file_ends_and_nobody_waits_any_more_then() {
        let mut feed = feed(Some(2), Interrupt::at(Shutdown::new()));
        let mut asked = 0;
        for lines in [&[1][..], &[2]] {
            let ask = async |_: Vec<Value>| {
                asked += 1;
                Ok(done(&[Failed]))
            };
            feed.put(batch(lines), ask).await.unwrap();
        }
        assert_eq!((asked, &feed.told.sums), (4, &[(Failed, 2)].into()));
        feed.put(batch(&[3]), async |_| Ok(done(&[Changed])))
            .await
            .unwrap();
        assert!(feed.patience.next().is_some(), "the store is back");
    }

    /// Far more often than a file is.
    #[tokio::test]
    async fn a_pipe_is_told_to_its_end_until_somebody_ends_it() {
        let end = Shutdown::new();
        let mut feed = feed(None, Interrupt::at(end.clone()));
        let mut asked = 0;
        let ask = async |_: Vec<Value>| {
            asked += 1;
            if asked == 100 {
                end.trigger();
            }
            Ok(done(&[Failed]))
        };
        feed.put(batch(&[7]), ask).await.unwrap();
        assert_eq!((asked, feed.told.sums), (100, [(Failed, 1)].into()));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut patience = Patience::for_file(FilePath::new("-"));
        let pauses: Vec<u64> = (0..7)
            .map_while(|_| patience.next())
            .map(|pause| pause.as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        let mut patience = Patience::for_file(FilePath::new("events.jsonl"));
        assert_eq!((0..7).map_while(|_| patience.next()).count(), TRIES as usize);
    }

    #[test]
    fn lines_are_named() {
        assert_eq!(named(&[7]), "line 7");
        assert_eq!(named(&[7, 9]), "lines 7, 9");
    }
}
