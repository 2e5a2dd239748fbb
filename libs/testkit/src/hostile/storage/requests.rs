//! Paths, methods, queries and headers that the storage node refuses (`storage.md` 2, 5, 8 and 19).

use super::{Cast, NEVER, TAKEN};
use crate::hostile::{
    row::{Expected, Row},
    wire::{Body, RawRequest},
};

const NOT_FOUND: Expected = Expected::Storage(404, 0);
const NOT_ALLOWED: Expected = Expected::Storage(405, 0);
const MALFORMED: Expected = Expected::Storage(400, 0);
const FINE: Expected = Expected::Status(200);

/// Names and paths that lead nowhere, and methods that a path does not know.
#[must_use]
pub fn route_rows(cast: &Cast) -> Vec<Row> {
    let long = "c".repeat(33);
    let long_id = "X".repeat(65);
    let mut rows = Vec::new();
    for rest in [
        "/nonexistent/url",
        "/info",
        "/info/",
        "/info/nothing",
        "/info/collections/",
        "/info%2Fcollections",
        "/",
        "/storage/",
        "/storage/a$",
        "/storage/a%00",
        "/storage/%ff",
        "/storage/a%2Fb",
        "/storage/%C3%A4",
        "/storage/c/",
        "/storage/c/a/b",
        "/storage/c/%00",
        "/storage/c/%0A",
        "/storage/c/%ff",
        "/storage/c/%C3%A4",
        "/storage//a",
        "/STORAGE/c",
        "/storage/../info/collections",
        "/storage/%2e%2e/info/collections",
        &format!("/storage/{long}"),
        &format!("/storage/c/{long_id}"),
        &"/a".repeat(1000),
    ] {
        let path = cast.path(rest);
        rows.push(cast.row(&format!("{rest:.60}"), &cast.signed("GET", rest), NOT_FOUND));
        rows.push(cast.row(
            &format!("{rest:.60}, not signed"),
            &RawRequest::new("GET", path),
            NOT_FOUND,
        ));
    }
    for path in [
        "/1.5/7/nonexistent/url",
        "/1.5/x/storage",
        "/1.5/-1/storage",
        "/1.5/+1/storage",
        "/1.5/1.0/storage",
        "/1.5/12345678901234567/storage",
        "/1.5//storage",
        "/1.5/%00/storage",
        "/1.5/",
    ] {
        rows.push(cast.row(path, &RawRequest::new("GET", path), NOT_FOUND));
    }
    rows.extend(method_rows(cast));
    rows
}

fn method_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut put = |method: &str, rest: &str| {
        let name = format!("{method} {rest}");
        rows.push(cast.row(&name, &cast.signed(method, rest), NOT_ALLOWED));
        let bare = RawRequest::new(method, cast.path(rest));
        rows.push(cast.row(&format!("{name}, not signed"), &bare, NOT_ALLOWED));
    };
    for info in [
        "collections",
        "collection_counts",
        "collection_usage",
        "quota",
        "configuration",
    ] {
        for method in ["PUT", "POST", "DELETE", "PATCH", "TRACE", "BREW"] {
            put(method, &format!("/info/{info}"));
        }
    }
    for rest in ["", "/storage"] {
        for method in ["GET", "PUT", "POST", "PATCH", "TRACE"] {
            put(method, rest);
        }
    }
    for (method, rest) in [
        ("PUT", "/storage/x"),
        ("PATCH", "/storage/x"),
        ("POST", "/storage/x/y"),
        ("PATCH", "/storage/x/y"),
        ("TRACE", "/storage/x/y"),
        ("get", "/storage/x/y"),
    ] {
        put(method, rest);
    }
    rows
}

/// Queries that cannot be read.
#[must_use]
pub fn query_rows(cast: &Cast) -> Vec<Row> {
    let many = |count: usize| format!("ids={}", vec!["x"; count].join(","));
    let encoded = format!("ids={}", vec!["%7B".repeat(64); 100].join(","));
    let long_id = format!("ids={}", "X".repeat(65));
    let mut rows = Vec::new();
    for query in [
        "newer=abc",
        "newer=-1",
        "newer=",
        "newer=NaN",
        "newer=inf",
        "newer=0x10",
        "newer=1,5",
        "newer=%ff",
        "older=-1",
        "older=abc",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "limit=%2B1",
        "limit=2147483648",
        "limit=99999999999999999999",
        "sort=up",
        "sort=NEWEST",
        "sort=",
        "sort=newest;DROP",
        "offset=!!",
        "offset=",
        "offset=bjox",
        "offset=bjoxOg",
        "offset=AAAA",
        "offset=aTo6eA%3D%3D",
        "ids=%ff",
        "ids=a%0Ab",
        "ids=a%00",
        &many(101),
        &long_id,
    ] {
        let rest = format!("/storage/{NEVER}?{query}");
        rows.push(cast.row(
            &format!("GET ?{query:.60}"),
            &cast.signed("GET", &rest),
            MALFORMED,
        ));
    }
    for query in [
        "blabla=1",
        "newer=1&newer=abc",
        // A number, if a large one.
        "newer=1e999",
        "limit=0",
        "limit=2147483647",
        "full",
        "full=no",
        "ids=",
        "newer=1510726399.1300001",
        "%ff=%fe",
        "&&&==&",
        &many(100),
        &encoded,
    ] {
        let rest = format!("/storage/{NEVER}?{query}");
        rows.push(cast.row(
            &format!("GET ?{query:.60} is fine"),
            &cast.signed("GET", &rest),
            FINE,
        ));
    }
    for query in [
        "newer=1",
        "older=1",
        "limit=1",
        "offset=x",
        "sort=newest",
        "full",
        "full=1",
        "ids=a&limit=1",
    ] {
        let rest = format!("/storage/{TAKEN}?{query}");
        rows.push(cast.row(
            &format!("DELETE ?{query}"),
            &cast.signed("DELETE", &rest),
            MALFORMED,
        ));
    }
    for query in [many(101), long_id] {
        let rest = format!("/storage/{TAKEN}?{query}");
        rows.push(cast.row(
            &format!("DELETE ?{query:.60}"),
            &cast.signed("DELETE", &rest),
            MALFORMED,
        ));
    }
    for query in [
        "batch=sammich",
        "batch=1",
        "batch=../../x",
        "batch=%00",
        "commit=true",
        "commit=yes&batch=true",
        "batch=x&commit=1",
    ] {
        let rest = format!("/storage/{NEVER}?{query}");
        rows.push(cast.row(
            &format!("POST ?{query}"),
            &cast.write("POST", &rest, "[]"),
            MALFORMED,
        ));
    }
    rows
}

/// Headers that cannot be read, or ask for what is not there.
#[must_use]
pub fn header_rows(cast: &Cast) -> Vec<Row> {
    let list = format!("/storage/{NEVER}");
    let item = format!("/storage/{NEVER}/a");
    let mut rows = Vec::new();
    for header in ["x-if-modified-since", "x-if-unmodified-since"] {
        for value in [
            "-3",
            "abc",
            "",
            "NaN",
            "1,5",
            "0x1",
            "Sat, 29 Oct 1994 19:43:31 GMT",
            "1 2",
        ] {
            let read = cast.signed("GET", &list).header(header, value);
            rows.push(cast.row(&format!("GET, {header}: {value}"), &read, MALFORMED));
        }
        let write = cast.write("PUT", &item, "{}").header(header, "abc");
        rows.push(cast.row(&format!("PUT, {header}: abc"), &write, MALFORMED));
    }
    for (method, request) in [
        ("GET", cast.signed("GET", &list)),
        ("PUT", cast.write("PUT", &item, "{}")),
    ] {
        let both = request
            .header("x-if-modified-since", "1")
            .header("x-if-unmodified-since", "1");
        rows.push(cast.row(&format!("{method}, both times"), &both, MALFORMED));
    }
    let one = |value: u64| {
        cast.write("POST", &format!("{list}?batch=true"), "[]")
            .header("x-weave-total-bytes", value.to_string())
    };
    rows.extend([
        cast.row(
            "total bytes over the limit",
            &one(262_144_001),
            Expected::Storage(400, 17),
        ),
        cast.row(
            "total bytes of 64 bits",
            &one(u64::MAX),
            Expected::Storage(400, 17),
        ),
    ]);
    for (header, value, number) in [
        ("x-weave-records", "101", 17),
        ("x-weave-bytes", "2621441", 17),
        ("x-weave-records", "x", 1),
        ("x-weave-records", "-1", 1),
        ("x-weave-records", "", 1),
        ("x-weave-records", "1.5", 1),
        ("x-weave-bytes", "0x10", 1),
        ("x-weave-bytes", "99999999999999999999999x", 1),
        ("x-weave-total-records", "1", 1),
        ("x-weave-total-bytes", "1", 1),
    ] {
        let request = cast.write("POST", &list, "[]").header(header, value);
        rows.push(cast.row(
            &format!("POST, {header}: {value}"),
            &request,
            Expected::Storage(400, number),
        ));
    }
    for (header, value, number) in [
        ("x-weave-total-records", "10001", 17),
        ("x-weave-total-records", "x", 1),
        ("x-weave-total-bytes", "x", 1),
    ] {
        let request = cast
            .write("POST", &format!("{list}?batch=true"), "[]")
            .header(header, value);
        rows.push(cast.row(
            &format!("batch, {header}: {value}"),
            &request,
            Expected::Storage(400, number),
        ));
    }
    rows.extend(media_rows(cast, &list, &item));
    rows
}

fn media_rows(cast: &Cast, list: &str, item: &str) -> Vec<Row> {
    let unsupported = || Expected::Storage(415, 0);
    let body = || Body::Sized(b"{}".to_vec());
    let mut rows = Vec::new();
    for media in [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application",
        "*/*",
    ] {
        let put = cast
            .signed("PUT", item)
            .header("content-type", media)
            .body(body());
        rows.push(cast.row(&format!("PUT of {media}"), &put, unsupported()));
        let post = cast
            .signed("POST", list)
            .header("content-type", media)
            .body(body());
        rows.push(cast.row(&format!("POST of {media}"), &post, unsupported()));
    }
    let lines = cast
        .signed("PUT", item)
        .header("content-type", "application/newlines")
        .body(body());
    rows.push(cast.row("PUT of lines", &lines, unsupported()));
    for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
        let request = cast.write("PUT", item, "{}").header("content-encoding", encoding);
        rows.push(cast.row(&format!("PUT in {encoding}"), &request, unsupported()));
        let request = cast
            .write("POST", list, "[]")
            .header("content-encoding", encoding);
        rows.push(cast.row(&format!("POST in {encoding}"), &request, unsupported()));
    }
    for accept in ["x/yy", "text/html", "application/json;q=0"] {
        let request = cast.signed("GET", list).header("accept", accept);
        rows.push(cast.row(&format!("Accept: {accept}"), &request, Expected::Storage(406, 0)));
    }
    for accept in [
        "*/*",
        "application/*",
        "application/json;q=0.9,*/*;q=0.2",
        "a/b;q=x, */*",
    ] {
        let request = cast.signed("GET", list).header("accept", accept);
        rows.push(cast.row(&format!("Accept: {accept} is fine"), &request, FINE));
    }
    rows
}
