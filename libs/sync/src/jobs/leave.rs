//! Users leave a node (`tokenserver.md` 11, 14), a page at a time: whoever drains a node sets the pace between pages, sees
//! how far it is, and may stop or go on anywhere.
//!
//! Must stay true: the users of a share are always the same ones, and those of a larger share are more of them; a record
//! is judged anew if its user was faster, and nobody is moved who has left meanwhile.

use std::collections::BTreeMap;

use foxhold_core::record::{Assignment, Bucket, NodeRecord, Service, UserKey, UserRecord};
use foxhold_ports::{
    ReadError, Refusal, WriteError,
    assignments::{RecordCursor, RecordRef, Target, UserValues, choice::is_out},
};

use super::{
    Halt, Ports, ROUNDS,
    intent::{Intent, carry_out},
};
use crate::pools;

/// How users leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// They get another node at their next exchange.
    Unassign,
    /// They get a record on another node at once: at this target, or, if absent, where the service's rules send them. By the
    /// rules only those leave whom the rules would not bring back.
    Move(Option<Target>),
}

/// Who leaves which node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The node's URL.
    pub node: String,
    /// How.
    pub way: Way,
    /// How many of its users, in hundredths of a percent: up to [`Bucket::COUNT`].
    pub share: u16,
    /// Only count.
    pub dry_run: bool,
}

impl Leaving {
    /// All users of a node.
    #[must_use]
    pub const fn all(node: String, way: Way) -> Self {
        Self {
            node,
            way,
            share: Bucket::COUNT,
            dry_run: false,
        }
    }
}

/// Why a user did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaveFailure {
    /// No node has room.
    NoNode,
    /// The service has handed out all its uids.
    NoUid,
    /// Too many past records of the user wait to be purged.
    TooManyPast,
    /// The user's records kept changing.
    Contended,
    /// The store did not take it.
    Store,
}

impl LeaveFailure {
    /// The word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoNode => "no_node",
            Self::NoUid => "no_uid",
            Self::TooManyPast => "too_many_past",
            Self::Contended => "contended",
            Self::Store => "store",
        }
    }
}

/// What a page came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeavePage {
    /// Users of the service that were looked at.
    pub looked_at: u64,
    /// Of them, users of the node and the share who should leave.
    pub matched: u64,
    /// Of these, those who left, or would.
    pub changed: u64,
    /// Of these, those who did not. The others left by themselves meanwhile.
    pub failed: BTreeMap<LeaveFailure, u64>,
    /// Where the next page begins; absent = this was the last.
    pub next: Option<RecordCursor>,
    /// Why the store could not tell where the next one begins, though this one has ended early and somebody has left: it begins
    /// where this one did, and finds them gone.
    pub lost: Option<ReadError>,
}

/// Goes through the records of at most `limit` users of a service; of fewer if it is halted.
///
/// # Errors
/// [`ReadError`] if there is no page; then nobody has left. The page may be gone through again.
pub async fn leave(
    ports: Ports<'_>,
    service: &Service,
    leaving: &Leaving,
    after: Option<&RecordCursor>,
    limit: u32,
    halt: &Halt,
) -> Result<LeavePage, ReadError> {
    let nodes = ports.reader.nodes(ports.step(), &service.key).await?;
    let plan = Plan {
        service,
        leaving,
        node: nodes.iter().find(|node| node.url == leaving.node),
    };
    let page = ports
        .reader
        .records(ports.step(), &service.key, after, limit)
        .await?;
    let mut done = LeavePage {
        next: page.next,
        ..LeavePage::default()
    };
    for (place, (user, record)) in page.records.into_iter().enumerate() {
        if place > 0 && halt.is_called() {
            match ports.place_after(service, after, place).await {
                Ok(next) => done.next = next,
                Err(error) if done.changed == 0 || leaving.dry_run => return Err(error),
                Err(error) => done.lost = Some(error),
            }
            break;
        }
        done.looked_at += 1;
        let Some(intent) = plan.intent(&user, &record.current) else {
            continue;
        };
        done.matched += 1;
        if leaving.dry_run {
            done.changed += 1;
            continue;
        }
        match take_away(ports, &plan, &user, record.version, intent).await {
            Ok(true) => done.changed += 1,
            Ok(false) => {}
            Err(failure) => *done.failed.entry(failure).or_default() += 1,
        }
    }
    Ok(done)
}

/// One user. `false` = has left meanwhile.
async fn take_away(
    ports: Ports<'_>,
    plan: &Plan<'_>,
    user: &UserKey,
    mut version: u64,
    mut intent: Intent,
) -> Result<bool, LeaveFailure> {
    for _ in 0..ROUNDS {
        let at = RecordRef {
            service: plan.service.key.clone(),
            user: user.clone(),
            version: Some(version),
        };
        match carry_out(ports, &at, &intent).await {
            Ok(_) => return Ok(true),
            Err(WriteError::Refused(Refusal::Conflict)) => {}
            Err(error) => return Err(failure(error)),
        }
        let record = ports
            .reader
            .user_record(ports.step(), &plan.service.key, user)
            .await;
        let Some(UserRecord {
            current,
            version: now,
            ..
        }) = record.map_err(|_| LeaveFailure::Store)?
        else {
            return Ok(false);
        };
        match plan.intent(user, &current) {
            None => return Ok(false),
            Some(anew) => (intent, version) = (anew, now),
        }
    }
    Err(LeaveFailure::Contended)
}

fn failure(error: WriteError) -> LeaveFailure {
    match error {
        WriteError::Refused(Refusal::NoNode) => LeaveFailure::NoNode,
        WriteError::Refused(Refusal::NoUid) => LeaveFailure::NoUid,
        WriteError::Refused(Refusal::TooManyPast) => LeaveFailure::TooManyPast,
        WriteError::Refused(_) | WriteError::NotDone(_) | WriteError::Unknown(_) => LeaveFailure::Store,
    }
}

/// Who leaves, and where to.
struct Plan<'a> {
    service: &'a Service,
    leaving: &'a Leaving,
    /// The node that is left, if it is there.
    node: Option<&'a NodeRecord>,
}

impl Plan<'_> {
    /// `None` = stays as it is.
    fn intent(&self, user: &UserKey, current: &Assignment) -> Option<Intent> {
        let is_there = current.replaced_at.is_none() && current.node.as_deref() == Some(&self.leaving.node);
        let is_of_share = pools::share_bucket(&self.service.key, user).number() < self.leaving.share;
        if !is_there || !is_of_share {
            return None;
        }
        match &self.leaving.way {
            Way::Unassign => Some(Intent::Unassign),
            Way::Move(to) => {
                let by_rules = || pools::target(&self.service.policy.allocation, &self.service.key, user);
                let target = to.clone().unwrap_or_else(by_rules);
                let values = UserValues {
                    generation: current.generation,
                    keys_changed_at: current.keys_changed_at,
                    client_state: current.client_state.clone(),
                };
                (!self.would_stay(&target)).then_some(Intent::Assign(values, target))
            }
        }
    }

    /// Whether the target may be the very node that is left.
    fn would_stay(&self, target: &Target) -> bool {
        let is_same = |node: &NodeRecord| match target {
            Target::Node(url) => *url == node.url,
            Target::Pool(_) => {
                let takes_users = !node.figures.backoff && !is_out(&node.figures);
                takes_users && target.includes(&node.url, node.pool.as_ref())
            }
        };
        self.node.is_some_and(is_same)
    }
}
