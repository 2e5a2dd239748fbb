//! The queue as a stream: each line comes to something, none ends it, all are counted.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::json;

use super::*;
use crate::events::queue::{Report, StreamError, process};

const BUDGET: Duration = Duration::from_secs(30);

fn line(inner: serde_json::Value) -> String {
    json!({"Message": inner.to_string()}).to_string()
}

fn about_alice(event: &str, generation: u64) -> String {
    line(json!({"event": event, "uid": alice().0, "generation": generation}))
}

async fn feed(world: &World, stream: impl BufRead) -> Result<Report, StreamError> {
    process(world.ports(), BUDGET, stream).await
}

#[tokio::test]
async fn each_line_is_counted_and_none_stops_the_others() {
    let world = World::new().await;
    world.exchange(SERVICES[2], &seen(10, 10, 1)).await.unwrap();
    let long = format!("{{\"Message\":\"{}\"}}", "x".repeat(300 * 1024));
    let nobody = line(json!({"event": "delete", "uid": "b".repeat(32), "iss": "accounts.example"}));
    let lines = [
        "not JSON".to_owned(),
        String::new(),
        about_alice("passwordChange", 21),
        "  \r".to_owned(),
        "{}".to_owned(),
        long,
        about_alice("login", 0),
        about_alice("reset", 15),
        line(json!({"event": "delete"})),
        nobody,
        format!("{}\r", about_alice("passwordChange", 31)),
        // The last line may lack its end.
    ];
    let report = feed(&world, lines.join("\n").as_bytes()).await.unwrap();
    let expected = Report {
        applied: 4,
        changed: 2,
        other: 1,
        malformed: 4,
        failed: 0,
    };
    assert_eq!(report, expected);
    let record = world.record(SERVICES[2]).await.unwrap();
    assert_eq!(record.current.generation, Generation(30));
    // The whole stream again changes nothing.
    let again = feed(&world, lines.join("\n").as_bytes()).await.unwrap();
    assert_eq!((again.applied, again.changed), (4, 0));
    assert_eq!(world.record(SERVICES[2]).await, Some(record));
    assert_eq!(feed(&world, io::empty()).await.unwrap(), Report::default());
}

#[tokio::test]
async fn bytes_that_are_no_text_and_lines_at_the_limit() {
    let world = World::new().await;
    let most = 256 * 1024;
    let padded = |len: usize| {
        let message = about_alice("delete", 0);
        format!("{message}{}", " ".repeat(len - message.len()))
    };
    let mut stream = b"\xff\xfe\n".to_vec();
    stream.extend(padded(most).into_bytes());
    stream.push(b'\n');
    stream.extend(padded(most + 1).into_bytes());
    stream.push(b'\n');
    stream.extend(padded(most).into_bytes());
    let report = feed(&world, stream.as_slice()).await.unwrap();
    assert_eq!((report.applied, report.malformed), (2, 2));
    let too_long = feed(&world, padded(most + 1).as_bytes()).await.unwrap();
    assert_eq!((too_long.applied, too_long.malformed), (0, 1));
}

#[tokio::test]
async fn what_the_store_did_not_take_is_counted_for_another_time() {
    let world = World::new().await;
    world.exchange(SERVICES[2], &seen(10, 10, 1)).await.unwrap();
    let lines = [about_alice("passwordChange", 21), about_alice("delete", 0)].join("\n");
    world.store.set_outage(Some(Cause::Unavailable));
    let report = feed(&world, lines.as_bytes()).await.unwrap();
    assert_eq!((report.applied, report.failed), (0, 2));
    world.store.set_outage(None);
    let report = feed(&world, lines.as_bytes()).await.unwrap();
    assert_eq!((report.applied, report.changed, report.failed), (2, 2, 0));
}

/// Breaks off when it is asked for more.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_how_far_it_came() {
    let world = World::new().await;
    world.exchange(SERVICES[2], &seen(10, 10, 1)).await.unwrap();
    let lines = format!("{}\nnothing\n", about_alice("delete", 0));
    let stream = BufReader::new(lines.as_bytes().chain(Broken));
    let broken = feed(&world, stream).await.unwrap_err();
    assert_eq!(broken.line, 3);
    assert_eq!((broken.report.changed, broken.report.malformed), (1, 1));
}
