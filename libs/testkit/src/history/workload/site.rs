//! Where clients work: the ports of one instance or region.

use std::sync::Arc;

use foxhold_core::RegionMark;
use foxhold_ports::{AccountReader, AccountWriter, AssignmentReader, AssignmentWriter, conformance::Subject};

/// The ports of one place. Several share what is stored.
#[derive(Clone)]
pub struct Site {
    /// What logs call it.
    pub name: String,
    /// Reads accounts.
    pub account_reader: Arc<dyn AccountReader>,
    /// Writes accounts.
    pub account_writer: Arc<dyn AccountWriter>,
    /// Reads assignments.
    pub assignment_reader: Arc<dyn AssignmentReader>,
    /// Writes assignments.
    pub assignment_writer: Arc<dyn AssignmentWriter>,
    /// What the ids of tokens made here begin with, if there are regions (`security.md` D.2).
    pub mark: Option<RegionMark>,
}

impl Site {
    /// A store that has all ports.
    #[must_use]
    pub fn over<S>(name: &str, store: &Arc<S>) -> Self
    where
        S: AccountReader + AccountWriter + AssignmentReader + AssignmentWriter + 'static,
    {
        Self {
            name: name.to_owned(),
            account_reader: Arc::clone(store) as Arc<dyn AccountReader>,
            account_writer: Arc::clone(store) as Arc<dyn AccountWriter>,
            assignment_reader: Arc::clone(store) as Arc<dyn AssignmentReader>,
            assignment_writer: Arc::clone(store) as Arc<dyn AssignmentWriter>,
            mark: None,
        }
    }

    /// What the conformance suite runs on; `subject` has to live as long as the site.
    #[must_use]
    pub fn of(name: &str, subject: &Subject) -> Self {
        Self {
            name: name.to_owned(),
            account_reader: Arc::clone(&subject.account_reader),
            account_writer: Arc::clone(&subject.account_writer),
            assignment_reader: Arc::clone(&subject.assignment_reader),
            assignment_writer: Arc::clone(&subject.assignment_writer),
            mark: None,
        }
    }

    /// The same in a region with a mark.
    #[must_use]
    pub fn marked(self, mark: RegionMark) -> Self {
        Self {
            mark: Some(mark),
            ..self
        }
    }
}
