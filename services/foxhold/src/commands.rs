//! The commands, one file each.

pub(crate) mod key;
pub(crate) mod up;
