//! The rules in force, arranged by action.
//!
//! Must stay true: a rule keeps its number for as long as it is in force, whichever others come and go, and no other rule
//! ever has it: what was counted for a rule is never taken for another's.

use std::collections::BTreeMap;

use foxhold_ports::limits::Action;

use super::rules::{Effect, KeyKind, Rule};

/// Rules with their numbers.
#[derive(Default)]
pub(super) struct Ruling {
    rules: Vec<(usize, Rule)>,
    /// Places of those that count an action: those that name it, or else those for all that no rule names.
    of_action: BTreeMap<Action, Vec<usize>>,
    /// Kinds of key somebody can be banned by.
    ban_kinds: Vec<KeyKind>,
    next_number: usize,
}

impl Ruling {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self::default().followed_by(rules)
    }

    /// Other rules in place of these. Those that are the same as before keep their numbers.
    pub(super) fn followed_by(&self, rules: Vec<Rule>) -> Self {
        let mut before: Vec<_> = self.rules.iter().collect();
        let mut next_number = self.next_number;
        let mut number_of = |rule: &Rule| {
            if let Some(place) = before.iter().position(|(_, known)| known == rule) {
                return before.remove(place).0;
            }
            next_number += 1;
            next_number - 1
        };
        let actions = Action::ALL.iter().map(|(action, _)| *action);
        let of_action = actions.map(|action| (action, places(action, &rules))).collect();
        let mut ban_kinds: Vec<_> = rules
            .iter()
            .filter(|rule| rule.effect == Effect::Ban)
            .map(|rule| rule.key)
            .collect();
        ban_kinds.sort_unstable();
        ban_kinds.dedup();
        let rules = rules.into_iter().map(|rule| (number_of(&rule), rule)).collect();
        Self {
            rules,
            of_action,
            ban_kinds,
            next_number,
        }
    }

    /// The rules that count an action, with their numbers.
    pub(super) fn of(&self, action: Action) -> impl Iterator<Item = (usize, &Rule)> {
        let places = self.of_action.get(&action).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|place| {
            let (number, rule) = &self.rules[*place];
            (*number, rule)
        })
    }

    /// Kinds of key somebody can be banned by.
    pub(super) fn ban_kinds(&self) -> &[KeyKind] {
        &self.ban_kinds
    }
}

/// Places of the rules that count an action.
fn places(action: Action, rules: &[Rule]) -> Vec<usize> {
    let named = rules.iter().any(|rule| rule.names(action));
    let counts = |rule: &Rule| {
        if named {
            rule.names(action)
        } else {
            rule.is_fallback()
        }
    };
    rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| counts(rule))
        .map(|(place, _)| place)
        .collect()
}
