//! The schema of every role's configuration, and the reference that is made of it.

use std::fmt::Write as _;

use clap::ValueEnum as _;
use foxhold_runtime::config::{Reading, Sources};
use serde_json::Value;

use super::{SNAPSHOTS, compare};
use crate::commands::config::{
    keys::{self, KnownKey, Reload},
    role::RoleName,
    show::leaves,
};

const HEAD: &str = "# Every key of every configuration\n\
    \n\
    Made from the program by `RENEW_SNAPSHOTS=1 cargo test -p foxhold texts`, and compared with it by the same test: edit the\n\
    doc comments of the settings, not this file.\n\
    \n\
    A configuration is read from its files, in order, then `FOXHOLD_` variables (`hawk.window_secs` is\n\
    `FOXHOLD_HAWK__WINDOW_SECS`), then flags; what comes later counts. `foxhold config explain KEY --role ROLE` says who sets\n\
    a key, `foxhold config check` whether all is well, `foxhold config init` makes a file to begin with. `keys[].file` is of\n\
    each item of a list, `NAME` a name of your own. Secrets are paths of files that only their owner can read, or names of\n\
    the service manager's credentials. A key that *must be given* must be if its table is there.\n\
    \n\
    *change*: **live** keys are read again while the process runs, within seconds or at once on SIGHUP; of **live (file)** the\n\
    file they name is; all others need a restart.\n";

fn title(role: RoleName) -> String {
    match role {
        RoleName::Box => "foxhold up".to_owned(),
        role => format!("foxhold-{}", role.name()),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn row(key: &KnownKey) -> String {
    let change = match key.reload {
        Some(Reload::Value) => "live",
        Some(Reload::File) => "live (file)",
        None => "restart",
    };
    let default = match &key.default {
        _ if key.is_required => "must be given".to_owned(),
        None | Some(Value::Null) => "–".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let (kind, text) = (cell(&key.kind), cell(&key.text));
    format!(
        "| `{}` | {kind} | {} | {change} | {text} |\n",
        key.name(),
        cell(&default)
    )
}

#[test]
fn the_reference_has_every_key() {
    let mut text = HEAD.to_owned();
    for &role in RoleName::value_variants() {
        let _ = write!(
            text,
            "\n## {}\n\n| key | is | default | change | means |\n| --- | --- | --- | --- | --- |\n",
            title(role)
        );
        let keys = keys::known(&role.role().schema());
        assert!(keys.len() > 5, "{role:?}");
        keys.iter().for_each(|key| text.push_str(&row(key)));
    }
    compare("docs/configuration.md", &text);
}

#[test]
fn every_key_says_what_it_means() {
    let all = RoleName::value_variants().iter();
    let keys = all.flat_map(|role| keys::known(&role.role().schema()));
    let silent: Vec<_> = keys
        .filter(|key| key.text.is_empty())
        .map(|key| key.name())
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// The schema is made of the same types as the values: a key of one that the other lacks would be neither shown nor
/// explained, and a secret among them not hidden.
#[test]
fn every_key_that_has_a_value_is_in_the_reference() {
    for &role in RoleName::value_variants() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sample.toml");
        std::fs::write(&file, role.sample()).unwrap();
        let reading = Reading::of(&Sources {
            files: vec![file],
            ..Sources::default()
        });
        let keys = keys::known(&role.role().schema());
        let resolved = role.role().resolved(&reading).unwrap();
        let held = leaves(&resolved);
        assert!(held.len() > 10, "{role:?}");
        for (key, value) in held {
            // An optional table that is not there is a value, too: none.
            let is_known = keys
                .iter()
                .any(|known| known.fits(&key) || (is_empty(value) && known.is_in(&key)));
            assert!(is_known, "{role:?}: {key}");
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == serde_json::json!([]) || *value == serde_json::json!({})
}

#[test]
fn schemas_are_as_agreed() {
    for &role in RoleName::value_variants() {
        let schema = format!("{:#}\n", role.role().schema());
        compare(&format!("{SNAPSHOTS}/schema/{}.json", role.name()), &schema);
    }
}
