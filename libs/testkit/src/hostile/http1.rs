//! HTTP/1 that two readers could understand differently, or that has no end: 400 and the end of the connection, 431 for
//! a head that is too large (`security.md` E.2; RFC 9112). Behind many a request another one hides, which must never be
//! answered.

use super::row::{Expected, Row};

/// A request that a server must not see behind a broken one: it would be answered with 200.
const HIDDEN: &str = "GET /__lbheartbeat__ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A head of at least this many bytes is too large for every route: that of storage requests may have 32 KiB
/// (`storage.md` 11).
const HEAD_TOO_LARGE: usize = 33 * 1024;

const BAD: Expected = Expected::Edge(&[400]);

/// Requests whose end is in doubt.
#[must_use]
pub fn framing_rows(host: &str) -> Vec<Row> {
    let with_length = "Content-Length: 2\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let headers: [(&str, String, &str); 26] = [
        (
            "length and chunks",
            format!("{with_length}{chunked}"),
            "0\r\n\r\n",
        ),
        (
            "chunks and length",
            format!("{chunked}{with_length}"),
            "0\r\n\r\n",
        ),
        (
            "two lengths",
            "Content-Length: 2\r\nContent-Length: 0\r\n".into(),
            "{}",
        ),
        ("the same length twice", with_length.repeat(2), "{}"),
        ("a list of lengths", "Content-Length: 2, 2\r\n".into(), "{}"),
        ("a length with a plus", "Content-Length: +2\r\n".into(), "{}"),
        ("a negative length", "Content-Length: -2\r\n".into(), "{}"),
        ("a hexadecimal length", "Content-Length: 0x2\r\n".into(), "{}"),
        ("a length with a blank", "Content-Length: 0 2\r\n".into(), "{}"),
        ("an empty length", "Content-Length:\r\n".into(), ""),
        (
            "a length beyond 64 bits",
            "Content-Length: 99999999999999999999999\r\n".into(),
            "{}",
        ),
        ("a length with a fraction", "Content-Length: 2.0\r\n".into(), "{}"),
        ("chunked twice", chunked.repeat(2), "0\r\n\r\n"),
        (
            "chunked twice in a list",
            "Transfer-Encoding: chunked, chunked\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "chunked is not the last coding",
            "Transfer-Encoding: chunked, identity\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "a coding before chunked",
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "an unknown coding",
            "Transfer-Encoding: xchunked\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "a coding in quotes",
            "Transfer-Encoding: \"chunked\"\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "a coding after a vertical tab",
            "Transfer-Encoding: \x0bchunked\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "a blank before the colon",
            "Transfer-Encoding : chunked\r\n".into(),
            "0\r\n\r\n",
        ),
        (
            "a length with a blank before the colon",
            "Content-Length : 2\r\n".into(),
            "{}",
        ),
        (
            "a chunk that is no number",
            chunked.into(),
            "g\r\n{}\r\n0\r\n\r\n",
        ),
        ("a negative chunk", chunked.into(), "-2\r\n{}\r\n0\r\n\r\n"),
        (
            "a chunk beyond 64 bits",
            chunked.into(),
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "a chunk longer than it says",
            chunked.into(),
            "1\r\n{}\r\n0\r\n\r\n",
        ),
        ("chunks ended by bare line feeds", chunked.into(), "2\n{}\n0\n\n"),
    ];
    let rows = headers.into_iter().map(|(name, headers, body)| {
        let head = format!("POST /v1/account/status HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        Row::of_bytes(name, format!("{head}{body}{HIDDEN}"), BAD)
    });
    let old = format!("POST /v1/account/status HTTP/1.0\r\nHost: {host}\r\n{chunked}\r\n0\r\n\r\n{HIDDEN}");
    rows.chain([Row::of_bytes("chunks in HTTP/1.0", old, BAD)])
        .collect()
}

/// Heads that break the grammar.
#[must_use]
pub fn grammar_rows(host: &str) -> Vec<Row> {
    let request = "GET /__lbheartbeat__ HTTP/1.1";
    let heads: [(&str, String); 28] = [
        (
            "lines ended by bare line feeds",
            format!("{request}\nHost: {host}\n\n"),
        ),
        (
            "a request line ended by a bare line feed",
            format!("{request}\nHost: {host}\r\n\r\n"),
        ),
        (
            "one header ended by a bare line feed",
            format!("{request}\r\nHost: {host}\nA: b\r\n\r\n"),
        ),
        (
            "a head ended by a bare line feed",
            format!("{request}\r\nHost: {host}\r\n\n"),
        ),
        (
            "a bare carriage return in a value",
            format!("{request}\r\nHost: {host}\r\nA: b\rContent-Length: 5\r\n\r\n"),
        ),
        (
            "NUL in a value",
            format!("{request}\r\nHost: {host}\r\nA: b\0c\r\n\r\n"),
        ),
        (
            "NUL in a name",
            format!("{request}\r\nHost: {host}\r\nA\0: b\r\n\r\n"),
        ),
        (
            "NUL in the path",
            format!("GET /__lb\0heartbeat__ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "a folded line",
            format!("{request}\r\nHost: {host}\r\nA: b\r\n c\r\n\r\n"),
        ),
        (
            "a line folded with a tab",
            format!("{request}\r\nHost: {host}\r\nA: b\r\n\tc: d\r\n\r\n"),
        ),
        (
            "a folded first line",
            format!("{request}\r\n Host: {host}\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "a line without colon",
            format!("{request}\r\nHost: {host}\r\nabc\r\n\r\n"),
        ),
        (
            "a header without name",
            format!("{request}\r\nHost: {host}\r\n: b\r\n\r\n"),
        ),
        (
            "a blank in a name",
            format!("{request}\r\nHost: {host}\r\nA b: c\r\n\r\n"),
        ),
        (
            "a bracket in a name",
            format!("{request}\r\nHost: {host}\r\nA[0]: c\r\n\r\n"),
        ),
        (
            "a letter beyond ASCII in a name",
            format!("{request}\r\nHost: {host}\r\nä: c\r\n\r\n"),
        ),
        ("no host", format!("{request}\r\n\r\n")),
        (
            "two hosts",
            format!("{request}\r\nHost: {host}\r\nHost: evil.example\r\n\r\n"),
        ),
        ("no version", "GET /__lbheartbeat__\r\n\r\n".into()),
        (
            "version 9.9",
            format!("GET /__lbheartbeat__ HTTP/9.9\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "a version in lower case",
            format!("GET /__lbheartbeat__ http/1.1\r\nHost: {host}\r\n\r\n"),
        ),
        ("no path", format!("GET HTTP/1.1\r\nHost: {host}\r\n\r\n")),
        (
            "a blank in the path",
            format!("GET /__lbheartbeat__ x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "a path without slash",
            format!("GET __lbheartbeat__?a/b HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "a method that is no word",
            format!("G(T /__lbheartbeat__ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        ),
        (
            "another protocol's greeting",
            "SSH-2.0-OpenSSH_9.9\r\n\r\n".into(),
        ),
        ("only blank", " \r\n\r\n".into()),
        (
            "a chunk ended by a bare line feed in a trailer",
            format!(
                "POST /v1/account/status HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\nA: b\n\r\n"
            ),
        ),
    ];
    let rows = heads
        .into_iter()
        .map(|(name, head)| Row::of_bytes(name, format!("{head}{HIDDEN}"), BAD));
    let tls = b"\x16\x03\x01\x00\x05hello\r\n\r\n".to_vec();
    rows.chain([Row::of_bytes("TLS where there is none", tls, BAD)])
        .collect()
}

/// Heads that are too large.
#[must_use]
pub fn size_rows(host: &str) -> Vec<Row> {
    let large = Expected::Edge(&[431]);
    let head = format!("GET /__lbheartbeat__ HTTP/1.1\r\nHost: {host}\r\n");
    let lines = |count: usize| (0..count).map(|at| format!("a{at}: b\r\n")).collect::<String>();
    let long = "x".repeat(HEAD_TOO_LARGE);
    let languages = "de-DE;q=0.1,".repeat(10_000);
    vec![
        Row::of_bytes(
            "101 headers",
            format!("{head}{}\r\n{HIDDEN}", lines(100)),
            large.clone(),
        ),
        Row::of_bytes(
            "3000 headers",
            format!("{head}{}\r\n{HIDDEN}", lines(3000)),
            large.clone(),
        ),
        Row::of_bytes(
            "one long header",
            format!("{head}a: {long}\r\n\r\n{HIDDEN}"),
            large.clone(),
        ),
        Row::of_bytes(
            "one long name",
            format!("{head}{long}: a\r\n\r\n{HIDDEN}"),
            large.clone(),
        ),
        Row::of_bytes(
            "a header without end",
            format!("{head}a: {long}{long}"),
            large.clone(),
        ),
        Row::of_bytes(
            "10000 languages",
            format!("{head}Accept-Language: {languages}\r\n\r\n{HIDDEN}"),
            large,
        ),
        Row::of_bytes(
            "a long path",
            format!("GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"),
            Expected::Edge(&[414, 431]),
        ),
        Row::of_bytes(
            "a method without end",
            "G".repeat(HEAD_TOO_LARGE),
            Expected::Edge(&[400, 414, 431]),
        ),
        Row::of_bytes(
            "a trailer without end",
            format!(
                "POST /v1/account/status HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\na: {long}"
            ),
            Expected::Edge(&[400, 431]),
        ),
        Row::of_bytes(
            "a chunk extension without end",
            format!(
                "POST /v1/account/status HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2;a={long}"
            ),
            Expected::Edge(&[400, 431]),
        ),
        Row::of_bytes(
            "HTTP/2 that is none",
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{HIDDEN}{HIDDEN}"),
            Expected::Unserved,
        ),
    ]
}

/// Heads and bodies that stop. The server waits for a while, so these are sent at once.
#[must_use]
pub fn unfinished_rows(host: &str) -> Vec<Row> {
    let post = format!("POST /v1/account/status HTTP/1.1\r\nHost: {host}\r\n");
    let late = Expected::Edge(&[408]);
    let mut rows = vec![
        Row::of_bytes(
            "a body that stops",
            format!("{post}Content-Length: 100\r\n\r\n{{"),
            late.clone(),
        ),
        Row::of_bytes(
            "a body that never begins",
            format!("{post}Content-Length: 100\r\n\r\n"),
            late.clone(),
        ),
        Row::of_bytes(
            "chunks without end",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
            late.clone(),
        ),
        Row::of_bytes(
            "a chunk that stops",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n64\r\n{{"),
            late,
        ),
    ];
    // A head that does not come is no request: 408 or nothing.
    for (name, bytes) in [
        ("nothing at all", ""),
        ("half a method", "GE"),
        ("half a head", "GET /__lbheartbeat__ HTTP/1.1\r\nHost: local"),
        ("half an HTTP/2 preface", "PRI * HT"),
        (
            "an HTTP/2 preface and no more",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
    ] {
        rows.push(Row::of_bytes(name, bytes, Expected::Unserved));
    }
    rows
}
