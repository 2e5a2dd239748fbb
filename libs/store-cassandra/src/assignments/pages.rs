//! All users' records of a service, page by page: in the order of the partitions' tokens, which all services share.
//!
//! Must stay true: a user stands in one page, whatever the pages' sizes; what is held is no more than a page. A user whose
//! row is damaged stands in none: a job must not end for ever at one row. It is logged and counted here, and the audit,
//! which leaves nothing out, names the user.

use foxhold_core::{Deadline, record::ServiceKey, record::UserKey};
use foxhold_ports::{
    Cause, ReadError,
    assignments::{RecordCursor, RecordPage, page_size},
};
use scylla::response::PagingState;

use super::record::{Stored, row_with_records};
use crate::CassandraReader;

/// Rows asked for at once: at least, since most may be of other services, and at most.
const ROWS: (usize, usize) = (50, 500);
/// Rows that one page is made of, at most. One that has fewer users then has to do.
const LOOKED_AT_MAX: usize = 20_000;
/// No partition has this token.
const START: i64 = i64::MIN;
/// The format of a cursor: this, and the token of the last partition that was looked at.
const FORMAT: u8 = 1;

row_with_records! {
    /// A user's partition.
    Row {
        position: i64,
        service: String,
        user: String,
    }
}

impl CassandraReader {
    /// See [`AssignmentReader::records`](foxhold_ports::AssignmentReader::records).
    pub(super) async fn page_of_records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        let start = match after {
            Some(cursor) => position(cursor).ok_or(ReadError(Cause::Fault))?,
            None => START,
        };
        let size = page_size(limit);
        let (mut page, mut from) = (Filling::new(size), PagingState::start());
        let mut damaged = 0;
        let rows_max = i32::try_from((size + 1).clamp(ROWS.0, ROWS.1)).expect("a page is small");
        let next = loop {
            let read = self.cql.page(by, &self.users.page, (start,), rows_max, from);
            let (rows, rest): (Vec<Row>, _) = read.await?;
            for row in rows {
                let ((position, of, user), columns) = row.split();
                // What another service's row holds does not matter here, be it damaged.
                let stored = if of == service.0 {
                    columns.stored()
                } else {
                    Ok(None)
                };
                damaged += u64::from(stored.is_err());
                let found = stored.ok().flatten().map(|stored| (UserKey(user), stored));
                page.look_at(position, found);
            }
            match rest {
                _ if page.is_full => break page.end,
                None => break None,
                Some(_) if page.looked_at >= LOOKED_AT_MAX => break page.end,
                Some(rest) => from = rest,
            }
        };
        if damaged > 0 {
            self.cql.left_out(damaged);
            tracing::error!(service = %service.0, rows = damaged, "users whose rows are damaged are left out: run an audit");
        }
        self.on_nodes(by, service, page.found, next).await
    }

    async fn on_nodes(
        &self,
        by: Deadline,
        service: &ServiceKey,
        found: Vec<(UserKey, Stored)>,
        next: Option<i64>,
    ) -> Result<RecordPage, ReadError> {
        let nodes = self.nodes.nodes(by, service).await?;
        let named = found.iter().flat_map(|(_, stored)| stored.nodes());
        let nodes = self.nodes.knowing(by, service, named, nodes).await?;
        let records = found.into_iter().map(|(user, stored)| (user, stored.on(&nodes)));
        Ok(RecordPage {
            records: records.collect(),
            next: next.map(cursor),
        })
    }
}

/// A page while it fills.
struct Filling<T> {
    size: usize,
    found: Vec<T>,
    looked_at: usize,
    /// The last position that belongs to the page.
    end: Option<i64>,
    /// Something was found that belongs to the next one.
    is_full: bool,
}

impl<T> Filling<T> {
    const fn new(size: usize) -> Self {
        Self {
            size,
            found: Vec::new(),
            looked_at: 0,
            end: None,
            is_full: false,
        }
    }

    /// Takes what was found at a position, later or the same as the last one. The next page begins after a position: two
    /// users at one, which is a chance of one in 2^64, stay together.
    fn look_at(&mut self, position: i64, found: Option<T>) {
        if self.is_full {
            return;
        }
        self.looked_at += 1;
        if self.found.len() >= self.size && found.is_some() && self.end != Some(position) {
            self.is_full = true;
            return;
        }
        self.end = Some(position);
        self.found.extend(found);
    }
}

fn cursor(position: i64) -> RecordCursor {
    let mut bytes = vec![FORMAT];
    bytes.extend(position.to_be_bytes());
    RecordCursor(bytes)
}

/// `None` = it is no cursor of this store.
fn position(RecordCursor(bytes): &RecordCursor) -> Option<i64> {
    let (format, position) = bytes.split_first()?;
    let position = position.try_into().ok().map(i64::from_be_bytes)?;
    (*format == FORMAT).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a partition is, and whose it is; nobody's = it is of another service.
    type Partition = (i64, Option<char>);

    /// Pages of that size over these partitions.
    fn pages(size: usize, partitions: &[Partition]) -> Vec<String> {
        let (mut start, mut pages) = (START, Vec::new());
        loop {
            let mut page = Filling::new(size);
            for (position, found) in partitions.iter().filter(|(position, _)| *position > start) {
                page.look_at(*position, *found);
            }
            pages.push(page.found.iter().collect());
            if !page.is_full {
                return pages;
            }
            let next = cursor(page.end.unwrap());
            start = position(&next).unwrap();
        }
    }

    #[test]
    fn every_user_stands_in_one_page() {
        let some = [
            (i64::MIN + 1, Some('a')),
            (-5, None),
            (-4, Some('b')),
            (0, Some('c')),
            (7, Some('d')),
            (i64::MAX, None),
        ];
        let twins = [(1, Some('a')), (2, Some('b')), (2, Some('c')), (3, Some('d'))];
        let table: [(usize, &[Partition], &[&str]); 7] = [
            (1, &some, &["a", "b", "c", "d"]),
            (2, &some, &["ab", "cd"]),
            (3, &some, &["abc", "d"]),
            (4, &some, &["abcd"]),
            (9, &some, &["abcd"]),
            (9, &[], &[""]),
            (2, &twins, &["abc", "d"]),
        ];
        for (size, partitions, expected) in table {
            assert_eq!(pages(size, partitions), expected, "{size} of {partitions:?}");
        }
    }

    #[test]
    fn a_cursor_is_nine_bytes_and_says_where() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            let cursor = cursor(at);
            assert_eq!((cursor.0.len(), position(&cursor)), (9, Some(at)));
        }
        for foreign in [&b""[..], b"\x01", b"\x02\0\0\0\0\0\0\0\0", b"user@example.com"] {
            assert_eq!(position(&RecordCursor(foreign.to_vec())), None, "{foreign:?}");
        }
    }
}
