//! What operators do with accounts: all of them, page by page in the order of the partitions' tokens, disabling one, and
//! taking off its second factor.
//!
//! Must stay true: an account stands in one page, whatever the pages' sizes; what is held is no more than a page. One whose
//! row is damaged stands in none: it is logged and counted, and the audit names it.

use async_trait::async_trait;
use foxhold_core::{Deadline, Uid, record::Disabled};
use foxhold_ports::{
    AccountAdmin, AccountDirectory, Call, Cause, IntentKind, ReadError, WriteError,
    account_admin::{AccountCursor, AccountPage, ListedAccount, page_size},
    guards::Guard,
};
use scylla::response::PagingState;

use super::{
    guards,
    rows::{ListedRow, time},
};
use crate::{CassandraReader, CassandraStore, cql::Outcome};

/// Rows asked for at once, at most.
const ROWS_MAX: usize = 500;
/// Rows that one page is made of, at most: most may be what is left of accounts. One that has fewer then has to do.
const LOOKED_AT_MAX: usize = 20_000;
/// No partition has this token.
const START: i64 = i64::MIN;
/// The format of a cursor: this, and the token of the last partition that was looked at.
const FORMAT: u8 = 1;

#[async_trait]
impl AccountAdmin for CassandraStore {
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError> {
        guards::on_version(self, call, uid, based_on, |was| {
            self.write_disabled(call, uid, was, disabled)
        })
        .await
    }

    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        let (none, kind) = (Guard::SecondFactor(None), IntentKind::DeleteSecondFactor);
        guards::set(self, call, uid, based_on, &none, kind).await
    }
}

impl CassandraStore {
    async fn write_disabled(
        &self,
        call: &Call,
        uid: Uid,
        was: i64,
        disabled: Disabled,
    ) -> Result<Outcome, WriteError> {
        let decisions = &self.accounts.decisions;
        let statements = vec![
            decisions.set_disabled.prepared().clone(),
            decisions.note_operation.prepared().clone(),
        ];
        let kind = IntentKind::SetDisabled.number().cast_signed();
        let values = (
            (time(disabled.at), disabled.is_over, was + 1, uid.as_bytes(), was),
            (uid.as_bytes(), call.op.as_bytes(), kind),
        );
        self.cql.decide_together(call.deadline, statements, values).await
    }
}

#[async_trait]
impl AccountDirectory for CassandraReader {
    async fn accounts(
        &self,
        by: Deadline,
        after: Option<&AccountCursor>,
        limit: u32,
    ) -> Result<AccountPage, ReadError> {
        let start = match after {
            Some(cursor) => position(cursor).ok_or(ReadError(Cause::Fault))?,
            None => START,
        };
        let mut page = Filling::new(page_size(limit));
        let rows_max = i32::try_from((page.size + 1).min(ROWS_MAX)).expect("a page is small");
        let mut from = PagingState::start();
        let next = loop {
            let statement = &self.accounts.account_page;
            let read = self.cql.page(by, statement, (start,), rows_max, from);
            let (rows, rest): (Vec<ListedRow>, _) = read.await?;
            rows.into_iter().for_each(|row| page.look_at(row));
            match rest {
                _ if page.is_full => break page.end,
                None => break None,
                Some(_) if page.looked_at >= LOOKED_AT_MAX => break page.end,
                Some(rest) => from = rest,
            }
        };
        if page.damaged > 0 {
            self.cql.left_out(page.damaged);
            tracing::error!(
                rows = page.damaged,
                "accounts whose rows are damaged are left out: run an audit"
            );
        }
        Ok(AccountPage {
            accounts: page.found,
            next: next.map(cursor),
        })
    }
}

#[async_trait]
impl AccountDirectory for CassandraStore {
    async fn accounts(
        &self,
        by: Deadline,
        after: Option<&AccountCursor>,
        limit: u32,
    ) -> Result<AccountPage, ReadError> {
        self.reader.accounts(by, after, limit).await
    }
}

/// A page while it fills.
struct Filling {
    size: usize,
    found: Vec<ListedAccount>,
    looked_at: usize,
    damaged: u64,
    /// The last position that belongs to the page.
    end: Option<i64>,
    /// Something was found that belongs to the next one.
    is_full: bool,
}

impl Filling {
    const fn new(size: usize) -> Self {
        Self {
            size,
            found: Vec::new(),
            looked_at: 0,
            damaged: 0,
            end: None,
            is_full: false,
        }
    }

    /// The next page begins after a position: two accounts at one, which is a chance of one in 2^64, stay together.
    fn look_at(&mut self, row: ListedRow) {
        if self.is_full {
            return;
        }
        let position = row.position;
        let found = row.read();
        if self.found.len() >= self.size && !matches!(found, Some(None)) && self.end != Some(position) {
            self.is_full = true;
            return;
        }
        self.looked_at += 1;
        self.damaged += u64::from(found.is_none());
        self.end = Some(position);
        self.found.extend(found.flatten());
    }
}

fn cursor(position: i64) -> AccountCursor {
    let mut bytes = vec![FORMAT];
    bytes.extend(position.to_be_bytes());
    AccountCursor(bytes)
}

/// `None` = it is no cursor of this store.
fn position(AccountCursor(bytes): &AccountCursor) -> Option<i64> {
    let (format, position) = bytes.split_first()?;
    let position = position.try_into().ok().map(i64::from_be_bytes)?;
    (*format == FORMAT).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_nine_bytes_and_says_where() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            let cursor = cursor(at);
            assert_eq!((cursor.0.len(), position(&cursor)), (9, Some(at)));
        }
        for foreign in [&b""[..], b"\x01", b"\x02\0\0\0\0\0\0\0\0", &[7; 16]] {
            assert_eq!(position(&AccountCursor(foreign.to_vec())), None, "{foreign:?}");
        }
    }
}
