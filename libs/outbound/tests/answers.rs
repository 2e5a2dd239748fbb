//! A client against servers that behave badly, all on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::Deadline;
use foxhold_outbound::{Content, Outbound, OutboundError, Reach, Resolver};
use http::{HeaderMap, HeaderValue, Uri, header};
use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every name leads to these addresses.
struct Leading {
    to: Vec<IpAddr>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Leading {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.to.clone())
    }
}

fn outbound(to: &[IpAddr]) -> (Outbound, Arc<Leading>) {
    let resolver = Arc::new(Leading {
        to: to.to_vec(),
        asked: AtomicUsize::new(0),
    });
    (
        Outbound::trusting(RootCertStore::empty(), resolver.clone()),
        resolver,
    )
}

/// Answers every connection with these bytes, and tells what it was asked.
async fn server(answer: Vec<u8>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).await.unwrap_or(0);
            told.try_send(String::from_utf8_lossy(&asked[..length]).into_owned())
                .ok();
            stream.write_all(&answer).await.ok();
        }
    });
    (address, heard)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn url(address: SocketAddr) -> Uri {
    format!("http://name.example:{}/v1/verify?x=1", address.port())
        .parse()
        .unwrap()
}

#[tokio::test]
async fn an_answer_comes_whole_and_the_question_went_as_it_should() {
    let (address, mut heard) =
        server(b"HTTP/1.1 404 Not Found\r\ncache-control: max-age=9\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\n{}".to_vec())
            .await;
    let (outbound, resolver) = outbound(&[LOOPBACK]);
    let content = Content {
        media_type: "application/json",
        bytes: b"{\"token\":\"t\"}".to_vec(),
    };
    let answer = outbound
        .post(soon(), &url(address), Reach::Configured, content, 2)
        .await
        .unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (404, &b"{}"[..]));
    assert_eq!(answer.cache_control.as_deref(), Some("max-age=9"));
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    let asked = heard.recv().await.unwrap().to_lowercase();
    assert!(asked.starts_with("post /v1/verify?x=1 http/1.1\r\n"), "{asked}");
    let host = format!("host: name.example:{}\r\n", address.port());
    assert!(asked.contains(&host), "{asked}");
    assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
    assert!(asked.contains("accept-encoding: identity\r\n"), "{asked}");
}

#[tokio::test]
async fn a_question_says_who_asks_and_an_answer_when_it_was_given() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let (address, mut heard) =
        server(format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n").into()).await;
    let (outbound, _) = outbound(&[LOOPBACK]);
    let who = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Hawk id=\"a\""))]);
    let target = url(address);
    let answer = outbound.get_with(soon(), &target, Reach::Configured, who, 2);
    assert_eq!(answer.await.unwrap().date.as_deref(), Some(date));
    let asked = heard.recv().await.unwrap();
    assert!(asked.starts_with("GET "), "{asked}");
    assert!(asked.contains("authorization: Hawk id=\"a\"\r\n"), "{asked}");
}

#[tokio::test]
async fn what_a_stranger_names_leads_nowhere_else() {
    let (canary, mut heard) = server(Vec::new()).await;
    let public = IpAddr::from([93, 184, 215, 14]);
    for to in [&[LOOPBACK][..], &[public, LOOPBACK], &[LOOPBACK, public]] {
        let (outbound, _) = outbound(to);
        let uri: Uri = "https://name.example/.well-known/browserid".parse().unwrap();
        let answer = outbound.get(soon(), &uri, Reach::Public, 100).await;
        assert!(matches!(answer, Err(OutboundError::Forbidden)), "{answer:?}");
    }
    let (outbound, resolver) = outbound(&[public]);
    for literal in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
    ] {
        let answer = outbound
            .get(soon(), &literal.parse().unwrap(), Reach::Public, 100)
            .await;
        assert!(
            matches!(answer, Err(OutboundError::Forbidden)),
            "{literal}: {answer:?}"
        );
    }
    let with_port = format!("https://name.example:{}/", canary.port());
    let answer = outbound
        .get(soon(), &with_port.parse().unwrap(), Reach::Public, 100)
        .await;
    assert!(matches!(answer, Err(OutboundError::Target(_))), "{answer:?}");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 0);
    assert!(heard.try_recv().is_err(), "somebody came to the canary");
}

#[tokio::test]
async fn answers_that_are_none() {
    type Expected = fn(&OutboundError) -> bool;
    let long_head = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &[b'a'; 40_000], b"\r\n\r\n"].concat();
    let table: [(&str, Vec<u8>, Expected); 8] = [
        (
            "declared too long",
            b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n".to_vec(),
            |error| matches!(error, OutboundError::TooLong | OutboundError::NoAnswer),
        ),
        (
            "grown too long",
            [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'a'; 200]].concat(),
            |error| matches!(error, OutboundError::TooLong),
        ),
        (
            "cut short",
            b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nabc".to_vec(),
            |error| matches!(error, OutboundError::NoAnswer),
        ),
        (
            "encoded",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab".to_vec(),
            |error| matches!(error, OutboundError::Encoded),
        ),
        (
            "encoded twice",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: identity, br\r\ncontent-length: 2\r\n\r\nab".to_vec(),
            |error| matches!(error, OutboundError::Encoded),
        ),
        ("no HTTP", b"hello\r\n\r\n".to_vec(), |error| {
            matches!(error, OutboundError::Senseless)
        }),
        ("a head without end", long_head, |error| {
            matches!(error, OutboundError::Senseless)
        }),
        ("nothing", Vec::new(), |error| {
            matches!(error, OutboundError::NoAnswer)
        }),
    ];
    for (name, answer, expected) in table {
        let (address, _heard) = server(answer).await;
        let (outbound, _) = outbound(&[LOOPBACK]);
        let answer = outbound.get(soon(), &url(address), Reach::Configured, 100).await;
        let error = answer.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (elsewhere, mut heard) = server(Vec::new()).await;
    let head = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (address, _heard) = server(head.into_bytes()).await;
    let (outbound, _) = outbound(&[LOOPBACK]);
    let answer = outbound
        .get(soon(), &url(address), Reach::Configured, 100)
        .await
        .unwrap();
    assert_eq!(answer.status.as_u16(), 302);
    assert!(heard.try_recv().is_err(), "it was followed");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let (outbound, _) = outbound(&[LOOPBACK]);
    let by = Deadline::after(Duration::from_millis(50));
    let address = listener.local_addr().unwrap();
    let answer = outbound.get(by, &url(address), Reach::Configured, 100).await;
    assert!(matches!(answer, Err(OutboundError::NoAnswer)), "{answer:?}");
}
