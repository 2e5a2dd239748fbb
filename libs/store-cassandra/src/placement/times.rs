//! How long things about leases may take.

use std::time::Duration;

/// The times of `tokenserver.md` 9. Tests shorten them; deployments take the default, all writers alike.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimes {
    /// Between two looks at a placement of which leases are held.
    pub look_every: Duration,
    /// How old the figures may be that a node is chosen by.
    pub figures_age_max: Duration,
    /// A writer shows so often that it lives.
    pub renew_every: Duration,
    /// How long after it began to show that it lives a writer may spend slots.
    pub spends_for: Duration,
    /// How long the others wait for a sign of life before they end its leases, beside `write_max`.
    pub lives_for: Duration,
    /// How long writing one record may take.
    pub write_max: Duration,
    /// How long a writer without room waits for the others to hand back.
    pub recall_wait: Duration,
    /// A lease is ended after so long, spent or not: what tells whether its slots were spent expires after a day.
    pub lease_age_max: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            look_every: Duration::from_millis(500),
            figures_age_max: Duration::from_secs(1),
            renew_every: Duration::from_secs(10),
            spends_for: Duration::from_secs(25),
            lives_for: Duration::from_secs(30),
            write_max: Duration::from_secs(10),
            recall_wait: Duration::from_secs(2),
            lease_age_max: Duration::from_secs(3600),
        }
    }
}

impl LeaseTimes {
    /// How long after a change of a placement is known nobody works by an older one any more, nor writes what was begun
    /// by one.
    pub(crate) fn patience(&self) -> Duration {
        self.figures_age_max + self.write_max
    }
}
