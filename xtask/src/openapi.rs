//! `cargo xtask openapi`: makes `docs/openapi` anew. Tests of the services make the documents, since nothing of them shall be
//! in a program; here they are only told to write what they would compare.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::wasm;

/// The services that have public or administrative calls, and the test that each has for its documents.
const ARGUMENTS: &str =
    "test --locked --quiet -p foxhold-ops -p foxhold-webhead --lib the_document_is_what_the_code_says";

/// Writes the documents.
///
/// # Errors
/// Code that does not compile, or a document that cannot be made: the tests' own words stand above.
pub(crate) fn write(root: &Path) -> Result<()> {
    let status = Command::new(wasm::cargo())
        .args(ARGUMENTS.split_whitespace())
        .env("FOXHOLD_OPENAPI", "write")
        .current_dir(root)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "not all documents could be made");
    Ok(())
}
