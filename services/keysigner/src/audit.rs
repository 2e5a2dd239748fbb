//! The audit log (`security.md` C.6): one line for each decision with the provider's key, on disk before the signature
//! leaves, each line bound to the one before it. What is only counted, as node tokens are, is not in it.
//!
//! A log is a folder of one process: `audit-<number>.jsonl`, which only ever grow, and `checkpoints.jsonl`, signed heads.
//! Whoever keeps a head elsewhere can tell later that nothing up to there was changed, taken out or cut off: [`verify()`].
//!
//! What must stay true: an answer of [`AuditLog::record`] means that the line is durable. A log that cannot be written
//! says so, and then nothing is signed.

mod chain;
mod file;
mod published;
mod verify;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use foxhold_core::{Clock, Deadline, Random, RequestId, Secret, Timestamp, Uid, hex};
use foxhold_crypto::audit::{AuditKey, Hash};
use foxhold_ports::Cause;
use foxhold_runtime::config::{SecretError, SecretFile, Secrets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

use self::{file::LogFile, writer::Writer};
use crate::custody::Custody;

pub use self::{
    file::OpenError,
    verify::{Finding, Report, verify},
};

/// The `audit` table of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Where the log lies: a folder of this process alone. Made if it is missing.
    pub folder: PathBuf,
    /// 64 hex digits that accounts' names in it, and its heads, are made with. `foxhold key create` makes one.
    pub key_file: SecretFile,
}

/// A key that is none.
#[derive(Debug, Error)]
pub enum AuditKeyError {
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] SecretError),
    /// It holds something else.
    #[error("`audit.key_file`: not 64 lower-case hex digits. fix: foxhold key create makes one")]
    NotAKey,
}

impl AuditSettings {
    /// Reads the key.
    ///
    /// # Errors
    /// [`AuditKeyError`]
    pub fn key(&self, secrets: &Secrets) -> Result<AuditKey, AuditKeyError> {
        let text = secrets.read_text("audit.key_file", &self.key_file)?;
        let key = hex::decode(text.expose()).map(Secret::new);
        Ok(AuditKey::new(&key.map_err(|_| AuditKeyError::NotAKey)?))
    }
}

/// Decisions that wait to be written: more than all threads make in the time one may take.
const WAITING_MAX: usize = 4096;

/// How long a decision waits to become durable. After as long without a write the log counts as stalled.
const STALL_MAX: Duration = Duration::from_secs(10);

/// What was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A BrowserID certificate.
    Certificate,
    /// An access token.
    AccessToken,
    /// An ID token.
    IdToken,
}

impl Kind {
    /// As the log and metrics call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::AccessToken => "access_token",
            Self::IdToken => "id_token",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was signed.
    Signed {
        /// SHA-256 of what was signed: header, dot and claims, as they stand in the token.
        of: Hash,
        /// `iat`.
        issued_at: Timestamp,
        /// `exp`.
        expires: Timestamp,
    },
    /// It was not, for that reason.
    Refused(&'static str),
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it was about.
    pub kind: Kind,
    /// Which key.
    pub kid: String,
    /// Who asked: a SPIFFE id.
    pub caller: Option<String>,
    /// In which of the edge's requests.
    pub request: Option<RequestId>,
    /// For whom.
    pub uid: Uid,
    /// SHA-256 of the numbers of the certified key.
    pub client_key: Option<Hash>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A log that cannot be opened.
#[derive(Debug, Error)]
pub enum AuditError {
    /// Its files.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no thread for it.
    #[error("starting the thread of the audit log")]
    Thread(#[source] std::io::Error),
}

/// What waits to be written.
struct Queued {
    decision: Decision,
    answer: oneshot::Sender<Result<u64, Cause>>,
}

/// What the thread tells the others.
#[derive(Default)]
struct State {
    /// The last write failed.
    fails: AtomicBool,
    /// When the write began that is under way.
    writing_since: Mutex<Option<Instant>>,
    /// The newest signed head, as its line.
    checkpoint: Mutex<Option<Arc<str>>>,
}

impl State {
    fn set_writing(&self, since: Option<Instant>) {
        *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn is_stalled(&self) -> bool {
        let since = *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > STALL_MAX)
    }
}

/// An open log.
pub struct AuditLog {
    sender: Mutex<Option<SyncSender<Queued>>>,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the folder's log, or begins one; its first line from now on names `keys`, so that it shows when one came or
    /// was taken away. What a crash left half-written at its end is taken off: nobody was ever
    /// answered for it.
    ///
    /// # Errors
    /// [`AuditError`]; also if another process writes there.
    pub fn open(
        folder: &Path,
        key: AuditKey,
        keys: &[Box<dyn Custody>],
        clock: Arc<dyn Clock>,
        source: &dyn Random,
    ) -> Result<Self, AuditError> {
        let kids = keys.iter().map(|key| key.public_key().kid.clone()).collect();
        let file = LogFile::open(folder, &key, kids, clock.now(), source)?;
        warn_of_early_turns(folder, keys, clock.now());
        Self::start(file, key, clock)
    }

    fn start(file: LogFile, key: AuditKey, clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let state = Arc::new(State::default());
        let writer = Writer::new(file, key, clock, Arc::clone(&state));
        let thread = std::thread::Builder::new().name("audit".into());
        let thread = thread
            .spawn(move || writer.run(&receiver))
            .map_err(AuditError::Thread)?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            state,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Writes a decision down; its number, once it is durable.
    ///
    /// # Errors
    /// It is not, or not known to be: then nothing may leave.
    pub async fn record(&self, by: Deadline, decision: Decision) -> Result<u64, Cause> {
        if self.state.is_stalled() {
            return Err(Cause::Unavailable);
        }
        let (answer, written) = oneshot::channel();
        self.queue(Queued { decision, answer })?;
        let until = by.at_most(STALL_MAX);
        match tokio::time::timeout_at(until.instant().into(), written).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Cause::Unavailable),
            Err(_) => Err(Cause::Timeout),
        }
    }

    fn queue(&self, queued: Queued) -> Result<(), Cause> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(Cause::Unavailable)?;
        sender.try_send(queued).map_err(|error| match error {
            TrySendError::Full(_) => Cause::Overloaded,
            TrySendError::Disconnected(_) => Cause::Unavailable,
        })
    }

    /// Whether decisions can be written at present.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.state.fails.load(Ordering::Acquire) && !self.state.is_stalled()
    }

    /// The newest signed head, as it stands in the file: for whoever keeps them elsewhere.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<str>> {
        let checkpoint = self.state.checkpoint.lock();
        checkpoint.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what waits, signs a last head and ends.
    pub async fn end(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ends by itself; a disk that hangs must not keep the process.
            let joining = tokio::task::spawn_blocking(move || drop(thread.join()));
            drop(tokio::time::timeout(STALL_MAX, joining).await);
        }
    }
}

/// Says so where a key signs before others can know it. It signs all the same: after a key was stolen that is what is wanted.
fn warn_of_early_turns(folder: &Path, keys: &[Box<dyn Custody>], now: Timestamp) {
    let turns = keys.iter();
    let turns: Vec<_> = turns
        .map(|key| (key.public_key().kid.clone(), key.signs_from()))
        .collect();
    match published::too_early(folder, &turns, now) {
        Ok(early) => {
            for (kid, _) in early {
                tracing::error!(
                    kid,
                    "a key has its turn less than a day after it was first published: whoever keeps the published keys \
                     refuses what it signs until they look again"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "it cannot be seen since when the keys are published"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
