//! Where a request goes: an URL, taken apart and judged before anything is asked of the network.

use std::net::IpAddr;

use http::{Uri, uri::Scheme};
use thiserror::Error;

/// Whom a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, over TLS at the usual port: where a stranger chose the name.
    Public,
    /// Whatever an operator wrote into the configuration.
    Configured,
}

/// An URL that nothing is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Neither `http` nor `https`, or `http` where a stranger chose.
    #[error("not an https URL")]
    Scheme,
    /// No host, or one that is no name and no address.
    #[error("no usable host")]
    Host,
    /// A user or password stands in it.
    #[error("a user stands in the URL")]
    UserInfo,
    /// Another port where a stranger chose.
    #[error("not the usual port")]
    Port,
}

/// An URL that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    pub(crate) path: String,
    pub(crate) reach: Reach,
}

impl Target {
    /// Takes an URL apart.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn of(uri: &Uri, reach: Reach) -> Result<Self, TargetError> {
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP && reach == Reach::Configured => false,
            _ => return Err(TargetError::Scheme),
        };
        let authority = uri.authority().ok_or(TargetError::Host)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        let usual = if is_tls { 443 } else { 80 };
        let port = match (authority.port(), authority.port_u16()) {
            (None, _) if authority.as_str().ends_with(':') => return Err(TargetError::Port),
            (None, _) => usual,
            (Some(_), Some(port)) => port,
            (Some(_), None) => return Err(TargetError::Port),
        };
        if reach == Reach::Public && port != usual {
            return Err(TargetError::Port);
        }
        let host = authority.host();
        if !is_host(host) {
            return Err(TargetError::Host);
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
            is_tls,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            reach,
        })
    }

    /// The host as an address, if it is written as one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let bare = self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(&self.host).parse().ok()
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> String {
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// A name of letters, digits and hyphens, or an address. A number that is no address in its usual spelling is neither:
/// resolvers take `127.1` and `0x7f000001` for addresses.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return host.ends_with(']');
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.len() <= 253
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
        && !last.to_ascii_lowercase().starts_with("0x");
    is_name || host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_may_be_asked() {
        use Reach::{Configured, Public};
        type Row = (
            &'static str,
            Reach,
            Result<(&'static str, u16, &'static str), TargetError>,
        );
        let table: [Row; 20] = [
            ("https://a.example/x?y", Public, Ok(("a.example", 443, "/x?y"))),
            ("https://A.example", Public, Ok(("a.example", 443, "/"))),
            ("https://a.example:443/", Public, Ok(("a.example", 443, "/"))),
            ("https://a.example:8443/", Public, Err(TargetError::Port)),
            (
                "https://a.example:8443/",
                Configured,
                Ok(("a.example", 8443, "/")),
            ),
            ("http://a.example/", Public, Err(TargetError::Scheme)),
            (
                "http://localhost:9000/v1",
                Configured,
                Ok(("localhost", 9000, "/v1")),
            ),
            ("ftp://a.example/", Configured, Err(TargetError::Scheme)),
            ("/only/a/path", Public, Err(TargetError::Scheme)),
            ("https://user@a.example/", Public, Err(TargetError::UserInfo)),
            (
                "https://user:word@a.example/",
                Configured,
                Err(TargetError::UserInfo),
            ),
            ("https://127.1/", Public, Err(TargetError::Host)),
            ("https://2130706433/", Public, Err(TargetError::Host)),
            ("https://0x7f000001/", Public, Err(TargetError::Host)),
            ("https://a_b.example/", Public, Err(TargetError::Host)),
            ("https://a..example/", Public, Err(TargetError::Host)),
            ("https://-a.example/", Public, Err(TargetError::Host)),
            ("https://a.example./", Public, Err(TargetError::Host)),
            ("https://[::1]/", Public, Ok(("[::1]", 443, "/"))),
            ("https://93.184.215.14/", Public, Ok(("93.184.215.14", 443, "/"))),
        ];
        for (url, reach, expected) in table {
            let uri: Uri = url.parse().unwrap();
            let target = Target::of(&uri, reach);
            let parts = target
                .as_ref()
                .map(|t| (t.host.as_str(), t.port, t.path.as_str()));
            assert_eq!(parts.map_err(|error| *error), expected, "{url} {reach:?}");
        }
    }

    #[test]
    fn an_address_is_recognised_in_either_spelling() {
        for (url, expected) in [
            ("https://[::1]/", Some("::1")),
            ("https://10.0.0.1/", Some("10.0.0.1")),
            ("https://a.example/", None),
        ] {
            let target = Target::of(&url.parse().unwrap(), Reach::Public).unwrap();
            assert_eq!(
                target.address(),
                expected.map(|text| text.parse().unwrap()),
                "{url}"
            );
        }
    }
}
