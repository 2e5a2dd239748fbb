//! A collector of spans, as a program would see one: takes OTLP over gRPC, or reads the lines that a process wrote, and
//! keeps what it gets.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use foxhold_core::hex;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// Who called, in OTLP's numbers.
pub const SERVER: i32 = 2;
/// Who was called.
pub const CLIENT: i32 = 3;

/// One span, as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `service.name`: whose it is.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// [`SERVER`], [`CLIENT`], or something else.
    pub kind: i32,
    /// The trace's id, in hex.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// That of the span around it; empty for the first of a trace.
    pub parent: String,
    /// All it says, as text.
    pub attributes: BTreeMap<String, String>,
}

impl Recorded {
    fn of(resource: Option<&Resource>, span: Span) -> Self {
        let of_resource = resource.map(|resource| attributes(&resource.attributes));
        Self {
            service: of_resource
                .and_then(|mut all| all.remove("service.name"))
                .unwrap_or_default(),
            name: span.name,
            kind: span.kind,
            trace: hex::encode(&span.trace_id),
            id: hex::encode(&span.span_id),
            parent: hex::encode(&span.parent_span_id),
            attributes: attributes(&span.attributes),
        }
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

/// What has come so far.
#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Recorded>,
    /// All of it in one text, for whoever looks for what must not be there.
    text: String,
}

impl Kept {
    fn take(&mut self, request: ExportTraceServiceRequest) {
        self.text.push_str(&format!("{request:?}\n"));
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.as_ref();
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.extend(spans.map(|span| Recorded::of(resource, span)));
        }
    }
}

/// The spans in what a process has written to standard error, among its log lines.
///
/// # Errors
/// When a line begins as one of spans and is none.
pub fn written(output: &str) -> Result<Vec<Recorded>> {
    let mut kept = Kept::default();
    for line in output
        .lines()
        .filter(|line| line.starts_with("{\"resourceSpans\""))
    {
        kept.take(serde_json::from_str(line).context("a line of spans")?);
    }
    Ok(kept.spans)
}

/// A collector at work; it ends with this value.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Listens on a loopback port that nobody else has.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let kept = Arc::<Mutex<Kept>>::default();
        let service = TraceServiceServer::new(Sink(Arc::clone(&kept)));
        let task = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            // Its end is the end of the test; a failure before shows as spans that never come.
            let _ = Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await;
        });
        Ok(Self { address, kept, task })
    }

    /// As a process's configuration has it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Recorded> {
        self.kept().spans.clone()
    }

    /// All of it as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.kept().text.clone()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Sink(Arc<Mutex<Kept>>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
