//! Host, port and path of an absolute http(s) address, for signers that hold one.

use thiserror::Error;

use super::Request;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Lower case; an IPv6 address stands in brackets.
    pub host: String,
    /// As named, else the scheme's.
    pub port: u16,
    /// At least `/`.
    pub path_and_query: String,
}

/// Not an absolute http or https address, or one with user information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an absolute http or https address")]
pub struct TargetError;

impl Target {
    /// Splits an address. It is taken as it will stand on the request line: nothing is encoded or normalized.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let (default_port, rest) = if let Some(rest) = url.strip_prefix("https://") {
            (443, rest)
        } else {
            (80, url.strip_prefix("http://").ok_or(TargetError)?)
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_port(authority)?;
        if !is_host(host) || path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(TargetError);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(default_port),
            path_and_query: format!("{slash}{path}"),
        })
    }

    /// A request with `method` to here.
    #[must_use]
    pub fn request<'a>(&'a self, method: &'a str) -> Request<'a> {
        Request {
            method,
            path_and_query: &self.path_and_query,
            host: &self.host,
            port: self.port,
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    let host_len = if authority.starts_with('[') {
        authority.find(']').ok_or(TargetError)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    match authority.split_at(host_len) {
        (host, "") => Ok((host, None)),
        (host, rest) => {
            let digits = rest.strip_prefix(':').ok_or(TargetError)?;
            let port = digits
                .bytes()
                .all(|digit| digit.is_ascii_digit())
                .then(|| digits.parse().ok())
                .flatten();
            Ok((host, Some(port.ok_or(TargetError)?)))
        }
    }
}

fn is_host(host: &str) -> bool {
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match name {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    }
}
