//! One mail, from this process' hands to the mail server or back to the outbox. The log names mails and invitations by their ids and tells
//! the server's answer code; it has no address and nothing of what a mail says.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foxhold_core::{Deadline, OpId, TRACES};
use foxhold_ports::{
    Refusal, WriteError,
    outbox::{LEASE, LeasedMail, put_at},
    repeat::settled,
};
use foxhold_runtime::metrics::list as metrics;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{ASK_MAX, InHand, SenderPorts, Wakes};
use crate::mail::{
    pacing::Pacing,
    parcel::{Parcel, Unsealed},
    smtp::{NotTaken, Relay},
};

/// How long the dialogue about one mail may take: well below a lease.
const SEND_MAX: Duration = Duration::from_secs(60);
/// Between two tries to note what became of a mail.
const NOTE_PAUSE: Duration = Duration::from_secs(1);
/// Sent mails that are remembered because the outbox could not be told.
const SENT_MAX: usize = 10_000;

/// What a mail is that was taken.
pub(super) enum Unpacked {
    /// To be sent.
    Parcel(Parcel),
    /// It cannot be told yet.
    NotNow,
    /// Not to be sent, now or later.
    Over,
}

/// What all deliveries share.
pub(super) struct Delivery {
    pub(super) relay: Relay,
    pub(super) pacing: Pacing,
    pub(super) wakes: Wakes,
    /// Mails that were sent and are still in the outbox.
    pub(super) sent: Mutex<BTreeSet<OpId>>,
    pub(super) ports: SenderPorts,
}

impl Delivery {
    /// Tries a mail once, and notes what became of it: a trace of its own, since whoever asked for the mail does not wait.
    pub(super) async fn deliver(&self, mail: InHand) {
        let span = tracing::info_span!(
            target: TRACES,
            parent: None,
            "mail",
            otel.name = "mail",
            mail.template = mail.parcel.template,
        );
        self.try_once(mail).instrument(span).await;
    }

    async fn try_once(&self, mail: InHand) {
        if mail.until < Instant::now() + SEND_MAX {
            // It waited here too long: by the time it is sent somebody else may have it.
            return;
        }
        if self.is_over(&mail, Duration::ZERO) {
            return self.give_up(&mail, "expired", None).await;
        }
        let dialogue = tracing::info_span!(target: TRACES, "smtp", otel.kind = "client");
        let sent = tokio::time::timeout(SEND_MAX, self.relay.send(&mail.parcel))
            .instrument(dialogue)
            .await;
        match sent {
            Ok(Ok(())) => self.was_sent(&mail).await,
            Ok(Err(NotTaken { code, is_for_good })) if is_for_good => {
                self.give_up(&mail, "refused", code).await;
            }
            Ok(Err(NotTaken { code, .. })) => self.defer(&mail, code).await,
            Err(_) => self.defer(&mail, None).await,
        }
    }

    /// Opens a mail that was taken. One that this process has sent is only ended; one that nobody can read, or whose reason
    /// is gone, is given up.
    pub(super) async fn unpack(&self, mail: LeasedMail, until: Instant) -> Option<InHand> {
        let at = mail.at;
        let was_sent = self.sent().contains(&at.id);
        let unpacked = if was_sent {
            Unpacked::Over
        } else {
            self.unseal(&mail).await
        };
        match unpacked {
            Unpacked::Parcel(parcel) => Some(InHand {
                at,
                attempts: mail.attempts,
                parcel,
                until,
            }),
            // Its lease runs out, then it is looked at again.
            Unpacked::NotNow => None,
            Unpacked::Over => {
                self.end(at, until).await;
                None
            }
        }
    }

    async fn unseal(&self, mail: &LeasedMail) -> Unpacked {
        match Unsealed::open(&self.ports.key, mail.at.id, &mail.mail.0) {
            Some(Unsealed::Parcel(parcel)) => Unpacked::Parcel(parcel),
            Some(Unsealed::Invitation(invitation)) => self.word(mail.at.id, &invitation).await,
            None => {
                tracing::error!(mail.id = %mail.at.id, "a mail cannot be read: was the code key changed? It is given up");
                metrics::MAIL_SENT.of(["other", "unreadable"]).increment(1);
                Unpacked::Over
            }
        }
    }

    /// Tells how old the oldest mail is.
    pub(super) async fn tell_age(&self) {
        let now = self.ports.clock.now();
        if let Ok(backlog) = self.ports.reader.backlog(Deadline::after(ASK_MAX), now).await {
            let since = backlog
                .oldest
                .map_or(0, |oldest| now.as_millis().saturating_sub(oldest.as_millis()));
            metrics::MAIL_OLDEST
                .of([])
                .set(Duration::from_millis(since).as_secs_f64());
        }
    }

    async fn was_sent(&self, mail: &InHand) {
        self.pacing.works(mail.parcel.to.domain());
        metrics::MAIL_SENT.of([mail.parcel.template, "sent"]).increment(1);
        tracing::info!(mail.id = %mail.at.id, mail.template = mail.parcel.template, "a mail was sent");
        self.remember_sent(mail.at.id);
        self.end(mail.at, mail.until).await;
    }

    async fn give_up(&self, mail: &InHand, reason: &'static str, code: Option<String>) {
        metrics::MAIL_SENT.of([mail.parcel.template, reason]).increment(1);
        tracing::error!(
            mail.id = %mail.at.id,
            mail.template = mail.parcel.template,
            mail.attempts = mail.attempts + 1,
            // Whoever was invited has nothing: an operator finds whom by it, and invites again.
            invitation.id = mail.parcel.invitation.map(tracing::field::display),
            smtp.code = code,
            reason,
            "a mail was given up"
        );
        self.end(mail.at, mail.until).await;
    }

    async fn defer(&self, mail: &InHand, code: Option<String>) {
        let ports = &self.ports;
        let pause = self
            .pacing
            .pause(mail.parcel.to.domain(), mail.attempts, &*ports.random);
        if self.is_over(mail, pause) {
            return self.give_up(mail, "expired", code).await;
        }
        metrics::MAIL_SENT
            .of([mail.parcel.template, "deferred"])
            .increment(1);
        tracing::warn!(
            mail.id = %mail.at.id,
            mail.template = mail.parcel.template,
            mail.attempts = mail.attempts + 1,
            smtp.code = code,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "a mail was not taken, trying again"
        );
        let (call, next) = (self.call(), ports.clock.now().plus(pause));
        let deferred = settled(&call, || ports.outbox.defer_mail(&call, mail.at, next)).await;
        match deferred {
            Ok(()) => self.wakes.add(Instant::now() + pause),
            // Its lease runs out, then it is tried again.
            Err(error) => tracing::warn!(mail.id = %mail.at.id, %error, "a mail was not given back"),
        }
    }

    /// Whether a mail is not worth sending any more after that pause.
    fn is_over(&self, mail: &InHand, pause: Duration) -> bool {
        self.ports.clock.now().plus(pause) > put_at(mail.at.id).plus(mail.parcel.kept())
    }

    /// Takes a mail out of the outbox, for as long as the lease is ours.
    async fn end(&self, at: foxhold_ports::outbox::MailRef, until: Instant) {
        let outbox = &self.ports.outbox;
        loop {
            let call = self.call();
            match settled(&call, || outbox.end_mail(&call, at)).await {
                Ok(()) => {
                    self.sent().remove(&at.id);
                    return;
                }
                Err(WriteError::Refused(Refusal::Conflict)) => {
                    tracing::warn!(mail.id = %at.id, "somebody else has a mail in hand: it may arrive twice");
                    return;
                }
                Err(error) => tracing::warn!(mail.id = %at.id, %error, "a mail stays in the outbox"),
            }
            if Instant::now() + NOTE_PAUSE > until {
                return;
            }
            tokio::time::sleep(NOTE_PAUSE).await;
        }
    }

    fn remember_sent(&self, id: OpId) {
        let mut sent = self.sent();
        if sent.len() >= SENT_MAX {
            // The oldest: its lease is long over.
            sent.pop_first();
        }
        sent.insert(id);
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, BTreeSet<OpId>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const _: () = assert!(
    SEND_MAX.as_secs() < LEASE.as_secs(),
    "a mail is sent within its lease"
);
