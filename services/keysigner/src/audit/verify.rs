//! Whether a log is what was written: called by `foxhold audit verify`, on the folder or on a copy of it.
//!
//! What it finds: a line that was edited, taken out, put in or moved; and, by heads that were signed and kept, what was cut
//! off at the end or written anew as a whole. Reads a line at a time, however long the log is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use foxhold_core::hex;
use foxhold_crypto::audit::Head;

use super::{
    chain::{self, CheckpointLine, ReadLine},
    file::{CHECKPOINTS, files, first_of},
};

/// More findings say no more.
const FINDINGS_MAX: usize = 100;
/// No line of ours is longer.
const LINE_LEN_MAX: u64 = 64 * 1024;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// What a log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The first and last record's number.
    pub range: Option<(u64, u64)>,
    /// Records of signatures.
    pub signed: u64,
    /// Records of refusals.
    pub refused: u64,
    /// Signed heads that fit.
    pub heads: u64,
    /// Those of them that were kept elsewhere: the others say nothing against whoever can write the folder.
    pub kept_heads: u64,
    /// The number up to which a signed head vouches.
    pub vouched_to: Option<u64>,
    /// The keys that the log says its heads are signed with, in order: 64 hex digits each.
    pub public_keys: Vec<String>,
    /// Whether the last line was not whole: it is being written, or a crash cut it off. Nobody was answered for it.
    pub ends_inside_a_line: bool,
    /// What is wrong; empty for a good log. No more than a hundred.
    pub findings: Vec<Finding>,
}

/// Looks through the log in `folder`. `public_key`: what heads must be signed with; what the log itself says if absent,
/// which somebody who wrote the whole log anew would have changed, too. `kept`: files with heads that were kept elsewhere; one
/// that holds none, or something else, too, is a finding: it would vouch for nothing.
///
/// # Errors
/// A file cannot be read.
pub fn verify(folder: &Path, public_key: Option<[u8; 32]>, kept: &[PathBuf]) -> io::Result<Report> {
    let own = folder.join(CHECKPOINTS);
    let mut looking = Looking::default();
    let mut heads = Vec::new();
    if own.exists() {
        // Half a line is no forgery: the next one tells more.
        heads.extend(read_lines(&own, false)?.into_iter().filter_map(Result::ok));
    }
    for path in kept {
        heads.extend(looking.kept_heads(path)?);
    }
    looking.named = heads.iter().map(|given| given.head.seq).collect();
    let files = files(folder)?;
    for (at, path) in (1..).zip(&files) {
        looking.look_through(path, at == files.len())?;
    }
    looking.compare_heads(&heads, public_key);
    Ok(looking.report)
}

/// A head and where it stands.
struct Given {
    file: PathBuf,
    line: u64,
    head: CheckpointLine,
    is_kept: bool,
}

/// The heads in a file, and the numbers of lines that are none. Empty ones do not count.
fn read_lines(path: &Path, is_kept: bool) -> io::Result<Vec<Result<Given, u64>>> {
    let mut read = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(path)?).split(b'\n')) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let given = |head| Given {
            file: path.to_owned(),
            line: number,
            head,
            is_kept,
        };
        read.push(serde_json::from_slice(&line).map(given).map_err(|_| number));
    }
    Ok(read)
}

#[derive(Default)]
struct Looking {
    report: Report,
    /// What the next line has to go on from.
    last: Option<(u64, String, String)>,
    /// The records that heads name.
    named: BTreeSet<u64>,
    /// Their hashes.
    hashes: BTreeMap<u64, [u8; 32]>,
}

impl Looking {
    /// The heads of a file that was kept elsewhere.
    fn kept_heads(&mut self, path: &Path) -> io::Result<Vec<Given>> {
        let mut heads = Vec::new();
        for read in read_lines(path, true)? {
            match read {
                Ok(given) => heads.push(given),
                Err(number) => self.find(path, number, "not a signed head"),
            }
        }
        if heads.is_empty() {
            self.find(path, 0, "the file holds no signed head");
        }
        Ok(heads)
    }

    fn look_through(&mut self, path: &Path, is_last: bool) -> io::Result<()> {
        let mut lines = BufReader::new(File::open(path)?);
        let (mut line, mut number) = (Vec::new(), 0);
        let mut begins_with = first_of(path);
        loop {
            line.clear();
            number += 1;
            if io::Read::take(&mut lines, LINE_LEN_MAX).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let whole = line.strip_suffix(b"\n");
            match whole.and_then(chain::read) {
                Some((read, is_whole)) => {
                    if begins_with.take().is_some_and(|first| first != read.seq) {
                        self.find(
                            path,
                            number,
                            "the file does not begin with the record that its name says",
                        );
                    }
                    self.look_at(path, number, read, is_whole);
                }
                None if whole.is_none() && is_last && lines.fill_buf()?.is_empty() => {
                    self.report.ends_inside_a_line = true;
                }
                None => self.find(path, number, "not a line of an audit log"),
            }
        }
    }

    fn look_at(&mut self, path: &Path, number: u64, line: ReadLine, is_whole: bool) {
        if !is_whole {
            self.find(path, number, "the line was edited");
        }
        match &self.last {
            Some((seq, log, _)) if seq.checked_add(1) != Some(line.seq) || line.log != *log => {
                self.find(
                    path,
                    number,
                    "a line is missing before it, or it stands where it does not belong",
                );
            }
            Some((.., hash)) if line.previous != *hash => {
                self.find(path, number, "the line before it is not the one that was written");
            }
            None if line.seq == 0 && line.previous.bytes().any(|digit| digit != b'0') => {
                self.find(path, number, "the first line is not the one that was written");
            }
            Some(_) | None => {}
        }
        match line.result.as_deref() {
            Some("signed") => self.report.signed += 1,
            Some("refused") => self.report.refused += 1,
            _ => {}
        }
        if line.kind == "begin"
            && let Some(key) = line.public_key
            && !self.report.public_keys.contains(&key)
        {
            self.report.public_keys.push(key);
        }
        let first = self.report.range.map_or(line.seq, |(first, _)| first);
        self.report.range = Some((first, line.seq));
        if self.named.contains(&line.seq)
            && let Ok(hash) = hex::decode(&line.hash)
        {
            self.hashes.insert(line.seq, hash);
        }
        self.last = Some((line.seq, line.log, line.hash));
    }

    /// Each head must be signed, and be that of the log.
    fn compare_heads(&mut self, heads: &[Given], public_key: Option<[u8; 32]>) {
        let stated = self
            .report
            .public_keys
            .iter()
            .filter_map(|key| hex::decode(key).ok());
        let keys: Vec<[u8; 32]> = public_key.map_or_else(|| stated.collect(), |key| vec![key]);
        for given in heads {
            match keys.iter().find_map(|key| given.head.head(key)) {
                Some(head) => self.compare(given, &head),
                None => self.find(
                    &given.file,
                    given.line,
                    "the head is not signed with the log's key",
                ),
            }
        }
    }

    fn compare(&mut self, given: &Given, head: &Head) {
        let (path, number) = (&given.file, given.line);
        let is_of_log = self
            .last
            .as_ref()
            .is_none_or(|(_, log, _)| *log == hex::encode(&head.log));
        let first = self.report.range.map_or(u64::MAX, |(first, _)| first);
        match self.hashes.get(&head.seq) {
            _ if !is_of_log => self.find(path, number, "the head is that of another log"),
            Some(hash) if *hash == head.hash => {
                self.report.heads += 1;
                self.report.kept_heads += u64::from(given.is_kept);
                self.report.vouched_to = self.report.vouched_to.max(Some(head.seq));
            }
            Some(_) => self.find(
                path,
                number,
                "the log was written anew: the head's record is another",
            ),
            // Older files may have been put away.
            None if head.seq < first && first != u64::MAX => {}
            None => self.find(path, number, "the log was cut off: the head's record is missing"),
        }
    }

    fn find(&mut self, path: &Path, line: u64, what: &'static str) {
        if self.report.findings.len() < FINDINGS_MAX {
            let file = path.to_owned();
            self.report.findings.push(Finding { file, line, what });
        }
    }
}
