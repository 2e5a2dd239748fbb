//! One JSON object a line: `ts`, `level`, `target`, `role`, `version`, `region` and `instance` as far as they are known,
//! for lines of the audit `audit.sequence`, then the fields of the event, its message as `msg`, and those of the spans
//! around it, outermost first; an event's own field wins over a span's of the same name.

use std::{
    fmt::{self, Write as _},
    io::Write,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

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

use super::{
    AUDIT,
    place::{HERE, Place},
};

/// Writes events as JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    role: &'static str,
    place: &'static OnceLock<Place>,
    /// Lines of the audit so far: a number that is missing is a line that was lost.
    audited: AtomicU64,
    // Held for one write, so that lines of two threads never mix.
    out: Mutex<W>,
}

impl<W> JsonLines<W> {
    /// Lines that name `role`, to `out`.
    pub const fn new(role: &'static str, out: W) -> Self {
        Self {
            role,
            place: &HERE,
            audited: AtomicU64::new(0),
            out: Mutex::new(out),
        }
    }
}

/// The fields of a span, kept with it: name, and value as JSON.
struct SpanFields(Vec<(&'static str, String)>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = SpanFields(Vec::new());
        attributes.record(&mut Visitor(|field: &Field, value: Json<'_>| {
            fields.set(field, value)
        }));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<SpanFields>()
        {
            values.record(&mut Visitor(|field: &Field, value: Json<'_>| {
                fields.set(field, value)
            }));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        let mut line = Line::begin();
        line.field("level", level(*meta.level()));
        line.field("target", meta.target());
        line.field("role", self.role);
        line.field("version", env!("CARGO_PKG_VERSION"));
        if let Some(place) = self.place.get() {
            if let Some(region) = &place.region {
                line.field("region", region);
            }
            line.field("instance", &place.instance);
        }
        if meta.target() == AUDIT {
            let sequence = self.audited.fetch_add(1, Ordering::Relaxed) + 1;
            line.put("audit.sequence", &sequence.to_string());
        }
        event.record(&mut Visitor(|field: &Field, value: Json<'_>| {
            line.put(field.name(), &value.to_text())
        }));
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                let own = meta.fields();
                let others = fields.iter().filter(|(name, _)| own.field(name).is_none());
                others.for_each(|(name, value)| line.put(name, value));
            }
        }
        let text = line.end();
        // A log that cannot be written must not stop the work it tells of.
        if let Ok(out) = self.out.lock() {
            let _ = out.make_writer().write_all(text.as_bytes());
        }
    }
}

impl SpanFields {
    fn set(&mut self, field: &Field, value: Json<'_>) {
        let text = value.to_text();
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = text,
            None => self.0.push((field.name(), text)),
        }
    }
}

const fn level(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

/// A line being written: straight into text, since there is one for every request.
struct Line(String);

impl Line {
    fn begin() -> Self {
        let mut text = String::with_capacity(512);
        text.push_str(r#"{"ts":""#);
        // Formatting into a String does not fail, and a time has nothing to escape.
        let _ = SystemTime.format_time(&mut Writer::new(&mut text));
        text.push('"');
        Self(text)
    }

    fn field(&mut self, name: &str, value: &str) {
        self.put(name, &Json::Text(value).to_text());
    }

    /// `value` is JSON already; names are ours and have nothing to escape.
    fn put(&mut self, name: &str, value: &str) {
        let name = if name == "message" { "msg" } else { name };
        self.0.extend([",\"", name, "\":", value]);
    }

    fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

/// A field's value.
enum Json<'a> {
    Text(&'a str),
    Shown(fmt::Arguments<'a>),
    Float(f64),
    Signed(i64),
    Unsigned(u64),
    Truth(bool),
}

impl Json<'_> {
    fn to_text(&self) -> String {
        match self {
            Self::Text(text) => serde_json::to_string(text),
            Self::Shown(shown) => serde_json::to_string(&shown.to_string()),
            Self::Float(number) => serde_json::to_string(number),
            Self::Signed(number) => Ok(number.to_string()),
            Self::Unsigned(number) => Ok(number.to_string()),
            Self::Truth(truth) => Ok(truth.to_string()),
        }
        .unwrap_or_else(|_| "null".to_owned())
    }
}

/// Hands each field to a function.
struct Visitor<F>(F);

impl<F: FnMut(&Field, Json<'_>)> Visit for Visitor<F> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        (self.0)(field, Json::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        (self.0)(field, Json::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        (self.0)(field, Json::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        (self.0)(field, Json::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        (self.0)(field, Json::Text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The message says what this level tried; the chain says why.
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        (self.0)(field, Json::Text(&text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        (self.0)(field, Json::Shown(format_args!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use serde_json::Value;
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
            let span = tracing::info_span!(
                "request",
                request.id = "abc",
                status = 1,
                later = tracing::field::Empty
            );
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

    #[test]
    fn lines_tell_where_they_are_from_and_those_of_the_audit_are_numbered() {
        static HOME: OnceLock<Place> = OnceLock::new();
        let sink = Sink::default();
        let writer = sink.clone();
        let mut lines = JsonLines::new("webhead", move || writer.clone());
        lines.place = &HOME;
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!("too early");
            let place = Place {
                region: Some("home".to_owned()),
                instance: "127.0.0.1:8000".to_owned(),
            };
            HOME.set(place).unwrap();
            tracing::info!(target: AUDIT, "one");
            tracing::info!("between");
            tracing::info!(target: AUDIT, "two");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (&line["region"], &line["instance"], &line["audit.sequence"]))
            .collect();
        let (region, instance) = (Value::from("home"), Value::from("127.0.0.1:8000"));
        let (one, two) = (Value::from(1), Value::from(2));
        let none = &Value::Null;
        let expected = [
            (none, none, none),
            (&region, &instance, &one),
            (&region, &instance, none),
            (&region, &instance, &two),
        ];
        assert_eq!(told, expected, "{text}");
    }
}
