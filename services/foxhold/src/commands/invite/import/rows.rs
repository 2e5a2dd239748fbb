//! The file of `foxhold invite import`, read whole before anybody is invited.
//!
//! Must stay true: the first line names the columns, so no row is taken for it. A row that is no row stands in its place, and
//! keeps no other from being read.

use std::{fs, path::Path};

use anyhow::Context as _;
use csv::StringRecord;
use thiserror::Error;

use super::Outcome;
use crate::commands::NoSuchFile;

/// The longest note that is kept, in bytes.
const NOTE_LEN_MAX: usize = 200;
/// The longest tag of a language that is taken (RFC 5646, 4.4.1).
const LOCALE_LEN_MAX: usize = 35;

/// The first line does not say what stands below it.
#[derive(Debug, Error)]
#[error("{file}: {what}\nfix: the first line must name the columns: email, and if wanted note and locale")]
pub(crate) struct BadColumns {
    file: String,
    what: String,
}

/// A row of the file. What is left empty is absent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// As the file has it; of a row that is no row, what stands in its place.
    pub(super) email: String,
    /// The language of the invitation's mail. Mails have one language yet, so it is looked at and not used.
    pub(super) locale: Option<String>,
    pub(super) note: Option<String>,
    /// Whether it has as many fields as there are columns, and all of them are text.
    is_whole: bool,
}

/// Where the columns are.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    count: usize,
    email: usize,
    locale: Option<usize>,
    note: Option<usize>,
}

/// Reads them.
///
/// # Errors
/// [`NoSuchFile`]; [`BadColumns`]; a file that cannot be read.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    NoSuchFile::check("file", file)?;
    let shown = file.display();
    let text = fs::read(file).with_context(|| format!("reading {shown}"))?;
    let rows = rows(&text).with_context(|| format!("reading {shown}"))?;
    rows.map_err(|what| {
        let file = shown.to_string();
        BadColumns { file, what }.into()
    })
}

fn rows(text: &[u8]) -> csv::Result<Result<Vec<Row>, String>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter(text))
        // How many fields a row has is told row by row.
        .flexible(true)
        .from_reader(text);
    let columns = match Columns::named(&StringRecord::from_byte_record_lossy(
        reader.byte_headers()?.clone(),
    )) {
        Ok(columns) => columns,
        Err(what) => return Ok(Err(what)),
    };
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record?;
        let is_text = record.iter().all(|field| std::str::from_utf8(field).is_ok());
        rows.push(columns.row(&StringRecord::from_byte_record_lossy(record), is_text));
    }
    Ok(Ok(rows))
}

/// What stands between the names of the columns: a comma, or what spreadsheets put where the comma is in numbers.
fn delimiter(text: &[u8]) -> u8 {
    let names = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut known = [b',', b';', b'\t'].into_iter();
    known.find(|byte| names.contains(byte)).unwrap_or(b',')
}

impl Columns {
    /// By their names, in any case and order.
    ///
    /// # Errors
    /// What is wrong with them.
    fn named(names: &StringRecord) -> Result<Self, String> {
        let (mut email, mut locale, mut note) = (None, None, None);
        for (place, name) in names.iter().enumerate() {
            let column = match name.to_ascii_lowercase().as_str() {
                "email" => &mut email,
                "locale" => &mut locale,
                "note" => &mut note,
                _ => return Err(format!("no column is called {name:?}")),
            };
            if column.replace(place).is_some() {
                return Err(format!("two columns are called {name:?}"));
            }
        }
        Ok(Self {
            count: names.len(),
            email: email.ok_or("there is no column email")?,
            locale,
            note,
        })
    }

    fn row(&self, record: &StringRecord, is_text: bool) -> Row {
        let field = |place: usize| record.get(place).filter(|field| !field.is_empty());
        let word = |place: Option<usize>| place.and_then(field).map(str::to_owned);
        Row {
            email: word(Some(self.email)).unwrap_or_default(),
            locale: word(self.locale),
            note: word(self.note),
            is_whole: is_text && record.len() == self.count,
        }
    }
}

impl Row {
    /// What cannot be meant, whoever it is for.
    pub(super) fn fault(&self) -> Option<Outcome> {
        let has_long_note = self.note.as_ref().is_some_and(|note| note.len() > NOTE_LEN_MAX);
        let has_bad_locale = self.locale.as_ref().is_some_and(|locale| !is_locale(locale));
        if !self.is_whole {
            Some(Outcome::BadRow)
        } else if has_long_note {
            Some(Outcome::NoteTooLong)
        } else {
            has_bad_locale.then_some(Outcome::BadLocale)
        }
    }
}

/// Whether that has the form of a language's tag: `de`, `pt-BR`, `zh-Hant-TW`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LOCALE_LEN_MAX && is_language && parts.all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_has_the_form_of_a_language_s_tag() {
        for (text, expected) in [
            ("de", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("", false),
            ("d", false),
            ("german", false),
            ("de_DE", false),
            ("de-", false),
            ("de, en", false),
            ("de-aaaaaaaaa", false),
        ] {
            assert_eq!(is_locale(text), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_are_read_as_spreadsheets_write_them() {
        for text in [
            "email,note\nann@example.org,5b\n",
            "Email,Note\r\nann@example.org,5b\r\n",
            "\u{feff}EMAIL;note\nann@example.org;5b\n",
            "note\temail\n5b\tann@example.org",
            " email , note \n ann@example.org , 5b \n\n",
            "\"email\",\"note\"\n\"ann@example.org\",\"5b\"\n",
        ] {
            let read = rows(text.as_bytes()).unwrap().unwrap();
            let [row] = &read[..] else {
                panic!("{text:?}: {read:?}");
            };
            assert_eq!(
                (row.email.as_str(), row.note.as_deref(), row.fault()),
                ("ann@example.org", Some("5b"), None),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_file_that_does_not_name_its_columns_is_refused() {
        for (text, expected) in [
            ("", "there is no column email"),
            ("ann@example.org\n", "no column is called \"ann@example.org\""),
            ("note\n5b\n", "there is no column email"),
            ("email,Email\na,b\n", "two columns are called \"Email\""),
            ("email,colour\na,red\n", "no column is called \"colour\""),
        ] {
            assert_eq!(
                rows(text.as_bytes()).unwrap(),
                Err(expected.to_owned()),
                "{text:?}"
            );
        }
        assert_eq!(rows(b"email\n").unwrap(), Ok(Vec::new()));
    }

    #[test]
    fn a_row_that_is_no_row_leaves_the_others_as_they_are() {
        let text = b"email,note\nann@example.org\nbob@example.org,5b\ncarol@example.org,5b,left\n\xff@example.org,\n";
        let read = rows(text).unwrap().unwrap();
        let faults: Vec<_> = read.iter().map(Row::fault).collect();
        let bad = Some(Outcome::BadRow);
        assert_eq!(faults, [bad, None, bad, bad]);
        assert_eq!(read[0].email, "ann@example.org");
    }
}
