//! Bad input against a running box: what a careless or hostile peer may send to each public route, what the contracts
//! answer, and that the process serves as before afterwards (`security.md` E.2).
//!
//! Reading order: [`wire`] (bytes out, answers in), [`row`] (a line of a table and how it is judged), [`stage`] (the
//! running box and its people), then the tables: [`http1`], [`paths`], [`accounts`], [`token_server`], [`storage`], and
//! the slow peers of [`slow`]. The tests are `tests/hostile_*.rs`.

pub mod accounts;
pub mod http1;
pub mod paths;
pub mod row;
pub mod signer;
pub mod slow;
pub mod stage;
pub mod storage;
pub mod token_server;
pub mod vitals;
pub mod wire;
