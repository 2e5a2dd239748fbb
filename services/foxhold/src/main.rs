//! The single box and the operator's tool.

fn main() {}
