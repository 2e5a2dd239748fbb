//! Services, nodes and users' records as JSON lines: what `foxhold service export` writes and `foxhold service import`
//! reads. `docs/token-server.md` describes the lines.
//!
//! Must stay true: the file says its format first and that it is whole last; what is exported, imported and exported again
//! is the same, line for line; lines of a format this version writes are read by later ones.

pub(crate) mod read;
pub(crate) mod survey;

use foxhold_ops::wire::{ImportRecord, ImportUser, Node, Service, ServiceSettings, User, UserRecords};
use serde::{Deserialize, Deserializer, Serialize};

/// The format that this version writes, and the only one there is.
pub(crate) const FORMAT: u32 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Line {
    /// The first.
    Header(Header),
    /// A service.
    Service(ServiceLine),
    /// A node.
    Node(NodeLine),
    /// All records of a user in a service.
    User(UserLine),
    /// One record, as other servers keep them: a row.
    Record(RowLine),
    /// The last.
    End(End),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) format: u32,
}

/// Whole settings, or a row of another server's table, of which only the pattern counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceLine {
    #[serde(alias = "service")]
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settings: Option<ServiceSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeLine {
    pub(crate) service: String,
    #[serde(alias = "node")]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) node_type: Option<String>,
    #[serde(default)]
    pub(crate) pool: Option<String>,
    pub(crate) capacity: u64,
    #[serde(default)]
    pub(crate) available: Option<u64>,
    /// Only told: it is the number of records.
    #[serde(default)]
    pub(crate) current_load: Option<u64>,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) downed: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) backoff: bool,
    #[serde(default, deserialize_with = "flag")]
    pub(crate) unhealthy: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserLine {
    pub(crate) service: String,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) first_seen_at_ms: Option<u64>,
    #[serde(default)]
    pub(crate) old_client_states: Vec<String>,
    pub(crate) records: Vec<ImportRecord>,
}

/// A row, with the names of the columns of Mozilla's server; times are milliseconds there, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowLine {
    pub(crate) service: String,
    pub(crate) email: User,
    pub(crate) uid: u64,
    #[serde(default)]
    pub(crate) generation: Option<u64>,
    #[serde(default)]
    pub(crate) keys_changed_at: Option<u64>,
    #[serde(default)]
    pub(crate) client_state: String,
    pub(crate) created_at: u64,
    #[serde(default)]
    pub(crate) replaced_at: Option<u64>,
    /// The URL, not the number.
    #[serde(default)]
    pub(crate) node: Option<String>,
}

/// How much there was, where whoever wrote it has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) records: Option<u64>,
}

/// A truth value, which databases write as a number.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Truth(bool),
        Number(u8),
    }
    match Flag::deserialize(deserializer)? {
        Flag::Truth(truth) => Ok(truth),
        Flag::Number(number) => Ok(number != 0),
    }
}

impl Line {
    pub(crate) const HEADER: Self = Self::Header(Header { format: FORMAT });

    pub(crate) fn service(of: Service) -> Self {
        Self::Service(ServiceLine {
            key: of.key,
            settings: Some(of.settings),
            pattern: None,
        })
    }

    pub(crate) fn node(service: &str, of: Node) -> Self {
        Self::Node(NodeLine {
            service: service.to_owned(),
            url: of.url,
            node_type: of.node_type,
            pool: of.pool,
            capacity: of.capacity,
            available: Some(of.available),
            current_load: Some(of.current_load),
            downed: of.downed,
            backoff: of.backoff,
            unhealthy: of.unhealthy,
        })
    }

    pub(crate) fn user(service: &str, of: UserRecords) -> Self {
        let mut of = of;
        // The order in which an import leaves them, whatever was done to them here.
        of.past
            .sort_by_key(|past| (past.replaced_at_ms, past.created_at_ms, past.uid));
        let of = ImportUser::from(of);
        Self::User(UserLine {
            service: service.to_owned(),
            user: of.user,
            first_seen_at_ms: of.first_seen_at_ms,
            old_client_states: of.old_client_states,
            records: of.records,
        })
    }
}

impl From<UserLine> for ImportUser {
    fn from(of: UserLine) -> Self {
        Self {
            user: of.user,
            records: of.records,
            old_client_states: of.old_client_states,
            first_seen_at_ms: of.first_seen_at_ms,
        }
    }
}

impl From<RowLine> for ImportRecord {
    fn from(of: RowLine) -> Self {
        Self {
            uid: of.uid,
            generation: of.generation.unwrap_or_default(),
            keys_changed_at_ms: of.keys_changed_at,
            client_state: of.client_state,
            created_at_ms: of.created_at,
            replaced_at_ms: of.replaced_at,
            node: of.node,
            holds_slot: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ops::wire::{PastRecord, Record};
    use serde_json::json;

    use super::*;

    /// How lines look: scripts and other versions go by it.
    #[test]
    fn lines_are_written_so() {
        let settings = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
        let service = Service {
            key: "sync-1.5".into(),
            settings: settings.clone(),
        };
        let node = Node {
            id: 7,
            url: "https://n.example".into(),
            node_type: None,
            pool: Some("new".into()),
            capacity: 10,
            available: 2,
            current_load: 8,
            downed: false,
            backoff: true,
            unhealthy: false,
        };
        let past = |uid, at| PastRecord {
            uid,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: "aa".into(),
            created_at_ms: at,
            replaced_at_ms: at + 1,
            node: None,
            holds_slot: false,
        };
        let user = UserRecords {
            user: User("u@x".into()),
            first_seen_at_ms: 5,
            version: 3,
            current: Record {
                uid: 3,
                generation: 2,
                keys_changed_at_ms: Some(2),
                client_state: "bb".into(),
                created_at_ms: 30,
                replaced_at_ms: None,
                node: Some("https://n.example".into()),
                node_type: None,
            },
            past: vec![past(2, 20), past(1, 10)],
            old_client_states: vec!["aa".into()],
        };
        let end = End {
            users: Some(1),
            records: Some(3),
        };
        for (line, expected) in [
            (Line::HEADER, json!({"kind": "header", "format": 1})),
            (
                Line::service(service),
                json!({"kind": "service", "key": "sync-1.5", "settings": settings}),
            ),
            (
                Line::node("sync-1.5", node),
                json!({"kind": "node", "service": "sync-1.5", "url": "https://n.example", "node_type": null,
                    "pool": "new", "capacity": 10, "available": 2, "current_load": 8, "downed": false,
                    "backoff": true, "unhealthy": false}),
            ),
            (
                Line::user("sync-1.5", user),
                json!({"kind": "user", "service": "sync-1.5", "user": "u@x", "first_seen_at_ms": 5,
                    "old_client_states": ["aa"], "records": [
                    {"uid": 1, "generation": 1, "client_state": "aa", "created_at_ms": 10, "replaced_at_ms": 11,
                        "holds_slot": false},
                    {"uid": 2, "generation": 1, "client_state": "aa", "created_at_ms": 20, "replaced_at_ms": 21,
                        "holds_slot": false},
                    {"uid": 3, "generation": 2, "keys_changed_at_ms": 2, "client_state": "bb", "created_at_ms": 30,
                        "node": "https://n.example", "holds_slot": true}]}),
            ),
            (Line::End(end), json!({"kind": "end", "users": 1, "records": 3})),
        ] {
            assert_eq!(serde_json::to_value(&line).unwrap(), expected);
            assert_eq!(serde_json::from_value::<Line>(expected).unwrap(), line);
        }
    }

    #[test]
    fn rows_of_another_server_are_read_as_its_tables_have_them() {
        let row = json!({"kind": "record", "service": "sync-1.5", "email": "u@x", "uid": 1,
            "generation": 9_223_372_036_854_775_807_u64, "client_state": "aa", "created_at": 10,
            "replaced_at": null, "keys_changed_at": null, "node": null});
        let Ok(Line::Record(row)) = serde_json::from_value(row) else {
            panic!("a row is read");
        };
        let record = ImportRecord::from(row);
        assert_eq!(
            (record.generation, record.replaced_at_ms),
            (i64::MAX as u64, None)
        );
        let node = json!({"kind": "node", "service": "sync-1.5", "node": "https://n.example", "available": 1,
            "current_load": 2, "capacity": 3, "downed": 0, "backoff": 1});
        let Ok(Line::Node(node)) = serde_json::from_value(node) else {
            panic!("a node is read");
        };
        assert_eq!(
            (node.url.as_str(), node.downed, node.backoff),
            ("https://n.example", false, true)
        );
        let service = json!({"kind": "service", "service": "sync-1.5", "pattern": "{node}/1.5/{uid}"});
        assert!(serde_json::from_value::<Line>(service).is_ok());
        let unknown =
            json!({"kind": "record", "service": "s", "email": "u@x", "uid": 1, "created_at": 1, "nodeid": 3});
        assert!(serde_json::from_value::<Line>(unknown).is_err());
    }
}
