//! Regions at work beside each other on one real cluster, for the tests that cut, stop and race them: a [`Deployment`]
//! with a store in each region, [`contest`]s for what only one may have, and [`Daily`] work that has to go on meanwhile.
//!
//! Must stay true: a client asks again with the same operation id until it is decided, and a decision is final; a wrong
//! answer ends a test, a missing one is counted.

mod answers;
mod contest;
mod daily;
mod deployment;
mod people;

pub use answers::Answers;
pub use contest::{Contest, contest};
pub use daily::{Daily, Done};
pub use deployment::{Deployment, Store, wait_for_hints};
pub use people::{Candidate, User, candidates, marked_sign_in, sign_up, until_done};
