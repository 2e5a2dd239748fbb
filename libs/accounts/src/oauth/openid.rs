//! POST /oauth/authorization for registered clients (`accounts.md` (k), Authorization request). The page only asks: whether
//! the redirect, the scopes, the proof, the age of the session and the consent will do is decided here.

use std::time::Duration;

use foxhold_core::{
    Timestamp,
    record::{AuthorizationCode, ClientKind, RegisteredClient},
};
use foxhold_crypto::pkce;
use foxhold_ports::{openid::rules, signer::AuthMethod};
use url::form_urlencoded;

use super::{AuthorizationRequest, Authorized, Client, Scopes, consent::Word, registered::is_for};
use crate::{AccountError, Accounts, Caller, SignedIn, field};

/// How old the password may be for `prompt=login`.
const FRESH: Duration = Duration::from_secs(5 * 60);
const TEXT_LEN_MAX: usize = 512;

impl Accounts {
    /// A code for a registered client.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 138, 163, 164, 167, 168, 169, 170, 201, 1005, 1006.
    pub(super) async fn authorize_registered(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        client: &Client,
        registered: &RegisteredClient,
        request: AuthorizationRequest,
    ) -> Result<Authorized, AccountError> {
        let redirect_uri = redirect_uri(registered, request.redirect_uri.as_deref())?.to_owned();
        let asked = check(client, registered, &request)?;
        check_person(signed_in, registered, &request, self.now())?;
        let word = match (request.consent, has_prompt(&request, "consent")) {
            (true, _) => Word::Yes,
            (false, true) => Word::AskAgain,
            (false, false) => Word::Nothing,
        };
        let SignedIn { session, account } = signed_in;
        let at = self.agree(caller, account, client, &asked.scopes, word).await?;
        let (code, id) = self.draw_hashed()?;
        let record = AuthorizationCode {
            id,
            uid: account.uid,
            client: client.id,
            scope: asked.scopes.to_string(),
            session: session.id,
            code_challenge: asked.code_challenge,
            redirect_uri: Some(redirect_uri.clone()),
            nonce: request.nonce,
            keys_jwe: None,
            offline: asked.scopes.contains("offline_access"),
            auth_at: session.auth_at,
            created_at: at,
            generation: account.verifier_set_at,
        };
        self.write(caller, |call| {
            let record = record.clone();
            async move { self.writer.put_authorization_code(&call, record).await }
        })
        .await?;
        let mut answer = vec![("code", foxhold_core::hex::encode(code.expose()))];
        if !request.state.is_empty() {
            answer.push(("state", request.state.clone()));
        }
        answer.push(("iss", self.openid.issuer.clone()));
        Ok(Authorized {
            code,
            state: request.state,
            redirect: answered(&redirect_uri, &answer),
            scope: record.scope,
        })
    }
}

/// A redirect URI with an answer in its query; what is there already stays.
#[must_use]
pub fn answered(redirect_uri: &str, answer: &[(&str, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(answer)
        .finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{joint}{query}")
}

/// Where the answer goes. Must be known before anything else is wrong: errors go there, too.
///
/// # Errors
/// [`AccountError::BadRedirect`].
pub fn redirect_uri<'a>(client: &RegisteredClient, wanted: Option<&'a str>) -> Result<&'a str, AccountError> {
    let wanted = wanted.filter(|wanted| rules::may_redirect(client, wanted));
    wanted.ok_or(AccountError::BadRedirect)
}

struct Asked {
    scopes: Scopes,
    code_challenge: String,
}

/// What is asked for, whoever asks.
fn check(
    client: &Client,
    registered: &RegisteredClient,
    request: &AuthorizationRequest,
) -> Result<Asked, AccountError> {
    if request
        .response_type
        .as_deref()
        .is_some_and(|wanted| wanted != "code")
    {
        return Err(AccountError::BadResponseType);
    }
    field::check("state", is_plain(&request.state))?;
    field::check("nonce", request.nonce.as_deref().is_none_or(is_plain))?;
    // Keys are for the programs that browsers bring.
    field::check("keys_jwe", request.keys_jwe.is_none())?;
    check_prompt(request)?;
    Ok(Asked {
        scopes: scopes(client, &request.scope)?,
        code_challenge: code_challenge(registered, request)?,
    })
}

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_LEN_MAX && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn has_prompt(request: &AuthorizationRequest, wanted: &str) -> bool {
    let prompt = request.prompt.as_deref().unwrap_or_default();
    prompt.split(' ').any(|word| word == wanted)
}

fn check_prompt(request: &AuthorizationRequest) -> Result<(), AccountError> {
    const WORDS: [&str; 4] = ["none", "login", "consent", "select_account"];
    let prompt = request.prompt.as_deref().unwrap_or_default();
    let words: Vec<_> = prompt.split(' ').filter(|word| !word.is_empty()).collect();
    let is_known = words.iter().all(|word| WORDS.contains(word));
    // Nothing can be asked, and something has to be.
    field::check(
        "prompt",
        is_known && (words.len() < 2 || !words.contains(&"none")),
    )
}

/// The scopes asked for, without the names that nobody knows.
fn scopes(client: &Client, wanted: &str) -> Result<Scopes, AccountError> {
    let wanted = Scopes::parse(wanted).ok_or(AccountError::BadParameter("scope"))?;
    let is_meant = |scope: &&str| {
        let is_url = scope.contains("://");
        let of_profile = scope.starts_with("profile:");
        is_url || of_profile || rules::SCOPES.contains(scope) || client.scopes.contains(scope)
    };
    let known: Vec<_> = wanted.iter().filter(is_meant).collect();
    let known = Scopes::of(&known);
    client.check_scopes(&known)?;
    if known.is_empty() {
        return Err(AccountError::BadParameter("scope"));
    }
    Ok(known)
}

/// The proof that the code will need; empty if there will be none.
fn code_challenge(client: &RegisteredClient, request: &AuthorizationRequest) -> Result<String, AccountError> {
    let Some(challenge) = &request.code_challenge else {
        // A method without a challenge is a client that thinks it has sent one.
        field::check("code_challenge_method", request.code_challenge_method.is_none())?;
        return if client.switches.require_pkce || client.kind == ClientKind::Public {
            Err(AccountError::MissingPkce)
        } else {
            Ok(String::new())
        };
    };
    // Absent means `plain`, which proves nothing.
    let method = request.code_challenge_method.as_deref();
    field::check("code_challenge_method", method == Some("S256"))?;
    field::check("code_challenge", pkce::is_challenge(challenge))?;
    Ok(challenge.clone())
}

/// Whether the user, as signed in, will do.
fn check_person(
    signed_in: &SignedIn,
    client: &RegisteredClient,
    request: &AuthorizationRequest,
    now: Timestamp,
) -> Result<(), AccountError> {
    signed_in.require_verified()?;
    if !is_for(client, &signed_in.account) {
        return Err(AccountError::ClientNotAllowed);
    }
    let auth_at = signed_in.session.auth_at;
    if is_stale(auth_at, request, now) {
        return Err(AccountError::StaleAuth { auth_at });
    }
    let asks_second = request
        .acr_values
        .as_deref()
        .is_some_and(|values| values.split(' ').any(|value| value == "AAL2"));
    let has_second = signed_in.auth_methods().contains(&AuthMethod::OneTimePassword);
    if (asks_second || client.switches.require_aal2) && !has_second {
        return Err(AccountError::AcrTooLow);
    }
    Ok(())
}

/// Whether the password has to be given again.
fn is_stale(auth_at: Timestamp, request: &AuthorizationRequest, now: Timestamp) -> bool {
    let age = now.since(auth_at);
    let wants_login = has_prompt(request, "login") || request.max_age_secs == Some(0);
    let is_before = request.requested_at.is_some_and(|requested| auth_at < requested);
    if wants_login && (is_before || age > FRESH) {
        return true;
    }
    let max_age = request.max_age_secs.filter(|secs| *secs > 0);
    max_age.is_some_and(|secs| age > Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use foxhold_core::{ClientId, record::Verification};

    use super::{super::registered::tests::registered, *};
    use crate::fixtures::{MADE, signed_in};

    const CB: &str = "https://notes.example.test/cb";

    fn request() -> AuthorizationRequest {
        AuthorizationRequest {
            state: "s".into(),
            redirect_uri: Some(CB.into()),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()),
            code_challenge_method: Some("S256".into()),
            ..AuthorizationRequest::new(ClientId::from_bytes([9; 8]), "openid email".into())
        }
    }

    fn client_of(registered: &RegisteredClient) -> Client {
        Client {
            id: registered.id,
            name: registered.name.clone(),
            trusted: false,
            may_use_fxa_credentials: false,
            scopes: Scopes::parse(&registered.scope).unwrap(),
            redirect_uris: registered.redirect_uris.clone(),
            image_uri: None,
            registered: None,
        }
    }

    fn refused(kind: ClientKind, change: impl Fn(&mut AuthorizationRequest)) -> Option<u16> {
        let (registered, mut request) = (registered(kind), request());
        change(&mut request);
        let checked = redirect_uri(&registered, request.redirect_uri.as_deref())
            .and_then(|_| check(&client_of(&registered), &registered, &request));
        checked.err().map(|error| error.code().number())
    }

    #[test]
    fn requests_that_are_refused() {
        type Change = fn(&mut AuthorizationRequest);
        let table: [(&str, Change, Option<u16>, Option<u16>); 17] = [
            ("as it is", |_| (), None, None),
            ("no redirect", |r| r.redirect_uri = None, Some(167), Some(167)),
            (
                "another",
                |r| r.redirect_uri = Some(format!("{CB}/")),
                Some(167),
                Some(167),
            ),
            (
                "token",
                |r| r.response_type = Some("token".into()),
                Some(168),
                Some(168),
            ),
            ("state", |r| r.state = "\u{e4}".into(), Some(107), Some(107)),
            ("nonce", |r| r.nonce = Some("n".repeat(513)), Some(107), Some(107)),
            (
                "keys",
                |r| r.keys_jwe = Some("a.b.c.d.e".into()),
                Some(107),
                Some(107),
            ),
            (
                "prompt",
                |r| r.prompt = Some("none login".into()),
                Some(107),
                Some(107),
            ),
            (
                "prompt",
                |r| r.prompt = Some("create".into()),
                Some(107),
                Some(107),
            ),
            ("no scope", |r| r.scope = String::new(), Some(107), Some(107)),
            (
                "unknown only",
                |r| r.scope = "groups".into(),
                Some(107),
                Some(107),
            ),
            ("unknown too", |r| r.scope = "openid groups".into(), None, None),
            (
                "a URL",
                |r| r.scope = "openid https://a.example/x".into(),
                Some(163),
                Some(163),
            ),
            (
                "writing",
                |r| r.scope = "openid profile:write".into(),
                Some(163),
                Some(163),
            ),
            ("plain", |r| r.code_challenge_method = None, Some(107), Some(107)),
            ("method alone", |r| r.code_challenge = None, Some(107), Some(107)),
            (
                "no proof",
                |r| (r.code_challenge, r.code_challenge_method) = (None, None),
                None,
                Some(169),
            ),
        ];
        for (name, change, confidential, public) in table {
            assert_eq!(refused(ClientKind::Confidential, change), confidential, "{name}");
            assert_eq!(refused(ClientKind::Public, change), public, "{name}");
        }
    }

    #[test]
    fn names_that_nobody_knows_are_dropped() {
        let registered = registered(ClientKind::Public);
        let scopes = scopes(&client_of(&registered), "openid groups profile:email").unwrap();
        assert_eq!(scopes.to_string(), "openid profile:email");
    }

    #[test]
    fn when_the_password_is_asked_for_again() {
        let at = |secs: u64| MADE.plus(Duration::from_secs(secs));
        // Prompt, longest age, when the request came, how old the password is; whether that is too old.
        let table = [
            (None, None, None, 1_000_000, false),
            (None, Some(60), None, 60, false),
            (None, Some(60), None, 61, true),
            (Some("login"), None, None, 300, false),
            (Some("login"), None, None, 301, true),
            (Some("login consent"), None, Some(MADE), 10, false),
            (Some("login"), None, Some(at(1)), 10, true),
            (None, Some(0), Some(at(1)), 10, true),
            (None, Some(0), None, 10, false),
            (Some("consent"), None, Some(at(1)), 10, false),
        ];
        for (prompt, max_age_secs, requested_at, age, expected) in table {
            let request = AuthorizationRequest {
                prompt: prompt.map(str::to_owned),
                max_age_secs,
                requested_at,
                ..request()
            };
            let row = (prompt, max_age_secs, age);
            assert_eq!(is_stale(MADE, &request, at(age)), expected, "{row:?}");
        }
    }

    #[test]
    fn who_may_not() {
        let person = |verified| signed_in(verified, Verification::Verified);
        let mut client = registered(ClientKind::Confidential);
        let refused = |client: &RegisteredClient, verified, change: fn(&mut AuthorizationRequest)| {
            let mut request = request();
            change(&mut request);
            let checked = check_person(&person(verified), client, &request, MADE);
            checked.err().map(|error| error.code().number())
        };
        assert_eq!(refused(&client, true, |_| ()), None);
        assert_eq!(refused(&client, false, |_| ()), Some(138));
        assert_eq!(
            refused(&client, true, |r| r.acr_values = Some("AAL1 AAL2".into())),
            Some(170)
        );
        assert_eq!(
            refused(&client, true, |r| r.acr_values = Some("AAL1".into())),
            None
        );
        client.switches.require_aal2 = true;
        assert_eq!(refused(&client, true, |_| ()), Some(170));
        let two_factors = AuthorizationRequest {
            acr_values: Some("AAL2".into()),
            ..request()
        };
        for (shown, expected) in [
            (Verification::Verified, Some(170)),
            (Verification::AwaitsSecondFactor, Some(138)),
            (Verification::SecondFactor, None),
        ] {
            let checked = check_person(&signed_in(true, shown), &client, &two_factors, MADE);
            assert_eq!(
                checked.err().map(|error| error.code().number()),
                expected,
                "{shown:?}"
            );
        }
        client.allowed = vec!["elsewhere.test".into()];
        assert_eq!(refused(&client, true, |_| ()), Some(1006));
    }

    #[test]
    fn an_answer_goes_into_the_query() {
        let answer = [("code", "c".to_owned()), ("iss", "https://a.example".to_owned())];
        assert_eq!(
            answered(CB, &answer),
            format!("{CB}?code=c&iss=https%3A%2F%2Fa.example")
        );
        assert_eq!(answered("a.b:/?x=1", &answer[..1]), "a.b:/?x=1&code=c");
    }
}
