//! A line of the log, written and read: JSON whose last member is the hash of everything before it, and whose last but one
//! is the hash of the line before. Read as bytes, so that not even a blank can be changed.

use foxhold_core::{Timestamp, hex};
use foxhold_crypto::{
    audit::{AuditKey, Hash, Head},
    mac::sha256,
};
use serde::{Deserialize, Serialize};

use super::{Decision, Outcome};

/// Between the hashed part and the hash.
const HASH: &str = r#","hash":""#;
/// What ends a line.
const END: &str = "\"}";

/// Where a log has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) log: [u8; 8],
    /// The number of the next line.
    pub(super) next: u64,
    /// The hash of the last one; zeros before the first.
    pub(super) last: Hash,
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    seq: u64,
    time: u64,
    log: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<String>,
    previous: String,
}

impl Position {
    fn line(&self, at: Timestamp, kind: &'static str) -> WrittenLine<'static> {
        WrittenLine {
            seq: self.next,
            time: at.as_millis(),
            log: hex::encode(&self.log),
            kind,
            public_key: None,
            keys: None,
            kid: None,
            caller: None,
            request: None,
            account: None,
            client_key: None,
            result: None,
            refused: None,
            iat: None,
            exp: None,
            signed: None,
            previous: hex::encode(&self.last),
        }
    }

    /// Puts the line of a start, or of a new file: which log it is, what its heads verify under, and which of the provider's
    /// keys are at hand.
    pub(super) fn begin(&mut self, key: &AuditKey, kids: &[String], at: Timestamp, to: &mut String) {
        let line = WrittenLine {
            public_key: Some(hex::encode(&key.public())),
            keys: Some(kids),
            ..self.line(at, "begin")
        };
        self.put(&line, to);
    }

    /// Puts the line of a decision; its number.
    pub(super) fn decided(
        &mut self,
        decision: &Decision,
        key: &AuditKey,
        at: Timestamp,
        to: &mut String,
    ) -> u64 {
        let seq = self.next;
        let mut line = WrittenLine {
            kid: Some(&decision.kid),
            caller: decision.caller.as_deref(),
            request: decision.request.map(|id| id.to_string()),
            account: Some(hex::encode(&key.pseudonym(decision.uid))),
            client_key: decision.client_key.map(|hash| hex::encode(&hash)),
            ..self.line(at, decision.kind.name())
        };
        match &decision.outcome {
            Outcome::Signed {
                of,
                issued_at,
                expires,
            } => {
                line.result = Some("signed");
                line.iat = Some(issued_at.as_millis());
                line.exp = Some(expires.as_millis());
                line.signed = Some(hex::encode(of));
            }
            Outcome::Refused(reason) => {
                line.result = Some("refused");
                line.refused = Some(reason);
            }
        }
        self.put(&line, to);
        seq
    }

    fn put(&mut self, line: &WrittenLine<'_>, to: &mut String) {
        let json = serde_json::to_string(line).expect("texts and numbers always serialize");
        let hashed = json.strip_suffix('}').unwrap_or(&json);
        self.last = sha256(&[hashed.as_bytes()]);
        self.next += 1;
        for part in [hashed, HASH, &hex::encode(&self.last), END, "\n"] {
            to.push_str(part);
        }
    }
}

/// Of a line, what verifying and going on need.
#[derive(Debug, Deserialize)]
pub(super) struct ReadLine {
    pub(super) seq: u64,
    pub(super) log: String,
    pub(super) kind: String,
    pub(super) public_key: Option<String>,
    pub(super) result: Option<String>,
    pub(super) previous: String,
    pub(super) hash: String,
}

/// A line without its end, read; whether its hash is that of what stands before it.
pub(super) fn read(line: &[u8]) -> Option<(ReadLine, bool)> {
    let text = std::str::from_utf8(line).ok()?;
    let read: ReadLine = serde_json::from_str(text).ok()?;
    let (hashed, rest) = text.rsplit_once(HASH)?;
    let hash = rest.strip_suffix(END)?;
    let is_whole = hash == read.hash && hex::encode(&sha256(&[hashed.as_bytes()])) == hash;
    Some((read, is_whole))
}

/// A signed head as a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    pub(super) log: String,
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) time: u64,
    pub(super) signature: String,
}

impl CheckpointLine {
    pub(super) fn of(head: &Head, key: &AuditKey) -> Self {
        Self {
            log: hex::encode(&head.log),
            seq: head.seq,
            hash: hex::encode(&head.hash),
            time: head.at.as_millis(),
            signature: hex::encode(&key.sign(head)),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialize")
    }

    /// The head, if the owner of `public` signed it.
    pub(super) fn head(&self, public: &[u8; 32]) -> Option<Head> {
        let head = Head {
            log: hex::decode(&self.log).ok()?,
            seq: self.seq,
            hash: hex::decode(&self.hash).ok()?,
            at: Timestamp::from_millis(self.time),
        };
        let signature: [u8; 64] = hex::decode(&self.signature).ok()?;
        head.is_signed(public, &signature).then_some(head)
    }
}
