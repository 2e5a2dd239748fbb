//! What has to follow a call whose client has been answered already: looked after by the process until it is done.

use async_trait::async_trait;

/// Work that can be tried again and again.
#[async_trait]
pub trait Attempt: Send + Sync {
    /// Tries once. Whether nothing is left to do.
    async fn is_done(&self) -> bool;
}

/// Looks after work. A process that ends lets what it has try once more, and does not wait for ever.
pub trait FollowUps: Send + Sync {
    /// Tries now and then until the work is done, a bounded number of times. The caller does not wait.
    fn keep_trying(&self, work: Box<dyn Attempt>);

    /// Tries at once, and once. The caller does not wait, and nothing hangs on it: where too much is under way it is not
    /// tried.
    fn try_once(&self, work: Box<dyn Attempt>);
}
