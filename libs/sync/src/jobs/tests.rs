//! Jobs over the in-memory store and nodes that do as they are told.

mod leaving;
mod purging;
mod scene;
