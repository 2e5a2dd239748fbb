//! What an import has to make or change before users are brought over: services and nodes.

use std::collections::{BTreeMap, BTreeSet};

use foxhold_crypto::scoped_key::OLDSYNC_SCOPE;
use foxhold_ops::wire::{NewNode, Node, NodeChange, ServiceSettings};

use crate::record_file::{
    NodeLine, ServiceLine,
    survey::{Part, Survey},
};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Services to make or to change, whole.
    pub(super) services: Vec<(String, ServiceSettings)>,
    /// Those of them that are not here.
    pub(super) new_services: BTreeSet<String>,
    pub(super) new_nodes: Vec<(String, NewNode)>,
    pub(super) changed_nodes: Vec<(String, String, NodeChange)>,
    /// What is here and becomes otherwise, in words.
    pub(super) differs: Vec<String>,
    /// Nodes of the file, by service: what is told once everybody has come.
    pub(super) figures: BTreeMap<String, Vec<NodeLine>>,
    /// Nodes that take new users once everybody has come, by service and URL: until then they are in backoff, since places are
    /// released by themselves where there are none.
    to_open: BTreeSet<(String, String)>,
}

impl Plan {
    pub(super) fn of(survey: &Survey) -> Self {
        let mut plan = Self::default();
        for (key, part) in &survey.parts {
            plan.service(key, part);
            for node in part.nodes.values() {
                plan.node(key, part, node);
            }
        }
        plan
    }

    fn service(&mut self, key: &str, part: &Part) {
        let Some(settings) = part.line.as_ref().and_then(|line| settings(line, part)) else {
            return;
        };
        match &part.here {
            None => {
                self.new_services.insert(key.to_owned());
            }
            Some(here) if here.settings == settings => return,
            Some(_) => self.differs.push(format!("service {key} has other settings")),
        }
        self.services.push((key.to_owned(), settings));
    }

    fn node(&mut self, key: &str, part: &Part, node: &NodeLine) {
        let here = part.nodes_here.get(&node.url);
        if !node.backoff && here.is_none_or(|here| here.backoff) {
            self.to_open.insert((key.to_owned(), node.url.clone()));
        }
        match here {
            None => self.new_nodes.push((key.to_owned(), new_node(node))),
            Some(here) => {
                let change = difference(here, node);
                let is_spared = here.backoff && !node.backoff && !is_left_closed(here, node);
                if is_spared || change != NodeChange::default() {
                    self.differs
                        .push(format!("node {} of {key} has other figures", node.url));
                }
                if change != NodeChange::default() {
                    self.changed_nodes
                        .push((key.to_owned(), node.url.clone(), change));
                }
            }
        }
        self.figures.entry(key.to_owned()).or_default().push(node.clone());
    }

    /// The nodes that are not as open to new users as the file says, now that everybody is there. One that was here
    /// keeps what an administrator has given it since, unless `all` are to be as the file says.
    pub(super) fn figures_to_set<'a>(
        &'a self,
        service: &str,
        now: &[Node],
        all: bool,
    ) -> Vec<(&'a str, NodeChange)> {
        let told = self.figures.get(service).into_iter().flatten();
        let is_new = |url: &str| {
            let mut new = self.new_nodes.iter();
            new.any(|(of, node)| of == service && node.url == url)
        };
        let change = |line: &'a NodeLine| {
            let now = now.iter().find(|node| node.url == line.url)?;
            // An import that was interrupted has made its nodes before, closed.
            let may_set = all || is_new(&line.url);
            let may_open = may_set || now.available == 0;
            let is_to_open = self.to_open.contains(&(service.to_owned(), line.url.clone()));
            let change = NodeChange {
                backoff: (is_to_open && now.backoff).then_some(false),
                available: line.available.filter(|told| may_open && *told != now.available),
                unhealthy: Some(line.unhealthy).filter(|told| may_set && *told != now.unhealthy),
                ..NodeChange::default()
            };
            (change != NodeChange::default()).then_some((line.url.as_str(), change))
        };
        told.filter_map(change).collect()
    }
}

/// What the line says: all, or a pattern for what is here or what a service has by default.
fn settings(line: &ServiceLine, part: &Part) -> Option<ServiceSettings> {
    if line.settings.is_some() {
        return line.settings.clone();
    }
    let pattern = line.pattern.clone()?;
    Some(match &part.here {
        Some(here) => ServiceSettings {
            pattern,
            ..here.settings.clone()
        },
        None => ServiceSettings::new(pattern, OLDSYNC_SCOPE.to_owned()),
    })
}

fn new_node(of: &NodeLine) -> NewNode {
    NewNode {
        url: of.url.clone(),
        node_type: of.node_type.clone(),
        pool: of.pool.clone(),
        capacity: of.capacity,
        // Both are told at the end; until then nobody is sent there who is not in the file.
        available: of.available.map(|_| 0),
        backoff: true,
        downed: of.downed,
    }
}

/// As an import that was interrupted has left its nodes.
fn is_left_closed(here: &Node, told: &NodeLine) -> bool {
    here.backoff && (here.available == 0 || told.available.is_none())
}

/// What an administrator has set otherwise here. How many places are free changes all the time, and backoff ends at the end.
fn difference(here: &Node, told: &NodeLine) -> NodeChange {
    NodeChange {
        capacity: Some(told.capacity).filter(|told| *told != here.capacity),
        pool: Some(told.pool.clone()).filter(|told| *told != here.pool),
        downed: Some(told.downed).filter(|told| *told != here.downed),
        backoff: (told.backoff && !here.backoff).then_some(true),
        ..NodeChange::default()
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ops::wire::Service;

    use super::*;

    fn told(url: &str) -> NodeLine {
        NodeLine {
            service: "sync-1.5".into(),
            url: url.into(),
            node_type: None,
            pool: None,
            capacity: 10,
            available: Some(3),
            current_load: None,
            downed: false,
            backoff: true,
            unhealthy: false,
        }
    }

    fn here(url: &str) -> Node {
        Node {
            id: 1,
            url: url.into(),
            node_type: None,
            pool: Some("old".into()),
            capacity: 5,
            available: 5,
            current_load: 0,
            downed: false,
            backoff: true,
            unhealthy: true,
        }
    }

    fn survey(line: Option<ServiceLine>) -> Survey {
        let service = Service {
            key: "sync-1.5".into(),
            settings: ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into()),
        };
        let mut part = Part::of_here(service, vec![here("https://a")]);
        part.line = line;
        for url in ["https://a", "https://b"] {
            part.nodes.insert(url.into(), told(url));
        }
        Survey::beside([("sync-1.5".to_owned(), part)].into())
    }

    #[test]
    fn what_is_missing_is_made_and_what_differs_is_said() {
        let plan = Plan::of(&survey(None));
        assert!(plan.services.is_empty());
        assert_eq!(plan.new_nodes.len(), 1);
        let new = &plan.new_nodes[0].1;
        assert_eq!(
            (new.url.as_str(), new.available, new.backoff),
            ("https://b", Some(0), true)
        );
        let (_, url, change) = &plan.changed_nodes[0];
        let expected = NodeChange {
            capacity: Some(10),
            pool: Some(None),
            ..NodeChange::default()
        };
        assert_eq!((url.as_str(), change), ("https://a", &expected));
        assert_eq!(plan.differs, ["node https://a of sync-1.5 has other figures"]);
    }

    /// `a` was here, `b` is new.
    #[test]
    fn figures_of_what_was_here_are_an_administrators() {
        let plan = Plan::of(&survey(None));
        let set = |url, available, all| {
            let now = Node {
                available,
                ..here(url)
            };
            let set = plan.figures_to_set("sync-1.5", &[now], all);
            set.first()
                .map(|(_, change)| (change.available, change.unhealthy))
        };
        for (name, url, available, all, expected) in [
            ("it was here", "https://a", 5, false, None),
            (
                "it was here, and closed",
                "https://a",
                0,
                false,
                Some((Some(3), None)),
            ),
            (
                "it was here, and the file is right",
                "https://a",
                5,
                true,
                Some((Some(3), Some(false))),
            ),
            ("it is new", "https://b", 5, false, Some((Some(3), Some(false)))),
        ] {
            assert_eq!(set(url, available, all), expected, "{name}");
        }
    }

    /// The file has none in backoff; `a` was here, `b` is new.
    #[test]
    fn nodes_are_closed_until_everybody_has_come() {
        for (name, available, backoff, differs, expected) in [
            ("an administrator spares it", 5, true, true, Some(false)),
            ("an import was interrupted", 0, true, false, Some(false)),
            ("it is open", 5, false, false, None),
        ] {
            let mut survey = survey(None);
            let part = survey.parts.get_mut("sync-1.5").unwrap();
            for node in part.nodes.values_mut() {
                (node.backoff, node.capacity, node.pool) = (false, 5, Some("old".into()));
            }
            let a = part.nodes_here.get_mut("https://a").unwrap();
            (a.available, a.backoff) = (available, backoff);
            let now = a.clone();
            let plan = Plan::of(&survey);
            assert_eq!(!plan.differs.is_empty(), differs, "{name}");
            assert!(
                plan.changed_nodes.is_empty(),
                "{name}: nobody comes in before the end"
            );
            let new = &plan.new_nodes[0].1;
            assert_eq!((new.available, new.backoff), (Some(0), true), "{name}");
            let set_to = |now: Node| {
                let set = plan.figures_to_set("sync-1.5", &[now], false);
                set.first().and_then(|(_, change)| change.backoff)
            };
            assert_eq!(set_to(now), expected, "{name}");
            // Places may have been released meanwhile.
            let new = Node {
                available: 1,
                ..here("https://b")
            };
            assert_eq!(set_to(new), Some(false), "{name}");
        }
    }

    #[test]
    fn a_row_of_a_service_changes_its_pattern_alone() {
        let row = |pattern: &str| ServiceLine {
            key: "sync-1.5".into(),
            settings: None,
            pattern: Some(pattern.into()),
        };
        assert!(
            Plan::of(&survey(Some(row("{node}/1.5/{uid}"))))
                .services
                .is_empty()
        );
        let plan = Plan::of(&survey(Some(row("{node}/{uid}"))));
        let (_, settings) = &plan.services[0];
        assert_eq!(
            (settings.pattern.as_str(), settings.scope.as_str()),
            ("{node}/{uid}", "scope")
        );
        assert_eq!(plan.differs[0], "service sync-1.5 has other settings");
    }
}
