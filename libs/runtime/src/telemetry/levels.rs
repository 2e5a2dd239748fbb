//! Which lines are written, as it changes while the process runs (`ecosystem.md` 3.2).
//!
//! Must stay true: levels that cannot be read change nothing, and no level changes what [`super::told`] says of every one.

use std::error::Error;

use tracing_subscriber::{EnvFilter, Registry, layer::Filter, reload};

use super::{LogConfig, TelemetryError, told};
use crate::config::{FileWatch, next_look};

/// Part of the configuration, in metrics and logs.
pub const PART: &str = "log_level";

type Told = Box<dyn Filter<Registry> + Send + Sync>;

fn boxed(levels: EnvFilter) -> Told {
    Box::new(told(levels))
}

/// What changes the levels of a process that logs.
pub struct Levels(reload::Handle<Told, Registry>);

/// Begins with the levels of `config`.
pub(super) fn changeable(
    config: &LogConfig,
) -> Result<(reload::Layer<Told, Registry>, Levels), TelemetryError> {
    let (filter, handle) = reload::Layer::new(boxed(config.levels()?));
    Ok((filter, Levels(handle)))
}

impl Levels {
    /// Puts others in force, from the next line on.
    ///
    /// # Errors
    /// [`TelemetryError::Level`]; the levels stay as they are.
    pub fn set(&self, config: &LogConfig) -> Result<(), TelemetryError> {
        let levels = boxed(config.levels()?);
        // Where logging has ended there is nothing to change.
        let _ = self.0.modify(|filter| *filter = levels);
        Ok(())
    }

    /// Takes over what changes in the watched files, for as long as it is polled.
    pub async fn keep_fresh<E>(&self, watch: &FileWatch, read: impl Fn() -> Result<LogConfig, E>)
    where
        E: Error + From<TelemetryError>,
    {
        loop {
            next_look().await;
            self.look(watch, &read);
        }
    }

    fn look<E>(&self, watch: &FileWatch, read: impl Fn() -> Result<LogConfig, E>)
    where
        E: Error + From<TelemetryError>,
    {
        let fresh = watch.look(|| {
            let config = read()?;
            self.set(&config)?;
            Ok::<_, E>(config)
        });
        if let Some(config) = fresh {
            tracing::info!(levels = config.level, "levels of the log");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tracing_subscriber::{Layer, layer::SubscriberExt as _};

    use super::*;
    use crate::telemetry::AUDIT;

    struct Counter(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Counter {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            if !event.metadata().target().starts_with("foxhold_runtime::config") {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn at(level: &str) -> LogConfig {
        LogConfig {
            level: level.to_owned(),
            ..LogConfig::default()
        }
    }

    /// Of lines of the levels debug and error, and one of the audit.
    fn told_lines(count: &AtomicUsize) -> usize {
        let before = count.load(Ordering::Relaxed);
        tracing::debug!(target: "elsewhere", "debug");
        tracing::error!(target: "elsewhere", "error");
        tracing::info!(target: AUDIT, "audit");
        count.load(Ordering::Relaxed) - before
    }

    fn put(path: &Path, level: &str) {
        let new = path.with_extension("new");
        fs::write(&new, level).unwrap();
        fs::rename(new, path).unwrap();
    }

    #[test]
    fn levels_follow_the_file_and_outlive_a_bad_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("level");
        put(&path, "error");
        let read = || Ok::<_, TelemetryError>(at(&fs::read_to_string(&path).unwrap_or_default()));
        let (watch, first) = FileWatch::of_paths(PART, vec![path.clone()], read).unwrap();
        let (filter, levels) = changeable(&first).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let lines = Counter(Arc::clone(&count)).with_filter(filter);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            assert_eq!(told_lines(&count), 2);
            for (level, expected) in [("elsewhere=debug", 3), ("loud", 3), ("off", 1), ("error", 2)] {
                put(&path, level);
                levels.look(&watch, read);
                assert_eq!(told_lines(&count), expected, "{level}");
            }
        });
    }
}
