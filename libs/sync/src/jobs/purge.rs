//! Purge (`tokenserver.md` 11): the data of records that were replaced a while ago is erased from its node, then the record
//! is forgotten and its slot goes back.
//!
//! First the data, then the record: whoever is cut off in between erases once more, and the node has nothing. What must
//! stay true: a record is looked at once more right before its data is erased, since its user may have come back; one that
//! fails stops no other, and is met again in the next pass.
//!
//! On its way a pass also takes back places of strangers who came once and never again ([`Order::unused`]): their records are
//! replaced ones from then on.
//!
//! Reading order: [`Order`], `judge` (the rules, pure), [`Pass`].

mod judge;
mod tally;

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use foxhold_core::{
    SecretText, ServiceUid,
    record::{NodeRecord, Service, UserKey, UserRecord},
};
use foxhold_crypto::node_token::MetricsIds;
use foxhold_ports::{
    NodeTokenMinter, ReadError, Refusal, WriteError,
    assignments::{RecordCursor, RecordRef},
    signer::NodeTokenOrder,
};

use self::judge::{Old, Verdict, due, is_unused, judge};
pub use self::{
    judge::{ByUid, KEPT_MAX},
    tally::{Skipped, Tally},
};
use super::{
    CallFailure, Halt, NodeCalls, Ports, ROUNDS,
    intent::{Intent, carry_out},
};
use crate::endpoint::endpoint;

/// The grace that records have before their data is purged, unless an operator says otherwise.
pub const GRACE: Duration = Duration::from_secs(86_400);
/// How long the token of an erasure is good for, in seconds: clocks of nodes may be a little off.
const TOKEN_LIFETIME_SECS: u64 = 300;
/// A node that gave no answer so often in a row is left alone for the rest of a pass.
const SILENT_MAX: u32 = 3;

/// What is to be purged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How long ago a record must have been replaced. Below the service's lifetime of tokens somebody may still write
    /// what has just been erased.
    pub grace: Duration,
    /// Records that may be forgotten in one pass; absent = all.
    pub records_max: Option<u64>,
    /// Only records of the node at this URL.
    pub node: Option<String>,
    /// Only records with these uids.
    pub uids: RangeInclusive<u64>,
    /// Also where the node is out of service.
    pub force: bool,
    /// Only count.
    pub dry_run: bool,
    /// Erases on the node at this URL what lay on any other: data was moved there by hand, say.
    pub override_node: Option<String>,
    /// Which nodes keep data by uid, as Foxhold's do.
    pub by_uid: ByUid,
    /// Which places are taken back; absent = none.
    pub unused: Option<Unused>,
}

/// Which places are taken back as never used (`security.md` B.5): those of strangers. Whoever has an account of the
/// deployment, or of an issuer it trusts, may well keep data and come again after a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// How long after the first token has run out.
    pub after: Duration,
    /// Domains of the deployment's own users.
    pub own_domains: Vec<String>,
}

impl Default for Order {
    /// All that is due, from nodes of which nothing is known.
    fn default() -> Self {
        Self {
            grace: GRACE,
            records_max: None,
            node: None,
            uids: 0..=u64::MAX,
            force: false,
            dry_run: false,
            override_node: None,
            by_uid: ByUid::default(),
            unused: None,
        }
    }
}

/// How nodes are reached, beside [`Ports`].
#[derive(Clone, Copy)]
pub struct NodePorts<'a> {
    /// Mints the token of an erasure.
    pub minter: &'a dyn NodeTokenMinter,
    /// Calls nodes.
    pub calls: &'a dyn NodeCalls,
    /// Key of the hashes that stand in tokens.
    pub metrics_key: &'a SecretText,
}

/// How a page of a pass has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEnd {
    /// All of it was gone through; the next one begins here.
    Next(RecordCursor),
    /// It was the last one.
    Last,
    /// It was cut off, and the pass with it: it was halted, or as many records were forgotten as may be. Whoever goes on does
    /// so here; absent = nobody is left.
    Cut(Option<RecordCursor>),
}

/// One walk through the records of a service.
pub struct Pass<'a> {
    ports: Ports<'a>,
    nodes: NodePorts<'a>,
    service: &'a Service,
    order: &'a Order,
    halt: &'a Halt,
    tally: Tally,
    /// Nodes without an answer, and how often in a row.
    silent: BTreeMap<String, u32>,
}

impl<'a> Pass<'a> {
    /// Has looked at nothing yet.
    #[must_use]
    pub fn new(
        ports: Ports<'a>,
        nodes: NodePorts<'a>,
        service: &'a Service,
        order: &'a Order,
        halt: &'a Halt,
    ) -> Self {
        Self {
            ports,
            nodes,
            service,
            order,
            halt,
            tally: Tally::default(),
            silent: BTreeMap::new(),
        }
    }

    /// What it came to so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Goes through the records of at most `limit` users.
    ///
    /// # Errors
    /// [`ReadError`], and then the page may be half done: it can be gone through again.
    pub async fn page(&mut self, after: Option<&RecordCursor>, limit: u32) -> Result<PageEnd, ReadError> {
        let (ports, key) = (self.ports, &self.service.key);
        let nodes = ports.reader.nodes(ports.step(), key).await?;
        let page = ports.reader.records(ports.step(), key, after, limit).await?;
        let before = self.tally.fetched;
        for (place, (user, record)) in page.records.iter().enumerate() {
            if self.is_enough() || (place > 0 && self.halt.is_called()) {
                let next = ports.place_after(self.service, after, place).await?;
                return Ok(PageEnd::Cut(next));
            }
            self.tally.looked_at += 1;
            self.go_through(user, record, &nodes, before).await;
        }
        Ok(match page.next {
            None => PageEnd::Last,
            Some(next) if self.is_enough() || self.halt.is_called() => PageEnd::Cut(Some(next)),
            Some(next) => PageEnd::Next(next),
        })
    }

    /// What is due of a user. What is not come to, since the pass is over, is left for another one: going on begins behind
    /// the user, so that nobody holds up all others. `before`: records that were due before this page.
    async fn go_through(&mut self, user: &UserKey, record: &UserRecord, nodes: &[NodeRecord], before: u64) {
        let now = self.ports.clock.now();
        if is_unused(user, record, nodes, self.service, self.order, now) {
            return self.take_back(user, record).await;
        }
        let due = due(record, self.order, now);
        for (place, old) in due.iter().enumerate() {
            if self.is_enough() {
                return;
            }
            if self.tally.fetched > before && self.halt.is_called() {
                self.tally.fetched += (due.len() - place) as u64;
                return;
            }
            self.tally.fetched += 1;
            if self.order.dry_run {
                self.foretell(old, record, nodes);
            } else {
                self.purge(user, old.uid, nodes).await;
            }
        }
    }

    /// The place of a user who never came again. The record is replaced by that, and purged like others once the grace is
    /// over; whoever comes after all is placed anew.
    async fn take_back(&mut self, user: &UserKey, record: &UserRecord) {
        let at = RecordRef {
            service: self.service.key.clone(),
            user: user.clone(),
            version: Some(record.version),
        };
        if self.order.dry_run {
            self.tally.taken_back += 1;
            return;
        }
        match carry_out(self.ports, &at, &Intent::Unassign).await {
            Ok(_) => self.tally.taken_back += 1,
            // The user came at this moment.
            Err(WriteError::Refused(Refusal::Conflict)) => {}
            Err(error) => {
                tracing::warn!(service = %self.service.key.0, %error, "a place that nobody used was not taken back");
            }
        }
    }

    fn is_enough(&self) -> bool {
        let forgotten = self.tally.deleted + self.tally.forgotten;
        self.order.records_max.is_some_and(|max| forgotten >= max)
    }

    fn foretell(&mut self, old: &Old, record: &UserRecord, nodes: &[NodeRecord]) {
        match judge(old, record, nodes, self.order) {
            Verdict::Erase(_) => self.tally.deleted += 1,
            Verdict::Forget => self.tally.forgotten += 1,
            Verdict::Skip(why) => self.tally.skip(why),
        }
    }

    /// One record. What the page said of it may be old by now.
    async fn purge(&mut self, user: &UserKey, uid: ServiceUid, nodes: &[NodeRecord]) {
        let mut is_erased = false;
        for _ in 0..ROUNDS {
            let (by, key) = (self.ports.step(), &self.service.key);
            let record = match self.ports.reader.user_record(by, key, user).await {
                Ok(record) => record,
                Err(error) => {
                    tracing::warn!(service = %key.0, %error, "a record to be purged was not read");
                    return self.tally.fail(CallFailure::Unknown);
                }
            };
            let Some((record, old)) =
                record.and_then(|record| Old::find(&record, uid).map(|old| (record, old)))
            else {
                break;
            };
            match judge(&old, &record, nodes, self.order) {
                _ if is_erased => {}
                Verdict::Forget => {}
                Verdict::Skip(why) => return self.tally.skip(why),
                Verdict::Erase(node) => match self.erase(user, &old, &node).await {
                    Some(()) => is_erased = true,
                    None => return,
                },
            }
            let at = RecordRef {
                service: self.service.key.clone(),
                user: user.clone(),
                version: Some(record.version),
            };
            match carry_out(self.ports, &at, &Intent::Forget(uid)).await {
                Ok(_) => return self.tally.gone(is_erased),
                // The user came back, say: what that means for the record is judged anew.
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                Err(error) => {
                    tracing::warn!(service = %self.service.key.0, %error, "a purged record was not forgotten");
                    return self.tally.fail(CallFailure::Unknown);
                }
            }
        }
        self.tally.skip(Skipped::Overtaken);
    }

    /// `None` if the data is still there, or may be; that is counted then.
    async fn erase(&mut self, user: &UserKey, old: &Old, node: &str) -> Option<()> {
        if self.silent.get(node).is_some_and(|times| *times >= SILENT_MAX) {
            self.tally.skip(Skipped::Silent);
            return None;
        }
        let erased = self.call(user, old, node).await;
        match erased {
            Err(failure) if failure.is_silence() => *self.silent.entry(node.to_owned()).or_default() += 1,
            Ok(()) | Err(_) => _ = self.silent.remove(node),
        }
        let Err(failure) = erased else { return Some(()) };
        tracing::info!(service = %self.service.key.0, node, reason = failure.label(), "data was not purged");
        self.tally.fail(failure);
        None
    }

    async fn call(&self, user: &UserKey, old: &Old, node: &str) -> Result<(), CallFailure> {
        let endpoint = endpoint(self.service, node, old.uid).ok_or(CallFailure::Unknown)?;
        let metrics = MetricsIds::derive(self.nodes.metrics_key, user.fxa_uid(), None);
        let order = NodeTokenOrder {
            service: self.service.key.clone(),
            node: node.to_owned(),
            uid: old.uid,
            fxa_uid: user.fxa_uid().to_owned(),
            generation: old.generation,
            keys_changed_at: old.keys_changed_at,
            client_state: old.client_state.clone(),
            hashed_fxa_uid: metrics.hashed_fxa_uid().to_owned(),
            hashed_device_id: metrics.hashed_device_id.clone(),
            lifetime_secs: TOKEN_LIFETIME_SECS,
        };
        let by = self.ports.step();
        let minted = self.nodes.minter.mint_node_token(by, &order).await;
        let token = minted.map_err(|error| {
            tracing::warn!(node, %error, "no token to purge with");
            CallFailure::Unknown
        })?;
        self.nodes.calls.delete_user_data(by, &endpoint, &token).await
    }
}
