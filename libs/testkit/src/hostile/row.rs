//! A line of a table: what is sent, and what the contract answers. A table is sent whole; all that differs is reported
//! together.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::wire::{RawRequest, exchange, parse_answers};
use crate::http::Answer;

/// What the passwords of all tables are: no answer may repeat it.
pub const AUTH_PW: &str = "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7";

/// What the contract answers.
#[derive(Debug, Clone)]
pub enum Expected {
    /// The accounts server's envelope with this status and one of these numbers; no number stands for any.
    Accounts(u16, &'static [u16]),
    /// The same under the OAuth base, where numbers mean something else.
    Oauth(u16, &'static [u16]),
    /// A standard error of OAuth, for registered clients: status, and what stands as `error`.
    Standard(u16, &'static str),
    /// The Token Server's error.
    TokenServer {
        /// HTTP status.
        http: u16,
        /// `status` of the body.
        status: &'static str,
        /// `description` of the one entry; empty stands for any.
        description: &'static str,
    },
    /// The storage node's error: status, and the number that is the body.
    Storage(u16, u8),
    /// Any answer of this status.
    Status(u16),
    /// A page of this status: one that leads nowhere, and keeps nothing in the browser.
    Page(u16),
    /// Any answer of one of these statuses.
    OneOf(&'static [u16]),
    /// Refused where HTTP is read: one answer of one of these statuses and nothing after it.
    Edge(&'static [u16]),
    /// Never served: whatever comes, or nothing, the connection ends.
    Unserved,
    /// 200, JSON, and this member in it.
    Member(&'static str, Value),
}

impl Expected {
    /// The accounts server's envelope, read with the numbers of the OAuth base.
    #[must_use]
    pub fn of_oauth_base(self) -> Self {
        match self {
            Self::Accounts(status, numbers) => Self::Oauth(status, numbers),
            other => other,
        }
    }
}

/// A line of a table.
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    bytes: Vec<u8>,
    expected: Expected,
}

impl Row {
    /// A request to `host`.
    pub fn new(name: impl Into<String>, host: &str, request: &RawRequest, expected: Expected) -> Self {
        Self::of_bytes(name, request.to_bytes(host), expected)
    }

    /// Any bytes.
    pub fn of_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            expected,
        }
    }
}

/// Sends the rows one after another; answers how many there were.
///
/// # Errors
/// Naming each row that was answered otherwise.
pub async fn run(address: SocketAddr, rows: Vec<Row>) -> Result<usize> {
    let mut report = Report::default();
    for row in rows {
        let outcome = answer(address, &row).await;
        report.note(&row.name, outcome);
    }
    report.finish()
}

/// As [`run`], all rows at once: for those that the server lets wait.
///
/// # Errors
/// As [`run`].
pub async fn run_at_once(address: SocketAddr, rows: Vec<Row>) -> Result<usize> {
    let sent: Vec<_> = rows
        .into_iter()
        .map(|row| {
            tokio::spawn(async move {
                let outcome = answer(address, &row).await;
                (row.name, outcome)
            })
        })
        .collect();
    let mut report = Report::default();
    for row in sent {
        let (name, outcome) = row.await?;
        report.note(&name, outcome);
    }
    report.finish()
}

/// What a table has shown so far.
#[derive(Debug, Default)]
pub struct Report {
    count: usize,
    differing: Vec<String>,
}

impl Report {
    /// One more row.
    pub fn note(&mut self, name: &str, outcome: Result<()>) {
        self.count += 1;
        if let Err(error) = outcome {
            self.differing.push(format!("{name}: {error:#}"));
        }
    }

    /// How many rows there were.
    ///
    /// # Errors
    /// Naming each row that was answered otherwise.
    pub fn finish(self) -> Result<usize> {
        let Self { count, differing } = self;
        ensure!(
            differing.is_empty(),
            "{} of {count} rows differ:\n{}",
            differing.len(),
            differing.join("\n")
        );
        Ok(count)
    }
}

async fn answer(address: SocketAddr, row: &Row) -> Result<()> {
    let received = exchange(address, &row.bytes).await?;
    if let Expected::Unserved = row.expected {
        let served = received.windows(10).any(|window| window == b"HTTP/1.1 2");
        ensure!(!served, "served: {:?}", String::from_utf8_lossy(&received));
        return Ok(());
    }
    let answers = parse_answers(&received, row.bytes.starts_with(b"HEAD "))?;
    let outcome = judge(&row.expected, &answers);
    outcome.map_err(|error| error.context(shown(&answers)))
}

/// For a person who looks for the reason.
fn shown(answers: &[Answer]) -> String {
    let one = |answer: &Answer| {
        let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        format!("{} {body}", answer.status)
    };
    answers.iter().map(one).collect::<Vec<_>>().join(" | ")
}

/// Whether answers are as expected.
///
/// # Errors
/// Saying what is not.
pub fn judge(expected: &Expected, answers: &[Answer]) -> Result<()> {
    let [answer] = answers else {
        bail!("{} answers instead of one", answers.len());
    };
    ensure!(
        !String::from_utf8_lossy(&answer.body).contains(AUTH_PW),
        "the answer repeats the password"
    );
    let status = answer.status.as_u16();
    match expected {
        Expected::Accounts(expected, numbers) => {
            ensure!(status == *expected, "instead of {expected} {numbers:?}");
            let number = judge_envelope(answer, numbers)?;
            judge_extras(answer, number)
        }
        Expected::Oauth(expected, numbers) => {
            ensure!(status == *expected, "instead of {expected} {numbers:?}");
            judge_envelope(answer, numbers)?;
            Ok(())
        }
        Expected::TokenServer {
            http,
            status: word,
            description,
        } => {
            ensure!(status == *http, "instead of {http} {word} ({description})");
            judge_token_server(answer, word, description)
        }
        Expected::Standard(expected, error) => {
            ensure!(status == *expected, "instead of {expected} {error}");
            judge_standard(answer, error)
        }
        Expected::Storage(expected, number) => {
            ensure!(status == *expected, "instead of {expected} {number}");
            judge_storage(answer, *number)
        }
        Expected::Status(expected) => {
            ensure!(status == *expected, "instead of {expected}");
            Ok(())
        }
        Expected::Page(expected) => {
            ensure!(status == *expected, "instead of {expected}");
            for name in ["location", "set-cookie", "refresh"] {
                ensure!(!answer.headers.contains_key(name), "with {name}");
            }
            Ok(())
        }
        Expected::OneOf(statuses) | Expected::Edge(statuses) => {
            ensure!(statuses.contains(&status), "instead of one of {statuses:?}");
            Ok(())
        }
        Expected::Unserved => bail!("answered"),
        Expected::Member(name, value) => {
            ensure!(status == 200, "instead of 200");
            ensure!(answer.json()?[name] == *value, "{name} is not {value}");
            Ok(())
        }
    }
}

/// `accounts.md`, Conventions and Errors. The number.
fn judge_envelope(answer: &Answer, numbers: &[u16]) -> Result<u64> {
    let status = answer.status.as_u16();
    ensure!(is_json(answer), "not application/json");
    ensure!(answer.header("timestamp").parse::<u64>().is_ok(), "no Timestamp");
    ensure!(!answer.header("date").is_empty(), "no Date");
    judge_waiting(answer)?;
    let body = answer.json()?;
    ensure!(body["code"] == status, "code is {}", body["code"]);
    let number = body["errno"].as_u64().context("no errno")?;
    ensure!(
        numbers.is_empty() || numbers.iter().any(|one| u64::from(*one) == number),
        "errno {number} instead of {numbers:?}"
    );
    for member in ["error", "message", "info"] {
        ensure!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "no {member}"
        );
    }
    if status == 401 {
        ensure!(body["retryAfter"].is_null(), "retryAfter in a 401");
    }
    Ok(number)
}

/// What stands beside the envelope.
fn judge_extras(answer: &Answer, number: u64) -> Result<()> {
    let body = answer.json()?;
    let extra = match (answer.status.as_u16(), number) {
        (401, 111 | 115) => body["serverTime"].is_u64(),
        (400, 162) => body["clientId"].is_string(),
        (400, 101 | 102 | 103 | 120) => body["email"].is_string(),
        (400, 107) => !body["validation"].is_null(),
        (400, 108) => body["param"].is_string(),
        (400, 163) => !body["invalidScopes"].is_null(),
        (405, _) => !answer.header("allow").is_empty(),
        _ => true,
    };
    ensure!(extra, "what goes with {number} is missing");
    Ok(())
}

/// `accounts.md` (k), Token endpoint. Only who has not shown who they are is asked to.
fn judge_standard(answer: &Answer, error: &str) -> Result<()> {
    ensure!(is_json(answer), "not application/json");
    ensure!(answer.header("cache-control") == "no-store", "may be kept");
    judge_waiting(answer)?;
    let asks = answer.header("www-authenticate") == "Basic realm=\"foxhold\"";
    ensure!(asks == (answer.status.as_u16() == 401), "challenge");
    let body = answer.json()?;
    ensure!(body["error"] == *error, "error instead of {error}");
    let told = body["error_description"].as_str();
    ensure!(told.is_some_and(|text| !text.is_empty()), "no description");
    ensure!(body["errno"].is_u64(), "no errno");
    Ok(())
}

/// `tokenserver.md` sections 3 and 4.
fn judge_token_server(answer: &Answer, word: &str, description: &str) -> Result<()> {
    ensure!(is_json(answer), "not application/json");
    ensure!(
        answer.header("x-timestamp").parse::<u64>().is_ok(),
        "no X-Timestamp"
    );
    ensure!(answer.header("x-content-type-options") == "nosniff", "no nosniff");
    judge_waiting(answer)?;
    if answer.status == 401 {
        ensure!(
            answer.header("www-authenticate").contains("Bearer"),
            "no challenge"
        );
    }
    let body = answer.json()?;
    ensure!(body["status"] == *word, "status instead of {word}");
    let entries = body["errors"].as_array().map_or(0, Vec::len);
    ensure!(entries == 1, "{entries} errors");
    let entry = &body["errors"][0];
    ensure!(
        entry["description"].is_string() && (description.is_empty() || entry["description"] == *description),
        "description instead of {description}"
    );
    ensure!(
        entry["location"].is_string() && entry["name"].is_string(),
        "an incomplete entry"
    );
    Ok(())
}

/// `storage.md` sections 3, 12 and 13.
fn judge_storage(answer: &Answer, number: u8) -> Result<()> {
    let status = answer.status.as_u16();
    ensure!(
        answer.header("x-weave-timestamp").parse::<f64>().is_ok(),
        "no X-Weave-Timestamp"
    );
    judge_waiting(answer)?;
    if status == 304 {
        return Ok(());
    }
    ensure!(is_json(answer), "not application/json");
    ensure!(
        answer.body == number.to_string(),
        "body is not the number {number}"
    );
    let header = match status {
        401 => answer.header("www-authenticate").starts_with("Hawk"),
        405 => !answer.header("allow").is_empty(),
        412 => !answer.header("x-last-modified").is_empty(),
        _ => true,
    };
    ensure!(header, "what goes with {status} is missing");
    Ok(())
}

fn is_json(answer: &Answer) -> bool {
    let media = answer.header("content-type").split(';').next();
    media.is_some_and(|media| media.trim() == "application/json")
}

/// `Retry-After` tells of an outage: always with 429 and 503, never with a 401, where clients would take it for one.
fn judge_waiting(answer: &Answer) -> Result<()> {
    let waits = !answer.header("retry-after").is_empty();
    match answer.status.as_u16() {
        401 => ensure!(!waits, "Retry-After in a 401"),
        429 | 503 => ensure!(waits, "no Retry-After"),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::wire::parse_answers;

    fn fits(expected: &Expected, answer: &str) -> bool {
        let answers = parse_answers(answer.as_bytes(), false).unwrap();
        judge(expected, &answers).is_ok()
    }

    #[test]
    fn an_envelope_is_judged_in_each_part() {
        let right = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nDate: d\r\nTimestamp: 1\r\n\r\n\
            {\"code\":401,\"errno\":111,\"error\":\"e\",\"message\":\"m\",\"info\":\"i\",\"serverTime\":1}";
        let expected = Expected::Accounts(401, &[111]);
        assert!(fits(&expected, right));
        for (part, other) in [
            ("401 Unauthorized", "400 Bad Request"),
            ("application/json", "text/plain"),
            ("Timestamp: 1", "Timestamp: x"),
            ("Date", "Data"),
            ("Date: d", "Date: d\r\nRetry-After: 5"),
            ("\"code\":401", "\"code\":400"),
            ("111", "110"),
            ("\"m\"", "\"\""),
            ("\"m\"", &format!("\"{AUTH_PW}\"")),
            ("serverTime", "time"),
            ("serverTime", "retryAfter"),
        ] {
            let answer = right.replacen(part, other, 1);
            assert_ne!(answer, right, "{part}");
            assert!(!fits(&expected, &answer), "{part}: {other}");
        }
        assert!(!fits(&expected, ""));
    }

    #[test]
    fn other_refusals_are_judged_in_each_part() {
        let token_server = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nX-Timestamp: 1\r\n\
            X-Content-Type-Options: nosniff\r\nWWW-Authenticate: Bearer\r\n\r\n\
            {\"status\":\"s\",\"errors\":[{\"location\":\"body\",\"name\":\"\",\"description\":\"d\"}]}";
        let refused = Expected::TokenServer {
            http: 401,
            status: "s",
            description: "d",
        };
        let storage = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nX-Weave-Timestamp: 1.00\r\n\
            WWW-Authenticate: Hawk\r\n\r\n0";
        let number = Expected::Storage(401, 0);
        assert!(fits(&refused, token_server) && fits(&number, storage));
        let standard = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
            WWW-Authenticate: Basic realm=\"foxhold\"\r\n\r\n\
            {\"error\":\"invalid_client\",\"error_description\":\"d\",\"errno\":101}";
        let invalid_client = Expected::Standard(401, "invalid_client");
        assert!(fits(&invalid_client, standard));
        for (part, other) in [
            ("401", "400"),
            ("application/json", "text/plain"),
            ("no-store", "private"),
            ("Basic", "Bearer"),
            ("invalid_client", "invalid_grant"),
            ("\"d\"", "\"\""),
            ("errno", "number"),
        ] {
            assert!(
                !fits(&invalid_client, &standard.replacen(part, other, 1)),
                "{part}: {other}"
            );
        }
        for (part, other) in [
            ("401", "403"),
            ("application/json", "text/plain"),
            ("X-Timestamp", "Timestamp"),
            ("nosniff", "sniff"),
            ("Bearer", "Basic"),
            ("\"s\"", "\"t\""),
            ("\"d\"", "\"e\""),
            ("[{", "[{},{"),
            ("location", "place"),
        ] {
            assert!(
                !fits(&refused, &token_server.replacen(part, other, 1)),
                "{part}: {other}"
            );
        }
        for (part, other) in [
            ("401", "403"),
            ("application/json", "text/plain"),
            ("X-Weave", "X"),
            ("Hawk", "Basic"),
            ("\n0", "\n1"),
            ("\n0", "\n{}"),
        ] {
            assert!(
                !fits(&number, &storage.replacen(part, other, 1)),
                "{part}: {other}"
            );
        }
    }
}
