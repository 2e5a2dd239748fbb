//! `cargo xtask TASK`: what cargo itself does not do.

mod openapi;
mod protos;
mod test;
mod wasm;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace's root");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["openapi"] => openapi::write(root),
        ["protos"] => protos::run(root, false),
        ["protos", "--check"] => protos::run(root, true),
        ["wasm"] => wasm::write(root),
        ["wasm", "--check"] => wasm::check(root),
        ["environment"] => test::prepare(root),
        ["test"] => test::run(root, test::Extent::Ordinary),
        ["test", "--all"] => test::run(root, test::Extent::All),
        _ => bail!(
            "usage: cargo xtask (openapi | protos [--check] | wasm [--check] | environment | test [--all])"
        ),
    }
}
