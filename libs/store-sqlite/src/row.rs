//! Statements in, typed values out: how every query of this crate runs and how its rows are read.

use std::sync::Arc;

use foxhold_core::{Secret, Timestamp, TokenId, Uid};
use foxhold_sqlite::rusqlite::{Connection, Params, Row, types::FromSql};

use crate::error::StoreError;

/// A row, read column by column in the order of its SELECT list.
pub(crate) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn get<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// A cell without copying it.
    pub(crate) fn blob(&mut self) -> Result<&'r [u8], StoreError> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        value
            .as_blob()
            .map_err(|_| StoreError::Corrupt("a cell is no blob"))
    }

    /// A cell without copying it, that may be absent.
    pub(crate) fn optional_blob(&mut self) -> Result<Option<&'r [u8]>, StoreError> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        value
            .as_blob_or_null()
            .map_err(|_| StoreError::Corrupt("a cell is no blob"))
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        unsigned(self.get()?)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.number().map(Timestamp::from_millis)
    }

    pub(crate) fn uid(&mut self) -> Result<Uid, StoreError> {
        self.get().map(Uid::from_bytes)
    }

    pub(crate) fn token(&mut self) -> Result<TokenId, StoreError> {
        self.get().map(TokenId::from_bytes)
    }

    pub(crate) fn secret<const N: usize>(&mut self) -> Result<Arc<Secret<N>>, StoreError> {
        self.get().map(|bytes| Arc::new(Secret::new(bytes)))
    }
}

pub(crate) fn unsigned(stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|_| StoreError::Corrupt("a number is negative"))
}

/// SQLite's integers end at 2^63-1. No time, generation or figure of ours gets there but by a broken caller.
pub(crate) fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Corrupt("a number is too large for the store"))
}

pub(crate) fn millis(time: Timestamp) -> Result<i64, StoreError> {
    signed(time.as_millis())
}

/// At most one row.
pub(crate) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => read(&mut Columns { row, next: 0 }).map(Some),
        None => Ok(None),
    }
}

/// All rows.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&mut Columns { row, next: 0 })?);
    }
    Ok(found)
}

/// One thing out of many rows: `first` reads the columns that are the same in all of them, once; `add` reads, from column
/// `own` on, what each row brings.
pub(crate) fn gathered<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    first: impl Fn(&mut Columns<'_>) -> Result<T, StoreError>,
    own: usize,
    add: impl Fn(&mut T, &mut Columns<'_>) -> Result<(), StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = None;
    while let Some(row) = rows.next()? {
        let mut whole = match found {
            Some(whole) => whole,
            None => first(&mut Columns { row, next: 0 })?,
        };
        add(&mut whole, &mut Columns { row, next: own })?;
        found = Some(whole);
    }
    Ok(found)
}

/// Changes rows; answers how many.
pub(crate) fn change(db: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}
