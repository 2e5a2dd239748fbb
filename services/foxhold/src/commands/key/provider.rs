//! `foxhold key list|rotate`: the provider's keys in a folder of keys, and when each has its turn (`security.md` C.4). Works
//! on files: signers read them when they start, and change from one key to the next by themselves.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use foxhold_core::{Clock as _, Timestamp};
use foxhold_keysigner::{
    custody::{Custody, file},
    keygen,
    rotation::{self, KeyState, PUBLISHED_BEFORE},
};
use foxhold_runtime::{SystemClock, SystemRandom, config::Secrets};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    commands::NoSuchFile,
    data_folder::DataFolder,
    key_files::{KeyFiles, NamedKeyFile},
    output::{OutputArgs, moment, table},
    values::span,
};

/// Where the keys are.
#[derive(Debug, Args)]
pub(crate) struct KeyPlace {
    /// A folder of keys, as `foxhold key create` makes one, in place of a box's.
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    keys: Option<PathBuf>,
    /// The box's folder.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    data: PathBuf,
}

impl KeyPlace {
    fn files(&self) -> KeyFiles {
        let of_box = || DataFolder::keys_of(&self.data);
        KeyFiles::in_folder(self.keys.clone().unwrap_or_else(of_box))
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyListArgs {
    #[command(flatten)]
    place: KeyPlace,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRotateArgs {
    #[command(flatten)]
    place: KeyPlace,
    /// When the new key has its turn, counted from now.
    #[arg(long = "in", value_name = "TIME", value_parser = span, default_value = "25h")]
    turn_in: std::time::Duration,
    /// Say what would be made, and make nothing.
    #[arg(long)]
    dry_run: bool,
    /// Confirm a turn within a day, or beside another key that waits: whoever keeps the published keys so long refuses what
    /// the new one signs.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A rotation that is refused.
#[derive(Debug, Error)]
pub(crate) enum RotationRefused {
    #[error(
        "{name} has its turn at {turn}\nfix: wait until then; one key at a time. After a key was stolen: --yes"
    )]
    UnderWay { name: String, turn: String },
    #[error(
        "others keep the published keys for a day, and would refuse what a key signs that they have not seen\nfix: --in 24h or more, or --yes"
    )]
    TooSoon,
    #[error("{}: no key of the provider\nfix: foxhold key create, or foxhold up, makes the first", folder.display())]
    None { folder: PathBuf },
}

/// A key that was opened, and what it is at present.
struct Listed {
    name: String,
    custody: Box<dyn Custody>,
    state: KeyState,
}

fn open(files: &KeyFiles, now: Timestamp) -> anyhow::Result<Vec<Listed>> {
    NoSuchFile::check("folder", files.folder())?;
    let named = files.providers();
    let named = named.with_context(|| format!("reading the keys in {}", files.folder().display()))?;
    if named.is_empty() {
        let folder = files.folder().to_owned();
        return Err(RotationRefused::None { folder }.into());
    }
    let mut opened = Vec::new();
    for NamedKeyFile { name, key } in named {
        opened.push((name, file::open(&Secrets::default(), "keys", &key)?));
    }
    let turns: Vec<_> = opened.iter().map(|(_, custody)| custody.signs_from()).collect();
    let states = rotation::states(&turns, now);
    Ok(opened
        .into_iter()
        .zip(states)
        .map(|((name, custody), state)| Listed { name, custody, state })
        .collect())
}

/// Lists them.
pub(crate) fn list(arguments: &KeyListArgs) -> anyhow::Result<()> {
    let listed = open(&arguments.place.files(), SystemClock.now())?;
    let rows: Vec<_> = listed.iter().map(row).collect();
    let text = table(
        ["NAME", "KEY ID", "STATE", "MADE", "SIGNS FROM", "PUBLISHED UNTIL"],
        &rows,
    );
    arguments
        .output
        .print_list(&text, "keys", listed.iter().map(value).collect())?;
    Ok(())
}

fn turn(listed: &Listed) -> Option<Timestamp> {
    Some(listed.custody.signs_from()).filter(|at| *at != Timestamp::default())
}

fn row(listed: &Listed) -> [String; 6] {
    [
        listed.name.clone(),
        listed.custody.public_key().kid.clone(),
        listed.state.name().to_owned(),
        moment(listed.custody.created_at()),
        turn(listed).map_or_else(|| "always".to_owned(), moment),
        listed.state.retires_at().map_or_else(|| "-".to_owned(), moment),
    ]
}

fn value(listed: &Listed) -> Value {
    json!({
        "name": listed.name,
        "kid": listed.custody.public_key().kid,
        "state": listed.state.name(),
        "created_at": moment(listed.custody.created_at()),
        "signs_from": turn(listed).map(moment),
        "published_until": listed.state.retires_at().map(moment),
    })
}

/// Makes the next one.
pub(crate) fn rotate(arguments: &KeyRotateArgs) -> anyhow::Result<()> {
    let (files, now) = (arguments.place.files(), SystemClock.now());
    let listed = open(&files, now)?;
    if !arguments.yes {
        refuse_without_need(arguments, &listed)?;
    }
    let name = next_name(&listed);
    let turn = now.plus(arguments.turn_in);
    let folder = files.folder();
    if !arguments.dry_run {
        keygen::create_next(folder, &name, turn, &SystemClock, &SystemRandom)?;
    }
    let is_due = arguments.turn_in < PUBLISHED_BEFORE;
    arguments.output.print(
        &told(folder, &name, turn, (arguments.dry_run, is_due)),
        &json!({"name": name, "signs_from": moment(turn), "made": !arguments.dry_run}),
    )?;
    Ok(())
}

/// What is done only when there is no time to lose, as after a key was stolen: another key that waits for its turn is no
/// reason to go on signing with that one.
fn refuse_without_need(arguments: &KeyRotateArgs, listed: &[Listed]) -> Result<(), RotationRefused> {
    for key in listed {
        if let KeyState::Next(at) = key.state {
            let (name, turn) = (key.name.clone(), moment(at));
            return Err(RotationRefused::UnderWay { name, turn });
        }
    }
    if arguments.turn_in < PUBLISHED_BEFORE {
        return Err(RotationRefused::TooSoon);
    }
    Ok(())
}

/// `provider-2` after the first one.
fn next_name(listed: &[Listed]) -> String {
    let number = |listed: &Listed| listed.name.strip_prefix("provider-")?.parse::<u32>().ok();
    let last = listed.iter().filter_map(number).max().unwrap_or(1);
    format!("provider-{}", last + 1)
}

fn told(folder: &Path, name: &str, turn: Timestamp, (is_dry, is_due): (bool, bool)) -> String {
    let path = folder.join(format!("{name}.pem"));
    let (path, turn) = (path.display(), moment(turn));
    if is_dry {
        return format!("would make {path}, which signs from {turn} on\n");
    }
    if is_due {
        return format!(
            "{path} signs from {turn} on\n\
             Restart the box, or give the two files to every keysigner, list them in `keys` and restart it.\n\
             If an older key was stolen, take its files away first: until then it is published, and counts. Restart the \
             webheads, too. Everybody signs in anew.\n\
             Else keep it: it is published until nothing is good any more that it signed.\n"
        );
    }
    format!(
        "{path} signs from {turn} on\n\
         Before then, restart the box, or give the two files to every keysigner, list them in `keys` and restart it.\n\
         Keep the older keys: they are published until nothing is good any more that they signed.\n"
    )
}
