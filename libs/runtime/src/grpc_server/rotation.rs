//! A process that would do harm (a writer whose clock is off) says so to health checks; callers that do not ask are told
//! here, and their channels leave the instance alone for a while.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tonic::Code;

use super::is_about_health;
use crate::{Health, grpc_status::refusal};

/// Turns a call away while the process would do harm.
pub(super) async fn stay_out(State(health): State<Health>, request: Request, next: Next) -> Response {
    if health.would_do_harm() && !is_about_health(&request) {
        return refusal(Code::Unavailable, "this instance takes no calls at present");
    }
    next.run(request).await
}
