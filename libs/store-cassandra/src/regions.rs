//! The regions of a deployment and what a token's mark says (`security.md` D.2, D.4).
//!
//! Must stay true: every region names the same one for a token that some region issued, so that no two decide about it. A
//! mark that names no configured region counts as the own region's; the first living region, by name, decides in place of
//! one that was declared dead.

use foxhold_core::{RegionMark, TokenId};

/// Whether a region takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionState {
    /// It does.
    Live,
    /// An operator has declared it dead: the others decide without it.
    Dead,
}

impl RegionState {
    /// As it stands in the `regions` table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Live, Self::Dead]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// One region: a data centre of the cluster with its tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What operators call it.
    pub name: String,
    /// The data centre, as the cluster's snitch calls it.
    pub data_centre: String,
    /// The top four bits of the ids of tokens issued in it.
    pub mark: RegionMark,
    /// The stripes of uids it hands out, from zero.
    pub stripes: Vec<u32>,
    /// Copies of every row in it.
    pub replication: u32,
    /// Whether it takes part.
    pub state: RegionState,
}

/// All regions, seen from one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    own: usize,
    all: Vec<Region>,
}

impl Regions {
    /// `None` if there is no region of that name among them.
    #[must_use]
    pub fn new(mut all: Vec<Region>, own: &str) -> Option<Self> {
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let own = all.iter().position(|region| region.name == own)?;
        Some(Self { own, all })
    }

    /// The region this process runs in.
    #[must_use]
    pub fn own(&self) -> &Region {
        &self.all[self.own]
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> &[Region] {
        &self.all
    }

    /// The mark that tokens issued here must carry; `None` where there is only one region.
    #[must_use]
    pub fn mark(&self) -> Option<RegionMark> {
        (self.all.len() > 1).then(|| self.own().mark)
    }

    /// The region that decides about a token.
    #[must_use]
    pub fn home(&self, id: &TokenId) -> &Region {
        let issuer = self.all.iter().find(|region| region.mark.marks(id));
        match issuer {
            None => self.own(),
            Some(issuer) if issuer.state == RegionState::Live => issuer,
            Some(_) => self.heir(),
        }
    }

    /// The region that decides about a stripe of uids; the own one, if that is gone.
    pub(crate) fn home_of_stripe(&self, stripe: u32) -> &Region {
        let mut living = self.all.iter().filter(|region| region.state == RegionState::Live);
        let home = living.find(|region| region.stripes.contains(&stripe));
        home.unwrap_or_else(|| self.own())
    }

    fn heir(&self) -> &Region {
        let mut living = self.all.iter().filter(|region| region.state == RegionState::Live);
        living.next().unwrap_or_else(|| self.own())
    }

    /// The region that decides about a token, if that is another one.
    #[must_use]
    pub fn foreign_home(&self, id: &TokenId) -> Option<&Region> {
        let home = self.home(id);
        (home.name != self.own().name).then_some(home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str, mark: u8, state: RegionState) -> Region {
        Region {
            name: name.into(),
            data_centre: format!("dc-{name}"),
            mark: RegionMark::new(mark).unwrap(),
            stripes: vec![u32::from(mark)],
            replication: 3,
            state,
        }
    }

    #[test]
    fn a_token_is_at_home_where_its_mark_says_unless_nobody_lives_there() {
        let regions = |own: &str| {
            let all = vec![
                region("us", 1, RegionState::Live),
                region("eu", 0, RegionState::Live),
                region("ap", 2, RegionState::Dead),
            ];
            Regions::new(all, own).unwrap()
        };
        let table = [
            ("eu", 0x0f, "eu"),
            ("eu", 0x1f, "us"),
            ("us", 0x1f, "us"),
            ("us", 0x00, "eu"),
            ("eu", 0x20, "eu"),
            ("us", 0x20, "eu"),
            ("us", 0xf0, "us"),
        ];
        for (own, first, home) in table {
            let (regions, id) = (regions(own), TokenId::from_bytes([first; 32]));
            assert_eq!(regions.home(&id).name, home, "{own} {first:x}");
            assert_eq!(
                regions.foreign_home(&id).is_some(),
                own != home,
                "{own} {first:x}"
            );
        }
        assert_eq!(regions("us").mark(), RegionMark::new(1));
        assert_eq!(Regions::new(vec![region("eu", 0, RegionState::Live)], "us"), None);
    }

    #[test]
    fn one_region_alone_marks_nothing() {
        let alone = Regions::new(vec![region("eu", 3, RegionState::Live)], "eu").unwrap();
        assert_eq!(alone.mark(), None);
    }
}
