//! One JSON object a line: `ts`, `level`, `target`, `msg`, `role`, `version`, then the fields of the event and of the
//! spans around it, outermost first; an event's own field wins over a span's of the same name.

use std::{
    fmt::{self, Write as _},
    io::Write,
    sync::Mutex,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::LookupSpan,
};

/// Writes events as JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    role: &'static str,
    // Held for one write, so that lines of two threads never mix.
    out: Mutex<W>,
}

impl<W> JsonLines<W> {
    /// Lines that name `role`, to `out`.
    pub const fn new(role: &'static str, out: W) -> Self {
        Self {
            role,
            out: Mutex::new(out),
        }
    }
}

/// The fields of a span, kept with it.
struct SpanFields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("ts".into(), now().into());
        line.insert(
            "level".into(),
            event.metadata().level().as_str().to_ascii_lowercase().into(),
        );
        line.insert("target".into(), event.metadata().target().into());
        line.insert("msg".into(), "".into());
        line.insert("role".into(), self.role.into());
        line.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        event.record(&mut Collect(&mut line));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A log that cannot be written must not stop the work it tells of.
        if let Ok(out) = self.out.lock() {
            let _ = out.make_writer().write_all(text.as_bytes());
        }
    }
}

fn now() -> String {
    let mut text = String::new();
    // Formatting into a String does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Collects fields as JSON; the message goes under `msg`.
struct Collect<'a>(&'a mut Map<String, Value>);

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = if field.name() == "message" {
            "msg"
        } else {
            field.name()
        };
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Collect<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The message says what this level tried; the chain says why.
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.put(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_of_its_spans() {
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = JsonLines::new("webhead", move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let span = tracing::info_span!("request", request.id = "abc", later = tracing::field::Empty);
            span.record("later", true);
            span.in_scope(|| tracing::info!(status = 503, duration_ms = 1.5, "done\nand \"quoted\""));
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        let expected: [(&str, Value); 7] = [
            ("level", "info".into()),
            ("msg", "done\nand \"quoted\"".into()),
            ("role", "webhead".into()),
            ("request.id", "abc".into()),
            ("later", true.into()),
            ("status", 503.into()),
            ("duration_ms", 1.5.into()),
        ];
        for (name, value) in expected {
            assert_eq!(line[name], value, "{name} in {text}");
        }
        let ts = line["ts"].as_str().unwrap();
        assert!(
            ts.ends_with('Z') && ts.len() == "2026-01-01T00:00:00.000000Z".len(),
            "{ts}"
        );
    }
}
