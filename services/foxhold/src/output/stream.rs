//! Things that are printed one by one, as they come: what was printed is there, whatever becomes of the rest.

use std::io::{self, Write};

use serde_json::Value;

use super::{Format, OutputArgs, row};

/// A list under way, in `N` columns. Where it is one document, the document ends with it.
pub(crate) struct Stream<const N: usize, W: Write = io::Stdout> {
    format: Format,
    widths: [usize; N],
    is_first: bool,
    out: W,
}

impl<const N: usize> Stream<N> {
    /// Begins a list of that name on standard output. Columns are as wide as their headings, or as `widths`.
    pub(crate) fn begin(
        output: OutputArgs,
        name: &str,
        headings: [&str; N],
        widths: [usize; N],
    ) -> io::Result<Self> {
        Self::begin_on(io::stdout(), output.format(), name, headings, widths)
    }
}

impl<const N: usize, W: Write> Stream<N, W> {
    fn begin_on(
        mut out: W,
        format: Format,
        name: &str,
        headings: [&str; N],
        widths: [usize; N],
    ) -> io::Result<Self> {
        let widths: [usize; N] = std::array::from_fn(|place| widths[place].max(headings[place].len()));
        match format {
            Format::Table => writeln!(out, "{}", row(&headings.map(str::to_owned), widths))?,
            Format::Json => write!(out, "{{\n  {}: [", Value::from(name))?,
            Format::Jsonl => {}
        }
        Ok(Self {
            format,
            widths,
            is_first: true,
            out,
        })
    }

    /// Prints one more: a row of the table, or `value`.
    pub(crate) fn line(&mut self, cells: [String; N], value: &Value) -> io::Result<()> {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        match self.format {
            Format::Table => writeln!(self.out, "{}", row(&cells, self.widths))?,
            Format::Json => write!(self.out, "{comma}\n    {value}")?,
            Format::Jsonl => writeln!(self.out, "{value}")?,
        }
        self.out.flush()
    }

    /// There are no more.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.format == Format::Json {
            let gap = if self.is_first { "" } else { "\n  " };
            writeln!(self.out, "{gap}]\n}}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(format: Format, values: &[&str]) -> String {
        let mut out = Vec::new();
        let mut list = Stream::begin_on(&mut out, format, "rows", ["ROW", "NAME"], [0, 5]).unwrap();
        for (number, name) in (1..).zip(values) {
            let value = json!({ "row": number, "name": name });
            list.line([number.to_string(), (*name).to_owned()], &value)
                .unwrap();
        }
        list.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_whole_however_many_there_were() {
        for names in [&[][..], &["ann"], &["ann", "bob"]] {
            let document: Value = serde_json::from_str(&printed(Format::Json, names)).unwrap();
            assert_eq!(document["rows"].as_array().unwrap().len(), names.len());
            assert_eq!(printed(Format::Jsonl, names).lines().count(), names.len());
        }
        assert_eq!(
            printed(Format::Table, &["ann", "bob"]),
            "ROW  NAME\n1    ann\n2    bob\n"
        );
    }

    /// What came is out before the next one is begun.
    #[test]
    fn each_is_printed_at_once() {
        let mut out = Vec::new();
        let mut list = Stream::begin_on(&mut out, Format::Json, "rows", ["ROW"], [0]).unwrap();
        list.line(["1".to_owned()], &json!(1)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\n  \"rows\": [\n    1");
    }
}
