//! One configuration per process, read once at its start: built-in defaults, TOML files in the order given, `FOXHOLD_`
//! environment with `__` between levels, then flags (`ecosystem.md` 3.2). Every `main` calls [`load`].
//!
//! What must stay true: a key nobody knows is an error, all faults of one run are reported together, each with where
//! it comes from and a fix, and no message repeats a value: it could be a secret in the wrong place.

mod fault;
mod secret;
mod watch;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;

pub use fault::{ConfigErrors, Fault};
pub use secret::{SecretError, SecretFile, Secrets};
pub use watch::{FileWatch, LOOK_PAUSE};

const PREFIX: &str = "FOXHOLD_";

/// Variables that belong to command lines and name no key.
const RESERVED: [&str; 2] = ["FOXHOLD_CONFIG", "FOXHOLD_DATA"];

/// Where a configuration comes from, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files in order; each must exist.
    pub files: Vec<PathBuf>,
    /// Variables of the process, names in full.
    pub env: Vec<(String, String)>,
    /// Keys (dotted) set by flags.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// What a role reads: `files`, or else those that `FOXHOLD_CONFIG` names (colon separated), or else
    /// `/etc/foxhold/<role>.toml` and `/etc/foxhold/conf.d/*.toml` as far as they exist.
    #[must_use]
    pub fn of_process(role: &str, files: Vec<PathBuf>) -> Self {
        let env = process_env();
        let files = if !files.is_empty() {
            files
        } else if let Some((_, list)) = env.iter().find(|(name, _)| name == "FOXHOLD_CONFIG") {
            list.split(':')
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect()
        } else {
            installed_files(Path::new("/etc/foxhold"), role)
        };
        Self {
            files,
            env,
            overrides: Vec::new(),
        }
    }
}

/// The environment, read once. Entries that are not text are left out: no key of ours is spelled so.
#[must_use]
pub fn process_env() -> Vec<(String, String)> {
    let text = |os: OsString| os.into_string().ok();
    std::env::vars_os()
        .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
        .collect()
}

fn installed_files(folder: &Path, role: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("conf.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let main = folder.join(format!("{role}.toml"));
    if main.is_file() {
        files.insert(0, main);
    }
    files
}

/// Reads the configuration of a role. The type says what is known: `#[serde(default, deny_unknown_fields)]`.
///
/// # Errors
/// All faults found, each with its origin and a fix.
pub fn load<T: DeserializeOwned>(role: &str, sources: &Sources) -> Result<T, ConfigErrors> {
    let mut errors = ConfigErrors::of(role);
    let mut layers = Vec::new();
    for path in &sources.files {
        match read_file(path) {
            Ok(layer) => layers.push(layer),
            Err(fault) => errors.push(fault),
        }
    }
    layers.extend(
        sources
            .env
            .iter()
            .filter_map(|(name, value)| env_layer(name, value)),
    );
    layers.extend(
        sources
            .overrides
            .iter()
            .map(|(key, value)| Layer::of_key(format!("the flag for `{key}`"), key, value)),
    );
    extract(layers, errors)
}

/// Extracts, and on a fault takes the faulty key out and goes on, so that one run reports every fault.
fn extract<T: DeserializeOwned>(mut layers: Vec<Layer>, mut errors: ConfigErrors) -> Result<T, ConfigErrors> {
    let mut taken_out: Vec<Vec<String>> = Vec::new();
    loop {
        let figment = layers.iter().fold(Figment::new(), Figment::merge);
        let failure = match figment.extract::<T>() {
            Ok(config) if errors.is_empty() => return Ok(config),
            Ok(_) => return Err(errors),
            Err(failure) => failure,
        };
        let key = fault::key_of(&failure);
        // A key we took out ourselves may now be missed: that is no fault of its own.
        if !taken_out.contains(&key) {
            let origin = layers
                .iter()
                .rev()
                .find(|layer| layer.has(&key))
                .map(|layer| layer.origin.clone());
            errors.push(fault::explain(&failure, &key, origin));
        }
        // Of every layer: a fault below must not come up once the one above is gone.
        let holders = layers
            .iter_mut()
            .filter_map(|layer| layer.take_out(&key).then_some(()))
            .count();
        if holders == 0 {
            return Err(errors);
        }
        taken_out.push(key);
    }
}

/// One source of values.
#[derive(Debug)]
struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    fn of_key(origin: String, key: &str, value: &str) -> Self {
        let mut value = read_value(value);
        let mut levels: Vec<&str> = key.split('.').collect();
        let top = levels.remove(0);
        for level in levels.into_iter().rev() {
            value = Value::from(Dict::from([(level.to_owned(), value)]));
        }
        Self {
            origin,
            values: Dict::from([(top.to_owned(), value)]),
        }
    }

    fn has(&self, key: &[String]) -> bool {
        let Some((last, parents)) = key.split_last() else {
            return false;
        };
        let mut level = &self.values;
        for parent in parents {
            match level.get(parent) {
                Some(Value::Dict(_, below)) => level = below,
                _ => return false,
            }
        }
        level.contains_key(last)
    }

    fn take_out(&mut self, key: &[String]) -> bool {
        let Some((last, parents)) = key.split_last() else {
            return false;
        };
        let mut level = &mut self.values;
        for parent in parents {
            match level.get_mut(parent) {
                Some(Value::Dict(_, below)) => level = below,
                _ => return false,
            }
        }
        level.remove(last).is_some()
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

fn read_file(path: &Path) -> Result<Layer, Fault> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| fault::unreadable(&origin, &error))?;
    let values = toml::from_str(&text).map_err(|error| fault::not_toml(&origin, &text, &error))?;
    Ok(Layer { origin, values })
}

fn env_layer(name: &str, value: &str) -> Option<Layer> {
    if RESERVED.contains(&name) {
        return None;
    }
    let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
    Some(Layer::of_key(format!("environment variable {name}"), &key, value))
}

#[cfg(test)]
mod tests;
