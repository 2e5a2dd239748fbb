//! What a file of records would do to a deployment, found out before anything is written: a uid that two users have, a node
//! with more users than it takes, a number that no client can read.
//!
//! Must stay true: it holds some numbers for each record and user, never their text; and what it passes, the store takes.

mod user;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use foxhold_ops::wire::{ImportUser, Node, Service, UserRecords};
use foxhold_ports::assignments::is_node_url;

use super::{
    End, NodeLine, ServiceLine,
    read::{Item, ReadFault, RecordFile},
};

/// Faults that are told; the rest is counted.
const TOLD_MAX: usize = 20;

/// What is against it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    told: Vec<String>,
    more: u64,
}

impl Faults {
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(crate) fn push(&mut self, fault: String) {
        if self.told.len() < TOLD_MAX {
            self.told.push(fault);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("\n"))?;
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// What the file says of one service, and what is there already.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) line: Option<ServiceLine>,
    pub(crate) nodes: BTreeMap<String, NodeLine>,
    pub(crate) here: Option<Service>,
    pub(crate) nodes_here: BTreeMap<String, Node>,
    pub(crate) users: u64,
    pub(crate) records: u64,
    pub(crate) uid_max: u64,
    /// Records on no node: they name none, or one that is neither in the file nor here.
    pub(crate) nodeless: u64,
    /// Records that name a node which is neither in the file nor here, by its URL.
    pub(crate) dangling: BTreeMap<String, u64>,
    /// Slots that the file's users take, by URL.
    slots: BTreeMap<String, u64>,
    /// Slots that others hold who are here already, by URL.
    others: BTreeMap<String, u64>,
    /// Whose a uid is.
    owners: HashMap<u64, Owner>,
    owners_seen: HashSet<Owner>,
}

/// A user, as a number that no other user has but by an accident in 10^19.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Owner(u64);

impl Part {
    pub(crate) fn of_here(here: Service, nodes: Vec<Node>) -> Self {
        Self {
            here: Some(here),
            nodes_here: nodes.into_iter().map(|node| (node.url.clone(), node)).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn uid_ceiling(&self) -> Option<u64> {
        let given = self.line.as_ref().and_then(|line| line.settings.as_ref());
        let settings = given.or(self.here.as_ref().map(|here| &here.settings));
        match (settings, &self.line) {
            (Some(settings), _) => Some(settings.uid_ceiling),
            // A service that is to be made gets what a service has by default.
            (None, Some(_)) => Some(i32::MAX as u64),
            (None, None) => None,
        }
    }

    fn is_node(&self, url: &str) -> bool {
        self.nodes.contains_key(url) || self.nodes_here.contains_key(url)
    }

    fn capacity(&self, url: &str) -> Option<u64> {
        let given = self.nodes.get(url).map(|node| node.capacity);
        given.or_else(|| self.nodes_here.get(url).map(|node| node.capacity))
    }
}

/// The whole file beside the whole deployment.
pub(crate) struct Survey {
    pub(crate) parts: BTreeMap<String, Part>,
    pub(crate) faults: Faults,
    hasher: RandomState,
    has_users: bool,
}

impl Survey {
    /// Of the services that are here, with their nodes.
    pub(crate) fn beside(parts: BTreeMap<String, Part>) -> Self {
        Self {
            parts,
            faults: Faults::default(),
            hasher: RandomState::new(),
            has_users: false,
        }
    }

    pub(crate) fn users(&self) -> u64 {
        self.parts.values().map(|part| part.users).sum()
    }

    pub(crate) fn records(&self) -> u64 {
        self.parts.values().map(|part| part.records).sum()
    }

    /// Reads the file through.
    pub(crate) fn read(&mut self, mut file: RecordFile, mut told: impl FnMut(u64)) -> Result<(), ReadFault> {
        while let Some((line, item)) = file.next()? {
            match item {
                Item::Service(service) => self.service(line, *service),
                Item::Node(node) => self.node(line, node),
                Item::User { service, user } => self.user(line, &service, &user),
                Item::End(end) => self.end(&end),
            }
            told(self.users());
        }
        Ok(())
    }

    fn service(&mut self, line: u64, service: ServiceLine) {
        if service.settings.is_none() && service.pattern.is_none() {
            self.fault(line, "a service needs its settings, or its pattern");
        }
        let part = self.parts.entry(service.key.clone()).or_default();
        if part.line.replace(service).is_some() {
            self.fault(line, "the service stands in the file already");
        }
    }

    fn node(&mut self, line: u64, node: NodeLine) {
        if self.has_users {
            self.fault(line, "nodes stand before all users");
        }
        if !is_node_url(&node.url) {
            self.fault(
                line,
                "a node's URL is http or https and a host, without a slash at its end",
            );
        }
        let service = node.service.clone();
        let Some(part) = self.part(line, &service) else {
            return;
        };
        if part.nodes.insert(node.url.clone(), node).is_some() {
            self.fault(line, "the node stands in the file already");
        }
    }

    fn user(&mut self, line: u64, service: &str, user: &ImportUser) {
        self.has_users = true;
        let owner = self.owner(user.user.0.as_str());
        let faults = match self.part(line, service) {
            None => return,
            Some(part) => part.take(owner, user),
        };
        for fault in faults {
            self.fault(line, &fault);
        }
    }

    fn end(&mut self, end: &End) {
        for (name, said, found) in [
            ("users", end.users, self.users()),
            ("records", end.records, self.records()),
        ] {
            if let Some(said) = said
                && said != found
            {
                let fault = format!("the end tells of {said} {name}, but there are {found}");
                self.faults.push(fault);
            }
        }
    }

    /// The service, if it is here or stands in the file.
    fn part(&mut self, line: u64, service: &str) -> Option<&mut Part> {
        if !self.parts.contains_key(service) {
            self.fault(line, &format!("there is no service {service}, here or above"));
        }
        self.parts.get_mut(service)
    }

    fn fault(&mut self, line: u64, fault: &str) {
        self.faults.push(format!("line {line}: {fault}"));
    }

    fn owner(&self, user: &str) -> Owner {
        Owner(self.hasher.hash_one(user))
    }

    /// Looks at users of a service who are here already.
    pub(crate) fn meet(&mut self, service: &str, users: &[UserRecords]) {
        for user in users {
            let owner = self.owner(&user.user.0);
            let Some(part) = self.parts.get_mut(service) else {
                return;
            };
            for uid in part.meet(owner, user) {
                let fault = format!("uid {uid} of the file is another user's in {service}");
                self.faults.push(fault);
            }
        }
    }

    /// Forgets who was here, so that they may be met again.
    pub(crate) fn meet_again(&mut self) {
        self.parts.values_mut().for_each(|part| part.others.clear());
    }

    /// Whether every node has room for everybody.
    pub(crate) fn judge_nodes(&mut self) {
        for (service, part) in &self.parts {
            for (url, coming) in &part.slots {
                let held = part.others.get(url).copied().unwrap_or_default();
                let capacity = part.capacity(url).unwrap_or_default();
                if held + coming > capacity {
                    self.faults.push(format!(
                        "{url} of {service} takes {capacity} users: {coming} come, {held} others are there"
                    ));
                }
            }
        }
    }
}

impl Part {
    /// Counts a user of the file. What is against it.
    fn take(&mut self, owner: Owner, user: &ImportUser) -> Vec<String> {
        let mut faults = Vec::new();
        let ceiling = self.uid_ceiling().unwrap_or_default();
        if !self.owners_seen.insert(owner) {
            faults.push(
                "the user's other records stand further up: sort the file by service and user".to_owned(),
            );
        }
        for record in &user.records {
            if self.owners.insert(record.uid, owner).is_some() {
                faults.push(format!("uid {} stands in the file already", record.uid));
            }
            if record.uid > ceiling {
                faults.push(format!(
                    "uid {} is above the service's uid_ceiling {ceiling}",
                    record.uid
                ));
            }
            self.uid_max = self.uid_max.max(record.uid);
            match record.node.as_deref().filter(|url| !url.is_empty()) {
                Some(url) if self.is_node(url) => {}
                Some(url) => {
                    *self.dangling.entry(url.to_owned()).or_default() += 1;
                    self.nodeless += 1;
                }
                None => self.nodeless += 1,
            }
        }
        self.users += 1;
        self.records += user.records.len() as u64;
        match user::slots(user, |url| self.is_node(url)) {
            Ok(slots) => {
                for url in slots {
                    *self.slots.entry(url).or_default() += 1;
                }
            }
            Err(fault) => faults.push(fault),
        }
        faults
    }

    /// Looks at a user who is here. The user's uids that are another's in the file.
    fn meet(&mut self, owner: Owner, user: &UserRecords) -> Vec<u64> {
        let past = user.past.iter().map(|past| past.uid);
        let uids = past.chain([user.current.uid]);
        let taken = |uid: &u64| self.owners.get(uid).is_some_and(|other| *other != owner);
        let taken = uids.filter(taken).collect();
        if !self.owners_seen.contains(&owner) {
            let past = user.past.iter().filter(|past| past.holds_slot);
            let past = past.filter_map(|past| past.node.as_ref());
            for url in past.chain(&user.current.node) {
                *self.others.entry(url.clone()).or_default() += 1;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests;
