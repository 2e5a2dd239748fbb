//! Ids of operations in one cell, oldest first: a row that several operations change, each of them once, says which did.

use foxhold_core::OpId;

const ID_LEN: usize = 16;

/// The ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Operations(Vec<OpId>);

impl Operations {
    /// What a cell holds; `None` if it is cut off. No cell is none.
    pub(super) fn read(cell: Option<&[u8]>) -> Option<Self> {
        let ids = cell.unwrap_or_default().chunks(ID_LEN);
        ids.map(OpId::from_slice).collect::<Option<_>>().map(Self)
    }

    /// As many that nobody knows of.
    pub(super) fn unnamed(count: u8) -> Self {
        Self(vec![OpId::from_bytes([0; ID_LEN]); count.into()])
    }

    /// The cell.
    pub(super) fn cell(&self) -> Vec<u8> {
        self.0.iter().flat_map(|op| *op.as_bytes()).collect()
    }

    /// How many.
    pub(super) fn count(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    /// How many there were when this one had been added, if it is one of them.
    pub(super) fn count_at(&self, op: &OpId) -> Option<u8> {
        let place = self.0.iter().position(|other| other == op)?;
        u8::try_from(place + 1).ok()
    }

    /// The same and this one, the newest so many of them.
    pub(super) fn with(&self, op: OpId, max: usize) -> Self {
        let mut ids = self.0.clone();
        ids.push(op);
        Self(ids.split_off(ids.len().saturating_sub(max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_which_operation_came_when() {
        let [a, b, c] = [1, 2, 3].map(|byte| OpId::from_bytes([byte; ID_LEN]));
        let both = Operations::default().with(a, 3).with(b, 3);
        assert_eq!(Operations::read(Some(&both.cell())), Some(both.clone()));
        assert_eq!(
            (both.count(), both.count_at(&a), both.count_at(&b)),
            (2, Some(1), Some(2))
        );
        assert_eq!(both.count_at(&c), None);
        assert_eq!(both.with(c, 2), Operations(vec![b, c]), "the newest two");
        assert_eq!(Operations::read(None), Some(Operations::default()));
        assert_eq!(Operations::read(Some(&[0; 17])), None);
        assert_eq!(Operations::unnamed(2).count(), 2);
    }
}
