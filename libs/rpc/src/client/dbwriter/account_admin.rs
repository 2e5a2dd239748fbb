//! What operators do with accounts, over gRPC.

use async_trait::async_trait;
use foxhold_core::{Deadline, Uid, record::Disabled};
use foxhold_ports::{AccountAdmin, Call, WriteError};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, account_admin_client::AccountAdminClient},
};

/// [`AccountAdmin`] over gRPC.
#[derive(Clone)]
pub struct RemoteAccountAdmin(Transport);

impl RemoteAccountAdmin {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl AccountAdmin for RemoteAccountAdmin {
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError> {
        let message = pb::SetDisabledRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
            disabled_at_ms: disabled.at.as_millis(),
            enabled_again: disabled.is_over,
        };
        intent!(self, AccountAdminClient, call, set_disabled, message).map(|_| ())
    }

    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        let message = pb::DeleteSecondFactorRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
        };
        intent!(self, AccountAdminClient, call, delete_second_factor, message).map(|_| ())
    }
}
