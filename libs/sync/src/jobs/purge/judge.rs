//! What becomes of a replaced record. Pure.
//!
//! **The same keys.** A node of Foxhold keeps a user's data by uid, and no two records have one: what lies under an old uid is
//! never live. Others keep it by account and keys (`fxa_uid`, `fxa_kid`): there the data of an old record *is* that of the
//! active one, if both have the same `fxa_kid`, as after a move. Which node does what is the operator's to say
//! ([`ByUid`]). Where nothing is said, a record with the active one's keys is kept: it is purged once the user changes keys or
//! is retired, once its node is named or removed. Until then it holds its slot, so no node is overfilled by what was not
//! erased. No user is shut out by what is kept: beyond [`KEPT_MAX`] past records it is forgotten, and what of its data a node
//! keeps by uid stays there until that node is emptied.

use std::{collections::BTreeSet, num::NonZeroU64, time::Duration};

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{ClientState, Generation, NodeRecord, Service, UserKey, UserRecord},
};
use foxhold_crypto::node_token::fxa_kid;
use foxhold_ports::assignments::{PAST_MAX, change::ASSIGNED_ONCE, choice::is_out};

use super::{Order, Skipped, Unused};

/// Past records of a user up to which those with the active one's keys are kept.
pub const KEPT_MAX: usize = PAST_MAX / 2;

/// Nodes that keep data by the uid of a record, so that erasing it touches no other record's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByUid {
    /// All.
    All,
    /// Those at these URLs. Of others it is not known.
    Nodes(BTreeSet<String>),
}

impl Default for ByUid {
    /// None is known to.
    fn default() -> Self {
        Self::Nodes(BTreeSet::new())
    }
}

impl ByUid {
    fn includes(&self, node: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nodes(nodes) => nodes.contains(node),
        }
    }
}

/// A record that was replaced: a past one, or the current one of a user without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    pub(super) uid: ServiceUid,
    pub(super) generation: Generation,
    pub(super) keys_changed_at: Option<NonZeroU64>,
    pub(super) client_state: ClientState,
    replaced_at: Timestamp,
    node: Option<String>,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The record goes; there is no data.
    Forget,
    /// The data on this node goes, then the record.
    Erase(String),
    /// Nothing for now.
    Skip(Skipped),
}

impl Old {
    /// All of a user. A current record that has lost its node has nothing to be purged.
    fn all(record: &UserRecord) -> Vec<Self> {
        let past = record.past.iter().map(|past| Self {
            uid: past.uid,
            generation: past.generation,
            keys_changed_at: past.keys_changed_at,
            client_state: past.client_state.clone(),
            replaced_at: past.replaced_at,
            node: past.node.clone(),
        });
        let current = &record.current;
        let replaced = current.replaced_at.filter(|_| current.node.is_some());
        let current = replaced.map(|replaced_at| Self {
            uid: current.uid,
            generation: current.generation,
            keys_changed_at: current.keys_changed_at,
            client_state: current.client_state.clone(),
            replaced_at,
            node: current.node.clone(),
        });
        past.chain(current).collect()
    }

    /// The one with this uid, if it is still there.
    pub(super) fn find(record: &UserRecord, uid: ServiceUid) -> Option<Self> {
        Self::all(record).into_iter().find(|old| old.uid == uid)
    }

    fn kid(&self) -> String {
        kid(self.generation, self.keys_changed_at, &self.client_state)
    }
}

/// As it stands in the tokens of the record.
fn kid(generation: Generation, keys_changed_at: Option<NonZeroU64>, client_state: &ClientState) -> String {
    let changed_at = keys_changed_at.map_or(generation.0, NonZeroU64::get);
    fxa_kid(changed_at, client_state.as_bytes())
}

/// The records of a user that an order is about.
pub(super) fn due(record: &UserRecord, order: &Order, now: Timestamp) -> Vec<Old> {
    let before = now.minus(order.grace);
    let is_meant = |old: &Old| {
        old.replaced_at < before
            && order.uids.contains(&old.uid.get())
            && (order.node.is_none() || order.node == old.node)
    };
    let mut all = Old::all(record);
    all.retain(is_meant);
    all
}

/// Whether a stranger took a place once, and never came again for long enough since the first token of all has run out: until
/// then it may be in use. Of a node that is out of service nobody can come.
pub(super) fn is_unused(
    user: &UserKey,
    record: &UserRecord,
    nodes: &[NodeRecord],
    service: &Service,
    order: &Order,
    now: Timestamp,
) -> bool {
    let Some(Unused { after, own_domains }) = &order.unused else {
        return false;
    };
    let is_known = |domain: &str| {
        own_domains.iter().any(|own| own == domain)
            || service
                .policy
                .trusted_issuers
                .iter()
                .any(|trusted| trusted == domain)
    };
    let after = *after + Duration::from_secs(service.token_lifetime_secs);
    let current = &record.current;
    let is_served = |node: &NodeRecord| current.node.as_ref() == Some(&node.url) && !is_out(&node.figures);
    record.version == ASSIGNED_ONCE
        && current.replaced_at.is_none()
        && !user.domain().is_some_and(is_known)
        && now.since(current.created_at) > after
        && nodes.iter().any(is_served)
}

/// What becomes of an old record of a user whose records are `record`.
pub(super) fn judge(old: &Old, record: &UserRecord, nodes: &[NodeRecord], order: &Order) -> Verdict {
    let Some(own_node) = &old.node else {
        return Verdict::Forget;
    };
    let node = order.override_node.as_ref().unwrap_or(own_node);
    // One that is not listed was made a moment ago; the next pass knows it.
    let is_in_service = order.override_node.is_some()
        || nodes
            .iter()
            .any(|known| known.url == *node && (order.force || !is_out(&known.figures)));
    if !is_in_service {
        return Verdict::Skip(Skipped::NodeOut);
    }
    let current = &record.current;
    let is_live = current.replaced_at.is_none()
        && kid(current.generation, current.keys_changed_at, &current.client_state) == old.kid();
    if !is_live || order.by_uid.includes(node) {
        return Verdict::Erase(node.clone());
    }
    if record.past.len() > KEPT_MAX {
        return Verdict::Forget;
    }
    Verdict::Skip(Skipped::SameKeys)
}

#[cfg(test)]
mod tests;
