//! What a role's own rules find in a configuration: all of it, each fault where its key stands.

use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use super::{
    bounds,
    fault::{ConfigErrors, Fault, split_fix},
    key::Key,
    reading::Reading,
};
use crate::store::StoreError;

/// Gathers faults, so that one run tells all of them.
pub struct Findings<'a> {
    reading: &'a Reading,
    errors: ConfigErrors,
}

impl<'a> Findings<'a> {
    /// None yet.
    #[must_use]
    pub fn of(role: &str, reading: &'a Reading) -> Self {
        Self {
            reading,
            errors: ConfigErrors::of(role),
        }
    }

    /// What came out of a check, if all was well. Else the fault, whose message begins with its key in backquotes.
    pub fn take<T, E: Into<anyhow::Error>>(&mut self, outcome: Result<T, E>) -> Option<T> {
        self.take_of("", outcome)
    }

    /// The same for messages that need not name a key: then it is `key`.
    pub fn take_of<T, E: Into<anyhow::Error>>(&mut self, key: &str, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.push(fault_of(key, &error.into()));
                None
            }
        }
    }

    /// The same for a `[store]` table, which tells several faults at once.
    pub fn take_store<T>(&mut self, outcome: Result<T, StoreError>) -> Option<T> {
        match outcome {
            Err(StoreError::Keys(errors)) => {
                errors.faults().iter().cloned().for_each(|fault| self.push(fault));
                None
            }
            outcome => self.take(outcome),
        }
    }

    /// Whole numbers out of the bounds that the schema has for them.
    pub fn take_bounds<C: JsonSchema + Serialize>(&mut self, config: &C) {
        // Configurations are made of texts, numbers, lists and tables, which all can be told.
        let told = serde_json::to_value(config).unwrap_or_default();
        let schema = schema_for!(C).to_value();
        bounds::faults(&schema, &told)
            .into_iter()
            .for_each(|fault| self.push(fault));
    }

    fn push(&mut self, mut fault: Fault) {
        if fault.origin.is_none() {
            fault.origin = self.reading.place(&Key::parse(&fault.key));
        }
        self.errors.push(fault);
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Everything that was found.
    ///
    /// # Errors
    /// All faults, if there are any.
    pub fn told(self) -> Result<(), ConfigErrors> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}

/// A message and its causes, taken apart.
fn fault_of(usual_key: &str, error: &anyhow::Error) -> Fault {
    let mut said: Vec<String> = Vec::new();
    let mut fix = None;
    for message in error.chain().map(ToString::to_string) {
        let (what, its_fix) = match split_fix(&message) {
            Some((what, its_fix)) => (what, Some(its_fix.to_owned())),
            None => (message.as_str(), None),
        };
        fix = its_fix.or(fix);
        // Some messages repeat their cause.
        if !said.iter().any(|before| before.contains(what)) {
            said.push(what.to_owned());
        }
    }
    let text = said.join(": ");
    let (key, problem) = split_key(&text).unwrap_or((usual_key, &text));
    Fault {
        origin: None,
        fix: fix.unwrap_or_else(|| usual_fix(key)),
        key: key.to_owned(),
        problem: problem.to_owned(),
    }
}

/// `` `key`: problem`` or `` `key = value` problem``.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.strip_prefix('`')?.split_once('`')?;
    let key = key.split_once(" = ").map_or(key, |(key, _)| key);
    Some((key, rest.trim_start_matches([':', ' ', '\n'])))
}

fn usual_fix(key: &str) -> String {
    if key.is_empty() {
        "see docs/configuration.md".to_owned()
    } else {
        format!("see `{key}` in docs/configuration.md")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart() {
        let cause = || anyhow::anyhow!("the cause\nfix: mend it");
        let table = [
            (anyhow::anyhow!("`a.b`: bad\nfix: good"), ["a.b", "bad", "good"]),
            (
                anyhow::anyhow!("`mail = \"smtp\"` needs a server. fix: give one"),
                ["mail", "needs a server", "give one"],
            ),
            (cause().context("`proxies`"), ["proxies", "the cause", "mend it"]),
            (
                anyhow::anyhow!("`x`: bad"),
                ["x", "bad", "see `x` in docs/configuration.md"],
            ),
            (cause(), ["tls", "the cause", "mend it"]),
        ];
        for (error, [key, problem, fix]) in table {
            let fault = fault_of("tls", &error);
            assert_eq!(
                [fault.key.as_str(), &fault.problem, &fault.fix],
                [key, problem, fix]
            );
        }
    }
}
