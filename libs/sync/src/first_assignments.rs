//! How fast new users may take the slots of a service's nodes (`security.md` B.5): a domain that vouches for any name it
//! is asked for must not fill all nodes.
//!
//! Called by [`exchange`](crate::exchange) for users without a record, once the credential and the state rules have
//! passed and before anything is written. Must stay true: who has a record never comes here; a first record that was
//! not made in the end is not counted; memory is bounded, and filling it frees nobody of what is counted.
//!
//! Reading order: [`FirstAssignmentSettings`], `budgets` (the rule), `room` (free slots), `ledger` (bounded memory).

mod budgets;
mod issuer;
mod ledger;
mod rate;
mod room;
mod settings;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foxhold_core::{
    Deadline, Timestamp,
    record::{ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{AssignmentReader, ReadError, WriteError, assignments::Target};
use thiserror::Error;

use self::{
    budgets::{Budgets, Charge, Keys},
    ledger::Key,
    room::Room,
};
pub use self::{
    issuer::Issuer,
    settings::{FirstAssignmentSettings, FirstAssignmentsFault},
};

/// Strangers are told to come back after this where only the reserve is left: somebody has to make room.
const RESERVED_WAIT: Duration = Duration::from_secs(300);

/// Rooms that are remembered, as long as nobody is being let into them.
const ROOMS_MAX: usize = 1024;

/// What has been used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Users of one issuer.
    Issuer,
    /// Users of one issuer on one day.
    Day,
    /// Users of all issuers but the own.
    Service,
    /// Users from one block of addresses.
    Block,
    /// What of the nodes is not reserved.
    Reserve,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "issuer",
            Self::Day => "issuer on one day",
            Self::Service => "all issuers but the own",
            Self::Block => "block of addresses",
            Self::Reserve => "reserved slots",
        })
    }
}

/// A new user has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("new users are limited: {by}")]
pub struct Limited {
    /// What has been used up.
    pub by: Budget,
    /// When to come back.
    pub retry_after: Duration,
}

/// A user without a record.
pub(crate) struct NewUser<'a> {
    pub(crate) service: &'a ServiceKey,
    pub(crate) user: &'a UserKey,
    /// Where the service's rules send the user.
    pub(crate) target: &'a Target,
    pub(crate) issuer: &'a Issuer,
    pub(crate) ip: Option<IpAddr>,
}

/// What the limits hold, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstAssignmentFigures {
    /// Issuers remembered.
    pub issuers: usize,
    /// Blocks of addresses remembered.
    pub blocks: usize,
    /// Users who are being written.
    pub in_work: usize,
}

/// The limits of one process.
pub struct FirstAssignments {
    limits: Limits,
}

struct Limits {
    state: Mutex<State>,
}

struct State {
    /// Off = any number of users.
    is_on: bool,
    reserved_percent: u8,
    budgets: Budgets,
    rooms: HashMap<Where, Room>,
    /// Users who are being written. Several requests of one user are one user.
    in_work: HashMap<Key, InWork>,
}

/// A service, and where in it.
type Where = (ServiceKey, Target);

struct InWork {
    requests: usize,
    /// The node that the user is to go to, if one was named.
    node: Option<String>,
    place: Where,
    is_assigned: bool,
    charge: Charge,
}

impl FirstAssignments {
    /// By these settings, each brought within its bounds.
    #[must_use]
    pub fn new(settings: &FirstAssignmentSettings) -> Self {
        let state = State {
            is_on: true,
            reserved_percent: settings.reserved_percent.min(99),
            budgets: Budgets::new(settings),
            rooms: HashMap::new(),
            in_work: HashMap::new(),
        };
        Self {
            limits: Limits {
                state: Mutex::new(state),
            },
        }
    }

    /// Any number of users.
    #[must_use]
    pub fn off() -> Self {
        let off = Self::new(&FirstAssignmentSettings::default());
        off.replace(None);
        off
    }

    /// Goes on with other settings, or with none: any number of users. What was counted goes on counting, by the new rates
    /// from now on; how many keys are remembered stays as it was.
    pub fn replace(&self, settings: Option<&FirstAssignmentSettings>) {
        let mut state = self.limits.lock();
        state.is_on = settings.is_some();
        if let Some(settings) = settings {
            state.reserved_percent = settings.reserved_percent.min(99);
            state.budgets.replace(settings);
        }
    }

    /// What they hold.
    #[must_use]
    pub fn figures(&self) -> FirstAssignmentFigures {
        let state = self.limits.lock();
        FirstAssignmentFigures {
            issuers: state.budgets.issuers(),
            blocks: state.budgets.blocks(),
            in_work: state.in_work.len(),
        }
    }

    /// Reads how much room there is, if that is asked of this user and not known.
    pub(crate) async fn look(
        &self,
        reader: &dyn AssignmentReader,
        by: Deadline,
        now: Timestamp,
        new: &NewUser<'_>,
    ) -> Result<(), ReadError> {
        let limits = &self.limits;
        if *new.issuer == Issuer::Own || !limits.lock().is_on {
            return Ok(());
        }
        let place = new.place();
        let reading = limits.lock().room(&place).begin_reading(now);
        if let Some(reading) = reading {
            let nodes = reader.nodes(by, new.service).await?;
            limits.lock().room(&place).install(&reading, &nodes);
        }
        Ok(())
    }

    /// Lets a new user through, and counts it, until the place says otherwise.
    pub(crate) fn admit(&self, now: Timestamp, new: &NewUser<'_>) -> Result<Place<'_>, Limited> {
        let limits = &self.limits;
        let user = Key::of(b'u', &[new.service.0.as_bytes(), new.user.0.as_bytes()]);
        let mut state = limits.lock();
        if !state.is_on {
            return Ok(Place(None));
        }
        let node = if let Some(in_work) = state.in_work.get_mut(&user) {
            in_work.requests += 1;
            in_work.node.clone()
        } else {
            let (charge, node) = state.take(now, new)?;
            let in_work = InWork {
                requests: 1,
                node: node.clone(),
                place: new.place(),
                is_assigned: false,
                charge,
            };
            state.in_work.insert(user, in_work);
            node
        };
        Ok(Place(Some(Taken {
            limits,
            user,
            node,
            is_assigned: true,
        })))
    }
}

impl Limits {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&mut self, place: &Where) -> &mut Room {
        if self.rooms.len() >= ROOMS_MAX && !self.rooms.contains_key(place) {
            self.rooms.retain(|_, room| !room.is_idle());
        }
        let room = self.rooms.entry(place.clone());
        room.or_insert_with(|| Room::of(place.1.clone()))
    }

    /// And the node that the user is to go to, if that is not left to the store.
    fn take(&mut self, now: Timestamp, new: &NewUser<'_>) -> Result<(Charge, Option<String>), Limited> {
        let reserved_percent = self.reserved_percent;
        let place = new.place();
        let free = self.room(&place).free();
        let keys = Keys::of(new.service, new.issuer, new.ip);
        let charge = self.budgets.judge(now, keys, free)?;
        let room = self.room(&place);
        let node = if matches!(new.issuer, Issuer::Stranger(_)) {
            let reserve = Limited {
                by: Budget::Reserve,
                retry_after: RESERVED_WAIT,
            };
            Some(room.take_open(reserved_percent).ok_or(reserve)?)
        } else {
            room.take();
            None
        };
        self.budgets.charge(&charge);
        Ok((charge, node))
    }

    /// One request is through. What a user was charged with stays if any of the user's requests made a record.
    fn settle(&mut self, user: Key, is_assigned: bool) {
        let Some(in_work) = self.in_work.get_mut(&user) else {
            return;
        };
        in_work.requests -= 1;
        in_work.is_assigned |= is_assigned;
        if in_work.requests > 0 {
            return;
        }
        let Some(over) = self.in_work.remove(&user) else {
            return;
        };
        if !over.is_assigned {
            self.budgets.give_back(&over.charge);
        }
        self.room(&over.place).settle();
    }
}

/// A new user that was let through. Dropped as it is, as by a request that was given up, it counts: what was being
/// written may be there.
#[must_use]
pub(crate) struct Place<'a>(Option<Taken<'a>>);

struct Taken<'a> {
    limits: &'a Limits,
    user: Key,
    node: Option<String>,
    is_assigned: bool,
}

impl NewUser<'_> {
    fn place(&self) -> Where {
        (self.service.clone(), self.target.clone())
    }
}

impl Place<'_> {
    /// The node that the user is to go to, if that is not left to the store.
    pub(crate) fn node(&self) -> Option<&str> {
        self.0.as_ref()?.node.as_deref()
    }

    /// Tells what became of the write. An unknown outcome counts.
    pub(crate) fn settle(mut self, outcome: &Result<UserRecord, WriteError>) {
        if let Some(taken) = &mut self.0 {
            taken.is_assigned = !matches!(outcome, Err(WriteError::Refused(_) | WriteError::NotDone(_)));
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.limits.lock();
        state.settle(self.user, self.is_assigned);
    }
}

#[cfg(test)]
mod tests;
