//! The binary form of cells that hold more than one value, for stores to write: `encoding` beside the ports, and lists
//! of a store's own. Each cell begins with the number of its format, so that a later one can be told from it. Lengths go
//! before what they measure; numbers are big-endian, 64 bits.
//!
//! Must stay true: cells lie in files and tables of running deployments, so a format never changes, it is followed by
//! another. Decoding never panics, whatever the bytes.

use zeroize::Zeroizing;

/// Writes a cell. Wiped when dropped, since some cells are secrets.
pub struct Encoder(Zeroizing<Vec<u8>>);

impl Encoder {
    /// Room for every cell but the largest lists: growing would leave a copy behind that is not wiped.
    pub const USUAL_LEN: usize = 512;

    /// A cell that holds nothing yet but the number of its format.
    #[must_use]
    pub fn new(format: u8) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::USUAL_LEN));
        bytes.push(format);
        Self(bytes)
    }

    /// Appends bytes whose number is known.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a number.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// Appends bytes after their number.
    pub fn sized(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// Appends whether there is a value, and the value.
    pub fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            encode(self, value);
        }
    }

    /// The cell, of secrets.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// The cell, of nothing secret.
    #[must_use]
    pub fn finish_plain(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// Reads a cell, from its beginning. Every method answers `None` if the bytes left are not what is asked for.
pub struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// A cell of that format.
    #[must_use]
    pub fn new(cell: &'a [u8], format: u8) -> Option<Self> {
        let (found, rest) = cell.split_first()?;
        (*found == format).then_some(Self(rest))
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes after their number.
    pub fn sized(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    /// Text after the number of its bytes.
    pub fn text(&mut self) -> Option<String> {
        let text = std::str::from_utf8(self.sized()?).ok()?;
        Some(text.to_owned())
    }

    /// A value that may be absent: `Some(None)` if it is.
    pub fn option<T>(&mut self, decode: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.take(1)? {
            [0] => Some(None),
            [1] => decode(self).map(Some),
            _ => None,
        }
    }

    /// As many values as the number before them says. No room is made for them beforehand: it may lie.
    pub fn list<T, C: FromIterator<T>>(
        &mut self,
        mut decode: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let number = self.number()?;
        (0..number).map(|_| decode(self)).collect()
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value read, if nothing is left after it.
    pub fn finish<T>(self, value: T) -> Option<T> {
        self.is_empty().then_some(value)
    }
}

/// What the tests of every format ask.
#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;

    /// What was encoded is decoded; a cut, lengthened or renumbered cell is refused.
    pub(crate) fn check<T: PartialEq + Debug>(value: &T, cell: &[u8], decode: fn(&[u8]) -> Option<T>) {
        assert_eq!(decode(cell).as_ref(), Some(value));
        let mut longer = cell.to_vec();
        longer.push(0);
        let mut other_format = cell.to_vec();
        other_format[0] ^= 0x80;
        assert_eq!(decode(&other_format), None);
        assert_eq!(decode(&[]), None);
        // A list may well end earlier or go on: then it must be another one.
        for changed in [&longer, &cell[..cell.len() - 1].to_vec()] {
            assert_ne!(decode(changed).as_ref(), Some(value));
        }
    }

    /// Decodes any bytes, also as if they were of the first format.
    pub(crate) fn must_not_panic<T>(mut cell: Vec<u8>, decode: fn(&[u8]) -> Option<T>) {
        let _ = decode(&cell);
        if let Some(first) = cell.first_mut() {
            *first = 1;
        }
        let _ = decode(&cell);
    }
}
