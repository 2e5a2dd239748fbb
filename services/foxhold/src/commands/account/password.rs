//! The password of a new account: asked for, or read from a file or standard input.
//!
//! Must stay true: it is no argument and no variable. A terminal on which it was asked for shows again what is typed, however the
//! asking ended.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use foxhold_core::SecretText;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use thiserror::Error;

use crate::commands::{NoSuchFile, paged::Interrupted};

/// As the page asks for.
const CHARS_MIN: usize = 8;
/// The longest file that is taken for one with a password.
const FILE_BYTES_MAX: usize = 4096;
/// A terminal hands over no longer line, and drops the rest.
const LINE_BYTES_MAX: usize = 4094;

/// What was given is no password, or none was given.
#[derive(Debug, Error)]
pub(crate) enum BadPassword {
    #[error("the password is shorter than {CHARS_MIN} characters\nfix: give a longer one")]
    Short,
    #[error(
        "it is longer than {FILE_BYTES_MAX} bytes\nfix: give a file that holds the password and nothing else"
    )]
    LongFile,
    #[error(
        "there is no terminal to ask for the password\nfix: give --password-file FILE, or - for standard input"
    )]
    NoTerminal,
    #[error("the two are not the same\nfix: run it again, and type the same password twice")]
    Differ,
    #[error("what was typed is no text\nfix: give --password-file FILE")]
    NoText,
    #[error("what was typed is longer than a terminal can tell\nfix: give --password-file FILE")]
    LongLine,
}

/// The first line of a file, or of standard input if that is `-`; without a file it is asked for.
pub(super) fn given(file: Option<&Path>) -> anyhow::Result<SecretText> {
    let text = match file {
        Some(path) if path == Path::new("-") => first_line(&read(io::stdin().lock())?),
        Some(path) => {
            NoSuchFile::check("file", path)?;
            let shown = path.display();
            let file = fs::File::open(path).with_context(|| format!("opening {shown}"))?;
            first_line(&read(file).with_context(|| format!("reading {shown}"))?)
        }
        None => asked()?,
    };
    ensure!(text.expose().chars().count() >= CHARS_MIN, BadPassword::Short);
    Ok(text)
}

/// All there is; what is longer is not cut, since its owner would sign in with all of it.
fn read(from: impl io::Read) -> anyhow::Result<SecretText> {
    let mut text = String::with_capacity(FILE_BYTES_MAX + 1);
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    let text = SecretText::new(text);
    ensure!(text.expose().len() <= FILE_BYTES_MAX, BadPassword::LongFile);
    Ok(text)
}

fn first_line(text: &SecretText) -> SecretText {
    SecretText::new(text.expose().lines().next().unwrap_or_default().to_owned())
}

/// Asked twice, and not shown.
fn asked() -> anyhow::Result<SecretText> {
    ensure!(io::stdin().is_terminal(), BadPassword::NoTerminal);
    let hidden = Hidden::begin().context("asking")?;
    let (first, second) = (hidden.line("Password: ")?, hidden.line("Again: ")?);
    ensure!(first.expose() == second.expose(), BadPassword::Differ);
    Ok(first)
}

/// A terminal that shows nothing of what is typed, until this is dropped. Its keys for interrupting send no signal meanwhile,
/// which would end this process before it could set the terminal right: they end the line.
struct Hidden {
    shown: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let shown = tcgetattr(io::stdin())?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        let codes = &mut hidden.special_codes;
        codes[SpecialCodeIndex::VEOL] = shown.special_codes[SpecialCodeIndex::VINTR];
        codes[SpecialCodeIndex::VEOL2] = shown.special_codes[SpecialCodeIndex::VQUIT];
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self { shown })
    }

    fn line(&self, question: &str) -> anyhow::Result<SecretText> {
        let mut err = io::stderr().lock();
        write!(err, "{question}").context("asking")?;
        err.flush().context("asking")?;
        let codes = &self.shown.special_codes;
        let interrupts = [codes[SpecialCodeIndex::VINTR], codes[SpecialCodeIndex::VQUIT]];
        let typed = typed(io::stdin().lock(), interrupts);
        writeln!(err).context("asking")?;
        typed
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // With the terminal gone, there is nothing to set right.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.shown);
    }
}

/// A line without its end.
///
/// # Errors
/// [`Interrupted`] by one of these keys; and a line that cannot be a password.
fn typed(mut from: impl io::BufRead, interrupts: [u8; 2]) -> anyhow::Result<SecretText> {
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    loop {
        let bytes = from.fill_buf().context("asking")?;
        let is_end = |byte: &u8| *byte == b'\n' || interrupts.contains(byte);
        let end = bytes.iter().position(is_end);
        let len = end.unwrap_or(bytes.len());
        line.extend_from_slice(&bytes[..len]);
        let last = end.map(|end| bytes[end]);
        let is_over = end.is_some() || bytes.is_empty();
        from.consume(len + usize::from(end.is_some()));
        if is_over {
            let line = String::from_utf8(line).map(SecretText::new);
            if last.is_some_and(|last| last != b'\n') {
                bail!(Interrupted);
            }
            let line = line.map_err(|_| BadPassword::NoText)?;
            ensure!(line.expose().len() <= LINE_BYTES_MAX, BadPassword::LongLine);
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const KEYS: [u8; 2] = [3, 28];

    #[test]
    fn of_a_file_the_first_line_counts() {
        for (text, expected) in [
            ("pass word\n", "pass word"),
            ("pass word\r\nmore", "pass word"),
            (" pass", " pass"),
            ("", ""),
        ] {
            assert_eq!(first_line(&SecretText::new(text.to_owned())).expose(), expected);
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_cut() {
        for (len, is_taken) in [(0, true), (4096, true), (4097, false), (100_000, false)] {
            let text = "x".repeat(len);
            let read = read(text.as_bytes());
            assert_eq!(read.ok().map(|text| text.expose().len()), is_taken.then_some(len));
        }
    }

    #[test]
    fn a_line_is_typed_or_interrupted() {
        let interrupted = "interrupted";
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let table = [
            ("pass word\nmore", Ok("pass word")),
            ("", Ok("")),
            ("no end", Ok("no end")),
            ("\u{e9}t\u{e9} \n", Ok("\u{e9}t\u{e9} ")),
            ("pass\u{3}", Err(interrupted)),
            ("\u{1c}", Err(interrupted)),
            ("pass\n\u{3}", Ok("pass")),
            (&long, Err("longer")),
        ];
        // However it comes in.
        for (size, (text, expected)) in [1, 3, 9000]
            .iter()
            .flat_map(|size| table.iter().map(move |row| (size, row)))
        {
            let got = typed(BufReader::with_capacity(*size, text.as_bytes()), KEYS);
            match (got, expected) {
                (Ok(line), Ok(expected)) => assert_eq!(line.expose(), *expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, _) => panic!("{text:?}: {:?}", got.map(|line| line.expose().len())),
            }
        }
    }

    #[test]
    fn what_follows_a_line_is_the_next_one() {
        let mut input = BufReader::new(&b"one\ntwo\n"[..]);
        for expected in ["one", "two"] {
            assert_eq!(typed(&mut input, KEYS).unwrap().expose(), expected);
        }
    }
}
