//! How many nodes a cluster has and where each stands in the ring. Pure.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// The most data centres a cluster may have, and the most nodes one may have: their addresses are laid out for this.
const MOST: usize = 9;

/// Nodes per data centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(Vec<usize>);

impl Layout {
    /// One node.
    #[must_use]
    pub fn one() -> Self {
        Self(vec![1])
    }

    /// One data centre of three.
    #[must_use]
    pub fn three() -> Self {
        Self(vec![3])
    }

    /// Three data centres of one.
    #[must_use]
    pub fn three_regions() -> Self {
        Self(vec![1, 1, 1])
    }

    /// Two data centres of three.
    #[must_use]
    pub fn two_regions() -> Self {
        Self(vec![3, 3])
    }

    /// As many nodes in each data centre as said.
    ///
    /// # Errors
    /// When there is none, or more than nine of either.
    pub fn of(nodes_per_data_centre: &[usize]) -> Result<Self> {
        let fits = |count: usize| (1..=MOST).contains(&count);
        ensure!(
            fits(nodes_per_data_centre.len()) && nodes_per_data_centre.iter().all(|&count| fits(count)),
            "not 1 to {MOST} data centres of 1 to {MOST} nodes: {nodes_per_data_centre:?}"
        );
        Ok(Self(nodes_per_data_centre.to_vec()))
    }

    /// How many nodes in all.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.0.iter().sum()
    }

    /// How many nodes in each data centre.
    #[must_use]
    pub fn per_data_centre(&self) -> &[usize] {
        &self.0
    }

    /// Every node's place, in the order of their numbers.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        let mut seats = Vec::with_capacity(self.nodes());
        for (index, &count) in self.0.iter().enumerate() {
            for place in 0..count {
                seats.push(Seat {
                    number: seats.len() + 1,
                    data_centre: index + 1,
                    place: place + 1,
                    token: token(index, place, count),
                });
            }
        }
        seats
    }
}

/// `3` or `3,3`.
impl FromStr for Layout {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let counts: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        Self::of(&counts.with_context(|| format!("not numbers of nodes: {text}"))?)
    }
}

/// A node's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Of the node in the cluster, from 1.
    pub(crate) number: usize,
    /// From 1.
    pub(crate) data_centre: usize,
    /// Of the node in its data centre, from 1.
    pub(crate) place: usize,
    /// Its one token: a node that is told its token need not work one out, and nothing has to move.
    pub(crate) token: i64,
}

/// The name of a data centre by its number.
pub(crate) fn data_centre_name(number: usize) -> String {
    format!("dc{number}")
}

/// Each data centre divides the whole ring evenly among its nodes. No two nodes of a cluster may have the same token,
/// so each data centre is a little off the last.
fn token(data_centre: usize, place: usize, count: usize) -> i64 {
    let width = (1_i128 << 64) / count as i128;
    let offset = (data_centre as i128 + 1) * 1000;
    let token = i128::from(i64::MIN) + place as i128 * width + offset;
    i64::try_from(token).expect("the last node's token is a ring's part below the end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_divide_the_ring() {
        let tokens = |layout: Layout| layout.seats().iter().map(|seat| seat.token).collect::<Vec<_>>();
        assert_eq!(tokens(Layout::one()), [-9_223_372_036_854_774_808]);
        assert_eq!(
            tokens(Layout::three()),
            [
                -9_223_372_036_854_774_808,
                -3_074_457_345_618_257_603,
                3_074_457_345_618_259_602
            ]
        );
        let mut six = tokens(Layout::two_regions());
        six.sort_unstable();
        six.dedup();
        assert_eq!(six.len(), 6, "every token is its node's alone");
    }

    #[test]
    fn seats_are_numbered_through() {
        let seats = "2,1".parse::<Layout>().unwrap().seats();
        let places: Vec<_> = seats
            .iter()
            .map(|seat| (seat.number, seat.data_centre, seat.place))
            .collect();
        assert_eq!(places, [(1, 1, 1), (2, 1, 2), (3, 2, 1)]);
    }

    #[test]
    fn layouts_that_cannot_be() {
        for text in ["", "0", "3,0", "10", "1,1,1,1,1,1,1,1,1,1", "three", "3;3"] {
            assert!(text.parse::<Layout>().is_err(), "{text}");
        }
    }
}
