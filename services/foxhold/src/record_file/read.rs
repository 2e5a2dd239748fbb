//! Reads a file of records: line by line, so that it may be larger than the memory; rows of one user become that user.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use foxhold_ops::wire::{ImportRecord, ImportUser, User};
use thiserror::Error;

use super::{End, FORMAT, Line, NodeLine, RowLine, ServiceLine};

/// The longest line: a user with all the past that there may be is a tenth of it.
const LINE_MAX: u64 = 1024 * 1024;

/// What a file says, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Service(Box<ServiceLine>),
    Node(NodeLine),
    User {
        service: String,
        user: ImportUser,
    },
    /// Nothing comes after it.
    End(End),
}

/// A file that cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum ReadFault {
    #[error("reading {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("line {line} is no line of records\nfix: see docs/token-server.md, the lines of an export")]
    Line { line: u64, source: serde_json::Error },
    #[error("line {line} is longer than {LINE_MAX} bytes")]
    TooLong { line: u64 },
    #[error("it does not begin with {{\"kind\":\"header\",\"format\":{FORMAT}}}")]
    NoHeader,
    #[error(
        "it is of format {0}; this version reads format {FORMAT}\nfix: use a tool as new as the one that wrote it"
    )]
    Format(u32),
    #[error("line {line} comes after the end, or is a second header")]
    Misplaced { line: u64 },
    #[error("it is cut off: the last line, {{\"kind\":\"end\"}}, is missing\nfix: export it again")]
    CutOff,
}

/// A file that is being read.
pub(crate) struct RecordFile {
    path: PathBuf,
    input: BufReader<File>,
    line: u64,
    buffer: String,
    /// Read ahead: what ended the rows of a user.
    next: Option<(u64, Line)>,
    is_done: bool,
}

impl RecordFile {
    /// Opens it, and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadFault> {
        let input = File::open(path).map_err(|source| ReadFault::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut file = Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(256 * 1024, input),
            line: 0,
            buffer: String::new(),
            next: None,
            is_done: false,
        };
        match file.read_line() {
            Ok(Some((_, Line::Header(header)))) if header.format == FORMAT => Ok(file),
            Ok(Some((_, Line::Header(header)))) => Err(ReadFault::Format(header.format)),
            Ok(_) | Err(ReadFault::Line { .. }) => Err(ReadFault::NoHeader),
            Err(error) => Err(error),
        }
    }

    /// What comes next, and the line where it begins; `None` after the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Item)>, ReadFault> {
        if self.is_done {
            return Ok(None);
        }
        let Some((line, read)) = self.take_line()? else {
            return Err(ReadFault::CutOff);
        };
        let item = match read {
            Line::Header(_) => return Err(ReadFault::Misplaced { line }),
            Line::Service(service) => Item::Service(Box::new(service)),
            Line::Node(node) => Item::Node(node),
            Line::User(user) => Item::User {
                service: user.service.clone(),
                user: user.into(),
            },
            Line::Record(row) => self.rows_of_user(row)?,
            Line::End(end) => {
                if let Some((line, _)) = self.take_line()? {
                    return Err(ReadFault::Misplaced { line });
                }
                self.is_done = true;
                Item::End(end)
            }
        };
        Ok(Some((line, item)))
    }

    /// The user of a row, with the rows of the same that follow.
    fn rows_of_user(&mut self, first: RowLine) -> Result<Item, ReadFault> {
        let (service, user) = (first.service.clone(), first.email.clone());
        let mut records = vec![ImportRecord::from(first)];
        while let Some((line, next)) = self.take_line()? {
            match next {
                Line::Record(row) if row.service == service && row.email == user => records.push(row.into()),
                other => {
                    self.next = Some((line, other));
                    break;
                }
            }
        }
        Ok(Item::User {
            service,
            user: user_of(user, records),
        })
    }

    fn take_line(&mut self) -> Result<Option<(u64, Line)>, ReadFault> {
        match self.next.take() {
            Some(ahead) => Ok(Some(ahead)),
            None => self.read_line(),
        }
    }

    /// The next line that is not empty.
    fn read_line(&mut self) -> Result<Option<(u64, Line)>, ReadFault> {
        loop {
            self.buffer.clear();
            let read = self.input.by_ref().take(LINE_MAX).read_line(&mut self.buffer);
            let read = read.map_err(|source| ReadFault::Io {
                path: self.path.clone(),
                source,
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let line = self.line;
            if read as u64 == LINE_MAX && !self.buffer.ends_with('\n') {
                return Err(ReadFault::TooLong { line });
            }
            let text = self.buffer.trim();
            if !text.is_empty() {
                let parsed = serde_json::from_str(text);
                let parsed = parsed.map_err(|source| ReadFault::Line { line, source })?;
                return Ok(Some((line, parsed)));
            }
        }
    }
}

fn user_of(user: User, records: Vec<ImportRecord>) -> ImportUser {
    ImportUser {
        user,
        records,
        old_client_states: Vec::new(),
        first_seen_at_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const HEADER: &str = r#"{"kind":"header","format":1}"#;
    const END: &str = r#"{"kind":"end"}"#;

    fn row(user: &str, uid: u64) -> String {
        format!(r#"{{"kind":"record","service":"sync-1.5","email":"{user}","uid":{uid},"created_at":1}}"#)
    }

    fn read(lines: &[&str]) -> Result<Vec<(u64, Item)>, ReadFault> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        let mut file = RecordFile::open(file.path())?;
        let mut items = Vec::new();
        while let Some(item) = file.next()? {
            items.push(item);
        }
        Ok(items)
    }

    #[test]
    fn rows_of_a_user_that_lie_together_are_one_user() {
        let rows = [row("a@x", 1), row("a@x", 2), row("b@x", 3), row("a@x", 4)];
        let [one, two, three, four] = rows.each_ref().map(String::as_str);
        let items = read(&[HEADER, one, two, "", three, four, END]).unwrap();
        let users: Vec<_> = items
            .iter()
            .filter_map(|(line, item)| match item {
                Item::User { user, .. } => Some((*line, user.user.0.as_str(), user.records.len())),
                _ => None,
            })
            .collect();
        assert_eq!(users, [(2, "a@x", 2), (5, "b@x", 1), (6, "a@x", 1)]);
        assert!(matches!(items.last(), Some((7, Item::End(_)))));
    }

    #[test]
    fn a_file_that_is_not_whole_or_not_ours_is_refused() {
        let rows = [row("a@x", 1), "x".repeat(2 * 1024 * 1024)];
        let [one, long] = rows.each_ref().map(String::as_str);
        type Fits = fn(&ReadFault) -> bool;
        let table: [(&str, &[&str], Fits); 8] = [
            ("nothing", &[], |f| matches!(f, ReadFault::NoHeader)),
            ("no header", &[one, END], |f| matches!(f, ReadFault::NoHeader)),
            ("something else", &["holiday"], |f| {
                matches!(f, ReadFault::NoHeader)
            }),
            ("newer", &[r#"{"kind":"header","format":2}"#, END], |f| {
                matches!(f, ReadFault::Format(2))
            }),
            ("cut off", &[HEADER, one], |f| matches!(f, ReadFault::CutOff)),
            ("cut in a line", &[HEADER, &one[..20]], |f| {
                matches!(f, ReadFault::Line { line: 2, .. })
            }),
            ("more after the end", &[HEADER, END, one], |f| {
                matches!(f, ReadFault::Misplaced { line: 3 })
            }),
            ("endless", &[HEADER, long], |f| {
                matches!(f, ReadFault::TooLong { line: 2 })
            }),
        ];
        for (name, lines, fits) in table {
            let fault = read(lines).unwrap_err();
            assert!(fits(&fault), "{name}: {fault}");
        }
        assert!(matches!(
            RecordFile::open(Path::new("/nonexistent/records")),
            Err(ReadFault::Io { .. })
        ));
    }
}
