//! The tables `[limits]` and `[first_assignments]`, as they are read again while the process runs (`ecosystem.md` 3.2).
//!
//! Must stay true: what cannot be read changes nothing; what was counted for a rule that stays goes on counting.

use std::{error::Error, sync::Arc};

use foxhold_runtime::config::{ConfigErrors, FileWatch, next_look};
use foxhold_sync::first_assignments::{FirstAssignmentSettings, FirstAssignments, FirstAssignmentsFault};
use thiserror::Error;

use super::{
    LimitSettings, LocalLimits, Profile,
    rules::{Rule, RuleError},
};

/// Part of the configuration, in metrics and logs.
pub const PART: &str = "limits";

/// Limits that cannot be put in force.
#[derive(Debug, Error)]
pub enum LimitsFault {
    /// The configuration they stand in cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A line that is no rule.
    #[error("`limits.rules`")]
    Rule(#[from] RuleError),
    /// A limit of new users that would refuse everybody, or nobody.
    #[error(transparent)]
    FirstAssignments(#[from] FirstAssignmentsFault),
}

/// What can be put in force: read and checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Limiting {
    rules: Vec<Rule>,
    /// Absent = any number of new users.
    new_users: Option<FirstAssignmentSettings>,
}

impl Limiting {
    /// What the two tables say.
    ///
    /// # Errors
    /// [`LimitsFault`]
    pub fn of(limits: &LimitSettings, new_users: &FirstAssignmentSettings) -> Result<Self, LimitsFault> {
        new_users.check()?;
        Ok(Self {
            rules: limits.rules()?,
            new_users: (limits.profile == Profile::Current).then(|| new_users.clone()),
        })
    }
}

/// The limits in force.
#[derive(Clone)]
pub struct CurrentLimits {
    /// Of attempts.
    pub attempts: Arc<LocalLimits>,
    /// Of new users.
    pub new_users: Arc<FirstAssignments>,
}

impl CurrentLimits {
    /// Puts others in force, from the next attempt on.
    pub fn replace(&self, limiting: Limiting) {
        self.attempts.replace(limiting.rules);
        self.new_users.replace(limiting.new_users.as_ref());
    }
}

/// Takes over what changes in the watched files, for as long as it is polled.
pub async fn keep_fresh<E: Error>(
    watch: &FileWatch,
    current: &CurrentLimits,
    read: impl Fn() -> Result<Limiting, E>,
) {
    loop {
        next_look().await;
        if let Some(limiting) = watch.look(&read) {
            tracing::info!(
                rules = limiting.rules.len(),
                new_users = limiting.new_users.is_some(),
                "limits"
            );
            current.replace(limiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use foxhold_ports::{
        Limits as _,
        limits::{Action, LimitKeys},
        memory::{ManualClock, SeededRandom},
    };
    use foxhold_runtime::config::Sources;

    use super::*;
    use crate::Config;

    const SAMPLE: &str = include_str!("../../../../deploy/config/webhead.toml");

    /// Written beside and moved over it, as editors do: another file each time.
    fn put(path: &std::path::Path, tables: &str) {
        let new = path.with_extension("new");
        fs::write(&new, format!("{SAMPLE}\n{tables}")).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn rules(lines: &[&str]) -> String {
        format!("[limits]\nprofile = \"off\"\nrules = {lines:?}")
    }

    const LOGIN: &str = "accountLogin : uid : 2 : 1 h : 1 h : block";
    const CREATE: &str = "accountCreate : uid : 1 : 1 h : 1 h : block";

    #[tokio::test]
    async fn limits_follow_the_file_outlive_a_broken_one_and_keep_what_was_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhead.toml");
        put(&path, &rules(&[LOGIN]));
        let sources = Sources {
            files: vec![path.clone()],
            ..Sources::default()
        };
        let mut config: Config = foxhold_runtime::config::load("webhead", &sources).unwrap();
        config.sources = sources;
        let read = || config.limits_again();
        let (watch, first) = FileWatch::of_paths(PART, vec![path.clone()], read).unwrap();
        let clock = Arc::new(ManualClock::new(foxhold_core::Timestamp::from_secs(
            1_700_000_000,
        )));
        let attempts = LocalLimits::new(&config.limits, clock, &SeededRandom::new(1)).unwrap();
        let current = CurrentLimits {
            attempts: Arc::new(attempts),
            new_users: Arc::new(config.limits.of_new_users(&config.first_assignments)),
        };
        current.replace(first);
        let keys = LimitKeys {
            uid: Some("aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap()),
            ..LimitKeys::default()
        };
        let passes = async |action| current.attempts.count(action, keys).await.is_ok();
        assert!(passes(Action::AccountLogin).await);
        for broken in [
            rules(&["accountLogin : uid : few : 1 h : 1 h : block"]),
            "[limits]\nprofile = \"none\"".to_owned(),
            "[first_assignments]\nissuer_burst = 0".to_owned(),
            "[".to_owned(),
        ] {
            put(&path, &broken);
            assert_eq!(watch.look(read), None, "{broken}");
        }
        // Another rule in front of it: the one that stays still knows of the first attempt.
        put(&path, &rules(&[CREATE, LOGIN]));
        current.replace(watch.look(read).unwrap());
        assert!(passes(Action::AccountCreate).await);
        assert!(!passes(Action::AccountCreate).await);
        assert!(passes(Action::AccountLogin).await);
        assert!(!passes(Action::AccountLogin).await);
        // Gone, and with it what it refused.
        put(&path, &rules(&[CREATE]));
        current.replace(watch.look(read).unwrap());
        assert!(passes(Action::AccountLogin).await);
        assert!(!passes(Action::AccountCreate).await);
        // Back, it begins anew.
        put(&path, &rules(&[LOGIN]));
        current.replace(watch.look(read).unwrap());
        assert!(passes(Action::AccountLogin).await);
    }
}
