//! A user's records as they stand in the static columns of the partition.

use std::num::NonZeroU64;

use foxhold_core::{
    NodeId, ServiceUid, Timestamp,
    record::{Assignment, ClientState, Generation, PastRecord, UserRecord},
};
use foxhold_ports::ReadError;
use scylla::value::CqlTimestamp;
use thiserror::Error;

use super::{
    node_table::Nodes,
    past::{self, Past, Seat},
};
use crate::cql::fault;

/// A record that nobody of ours has written so.
#[derive(Debug, Error)]
#[error("a user's record is damaged")]
pub(crate) struct Damaged;

/// A user's records, with nodes and slots by what they are in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The records; nodes and past ones are left out.
    record: UserRecord,
    /// Where the current one is. There may be no such node any more.
    pub(crate) seat: Seat,
    past: Vec<Past>,
}

impl Stored {
    /// The records with their nodes, as far as those are there.
    pub(crate) fn on(&self, nodes: &Nodes) -> UserRecord {
        let place = |seat: &Seat| nodes.get(&seat.node?)?.as_ref();
        let mut record = self.record.clone();
        if let Some(place) = place(&self.seat) {
            record.current.node = Some(place.node.clone());
            record.current.node_type.clone_from(&place.node_type);
        }
        let past = self.past.iter().map(|past| {
            let node = place(&past.seat).map(|place| place.node.clone());
            PastRecord {
                holds_slot: past.record.holds_slot && node.is_some(),
                node,
                ..past.record.clone()
            }
        });
        record.past = past.collect();
        record
    }

    pub(crate) const fn version(&self) -> u64 {
        self.record.version
    }

    /// Every node that is named, be it there or not.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.seats().filter_map(|seat| seat.node)
    }

    /// Whether any record was made with this slot.
    pub(crate) fn has_slot(&self, slot: &[u8]) -> bool {
        self.seats().any(|seat| seat.slot.as_deref() == Some(slot))
    }

    /// The past records as they stand.
    pub(super) fn past(&self) -> &[Past] {
        &self.past
    }

    /// The past records after the current one went to them, as `after` has it. A slot that it does not hold any more is
    /// the next record's.
    pub(super) fn past_with_current(&self, after: &UserRecord) -> Vec<Past> {
        let mut past = self.past.clone();
        past.extend(after.past.last().map(|record| Past {
            record: PastRecord {
                node: None,
                ..record.clone()
            },
            seat: Seat {
                node: self.seat.node,
                slot: self.seat.slot.clone().filter(|_| record.holds_slot),
            },
        }));
        past
    }

    /// The past records without one that is forgotten.
    pub(super) fn past_without(&self, uid: ServiceUid) -> Vec<Past> {
        let mut past = self.past.clone();
        if let Some(place) = past.iter().position(|past| past.record.uid == uid) {
            past.remove(place);
        }
        past
    }

    /// Where the record of a uid is.
    pub(super) fn seat_of(&self, uid: ServiceUid) -> Option<&Seat> {
        if self.record.current.uid == uid {
            return Some(&self.seat);
        }
        let mut past = self.past.iter();
        past.find(|past| past.record.uid == uid).map(|past| &past.seat)
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        std::iter::once(&self.seat).chain(self.past.iter().map(|past| &past.seat))
    }
}

/// Declares a row of `assignments`: some columns, and all those of a user's records.
macro_rules! row_with_records {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(scylla::DeserializeRow)]
        pub(super) struct $name {
            $($field: $kind,)*
            uid: Option<i64>,
            generation: Option<i64>,
            keys_changed_at: Option<i64>,
            client_state: Option<Vec<u8>>,
            created_at: Option<scylla::value::CqlTimestamp>,
            replaced_at: Option<scylla::value::CqlTimestamp>,
            node: Option<i64>,
            slot: Option<Vec<u8>>,
            past: Option<Vec<u8>>,
            old_client_states: Option<Vec<Vec<u8>>>,
            first_seen_at: Option<scylla::value::CqlTimestamp>,
            version: Option<i64>,
        }

        impl $name {
            /// Its own columns, and those of the records.
            pub(super) fn split(self) -> (($($kind,)*), $crate::assignments::record::Columns) {
                let columns = $crate::assignments::record::Columns {
                    uid: self.uid,
                    generation: self.generation,
                    keys_changed_at: self.keys_changed_at,
                    client_state: self.client_state,
                    created_at: self.created_at,
                    replaced_at: self.replaced_at,
                    node: self.node,
                    slot: self.slot,
                    past: self.past,
                    old_client_states: self.old_client_states,
                    first_seen_at: self.first_seen_at,
                    version: self.version,
                };
                (($(self.$field,)*), columns)
            }
        }
    };
}
pub(super) use row_with_records;

/// The columns.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) uid: Option<i64>,
    pub(crate) generation: Option<i64>,
    pub(crate) keys_changed_at: Option<i64>,
    pub(crate) client_state: Option<Vec<u8>>,
    pub(crate) created_at: Option<CqlTimestamp>,
    pub(crate) replaced_at: Option<CqlTimestamp>,
    pub(crate) node: Option<i64>,
    pub(crate) slot: Option<Vec<u8>>,
    pub(crate) past: Option<Vec<u8>>,
    pub(crate) old_client_states: Option<Vec<Vec<u8>>>,
    pub(crate) first_seen_at: Option<CqlTimestamp>,
    pub(crate) version: Option<i64>,
}

impl Columns {
    /// The record; `None` if there is none, though there may be rows of operations.
    pub(crate) fn stored(self) -> Result<Option<Stored>, ReadError> {
        let Some(version) = self.version else {
            return Ok(None);
        };
        self.read(version).map(Some).ok_or_else(|| fault(&Damaged))
    }

    fn read(self, version: i64) -> Option<Stored> {
        let current = Assignment {
            uid: ServiceUid::new(unsigned(self.uid?)?)?,
            generation: Generation(unsigned(self.generation?)?),
            keys_changed_at: NonZeroU64::new(unsigned(self.keys_changed_at?)?),
            client_state: ClientState::new(self.client_state?)?,
            created_at: time(self.created_at?)?,
            replaced_at: match self.replaced_at {
                Some(at) => Some(time(at)?),
                None => None,
            },
            node: None,
            node_type: None,
        };
        let states = self.old_client_states.unwrap_or_default();
        let record = UserRecord {
            current,
            past: Vec::new(),
            old_client_states: states.into_iter().map(ClientState::new).collect::<Option<_>>()?,
            first_seen_at: time(self.first_seen_at?)?,
            version: unsigned(version)?,
        };
        let node = match self.node {
            Some(node) => Some(NodeId(unsigned(node)?)),
            None => None,
        };
        let past = match self.past {
            Some(cell) => past::decode(&cell)?,
            None => Vec::new(),
        };
        Some(Stored {
            record,
            seat: Seat {
                node,
                slot: self.slot,
            },
            past,
        })
    }
}

fn unsigned(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

fn time(at: CqlTimestamp) -> Option<Timestamp> {
    unsigned(at.0).map(Timestamp::from_millis)
}
