//! A node's name: the URL its users are sent to, in one spelling (`tokenserver.md` 6: no trailing slash).

use foxhold_crypto::hawk::Target;
use thiserror::Error;

/// A node URL without trailing slash and without its scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    text: String,
    target: Target,
    path: String,
}

/// Not an absolute http or https URL without query, or with a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a node's name is an http or https URL without query")]
pub struct NodeNameError;

impl NodeName {
    /// Reads a URL and brings it to the one spelling.
    ///
    /// # Errors
    /// [`NodeNameError`].
    pub fn parse(url: &str) -> Result<Self, NodeNameError> {
        let target = Target::parse(url).map_err(|_| NodeNameError)?;
        if url.contains(['?', '#']) {
            return Err(NodeNameError);
        }
        let (scheme, default_port) = if url.starts_with("https:") {
            ("https", 443)
        } else {
            ("http", 80)
        };
        let path = target.path_and_query.trim_end_matches('/').to_owned();
        let port = if target.port == default_port {
            String::new()
        } else {
            format!(":{}", target.port)
        };
        let text = format!("{scheme}://{}{port}{path}", target.host);
        Ok(Self { text, target, path })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path all routes lie under: empty, or with a leading and without a trailing slash.
    #[must_use]
    pub fn path_prefix(&self) -> &str {
        &self.path
    }

    /// Whether `url` is this name in any spelling.
    pub(crate) fn is(&self, url: &str) -> bool {
        self.text == url || Self::parse(url).is_ok_and(|other| other.text == self.text)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

/// Host and port of a `Host` header; the port of `target` where it names none. `None` for an unusable one.
pub(crate) fn read_host<'a>(header: &'a str, target: &Target) -> Option<(&'a str, u16)> {
    let host_len = if header.starts_with('[') {
        header.find(']')? + 1
    } else {
        header.find(':').unwrap_or(header.len())
    };
    match header.split_at(host_len) {
        ("", _) => None,
        (host, "") => Some((host, target.port)),
        (host, port) => Some((host, port.strip_prefix(':')?.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_name() {
        let table = [
            ("https://sync-1.example.com", "https://sync-1.example.com", ""),
            (
                "https://Sync-1.example.com:443/",
                "https://sync-1.example.com",
                "",
            ),
            ("http://localhost:80", "http://localhost", ""),
            (
                "http://localhost:443/sync//",
                "http://localhost:443/sync",
                "/sync",
            ),
            ("http://[::1]:8000/a/b", "http://[::1]:8000/a/b", "/a/b"),
        ];
        for (url, text, prefix) in table {
            let name = NodeName::parse(url).unwrap();
            assert_eq!((name.as_str(), name.path_prefix()), (text, prefix), "{url}");
            assert!(name.is(url) && name.is(text));
        }
        for bad in [
            "",
            "sync.example.com",
            "ftp://x",
            "https://u@x",
            "https://x/?q",
            "https://x#f",
            "https://",
        ] {
            assert_eq!(NodeName::parse(bad), Err(NodeNameError), "{bad}");
        }
    }

    #[test]
    fn a_host_header_names_host_and_maybe_port() {
        let target = NodeName::parse("https://x").unwrap().target;
        let table = [
            ("a.test", Some(("a.test", 443))),
            ("a.test:8000", Some(("a.test", 8000))),
            ("[::1]:8000", Some(("[::1]", 8000))),
            ("[::1]", Some(("[::1]", 443))),
            ("", None),
            (":80", None),
            ("a.test:x", None),
            ("[::1", None),
        ];
        for (header, expected) in table {
            assert_eq!(read_host(header, &target), expected, "{header}");
        }
    }
}
