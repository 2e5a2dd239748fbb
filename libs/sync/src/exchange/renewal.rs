//! A user's first renewal is written down, once: places of those who came and never came again can be told from the others
//! (`security.md` B.5), and an exchange of a returning user writes nothing for ever after.
//!
//! What must stay true: no exchange waits for it or fails with it. What is not written is written at the next renewal.

use std::time::Duration;

use foxhold_core::{
    Deadline, OpId, Timestamp,
    record::{Service, UserKey, UserRecord},
};
use foxhold_ports::{
    Call, Refusal, WriteError,
    assignments::{RecordRef, UserValues, change::ASSIGNED_ONCE},
    repeat::settled,
};

use super::Ports;

/// Whoever comes again this soon has not come back: the first answer was lost, or a client asks twice at sign-in.
const COMING: Duration = Duration::from_secs(300);

/// A first renewal that is to be written down.
#[derive(Debug)]
pub struct FirstRenewal {
    at: RecordRef,
    values: UserValues,
}

impl FirstRenewal {
    /// `None` if nothing is to be written of a user who came with nothing new.
    pub(super) fn of(service: &Service, user: &UserKey, record: &UserRecord, now: Timestamp) -> Option<Self> {
        let is_first = record.version == ASSIGNED_ONCE && now.since(record.current.created_at) > COMING;
        is_first.then(|| Self {
            at: RecordRef {
                service: service.key.clone(),
                user: user.clone(),
                version: Some(record.version),
            },
            values: UserValues {
                generation: record.current.generation,
                keys_changed_at: record.current.keys_changed_at,
                client_state: record.current.client_state.clone(),
            },
        })
    }

    /// Writes it down, unless anything else is written of the user meanwhile, which says as much.
    pub async fn write_down(self, ports: &Ports, by: Deadline) {
        let call = Call {
            op: OpId::new(ports.clock.now(), &*ports.random),
            deadline: by,
        };
        match settled(&call, || ports.writer.raise(&call, &self.at, &self.values)).await {
            Ok(_) | Err(WriteError::Refused(Refusal::Conflict)) => {}
            Err(error) => {
                tracing::debug!(service = %self.at.service.0, %error, "a first renewal was not written down");
            }
        }
    }
}
