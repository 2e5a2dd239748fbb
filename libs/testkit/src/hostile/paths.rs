//! Paths that mean to leave where they are, targets that are no paths, and methods nobody has: 404 or 405, never a file
//! (`security.md` E.2).

use super::{
    row::{Expected, Row},
    wire::RawRequest,
};

const NEITHER: Expected = Expected::OneOf(&[404, 405]);

/// Targets that lead nowhere.
#[must_use]
pub fn rows(host: &str) -> Vec<Row> {
    let deep = "/..".repeat(500);
    let targets = [
        "/..",
        "/../../../../etc/passwd",
        "/v1/../../../etc/passwd",
        "/page/../../Cargo.toml",
        "/page/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/page/%252e%252e/etc/passwd",
        "/page/..%5c..%5cetc",
        "/page/..\\..\\etc",
        "/page/%c0%ae%c0%ae/etc/passwd",
        "/page/.%00./etc",
        "/page/page.js%00",
        "/page/page.js%00.css",
        "/page/page.js/",
        "/page/",
        "/page//etc/passwd",
        "/page/%ff%fe",
        "/page/%",
        "/page/%zz",
        "/%00",
        "/v1/session/status%00",
        "/v1/session/status/",
        "/v1//session/status",
        "//v1/session/status",
        "/v1/session%2fstatus",
        "/V1/SESSION/STATUS",
        "/v1/session/../session/status",
        "/v1/./session/status",
        "/v1",
        "/v1/",
        "/v2/session/status",
        "/.git/config",
        "/.env",
        "/1.5/../storage",
        "/1.5/1/%2e%2e/storage",
        "/.well-known/",
        "/.well-known/../v1/session/status",
        "/__heartbeat__/",
        "/__error__",
        deep.as_str(),
    ];
    let plain = targets.iter().map(|target| {
        let request = RawRequest::new("GET", *target);
        Row::new(format!("GET {target:.60}"), host, &request, NEITHER)
    });
    // A browser that opens a page nobody has lands on the sign-in page (`accounts.md` (g)).
    let is_page = |target: &str| matches!(target, "/v2/session/status" | "/V1/SESSION/STATUS");
    let browser = targets.iter().filter(|target| !is_page(target)).map(|target| {
        let request = RawRequest::new("GET", *target).header("accept", "text/html");
        Row::new(format!("GET {target:.60} by a browser"), host, &request, NEITHER)
    });
    plain.chain(browser).chain(forms(host)).collect()
}

/// Other forms of target, and methods.
fn forms(host: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (method, target) in [
        ("GET", "http://evil.example/"),
        ("GET", "http://evil.example/v1/session/status"),
        ("GET", "http://evil.example/../../etc/passwd"),
        ("GET", "file:///etc/passwd"),
        ("POST", "http://evil.example/v1/account/status"),
        ("OPTIONS", "*"),
        ("CONNECT", "evil.example:443"),
        ("TRACE", "/v1/session/status"),
        ("TRACE", "/"),
        ("TRACK", "/v1/session/status"),
        ("PROPFIND", "/v1/session/status"),
        ("get", "/v1/session/status"),
        ("GETS", "/v1/session/status"),
        ("POST", "/"),
        ("PUT", "/page/page.js"),
        ("DELETE", "/page/page.js"),
        ("POST", "/page/nothing.js"),
    ] {
        let request = RawRequest::new(method, target).header("max-forwards", "0");
        // A target that no reader of HTTP has to take may be refused as such.
        let expected = match (method, target) {
            ("CONNECT", _) | (_, "file:///etc/passwd") => Expected::OneOf(&[400, 404, 405]),
            _ => NEITHER,
        };
        rows.push(Row::new(format!("{method} {target}"), host, &request, expected));
    }
    rows
}
