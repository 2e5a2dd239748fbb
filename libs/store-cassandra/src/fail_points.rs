//! Named points between the steps of an intent at which a test lets the process die. Compiled with the feature
//! `fail-points` only.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

static ARMED: OnceLock<String> = OnceLock::new();
static PASSES_LEFT: AtomicU64 = AtomicU64::new(0);

/// The process will end when it reaches the point of this name for the `nth` time (from 1). Once in a process's life;
/// further calls change nothing.
pub fn arm(name: String, nth: u64) {
    if ARMED.set(name).is_ok() {
        PASSES_LEFT.store(nth.max(1), Ordering::SeqCst);
    }
}

/// Every point there is, for tests that go through all of them.
pub const ALL: &[&str] = &[
    "create.claimed",
    "create.signed_in",
    "create.account_written",
    "create.activated",
    "create.holder_condemned",
    "create.sleeper_barred",
    "create.holder_swept",
    "create.claim_taken_over",
    "sign_in.session_written",
    "sign_in.session_listed",
    "sign_in.key_fetch_written",
    "close_session.children_removed",
    "close_session.unlisted",
    "verify_email.written",
    "consume.spent",
    "password_token.kept",
    "redeem.forgot_token_spent",
    "set_password.token_held",
    "set_password.signed_in",
    "set_password.decided",
    "set_password.swept",
    "delete_account.condemned",
    "delete_account.swept",
    "delete_account.released",
    "refresh_session.written",
    "assign.slot_noted",
    "assign.written",
    "lease.drawn",
    "uids.drawn",
];

pub(crate) fn reach(name: &'static str) {
    debug_assert!(ALL.contains(&name), "{name} is not in the list");
    if ARMED.get().is_none_or(|armed| armed != name) {
        return;
    }
    if PASSES_LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}
