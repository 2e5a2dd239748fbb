//! The commands, one file each.

pub(crate) mod certificates;
pub(crate) mod key;
pub(crate) mod up;
