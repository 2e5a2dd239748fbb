//! The write that follows from a decision: one intent under one operation id, repeated while its outcome is unknown.

use foxhold_core::{
    Deadline, OpId,
    record::{Service, UserKey, UserRecord},
};
use foxhold_ports::{
    Call, WriteError,
    assignments::{RecordRef, Target, UserValues},
    repeat::settled,
};

use super::Ports;
use crate::{pools, state::Decision};

/// A decision that has to be written, and the record it was made on.
pub(super) struct Write {
    kind: Kind,
    at: RecordRef,
    values: UserValues,
}

enum Kind {
    Assign(Target),
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
            Decision::Assign(values) | Decision::Reassign(values) => {
                let target = pools::target(&service.policy.allocation, &service.key, user);
                (Kind::Assign(target), values)
            }
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

    /// Who is to be assigned goes to this node.
    pub(super) fn name_node(&mut self, url: &str) {
        if let Kind::Assign(target) = &mut self.kind {
            *target = Target::Node(url.to_owned());
        }
    }

    /// Writes.
    pub(super) async fn carry_out(&self, ports: &Ports, by: Deadline) -> Result<UserRecord, WriteError> {
        let now = ports.clock.now();
        let call = Call {
            op: OpId::new(now, &*ports.random),
            deadline: by,
        };
        let put = || match &self.kind {
            Kind::Assign(target) => ports.writer.assign(&call, &self.at, &self.values, target, now),
            Kind::Raise => ports.writer.raise(&call, &self.at, &self.values),
            Kind::Rekey => ports.writer.rekey(&call, &self.at, &self.values, now),
        };
        settled(&call, put).await
    }
}
