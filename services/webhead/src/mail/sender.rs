//! Sends what is in the outbox: at once what this process has put there, and what nobody else has in hand.
//!
//! Must stay true: a mail is sent only while this process has its lease, with time for the whole dialogue left; one that was
//! sent is ended, and not sent again by this process if it could not be. So a mail goes out once, and twice only where the
//! process died, or could not reach the store for the rest of its lease, between the server's answer and its note of it.

mod delivery;
mod invitation;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_accounts::MailTemplates;
use foxhold_core::{Clock, Deadline, OpId, Random, random};
use foxhold_crypto::outbox::OutboxKey;
use foxhold_ports::{
    Call, Cause, InvitationReader, Mailer, Outbox, OutboxReader, WriteError,
    mail::{Mail, MailError},
    outbox::{LEASE, LeasedMail, MailRef, SEALED_LEN_MAX, SealedMail, TAKEN_MAX, lease_end},
    repeat::settled,
};
use foxhold_runtime::{Shutdown, metrics::list as metrics, shutdown::Phase};
use tokio::{
    sync::{Notify, Semaphore, mpsc, watch},
    time::Instant,
};

use self::delivery::Delivery;
use super::{pacing::Pacing, pacing::jittered, parcel::Parcel, smtp::Relay};

/// Mails of this process that wait for their first attempt. Others are left to whoever finds them when their lease is over.
const FRESH_MAX: usize = 1_000;
/// Mails being sent at once.
const IN_WORK_MAX: u32 = 32;
/// How often the outbox is looked into.
const LOOK_PAUSE: Duration = Duration::from_secs(15);
/// Mails that are due one after the other are looked for together.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(200);
/// How long a request waits for the outbox to take its mail.
const PUT_MAX: Duration = Duration::from_secs(5);
/// Between two tries of that.
const PUT_PAUSE: Duration = Duration::from_millis(250);
/// How long any other question to the outbox may take.
const ASK_MAX: Duration = Duration::from_secs(10);
/// How long mails in work may take to end when the process ends.
const END_MAX: Duration = Duration::from_secs(5);

/// What a sender works with.
#[derive(Clone)]
pub struct SenderPorts {
    /// Where mails wait.
    pub outbox: Arc<dyn Outbox>,
    /// Tells how many.
    pub reader: Arc<dyn OutboxReader>,
    /// Tells whether an invitation is there that a mail brings.
    pub invitations: Arc<dyn InvitationReader>,
    /// Words what waits unworded.
    pub templates: Arc<dyn MailTemplates>,
    /// Opens and seals them.
    pub key: Arc<OutboxKey>,
    /// When what is due.
    pub clock: Arc<dyn Clock>,
    /// Operation ids, nonces, pauses that differ.
    pub random: Arc<dyn Random>,
    /// Whether this is the deployment's only process: then what is leased when it begins was its predecessor's.
    pub is_alone: bool,
}

/// A mail in this process' hands.
pub(super) struct InHand {
    at: MailRef,
    attempts: u32,
    parcel: Parcel,
    /// When the lease is over.
    until: Instant,
}

/// Takes mails: they are sent soon, whatever happens to this process.
pub struct OutboxMailer {
    delivery: Arc<Delivery>,
    fresh: mpsc::Sender<InHand>,
}

/// A sender at work. Dropped, it ends at once.
#[must_use]
pub struct RunningSender {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// Starts a sender. To be called inside the runtime. Nothing is taken over any more once the process drains.
pub(super) fn start(relay: Relay, ports: SenderPorts, shutdown: &Shutdown) -> (OutboxMailer, RunningSender) {
    let (fresh, waiting) = mpsc::channel(FRESH_MAX);
    let (stop, stopped) = watch::channel(false);
    let delivery = Arc::new(Delivery {
        relay,
        pacing: Pacing::default(),
        wakes: Wakes::default(),
        sent: Mutex::default(),
        ports,
    });
    let sender = Sender {
        delivery: Arc::clone(&delivery),
        in_work: Arc::new(Semaphore::new(IN_WORK_MAX as usize)),
        shutdown: shutdown.clone(),
        stopped,
        is_first: true,
    };
    let task = tokio::spawn(sender.run(waiting));
    (OutboxMailer { delivery, fresh }, RunningSender { stop, task })
}

impl RunningSender {
    /// Gives mails that are being sent a moment to end. To be called when no request is served any more.
    pub async fn end(mut self) {
        // It may have ended before.
        let _ = self.stop.send(true);
        if tokio::time::timeout(END_MAX * 2, &mut self.task).await.is_err() {
            // It waits for room behind a mail server that says nothing.
            self.task.abort();
        }
    }
}

#[async_trait]
impl Mailer for OutboxMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        let delivery = &self.delivery;
        let parcel = delivery.relay.parcel(mail).ok_or(MailError)?;
        let until = Instant::now() + LEASE;
        match delivery.keep(&parcel).await {
            Ok(id) => {
                let mail = InHand {
                    at: MailRef::just_put(id),
                    attempts: 0,
                    parcel,
                    until,
                };
                // Too many wait here: somebody finds it in the outbox.
                let _ = self.fresh.try_send(mail);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, mail.template = parcel.template, "a mail was not kept");
                metrics::MAIL_SENT.of([parcel.template, "not_kept"]).increment(1);
                Err(MailError)
            }
        }
    }
}

impl Delivery {
    /// Makes a mail durable; its id.
    async fn keep(&self, parcel: &Parcel) -> Result<OpId, WriteError> {
        let (ports, now) = (&self.ports, self.ports.clock.now());
        let call = Call {
            op: OpId::new(now, &*ports.random),
            deadline: Deadline::after(PUT_MAX),
        };
        let sealed = parcel.seal(&ports.key, call.op, random::bytes(&*ports.random));
        if sealed.len() > SEALED_LEN_MAX {
            return Err(WriteError::NotDone(Cause::Fault));
        }
        let mail = SealedMail(sealed);
        let put = || settled(&call, || ports.outbox.put_mail(&call, mail.clone(), now));
        loop {
            match put().await {
                Ok(()) => return Ok(call.op),
                // A writer that is away may be back in a moment; the account is made already.
                Err(
                    WriteError::Unknown(_)
                    | WriteError::NotDone(Cause::Unavailable | Cause::Timeout | Cause::Overloaded),
                ) if has_time(&call) => {
                    tokio::time::sleep(PUT_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A call to the outbox.
    fn call(&self) -> Call {
        Call {
            op: OpId::new(self.ports.clock.now(), &*self.ports.random),
            deadline: Deadline::after(ASK_MAX),
        }
    }
}

/// Whether a call can be put once more.
fn has_time(call: &Call) -> bool {
    call.deadline.remaining().is_some_and(|left| left > PUT_PAUSE)
}

/// When deferred mails are due, for this process to look for them in time.
#[derive(Default)]
pub(super) struct Wakes {
    times: Mutex<BTreeSet<Instant>>,
    changed: Notify,
}

impl Wakes {
    fn add(&self, at: Instant) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(at);
        drop(times);
        self.changed.notify_one();
    }

    fn first(&self) -> Option<Instant> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.first().copied()
    }

    /// Forgets those that are over.
    fn pass(&self, now: Instant) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times = times.split_off(&now);
    }
}

/// The task.
struct Sender {
    delivery: Arc<Delivery>,
    in_work: Arc<Semaphore>,
    shutdown: Shutdown,
    stopped: watch::Receiver<bool>,
    is_first: bool,
}

impl Sender {
    async fn run(mut self, mut fresh: mpsc::Receiver<InHand>) {
        let (mut look_at, mut looked) = (Instant::now(), None);
        let mut stopped = self.stopped.clone();
        loop {
            let wake = self.delivery.wakes.first();
            let next = wake.map_or(look_at, |wake| wake.min(look_at));
            let next = looked.map_or(next, |looked: Instant| next.max(looked + LOOK_PAUSE_MIN));
            tokio::select! {
                biased;
                _ = stopped.changed() => break,
                () = tokio::time::sleep_until(next), if !self.shutdown.has_begun() => {
                    let now = Instant::now();
                    looked = Some(now);
                    if look_at <= now {
                        self.delivery.tell_age().await;
                    }
                    look_at = self.look(now).await;
                }
                Some(mail) = fresh.recv() => self.begin(mail).await,
                () = self.delivery.wakes.changed.notified() => {}
            }
        }
        self.finish(fresh).await;
    }

    /// Sends a mail beside the others, as soon as there is room.
    async fn begin(&self, mail: InHand) {
        let Ok(room) = Arc::clone(&self.in_work).acquire_owned().await else {
            return;
        };
        let delivery = Arc::clone(&self.delivery);
        tokio::spawn(async move {
            delivery.deliver(mail).await;
            drop(room);
        });
    }

    /// Takes over what is due; when to look again.
    async fn look(&mut self, now: Instant) -> Instant {
        self.delivery.wakes.pass(now);
        let room = u32::try_from(self.in_work.available_permits()).unwrap_or(TAKEN_MAX);
        let limit = room.min(TAKEN_MAX);
        let taken = if limit == 0 {
            Vec::new()
        } else {
            self.take(limit).await
        };
        let is_full = taken.len() >= limit as usize && limit > 0;
        for mail in taken {
            if let Some(mail) = self.delivery.unpack(mail, now + LEASE).await {
                self.begin(mail).await;
            }
        }
        let pause = jittered(LOOK_PAUSE, &*self.delivery.ports.random);
        if is_full { now } else { now + pause }
    }

    async fn take(&mut self, limit: u32) -> Vec<LeasedMail> {
        let (ports, call) = (&self.delivery.ports, self.delivery.call());
        let mut now = ports.clock.now();
        if self.is_first && ports.is_alone {
            now = lease_end(now);
        }
        let taken = tokio::select! {
            () = self.shutdown.reached(Phase::Draining) => return Vec::new(),
            taken = ports.outbox.take_mails(&call, now, limit) => taken,
        };
        match taken {
            Ok(taken) => {
                self.is_first = self.is_first && taken.len() >= limit as usize;
                taken
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox was not looked into");
                Vec::new()
            }
        }
    }

    /// Begins what no request waits behind any more, as far as there is room, and waits for what was begun.
    async fn finish(&self, mut fresh: mpsc::Receiver<InHand>) {
        let all = async {
            while let Ok(mail) = fresh.try_recv() {
                self.begin(mail).await;
            }
            self.in_work.acquire_many(IN_WORK_MAX).await.is_ok()
        };
        if tokio::time::timeout(END_MAX, all).await.is_err() {
            tracing::info!("mails in work were left to the next process");
        }
    }
}

#[cfg(test)]
mod tests;
