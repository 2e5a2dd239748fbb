//! How a placement changes (`tokenserver.md` 9): pure. What is computed here is written on condition that the placement
//! is still the one it was computed from.
//!
//! Must stay true: no change lets the users assigned, the slots released and the slots leased of a node be more than its
//! capacity together, nor, where an administrator has made that smaller, releases a slot; ending a lease moves each of its
//! slots either to the load or back to what is available. Where a service takes only so many users, no lease is drawn for
//! new users beyond that, and a new user is let in only if there is room for him though every other writer spent all it
//! holds.

mod nodes;
mod returning;
mod uids;

use std::collections::BTreeMap;

use foxhold_core::{
    NodeId,
    record::{NodeFigures, Service},
};
use foxhold_ports::assignments::{
    Target,
    choice::{self, Candidate},
};

pub(crate) use nodes::{at_url, create_node, remove_node, rename_node, update_node};
pub(crate) use returning::come_back;
pub(crate) use uids::{behind as uids_behind, reserve_uids};

use super::state::{Lease, LeaseId, Node, Placement, Recall, Writer, WriterId};

/// Slots of one lease, at most.
const BLOCK_MAX: u64 = 64;
/// One slot of this many that are available goes into a lease.
const BLOCK_PART: u64 = 16;

/// A writer, as it stands in what it writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Me<'a> {
    pub(crate) id: WriterId,
    pub(crate) region: &'a str,
    /// Now, by its clock, in ms.
    pub(crate) now: u64,
}

/// Whom a slot is for. A service may take only so many users; who has a record is no new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seeker {
    New,
    Known,
}

/// Where a slot has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where<'a> {
    /// Where the rule that all stores share sends a user.
    Rule(&'a Target),
    /// On this node, for a record that comes from elsewhere: whatever is released, and whether or not the node serves.
    Exactly(NodeId),
}

/// A slot that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub(crate) seeker: Seeker,
    pub(crate) place: Where<'a>,
}

/// What a writer knows better than the store of a lease it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holding {
    /// Slots spent, in work or in doubt.
    pub(crate) used: u64,
    /// Those of them that are in work or in doubt: they may come back.
    pub(crate) open: u64,
    /// Slots that are none of that and cannot be had either: they are on their way back.
    pub(crate) withheld: u64,
    /// Whether none is in work or in doubt.
    pub(crate) settled: bool,
    /// Whether the rest is to go back.
    pub(crate) to_return: bool,
}

/// By lease.
pub(crate) type Holdings = BTreeMap<LeaseId, Holding>;

/// Slots to release, by node.
pub(crate) type Releases = Vec<(NodeId, u64)>;

/// Where the next user goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    /// A slot of a lease that is held already.
    Spend(LeaseId),
    /// A new lease on this node, after so many slots of these nodes were released, if any.
    Draw(NodeId, Releases),
    /// What room is left, other writers hold, or this one has in work.
    Others,
    /// There is none.
    Full,
    /// The service has as many users as it takes.
    Closed,
}

/// Chooses a slot for somebody who may come.
pub(crate) fn pick(state: &Placement, me: WriterId, held: &Holdings, wanted: Wanted<'_>) -> Pick {
    let target = match wanted.place {
        Where::Rule(target) => target,
        // It is a user already, elsewhere.
        Where::Exactly(node) => return pick_exactly(state, me, held, node),
    };
    match admitted(state, me, held, wanted.seeker) {
        Admitted::Yes => pick_by_rule(state, me, held, target),
        Admitted::Perhaps => Pick::Others,
        Admitted::No => Pick::Closed,
    }
}

/// Chooses by the rule that all stores share. Nodes whose free slots other writers hold are passed over; only if there
/// are no others are more slots released, and then no more than fit beside all that is leased.
fn pick_by_rule(state: &Placement, me: WriterId, held: &Holdings, target: &Target) -> Pick {
    let reached = reached(state, me, held, target);
    let now: Vec<Candidate> = reached.iter().map(|node| node.candidate).collect();
    let mut exact = now.clone();
    if let Some(id) = choice::take_slot(&mut exact, target)
        && releases(&now, &exact, id).is_empty()
    {
        return from(state, me, held, id, vec![]);
    }
    // Nothing that is released can be reached. From here on, what others hold counts as spent.
    let mut strict = now.clone();
    for (candidate, node) in strict.iter_mut().zip(&reached) {
        candidate.figures.current_load += node.held_by_others;
    }
    if let Some(id) = choice::take_slot(&mut strict, target) {
        return from(state, me, held, id, releases(&now, &strict, id));
    }
    let waits = |node: &Reached| {
        let figures = &node.candidate.figures;
        let takes_users = !figures.backoff || matches!(target, Target::Node(_));
        let may_come = node.held_by_others + node.may_come_back;
        may_come > 0 && takes_users && !choice::is_out(figures)
    };
    if reached.iter().any(waits) {
        Pick::Others
    } else {
        Pick::Full
    }
}

/// A slot of one node for a record from elsewhere. What is not released is released one by one: the others stay what an
/// administrator sees.
fn pick_exactly(state: &Placement, me: WriterId, held: &Holdings, id: NodeId) -> Pick {
    let Some(node) = state.nodes.get(&id) else {
        return Pick::Full;
    };
    let releases = match node.figures.available {
        0 => vec![(id, 1)],
        _ => vec![],
    };
    match from(state, me, held, id, releases) {
        Pick::Draw(..) if room(state, id, &node.figures) == 0 => {
            let mut leases = state.leases.values();
            let held_by_others =
                leases.any(|lease| lease.node == id && lease.writer != me && lease.spent < lease.size);
            if held_by_others { Pick::Others } else { Pick::Full }
        }
        picked => picked,
    }
}

/// How many records from elsewhere a node has room for, if the others hand back what they have not spent.
pub(crate) fn room_exactly(state: &Placement, me: WriterId, held: &Holdings, id: NodeId) -> u64 {
    let Some(node) = state.nodes.get(&id) else {
        return 0;
    };
    let leases = state.leases.values().filter(|lease| lease.node == id);
    let spent = leases.map(|lease| match lease.writer == me {
        true => taken(held, lease),
        false => lease.spent,
    });
    let load = node.figures.current_load + spent.sum::<u64>();
    node.figures.capacity.saturating_sub(load)
}

/// A node where the user may go, as this writer can use it.
struct Reached {
    /// Everybody's spent slots are load, the writer's own free ones are available.
    candidate: Candidate,
    /// Slots that others hold and have not spent, as far as they have told.
    held_by_others: u64,
    /// Slots of this writer that count as load and may turn out not to be.
    may_come_back: u64,
}

/// By id. One pass over the nodes and one over the leases: every user who is assigned comes by here.
fn reached(state: &Placement, me: WriterId, held: &Holdings, target: &Target) -> Vec<Reached> {
    let fits = |(_, node): &(&NodeId, &Node)| target.includes(&node.url, node.pool.as_ref());
    let node = |(id, node): (&NodeId, &Node)| Reached {
        candidate: Candidate {
            id: *id,
            fits: true,
            figures: node.figures,
        },
        held_by_others: 0,
        may_come_back: 0,
    };
    let mut nodes: Vec<Reached> = state.nodes.iter().filter(fits).map(node).collect();
    let mut leased = vec![(0, 0); nodes.len()];
    for lease in state.leases.values() {
        let Ok(place) = nodes.binary_search_by_key(&lease.node, |node| node.candidate.id) else {
            continue;
        };
        let (node, (sizes, free)) = (&mut nodes[place], &mut leased[place]);
        *sizes += lease.size;
        if lease.writer == me {
            let taken = taken(held, lease);
            node.candidate.figures.current_load += taken;
            node.may_come_back += may_come_back(held, lease);
            *free += lease.size.saturating_sub(taken);
        } else {
            node.candidate.figures.current_load += lease.spent;
            node.held_by_others += lease.size.saturating_sub(lease.spent);
        }
    }
    for (node, (sizes, free)) in nodes.iter_mut().zip(leased) {
        let figures = &mut node.candidate.figures;
        let load = state.nodes[&node.candidate.id].figures.current_load;
        let room = figures.capacity.saturating_sub(load + sizes);
        figures.available = figures.available.min(room) + free;
    }
    nodes
}

fn used(held: &Holdings, lease: &Lease) -> u64 {
    held.get(&lease.id).map_or(0, |holding| holding.used)
}

/// What cannot be handed out any more.
fn taken(held: &Holdings, lease: &Lease) -> u64 {
    held.get(&lease.id)
        .map_or(0, |holding| holding.used + holding.withheld)
}

fn may_come_back(held: &Holdings, lease: &Lease) -> u64 {
    held.get(&lease.id)
        .map_or(0, |holding| holding.open + holding.withheld)
}

/// Slots that can still be leased whatever becomes of those that are.
fn room(state: &Placement, id: NodeId, figures: &NodeFigures) -> u64 {
    figures
        .capacity
        .saturating_sub(figures.current_load + state.leased(id))
}

/// How many users the service still takes beside all that is leased; `None` = any number.
fn left(state: &Placement) -> Option<u64> {
    let limit = state.service.as_ref()?.policy.admission.user_limit()?;
    let leased: u64 = state.leases.values().map(|lease| lease.size).sum();
    Some(limit.saturating_sub(users(state) + leased))
}

/// Users of leases that have ended.
fn users(state: &Placement) -> u64 {
    state.nodes.values().map(|node| node.figures.current_load).sum()
}

/// Whether a lease can be drawn for this user only on slots that this writer holds on other nodes.
pub(crate) fn hands_back_first(state: &Placement, seeker: Seeker) -> bool {
    seeker == Seeker::New && left(state) == Some(0)
}

/// Whether the service takes this user.
enum Admitted {
    Yes,
    /// Only if others hand back what they hold.
    Perhaps,
    No,
}

fn admitted(state: &Placement, me: WriterId, held: &Holdings, seeker: Seeker) -> Admitted {
    let limit = state
        .service
        .as_ref()
        .and_then(|service| service.policy.admission.user_limit());
    let (Some(limit), Seeker::New) = (limit, seeker) else {
        return Admitted::Yes;
    };
    // At least, and at most.
    let (mut least, mut most) = (users(state), users(state));
    for lease in state.leases.values() {
        let (spent, may_be) = if lease.writer == me {
            let open = held.get(&lease.id).map_or(0, |holding| holding.open);
            let used = used(held, lease);
            (used.saturating_sub(open), used)
        } else {
            (lease.spent, lease.size)
        };
        least += spent;
        most += may_be;
    }
    if most < limit {
        Admitted::Yes
    } else if least < limit {
        Admitted::Perhaps
    } else {
        Admitted::No
    }
}

/// What a choice released, beside taking one slot of the chosen node.
fn releases(before: &[Candidate], after: &[Candidate], chosen: NodeId) -> Releases {
    let more = |(before, after): (&Candidate, &Candidate)| {
        let available = after.figures.available + u64::from(after.id == chosen);
        (after.id, available.saturating_sub(before.figures.available))
    };
    let all = before.iter().zip(after).map(more);
    all.filter(|(_, released)| *released > 0).collect()
}

fn from(state: &Placement, me: WriterId, held: &Holdings, node: NodeId, releases: Releases) -> Pick {
    let free = state
        .of(me)
        .find(|(_, lease)| lease.node == node && taken(held, lease) < lease.size);
    match free {
        Some((_, lease)) => Pick::Spend(lease.id),
        None => Pick::Draw(node, releases),
    }
}

/// A lease to draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    pub(crate) node: NodeId,
    /// Slots that are released before.
    pub(crate) releases: &'a [(NodeId, u64)],
    pub(crate) id: LeaseId,
    /// Whom its first slot is for.
    pub(crate) seeker: Seeker,
}

/// After a new lease on a node; at the same time what [`tend`] does. `None` if the node has no slot to lease, or the
/// service none for new users.
pub(crate) fn draw(state: &Placement, me: Me<'_>, held: &Holdings, lease: Draw<'_>) -> Option<Placement> {
    let Draw {
        node, releases, id, ..
    } = lease;
    let mut after = tend(state, me, held, Telling::All);
    for (id, released) in releases {
        after.figures(*id, |figures| figures.available += released);
    }
    let figures = after.nodes.get(&node)?.figures;
    let left = match (left(&after), lease.seeker) {
        (Some(0), Seeker::Known) => 1,
        (Some(left), _) => left,
        (None, _) => u64::MAX,
    };
    let can = figures.available.min(room(&after, node, &figures)).min(left);
    let size = if takes_nobody(state, node) {
        // For the one who is sent there by name: what is left over would only go back.
        1
    } else {
        (can / BLOCK_PART).clamp(1, BLOCK_MAX)
    };
    if can < size {
        return None;
    }
    after.figures(node, |figures| figures.available -= size);
    after.leases.add(Lease {
        id,
        writer: me.id,
        node,
        size,
        spent: 0,
        freed: 0,
    });
    renew(&mut after, me);
    Some(after)
}

/// Whether a change is made only to tell the others what was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// What was spent of every lease.
    All,
    /// Nothing for its own sake: nobody else looks.
    Nothing,
}

/// After a writer's own upkeep: slots to return are returned, leases that are spent to the last slot are ended, and what
/// was spent of the others is told. The same state if there is nothing to do.
pub(crate) fn tend(state: &Placement, me: Me<'_>, held: &Holdings, telling: Telling) -> Placement {
    let mut after = state.clone();
    for (row, mut lease) in state.of(me.id) {
        let holding = held.get(&lease.id).copied().unwrap_or_default();
        let before = lease.size;
        if holding.to_return {
            lease.size = lease.size.min(holding.used);
        }
        if holding.settled && holding.used >= lease.size {
            after.figures(lease.node, |figures| figures.current_load += lease.size);
            after.leases.vacate(row);
        } else {
            if telling == Telling::All || holding.to_return {
                lease.spent = holding.used;
            }
            after.leases.put(row, lease);
        }
        give_back(&mut after, lease.node, before - lease.size);
    }
    after
}

/// Marks that the writer is alive.
pub(crate) fn renew(state: &mut Placement, me: Me<'_>) {
    let before = state.sign(me.id).unwrap_or(0);
    state.put_writer(Writer {
        id: me.id,
        region: me.region.to_owned(),
        renewed_at: me.now.max(before + 1),
    });
}

/// After a writer with nothing more to do has gone, and left its rows to others. Leases with slots in doubt stay for others
/// to end.
pub(crate) fn leave(state: &Placement, me: Me<'_>, held: &Holdings) -> Placement {
    let mut after = tend(state, me, held, Telling::All);
    if after.of(me.id).next().is_none() {
        after.forget_writer(me.id);
    }
    after
}

/// After a writer asked the others to hand back what they do not need.
pub(crate) fn recall(state: &Placement, me: Me<'_>) -> Placement {
    let mut after = state.clone();
    let before = state.recall.map_or(0, |recall| recall.at);
    after.recall = Some(Recall {
        writer: me.id,
        at: me.now.max(before + 1),
    });
    after
}

/// After the leases of a writer were ended by another one. `spent` says for each how many slots ever were, those that
/// came back since included. `None` if the writer has shown a sign of life since, is gone, or holds a lease that is not
/// in `spent`.
pub(crate) fn bury(
    state: &Placement,
    dead: WriterId,
    renewed_at: u64,
    spent: &BTreeMap<LeaseId, u64>,
) -> Option<Placement> {
    if state.sign(dead)? != renewed_at {
        return None;
    }
    let mut after = state.clone();
    for (row, lease) in state.of(dead) {
        let spent = spent.get(&lease.id)?.saturating_sub(lease.freed).min(lease.size);
        after.figures(lease.node, |figures| figures.current_load += spent);
        after.leases.vacate(row);
        give_back(&mut after, lease.node, lease.size - spent);
    }
    after.forget_writer(dead);
    Some(after)
}

/// Slots that nobody has any more are available again, as far as the capacity leaves room. It may have been made smaller
/// since they were released.
fn give_back(state: &mut Placement, node: NodeId, slots: u64) {
    let leased = state.leased(node);
    state.figures(node, |figures| {
        let promised = figures.current_load + leased + figures.available;
        figures.available += slots.min(figures.capacity.saturating_sub(promised));
    });
}

/// Whether a node's free slots should not stay with whoever leased them.
pub(crate) fn takes_nobody(state: &Placement, node: NodeId) -> bool {
    state.nodes.get(&node).is_none_or(|known| {
        let figures = &known.figures;
        let promised = figures.current_load + state.leased(node);
        choice::is_out(figures) || figures.backoff || promised > figures.capacity
    })
}

/// Makes a service or changes it.
pub(crate) fn put_service(state: &Placement, service: Service) -> Placement {
    Placement {
        service: Some(service),
        ..state.clone()
    }
}
