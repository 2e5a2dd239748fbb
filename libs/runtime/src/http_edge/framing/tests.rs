//! Shows what is refused, that a good connection passes whole, and that neither depends on how reads are cut.

use super::*;

const LIMIT: usize = 1024;

fn judge(bytes: &[u8], step: usize) -> Result<Framing, usize> {
    let mut framing = Framing::new(LIMIT);
    for (turn, part) in bytes.chunks(step).enumerate() {
        framing
            .judge(part)
            .map_err(|violation| turn * step + violation.fine)?;
    }
    Ok(framing)
}

#[test]
fn good_requests_pass_however_they_are_cut() {
    let good: [(&str, &[u8]); 9] = [
        ("plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("two in a row", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("blank lines before", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("old", b"GET / HTTP/1.0\r\n\r\n"),
        ("length", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\n\0a\r\nGET / HTTP/1.1\r\n\r\n"),
        ("zero length", b"POST / HTTP/1.1\r\ncontent-length:0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        ("chunked", b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\n\n\0a\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"),
        ("trailers", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        ("odd but clear", b"POST / HTTP/1.1\r\nX-Content-Length: 9\r\nA:\r\n\r\n"),
    ];
    for (name, bytes) in good {
        for step in [1, 2, 3, 7, bytes.len()] {
            let framing = judge(bytes, step).unwrap_or_else(|at| panic!("{name} by {step} refused at {at}"));
            assert!(framing.is_between(), "{name} by {step}: {framing:?}");
        }
    }
}

#[test]
fn what_two_readers_could_take_differently_is_refused() {
    let bad: [(&str, &[u8]); 20] = [
        (
            "bare LF after the request line",
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        ),
        ("bare LF after a header", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
        ("bare LF as the blank line", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("bare LF first", b"\nGET / HTTP/1.1\r\n\r\n"),
        ("CR inside", b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
        ("NUL", b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
        ("folded line", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        (
            "blank before the colon",
            b"GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        ),
        ("no colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
        (
            "length and chunks",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "chunks and length",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            "two lengths",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            "list of lengths",
            b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        ),
        ("signed length", b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n"),
        (
            "chunked twice",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "another coding",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ),
        (
            "chunks in 1.0",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "chunk without CRLF",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX",
        ),
        (
            "chunk length not hex",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        ),
        (
            "chunk line with bare LF",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n",
        ),
    ];
    for (name, bytes) in bad {
        for step in [1, 2, 5, bytes.len()] {
            assert!(judge(bytes, step).is_err(), "{name} by {step} passed");
        }
    }
}

#[test]
fn an_overlong_head_is_left_to_the_library_and_an_overlong_trailer_is_not() {
    let head = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'a'; LIMIT]].concat();
    let framing = judge(&head, 100).expect("the library answers 431");
    assert!(framing.is_in_head());
    let trailer = [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ".as_slice(),
        &[b'a'; LIMIT],
    ]
    .concat();
    assert!(judge(&trailer, 100).is_err());
}
