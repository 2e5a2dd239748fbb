//! Requests in which every secret is marked, and answers of which every secret is: what a new answer brings is marked too.

use std::cell::RefCell;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use foxhold_core::hex;
use foxhold_crypto::{
    hawk::Credentials,
    token::{TokenKeys, TokenKind},
};
use foxhold_testkit::{
    http::{self, Answer},
    person::{Server, mailed_header},
    single_box::SingleBox,
};
use hyper::Method;
use serde_json::Value;

use super::marks::{Home, Marks};

/// Members of answers that are secrets, wherever they stand.
const SECRETS: [&str; 13] = [
    "sessionToken",
    "keyFetchToken",
    "passwordChangeToken",
    "passwordForgotToken",
    "accountResetToken",
    "access_token",
    "refresh_token",
    "id_token",
    "code",
    "redirect",
    "recoveryCodes",
    "bundle",
    "qrCodeUrl",
];

/// How a request says who asks.
pub(crate) enum By<'a> {
    Nobody,
    Token(&'a TokenKeys),
    Header(String),
}

impl By<'_> {
    pub(crate) fn bearer(token: &str) -> Self {
        Self::Header(format!("Bearer {token}"))
    }

    pub(crate) fn basic(id: &str, secret: &str) -> Self {
        let login = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        Self::Header(format!("Basic {login}"))
    }
}

/// A client of the box.
pub(crate) struct Caller<'a> {
    pub(crate) running: &'a SingleBox,
    pub(crate) marks: Marks,
    /// Bodies and headers of all refusals.
    pub(crate) refusals: RefCell<Vec<u8>>,
}

impl Caller<'_> {
    pub(crate) fn server(&self) -> &Server {
        &self.running.server
    }

    /// Marks what an answer gives, and keeps what a refusal says.
    pub(crate) fn seen(&self, answer: &Answer) -> Value {
        let body = answer.json().unwrap_or_default();
        if answer.status.is_client_error() || answer.status.is_server_error() {
            let headers = format!("{:?}", answer.headers);
            let mut refusals = self.refusals.borrow_mut();
            refusals.extend_from_slice(headers.as_bytes());
            refusals.extend_from_slice(&answer.body);
            refusals.push(b'\n');
        } else {
            self.mark_members(&body);
        }
        body
    }

    fn mark_members(&self, body: &Value) {
        match body {
            Value::Object(members) => {
                for (name, value) in members {
                    if SECRETS.contains(&name.as_str()) {
                        self.mark_texts(name, value);
                    }
                    self.mark_members(value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.mark_members(value)),
            _ => {}
        }
    }

    fn mark_texts(&self, name: &str, value: &Value) {
        if let Some(text) = value.as_str() {
            self.marks.text(name, Home::Nowhere, text);
        }
        let each = value.as_array().into_iter().flatten();
        each.for_each(|value| self.mark_texts(name, value));
    }

    /// A request with everything said of who asks; the Authorization header is a secret itself.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        by: By<'_>,
        content_type: &str,
        body: String,
    ) -> Result<Value> {
        let authorization = match by {
            By::Nobody => None,
            By::Header(header) => Some(header),
            By::Token(keys) => {
                let id = hex::encode(keys.id.as_bytes());
                let credentials = Credentials {
                    id: &id,
                    key: keys.key.expose(),
                };
                let payload = (!body.is_empty()).then_some(body.as_str());
                Some(self.server().sign(&method, path, &credentials, payload)?)
            }
        };
        let mut headers = vec![("content-type", content_type)];
        if let Some(header) = &authorization {
            self.mark_authorization(header);
            headers.push(("authorization", header));
        }
        let answer = http::send(self.server().address, &method, path, &headers, body).await?;
        Ok(self.seen(&answer))
    }

    fn mark_authorization(&self, header: &str) {
        let value = header.split_once(' ').map_or(header, |(_, value)| value);
        self.marks.text("an Authorization header", Home::Nowhere, value);
        let mac = value
            .split("mac=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        if let Some(mac) = mac {
            self.marks.text("a request's MAC", Home::Nowhere, mac);
        }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        by: By<'_>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, by, "application/json", body).await
    }

    pub(crate) async fn post(&self, path: &str, by: By<'_>, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, by, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str, by: By<'_>) -> Result<Value> {
        self.call(Method::GET, path, by, None).await
    }

    /// A call that must be answered, not refused.
    pub(crate) async fn done(&self, path: &str, by: By<'_>, body: &Value) -> Result<Value> {
        let answer = self.post(path, by, body).await?;
        ensure!(
            answer["errno"].is_null() && answer["error"].is_null(),
            "{path}: {answer}"
        );
        Ok(answer)
    }

    /// The token that an answer brought under `name`, its keys marked.
    pub(crate) fn token(&self, kind: TokenKind, answer: &Value, name: &str) -> Result<TokenKeys> {
        let text = answer[name]
            .as_str()
            .with_context(|| format!("no {name} in {answer}"))?;
        self.marks.token(name, kind, text)
    }

    /// What the newest mail has in a header, marked.
    pub(crate) async fn mailed(&self, email: &str, header: &str) -> Result<String> {
        let code = mailed_header(self.running.private, email, header).await?;
        self.marks.text(header, Home::Nowhere, &code);
        Ok(code)
    }
}
