//! Recorded histories: what clients asked of a store, what they were told, and when. Tests record them with a
//! [`Recorder`], mostly through a [`workload`], and have them judged by [`check`].
//!
//! What must stay true: the times of an operation enclose all its attempts, and an operation that may have happened is
//! never left out. The format is described in `libs/testkit/linearizability/README.md`.

mod checker;
pub mod workload;

pub use checker::{Judgement, KeyVerdict, Verdict, check};

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::Result;
use foxhold_core::{OpId, Uid};
use serde::{Deserialize, Serialize};

/// How an object behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// An e-mail address: the first verified account keeps it.
    Create,
    /// A user's record with its version.
    Change,
    /// A single-use token.
    Consume,
    /// A user of a service, assigned for the first time.
    Assign,
}

/// What an operation is about. Objects are judged separately.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Object {
    /// How it behaves.
    pub model: Model,
    /// Which one it is, in any words.
    pub key: String,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Input {
    /// To make a verified account.
    Create {
        /// Its id.
        account: String,
    },
    /// To change a record.
    Change {
        /// The version this was decided on; `None` = there was no record.
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
        /// What the record shall hold, in any words.
        value: String,
    },
    /// To keep a token.
    Put,
    /// To spend it.
    Consume,
    /// To give a user without a record a uid and a node.
    Assign,
    /// What is there.
    Read,
}

/// What an answer says of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Seen {
    /// No more than the answer itself.
    Nothing {},
    /// Who holds the address.
    Account {
        /// The account's id.
        account: String,
    },
    /// The record.
    Record {
        /// Its version.
        version: u64,
        /// What it holds, in the words of [`Input::Change`].
        value: String,
    },
    /// Where the user is.
    Place {
        /// The user's number in the service.
        uid: u64,
        /// The node's URL.
        node: String,
    },
}

impl Seen {
    /// An account.
    #[must_use]
    pub fn account(uid: Uid) -> Self {
        Self::Account {
            account: uid.to_string(),
        }
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Output {
    /// A write was done.
    Ok(Seen),
    /// A write was refused.
    Refused {
        /// Why: the name of a [`Refusal`](foxhold_ports::Refusal).
        reason: String,
    },
    /// A read found nothing.
    Absent,
    /// A read found something.
    Found(Seen),
}

/// One operation of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is about.
    #[serde(flatten)]
    pub object: Object,
    /// Whose it is; numbers from 0.
    pub client: usize,
    /// The operation id of a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Before it was sent, in nanoseconds since the recorder was made.
    pub call: u64,
    /// After it was answered, likewise; `None` if it was not.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    pub returned: Option<u64>,
    /// What was asked for.
    pub input: Input,
    /// What was answered; `None` if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

/// Writes operations down. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            entries: Mutex::default(),
        }
    }
}

impl Recorder {
    /// One whose clock begins now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A write is about to be sent for the first time. All its attempts are this one operation; if it is sent once more
    /// after its answer, that is another one with the same operation id.
    pub fn write(&self, client: usize, object: Object, op: OpId, input: Input) -> Pending<'_> {
        self.begin(client, object, Some(op.to_string()), input)
    }

    /// A read is about to be sent.
    pub fn read(&self, client: usize, object: Object) -> Pending<'_> {
        self.begin(client, object, None, Input::Read)
    }

    /// All that was recorded until now.
    #[must_use]
    pub fn history(&self) -> History {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        History {
            entries: entries.clone(),
        }
    }

    fn begin(&self, client: usize, object: Object, op: Option<String>, input: Input) -> Pending<'_> {
        let entry = Entry {
            object,
            client,
            op,
            call: self.now(),
            returned: None,
            input,
            output: None,
        };
        Pending {
            recorder: self,
            entry: Some(entry),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn keep(&self, entry: Entry) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }
}

/// An operation under way. Whoever drops it says that its outcome is not known: a task that is cancelled cannot have its
/// write forgotten.
#[derive(Debug)]
#[must_use = "dropped, it is an operation without an answer"]
pub struct Pending<'a> {
    recorder: &'a Recorder,
    entry: Option<Entry>,
}

impl Pending<'_> {
    /// There is a final answer.
    pub fn answered(mut self, output: Output) {
        if let Some(entry) = self.entry.take() {
            self.recorder.keep(Entry {
                returned: Some(self.recorder.now()),
                output: Some(output),
                ..entry
            });
        }
    }

    /// There is none, and there will be none.
    pub fn unknown(self) {}

    /// Nothing happened, as the store said itself: the history is silent about it, so that if something did happen,
    /// nobody can have done it.
    pub fn not_done(mut self) {
        self.entry = None;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // A read without an answer says nothing.
        if let Some(entry) = self.entry.take().filter(|entry| entry.op.is_some()) {
            self.recorder.keep(entry);
        }
    }
}

/// Operations, in the order in which they ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// All of them.
    pub entries: Vec<Entry>,
}

impl History {
    /// One JSON object a line.
    ///
    /// # Errors
    /// Never for what a recorder made.
    pub fn to_json_lines(&self) -> Result<String> {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry)?);
            text.push('\n');
        }
        Ok(text)
    }

    /// How many writes have no answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        let entries = self.entries.iter();
        entries.filter(|entry| entry.output.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(model: Model) -> Object {
        Object {
            model,
            key: "k".into(),
        }
    }

    fn op() -> OpId {
        OpId::from_bytes([7; 16])
    }

    /// The one entry, without its times, which are checked to be in order.
    fn only(recorder: &Recorder) -> Value {
        let text = recorder.history().to_json_lines().unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut value: Value = serde_json::from_str(&text).unwrap();
        let fields = value.as_object_mut().unwrap();
        let call = fields.remove("call").unwrap().as_u64().unwrap();
        if let Some(returned) = fields.remove("return") {
            assert!(returned.as_u64().unwrap() >= call, "{text}");
            assert!(fields.contains_key("output"), "{text}");
        }
        value
    }

    #[test]
    fn a_line_is_as_the_checker_reads_it() {
        let write = |model, input: Input, output: Output| {
            let recorder = Recorder::new();
            recorder.write(3, object(model), op(), input).answered(output);
            only(&recorder)
        };
        let create = Input::Create { account: "u".into() };
        let change = |at| Input::Change {
            at,
            value: "v".into(),
        };
        let record = || Seen::Record {
            version: 2,
            value: "v".into(),
        };
        let place = Seen::Place {
            uid: 5,
            node: "n".into(),
        };
        let refused = Output::Refused {
            reason: "Conflict".into(),
        };
        let expected = |model: &str, input: Value, output: Value| {
            let op = "07".repeat(16);
            json!({ "model": model, "key": "k", "client": 3, "op": op, "input": input, "output": output })
        };
        assert_eq!(
            write(Model::Create, create, Output::Ok(Seen::Nothing {})),
            expected(
                "create",
                json!({ "kind": "create", "account": "u" }),
                json!({ "kind": "ok" })
            )
        );
        assert_eq!(
            write(Model::Change, change(Some(1)), Output::Ok(record())),
            expected(
                "change",
                json!({ "kind": "change", "at": 1, "value": "v" }),
                json!({ "kind": "ok", "version": 2, "value": "v" })
            )
        );
        assert_eq!(
            write(Model::Change, change(None), refused),
            expected(
                "change",
                json!({ "kind": "change", "value": "v" }),
                json!({ "kind": "refused", "reason": "Conflict" })
            )
        );
        assert_eq!(
            write(Model::Assign, Input::Assign, Output::Ok(place)),
            expected(
                "assign",
                json!({ "kind": "assign" }),
                json!({ "kind": "ok", "uid": 5, "node": "n" })
            )
        );
    }

    #[test]
    fn a_read_has_no_operation_id() {
        let recorder = Recorder::new();
        let seen = Seen::account(Uid::from_bytes([1; 16]));
        recorder
            .read(0, object(Model::Create))
            .answered(Output::Found(seen));
        let found = json!({ "kind": "found", "account": "01".repeat(16) });
        assert_eq!(
            only(&recorder),
            json!({ "model": "create", "key": "k", "client": 0, "input": { "kind": "read" }, "output": found })
        );
    }

    #[test]
    fn what_nobody_answered_is_kept_if_it_may_have_happened() {
        let recorder = Recorder::new();
        let write = || recorder.write(0, object(Model::Consume), op(), Input::Consume);
        recorder.read(0, object(Model::Consume)).unknown();
        write().not_done();
        drop(recorder.read(0, object(Model::Consume)));
        assert_eq!(recorder.history().entries, []);
        drop(write());
        assert_eq!(only(&recorder).get("output"), None);
        assert_eq!(recorder.history().unanswered(), 1);
        write().unknown();
        assert_eq!(recorder.history().unanswered(), 2);
    }
}
