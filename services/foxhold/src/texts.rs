//! Texts that people and scripts rely on, as they were agreed on: help of every program, error bodies, schemas, and the
//! reference of all keys. They lie in `services/foxhold/tests/snapshots` and `docs/configuration.md`; whoever means to
//! change them runs `RENEW_SNAPSHOTS=1 cargo test -p foxhold texts` and looks at the difference.

mod errors;
mod help;
mod reference;

use std::{fs, path::Path};

use foxhold_runtime::config::process_env;

const SNAPSHOTS: &str = "services/foxhold/tests/snapshots";

/// Compares a text with the file that holds it, of the workspace; or writes that file anew, if it is told to.
fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if process_env().iter().any(|(name, _)| name == "RENEW_SNAPSHOTS") {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder is made");
        fs::write(&path, text).expect("it is written");
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    let differs = held
        .lines()
        .zip(text.lines())
        .position(|(held, text)| held != text);
    let at = 1 + differs.unwrap_or_else(|| held.lines().count().min(text.lines().count()));
    assert!(
        held == text,
        "{file} is not what the program says, from line {at} on\nheld: {:?}\nsaid: {:?}\n\
         if that is meant: RENEW_SNAPSHOTS=1 cargo test -p foxhold texts",
        held.lines().nth(at - 1),
        text.lines().nth(at - 1),
    );
}
