//! Bundles made here with test keys, and every way to break one. The vectors of accounts.md (d) are formats, not numbers;
//! the numbers are those of RFC 6979 and of signatures that another implementation made.

mod accepted;
mod documents;
mod forge;
mod hostile;
mod keys;
mod malformed;
mod published;
mod refused;
mod remote;
