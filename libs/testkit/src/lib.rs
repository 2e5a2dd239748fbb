//! The test bench: real processes on loopback ports it chose, clients, and the tests that need them. Never shipped.

pub mod accounts_elsewhere;
pub mod audit;
pub mod authenticator;
pub mod balancer;
pub mod bound;
pub mod browser;
pub mod browserid;
pub mod cassandra;
pub mod deeds;
pub mod fleet;
pub mod history;
pub mod hostile;
pub mod http;
pub mod insist;
pub mod issuer;
pub mod ledger;
pub mod mail_server;
pub mod own_network;
pub mod person;
pub mod process;
pub mod race;
pub mod report;
pub mod single_box;
mod test_key;
pub mod token_race;
pub mod wait;
pub mod work_folder;
