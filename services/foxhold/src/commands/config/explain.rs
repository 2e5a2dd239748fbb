//! `foxhold config explain`: one key, from all sides.

use std::fmt::Write as _;

use clap::Args;
use foxhold_runtime::config::{Key, Reading, Said, Secrets};
use serde_json::{Value, json};
use thiserror::Error;

use super::{
    WhichArgs,
    keys::{self, KnownKey, Reload},
    show::{DEFAULT, in_a_cell, shown},
};
use crate::output::OutputArgs;

/// What is explained.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The key, as in store.path or keys[0].file; or a table, for all keys in it.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A key that the role does not have.
#[derive(Debug, Error)]
#[error("`{key}` is not a key of the role {role}\nfix: {fix}")]
pub(crate) struct UnknownKey {
    key: String,
    role: &'static str,
    fix: String,
}

/// Carries the command out.
pub(super) fn run(arguments: &ExplainArgs) -> anyhow::Result<()> {
    let sources = arguments.which.all_sources();
    let (reading, secrets) = (Reading::of(&sources), Secrets::of_env(&sources.env));
    let role = arguments.which.role;
    let known = keys::known(&role.role().schema());
    let key = Key::parse(&arguments.key);
    let meant: Vec<_> = known.iter().filter(|known| known.is_in(&key)).collect();
    if meant.is_empty() {
        return Err(UnknownKey {
            key: arguments.key.clone(),
            role: role.name(),
            fix: keys::nearest(&arguments.key, &known),
        }
        .into());
    }
    let shown = |key: &Key, value: &Value| shown(key, value, &known, &secrets);
    let mut explained = Vec::new();
    for one in meant {
        let instances = one.instances(&key, &reading);
        explained.extend(
            instances
                .iter()
                .map(|key| Explained::of(one, key, &reading, shown)),
        );
    }
    let texts: Vec<_> = explained.iter().map(Explained::text).collect();
    let values = explained.iter().map(Explained::value).collect();
    Ok(arguments.output.print_list(&texts.join("\n"), "keys", values)?)
}

/// All there is to say about a key.
struct Explained<'a> {
    name: String,
    known: &'a KnownKey,
    /// Who sets it, strongest first.
    said: Vec<Said>,
}

impl<'a> Explained<'a> {
    fn of(known: &'a KnownKey, key: &Key, reading: &Reading, shown: impl Fn(&Key, &Value) -> Value) -> Self {
        let said = reading.said(key).into_iter();
        let said = said.map(|said| Said {
            value: shown(key, &said.value),
            ..said
        });
        Self {
            name: if known.key() == *key {
                known.name()
            } else {
                key.to_string()
            },
            known,
            said: said.collect(),
        }
    }

    fn value_and_place(&self) -> (Value, &str) {
        match self.said.first() {
            Some(said) => (said.value.clone(), &said.place),
            None => (self.known.default.clone().unwrap_or(Value::Null), DEFAULT),
        }
    }

    fn text(&self) -> String {
        let (value, place) = self.value_and_place();
        let mut text = format!(
            "{}\n  value    {}\n  set by   {place}\n",
            self.name,
            in_a_cell(&value)
        );
        // Writing to a String does not fail.
        for below in self.said.iter().skip(1) {
            let _ = writeln!(text, "  over     {} of {}", in_a_cell(&below.value), below.place);
        }
        let _ = writeln!(text, "  default  {}", self.known.default_in_words());
        let _ = writeln!(text, "  is       {}", self.known.kind);
        let _ = writeln!(text, "  change   {}", Reload::in_words(self.known.reload));
        let _ = writeln!(text, "  means    {}", self.known.text);
        text
    }

    fn value(&self) -> Value {
        let (value, place) = self.value_and_place();
        let over = self.said.iter().skip(1);
        let over: Vec<_> = over
            .map(|said| json!({ "value": said.value, "from": said.place }))
            .collect();
        json!({
            "key": self.name,
            "value": value,
            "from": place,
            "over": over,
            "default": self.known.default,
            "is": self.known.kind,
            "change": Reload::in_words(self.known.reload),
            "means": self.known.text,
        })
    }
}
