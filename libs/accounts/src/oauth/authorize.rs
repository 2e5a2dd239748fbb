//! POST /oauth/authorization: a signed-in page gets a code for a client.

use foxhold_core::{ClientId, Secret, Timestamp, record::AuthorizationCode};
use foxhold_crypto::pkce;
use url::form_urlencoded;

use super::{Client, Scopes};
use crate::{AccountError, Accounts, Caller, SignedIn, field};

/// What the page asks for on behalf of a client.
#[derive(Clone)]
pub struct AuthorizationRequest {
    /// For whom.
    pub client: ClientId,
    /// Returned as it is.
    pub state: String,
    /// Wanted scopes.
    pub scope: String,
    /// Must be `code`; absent is the same.
    pub response_type: Option<String>,
    /// `offline` for a refresh token, `online` without.
    pub access_type: Option<String>,
    /// PKCE challenge.
    pub code_challenge: Option<String>,
    /// Must be `S256`.
    pub code_challenge_method: Option<String>,
    /// Keys, sealed for the client.
    pub keys_jwe: Option<String>,
    /// Must be one of the client's.
    pub redirect_uri: Option<String>,
    /// Authentication context asked for.
    pub acr_values: Option<String>,
    /// For the ID token of a registered client. This and what follows is looked at for registered clients only.
    pub nonce: Option<String>,
    /// How old the password may be, in seconds.
    pub max_age_secs: Option<u64>,
    /// What the client wants the user to be asked.
    pub prompt: Option<String>,
    /// Whether the user has just agreed.
    pub consent: bool,
    /// When the request came to the page.
    pub requested_at: Option<Timestamp>,
}

impl AuthorizationRequest {
    /// One that says nothing else.
    #[must_use]
    pub const fn new(client: ClientId, scope: String) -> Self {
        Self {
            client,
            state: String::new(),
            scope,
            response_type: None,
            access_type: None,
            code_challenge: None,
            code_challenge_method: None,
            keys_jwe: None,
            redirect_uri: None,
            acr_values: None,
            nonce: None,
            max_age_secs: None,
            prompt: None,
            consent: false,
            requested_at: None,
        }
    }
}

/// A code.
pub struct Authorized {
    /// For the client, through the page.
    pub code: Secret<32>,
    /// As sent.
    pub state: String,
    /// Where the browser goes: code and state are in its query.
    pub redirect: String,
    /// Granted scopes.
    pub scope: String,
}

impl Accounts {
    /// Grants a code.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 138, 162, 163, 167, 168, 169, 170, 201; for registered clients also 164, 1005, 1006.
    pub async fn authorize(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: AuthorizationRequest,
    ) -> Result<Authorized, AccountError> {
        let client = self.client(caller.deadline, request.client).await?;
        if let Some(registered) = &client.registered {
            return self
                .authorize_registered(caller, signed_in, &client, registered, request)
                .await;
        }
        let redirect_uri = client.redirect_uri(request.redirect_uri.as_deref())?.to_owned();
        let Checked {
            scopes,
            code_challenge,
            offline,
        } = check(&client, &request)?;
        if wants_second_factor(&request) && !signed_in.has_second_factor() {
            return Err(AccountError::AcrTooLow);
        }
        if scopes.has_key_bearing() {
            signed_in.require_verified()?;
        }
        let (code, id) = self.draw_hashed()?;
        let record = AuthorizationCode {
            id,
            uid: signed_in.account.uid,
            client: client.id,
            scope: scopes.to_string(),
            session: signed_in.session.id,
            code_challenge,
            redirect_uri: None,
            nonce: None,
            keys_jwe: request.keys_jwe,
            offline,
            auth_at: signed_in.session.auth_at,
            created_at: self.now(),
            generation: signed_in.account.verifier_set_at,
        };
        self.write(caller, |call| {
            let record = record.clone();
            async move { self.writer.put_authorization_code(&call, record).await }
        })
        .await?;
        let redirect = with_code(&redirect_uri, &code, &request.state);
        Ok(Authorized {
            code,
            state: request.state,
            redirect,
            scope: record.scope,
        })
    }
}

struct Checked {
    scopes: Scopes,
    code_challenge: String,
    offline: bool,
}

fn wants_second_factor(request: &AuthorizationRequest) -> bool {
    let values = request.acr_values.as_deref().unwrap_or_default();
    values.split(' ').any(|value| value == "AAL2")
}

/// The rules of a request, in the order a client is told about them.
fn check(client: &Client, request: &AuthorizationRequest) -> Result<Checked, AccountError> {
    if request
        .response_type
        .as_deref()
        .is_some_and(|wanted| wanted != "code")
    {
        return Err(AccountError::BadResponseType);
    }
    field::check(
        "state",
        request.state.len() <= 512 && !request.state.chars().any(char::is_control),
    )?;
    let offline = match request.access_type.as_deref() {
        None | Some("online") => false,
        Some("offline") => true,
        Some(_) => return Err(AccountError::BadParameter("access_type")),
    };
    field::check_optional("keys_jwe", request.keys_jwe.as_deref(), field::is_keys_jwe)?;
    let scopes = Scopes::parse(&request.scope).ok_or(AccountError::BadParameter("scope"))?;
    client.check_scopes(&scopes)?;
    // Built-in clients are public; an absent method would mean `plain`, which nobody needs.
    let (Some(challenge), Some("S256")) = (&request.code_challenge, request.code_challenge_method.as_deref())
    else {
        return Err(AccountError::MissingPkce);
    };
    field::check("code_challenge", pkce::is_challenge(challenge))?;
    Ok(Checked {
        scopes,
        code_challenge: challenge.clone(),
        offline,
    })
}

fn with_code(redirect_uri: &str, code: &Secret<32>, state: &str) -> String {
    let code = foxhold_core::hex::encode(code.expose());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", state)
        .finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{joint}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Clients;

    fn request() -> AuthorizationRequest {
        AuthorizationRequest {
            state: "st&te".into(),
            response_type: Some("code".into()),
            access_type: Some("offline".into()),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()),
            code_challenge_method: Some("S256".into()),
            ..AuthorizationRequest::new(
                "5882386c6d801776".parse().unwrap(),
                "profile https://identity.mozilla.com/apps/oldsync".into(),
            )
        }
    }

    #[test]
    fn requests_that_are_refused() {
        type Change = fn(&mut AuthorizationRequest);
        let table: [(&str, Change, u16); 10] = [
            ("token response", |r| r.response_type = Some("token".into()), 168),
            ("long state", |r| r.state = "s".repeat(513), 107),
            ("access type", |r| r.access_type = Some("maybe".into()), 107),
            ("jwe", |r| r.keys_jwe = Some("a.b.c".into()), 107),
            ("scope form", |r| r.scope = "\u{e4}".into(), 107),
            ("no scope", |r| r.scope = String::new(), 107),
            ("scope of others", |r| r.scope = "clients:write".into(), 163),
            ("no challenge", |r| r.code_challenge = None, 169),
            ("no method", |r| r.code_challenge_method = None, 169),
            ("plain", |r| r.code_challenge_method = Some("plain".into()), 169),
        ];
        let clients = Clients::built_in("http://localhost");
        for (name, change, errno) in table {
            let mut request = request();
            change(&mut request);
            let client = clients.find(request.client).unwrap();
            let refused = check(client, &request).err().map(|error| error.code().number());
            assert_eq!(refused, Some(errno), "{name}");
        }
        for (values, expected) in [(None, false), (Some("AAL1"), false), (Some("AAL1 AAL2"), true)] {
            let mut request = request();
            request.acr_values = values.map(str::to_owned);
            assert_eq!(wants_second_factor(&request), expected, "{values:?}");
        }
        let client = clients.find(request().client).unwrap();
        assert!(check(client, &request()).is_ok_and(|checked| checked.offline));
    }

    #[test]
    fn code_and_state_go_into_the_query() {
        let code = Secret::new([0xab; 32]);
        let hex = "ab".repeat(32);
        assert_eq!(
            with_code("urn:a:b", &code, "s t&"),
            format!("urn:a:b?code={hex}&state=s+t%26")
        );
        assert_eq!(
            with_code("https://c.example/?x=1", &code, ""),
            format!("https://c.example/?x=1&code={hex}&state=")
        );
    }
}
