//! Who a registered client says it is: by Basic, or in the body, never both.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use foxhold_accounts::oauth::ClientLogin;
use foxhold_core::{Secret, SecretText, hex, record::RegisteredClient};
use http::{HeaderMap, header};
use url::form_urlencoded;

use super::{
    fault::Fault,
    form::{Form, FormCall},
};
use crate::App;

impl FormCall {
    /// The registered client that calls, proven as its kind has to.
    pub(super) async fn client(&self, app: &App) -> Result<Arc<RegisteredClient>, Fault> {
        let login = login(&self.headers, &self.form)?;
        Ok(app.accounts.authenticated_client(&self.caller, &login).await?)
    }
}

/// The number of a login that has no right form: what it says is nobody.
const NOBODY: u16 = 101;
/// The number of a secret that is none.
const NO_SECRET: u16 = 102;

fn login(headers: &HeaderMap, form: &Form) -> Result<ClientLogin, Fault> {
    let (in_body, secret_in_body) = (form.get("client_id")?, form.get("client_secret")?);
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let shown = value.to_str().ok().and_then(basic);
            let (id, secret) = shown.ok_or_else(|| Fault::invalid_client(NOBODY))?;
            if secret_in_body.is_some() || in_body.is_some_and(|other| other != id) {
                return Err(Fault::invalid_client(NOBODY));
            }
            (id, Some(secret))
        }
        None => {
            let id = in_body.ok_or_else(|| Fault::invalid_client(NOBODY))?;
            let secret = secret_in_body.map(|secret| SecretText::new(secret.to_owned()));
            (id.to_owned(), secret)
        }
    };
    let secret = secret.map(|secret| hex::decode(secret.expose()).map(Secret::new));
    Ok(ClientLogin {
        client: id.parse().map_err(|_| Fault::invalid_client(NOBODY))?,
        secret: secret.transpose().map_err(|_| Fault::invalid_client(NO_SECRET))?,
    })
}

/// Id and secret of a Basic header, both percent-decoded after base64 (RFC 6749 section 2.3.1).
fn basic(value: &str) -> Option<(String, SecretText)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let both = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let both = String::from_utf8(both).ok()?;
    let (id, secret) = both.split_once(':')?;
    Some((decoded(id)?, SecretText::new(decoded(secret)?)))
}

fn decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let pair = form_urlencoded::parse(text.as_bytes()).next();
    Some(pair.map(|(name, _)| name.into_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0909090909090909";

    #[test]
    fn ways_to_show_who_one_is() {
        let secret = "ab".repeat(32);
        let by_basic = |both: &str| Some(format!("Basic {}", BASE64_STANDARD.encode(both)));
        let good = by_basic(&format!("{ID}:{secret}"));
        let encoded = by_basic(&format!("%30{}:{secret}", &ID[1..]));
        let in_body = format!("client_id={ID}&client_secret={secret}");
        let id_only = format!("client_id={ID}");
        // Header, body; whether it is a login, and whether it has a secret.
        let table = [
            (good.clone(), "", Some(true)),
            (encoded, "", Some(true)),
            (good.clone(), &*id_only, Some(true)),
            (None, &*in_body, Some(true)),
            (None, &*id_only, Some(false)),
            (good.clone(), &*in_body, None),
            (good, "client_id=0000000000000000", None),
            (None, "", None),
            (None, "client_id=x", None),
            (None, "client_id=0909090909090909&client_secret=short", None),
            (by_basic("no colon"), "", None),
            (by_basic(&format!("{ID}:")), "", None),
            (Some("Basic !".into()), "", None),
            (Some("Bearer abc".into()), &*id_only, None),
            (Some(String::new()), &*id_only, None),
        ];
        for (header, body, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(value) = &header {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            let found = login(&headers, &Form::parse(body.as_bytes()).unwrap());
            let found = found.ok().map(|login| {
                assert_eq!(login.client.to_string(), ID);
                login.secret.is_some()
            });
            assert_eq!(found, expected, "{header:?} {body}");
        }
    }
}
