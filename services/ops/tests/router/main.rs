//! The admin API as a caller sees it, over a store in memory: every route, what is refused and how, what is written down.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod accounts;
mod bad_input;
mod bulk;
mod clients;
mod faults;
mod invitations;
mod nodes;
mod records;
mod scene;
mod services;
mod users;
