//! The numbers that users have in a service: taken from the cluster in blocks of a thousand, each from a stripe that this
//! region alone decides about (`security.md` D.2).
//!
//! Must stay true: a number is handed out once, and none that was reserved for records from elsewhere. What was taken and
//! not used when a process ends is lost.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foxhold_core::{Deadline, OpId, Random, ServiceUid, record::ServiceKey};
use foxhold_ports::{Cause, ReadError, WriteError};
use scylla::DeserializeRow;

use crate::{
    Region,
    cql::{Cql, KeyedLocks, Level, Outcome, as_upkeep, pause, statements},
    fail_point,
    placement::table::signed,
};

/// Uids of one block.
const BLOCK: u64 = 1000;

statements! {
    /// Statements about blocks of uids.
    UidStatements {
        stripe: Read = "SELECT blocks, op FROM uid_stripes WHERE service = ? AND stripe = ?";
        take: RegionalConditional = "UPDATE uid_stripes SET blocks = ?, op = ? WHERE service = ? AND stripe = ?
            IF blocks = ?";
    }
}

#[derive(Debug, Default, DeserializeRow)]
struct Stripe {
    blocks: Option<i64>,
    op: Option<Vec<u8>>,
}

impl Stripe {
    fn taken(&self) -> u64 {
        self.blocks
            .map_or(0, |blocks| u64::try_from(blocks).unwrap_or(u64::MAX))
    }
}

/// The uids this process has taken for all services.
pub(crate) struct Uids {
    cql: Arc<Cql>,
    statements: UidStatements,
    random: Arc<dyn Random>,
    free: Arc<Free>,
    turns: KeyedLocks<ServiceKey>,
    /// Turns of those that reserve uids: what one waits for, the others need not.
    pub(crate) reserving: KeyedLocks<ServiceKey>,
}

#[derive(Debug, Default)]
struct Free(Mutex<HashMap<ServiceKey, Blocks>>);

/// Free uids of one service: the rest of blocks, and single ones that came back.
#[derive(Debug, Default)]
struct Blocks {
    ranges: Vec<RangeInclusive<u64>>,
    single: BTreeSet<u64>,
}

/// A uid in hand. Lost if it is dropped: it may be on a record.
#[derive(Debug)]
pub(crate) struct Uid {
    free: Arc<Free>,
    service: ServiceKey,
    number: ServiceUid,
}

impl Uid {
    pub(crate) const fn number(&self) -> ServiceUid {
        self.number
    }

    /// It is on no record and never will be by what was sent.
    pub(crate) fn give_back(self) {
        let mut all = self.free.all();
        let blocks = all.entry(self.service).or_default();
        blocks.single.insert(self.number.get());
    }
}

impl Free {
    fn all(&self) -> MutexGuard<'_, HashMap<ServiceKey, Blocks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    /// The lowest number there is.
    fn lowest(&self) -> Option<u64> {
        let ranges = self.ranges.iter().map(|range| *range.start());
        ranges.chain(self.single.first().copied()).min()
    }

    /// Those may be on records from elsewhere.
    fn forget_below(&mut self, from: u64) {
        for range in &mut self.ranges {
            *range = from.max(*range.start())..=*range.end();
        }
        self.ranges.retain(|range| !range.is_empty());
        self.single.retain(|number| *number >= from);
    }

    fn take(&mut self, number: u64) {
        if self.single.remove(&number) {
            return;
        }
        for range in &mut self.ranges {
            if *range.start() == number {
                *range = number + 1..=*range.end();
            }
        }
        self.ranges.retain(|range| !range.is_empty());
    }
}

/// What there is of free uids in this process.
enum Local {
    Uid(Uid),
    AboveCeiling,
    None,
}

impl Uids {
    pub(crate) fn new(cql: Arc<Cql>, statements: UidStatements, random: Arc<dyn Random>) -> Self {
        Self {
            cql,
            statements,
            random,
            free: Arc::default(),
            turns: KeyedLocks::default(),
            reserving: KeyedLocks::default(),
        }
    }

    /// The lowest free uid of this process among these; `None` if it is above all of them.
    pub(crate) async fn take(
        &self,
        by: Deadline,
        service: &ServiceKey,
        uids: RangeInclusive<u64>,
    ) -> Result<Option<Uid>, WriteError> {
        match self.local(service, &uids) {
            Local::Uid(uid) => return Ok(Some(uid)),
            Local::AboveCeiling => return Ok(None),
            Local::None => {}
        }
        let _turn = self.turns.turn(service, by).await?;
        loop {
            match self.local(service, &uids) {
                Local::Uid(uid) => return Ok(Some(uid)),
                Local::AboveCeiling => return Ok(None),
                Local::None => {}
            }
            let drawn = as_upkeep(self.draw(by, service, &uids)).await;
            // A block that may have been taken is lost, but it is nothing of the intent that needed it.
            let drawn = drawn.map_err(|error| match error {
                WriteError::Unknown(cause) => WriteError::NotDone(cause),
                other => other,
            })?;
            match drawn {
                Some(block) => self.keep(service, block),
                None => return Ok(None),
            }
        }
    }

    fn keep(&self, service: &ServiceKey, uids: RangeInclusive<u64>) {
        if !uids.is_empty() {
            let mut all = self.free.all();
            all.entry(service.clone()).or_default().ranges.push(uids);
        }
    }

    fn local(&self, service: &ServiceKey, uids: &RangeInclusive<u64>) -> Local {
        let mut all = self.free.all();
        let Some(blocks) = all.get_mut(service) else {
            return Local::None;
        };
        blocks.forget_below(*uids.start());
        let Some(number) = blocks.lowest() else {
            return Local::None;
        };
        match ServiceUid::new(number).filter(|_| number <= *uids.end()) {
            Some(uid) => {
                blocks.take(number);
                Local::Uid(Uid {
                    free: Arc::clone(&self.free),
                    service: service.clone(),
                    number: uid,
                })
            }
            None => Local::AboveCeiling,
        }
    }

    /// Takes the lowest block of the own stripes; `None` if it begins above the ceiling.
    async fn draw(
        &self,
        by: Deadline,
        service: &ServiceKey,
        uids_of_service: &RangeInclusive<u64>,
    ) -> Result<Option<RangeInclusive<u64>>, WriteError> {
        let (from, ceiling) = (*uids_of_service.start(), *uids_of_service.end());
        let regions = self.cql.regions();
        let (region, stripes) = (regions.own(), u64::from(self.cql.stripes()));
        let op = OpId::random(self.random.as_ref());
        // The block this operation asked for last: if it was taken after all, its number has to be known.
        let mut asked = None;
        loop {
            let mut lowest: Option<(u64, u32, u64, Option<i64>)> = None;
            for number in region
                .stripes
                .iter()
                .copied()
                .filter(|number| u64::from(*number) < stripes)
            {
                let stripe = self.look(by, service, number, region).await?;
                if stripe.op.as_deref() == Some(op.as_bytes())
                    && let Some(block) = asked
                {
                    return Ok(Some(uids(block)));
                }
                // Those that are reserved are gone, whether or not the stripe says so yet.
                let gone = blocks_of(whole_blocks_below(from), u64::from(number), stripes);
                let taken = stripe.taken().max(gone);
                let block = block(taken, u64::from(number), stripes);
                if lowest.is_none_or(|(least, ..)| block < least) {
                    lowest = Some((block, number, taken, stripe.blocks));
                }
            }
            let Some((block, number, taken, before)) = lowest else {
                tracing::error!(region = %region.name, "no stripe of uids belongs to this region");
                return Err(WriteError::NotDone(Cause::Fault));
            };
            if *uids(block).start() > ceiling {
                return Ok(None);
            }
            warn_near(service, block, ceiling);
            asked = Some(block);
            let values = (
                signed(taken + 1),
                &op.as_bytes()[..],
                &service.0,
                number.cast_signed(),
                before,
            );
            let outcome = self
                .cql
                .decide_in(region, by, &self.statements.take, values)
                .await?;
            if outcome == Outcome::Applied {
                fail_point("uids.drawn");
                return Ok(Some(uids(block)));
            }
            pause(by, self.random.as_ref()).await;
        }
    }

    /// Sees to it that nobody is given a uid up to `through` from a block that is not taken yet. Answers whether any block
    /// with such a uid was taken before.
    ///
    /// Uids are cut into blocks of a thousand. Block `b` is of stripe `b % stripes`, and the `b / stripes`th of it; the row
    /// of a stripe counts how many of its blocks are gone, and whoever takes the next one names, as the condition of his
    /// write, the count that he has read. So it is exact, though nobody knows who takes: once each stripe counts all its
    /// blocks that begin at `through` or below, no block with such a uid can be taken any more, also by one who has read the
    /// count before. Of the last of these blocks, the uids above `through` belong to this process, if it was free.
    /// What is left of blocks that were taken before is in the memory of processes. They go by the placement
    /// (`Placement::uids_from`): that must have been written before.
    pub(crate) async fn reserve(
        &self,
        by: Deadline,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<bool, WriteError> {
        let stripes = self.cql.stripes();
        let last = (through.get() - 1) / BLOCK;
        let mut were_taken = false;
        for stripe in 0..stripes {
            let wanted = blocks_of(last + 1, u64::from(stripe), u64::from(stripes));
            let before = self.raise(by, service, stripe, wanted).await?;
            were_taken |= before > 0 && wanted > 0;
            if before < wanted && last % u64::from(stripes) == u64::from(stripe) {
                let rest = through.get() + 1..=*uids(last).end();
                self.keep(service, rest);
            }
        }
        Ok(were_taken)
    }

    /// Lets a stripe count at least so many blocks as gone; answers how many it counted before.
    async fn raise(
        &self,
        by: Deadline,
        service: &ServiceKey,
        stripe: u32,
        wanted: u64,
    ) -> Result<u64, WriteError> {
        let op = OpId::random(self.random.as_ref());
        let mut before = None;
        loop {
            let regions = self.cql.regions();
            let home = regions.home_of_stripe(stripe);
            let row = self.look(by, service, stripe, home).await?;
            if let Some(before) = before.filter(|_| row.op.as_deref() == Some(op.as_bytes())) {
                return Ok(before);
            }
            let taken = row.taken();
            if taken >= wanted {
                return Ok(taken);
            }
            before = Some(taken);
            let values = (
                signed(wanted),
                &op.as_bytes()[..],
                &service.0,
                stripe.cast_signed(),
                row.blocks,
            );
            let outcome = self.cql.decide_in(home, by, &self.statements.take, values);
            if outcome.await? == Outcome::Applied {
                return Ok(taken);
            }
            pause(by, self.random.as_ref()).await;
        }
    }

    async fn look(
        &self,
        by: Deadline,
        service: &ServiceKey,
        number: u32,
        home: &Region,
    ) -> Result<Stripe, WriteError> {
        let level = Level::Within(home);
        let values = (&service.0, number.cast_signed());
        let row = self
            .cql
            .serial_row(level, by, &self.statements.stripe, values)
            .await;
        let row: Option<Stripe> = row.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        Ok(row.unwrap_or_default())
    }
}

/// The block that comes after `taken` blocks of a stripe.
const fn block(taken: u64, stripe: u64, stripes: u64) -> u64 {
    taken.saturating_mul(stripes).saturating_add(stripe)
}

/// How many of the first blocks are of this stripe.
const fn blocks_of(blocks: u64, stripe: u64, stripes: u64) -> u64 {
    blocks.saturating_sub(stripe).div_ceil(stripes)
}

/// How many of the first blocks have no uid from `from` on.
const fn whole_blocks_below(from: u64) -> u64 {
    from.saturating_sub(1) / BLOCK
}

/// The uids of a block: the first one starts at 1.
const fn uids(block: u64) -> RangeInclusive<u64> {
    let first = block.saturating_mul(BLOCK).saturating_add(1);
    first..=first.saturating_add(BLOCK - 1)
}

/// Four fifths of all uids are used: an operator has to think of something.
fn warn_near(service: &ServiceKey, block: u64, ceiling: u64) {
    if *uids(block).start() > ceiling / 5 * 4 && ceiling > BLOCK {
        tracing::warn!(service = %service.0, ceiling, "four fifths of the uids are handed out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_stripes_are_all_uids_once() {
        let table = [
            (0, 0, 4, 1..=1000),
            (0, 3, 4, 3001..=4000),
            (1, 0, 4, 4001..=5000),
            (2, 1, 4, 9001..=10_000),
            (7, 0, 1, 7001..=8000),
        ];
        for (taken, stripe, stripes, expected) in table {
            assert_eq!(uids(block(taken, stripe, stripes)), expected, "{taken} {stripe}");
        }
        let all: BTreeSet<_> = (0..5)
            .flat_map(|taken| (0..4).map(move |stripe| *uids(block(taken, stripe, 4)).start()))
            .collect();
        assert_eq!(
            all.into_iter().collect::<Vec<_>>(),
            (0..20).map(|n| n * 1000 + 1).collect::<Vec<_>>()
        );
    }

    /// Each stripe counts just those of its blocks that begin at the last reserved uid or below.
    #[test]
    fn stripes_are_raised_over_all_that_is_reserved_and_no_further() {
        for stripes in [1, 3, 4] {
            for through in [1, 999, 1000, 1001, 2000, 2001, 4000, 12_345] {
                let last = (through - 1) / BLOCK;
                for stripe in 0..stripes {
                    let wanted = blocks_of(last + 1, stripe, stripes);
                    let next = block(wanted, stripe, stripes);
                    assert!(*uids(next).start() > through, "{stripes} {through} {stripe}");
                    if wanted > 0 {
                        let before = block(wanted - 1, stripe, stripes);
                        assert!(*uids(before).start() <= through, "{stripes} {through} {stripe}");
                    }
                }
                // Who draws before the stripes are raised skips what is reserved as a whole.
                let whole = whole_blocks_below(through + 1);
                assert_eq!((whole * BLOCK).max(through), through, "{through}");
                assert!((whole + 1) * BLOCK > through, "{through}");
            }
        }
    }

    #[test]
    fn what_is_reserved_is_not_handed_out_though_it_was_taken_before() {
        let blocks = || Blocks {
            ranges: vec![1001..=1004, 1..=2, 2000..=2000],
            single: BTreeSet::from([7, 1500]),
        };
        for (from, expected) in [
            (0, vec![1, 2, 7, 1001, 1002, 1003, 1004, 1500, 2000]),
            (2, vec![2, 7, 1001, 1002, 1003, 1004, 1500, 2000]),
            (1003, vec![1003, 1004, 1500, 2000]),
            (1501, vec![2000]),
            (2001, vec![]),
        ] {
            let mut left = blocks();
            left.forget_below(from);
            let mut handed_out = Vec::new();
            while let Some(number) = left.lowest() {
                left.take(number);
                handed_out.push(number);
            }
            assert_eq!(handed_out, expected, "{from}");
        }
    }

    #[test]
    fn the_lowest_free_uid_goes_first_and_each_goes_once() {
        let mut blocks = Blocks {
            ranges: vec![1001..=1002, 1..=2],
            single: BTreeSet::from([1000]),
        };
        let mut handed_out = Vec::new();
        while let Some(number) = blocks.lowest() {
            blocks.take(number);
            handed_out.push(number);
        }
        assert_eq!(handed_out, [1, 2, 1000, 1001, 1002]);
    }
}
