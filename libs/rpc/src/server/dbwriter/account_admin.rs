//! What operators do with accounts, as a service.

use std::sync::Arc;

use foxhold_core::record::Disabled;
use foxhold_ports::{AccountAdmin, Call};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    uid,
};
use crate::{
    convert::{self, FieldError, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, account_admin_server::AccountAdmin as AdminService},
};

pub(in crate::server) struct AccountAdministration(pub(in crate::server) Arc<dyn AccountAdmin>);

#[async_trait]
impl AdminService for AccountAdministration {
    async fn set_disabled(
        &self,
        request: Request<pb::SetDisabledRequest>,
    ) -> Result<Response<pb::SetDisabledResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok(wire.based_on);
                disabled = Ok(Disabled {
                    at: time(wire.disabled_at_ms),
                    is_over: wire.enabled_again,
                });
            },
            set_disabled(uid, based_on, disabled),
            |()| pb::SetDisabledResponse {}
        )
    }

    async fn delete_second_factor(
        &self,
        request: Request<pb::DeleteSecondFactorRequest>,
    ) -> Result<Response<pb::DeleteSecondFactorResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok::<_, FieldError>(wire.based_on);
            },
            delete_second_factor(uid, based_on),
            |()| pb::DeleteSecondFactorResponse {}
        )
    }
}
