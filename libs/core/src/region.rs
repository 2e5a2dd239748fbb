//! The mark of a region: four bits that every token id made there begins with (`security.md` D.2), so that any region
//! can tell from an id alone who may spend its token, and where it was written first.
//!
//! Must stay true: the mark is part of ids that clients hold. A region keeps its mark for good.

use crate::TokenId;

/// A region's mark, 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionMark(u8);

impl RegionMark {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// `None` for what four bits cannot hold.
    #[must_use]
    pub const fn new(mark: u8) -> Option<Self> {
        if mark < Self::COUNT {
            Some(Self(mark))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The mark a token id bears: its top four bits. Where there is one region, ids bear any.
    #[must_use]
    pub const fn of(id: &TokenId) -> Self {
        Self(id.as_bytes()[0] >> 4)
    }

    /// Whether a token id bears this mark.
    #[must_use]
    pub const fn marks(self, id: &TokenId) -> bool {
        Self::of(id).0 == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_four_bits() {
        assert_eq!(RegionMark::new(15).map(RegionMark::get), Some(15));
        assert_eq!(RegionMark::new(16), None);
    }

    #[test]
    fn an_id_bears_the_mark_of_its_top_bits() {
        for (first, mark) in [(0x00, 0), (0x0f, 0), (0x10, 1), (0xa5, 10), (0xff, 15)] {
            let mut bytes = [0x77; 32];
            bytes[0] = first;
            let id = TokenId::from_bytes(bytes);
            let borne = RegionMark::of(&id);
            assert_eq!(borne.get(), mark, "{first:#04x}");
            for other in (0..RegionMark::COUNT).filter_map(RegionMark::new) {
                assert_eq!(other.marks(&id), other == borne, "{first:#04x}");
            }
        }
    }
}
