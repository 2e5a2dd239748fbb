//! One source of values, and at which line of it each key stands.

use std::{collections::BTreeMap, path::Path};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use toml::de::{DeTable, DeValue};

use super::{
    fault::{self, Fault},
    key::Key,
};

/// One source of values.
#[derive(Debug)]
pub(super) struct Layer {
    origin: String,
    values: Dict,
    /// Of a file: where its keys are, lines counted from 1.
    lines: BTreeMap<Key, usize>,
}

impl Layer {
    /// What a file holds.
    pub(super) fn of_file(path: &Path) -> Result<Self, Fault> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| fault::unreadable(&origin, &error))?;
        let values = toml::from_str(&text).map_err(|error| fault::not_toml(&origin, &text, &error))?;
        let lines = lines(&text);
        Ok(Self {
            origin,
            values,
            lines,
        })
    }

    /// One key, from elsewhere than a file.
    pub(super) fn of_key(origin: String, key: &str, value: &str) -> Self {
        let mut value = read_value(value);
        let mut levels: Vec<&str> = key.split('.').collect();
        let top = levels.remove(0);
        for level in levels.into_iter().rev() {
            value = Value::from(Dict::from([(level.to_owned(), value)]));
        }
        Self {
            origin,
            values: Dict::from([(top.to_owned(), value)]),
            lines: BTreeMap::new(),
        }
    }

    /// A copy that keys may be taken out of.
    pub(super) fn again(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            values: self.values.clone(),
            lines: BTreeMap::new(),
        }
    }

    /// Where a key is said: `file:line`, or what the source is called.
    pub(super) fn place(&self, key: &Key) -> String {
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}", self.origin),
            None => self.origin.clone(),
        }
    }

    /// What the source says about a key.
    pub(super) fn find(&self, key: &Key) -> Option<&Value> {
        let (top, below) = key.levels().split_first()?;
        below
            .iter()
            .try_fold(self.values.get(top)?, |value, level| match value {
                Value::Dict(_, table) => table.get(level),
                Value::Array(_, items) => items.get(level.parse::<usize>().ok()?),
                _ => None,
            })
    }

    /// Forgets what the source says about a key; whether it said anything.
    pub(super) fn take_out(&mut self, key: &Key) -> bool {
        take_out(&mut self.values, key.levels())
    }

    /// Every key of the source that has a value and no keys below it.
    pub(super) fn leaves(&self) -> Vec<Key> {
        let mut found = Vec::new();
        for (name, value) in &self.values {
            leaves(Key::default().below(name), value, &mut found);
        }
        found
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The text of a variable or flag as a value: TOML where it is TOML (number, truth, list, quoted text), else the text
/// itself, so that ordinary words and addresses need no quotes.
fn read_value(text: &str) -> Value {
    match text.parse::<toml::Value>() {
        Ok(toml::Value::Datetime(_)) | Err(_) => Value::from(text),
        Ok(value) => Value::serialize(value).unwrap_or_else(|_| Value::from(text)),
    }
}

fn take_out(table: &mut Dict, key: &[String]) -> bool {
    match key {
        [] => false,
        [last] => table.remove(last).is_some(),
        [first, below @ ..] => table
            .get_mut(first)
            .is_some_and(|value| take_out_below(value, below)),
    }
}

fn take_out_below(value: &mut Value, key: &[String]) -> bool {
    match value {
        Value::Dict(_, table) => take_out(table, key),
        Value::Array(_, items) => key.split_first().is_some_and(|(place, below)| {
            let item = place.parse().ok().and_then(|at: usize| items.get_mut(at));
            item.is_some_and(|item| take_out_below(item, below))
        }),
        _ => false,
    }
}

fn leaves(key: Key, value: &Value, found: &mut Vec<Key>) {
    match value {
        Value::Dict(_, table) => {
            for (name, value) in table {
                leaves(key.below(name), value, found);
            }
        }
        Value::Array(_, items) if items.iter().any(|item| item.as_dict().is_some()) => {
            for (at, item) in items.iter().enumerate() {
                leaves(key.below(at.to_string()), item, found);
            }
        }
        _ => found.push(key),
    }
}

/// The lines of all keys of a text that is TOML.
fn lines(text: &str) -> BTreeMap<Key, usize> {
    let mut found = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        Lines {
            text,
            found: &mut found,
        }
        .of_table(&Key::default(), table.get_ref());
    }
    found
}

struct Lines<'a> {
    text: &'a str,
    found: &'a mut BTreeMap<Key, usize>,
}

impl Lines<'_> {
    fn at(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    fn of_table(&mut self, key: &Key, table: &DeTable<'_>) {
        for (name, value) in table {
            let below = key.below(name.get_ref().as_ref());
            let line = self.at(name.span().start);
            self.found.insert(below.clone(), line);
            self.of_value(&below, value.get_ref());
        }
    }

    fn of_value(&mut self, key: &Key, value: &DeValue<'_>) {
        if let Some(table) = value.as_table() {
            self.of_table(key, table);
        }
        for (at, item) in value
            .as_array()
            .into_iter()
            .flat_map(|items| items.iter())
            .enumerate()
        {
            let below = key.below(at.to_string());
            let line = self.at(item.span().start);
            self.found.insert(below.clone(), line);
            self.of_value(&below, item.get_ref());
        }
    }
}
