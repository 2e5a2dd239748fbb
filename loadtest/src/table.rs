//! Results, as a Markdown table on standard output.

use std::io::{self, Write};

/// Prints a heading, a line on how it was measured, and the table.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn print(title: &str, how: &str, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n## {title}\n\n{how}\n")?;
    writeln!(out, "{}", line(head))?;
    writeln!(out, "{}", line(&vec!["---"; head.len()]))?;
    for row in rows {
        writeln!(out, "{}", line(row))?;
    }
    out.flush()
}

/// One line of progress, on standard error.
pub(crate) fn progress(text: &str) {
    // Nobody may be looking.
    let _ = writeln!(io::stderr(), "{text}");
}

fn line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}
