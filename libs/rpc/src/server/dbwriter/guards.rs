//! Guards of accounts, as a service.

use std::sync::Arc;

use foxhold_core::record::{RecoveryKey, SecondFactor};
use foxhold_ports::{AccountGuards, Call};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    uid,
};
use crate::{
    convert::{self, FieldError, optional_message},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, account_guards_server::AccountGuards as GuardsService},
};

pub(in crate::server) struct Guards(pub(in crate::server) Arc<dyn AccountGuards>);

#[async_trait]
impl GuardsService for Guards {
    async fn set_second_factor(
        &self,
        request: Request<pb::SetSecondFactorRequest>,
    ) -> Result<Response<pb::SetSecondFactorResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok(wire.based_on);
                factor = optional_message::<_, SecondFactor>("second_factor", wire.second_factor);
            },
            set_second_factor(uid, based_on, factor.map(Arc::new)),
            |()| pb::SetSecondFactorResponse {}
        )
    }

    async fn set_recovery_key(
        &self,
        request: Request<pb::SetRecoveryKeyRequest>,
    ) -> Result<Response<pb::SetRecoveryKeyResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok(wire.based_on);
                key = optional_message::<_, RecoveryKey>("recovery_key", wire.recovery_key);
            },
            set_recovery_key(uid, based_on, key.map(Arc::new)),
            |()| pb::SetRecoveryKeyResponse {}
        )
    }
}
