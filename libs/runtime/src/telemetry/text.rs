//! Lines for a person at a terminal: time of day (UTC), level, message, fields, and the fields of the spans around. Where
//! a line comes from is left out: who needs that takes JSON.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Writes events as short lines.
#[derive(Debug)]
pub(super) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let (begin, end) = if out.has_ansi_escapes() {
            (colour(level), "\u{1b}[0m")
        } else {
            ("", "")
        };
        write!(out, "{} {begin}{level:5}{end} ", time_of_day()?)?;
        context.format_fields(out.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>().filter(|f| !f.is_empty()) {
                write!(out, " {fields}")?;
            }
        }
        writeln!(out)
    }
}

/// As in `09:30:00`.
fn time_of_day() -> Result<String, fmt::Error> {
    let mut whole = String::new();
    SystemTime.format_time(&mut Writer::new(&mut whole))?;
    // RFC 3339: the date is ten characters and a `T`.
    Ok(whole.get(11..19).unwrap_or(&whole).to_owned())
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_time_level_message_and_fields() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .event_format(TextLines)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request.id = "ab12");
            span.in_scope(|| tracing::info!(http.status = 200, "request"));
            tracing::warn!("alone");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let without_times: Vec<&str> = text.lines().map(|line| &line[8..]).collect();
        assert_eq!(
            without_times,
            [
                " INFO  request http.status=200 request.id=\"ab12\"",
                " WARN  alone"
            ]
        );
    }
}
