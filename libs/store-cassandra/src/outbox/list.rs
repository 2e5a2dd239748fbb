//! The list of mails that wait, by the hour they were put in.
//!
//! Must stay true: an hour's list is asked again as long as a mail may still come to it, by whatever clock.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use foxhold_core::{Deadline, OpId, Timestamp};
use foxhold_ports::{
    ReadError,
    outbox::{KEPT, LEASE, put_at},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use scylla::value::CqlTimestamp;

use super::rows;
use crate::{
    ConnectError,
    cql::{Cql, statements},
};

/// Parts of an hour's list.
const PARTS: u8 = 4;
const HOUR: Duration = Duration::from_secs(3600);
/// How long after its end a mail may still come to an hour: far more than clocks and deadlines allow for.
const CLOSED_AFTER: Duration = Duration::from_secs(1800);
/// Lists that are read at once.
const AT_ONCE: usize = 16;

statements! {
    /// Reads of the list.
    ListReads {
        waiting: Read = "SELECT id, due_at, lease, WRITETIME(due_at) FROM outbox_waiting
            WHERE region = ? AND hour = ? AND part = ?";
    }
}

/// An entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) id: OpId,
    pub(super) due: Timestamp,
    pub(super) lease: Option<OpId>,
    /// When it was written, in µs.
    pub(super) written: i64,
}

impl Waiting {
    pub(super) const fn new(id: OpId, due: Timestamp, lease: OpId) -> Self {
        Self {
            id,
            due,
            lease: Some(lease),
            written: 0,
        }
    }

    pub(super) fn put_at(&self) -> Timestamp {
        put_at(self.id)
    }

    /// Whether its mail must be there by now, if it ever comes.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        self.put_at().plus(LEASE) < now
    }
}

/// Where a mail stands on the list: its hour and its part.
pub(super) fn place(id: OpId) -> (i32, i8) {
    let part = (id.as_bytes()[15] % PARTS).cast_signed();
    (hour_of(put_at(id)), part)
}

fn hour_of(time: Timestamp) -> i32 {
    i32::try_from(time.as_secs() / HOUR.as_secs()).unwrap_or(i32::MAX)
}

fn is_closed(hour: i32, now: Timestamp) -> bool {
    hour < hour_of(now.minus(CLOSED_AFTER))
}

/// Id, time, lease, and when the entry was written.
type Row = (Vec<u8>, Option<CqlTimestamp>, Option<Vec<u8>>, Option<i64>);

/// One without a time was deleted while another column was written.
fn waiting((id, due, lease, written): Row) -> Option<Waiting> {
    Some(Waiting {
        id: OpId::from_slice(&id)?,
        due: rows::time(due?),
        lease: lease.and_then(|lease| OpId::from_slice(&lease)),
        written: written.unwrap_or(0),
    })
}

/// The list, as a process reads it.
pub(crate) struct WaitingList {
    cql: Arc<Cql>,
    reads: ListReads,
    /// Lists that are closed and were found empty: nothing comes to them any more.
    done: Mutex<BTreeSet<(i32, i8)>>,
}

impl WaitingList {
    pub(crate) async fn prepare(cql: &Arc<Cql>) -> Result<Self, ConnectError> {
        Ok(Self {
            cql: Arc::clone(cql),
            reads: ListReads::prepare(cql).await?,
            done: Mutex::default(),
        })
    }

    /// All mails of the own region that were put in the last [`KEPT`] and may wait.
    pub(super) async fn read(&self, by: Deadline, now: Timestamp) -> Result<Vec<Waiting>, ReadError> {
        let asked = self
            .to_ask(now)
            .into_iter()
            .map(|place| self.part(by, now, place));
        let found = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        let lists: Vec<Vec<Waiting>> = found.try_collect().await?;
        let mut waiting = lists.concat();
        waiting.retain(|waiting| now <= waiting.put_at().plus(KEPT));
        Ok(waiting)
    }

    /// The lists that may have entries: also of the next hour, which a clock ahead may have begun.
    fn to_ask(&self, now: Timestamp) -> Vec<(i32, i8)> {
        let first = hour_of(now.minus(KEPT));
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.retain(|(hour, _)| *hour >= first);
        (first..=hour_of(now).saturating_add(1))
            .flat_map(|hour| (0..PARTS.cast_signed()).map(move |part| (hour, part)))
            .filter(|place| !done.contains(place))
            .collect()
    }

    async fn part(&self, by: Deadline, now: Timestamp, place: (i32, i8)) -> Result<Vec<Waiting>, ReadError> {
        let regions = self.cql.regions();
        let values = (regions.own().name.as_str(), place.0, place.1);
        let rows: Vec<Row> = self.cql.rows(by, &self.reads.waiting, values).await?;
        if rows.is_empty() && is_closed(place.0, now) {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(place);
        }
        Ok(rows.into_iter().filter_map(waiting).collect())
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::memory::SeededRandom;

    use super::*;

    #[test]
    fn a_mail_stands_in_the_hour_it_was_put_in_which_stays_open_for_a_while() {
        let hour = Timestamp::from_secs(3600 * 500_000);
        let last = hour.plus(HOUR).minus(Duration::from_millis(1));
        for (at, expected) in [(hour, 500_000), (last, 500_000), (hour.plus(HOUR), 500_001)] {
            let (found, part) = place(OpId::new(at, &SeededRandom::new(3)));
            assert_eq!(found, expected);
            assert!((0..4).contains(&part));
        }
        let open_until = hour.plus(HOUR).plus(CLOSED_AFTER);
        assert!(!is_closed(500_000, last));
        assert!(!is_closed(500_000, open_until.minus(Duration::from_millis(1))));
        assert!(is_closed(500_000, open_until));
    }
}
