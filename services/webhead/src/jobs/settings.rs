//! The tables `[purge]` and `[node_health]` of the configuration.

use std::time::Duration;

use foxhold_ports::assignments::{RECORDS_PAGE_MAX, is_node_url};
use foxhold_sync::jobs::purge::ByUid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// All nodes, where it stands alone.
const ALL: &str = "*";

/// Erasing the data of replaced records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurgeSettings {
    /// Whether this process takes part.
    pub enabled: bool,
    /// From one pass to the next, in seconds; up to 30 % more or less.
    #[schemars(range(max = 31_536_000))]
    pub interval_secs: u64,
    /// How long ago a record must have been replaced, in seconds.
    #[schemars(range(max = 315_360_000))]
    pub grace_secs: u64,
    /// Users read at once, 1 to 1000.
    pub batch: u32,
    /// Records purged in one pass; absent = all that are due.
    pub records_max: Option<u64>,
    /// How long after its first token has run out the place of an untrusted issuer's user is taken back, in seconds, if there
    /// never was a second one; 0 = never. Not while its node is out of service.
    #[schemars(range(max = 315_360_000))]
    pub unused_after_secs: u64,
    /// URLs of nodes that keep data by uid, as `foxhold-sync-node` does; `*` alone for all. On others a record is not purged
    /// while the user's active record has the same keys.
    pub nodes_by_uid: Vec<String>,
}

impl Default for PurgeSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_secs: 3600,
            grace_secs: 86_400,
            batch: 100,
            records_max: None,
            unused_after_secs: 604_800,
            nodes_by_uid: Vec::new(),
        }
    }
}

/// Finding nodes that do not answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeHealthSettings {
    /// Whether this process takes part; absent = in a fleet, and not on a single box.
    pub enabled: Option<bool>,
    /// From one look to the next, in seconds; up to 30 % more or less.
    #[schemars(range(max = 31_536_000))]
    pub interval_secs: u64,
    /// Looks without an answer, in a row, that put a node out of service.
    pub failures: u32,
    /// Answers in a row that bring it back.
    pub answers: u32,
}

impl Default for NodeHealthSettings {
    fn default() -> Self {
        Self {
            enabled: None,
            interval_secs: 10,
            failures: 3,
            answers: 2,
        }
    }
}

/// A setting that cannot be meant. Names the key and the fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{key}`: {fix}")]
pub struct JobsFault {
    /// The key.
    pub key: &'static str,
    /// What to give.
    pub fix: &'static str,
}

impl PurgeSettings {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// [`JobsFault`]
    pub fn check(&self) -> Result<(), JobsFault> {
        let nodes = &self.nodes_by_uid;
        let is_all = matches!(&nodes[..], [one] if one == ALL);
        let rules = [
            (
                self.interval_secs > 0,
                "purge.interval_secs",
                "give at least one second",
            ),
            (
                (1..=RECORDS_PAGE_MAX).contains(&self.batch),
                "purge.batch",
                "give 1 to 1000 users",
            ),
            (
                self.records_max != Some(0),
                "purge.records_max",
                "give at least one record, or leave it out for all",
            ),
            (
                is_all || nodes.iter().all(|node| is_node_url(node)),
                "purge.nodes_by_uid",
                "give nodes' URLs without a trailing slash, or \"*\" alone for all",
            ),
        ];
        first_fault(&rules)
    }

    /// How long a place may be unused.
    #[must_use]
    pub const fn unused_after(&self) -> Option<Duration> {
        match self.unused_after_secs {
            0 => None,
            secs => Some(Duration::from_secs(secs)),
        }
    }

    /// Another node that is known to keep data by uid.
    pub fn also_by_uid(&mut self, node: String) {
        if !self.nodes_by_uid.iter().any(|known| known == ALL) {
            self.nodes_by_uid.push(node);
        }
    }

    /// Which nodes keep data by uid.
    #[must_use]
    pub fn by_uid(&self) -> ByUid {
        if self.nodes_by_uid.iter().any(|node| node == ALL) {
            return ByUid::All;
        }
        ByUid::Nodes(self.nodes_by_uid.iter().cloned().collect())
    }
}

impl NodeHealthSettings {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// [`JobsFault`]
    pub fn check(&self) -> Result<(), JobsFault> {
        first_fault(&[
            (
                self.interval_secs > 0,
                "node_health.interval_secs",
                "give at least one second",
            ),
            (self.failures > 0, "node_health.failures", "give at least one"),
            (self.answers > 0, "node_health.answers", "give at least one"),
        ])
    }
}

fn first_fault(rules: &[(bool, &'static str, &'static str)]) -> Result<(), JobsFault> {
    match rules.iter().find(|(holds, ..)| !holds) {
        None => Ok(()),
        Some(&(_, key, fix)) => Err(JobsFault { key, fix }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named_by_its_key() {
        type Row = (fn(&mut PurgeSettings), Option<&'static str>);
        let table: [Row; 8] = [
            (|_| {}, None),
            (|s| s.grace_secs = 0, None),
            (|s| s.nodes_by_uid = vec!["*".into()], None),
            (|s| s.nodes_by_uid = vec!["https://a.example".into()], None),
            (|s| s.interval_secs = 0, Some("purge.interval_secs")),
            (|s| s.batch = 1001, Some("purge.batch")),
            (|s| s.records_max = Some(0), Some("purge.records_max")),
            (
                |s| s.nodes_by_uid = vec!["*".into(), "https://a.example".into()],
                Some("purge.nodes_by_uid"),
            ),
        ];
        for (change, expected) in table {
            let mut settings = PurgeSettings::default();
            change(&mut settings);
            assert_eq!(
                settings.check().err().map(|fault| fault.key),
                expected,
                "{settings:?}"
            );
        }
        for key in ["interval_secs", "failures", "answers"] {
            let settings: NodeHealthSettings = toml::from_str(&format!("{key} = 0")).unwrap();
            assert_eq!(settings.check().unwrap_err().key, format!("node_health.{key}"));
        }
        assert!(toml::from_str::<PurgeSettings>("colour = 'red'").is_err());
    }
}
