//! What a test may change in a dbwriter: its clock, and the point at which it dies. Compiled with the feature
//! `fail-points` only; a build for operators refuses the table `[test]` like any key it does not know.

#[cfg(not(feature = "fail-points"))]
mod without {
    //! As operators have it.

    use std::sync::Arc;

    use foxhold_core::Clock;
    use foxhold_rpc::server::DbwriterPorts;
    use foxhold_runtime::SystemClock;

    use crate::Config;

    pub(crate) const fn watched(ports: DbwriterPorts) -> DbwriterPorts {
        ports
    }

    impl Config {
        #[expect(clippy::unused_self, reason = "the test build looks at the configuration")]
        pub(crate) fn clock(&self) -> Arc<dyn Clock> {
            Arc::new(SystemClock)
        }

        #[expect(
            clippy::unused_self,
            clippy::unnecessary_wraps,
            reason = "as in the test build"
        )]
        pub(crate) const fn check_hooks(&self) -> anyhow::Result<()> {
            Ok(())
        }

        #[expect(clippy::unused_self, reason = "the test build looks at the configuration")]
        pub(crate) const fn arm(&self) {}
    }
}

#[cfg(feature = "fail-points")]
mod dying;

#[cfg(not(feature = "fail-points"))]
pub(crate) use without::watched;
#[cfg(feature = "fail-points")]
pub(crate) use {armed::TestTable, dying::watched};

#[cfg(feature = "fail-points")]
mod armed {
    //! With the feature.

    use std::{sync::Arc, time::Duration};

    use foxhold_core::{Clock, Timestamp};
    use foxhold_runtime::SystemClock;
    use foxhold_store_cassandra::fail_points;
    use serde::Deserialize;

    use super::dying;
    use crate::Config;

    /// The table `[test]`.
    #[derive(Debug, Clone, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct TestTable {
        /// How far the clock is ahead, in milliseconds; negative: behind.
        pub(crate) clock_offset_ms: i64,
        /// The point at which the process dies: one of the Cassandra store, or one around an intent of any store.
        pub(crate) fail_point: Option<String>,
        /// At which passing of it, from 1.
        pub(crate) fail_point_nth: Option<u64>,
    }

    impl Config {
        /// The clock of the process, off by as much as the test wants.
        pub(crate) fn clock(&self) -> Arc<dyn Clock> {
            match self.test.clock_offset_ms {
                0 => Arc::new(SystemClock),
                offset => Arc::new(OffClock(offset)),
            }
        }

        /// A point that does not exist would never be reached, and its test would show nothing.
        pub(crate) fn check_hooks(&self) -> anyhow::Result<()> {
            let point = self.test.fail_point.as_deref();
            let all = [fail_points::ALL, dying::ALL].concat();
            anyhow::ensure!(
                point.is_none_or(|point| all.contains(&point)),
                "`test.fail_point`: no such point\nfix: give one of {}",
                all.join(", ")
            );
            Ok(())
        }

        pub(crate) fn arm(&self) {
            if let Some(point) = self.test.fail_point.clone() {
                tracing::warn!(point, "this process will die there, for a test");
                let nth = self.test.fail_point_nth.unwrap_or(1);
                if dying::ALL.contains(&point.as_str()) {
                    dying::arm(point, nth);
                } else {
                    fail_points::arm(point, nth);
                }
            }
        }
    }

    struct OffClock(i64);

    impl Clock for OffClock {
        fn now(&self) -> Timestamp {
            let offset = Duration::from_millis(self.0.unsigned_abs());
            let now = SystemClock.now();
            if self.0 < 0 {
                now.minus(offset)
            } else {
                now.plus(offset)
            }
        }
    }
}
