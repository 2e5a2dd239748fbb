//! Guards of accounts, over gRPC.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, Uid,
    record::{RecoveryKey, SecondFactor},
};
use foxhold_ports::{AccountGuards, Call, WriteError};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, account_guards_client::AccountGuardsClient},
};

/// [`AccountGuards`] over gRPC.
#[derive(Clone)]
pub struct RemoteAccountGuards(Transport);

impl RemoteAccountGuards {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl AccountGuards for RemoteAccountGuards {
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError> {
        let message = pb::SetSecondFactorRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
            second_factor: factor.as_deref().map(Into::into),
        };
        intent!(self, AccountGuardsClient, call, set_second_factor, message).map(|_| ())
    }

    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError> {
        let message = pb::SetRecoveryKeyRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
            recovery_key: key.as_deref().map(Into::into),
        };
        intent!(self, AccountGuardsClient, call, set_recovery_key, message).map(|_| ())
    }
}
