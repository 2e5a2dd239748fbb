//! Asks over HTTP what browsers ask.

use std::time::{Duration, UNIX_EPOCH};

use foxhold_core::{Deadline, Timestamp};
use foxhold_crypto::rsa_key::KeySet;
use foxhold_outbound::{Answer, Outbound, OutboundError, Reach};
use http::{HeaderMap, Uri};
use serde_json::Value;

use super::Complaint;

/// How long each question may wait.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Nothing that is asked for is longer.
const BODY_MAX: usize = 64 * 1024;

/// Where Firefox learns of all parts.
pub(crate) const CONFIGURATION: &str = "/.well-known/fxa-client-configuration";

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// By the clock of who answers.
    pub(crate) date: Option<Timestamp>,
    /// Null for what is no JSON.
    pub(crate) body: Value,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    NoAnswer,
    Identity,
    Other(String),
}

/// Asks as browsers do.
pub(crate) struct Web(Outbound);

impl Web {
    pub(crate) fn new() -> Self {
        Self(Outbound::new())
    }

    pub(crate) async fn get(&self, url: &str, headers: HeaderMap) -> Result<Answer, Fault> {
        let uri: Uri = url.parse().map_err(|_| Fault::Other("no URL".to_owned()))?;
        let by = Deadline::after(ANSWER_MAX);
        let answer = self.0.get_with(by, &uri, Reach::Configured, headers, BODY_MAX);
        answer.await.map_err(|error| match error {
            OutboundError::NoAnswer => Fault::NoAnswer,
            OutboundError::Identity => Fault::Identity,
            other => Fault::Other(other.to_string()),
        })
    }

    pub(crate) async fn document(&self, root: &str, path: &str) -> Result<Reply, Fault> {
        let answer = self.get(&format!("{root}{path}"), HeaderMap::new()).await?;
        let date = answer.date.and_then(|date| httpdate::parse_http_date(&date).ok());
        let date = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        Ok(Reply {
            status: answer.status.as_u16(),
            date: date.map(|since| Timestamp::from_secs(since.as_secs())),
            body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        })
    }

    pub(crate) async fn kids(&self, root: &str) -> Result<Vec<String>, Fault> {
        let answer = self.get(&format!("{root}/v1/jwks"), HeaderMap::new()).await?;
        let keys = KeySet::from_jwks(&answer.body);
        let keys = keys.map_err(|_| Fault::Other("what answers is no key set".to_owned()))?;
        Ok(keys.keys().iter().map(|key| key.kid.clone()).collect())
    }

    /// The status of a look at whether a node is alive. As the health job judges, whatever does not fail is.
    pub(crate) async fn is_alive(&self, url: &str) -> Result<u16, Fault> {
        Ok(self.document(url, "/__lbheartbeat__").await?.status)
    }
}

/// Says why there is no answer.
pub(crate) fn unreachable(url: &str, fault: &Fault) -> Complaint {
    match fault {
        Fault::NoAnswer => Complaint::away(
            format!("nobody answers at {url}"),
            "see that the name leads here, that proxy and firewall let it through, and that public_url is right",
        ),
        Fault::Identity => Complaint::invalid(
            format!("{url} shows a certificate that browsers do not trust"),
            "give the proxy a certificate for this name; one of a private authority is trusted only where that is installed",
        ),
        Fault::Other(what) => Complaint::invalid(
            format!("{url}: {what}"),
            "see what answers there: a proxy's own page?",
        ),
    }
}

/// The same of a node, which may be elsewhere.
pub(crate) fn unreachable_node(url: &str, fault: &Fault) -> Complaint {
    let complaint = unreachable(url, fault);
    if *fault != Fault::NoAnswer {
        return complaint;
    }
    let fix = format!(
        "see that it runs (its own log) and that firewalls let this machine through to it; while it is away: foxhold node \
         disable {url}"
    );
    Complaint { fix, ..complaint }
}

/// What is wrong with the answer of who should be reached by `url` and have the Token Server at `token_server`.
pub(crate) fn leads_elsewhere(url: &str, token_server: &str, reply: &Reply) -> Option<Complaint> {
    let Reply { status, body, .. } = reply;
    if *status != 200 {
        return Some(Complaint {
            // A proxy whose server is away says so.
            is_away: *status >= 500,
            ..Complaint::invalid(
                format!("{url} answers {status} in place of its configuration document"),
                "see that the proxy passes all paths on to this box",
            )
        });
    }
    let bases = [
        ("auth_server_base_url", url),
        ("oauth_server_base_url", url),
        ("profile_server_base_url", url),
        ("sync_tokenserver_base_url", token_server),
    ];
    bases.iter().find_map(|(base, expected)| {
        let found = body[*base].as_str().unwrap_or("nothing");
        (found != *expected).then(|| {
            Complaint::invalid(
                format!("who asks {url} is sent to {found} ({base})"),
                "give the box its address: foxhold up --public-url, or public_url in foxhold.toml",
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_answers_is_known_by_where_it_sends_browsers() {
        let reply = |status: u16, root: &str, token_server: &str| Reply {
            status,
            date: None,
            body: json!({
                "auth_server_base_url": root,
                "oauth_server_base_url": root,
                "profile_server_base_url": root,
                "sync_tokenserver_base_url": token_server,
            }),
        };
        let (own, tokens, other) = ("https://a.example", "https://t.example", "https://b.example");
        let table = [
            (reply(200, own, tokens), None),
            (reply(200, other, tokens), Some(false)),
            (reply(200, own, own), Some(false)),
            (reply(404, own, tokens), Some(false)),
            (reply(502, own, tokens), Some(true)),
        ];
        for (reply, expected) in table {
            let complaint = leads_elsewhere(own, tokens, &reply);
            assert_eq!(complaint.map(|found| found.is_away), expected, "{reply:?}");
        }
    }
}
