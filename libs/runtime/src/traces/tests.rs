//! From spans to what somebody else reads at a socket, without a process around.

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::{UnixListener, UnixStream},
};
use tonic::Code;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::metrics;

const RPC: &str = "/foxhold.keysigner.v1.Keysigner/MintNodeToken";

fn config(output: &std::path::Path) -> LocalTracesConfig {
    LocalTracesConfig {
        output: Some(output.display().to_string()),
        sample_ratio: 1.0,
        batch_wait_ms: 1,
        ..LocalTracesConfig::default()
    }
}

fn opened(config: &LocalTracesConfig) -> (Recorder, Exporting) {
    let checked = Destination::Local(config).checked().unwrap().unwrap();
    open(checked, "keysigner", "1.2.3")
}

/// Somebody who reads lines at a socket.
struct Reader(UnixListener);

impl Reader {
    async fn lines(&self) -> Lines<BufReader<UnixStream>> {
        let (stream, _) = self.0.accept().await.unwrap();
        BufReader::new(stream).lines()
    }
}

/// The spans of a line, and the resource they are of.
fn spans_of(line: &str) -> (Value, Vec<Value>) {
    let line: Value = serde_json::from_str(line).unwrap();
    let of_resource = &line["resourceSpans"][0];
    let spans = of_resource["scopeSpans"][0]["spans"].as_array().unwrap();
    (of_resource["resource"]["attributes"].clone(), spans.clone())
}

fn attribute<'a>(attributes: &'a Value, key: &str) -> &'a Value {
    let mut all = attributes.as_array().unwrap().iter();
    all.find(|attribute| attribute["key"] == key)
        .map_or(&Value::Null, |attribute| &attribute["value"])
}

/// A request that calls another tier, which follows.
fn request_and_call() -> (String, HeaderMap) {
    let mut headers = HeaderMap::new();
    let request = spans::request(&Method::GET, Some("/1.0/{app}/{version}"));
    let id = spans::recorded(&request).map(|id| id.to_string());
    request.in_scope(|| {
        let call = spans::call_to(RPC);
        spans::send_along(&call, &mut headers);
        call.in_scope(|| drop(spans::call_from(RPC, &headers)));
        spans::called(&call, Code::Unavailable);
    });
    spans::answered(&request, StatusCode::SERVICE_UNAVAILABLE);
    (id.unwrap_or_default(), headers)
}

#[tokio::test]
async fn a_trace_goes_from_the_request_through_the_call_to_the_one_who_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.sock");
    let reader = Reader(UnixListener::bind(&path).unwrap());
    let (recorder, exporting) = opened(&config(&path));
    let subscriber = tracing_subscriber::registry().with(layer(recorder));
    let (id, headers) = tracing::subscriber::with_default(subscriber, request_and_call);
    let traceparent = headers["traceparent"].to_str().unwrap();
    assert!(
        traceparent.starts_with(&format!("00-{id}-")) && traceparent.ends_with("-01"),
        "{traceparent}"
    );

    let running = exporting.start();
    let line = reader.lines().await.next_line().await.unwrap().unwrap();
    running.end().await;
    let (resource, spans) = spans_of(&line);
    assert_eq!(
        attribute(&resource, "service.name")["stringValue"],
        "foxhold-keysigner"
    );
    let named = |name: &str, kind: u64| {
        let mut all = spans.iter();
        all.find(|span| span["name"] == name && span["kind"] == kind)
            .unwrap_or_else(|| panic!("no {name} of kind {kind} in {spans:#?}"))
    };
    let (server, client) = (2, 3);
    let request = named("GET /1.0/{app}/{version}", server);
    let call = named(RPC.trim_start_matches('/'), client);
    let called = named(RPC.trim_start_matches('/'), server);
    assert_eq!(spans.len(), 3);
    assert_eq!(request["parentSpanId"], "");
    assert_eq!(call["parentSpanId"], request["spanId"]);
    assert_eq!(called["parentSpanId"], call["spanId"]);
    assert!(
        spans.iter().all(|span| span["traceId"] == id.as_str()),
        "{spans:#?}"
    );
    let status = attribute(&request["attributes"], "http.response.status_code");
    assert_eq!(status["intValue"], "503");
    let code = attribute(&call["attributes"], "rpc.grpc.status_code");
    assert_eq!(code["intValue"], "14");
    assert_eq!(call["status"]["code"], 2, "an error");
}

#[tokio::test]
async fn what_is_not_recorded_here_is_recorded_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (recorder, exporting) = opened(&LocalTracesConfig {
        sample_ratio: 0.0,
        ..config(&path)
    });
    let subscriber = tracing_subscriber::registry().with(layer(recorder));
    let (id, headers) = tracing::subscriber::with_default(subscriber, request_and_call);
    assert_eq!(id, "", "an id that leads nowhere is not told");
    let traceparent = headers["traceparent"].to_str().unwrap();
    assert!(traceparent.ends_with("-00"), "{traceparent}");
    exporting.start().end().await;
    assert!(listener.accept().is_err(), "nobody was written to");
}

/// How many spans were lost so far in this process, whoever lost them.
fn lost(reason: &str) -> u64 {
    let begin = format!("foxhold_traces_dropped_total{{reason=\"{reason}\"}} ");
    let text = metrics::text();
    let value = text.lines().find_map(|line| line.strip_prefix(&begin));
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_full_queue_and_an_absent_reader_lose_spans_and_count_them() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, exporting) = opened(&LocalTracesConfig {
        queue_max: 2,
        ..config(&folder.path().join("nobody.sock"))
    });
    let subscriber = tracing_subscriber::registry().with(layer(recorder));
    let (full, absent) = (lost("queue"), lost("not_sent"));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5 {
            drop(spans::request(&Method::GET, None));
        }
    });
    // Other tests lose spans only by never sending them.
    assert_eq!(lost("queue") - full, 3);
    exporting.start().end().await;
    assert_eq!(lost("not_sent") - absent, 2);
}
