//! What each route does once its request is admitted. No handler decides about the protocol: the rules are
//! `foxhold_sync::storage`, the effects are `crate::store`.

pub(crate) mod bso;
pub(crate) mod collection;
pub(crate) mod info;
pub(crate) mod user;
