//! What commands print: tables for people, JSON for scripts.

pub(crate) mod stream;

use std::io::{self, Write};

use foxhold_core::Timestamp;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One document.
    Json,
    /// A line for each thing listed, or one line.
    Jsonl,
}

/// What the caller wants printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct OutputArgs {
    /// How results are printed.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Format,
    /// The same as --output json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl OutputArgs {
    fn format(self) -> Format {
        if self.json { Format::Json } else { self.output }
    }

    /// Whether each thing listed is a line, which may be printed as it comes.
    pub(crate) fn is_jsonl(self) -> bool {
        self.format() == Format::Jsonl
    }

    /// Prints `text`, or `value` as JSON.
    pub(crate) fn print(self, text: &str, value: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.format() {
            Format::Table => out.write_all(text.as_bytes()),
            Format::Json => writeln!(out, "{value:#}"),
            Format::Jsonl => writeln!(out, "{value}"),
        }
    }

    /// Prints `text`, or the things listed: as one document under their name, or as a line each.
    pub(crate) fn print_list(self, text: &str, name: &str, listed: Vec<Value>) -> io::Result<()> {
        if self.format() == Format::Jsonl {
            let mut out = io::stdout().lock();
            return listed.iter().try_for_each(|value| writeln!(out, "{value}"));
        }
        let document = Map::from_iter([(name.to_owned(), Value::Array(listed))]);
        self.print(text, &Value::Object(document))
    }
}

/// Rows below their headings, in columns as wide as they have to be.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let headings = headings.map(str::to_owned);
    let lines = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| {
        let widths = lines().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in lines() {
        text.push_str(&row(line, widths));
        text.push('\n');
    }
    text
}

/// Cells in columns of these widths.
fn row<const N: usize>(cells: &[String; N], widths: [usize; N]) -> String {
    let cells = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// As in `2026-11-21T13:00:00Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    let secs = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let Ok(at) = OffsetDateTime::from_unix_timestamp(secs) else {
        return "?".to_owned();
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [
            ["0001".to_owned(), "deployment".to_owned()],
            ["2".to_owned(), String::new()],
        ];
        assert_eq!(
            table(["NUMBER", "NAME"], &rows),
            "NUMBER  NAME\n0001    deployment\n2\n"
        );
    }

    #[test]
    fn moments_are_utc() {
        assert_eq!(
            moment(Timestamp::from_millis(1_700_000_000_999)),
            "2023-11-14T22:13:20Z"
        );
    }
}
