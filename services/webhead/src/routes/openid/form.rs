//! Form bodies, read strictly: UTF-8 once decoded, and nothing twice that is asked for.

use std::sync::Arc;

use axum::{body::Body, extract::FromRequest};
use foxhold_accounts::Caller;
use http::{HeaderMap, Request, header};
use url::form_urlencoded;

use super::fault::Fault;
use crate::{App, extract};

/// More pairs than any request of ours has.
const PAIRS_MAX: usize = 64;

/// A call with a form.
pub(super) struct FormCall {
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    pub(super) form: Form,
}

/// `name=value&…`.
pub(super) struct Form(Vec<(String, String)>);

/// Whether a body says that it is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl Form {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let pairs: Vec<_> = form_urlencoded::parse(text)
            .into_owned()
            .take(PAIRS_MAX + 1)
            .collect();
        let is_odd = |text: &String| text.contains(['\u{fffd}', '\0']);
        let is_text = std::str::from_utf8(text).is_ok();
        if !is_text
            || pairs.len() > PAIRS_MAX
            || pairs.iter().any(|(name, value)| is_odd(name) || is_odd(value))
        {
            return Err(Fault::invalid_request("the form cannot be read"));
        }
        Ok(Self(pairs))
    }

    /// A value that may be absent; an empty one is the same (RFC 6749 section 3.1).
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut all = self.0.iter().filter(|(known, _)| known == name);
        let (first, second) = (all.next(), all.next());
        if second.is_some() {
            return Err(Fault::invalid_request("a parameter stands there twice"));
        }
        Ok(first
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty()))
    }

    /// All of it, as it came.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A value that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Fault> {
        self.get(name)?
            .ok_or_else(|| Fault::invalid_request("a parameter is missing"))
    }
}

impl FromRequest<Arc<App>> for FormCall {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, Fault> {
        let (parts, body) = extract::read(request).await?;
        Ok(Self {
            caller: extract::caller(app, &parts),
            form: Form::parse(&body)?,
            headers: parts.headers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_not() {
        let form = Form::parse(b"a=1&b=x+y%26&c=&d=1&d=2").unwrap();
        assert_eq!(form.get("a").unwrap(), Some("1"));
        assert_eq!(form.needed("b").unwrap(), "x y&");
        assert_eq!(form.get("c").unwrap(), None, "empty is absent");
        assert!(form.needed("c").is_err() && form.get("d").is_err());
        assert_eq!(form.get("e").unwrap(), None);
        let many = "a=1&".repeat(PAIRS_MAX + 1);
        for bad in [&b"a=%ff"[..], b"\xff=1", b"a=%00", many.as_bytes()] {
            assert!(Form::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn which_bodies_are_forms() {
        let of = |value: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        assert!(is_form(&of("application/x-www-form-urlencoded")));
        assert!(is_form(&of("Application/X-WWW-Form-Urlencoded; charset=utf-8")));
        assert!(!is_form(&of("application/json")) && !is_form(&HeaderMap::new()));
    }
}
