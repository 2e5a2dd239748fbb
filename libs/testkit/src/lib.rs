//! The test bench: real processes on loopback ports it chose, clients, and the tests that need them. Never shipped.

pub mod balancer;
pub mod browser;
pub mod fleet;
pub mod hostile;
pub mod http;
pub mod ledger;
pub mod person;
pub mod process;
pub mod report;
pub mod single_box;
pub mod wait;
pub mod work_folder;
