//! Whether each key was published for a day before its turn (`security.md` C.4), as the log's beginnings tell: each names
//! the keys that its process had, and all of those are published. A key whose file came, but whose signer was not started
//! again in time, signs what others refuse.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use foxhold_core::Timestamp;
use serde::Deserialize;

use super::file::files;
use crate::rotation::PUBLISHED_BEFORE;

/// What tells a beginning before it is read.
const BEGIN: &[u8] = br#""kind":"begin""#;

/// A key's name and its turn.
pub(super) type Turn = (String, Timestamp);

#[derive(Deserialize)]
struct Begin {
    time: u64,
    #[serde(default)]
    keys: Vec<String>,
}

/// Of `turns` those that come, or came within the last day, less than a day after their keys were first at hand.
pub(super) fn too_early(folder: &Path, turns: &[Turn], now: Timestamp) -> io::Result<Vec<Turn>> {
    // A key without a turn is the first one; and what is a day old was published for a day.
    let is_new = |turn: &Turn| turn.1 != Timestamp::default() && turn.1.plus(PUBLISHED_BEFORE) > now;
    let mut early: Vec<Turn> = turns.iter().filter(|turn| is_new(turn)).cloned().collect();
    for path in files(folder)?.iter().rev() {
        if early.is_empty() {
            break;
        }
        for begin in begins(path)? {
            let begun_at = Timestamp::from_millis(begin.time).plus(PUBLISHED_BEFORE);
            early.retain(|(kid, turn)| begun_at > *turn || !begin.keys.contains(kid));
        }
    }
    Ok(early)
}

fn begins(path: &Path) -> io::Result<Vec<Begin>> {
    let mut begins = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if line.windows(BEGIN.len()).any(|window| window == BEGIN) {
            begins.extend(serde_json::from_slice(&line).ok());
        }
    }
    Ok(begins)
}
