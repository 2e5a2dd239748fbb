//! Where spans go: to a collector as OTLP over gRPC, or as lines of OTLP's JSON to this machine, for the keysigner, which
//! opens no connection (`security.md` C.1).
//!
//! The crate with OTLP's messages is used and the exporter crate above it is not: that one takes headers, timeouts and
//! addresses from `OTEL_` variables behind the configuration's back, and tries again by rules of its own.

use std::{io::Write as _, path::PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use tokio::{io::AsyncWriteExt as _, net::UnixStream};
use tonic::transport::Channel;

use super::settings::Place;

pub(super) enum Output {
    Collector(Box<TraceServiceClient<Channel>>),
    Stderr,
    Socket {
        path: PathBuf,
        stream: Option<UnixStream>,
    },
}

impl Output {
    /// Connects to nobody yet: the first batch does. To be called inside the runtime.
    pub(super) fn of(place: Place) -> Self {
        match place {
            Place::Collector(endpoint) => {
                Self::Collector(Box::new(TraceServiceClient::new(endpoint.connect_lazy())))
            }
            Place::Stderr => Self::Stderr,
            Place::Socket(path) => Self::Socket { path, stream: None },
        }
    }

    /// How many spans the other side refused; or why it has none of them, in words without anything of theirs.
    pub(super) async fn send(&mut self, request: ExportTraceServiceRequest) -> Result<u64, &'static str> {
        match self {
            Self::Collector(client) => {
                let answer = client
                    .export(request)
                    .await
                    .map_err(|_| "the collector did not take them")?;
                let partial = answer.into_inner().partial_success;
                let rejected = partial.map_or(0, |partial| partial.rejected_spans);
                Ok(u64::try_from(rejected).unwrap_or_default())
            }
            Self::Stderr => {
                let line = line(&request)?;
                // Whoever reads it may be slow, and this thread has calls to answer.
                let write = move || std::io::stderr().lock().write_all(line.as_bytes());
                match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(())) => Ok(0),
                    Ok(Err(_)) | Err(_) => Err("standard error is gone"),
                }
            }
            Self::Socket { path, stream } => {
                let line = line(&request)?;
                let mut open = match stream.take() {
                    Some(open) => open,
                    None => UnixStream::connect(path.as_path())
                        .await
                        .map_err(|_| "nobody listens at the socket")?,
                };
                let written = open.write_all(line.as_bytes()).await;
                written.map_err(|_| "the socket's other side is gone")?;
                // Kept only if the whole line went through: nobody can read on after half of one.
                *stream = Some(open);
                Ok(0)
            }
        }
    }
}

/// One object a line, as collectors read from files (OTLP, JSON Protobuf encoding).
fn line(request: &ExportTraceServiceRequest) -> Result<String, &'static str> {
    let mut line = serde_json::to_string(request).map_err(|_| "they have no form as JSON")?;
    line.push('\n');
    Ok(line)
}
