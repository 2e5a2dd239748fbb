//! The audit log: one line for each change that an administrator asked for, whatever came of it. Users stand in it by the
//! same hash as in all other logs.
//!
//! A handler that knows what it is about writes its line ([`OpsPorts::audited`]); [`asked`] writes those of all requests that
//! did not get so far.

pub(crate) mod asked;

use std::collections::BTreeMap;

use foxhold_core::{
    ClientId,
    record::{ServiceKey, UserKey},
};
use foxhold_crypto::node_token::MetricsIds;

use crate::{
    caller::Caller,
    refused::Refused,
    router::OpsPorts,
    wire::{
        AccountChanged, ClientPut, EventsDone, ImportDone, InvitationDeleted, InvitationsMade, NodeDeleted,
        NodePut, PageDone, ReserveUids, ResetLink, Retired, ServicePut, UserChange,
    },
};

/// What is changed, and by whom.
pub(crate) struct Deed<'a> {
    pub(crate) caller: &'a Caller,
    /// `service.put`, `node.create`, ..: the same words as the tool's.
    pub(crate) action: &'static str,
    pub(crate) service: Option<&'a ServiceKey>,
    pub(crate) node: Option<&'a str>,
    pub(crate) user: Option<&'a UserKey>,
    pub(crate) client: Option<&'a str>,
    /// Nothing is written, and so no line either.
    pub(crate) dry_run: bool,
}

impl<'a> Deed<'a> {
    pub(crate) const fn new(caller: &'a Caller, action: &'static str, dry_run: bool) -> Self {
        Self {
            caller,
            action,
            service: None,
            node: None,
            user: None,
            client: None,
            dry_run,
        }
    }

    pub(crate) const fn of(self, service: &'a ServiceKey) -> Self {
        Self {
            service: Some(service),
            ..self
        }
    }

    pub(crate) const fn on_node(self, node: &'a str) -> Self {
        Self {
            node: Some(node),
            ..self
        }
    }

    pub(crate) const fn on_client(self, client: &'a str) -> Self {
        Self {
            client: Some(client),
            ..self
        }
    }

    pub(crate) const fn on_user(self, user: &'a UserKey) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }
}

/// What an answer says in an audit line.
pub(crate) trait Told {
    fn told(&self) -> String;
}

impl OpsPorts {
    /// Writes the line, and hands the outcome on.
    pub(crate) fn audited<T: Told>(
        &self,
        deed: &Deed<'_>,
        outcome: Result<T, Refused>,
    ) -> Result<T, Refused> {
        if deed.dry_run {
            return outcome;
        }
        let told = match &outcome {
            Ok(answer) => answer.told(),
            Err(refused) => refused.code.name().to_owned(),
        };
        let line = Line {
            caller: Some(deed.caller),
            action: deed.action,
            service: deed.service.map(|service| service.0.as_str()),
            node: deed.node,
            user: deed.user.map(|user| self.hash(user)),
            client: deed.client.filter(|id| id.parse::<ClientId>().is_ok()),
        };
        line.write(&told);
        outcome.map_err(|refused| Refused {
            is_audited: true,
            ..refused
        })
    }

    /// What stands for a user.
    fn hash(&self, user: &UserKey) -> String {
        MetricsIds::derive(&self.metrics_key, user.fxa_uid(), None).full
    }
}

/// A line, but for the outcome.
struct Line<'a> {
    /// Absent where somebody has no certificate.
    caller: Option<&'a Caller>,
    action: &'static str,
    service: Option<&'a str>,
    node: Option<&'a str>,
    user: Option<String>,
    client: Option<&'a str>,
}

impl Line<'_> {
    fn write(&self, outcome: &str) {
        tracing::event!(
            target: "foxhold::audit",
            tracing::Level::INFO,
            audit.who = self.caller.map_or_else(|| "(nobody)".to_owned(), Caller::name),
            audit.certificate = self.caller.and_then(Caller::serial),
            audit.action = self.action,
            audit.service = self.service,
            audit.node = self.node,
            audit.user = self.user.as_deref(),
            audit.client = self.client,
            audit.outcome = outcome,
            "change"
        );
    }
}

/// `a 1, b 2`
fn listed<K: ToString>(counts: BTreeMap<K, u64>) -> String {
    let each = counts.into_iter().filter(|(_, number)| *number > 0);
    let each: Vec<String> = each
        .map(|(name, number)| format!("{} {number}", name.to_string()))
        .collect();
    each.join(", ")
}

/// An outcome as it is written in answers.
fn word(outcome: impl serde::Serialize) -> String {
    let written = serde_json::to_value(outcome).ok();
    let text = written.as_ref().and_then(|written| written.as_str());
    text.unwrap_or_default().to_owned()
}

impl Told for ServicePut {
    fn told(&self) -> String {
        let fields: Vec<&str> = self.changes.iter().map(|change| change.field.as_str()).collect();
        match fields.is_empty() {
            true => word(self.outcome),
            false => format!("{}: {}", word(self.outcome), fields.join(", ")),
        }
    }
}

impl Told for ClientPut {
    fn told(&self) -> String {
        let fields: Vec<&str> = self.changes.iter().map(|change| change.field.as_str()).collect();
        match fields.is_empty() {
            true => word(self.outcome),
            false => format!("{}: {}", word(self.outcome), fields.join(", ")),
        }
    }
}

impl Told for NodePut {
    fn told(&self) -> String {
        let node = &self.node;
        format!(
            "{}: url {}, pool {}, capacity {}, available {}, downed {}, backoff {}, unhealthy {}",
            word(self.outcome),
            node.url,
            node.pool.as_deref().unwrap_or("(default)"),
            node.capacity,
            node.available,
            node.downed,
            node.backoff,
            node.unhealthy,
        )
    }
}

impl Told for NodeDeleted {
    fn told(&self) -> String {
        format!("deleted: load {}", self.node.current_load)
    }
}

impl Told for UserChange {
    fn told(&self) -> String {
        let node = self
            .records
            .as_ref()
            .and_then(|records| records.current.node.as_deref());
        format!("{}: node {}", word(self.outcome), node.unwrap_or("(none)"))
    }
}

impl Told for Retired {
    fn told(&self) -> String {
        format!("changed in {} of {} services", self.changed, self.known)
    }
}

impl Told for PageDone {
    fn told(&self) -> String {
        let counts = [
            ("looked_at", self.looked_at),
            ("matched", self.matched),
            ("changed", self.changed),
            ("failed", self.failed),
        ];
        let counts = counts.map(|(name, number)| format!("{name} {number}")).join(", ");
        let reasons = listed(self.reasons.clone());
        match reasons.is_empty() {
            true => counts,
            false => format!("{counts}; {reasons}"),
        }
    }
}

impl Told for ImportDone {
    fn told(&self) -> String {
        let mut counts = BTreeMap::new();
        for result in &self.results {
            *counts.entry(word(result.outcome)).or_default() += 1;
        }
        listed(counts)
    }
}

impl Told for InvitationsMade {
    fn told(&self) -> String {
        let mailed = self.invitations.iter().filter(|made| made.invitation.mailed);
        match mailed.count() {
            0 => format!("created {}", self.invitations.len()),
            mailed => format!("created {}, mailed {mailed}", self.invitations.len()),
        }
    }
}

impl Told for InvitationDeleted {
    fn told(&self) -> String {
        format!("deleted {}", self.invitation.id)
    }
}

impl Told for AccountChanged {
    fn told(&self) -> String {
        word(self.outcome)
    }
}

impl Told for ResetLink {
    fn told(&self) -> String {
        "created".to_owned()
    }
}

impl Told for ReserveUids {
    fn told(&self) -> String {
        format!("through {}", self.through)
    }
}

impl Told for EventsDone {
    fn told(&self) -> String {
        let mut counts = BTreeMap::new();
        for outcome in &self.outcomes {
            *counts.entry(word(outcome)).or_default() += 1;
        }
        listed(counts)
    }
}
