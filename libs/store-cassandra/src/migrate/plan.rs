//! What an operator wants the keyspace to be, and what follows from it: marks, stripes, replication. Pure.

use foxhold_core::RegionMark;
use thiserror::Error;

use crate::{Region, RegionState, SerialLevel};

/// Cassandra's own limit.
const NAME_LEN_MAX: usize = 48;
/// More copies in one data centre than anybody keeps.
const REPLICATION_MAX: u32 = 9;
/// More stripes than there can be regions many times over.
const STRIPES_MAX: u32 = 1024;

/// The keyspace of a deployment. Fixed at first start, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub keyspace: String,
    /// Its regions. The order is part of the plan: marks and stripes follow from it.
    pub regions: Vec<RegionPlan>,
    /// Where unique decisions are serialized.
    pub serial: SerialLevel,
    /// How many stripes uids are dealt out in; at least one a region.
    pub stripes: u32,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPlan {
    /// What operators call it.
    pub name: String,
    /// The data centre, as the cluster's snitch calls it.
    pub data_centre: String,
    /// Copies of every row in it.
    pub replication: u32,
}

/// A plan that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A name with other characters, or too long.
    #[error(
        "`{0}` cannot be the name of a {1}\nfix: letters, digits and `_` (`-`, too, where it is no keyspace), at most 48"
    )]
    Name(String, &'static str),
    /// No region, or more than token ids can tell apart.
    #[error("a deployment has 1 to 16 regions, not {0}")]
    Regions(usize),
    /// Two regions of one name or in one data centre.
    #[error(
        "two regions are called `{0}` or are in it\nfix: a region is one data centre, and has a name of its own"
    )]
    Twice(String),
    /// No copies, or very many.
    #[error("region `{0}`: {1} copies of every row are not 1 to 9")]
    Replication(String, u32),
    /// Decisions within one region cannot be unique over several.
    #[error(
        "LOCAL_SERIAL is for deployments of one region: two regions would both give an address away\nfix: serial = \"SERIAL\""
    )]
    LocalSerial,
    /// A region without a stripe could not hand out uids.
    #[error("{0} stripes of uids for {1} regions\nfix: as many stripes as regions at least, 1024 at most")]
    Stripes(u32, usize),
}

impl Plan {
    /// Whether it can be.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), PlanError> {
        let regions = self.regions.len();
        if !is_name(&self.keyspace, "_") {
            return Err(PlanError::Name(self.keyspace.clone(), "keyspace"));
        }
        if regions == 0 || regions > usize::from(RegionMark::COUNT) {
            return Err(PlanError::Regions(regions));
        }
        for (index, region) in self.regions.iter().enumerate() {
            region.check()?;
            for other in &self.regions[..index] {
                if other.name == region.name {
                    return Err(PlanError::Twice(region.name.clone()));
                }
                if other.data_centre == region.data_centre {
                    return Err(PlanError::Twice(region.data_centre.clone()));
                }
            }
        }
        if self.serial == SerialLevel::LocalSerial && regions > 1 {
            return Err(PlanError::LocalSerial);
        }
        let enough = usize::try_from(self.stripes).is_ok_and(|stripes| stripes >= regions);
        if !enough || self.stripes > STRIPES_MAX {
            return Err(PlanError::Stripes(self.stripes, regions));
        }
        Ok(())
    }

    /// The regions as they are at first start: marks in the plan's order, stripes dealt out in turn.
    #[must_use]
    pub fn first_regions(&self) -> Vec<Region> {
        let mut regions: Vec<Region> = (0..RegionMark::COUNT)
            .filter_map(RegionMark::new)
            .zip(&self.regions)
            .map(|(mark, region)| Region {
                name: region.name.clone(),
                data_centre: region.data_centre.clone(),
                mark,
                stripes: Vec::new(),
                replication: region.replication,
                state: RegionState::Live,
            })
            .collect();
        let count = regions.len().max(1);
        for (stripe, index) in (0..self.stripes).zip((0..count).cycle()) {
            if let Some(region) = regions.get_mut(index) {
                region.stripes.push(stripe);
            }
        }
        regions
    }

    /// The data centres, in the plan's order.
    pub(super) fn data_centres(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().map(|region| region.data_centre.as_str())
    }
}

impl RegionPlan {
    fn check(&self) -> Result<(), PlanError> {
        for (name, of) in [(&self.name, "region"), (&self.data_centre, "data centre")] {
            if !is_name(name, "_-") {
                return Err(PlanError::Name(name.clone(), of));
            }
        }
        if (1..=REPLICATION_MAX).contains(&self.replication) {
            Ok(())
        } else {
            Err(PlanError::Replication(self.name.clone(), self.replication))
        }
    }
}

/// Letters, digits and what `also` says: nothing that would need care inside a statement.
fn is_name(text: &str, also: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || also.contains(letter);
    (1..=NAME_LEN_MAX).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with(|first: char| !first.is_ascii_alphanumeric())
}

/// Whether it can be the name of a role.
pub(super) fn is_role_name(text: &str) -> bool {
    is_name(text, "_-.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(regions: &[(&str, &str, u32)]) -> Plan {
        let region = |(name, data_centre, replication): &(&str, &str, u32)| RegionPlan {
            name: (*name).to_owned(),
            data_centre: (*data_centre).to_owned(),
            replication: *replication,
        };
        Plan {
            keyspace: "foxhold".to_owned(),
            regions: regions.iter().map(region).collect(),
            serial: SerialLevel::Serial,
            stripes: 4,
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let two = || plan(&[("eu", "dc1", 3), ("us", "dc2", 3)]);
        let with = |change: &dyn Fn(&mut Plan)| {
            let mut plan = two();
            change(&mut plan);
            plan.check()
        };
        let table: [(&str, Result<(), PlanError>, bool); 10] = [
            ("as it is", with(&|_| {}), true),
            ("no region", plan(&[]).check(), false),
            (
                "LOCAL_SERIAL",
                with(&|plan| plan.serial = SerialLevel::LocalSerial),
                false,
            ),
            ("one stripe", with(&|plan| plan.stripes = 1), false),
            ("many stripes", with(&|plan| plan.stripes = 1025), false),
            ("no copy", with(&|plan| plan.regions[1].replication = 0), false),
            (
                "two of a name",
                with(&|plan| plan.regions[1].name = "eu".into()),
                false,
            ),
            (
                "two in one",
                with(&|plan| plan.regions[1].data_centre = "dc1".into()),
                false,
            ),
            (
                "a quote",
                with(&|plan| plan.regions[1].data_centre = "dc'2".into()),
                false,
            ),
            (
                "a keyspace",
                with(&|plan| plan.keyspace = "fox-hold".into()),
                false,
            ),
        ];
        for (name, checked, holds) in table {
            assert_eq!(checked.is_ok(), holds, "{name}: {checked:?}");
        }
        let mut alone = plan(&[("eu", "dc1", 3)]);
        alone.serial = SerialLevel::LocalSerial;
        assert_eq!(alone.check(), Ok(()));
    }

    #[test]
    fn marks_follow_the_order_and_stripes_are_dealt_out_in_turn() {
        let regions = plan(&[("us", "dc2", 3), ("eu", "dc1", 3), ("ap", "dc3", 1)]).first_regions();
        let dealt: Vec<_> = regions
            .iter()
            .map(|region| (region.name.as_str(), region.mark.get(), region.stripes.clone()))
            .collect();
        assert_eq!(
            dealt,
            [("us", 0, vec![0, 3]), ("eu", 1, vec![1]), ("ap", 2, vec![2])]
        );
    }
}
