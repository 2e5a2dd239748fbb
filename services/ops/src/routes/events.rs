//! `POST /events`: account events as a queue holds them (`tokenserver.md` 10).

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_core::Deadline;
use foxhold_runtime::metrics::{label, list as metrics};
use foxhold_sync::events::{
    self, AccountEvent, Applied,
    message::{self, MessageError},
};
use serde_json::Value;

use super::{Reply, accounts::telling::REPORTED};
use crate::{
    audit::Deed,
    caller::Caller,
    convert::within,
    extract::{Body, By, Params},
    router::{App, OpsPorts},
    wire::{DryRun, EVENTS_MAX, EventMessages, EventOutcome, EventsDone},
};

pub(crate) async fn take(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(EventMessages { messages }): Body<EventMessages>,
) -> Reply<EventsDone> {
    within("messages", messages.len(), 1, EVENTS_MAX)?;
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in &messages {
        outcomes.push(app.take_event(by, message, dry_run).await);
    }
    let done = EventsDone { dry_run, outcomes };
    let deed = Deed::new(&caller, "events.take", dry_run);
    app.audited(&deed, Ok(done)).map(Json)
}

impl OpsPorts {
    /// No message stops the ones behind it.
    async fn take_event(self: &Arc<Self>, by: Deadline, message: &Value, dry_run: bool) -> EventOutcome {
        let parsed = message::parse(message.to_string().as_bytes());
        let told = match parsed.map_err(Dropped::from) {
            Ok(told) if told.event.is_ahead_of(self.clock.now()) => return Dropped::Ahead.note(dry_run),
            Ok(told) => told,
            Err(dropped) => return dropped.note(dry_run),
        };
        let kind = told.event.kind();
        received(kind, dry_run);
        let applied = if dry_run {
            self.foretold(by, &told).await.ok()
        } else {
            let applied = events::apply(self.event_ports(), by, &told).await;
            let failed = |error: &events::ApplyError| tracing::warn!(%error, "account event not applied");
            let done = |_: &Applied| metrics::TOKEN_EVENTS_PROCESSED.of([kind]).increment(1);
            // One that failed is told again, and looked at again then.
            if applied.is_ok() && told.event == AccountEvent::Retire {
                self.look_again(&REPORTED, told);
            }
            applied.inspect(done).inspect_err(failed).ok()
        };
        match applied {
            None => EventOutcome::Failed,
            Some(applied) if applied.changed > 0 => EventOutcome::Changed,
            Some(_) => EventOutcome::Unchanged,
        }
    }
}

/// Why a message is no event for us. Nothing of what it says is told: it may name somebody.
#[derive(Debug, Clone, Copy)]
enum Dropped {
    Message(MessageError),
    /// It tells of the future.
    Ahead,
}

impl From<MessageError> for Dropped {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl Dropped {
    fn note(self, dry_run: bool) -> EventOutcome {
        match self {
            Self::Message(error @ MessageError::Other) => {
                received(label::OTHER, dry_run);
                tracing::warn!(%error, dry_run, "account event dropped");
                EventOutcome::Other
            }
            Self::Message(error) => {
                tracing::warn!(%error, dry_run, "malformed account event dropped");
                EventOutcome::Malformed
            }
            Self::Ahead => {
                tracing::warn!(dry_run, "account event of the future dropped");
                EventOutcome::Malformed
            }
        }
    }
}

/// A look at what would be done is no event.
fn received(kind: &'static str, dry_run: bool) {
    if !dry_run {
        metrics::TOKEN_EVENTS_RECEIVED.of([kind]).increment(1);
    }
}
