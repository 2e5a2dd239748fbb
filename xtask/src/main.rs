//! `cargo xtask TASK`: what cargo itself does not do.

fn main() {}
