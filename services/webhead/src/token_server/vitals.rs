//! How a Token Server is, as heartbeats tell it (`tokenserver.md` sections 1 and 14).
//!
//! Must stay true: strangers may ask for heartbeats as often as they like, and no tier behind is asked more than once a
//! second for it.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_runtime::channel::Balanced;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::TokenServer;

/// How long a heartbeat waits for an answer.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what was found is told again.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// What was found last, and when. Held by the one that asks.
#[derive(Debug, Default)]
pub struct LastFound(Mutex<Option<(Timestamp, Dependencies)>>);

/// A tier that may be away.
#[async_trait]
pub trait Reachable: Send + Sync {
    /// Whether anybody is there.
    async fn reaches(&self, by: Deadline) -> bool;
}

#[async_trait]
impl Reachable for Balanced {
    async fn reaches(&self, by: Deadline) -> bool {
        Self::reaches(self, by).await
    }
}

/// How a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It answered.
    Ok,
    /// It did not.
    Unknown,
}

impl Condition {
    /// As heartbeats write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Unknown => "Unknown",
        }
    }

    const fn of<T, E>(answer: &Result<T, E>) -> Self {
        if answer.is_ok() { Self::Ok } else { Self::Unknown }
    }
}

/// How the dependencies of token exchanges are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependencies {
    /// The store.
    pub database: Condition,
    /// The signer.
    pub keysigner: Condition,
    /// Whether it is known what domain the users have: until another accounts server has told it, it is not.
    pub home: Condition,
    /// Those who write, where they are processes of their own. Without them new users get no node, and nobody else is
    /// refused.
    pub dbwriter: Option<Condition>,
}

impl Dependencies {
    /// Whether tokens can be issued to those who have a node.
    #[must_use]
    pub const fn all_ok(self) -> bool {
        let all = (self.database, self.keysigner, self.home);
        matches!(all, (Condition::Ok, Condition::Ok, Condition::Ok))
    }
}

/// How a Token Server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// What it depends on.
    pub dependencies: Dependencies,
    /// Whether its users' domain is asked of another server, and may be unknown.
    discovers_home: bool,
    /// Services whose users get no node. Who has one is served.
    without_room: BTreeSet<String>,
}

impl Vitals {
    /// Whether everybody can be served.
    #[must_use]
    pub fn are_good(&self) -> bool {
        let writes = self.dependencies.dbwriter != Some(Condition::Unknown);
        self.dependencies.all_ok() && writes && self.without_room.is_empty()
    }

    /// As members of a heartbeat.
    #[must_use]
    pub fn members(&self) -> serde_json::Map<String, Value> {
        let found = self.dependencies;
        let mut members = serde_json::Map::new();
        let mut tell = |name: &str, word: &str| members.insert(name.to_owned(), json!(word));
        tell("database", found.database.as_str());
        tell("keysigner", found.keysigner.as_str());
        if let Some(dbwriter) = found.dbwriter {
            tell("dbwriter", dbwriter.as_str());
        }
        if self.discovers_home {
            tell("foreign_oauth", found.home.as_str());
        }
        if self.without_room.is_empty() {
            tell("nodes", "Ok");
        } else {
            let services: Vec<&str> = self.without_room.iter().map(String::as_str).collect();
            tell("nodes", "Err");
            tell(
                "nodes_msg",
                &format!("unable to get a node: {}", services.join(", ")),
            );
        }
        members
    }
}

impl TokenServer {
    /// What heartbeats tell: store, signer and dbwriters as they were at most a second ago, and whether there are nodes.
    pub async fn vitals(&self) -> Vitals {
        Vitals {
            dependencies: self.known_dependencies().await,
            discovers_home: self.discovers_home(),
            without_room: self.without_room.services(self.ports.clock.now()),
        }
    }

    /// Asks store and signer, and looks whether dbwriters are there.
    pub async fn dependencies(&self) -> Dependencies {
        let by = Deadline::after(HEARTBEAT_TIMEOUT);
        let home = self.settings.home();
        let dbwriter = async {
            match &self.dbwriters {
                Some(dbwriters) => Some(dbwriters.reaches(by).await),
                None => None,
            }
        };
        let (services, keys, (), dbwriter) = tokio::join!(
            self.ports.reader.services(by),
            self.keys.probe(by),
            home.compare(by),
            dbwriter
        );
        Dependencies {
            database: Condition::of(&services),
            keysigner: Condition::of(&keys),
            home: Condition::of(&home.known().ok_or(())),
            dbwriter: dbwriter.map(|is_there| Condition::of(&is_there.then_some(()).ok_or(()))),
        }
    }

    async fn known_dependencies(&self) -> Dependencies {
        let mut last = self.last_found.0.lock().await;
        let now = self.ports.clock.now();
        if let Some((at, found)) = *last
            && at <= now
            && now.since(at) < KNOWN_FOR
        {
            return found;
        }
        let found = self.dependencies().await;
        *last = Some((self.ports.clock.now(), found));
        found
    }

    /// Whether the domain of the users is asked of another server.
    #[must_use]
    pub fn discovers_home(&self) -> bool {
        self.settings.home().is_discovered()
    }
}
