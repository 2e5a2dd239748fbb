//! Abuse limits inside one process (`security.md` B.1, B.3): the adapter of [`foxhold_ports::Limits`] every single box
//! runs, and of [`foxhold_ports::limits::ReplayGuard`].
//!
//! Reading order: [`rules`] (what the lines mean), `current` (the default lines), [`LocalLimits`] (counting).

mod current;
mod engine;
pub mod live;
mod replay;
pub mod rules;
mod ruling;
mod table;

pub use foxhold_sync::first_assignments::FirstAssignmentSettings;
use foxhold_sync::first_assignments::FirstAssignments;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use engine::LocalLimits;
pub use replay::LocalReplayGuard;
use rules::{Rule, RuleError};

/// What an operator may set about limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// The rules to start from.
    #[schemars(extend("x-reload" = "value"))]
    pub profile: Profile,
    /// Rule lines; an action named here loses all its rules of the profile.
    #[schemars(extend("x-reload" = "value"))]
    pub rules: Vec<String>,
    /// How many keys are remembered; beyond that the one idle for longest is forgotten, but no active block.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub keys_max: usize,
    /// How many counted events are remembered, 8 bytes each, all keys together.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub events_max: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            profile: Profile::Current,
            rules: Vec::new(),
            keys_max: 100_000,
            events_max: 1_000_000,
        }
    }
}

/// Which rules ship with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Close to what Firefox accounts run today.
    #[default]
    Current,
    /// None, and any number of new users.
    Off,
}

impl LimitSettings {
    /// The rules that hold.
    ///
    /// # Errors
    /// [`RuleError`] naming the first bad line.
    pub fn rules(&self) -> Result<Vec<Rule>, RuleError> {
        let configured = rules::parse(&self.rules)?;
        let mut all = match self.profile {
            Profile::Current => rules::parse(current::LINES)?,
            Profile::Off => Vec::new(),
        };
        for rule in &mut all {
            rule.drop_actions_of(&configured);
        }
        all.retain(|rule| !rule.is_empty());
        all.extend(configured);
        Ok(all)
    }

    /// The limits of new users. They have a table of their own, and go off with the profile.
    #[must_use]
    pub fn of_new_users(&self, settings: &FirstAssignmentSettings) -> FirstAssignments {
        let limits = FirstAssignments::new(settings);
        if self.profile == Profile::Off {
            limits.replace(None);
        }
        limits
    }
}

#[cfg(test)]
mod tests;
