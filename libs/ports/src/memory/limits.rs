//! No limits at all: for tests, and for a benchmark that must not meet them.

use std::time::Duration;

use async_trait::async_trait;

use crate::limits::{Action, LimitKeys, Limits, ReplayGuard, Throttled};

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLimits;

#[async_trait]
impl Limits for NoLimits {
    async fn count(&self, _action: Action, _keys: LimitKeys<'_>) -> Result<(), Throttled> {
        Ok(())
    }

    async fn refund(&self, _action: Action, _keys: LimitKeys<'_>) {}
}

/// Takes every request for a new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReplayGuard;

#[async_trait]
impl ReplayGuard for NoReplayGuard {
    async fn is_new(&self, _request: [u8; 16], _window: Duration) -> bool {
        true
    }
}
