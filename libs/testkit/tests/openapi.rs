//! The OpenAPI documents as others read them: a validator that is not ours takes each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use foxhold_testkit::process::target_folder;

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    found.sort();
    found
}

#[test]
fn a_validator_takes_every_document() {
    let found = documents();
    assert_eq!(found.len(), 3, "{found:?}");
    let python = target_folder()
        .unwrap()
        .parent()
        .unwrap()
        .join("venv-browser/bin/python");
    let output = Command::new(python)
        .args(["-m", "openapi_spec_validator"])
        .args(found)
        .output()
        .expect("Python of the browser tests (cargo xtask environment)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
}
