//! `foxhold key …`: the keys and secrets of a fleet, and the provider's keys one after the other.

pub(crate) mod provider;

use std::io::Write as _;

use foxhold_core::Clock as _;
use foxhold_runtime::SystemClock;

use crate::{
    cli::KeyCreateArgs,
    key_files::{KeyFiles, NamedKeyFile},
};

pub(crate) fn create(arguments: &KeyCreateArgs) -> anyhow::Result<()> {
    let keys = KeyFiles::in_folder(&arguments.out);
    let nodes = keys.make_for_fleet(&arguments.node, SystemClock.now().as_secs())?;
    let mut out = std::io::stdout().lock();
    for NamedKeyFile { key, .. } in keys.providers_or_first() {
        let (file, passphrase) = (key.file.0, key.passphrase_file.0);
        writeln!(
            out,
            "{}  keysigner: the provider's key, encrypted",
            file.display()
        )?;
        writeln!(
            out,
            "{}  keysigner: what it is encrypted with",
            passphrase.display()
        )?;
    }
    let fixed: [_; 3] = [
        (
            keys.audit().0,
            "keysigner: the audit log of its signatures is sealed with it",
        ),
        (keys.code().0, "webheads: mailed codes are derived with it"),
        (
            keys.metrics().0,
            "webheads: users are counted by it, without their names",
        ),
    ];
    for (path, use_) in fixed {
        writeln!(out, "{}  {use_}", path.display())?;
    }
    for path in nodes {
        let is_list = path.extension().is_some_and(|ending| ending == "secrets");
        let use_ = if is_list {
            "keysigner: the secrets of all sync nodes"
        } else {
            "that sync node: its secret"
        };
        writeln!(out, "{}  {use_}", path.display())?;
    }
    Ok(())
}
