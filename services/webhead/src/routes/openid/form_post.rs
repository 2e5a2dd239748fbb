//! Answers that a browser posts to another program by itself (`accounts.md` (k), Authorization request: `form_post`).
//!
//! Must stay true: what comes from a request stands in the document only escaped, and the form goes to the program alone.

use std::fmt::Write as _;

use axum::response::Response;
use url::Url;

use crate::page;

/// A document that posts an answer.
pub(super) fn posted_to(target: &str, answer: &[(&str, String)]) -> Response {
    let mut fields = String::new();
    for (name, value) in answer {
        let (name, value) = (escaped(name), escaped(value));
        // A String takes whatever is written to it.
        let _ = write!(
            fields,
            "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
        );
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Foxhold</title>\
         <form method=\"post\" action=\"{}\">{fields}<noscript><button>Continue</button></noscript></form>\
         <script src=\"/page/post.js\"></script></html>\n",
        escaped(target)
    );
    page::posting(html, &origin(target))
}

/// Where a form may be sent: the origin of a redirect URI, or its scheme where it has none.
pub(super) fn origin(target: &str) -> String {
    let parsed = Url::parse(target).ok();
    let origin = parsed.as_ref().map(|url| url.origin().ascii_serialization());
    match (parsed, origin) {
        (_, Some(origin)) if origin != "null" => origin,
        (Some(url), _) => format!("{}:", url.scheme()),
        (None, _) => "'none'".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
