//! The write that follows from a decision: one intent under one operation id, repeated while its outcome is unknown.

use foxhold_core::{
    Deadline, OpId,
    record::{Service, UserKey, UserRecord},
};
use foxhold_ports::{
    Call, WriteError,
    assignments::{RecordRef, UserValues},
};

use super::Ports;
use crate::state::Decision;

/// How often an intent of unknown outcome is put again before the client is told to come back.
const REPEATS: usize = 2;

/// A decision that has to be written, and the record it was made on.
pub(super) struct Write {
    kind: Kind,
    at: RecordRef,
    values: UserValues,
}

#[derive(Clone, Copy)]
enum Kind {
    Assign,
    Raise,
    Rekey,
}

impl Write {
    /// `None` if nothing has to be written.
    pub(super) fn of(
        decision: Decision,
        service: &Service,
        user: &UserKey,
        stored: Option<&UserRecord>,
    ) -> Option<Self> {
        let (kind, values) = match decision {
            Decision::Unchanged => return None,
            Decision::Assign(values) | Decision::Reassign(values) => (Kind::Assign, values),
            Decision::Raise(values) => (Kind::Raise, values),
            Decision::Rekey(values) => (Kind::Rekey, values),
        };
        let version = stored.map(|record| record.version);
        Some(Self {
            kind,
            at: RecordRef {
                service: service.key.clone(),
                user: user.clone(),
                version,
            },
            values,
        })
    }

    /// Writes. An unknown outcome is settled by putting the same operation again (`security.md` D.3): the writer then
    /// tells what became of it, or does it now.
    pub(super) async fn carry_out(&self, ports: &Ports, by: Deadline) -> Result<UserRecord, WriteError> {
        let now = ports.clock.now();
        let call = Call {
            op: OpId::new(now, &*ports.random),
            deadline: by,
        };
        let mut outcome = Err(WriteError::NotDone(foxhold_ports::Cause::Timeout));
        for _ in 0..=REPEATS {
            outcome = match self.kind {
                Kind::Assign => ports.writer.assign(&call, &self.at, &self.values, now).await,
                Kind::Raise => ports.writer.raise(&call, &self.at, &self.values).await,
                Kind::Rekey => ports.writer.rekey(&call, &self.at, &self.values, now).await,
            };
            if !matches!(outcome, Err(WriteError::Unknown(_))) || by.has_passed() {
                break;
            }
        }
        outcome
    }
}
