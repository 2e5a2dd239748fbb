//! What a client may be registered with (`accounts.md` (k), Registered clients): asked where one is registered, and no
//! second time where it is used. Pure.

use foxhold_core::{
    Uid,
    record::{CLIENT_SECRETS_MAX, ClientKind, ClientSwitches, RegisteredClient},
};

/// The scopes a client gets if its operator names none.
pub const SCOPE_DEFAULT: &str = "openid profile email";
/// The scopes every client may be given; others belong to the services that define them.
pub const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

const NAME_LEN_MAX: usize = 64;
const URI_LEN_MAX: usize = 512;
const REDIRECTS_MAX: usize = 20;
const SCOPE_LEN_MAX: usize = 256;
const ALLOWED_MAX: usize = 1000;

/// What is wrong with a client: which field, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFault {
    /// The field.
    pub field: &'static str,
    /// In the words of a fix.
    pub fix: &'static str,
}

const fn fault(field: &'static str, fix: &'static str) -> ClientFault {
    ClientFault { field, fix }
}

/// Whether a client may be registered like this.
///
/// # Errors
/// The first fault.
pub fn check(client: &RegisteredClient) -> Result<(), ClientFault> {
    let is_name = !client.name.trim().is_empty()
        && client.name.chars().count() <= NAME_LEN_MAX
        && !client.name.chars().any(char::is_control);
    ensure(
        is_name,
        "name",
        "give 1 to 64 characters, none of them control characters",
    )?;
    let has_picture = client.image_uri.as_deref().is_none_or(|uri| is_web(uri, false));
    ensure(
        has_picture,
        "image_uri",
        "give an https URL of at most 512 characters",
    )?;
    ensure(
        (1..=REDIRECTS_MAX).contains(&client.redirect_uris.len()),
        "redirect_uris",
        "give 1 to 20 of them",
    )?;
    check_uris("redirect_uris", &client.redirect_uris, client)?;
    ensure(
        client.post_logout_redirect_uris.len() <= REDIRECTS_MAX,
        "post_logout_redirect_uris",
        "give at most 20 of them",
    )?;
    check_uris(
        "post_logout_redirect_uris",
        &client.post_logout_redirect_uris,
        client,
    )?;
    ensure(
        is_scope(&client.scope),
        "scope",
        "give names of scopes, separated by blanks",
    )?;
    ensure(
        client.allowed.len() <= ALLOWED_MAX && client.allowed.iter().all(|whom| is_whom(whom)),
        "allowed",
        "give uids (32 hex digits) or mail domains in lower case, at most 1000",
    )?;
    check_kind(client)
}

fn check_kind(client: &RegisteredClient) -> Result<(), ClientFault> {
    let ClientSwitches { require_pkce, .. } = client.switches;
    match client.kind {
        ClientKind::Public => {
            ensure(client.secrets.is_empty(), "kind", "a public client has no secret")?;
            ensure(
                require_pkce,
                "require_pkce",
                "a public client always has to use PKCE",
            )
        }
        ClientKind::Confidential => ensure(
            (1..=CLIENT_SECRETS_MAX).contains(&client.secrets.len()),
            "secrets",
            "a confidential client has one secret, or two",
        ),
    }
}

fn check_uris(field: &'static str, uris: &[String], client: &RegisteredClient) -> Result<(), ClientFault> {
    let is_fine = |uri: &String| {
        is_web(uri, client.switches.allow_http) || (client.kind == ClientKind::Public && is_of_app(uri))
    };
    ensure(
        uris.iter().all(is_fine),
        field,
        "give https URLs of at most 512 characters without fragment or wildcard; http is for localhost, 127.0.0.1 and \
         [::1], or with allow_http; a public client may have com.example.app:/path",
    )
}

fn ensure(is_fine: bool, field: &'static str, fix: &'static str) -> Result<(), ClientFault> {
    if is_fine { Ok(()) } else { Err(fault(field, fix)) }
}

/// An https URL, or an http one of this machine or by permission. Without fragment, wildcard, user or dot segments.
fn is_web(uri: &str, http_allowed: bool) -> bool {
    if !is_uri_text(uri) {
        return false;
    }
    let (is_https, rest) = match (uri.strip_prefix("https://"), uri.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    host_of(authority).is_some_and(|host| is_https || http_allowed || is_loopback(host))
}

/// Host of `host[:port]`; `None` if it is none.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        authority.split_at(end)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    let is_name = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let is_host = !host.is_empty() && (is_name || host == "[::1]" || is_v6(host));
    (is_port && is_host).then_some(host)
}

fn is_v6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// `com.example.app:/…`: a scheme with a dot, as systems give them to apps.
fn is_of_app(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.contains('.')
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    is_uri_text(uri) && is_scheme && rest.starts_with('/')
}

fn is_uri_text(uri: &str) -> bool {
    uri.len() <= URI_LEN_MAX
        && uri
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"#*@\\\"<>".contains(&byte))
        && !uri.split(['/', '?']).any(|segment| matches!(segment, "." | ".."))
}

fn is_scope(scope: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
            && !name.ends_with(":write")
    };
    scope.len() <= SCOPE_LEN_MAX && !scope.is_empty() && scope.split(' ').all(is_name)
}

fn is_whom(whom: &str) -> bool {
    let is_domain = whom.contains('.')
        && whom.len() <= 253
        && whom
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    whom.parse::<Uid>().is_ok() || is_domain
}

/// Whether a code may be sent there: one of the client's, as text. A public client's own port on this machine does not
/// matter: it is drawn anew each time it runs (RFC 8252 section 7.3).
#[must_use]
pub fn may_redirect(client: &RegisteredClient, uri: &str) -> bool {
    is_one_of(&client.redirect_uris, client.kind, uri)
}

/// Whether a browser may go there after signing out: one of the client's, by the same rule.
#[must_use]
pub fn may_go_back(client: &RegisteredClient, uri: &str) -> bool {
    is_one_of(&client.post_logout_redirect_uris, client.kind, uri)
}

fn is_one_of(known: &[String], kind: ClientKind, uri: &str) -> bool {
    let is_public = kind == ClientKind::Public;
    let mut all = known.iter();
    all.any(|known| {
        known == uri || (is_public && loopback(known).is_some() && loopback(known) == loopback(uri))
    })
}

/// What is compared of a URI at a loopback address: all but its port.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    if !is_uri_text(uri) {
        return None;
    }
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = host_of(authority)?;
    matches!(host, "127.0.0.1" | "[::1]").then_some((host, path))
}

#[cfg(test)]
mod tests {
    use foxhold_core::{ClientId, Timestamp, record::ClientSecret};

    use super::*;

    fn client(kind: ClientKind, uri: &str) -> RegisteredClient {
        let secret = ClientSecret {
            hash: [1; 32],
            created_at: Timestamp::from_millis(1),
        };
        let is_public = kind == ClientKind::Public;
        RegisteredClient {
            id: ClientId::from_bytes([1; 8]),
            name: "Notes".into(),
            image_uri: None,
            kind,
            secrets: if is_public { vec![] } else { vec![secret] },
            redirect_uris: vec![uri.into()],
            post_logout_redirect_uris: vec![],
            scope: SCOPE_DEFAULT.into(),
            switches: ClientSwitches {
                require_pkce: is_public,
                ..ClientSwitches::default()
            },
            allowed: vec![],
            created_at: Timestamp::from_millis(1),
            version: 1,
        }
    }

    #[test]
    fn where_codes_may_be_sent() {
        use ClientKind::{Confidential, Public};
        let long = format!("https://a.example/{}", "x".repeat(500));
        // By a confidential client, by one in a home network, by a public one.
        let table = [
            ("https://a.example/cb", true, true, true),
            ("https://a.example:8443/cb?x=1", true, true, true),
            ("https://[2001:db8::1]/cb", true, true, true),
            ("http://localhost:3000/cb", true, true, true),
            ("http://127.0.0.1/cb", true, true, true),
            ("http://[::1]:1/cb", true, true, true),
            ("http://nas.home/cb", false, true, false),
            ("http://127.0.0.1.evil.example/", false, true, false),
            ("com.example.app:/cb", false, false, true),
            ("app:/cb", false, false, false),
            ("javascript:alert(1)", false, false, false),
            ("com.example.app:cb", false, false, false),
            ("https://a.example/cb#frag", false, false, false),
            ("https://*.example/cb", false, false, false),
            ("https://user@a.example/cb", false, false, false),
            ("https://a.example/../cb", false, false, false),
            ("https://a.example:99999/", false, false, false),
            ("https://", false, false, false),
            ("https:///cb", false, false, false),
            ("https://a.example/c b", false, false, false),
            (&long, false, false, false),
            ("", false, false, false),
        ];
        for (uri, confidential, at_home, public) in table {
            let mut home = client(Confidential, uri);
            home.switches.allow_http = true;
            assert_eq!(check(&client(Confidential, uri)).is_ok(), confidential, "{uri}");
            assert_eq!(check(&home).is_ok(), at_home, "{uri}");
            assert_eq!(check(&client(Public, uri)).is_ok(), public, "{uri}");
        }
    }

    #[test]
    fn redirects_are_compared_as_text_but_for_an_apps_own_port() {
        use ClientKind::{Confidential, Public};
        let table = [
            ("https://a.example/cb", "https://a.example/cb", true, true),
            ("https://a.example/cb", "https://a.example/cb/", false, false),
            ("https://a.example/cb", "https://a.example/CB", false, false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false, false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", false, true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", false, true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb2", false, false),
            ("http://127.0.0.1/cb", "http://[::1]/cb", false, false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:5@evil.example/cb",
                false,
                false,
            ),
            ("http://localhost/cb", "http://localhost:5000/cb", false, false),
        ];
        for (known, wanted, confidential, public) in table {
            assert_eq!(
                may_redirect(&client(Confidential, known), wanted),
                confidential,
                "{wanted}"
            );
            assert_eq!(may_redirect(&client(Public, known), wanted), public, "{wanted}");
        }
    }

    #[test]
    fn other_faults_are_named() {
        type Change = fn(&mut RegisteredClient);
        let table: [(&str, Change); 11] = [
            ("name", |c| c.name = " ".into()),
            ("name", |c| c.name = "a\nb".into()),
            ("image_uri", |c| c.image_uri = Some("http://a.example/x".into())),
            ("redirect_uris", |c| c.redirect_uris.clear()),
            ("post_logout_redirect_uris", |c| {
                c.post_logout_redirect_uris = vec!["ftp://a.example".into()];
            }),
            ("scope", |c| c.scope = "openid  profile".into()),
            ("scope", |c| c.scope = "openid https://a.example/x".into()),
            ("scope", |c| c.scope = "profile:write".into()),
            ("allowed", |c| c.allowed = vec!["Example.org".into()]),
            ("secrets", |c| c.secrets.clear()),
            ("kind", |c| c.kind = ClientKind::Public),
        ];
        for (field, change) in table {
            let mut client = client(ClientKind::Confidential, "https://a.example/cb");
            change(&mut client);
            assert_eq!(check(&client).unwrap_err().field, field);
        }
        let mut client = client(ClientKind::Public, "https://a.example/cb");
        client.switches.require_pkce = false;
        assert_eq!(check(&client).unwrap_err().field, "require_pkce");
    }
}
