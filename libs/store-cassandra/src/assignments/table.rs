//! A user's partition: the records, what recent operations answered, and what became of the slots spent on them.

use foxhold_core::{
    Deadline, OpId,
    record::{ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{ReadError, assignments::encoding};

use super::record::{Damaged, Stored, row_with_records};
use crate::{
    cql::{Cql, Level, fault, statements},
    placement::returns::Return,
};

statements! {
    /// Reads of users' records.
    AssignmentReads {
        record: Read = "SELECT DISTINCT uid, generation, keys_changed_at, client_state, created_at,
            replaced_at, node, slot, past, old_client_states, first_seen_at, version FROM assignments
            WHERE service = ? AND user = ?";
        whole: Read = "SELECT op, kind, answer, freed, uid, generation, keys_changed_at, client_state, created_at,
            replaced_at, node, slot, past, old_client_states, first_seen_at, version FROM assignments
            WHERE service = ? AND user = ?";
        page: Read = "SELECT DISTINCT token(service, user) AS position, service, user, uid, generation,
            keys_changed_at, client_state, created_at, replaced_at, node, slot, past, old_client_states,
            first_seen_at, version FROM assignments WHERE token(service, user) > ?";
    }
}

statements! {
    /// Writes of users' records.
    AssignmentWrites {
        replace: Conditional = "UPDATE assignments SET uid = ?, generation = ?, keys_changed_at = ?, client_state = ?,
            created_at = ?, replaced_at = ?, node = ?, slot = ?, old_client_states = ?, first_seen_at = ?,
            version = ? WHERE service = ? AND user = ? IF version = ?";
        past: Member = "UPDATE assignments SET past = ? WHERE service = ? AND user = ?";
        operation: Member = "INSERT INTO assignments (service, user, op, kind, answer) VALUES (?, ?, ?, ?, ?)
            USING TTL 86400";
        freeing: Member = "INSERT INTO assignments (service, user, op, freed) VALUES (?, ?, ?, ?) USING TTL 86400";
        keep_mark: Member = "INSERT INTO assignments (service, user, op, kind) VALUES (?, ?, ?, ?) USING TTL 86400";
        spend_slot: Conditional = "INSERT INTO assignments (service, user, op, kind) VALUES (?, ?, ?, ?)
            IF NOT EXISTS USING TTL 86400";
        void_slot: Conditional = "INSERT INTO assignments (service, user, op, kind) VALUES (?, ?, ?, ?)
            IF NOT EXISTS USING TTL 86400";
    }
}

/// What the row of a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotMark {
    /// It was spent on this user.
    Spent,
    /// It was not, and never will be.
    Void,
}

impl SlotMark {
    /// As it stands in `kind`; no kind of intent has such a number.
    pub(crate) const fn number(self) -> i8 {
        match self {
            Self::Spent => 100,
            Self::Void => 101,
        }
    }
}

row_with_records! {
    /// The one row that a user's records are read from.
    RecordRow {}
}

row_with_records! {
    /// A row of an operation or a slot.
    Row {
        op: Option<Vec<u8>>,
        kind: Option<i8>,
        answer: Option<Vec<u8>>,
        freed: Option<Vec<u8>>,
    }
}

/// A user's partition after everything that can still be applied to it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The records, if there are any.
    pub(crate) stored: Option<Stored>,
    rows: Vec<Mark>,
}

/// What the row of an operation or a slot holds.
#[derive(Debug)]
struct Mark {
    key: Vec<u8>,
    kind: i8,
    answer: Option<Vec<u8>>,
    freed: Option<Vec<u8>>,
}

impl Seen {
    /// What this operation answered, if it was done.
    pub(crate) fn answer(&self, op: &OpId) -> Result<Option<UserRecord>, ReadError> {
        let Some(cell) = self.row(op.as_bytes()).and_then(|mark| mark.answer.as_deref()) else {
            return Ok(None);
        };
        let record = encoding::decode(cell).ok_or_else(|| fault(&Damaged))?;
        Ok(Some(record))
    }

    /// The slot that is to come back after this operation, if it was done and forgot a record that held one.
    pub(crate) fn freed(&self, op: &OpId) -> Result<Option<Return>, ReadError> {
        let Some(cell) = self.row(op.as_bytes()).and_then(|mark| mark.freed.as_deref()) else {
            return Ok(None);
        };
        let slot = Return::decode(cell).ok_or_else(|| fault(&Damaged))?;
        Ok(Some(slot))
    }

    /// What became of a slot, if that is settled.
    pub(crate) fn slot(&self, slot: &[u8]) -> Option<SlotMark> {
        if self.stored.as_ref().is_some_and(|stored| stored.has_slot(slot)) {
            return Some(SlotMark::Spent);
        }
        let kind = self.row(slot)?.kind;
        [SlotMark::Spent, SlotMark::Void]
            .into_iter()
            .find(|mark| mark.number() == kind)
    }

    fn row(&self, key: &[u8]) -> Option<&Mark> {
        self.rows.iter().find(|mark| mark.key == key)
    }
}

/// Reads a user's records: the one read of a returning user.
pub(crate) async fn record(
    cql: &Cql,
    reads: &AssignmentReads,
    by: Deadline,
    service: &ServiceKey,
    user: &UserKey,
) -> Result<Option<Stored>, ReadError> {
    let row: Option<RecordRow> = cql.row(by, &reads.record, (&service.0, &user.0)).await?;
    row.map_or(Ok(None), |row| row.split().1.stored())
}

/// Reads a user's partition at the serial level: what doubts and refusals are settled by.
pub(crate) async fn look(
    cql: &Cql,
    reads: &AssignmentReads,
    by: Deadline,
    service: &ServiceKey,
    user: &UserKey,
) -> Result<Seen, ReadError> {
    let values = (&service.0, &user.0);
    let rows: Vec<Row> = cql
        .serial_rows(Level::Deployment, by, &reads.whole, values)
        .await?;
    let mut seen = Seen::default();
    for (number, row) in rows.into_iter().enumerate() {
        let ((op, kind, answer, freed), columns) = row.split();
        if let (Some(key), Some(kind)) = (op, kind) {
            seen.rows.push(Mark {
                key,
                kind,
                answer,
                freed,
            });
        }
        if number == 0 {
            seen.stored = columns.stored()?;
        }
    }
    Ok(seen)
}
