//! The intents of jobs: each under one operation id, repeated while its outcome is unknown (`security.md` D.3).

use foxhold_core::{OpId, ServiceUid, record::UserRecord};
use foxhold_ports::{
    Call, WriteError,
    assignments::{RecordRef, Target, UserValues},
    repeat::settled,
};

use super::Ports;

/// What becomes of a user's records.
pub(super) enum Intent {
    /// `AssignmentWriter::forget`
    Forget(ServiceUid),
    /// `AssignmentWriter::unassign`
    Unassign,
    /// `AssignmentWriter::assign`, in place of the record there is.
    Assign(UserValues, Target),
}

pub(super) async fn carry_out(
    ports: Ports<'_>,
    at: &RecordRef,
    intent: &Intent,
) -> Result<UserRecord, WriteError> {
    let now = ports.clock.now();
    let call = Call {
        op: OpId::new(now, ports.random),
        deadline: ports.step(),
    };
    let put = || match intent {
        Intent::Forget(uid) => ports.writer.forget(&call, at, *uid),
        Intent::Unassign => ports.writer.unassign(&call, at, now),
        Intent::Assign(values, target) => ports.writer.assign(&call, at, values, target, now),
    };
    settled(&call, put).await
}
