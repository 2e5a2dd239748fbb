//! The thread that writes: gathers what waits, writes it in one piece, makes it durable, and answers everybody.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use foxhold_core::Clock;
use foxhold_crypto::audit::{AuditKey, Head};
use foxhold_ports::Cause;
use foxhold_runtime::metrics::list as metrics;

use super::{Outcome, Queued, State, chain::CheckpointLine, file::LogFile};

/// Most decisions of one write.
const GROUP_MAX: usize = 1024;
/// How long company is waited for where the last write had some: each write is made durable, and that is its cost. Part of
/// the 5 ms that a group may take (`security.md` C.6); whoever comes alone waits for nobody.
const COMPANY_MAX: Duration = Duration::from_millis(2);
/// A head is signed after so many records, or so long after the last one if there is a new record.
const CHECKPOINT_RECORDS: u64 = 1000;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(60);
/// How often an idle thread looks whether a head is due, and a broken log whether it can be mended.
const IDLE: Duration = Duration::from_secs(1);
/// A head that could not be kept is tried again after so long, however many records come meanwhile.
const HEAD_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    file: LogFile,
    key: AuditKey,
    clock: Arc<dyn Clock>,
    state: Arc<State>,
    /// The next record's number when the last head was signed, and when that was.
    signed_to: u64,
    signed_at: Instant,
    /// It could not be kept.
    head_fails: bool,
    /// The last write was of several decisions.
    has_company: bool,
}

impl Writer {
    pub(super) fn new(file: LogFile, key: AuditKey, clock: Arc<dyn Clock>, state: Arc<State>) -> Self {
        Self {
            // What was there before may have no head.
            signed_to: 0,
            signed_at: Instant::now(),
            head_fails: false,
            has_company: false,
            file,
            key,
            clock,
            state,
        }
    }

    /// Until every sender is gone and all is written.
    pub(super) fn run(mut self, queue: &Receiver<Queued>) {
        loop {
            let received = queue.recv_timeout(IDLE);
            // All that touches the disk is watched: where anything hangs, nothing is signed.
            self.state.set_writing(Some(Instant::now()));
            match received {
                Ok(first) => {
                    let group = self.gather(first, queue);
                    self.commit(group);
                }
                Err(RecvTimeoutError::Timeout) => self.mend(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.sign_head_if_due();
            self.state.set_writing(None);
        }
        self.sign_head();
        self.state.set_writing(None);
    }

    /// `first`, and what comes with it.
    fn gather(&mut self, first: Queued, queue: &Receiver<Queued>) -> Vec<Queued> {
        if self.has_company {
            thread::sleep(COMPANY_MAX);
        }
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP_MAX - 1));
        self.has_company = group.len() > 1;
        group
    }

    fn commit(&mut self, group: Vec<Queued>) {
        let started = Instant::now();
        let numbers = self.write(&group);
        self.tell(numbers.is_ok());
        match numbers {
            Ok(numbers) => {
                metrics::AUDIT_COMMIT_DURATION
                    .of([])
                    .record(started.elapsed().as_secs_f64());
                for (queued, number) in group.into_iter().zip(numbers) {
                    count(&queued.decision.outcome);
                    // Whoever left does not get the signature.
                    let _ = queued.answer.send(Ok(number));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the audit log cannot be written: nothing is signed");
                for queued in group {
                    let _ = queued.answer.send(Err(Cause::Unavailable));
                }
            }
        }
    }

    fn write(&mut self, group: &[Queued]) -> std::io::Result<Vec<u64>> {
        let now = self.clock.now();
        self.file.turn_page(&self.key, now)?;
        let (mut position, mut lines) = (self.file.position(), String::new());
        let put = |queued: &Queued| position.decided(&queued.decision, &self.key, now, &mut lines);
        let numbers = group.iter().map(put).collect();
        self.file.append(&lines, position)?;
        Ok(numbers)
    }

    /// Nobody asks a signer that is not ready, so a log that failed is tried by itself.
    fn mend(&mut self) {
        if self.state.fails.load(Ordering::Acquire) {
            let mended = self.file.mend(&self.key, self.clock.now());
            self.tell(mended.is_ok());
        }
    }

    fn tell(&self, works: bool) {
        let failed_before = self.state.fails.swap(!works, Ordering::AcqRel);
        if failed_before && works {
            tracing::info!("the audit log can be written again");
        }
    }

    fn sign_head_if_due(&mut self) {
        let new = self.file.position().next - self.signed_to;
        if head_is_due(new, self.signed_at.elapsed(), self.head_fails) {
            self.sign_head();
        }
    }

    fn sign_head(&mut self) {
        let position = self.file.position();
        if position.next == self.signed_to {
            return;
        }
        let head = Head {
            log: position.log,
            seq: position.next - 1,
            hash: position.last,
            at: self.clock.now(),
        };
        let line = CheckpointLine::of(&head, &self.key).text();
        let kept = self.file.put_checkpoint(&line);
        self.head_fails = kept.is_err();
        match kept {
            Ok(()) => self.signed_to = position.next,
            Err(error) => tracing::error!(%error, "a head of the audit log cannot be kept"),
        }
        self.signed_at = Instant::now();
        let mut newest = self
            .state
            .checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *newest = Some(line.into());
    }
}

/// Whether a head is to be signed: so many records and so long after the last one, which may have failed.
pub(super) fn head_is_due(new: u64, since: Duration, failed: bool) -> bool {
    let is_full = new >= CHECKPOINT_RECORDS && (!failed || since >= HEAD_PAUSE);
    is_full || (new > 0 && since >= CHECKPOINT_AFTER)
}

fn count(outcome: &Outcome) {
    let result = match outcome {
        Outcome::Signed { .. } => "signed",
        Outcome::Refused(_) => "refused",
    };
    metrics::AUDIT_RECORDS.of([result]).increment(1);
}
