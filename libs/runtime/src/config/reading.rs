//! What the sources of a process say, and what of it counts.

use std::collections::BTreeSet;

use figment::{Figment, value::Value};
use serde::de::DeserializeOwned;

use super::{
    PREFIX, RESERVED, Sources,
    fault::{self, ConfigErrors, Fault},
    key::Key,
    layer::Layer,
};

/// All sources, read. Remembers where each value comes from.
#[derive(Debug)]
pub struct Reading {
    /// Weakest first.
    layers: Vec<Layer>,
    /// Files that could not be read.
    faults: Vec<Fault>,
}

/// What one source says about a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// `file:line`, `environment variable NAME`, or the flag.
    pub place: String,
    /// As it stands there.
    pub value: serde_json::Value,
}

impl Reading {
    /// Reads every source.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let (mut layers, mut faults) = (Vec::new(), Vec::new());
        for path in &sources.files {
            match Layer::of_file(path) {
                Ok(layer) => layers.push(layer),
                Err(fault) => faults.push(fault),
            }
        }
        let variables = sources.env.iter();
        layers.extend(variables.filter_map(|(name, value)| env_layer(name, value)));
        let flags = sources.overrides.iter();
        layers.extend(flags.map(|(key, value)| Layer::of_key(format!("the flag for `{key}`"), key, value)));
        Self { layers, faults }
    }

    /// What it means, for the role `role`.
    ///
    /// # Errors
    /// All faults found, each with its origin and a fix.
    pub fn resolve<T: DeserializeOwned>(&self, role: &str) -> Result<T, ConfigErrors> {
        let mut errors = ConfigErrors::of(role);
        self.faults.iter().cloned().for_each(|fault| errors.push(fault));
        match self.merged().extract::<T>() {
            Ok(config) if errors.is_empty() => Ok(config),
            Ok(_) => Err(errors),
            Err(failure) => Err(self.all_faults::<T>(failure, errors)),
        }
    }

    fn merged(&self) -> Figment {
        self.layers.iter().fold(Figment::new(), Figment::merge)
    }

    /// Takes each faulty key out and goes on, so that one run reports every fault.
    fn all_faults<T: DeserializeOwned>(
        &self,
        first: figment::Error,
        mut errors: ConfigErrors,
    ) -> ConfigErrors {
        let mut left = Self {
            layers: self.layers.iter().map(Layer::again).collect(),
            faults: Vec::new(),
        };
        let mut taken_out: Vec<Key> = Vec::new();
        let mut failure = first;
        loop {
            let key = fault::key_of(&failure);
            // A key we took out ourselves may now be missed: that is no fault of its own.
            if !taken_out.contains(&key) {
                errors.push(fault::explain(&failure, &key, self.place(&key)));
            }
            let Some(gone) = left.take_out(&key) else {
                return errors;
            };
            taken_out.push(key);
            taken_out.push(gone);
            match left.merged().extract::<T>() {
                Ok(_) => return errors,
                Err(next) => failure = next,
            }
        }
    }

    /// Of every layer: a fault below must not come up once the one above is gone. What stands in no table, as one word of a
    /// list, goes with what it stands in. What went, if anything did.
    fn take_out(&mut self, key: &Key) -> Option<Key> {
        let mut levels = key.levels().to_vec();
        while !levels.is_empty() {
            let key = Key::of(levels.clone());
            let holders = self
                .layers
                .iter_mut()
                .filter_map(|layer| layer.take_out(&key).then_some(()));
            if holders.count() > 0 {
                return Some(key);
            }
            levels.pop();
        }
        None
    }

    /// Where a key has its value from, or else what it stands in; `None` where nobody says anything about it.
    #[must_use]
    pub fn place(&self, key: &Key) -> Option<String> {
        let mut levels = key.levels().to_vec();
        while !levels.is_empty() {
            let key = Key::of(levels.clone());
            if let Some(layer) = self.layers.iter().rev().find(|layer| layer.find(&key).is_some()) {
                return Some(layer.place(&key));
            }
            levels.pop();
        }
        None
    }

    /// What each source says about a key, strongest first.
    #[must_use]
    pub fn said(&self, key: &Key) -> Vec<Said> {
        let holders = self.layers.iter().rev();
        let said = holders.filter_map(|layer| {
            Some(Said {
                place: layer.place(key),
                value: as_json(layer.find(key)?),
            })
        });
        said.collect()
    }

    /// How many keys have a value that is not built in.
    #[must_use]
    pub fn keys(&self) -> usize {
        let leaves = self.layers.iter().flat_map(Layer::leaves);
        leaves.collect::<BTreeSet<_>>().len()
    }
}

fn as_json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}

fn env_layer(name: &str, value: &str) -> Option<Layer> {
    if RESERVED.contains(&name) {
        return None;
    }
    let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
    Some(Layer::of_key(format!("environment variable {name}"), &key, value))
}
