//! `foxhold config show`: what files, environment and defaults make together.

use clap::Args;
use foxhold_runtime::config::{Key, Reading, SecretFile, Secrets};
use serde_json::{Value, json};

use super::{
    WhichArgs,
    keys::{self, KnownKey},
};
use crate::output::{OutputArgs, table};

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Where a value is from that nobody gave.
pub(super) const DEFAULT: &str = "default";

/// Carries the command out.
pub(super) fn run(arguments: &ShowArgs) -> anyhow::Result<()> {
    let sources = arguments.which.sources()?;
    let (reading, secrets) = (Reading::of(&sources), Secrets::of_env(&sources.env));
    let role = arguments.which.role.role();
    let known = keys::known(&role.schema());
    let resolved = role.resolved(&reading)?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (key, value) in leaves(&resolved) {
        let value = shown(&key, value, &known, &secrets);
        let said = reading.said(&key).into_iter().next();
        let from = said.map_or_else(|| DEFAULT.to_owned(), |said| said.place);
        rows.push([key.to_string(), in_a_cell(&value), from.clone()]);
        values.push(json!({ "key": key.to_string(), "value": value, "from": from }));
    }
    let text = table(["KEY", "VALUE", "FROM"], &rows);
    Ok(arguments.output.print_list(&text, "settings", values)?)
}

/// As it may be shown: of secrets, the file and its length.
pub(super) fn shown(key: &Key, value: &Value, known: &[KnownKey], secrets: &Secrets) -> Value {
    let is_secret = known.iter().any(|known| known.is_secret && known.fits(key));
    if is_secret {
        hidden(value, secrets)
    } else {
        value.clone()
    }
}

fn hidden(value: &Value, secrets: &Secrets) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(path) => secrets.shown(&SecretFile(path.into())).into(),
        Value::Array(paths) => paths.iter().map(|path| hidden(path, secrets)).collect(),
        _ => "<not a path>".into(),
    }
}

/// A value in a line.
pub(super) fn in_a_cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.starts_with('<') => text.clone(),
        value => value.to_string(),
    }
}

/// Every key that has a value and no keys below it.
pub(crate) fn leaves(config: &Value) -> Vec<(Key, &Value)> {
    let mut found = Vec::new();
    gather(Key::default(), config, &mut found);
    found
}

fn gather<'a>(key: Key, value: &'a Value, found: &mut Vec<(Key, &'a Value)>) {
    match value {
        Value::Object(table) if !table.is_empty() || key == Key::default() => {
            for (name, value) in table {
                gather(key.below(name), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                gather(key.below(at.to_string()), item, found);
            }
        }
        _ => found.push((key, value)),
    }
}
