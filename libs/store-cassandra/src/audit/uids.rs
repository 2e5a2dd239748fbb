//! Uids in use against uids handed out: blocks of a thousand, striped over the regions (`tokenserver.md` 9).
//!
//! Which uids were seen is kept as one bit each. So that this stays small whatever the number of users, records are gone
//! through again for every 400 million uids.

use std::collections::{BTreeMap, HashMap};

use scylla::DeserializeRow;

use super::{
    Audit, AuditError, Finding, Notes, Verdict,
    records::{RecordRow, Service, fxa_uid},
    scan::{Pages, settle, soon},
};
use crate::{
    Region,
    cql::{Level, Outcome},
};

/// Uids of one block.
const BLOCK: u64 = 1000;
/// Blocks whose uids are kept in mind at once: 128 bytes each.
const BLOCKS_MAX: u64 = 400_000;
/// Uids that were seen twice and are looked at; more are left to the next run.
const TWINS_MAX: usize = 1000;

/// One bit a uid of a block.
type Seen = [u64; 16];

#[derive(DeserializeRow)]
struct StripeRow {
    blocks: Option<i64>,
}

/// Where a uid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    /// Its block, of all.
    block: u64,
    stripe: u32,
    /// Its block, of the stripe.
    number: u64,
    bit: u64,
}

impl Origin {
    fn of(uid: u64, stripes: u32) -> Option<Self> {
        let block = uid.checked_sub(1)? / BLOCK;
        let stripes = u64::from(stripes);
        Some(Self {
            block,
            stripe: u32::try_from(block % stripes).ok()?,
            number: block / stripes,
            bit: (uid - 1) % BLOCK,
        })
    }
}

/// What is known about the uids of all services.
pub(super) struct Uids {
    stripes: u32,
    /// Blocks handed out, by service and stripe, when the counting began.
    handed_out: HashMap<(usize, u32), u64>,
    /// The highest block in use, by service and stripe.
    highest: BTreeMap<(usize, u32), u64>,
    seen: HashMap<(usize, u64), Seen>,
    twins: Vec<(usize, u64)>,
    rounds: u64,
}

impl Uids {
    pub(super) async fn of(audit: &Audit<'_>, services: &[Service]) -> Result<Self, AuditError> {
        let stripes = audit.cql.stripes();
        let mut handed_out = HashMap::new();
        for (place, service) in services.iter().enumerate() {
            for stripe in 0..stripes {
                let blocks = blocks(audit, &service.key.0, stripe).await?;
                handed_out.insert((place, stripe), blocks.unwrap_or(0));
            }
        }
        Ok(Self::new(stripes, handed_out))
    }

    fn new(stripes: u32, handed_out: HashMap<(usize, u32), u64>) -> Self {
        let blocks: u64 = handed_out.values().sum();
        Self {
            stripes,
            handed_out,
            highest: BTreeMap::new(),
            seen: HashMap::new(),
            twins: Vec::new(),
            rounds: blocks.div_ceil(BLOCKS_MAX).max(1),
        }
    }

    /// Takes down a uid in use, in the first round.
    pub(super) fn count(&mut self, service: usize, uid: u64) {
        let Some(origin) = Origin::of(uid, self.stripes) else {
            return;
        };
        let highest = self.highest.entry((service, origin.stripe)).or_default();
        *highest = origin.number.max(*highest);
        self.mark(service, uid, 0);
    }

    /// Uids that were not handed out are another finding, and would have no bound here.
    fn mark(&mut self, service: usize, uid: u64, round: u64) {
        let Some(origin) = Origin::of(uid, self.stripes) else {
            return;
        };
        let handed_out = self
            .handed_out
            .get(&(service, origin.stripe))
            .copied()
            .unwrap_or(0);
        if origin.number >= handed_out || origin.block % self.rounds != round {
            return;
        }
        let seen = self.seen.entry((service, origin.block)).or_default();
        let (word, bit) = ((origin.bit / 64) as usize, 1 << (origin.bit % 64));
        if seen[word] & bit != 0 && self.twins.len() < TWINS_MAX {
            self.twins.push((service, uid));
        }
        seen[word] |= bit;
    }
}

async fn blocks(audit: &Audit<'_>, service: &str, stripe: u32) -> Result<Option<u64>, AuditError> {
    let home = home(audit, stripe);
    let level = Level::Within(&home);
    let row = audit
        .cql
        .serial_row(level, soon(), &audit.statements.stripe, (service, signed(stripe)));
    let row: Option<StripeRow> = row.await?;
    Ok(row.map(|row| {
        row.blocks
            .and_then(|blocks| u64::try_from(blocks).ok())
            .unwrap_or(0)
    }))
}

fn home(audit: &Audit<'_>, stripe: u32) -> Region {
    audit.cql.regions().home_of_stripe(stripe).clone()
}

fn signed(stripe: u32) -> i32 {
    i32::try_from(stripe).unwrap_or(i32::MAX)
}

/// Stripes against the highest uids in use.
pub(super) async fn compare(
    audit: &Audit<'_>,
    notes: &mut Notes<'_>,
    services: &[Service],
    uids: &Uids,
) -> Result<(), AuditError> {
    for ((service, stripe), highest) in &uids.highest {
        if uids.handed_out.get(&(*service, *stripe)) > Some(highest) {
            continue;
        }
        let service = &services[*service].key.0;
        settle(notes, async || look(audit, service, *stripe, *highest).await).await?;
    }
    Ok(())
}

async fn look(audit: &Audit<'_>, service: &str, stripe: u32, highest: u64) -> Result<Verdict, AuditError> {
    let before = blocks(audit, service, stripe).await?;
    if before > Some(highest) {
        return Ok(Verdict::Fine);
    }
    let finding = Finding::UidsNotHandedOut;
    let example = format!("service {service}, stripe {stripe}");
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example));
    }
    let (home, op) = (home(audit, stripe), audit.new_op());
    let after = i64::try_from(highest.saturating_add(1)).unwrap_or(i64::MAX);
    let before = before.map(|before| i64::try_from(before).unwrap_or(i64::MAX));
    let values = (after, op.as_bytes().as_slice(), service, signed(stripe), before);
    let outcome = audit
        .cql
        .decide_in(&home, soon(), &audit.statements.raise_stripe, values);
    Ok(match outcome.await? {
        Outcome::Applied => Verdict::Repaired(finding, example),
        Outcome::NotApplied | Outcome::InDoubt(_) => Verdict::Changed,
    })
}

/// Users that have one uid. Further rounds for what did not fit in the first; then one more to learn who they are.
pub(super) async fn look_for_twins(
    audit: &Audit<'_>,
    notes: &mut Notes<'_>,
    services: &[Service],
    uids: &mut Uids,
) -> Result<(), AuditError> {
    let place = |row: &RecordRow| services.iter().position(|service| service.key.0 == row.service);
    for round in 1..uids.rounds {
        uids.seen.clear();
        let mut pages = Pages::of(audit, &audit.statements.records, "assignments (uids)");
        while let Some(rows) = pages.next::<RecordRow>(notes).await? {
            for row in rows {
                if let Some(place) = place(&row) {
                    row.uids().for_each(|uid| uids.mark(place, uid, round));
                }
            }
        }
    }
    uids.seen = HashMap::new();
    if uids.twins.is_empty() {
        return Ok(());
    }
    let mut users: BTreeMap<(usize, u64), Vec<String>> =
        uids.twins.drain(..).map(|twin| (twin, Vec::new())).collect();
    let mut pages = Pages::of(audit, &audit.statements.records, "assignments (twins)");
    while let Some(rows) = pages.next::<RecordRow>(notes).await? {
        for row in rows {
            let Some(place) = place(&row) else {
                continue;
            };
            for uid in row.uids() {
                if let Some(users) = users.get_mut(&(place, uid))
                    && users.len() < 3
                {
                    users.push(row.user.clone());
                }
            }
        }
    }
    for ((service, uid), users) in users {
        let service = &services[service].key.0;
        settle(notes, async || twins(audit, service, uid, &users).await).await?;
    }
    Ok(())
}

async fn twins(audit: &Audit<'_>, service: &str, uid: u64, users: &[String]) -> Result<Verdict, AuditError> {
    let mut names = Vec::new();
    for user in users {
        let record = audit.record(service, user).await?;
        if record.is_some_and(|record| record.uids().any(|own| own == uid)) {
            names.push(fxa_uid(user));
        }
    }
    if names.len() < 2 {
        return Ok(Verdict::Fine);
    }
    let example = format!("service {service}, uid {uid}, users {}", names.join(" and "));
    Ok(Verdict::Found(Finding::UidTwice, example))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_tells_its_stripe_and_block() {
        // uid, stripes, block, stripe, number, bit
        let table = [
            (1, 4, (0, 0, 0, 0)),
            (1000, 4, (0, 0, 0, 999)),
            (1001, 4, (1, 1, 0, 0)),
            (4000, 4, (3, 3, 0, 999)),
            (4001, 4, (4, 0, 1, 0)),
            (4001, 1, (4, 0, 4, 0)),
        ];
        for (uid, stripes, (block, stripe, number, bit)) in table {
            let expected = Origin {
                block,
                stripe,
                number,
                bit,
            };
            assert_eq!(Origin::of(uid, stripes), Some(expected), "{uid} {stripes}");
        }
        assert_eq!(Origin::of(0, 4), None);
    }

    #[test]
    fn a_uid_that_is_seen_again_has_a_twin_if_it_was_handed_out_and_it_is_its_round() {
        let handed_out = HashMap::from([((0, 0), 1), ((0, 1), 1), ((1, 0), 1)]);
        let mut uids = Uids::new(2, handed_out);
        assert_eq!(uids.rounds, 1);
        for uid in [1, 2, 2000, 2000, 2001, 2001, 1] {
            uids.count(0, uid);
        }
        uids.count(1, 2);
        // 2001 is of the second block of its stripe, which was not handed out.
        assert_eq!(uids.twins, [(0, 2000), (0, 1)]);
        assert_eq!(
            uids.highest,
            BTreeMap::from([((0, 0), 1), ((0, 1), 0), ((1, 0), 0)])
        );
    }

    #[test]
    fn many_uids_take_more_rounds_that_share_them() {
        let handed_out = HashMap::from([((0, 0), BLOCKS_MAX + 1)]);
        let mut uids = Uids::new(1, handed_out);
        assert_eq!(uids.rounds, 2);
        for _ in 0..2 {
            for uid in [1, 1001, 2001] {
                uids.count(0, uid);
            }
        }
        assert_eq!(uids.twins, [(0, 1), (0, 2001)]);
        uids.mark(0, 1001, 1);
        uids.mark(0, 1001, 1);
        assert_eq!(uids.twins.last(), Some(&(0, 1001)));
    }
}
