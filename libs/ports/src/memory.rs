//! In-memory adapters: the model the durable ones are compared with, and what fast tests run on. Nothing here
//! survives the process, and the randomness is not random: never part of a served system but for [`NoLimits`].

mod account_admin;
mod accounts;
mod assignments;
mod clock;
mod device_commands;
mod guards;
mod invitations;
mod jobs;
mod limits;
mod mailer;
mod openid;
mod outbox;
mod random;
mod store;

pub use clock::ManualClock;
pub use limits::{NoLimits, NoReplayGuard};
pub use mailer::MemoryMailer;
pub use random::SeededRandom;
pub use store::MemoryStore;
