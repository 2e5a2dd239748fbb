//! How many calls are worked on and how many wait. Health answers past both: it must be heard when all else is full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use foxhold_core::Deadline;
use tokio::{sync::Semaphore, time::timeout_at};
use tonic::Code;

use super::{GrpcLimits, deadline::LEFT_MIN, is_about_health};
use crate::grpc_status::refusal;

/// The bounds of one listener; clones share them.
#[derive(Clone)]
pub(super) struct Admission {
    work: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    wait_max: Duration,
}

impl Admission {
    pub(super) fn new(limits: &GrpcLimits) -> Self {
        Self {
            work: Arc::new(crate::slots::slots(limits.in_work_max)),
            waiting: Arc::new(AtomicUsize::new(0)),
            waiting_max: limits.waiting_max,
            wait_max: Duration::from_millis(limits.wait_ms_max),
        }
    }
}

/// A place in the queue, given back when dropped: also when the caller leaves.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(waiting);
        // Counted first, judged after: two that arrive together cannot both take the last place.
        (waiting.fetch_add(1, Ordering::AcqRel) < max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Lets a call in, lets it wait for a while, or turns it away.
pub(super) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    if is_about_health(&request) {
        return next.run(request).await;
    }
    let _permit = match admission.work.try_acquire() {
        Ok(permit) => permit,
        Err(_) => {
            let Some(_place) = Place::take(&admission.waiting, admission.waiting_max) else {
                return refusal(Code::ResourceExhausted, "too many calls wait");
            };
            let deadline = request.extensions().get::<Deadline>().copied();
            let until = deadline.map_or_else(
                || Deadline::after(admission.wait_max),
                |deadline| deadline.at_most(admission.wait_max),
            );
            match timeout_at(until.instant().into(), admission.work.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) | Err(_) => {
                    return refusal(Code::ResourceExhausted, "waited too long to be worked on");
                }
            }
        }
    };
    let left = request
        .extensions()
        .get::<Deadline>()
        .map(|deadline| deadline.remaining());
    if left.is_some_and(|left| left.unwrap_or_default() < LEFT_MIN) {
        return refusal(Code::DeadlineExceeded, "too little time is left to begin");
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let waiting = AtomicUsize::new(0);
        let first = Place::take(&waiting, 1);
        assert!(first.is_some());
        assert!(Place::take(&waiting, 1).is_none(), "a refused one takes no place");
        drop(first);
        assert!(Place::take(&waiting, 1).is_some());
        assert_eq!(waiting.load(Ordering::Acquire), 0);
    }
}
