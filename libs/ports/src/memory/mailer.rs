//! A mailer that keeps what it is given, for tests to look at.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{
    Mailer,
    mail::{Mail, MailError},
};

/// Collects mails.
#[derive(Debug, Default)]
pub struct MemoryMailer {
    mails: Mutex<Vec<Mail>>,
    full: AtomicBool,
}

impl MemoryMailer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All mails so far, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().clone()
    }

    /// The newest mail to an address.
    #[must_use]
    pub fn last_to(&self, address: &str) -> Option<Mail> {
        self.lock().iter().rev().find(|mail| mail.to == address).cloned()
    }

    /// From now on refuses mails, or takes them again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(MailError);
        }
        self.lock().push(mail);
        Ok(())
    }
}
