//! The audit of a fleet's store after processes were killed.

use anyhow::Result;

use super::{Cassandra, Fleet, Tier};
use crate::{
    audit,
    wait::{patiently, pause},
};

impl Cassandra {
    /// Waits until the dbwriters that run have ended what the dead ones held, ends them, and expects that nothing is left
    /// that cannot all be right. Nobody may be using the fleet any more.
    ///
    /// # Errors
    /// When the audit goes on finding something; with its report.
    pub async fn audit_when_settled(&self, fleet: &mut Fleet) -> Result<()> {
        let settings = self.as_superuser(0);
        let mut found = Ok(());
        let settling = async {
            loop {
                // Boxed: the compiler lays all of an audit out in every caller else.
                found = Box::pin(audit::expect_no_contradiction(&settings)).await;
                if found.is_ok() {
                    return;
                }
                pause().await;
            }
        };
        let settled = patiently("the audit to find nothing", settling).await;
        settled.and(found)?;
        for number in 1..=fleet.count(Tier::Dbwriter) {
            fleet.stop(Tier::Dbwriter, number).await?;
        }
        Box::pin(audit::expect_nothing(&settings)).await
    }
}
