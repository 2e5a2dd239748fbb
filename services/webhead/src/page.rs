//! Serves the sign-in page: one document at every page address, and its parts under `/page/`.
//!
//! Must stay true: what is served is compiled in, so no path of a request ever becomes a path of a file.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::get,
};
use foxhold_core::{ErrorCode, hex};
use foxhold_crypto::mac::sha256;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

use crate::{App, error::ApiError, routes::version};

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal: $content_type:literal,)*) => {
        [$(Asset { name: $name, content_type: $content_type, bytes: include_bytes!(concat!("page/", $name)) },)*]
    };
}

static ASSETS: [Asset; 28] = assets! {
    "api.js": "text/javascript; charset=utf-8",
    "attached.js": "text/javascript; charset=utf-8",
    "avatar.svg": "image/svg+xml",
    "channel.js": "text/javascript; charset=utf-8",
    "context.js": "text/javascript; charset=utf-8",
    "credentials.js": "text/javascript; charset=utf-8",
    "crypto-worker.js": "text/javascript; charset=utf-8",
    "crypto.js": "text/javascript; charset=utf-8",
    "deletion-screens.js": "text/javascript; charset=utf-8",
    "deletion.js": "text/javascript; charset=utf-8",
    "errand-screens.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "messages.js": "text/javascript; charset=utf-8",
    "openid.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page_crypto.wasm": "application/wasm",
    "password-screens.js": "text/javascript; charset=utf-8",
    "password.js": "text/javascript; charset=utf-8",
    "post.js": "text/javascript; charset=utf-8",
    "recovery-key-screens.js": "text/javascript; charset=utf-8",
    "recovery-key.js": "text/javascript; charset=utf-8",
    "screens.js": "text/javascript; charset=utf-8",
    "second-factor.js": "text/javascript; charset=utf-8",
    "settings-screens.js": "text/javascript; charset=utf-8",
    "signin-screens.js": "text/javascript; charset=utf-8",
    "signin.js": "text/javascript; charset=utf-8",
    "state.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
};

static DOCUMENT: Asset = Asset {
    name: "index.html",
    content_type: "text/html; charset=utf-8",
    bytes: include_bytes!("page/index.html"),
};

/// Everything from this origin and nothing inline; what goes beyond is compiling WebAssembly, and the picture of a secret that
/// an answer brings along.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Tags of all files, made once.
static TAGS: LazyLock<Vec<(&'static str, HeaderValue)>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .chain([&DOCUMENT])
        .map(|asset| (asset.name, tag_of(asset)))
        .collect()
});

fn tag_of(asset: &Asset) -> HeaderValue {
    let tag = format!("\"{}\"", hex::encode(&sha256(&[asset.bytes])[..16]));
    HeaderValue::from_str(&tag).expect("hex in quotes is a header value")
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(root))
        .route("/page/{name}", get(asset))
}

/// The page for people, the version for programs.
async fn root(headers: HeaderMap) -> Response {
    let mut response = if wants_page(&headers) {
        document(&headers)
    } else {
        version().await.into_response()
    };
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept"));
    response
}

async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    // A name that is not UTF-8 is none of ours.
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => serve(asset, &headers),
        None => ApiError::new(ErrorCode::NotFound).into_response(),
    }
}

/// The document of every page address.
pub(crate) fn document(headers: &HeaderMap) -> Response {
    serve(&DOCUMENT, headers)
}

/// Whether a browser asks for a page at an address that is no API's. Pages that Firefox opens and we do not have land
/// on the document, too.
pub(crate) fn is_page_request(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let of_an_api = ["/v1", "/1.0", "/1.5", "/page", "/.well-known", "/__"]
        .iter()
        .any(|start| path.starts_with(start));
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
        && !path.contains("//");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && plain && !of_an_api && wants_page(request.headers())
}

/// The document of a page that sends what it got to another program by a form.
pub(crate) fn document_posting_to(headers: &HeaderMap, origin: &str) -> Response {
    let mut response = document(headers);
    let policy = policy_posting_to(origin);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn policy_posting_to(origin: &str) -> HeaderValue {
    let policy = POLICY.replace("form-action 'none'", &format!("form-action {origin}"));
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static(POLICY))
}

/// A document of the moment that is nothing but a form for another program.
pub(crate) fn posting(html: String, origin: &str) -> Response {
    made(StatusCode::OK, html, policy_posting_to(origin))
}

/// A page that only says something. `text` is ours: nothing of a request may stand in it.
pub(crate) fn told(status: StatusCode, text: &'static str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Foxhold</title>\
         <link rel=\"stylesheet\" href=\"/page/style.css\"><main><p>{text}</p></main></html>\n"
    );
    made(status, html, HeaderValue::from_static(POLICY))
}

fn made(status: StatusCode, html: String, policy: HeaderValue) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    (status, headers, html).into_response()
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = TAGS
        .iter()
        .find(|(name, _)| *name == asset.name)
        .map(|(_, tag)| tag.clone());
    let known = tag.is_some() && headers.get(header::IF_NONE_MATCH) == tag.as_ref();
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        ([content_type], Bytes::from_static(asset.bytes)).into_response()
    };
    let answer = response.headers_mut();
    // Always asked for again, so that page and server are of one version; the tag makes that cheap.
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if let Some(tag) = tag {
        answer.insert(header::ETAG, tag);
    }
    response
}
