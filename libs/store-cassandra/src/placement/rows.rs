//! Rows of a partition that are used again: what stands in one has nothing to do with its number.
//!
//! Must stay true: a row is added only when none is vacant, and none is ever deleted. So there are never more than were in
//! use at once, whatever comes and goes; a partition that is read twice a second has nothing deleted to read over.

use std::collections::{BTreeMap, BTreeSet};

/// Which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowNumber(pub(crate) u32);

/// Rows of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows<T> {
    used: BTreeMap<RowNumber, T>,
    vacant: BTreeSet<RowNumber>,
}

impl RowNumber {
    /// As it stands in the table.
    pub(crate) const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// `None` = it is none.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            used: BTreeMap::new(),
            vacant: BTreeSet::new(),
        }
    }
}

impl<T> Rows<T> {
    /// What stands in a row; `None` = nothing.
    pub(crate) fn get(&self, row: RowNumber) -> Option<&T> {
        self.used.get(&row)
    }

    /// All rows in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RowNumber, &T)> {
        self.used.iter().map(|(row, value)| (*row, value))
    }

    /// What stands in them.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.used.values()
    }

    /// Writes over a row.
    pub(crate) fn put(&mut self, row: RowNumber, value: T) {
        self.vacant.remove(&row);
        self.used.insert(row, value);
    }

    /// Takes a vacant row, or, if there is none, a new one.
    pub(crate) fn add(&mut self, value: T) {
        let row = self.vacant.first().copied().unwrap_or_else(|| self.new_row());
        self.put(row, value);
    }

    /// Leaves a row to whoever needs one next.
    pub(crate) fn vacate(&mut self, row: RowNumber) {
        self.used.remove(&row);
        self.vacant.insert(row);
    }

    /// Rows that are vacant now and were not before.
    pub(crate) fn vacated<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = RowNumber> {
        self.vacant.difference(&before.vacant).copied()
    }

    /// The lowest number that is not in use, when none is vacant.
    fn new_row(&self) -> RowNumber {
        let numbers = (0..).map(RowNumber);
        let mut taken = numbers.zip(self.used.keys());
        let gap = taken.find_map(|(number, row)| (number != *row).then_some(number));
        gap.unwrap_or_else(|| RowNumber(u32::try_from(self.used.len()).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
impl<T> Rows<T> {
    /// Rows there are, in use or vacant.
    pub(crate) fn count(&self) -> usize {
        self.used.len() + self.vacant.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: &Rows<char>) -> Vec<(u32, char)> {
        rows.iter().map(|(row, value)| (row.0, *value)).collect()
    }

    #[test]
    fn vacant_rows_are_used_first_the_lowest_before_others() {
        let mut rows = Rows::default();
        for value in ['a', 'b', 'c'] {
            rows.add(value);
        }
        assert_eq!(numbers(&rows), [(0, 'a'), (1, 'b'), (2, 'c')]);
        let before = rows.clone();
        rows.vacate(RowNumber(2));
        rows.vacate(RowNumber(0));
        assert_eq!(
            rows.vacated(&before).collect::<Vec<_>>(),
            [RowNumber(0), RowNumber(2)]
        );
        assert_eq!((numbers(&rows), rows.count()), (vec![(1, 'b')], 3));
        for value in ['d', 'e', 'f'] {
            rows.add(value);
        }
        assert_eq!(numbers(&rows), [(0, 'd'), (1, 'b'), (2, 'e'), (3, 'f')]);
        assert_eq!(rows.vacated(&before).count(), 0);
    }

    #[test]
    fn a_new_row_is_none_that_is_in_use() {
        let mut rows = Rows::default();
        rows.put(RowNumber(0), 'a');
        rows.put(RowNumber(2), 'b');
        rows.add('c');
        rows.add('d');
        assert_eq!(numbers(&rows), [(0, 'a'), (1, 'c'), (2, 'b'), (3, 'd')]);
    }

    #[test]
    fn numbers_are_four_bytes_in_order() {
        let row = RowNumber(0x0102_0304);
        assert_eq!(row.to_bytes(), [1, 2, 3, 4]);
        assert_eq!(RowNumber::from_slice(&[1, 2, 3, 4]), Some(row));
        assert_eq!(RowNumber::from_slice(&[0; 18]), None);
    }
}
