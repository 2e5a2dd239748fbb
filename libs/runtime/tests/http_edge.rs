//! Shows that the edge answers every bad input of `security.md` E.2 (the HTTP rows) and goes on serving, over real
//! sockets with hand-made bytes. Limits are short, so that waiting for them is quick; nothing asserts how quick.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use foxhold_runtime::{
    Shutdown,
    http_edge::{self, BodyFault, BodyLimit, Drained, EdgeLimits, Patience, PeerAddress},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinHandle,
};

/// Long enough for what must not run out, on the slowest machine.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(50);

fn patient() -> EdgeLimits {
    EdgeLimits {
        head_timeout: LONG,
        idle_timeout: LONG,
        body: Patience {
            at_most: LONG,
            bytes_per_sec: 1 << 20,
        },
        write: Patience {
            at_most: LONG,
            bytes_per_sec: 1 << 20,
        },
        drain_timeout: LONG,
        ..EdgeLimits::default()
    }
}

struct Edge {
    address: SocketAddr,
    shutdown: Shutdown,
    server: JoinHandle<Drained>,
}

impl Edge {
    async fn start(router: Router, limits: EdgeLimits) -> Self {
        Self::start_at("127.0.0.1:0", router, limits).await
    }

    async fn start_at(address: &str, router: Router, limits: EdgeLimits) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let server = tokio::spawn(http_edge::serve(listener, router, limits, shutdown.clone()));
        Self {
            address,
            shutdown,
            server,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server ends the connection.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn still_serves(&self) {
        let answer = self
            .exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    async fn stop(self) -> Drained {
        self.shutdown.trigger();
        self.server.await.unwrap()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("the server ends connections, it does not reset them");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads up to the end of one head.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn echo(request: Request) -> Response {
    match http_edge::read_body(request).await {
        Ok((_, body)) => body.into_response(),
        Err(BodyFault::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "our own words").into_response(),
        Err(BodyFault::TooSlow | BodyFault::Broken) => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "fine" }))
        .route("/echo", post(echo))
        .layer(Extension(BodyLimit(8)))
}

#[tokio::test]
async fn bad_framing_is_refused_with_400_and_the_end() {
    let edge = Edge::start(router(), patient()).await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(101));
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "b".repeat(17 * 1024)
    );
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "b".repeat(200 * 1024));
    let table: [(&str, &[u8], &str); 19] = [
        ("length and chunks", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("chunks and length", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"),
        ("two equal lengths", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
        ("two lengths", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "400"),
        ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n", "400"),
        ("bare LF later", b"GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", "400"),
        ("NUL", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n", "400"),
        ("folded line", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", "400"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n", "400"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("for a proxy", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("not HTTP", b"hello there\r\n\r\n", "400"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
        ("bad chunk", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
        ("101 headers", many.as_bytes(), "431"),
        ("long head", long.as_bytes(), "431"),
        ("head without end", endless.as_bytes(), "431"),
        ("declared too long", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", "413"),
        ("sent too long", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\n123456789\r\n", "413"),
    ];
    for (name, bytes, status) in table {
        let mut stream = edge.connect().await;
        stream.write_all(bytes).await.unwrap();
        if status == "413" {
            // The connection may go on after the handler's own answer; end it from here.
            assert!(
                read_head(&mut stream).await.starts_with("HTTP/1.1 413 "),
                "{name}"
            );
        } else {
            let answer = read_to_end(&mut stream).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{name}: {answer}"
            );
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        }
        edge.still_serves().await;
    }
    assert_eq!(edge.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn nothing_after_a_violation_reaches_a_handler() {
    let edge = Edge::start(router(), patient()).await;
    let smuggled =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokPOST /echo HTTP/1.1\r\nHost: a\r\n\
        Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = edge.exchange(smuggled).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK"),
        "the good one before it is answered: {answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
    assert!(!answer.contains("fine"), "{answer}");
    edge.still_serves().await;
}

#[tokio::test]
async fn requests_in_a_row_and_in_pieces_are_served() {
    let edge = Edge::start(router(), patient()).await;
    let row = b"\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n\
        POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\n\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for step in [1, 5, row.len()] {
        let mut stream = edge.connect().await;
        stream.set_nodelay(true).unwrap();
        for piece in row.chunks(step) {
            stream.write_all(piece).await.unwrap();
        }
        let answer = read_to_end(&mut stream).await;
        assert_eq!(
            answer.matches("HTTP/1.1 200 OK").count(),
            3,
            "by {step}: {answer}"
        );
        assert!(
            answer.contains("\r\n\r\nabc") && answer.ends_with("fine"),
            "by {step}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_trickles_is_ended() {
    let limits = EdgeLimits {
        head_timeout: SHORT,
        body: Patience {
            at_most: SHORT,
            bytes_per_sec: 1 << 20,
        },
        ..patient()
    };
    let edge = Edge::start(router(), limits).await;
    let table: [(&str, &[u8], &str); 4] = [
        ("nothing at all", b"", ""),
        ("half a head", b"GET / HTTP/1.1\r\nHost:", ""),
        ("half a preface of HTTP/2", b"PRI * HTTP/2.0\r\n", ""),
        (
            "half a body",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12",
            "HTTP/1.1 408 ",
        ),
    ];
    for (name, bytes, expected) in table {
        let answer = edge.exchange(bytes).await;
        assert!(
            answer.starts_with(expected) && answer.is_empty() == expected.is_empty(),
            "{name}: {answer}"
        );
    }
    edge.still_serves().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_not_taken_for_idle() {
    let edge = Edge::start(
        router(),
        EdgeLimits {
            idle_timeout: SHORT,
            ..patient()
        },
    )
    .await;
    let answer = edge.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("fine"), "answered first, closed later: {answer}");
}

/// A body without end, that tells when it is dropped.
fn endless(dropped: mpsc::Sender<()>) -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let stream = futures_util::stream::repeat_with(move || {
        let _keep = &dropped;
        Ok::<_, std::convert::Infallible>(chunk.clone())
    });
    Body::from_stream(stream)
}

fn endless_router(dropped: mpsc::Sender<()>) -> Router {
    router().route(
        "/endless",
        get(move || async move { Response::new(endless(dropped)) }),
    )
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_ended() {
    let limits = EdgeLimits {
        write: Patience {
            at_most: SHORT,
            bytes_per_sec: 1 << 30,
        },
        ..patient()
    };
    let (dropped, mut ended) = mpsc::channel(1);
    let edge = Edge::start(endless_router(dropped), limits).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut stream).await;
    edge.still_serves().await;
    // The router holds one sender, the body's stream another: stopping the server frees the first.
    edge.shutdown.trigger();
    assert_eq!(
        edge.server.await.unwrap(),
        Drained { cut: 0 },
        "the write limit ended it, not the drain"
    );
    assert_eq!(ended.recv().await, None);
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let edge = Edge::start(
        router(),
        EdgeLimits {
            connections_max: 1,
            ..patient()
        },
    )
    .await;
    let mut first = edge.connect().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_head(&mut first).await.starts_with("HTTP/1.1 200 "));
    let mut second = edge.connect().await;
    second
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    assert_eq!(
        second.try_read(&mut byte).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    drop(first);
    assert!(read_to_end(&mut second).await.ends_with("fine"));
}

#[tokio::test]
async fn the_end_lets_requests_in_work_finish_and_closes_idle_connections() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (says, waits) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = get(move || async move {
        says.notify_one();
        waits.notified().await;
        "finished"
    });
    // At an address where no other test of this process listens: it must be nobody's afterwards.
    let edge = Edge::start_at("127.0.0.2:0", router().route("/slow", slow), patient()).await;
    let mut idle = edge.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut idle).await;
    let mut busy = edge.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    begun.notified().await;

    edge.shutdown.trigger();
    assert_eq!(read_to_end(&mut idle).await, "fine");
    assert!(
        TcpStream::connect(edge.address).await.is_err(),
        "nothing new is accepted"
    );
    go.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("finished"));
    assert_eq!(edge.server.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn the_end_cuts_what_does_not_finish() {
    let (says, begun) = mpsc::channel(1);
    let begun = Mutex::new(Some(begun));
    let stuck = get(move || async move {
        says.send(()).await.unwrap();
        std::future::pending::<&str>().await
    });
    let edge = Edge::start(
        router().route("/stuck", stuck),
        EdgeLimits {
            drain_timeout: SHORT,
            ..patient()
        },
    )
    .await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut begun = begun.lock().unwrap().take().unwrap();
    begun.recv().await.unwrap();
    assert_eq!(edge.stop().await, Drained { cut: 1 });
}

#[tokio::test]
async fn a_request_whose_client_has_left_is_dropped() {
    let (dropped, mut ended) = mpsc::channel::<()>(1);
    let (says, mut begun) = mpsc::channel(1);
    let held = Arc::new(Mutex::new(Some(dropped)));
    let stuck = get(move || {
        let (mine, says) = (held.lock().unwrap().take(), says.clone());
        async move {
            says.send(()).await.unwrap();
            std::future::pending::<()>().await;
            drop(mine);
        }
    });
    let edge = Edge::start(router().route("/stuck", stuck), patient()).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    begun.recv().await.unwrap();
    drop(stream);
    assert_eq!(ended.recv().await, None, "the handler's future is gone");
}

#[tokio::test]
async fn handlers_see_the_peer() {
    let peer = get(|Extension(PeerAddress(peer)): Extension<PeerAddress>| async move { peer.to_string() });
    let edge = Edge::start(router().route("/peer", peer), patient()).await;
    let mut stream = edge.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    stream
        .write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut stream).await.ends_with(&own));
}

/// The few frames of HTTP/2 (RFC 9113) that the tests need.
mod http2 {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const GOAWAY: u8 = 7;
    const END_STREAM_AND_HEADERS: u8 = 5;

    pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap();
        let mut frame = len.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
        // Indexed: method GET, scheme http; literal: path, authority (RFC 7541, appendix A).
        let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'a']);
        frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
    }

    /// Opens a connection that grants `window` bytes to each answer.
    pub(super) async fn open(stream: &mut TcpStream, window: u32) {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut setting = vec![0, 4];
        setting.extend(window.to_be_bytes());
        stream.write_all(&frame(SETTINGS, 0, 0, &setting)).await.unwrap();
    }

    /// The next frame's kind, stream and payload; `None` at the end of the connection.
    pub(super) async fn next(stream: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        stream.read_exact(&mut payload).await.ok()?;
        Some((
            head[3],
            u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        ))
    }
}

#[tokio::test]
async fn http2_is_served_and_a_flood_of_resets_is_ended_with_enhance_your_calm() {
    let edge = Edge::start(router(), patient()).await;
    let mut stream = edge.connect().await;
    http2::open(&mut stream, 65535).await;
    stream.write_all(&http2::get(1, "/")).await.unwrap();
    let answered = loop {
        let (kind, on, payload) = http2::next(&mut stream).await.unwrap();
        if (kind, on) == (http2::HEADERS, 1) {
            break payload[0];
        }
    };
    assert_eq!(answered, 0x88, "indexed `:status 200`");

    let mut flood = Vec::new();
    for turn in 0..2000 {
        let id = 3 + 2 * turn;
        flood.extend(http2::get(id, "/"));
        flood.extend(http2::frame(http2::RST_STREAM, 0, id, &8u32.to_be_bytes()));
    }
    // The server may close before all is sent: that is the point.
    let _ = stream.write_all(&flood).await;
    let mut code = None;
    while let Some((kind, _, payload)) = http2::next(&mut stream).await {
        if kind == http2::GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    assert_eq!(code, Some(11), "ENHANCE_YOUR_CALM");
    edge.still_serves().await;
}

#[tokio::test]
async fn http2_answers_that_get_no_room_and_idle_connections_are_ended() {
    let limits = EdgeLimits {
        write: Patience {
            at_most: SHORT,
            bytes_per_sec: 1 << 30,
        },
        idle_timeout: SHORT,
        ..patient()
    };
    let (dropped, _ended) = mpsc::channel(1);
    let edge = Edge::start(endless_router(dropped), limits).await;
    for (name, path) in [("no room", Some("/endless")), ("idle", None)] {
        let mut stream = edge.connect().await;
        http2::open(&mut stream, 0).await;
        if let Some(path) = path {
            stream.write_all(&http2::get(1, path)).await.unwrap();
        }
        while http2::next(&mut stream).await.is_some() {}
        let _ = name;
    }
    edge.still_serves().await;
}
