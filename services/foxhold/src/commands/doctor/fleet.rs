//! A fleet, looked over from where the operator stands: the admin API says which services and nodes there are, and the nodes and
//! the public URL are asked what browsers ask. Changes nothing.
//!
//! What it cannot see are secrets: those are the keysigners' and the nodes' own, and the tool is given none.

use foxhold_core::{Clock as _, Timestamp, record::NodeFigures};
use foxhold_ops::wire::{Health, Node, Nodes, Services};
use foxhold_runtime::SystemClock;

use super::{
    checks::{Finding, State, bad, offset, ok, out_of_service, unreachable, unreachable_node},
    facts::NodeFacts,
    gather::has_room,
};
use crate::{
    admin_client::{Admin, AdminError, Path},
    probes::web::{CONFIGURATION, Fault, Reply, Web},
};

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct FleetFacts {
    store_answers: bool,
    services: Vec<ServiceFacts>,
    /// Absent where nobody says where it is.
    public: Option<PublicFacts>,
}

#[derive(Debug, Clone)]
struct ServiceFacts {
    key: String,
    nodes: Vec<NodeFacts>,
}

#[derive(Debug, Clone)]
struct PublicFacts {
    url: String,
    /// By this machine's clock, when it was asked.
    now: Timestamp,
    configuration: Result<Reply, Fault>,
    heartbeat: Result<Reply, Fault>,
    published_kids: Result<Vec<String>, Fault>,
}

/// Finds out about the fleet.
pub(super) async fn gather(admin: &mut Admin, public_url: Option<&str>) -> Result<FleetFacts, AdminError> {
    let web = Web::new();
    let health: Health = admin.get(&Path::of(["health"])).await?;
    let mut services = Vec::new();
    if health.store_answers {
        let listed: Services = admin.get(&Path::of(["services"])).await?;
        for service in listed.services {
            let listed: Nodes = admin.get(&Path::service(&service.key, ["nodes"])).await?;
            services.push(ServiceFacts {
                nodes: nodes(&web, listed.nodes).await,
                key: service.key,
            });
        }
    }
    Ok(FleetFacts {
        store_answers: health.store_answers,
        services,
        public: match public_url {
            Some(url) => Some(public(&web, url.trim_end_matches('/')).await),
            None => None,
        },
    })
}

async fn nodes(web: &Web, listed: Vec<Node>) -> Vec<NodeFacts> {
    let mut nodes = Vec::new();
    for node in listed {
        let figures = NodeFigures {
            capacity: node.capacity,
            available: node.available,
            current_load: node.current_load,
            downed: node.downed,
            backoff: node.backoff,
            unhealthy: node.unhealthy,
        };
        let answer = if node.downed {
            None
        } else {
            Some(web.is_alive(&node.url).await)
        };
        nodes.push(NodeFacts {
            has_room: has_room(&figures),
            answer,
            url: node.url,
        });
    }
    nodes
}

async fn public(web: &Web, url: &str) -> PublicFacts {
    let configuration = web.document(url, CONFIGURATION);
    let heartbeat = web.document(url, "/__heartbeat__");
    let (configuration, heartbeat, published_kids) = tokio::join!(configuration, heartbeat, web.kids(url));
    PublicFacts {
        url: url.to_owned(),
        now: SystemClock.now(),
        configuration,
        heartbeat,
        published_kids,
    }
}

/// Everything that can be said of a fleet, the causes before what follows from them.
pub(super) fn all(facts: &FleetFacts) -> Vec<Finding> {
    if !facts.store_answers {
        let fix = "see the store, and the log of foxhold-ops";
        return vec![bad(
            "store",
            State::Fail,
            "the store does not answer the admin API",
            fix,
        )];
    }
    let mut found = vec![ok("store", "the store answers the admin API")];
    if facts.services.is_empty() {
        let fix = "foxhold service create";
        found.push(bad("service", State::Fail, "there is no service", fix));
    }
    for service in &facts.services {
        found.extend(service.nodes.iter().map(node));
        found.push(room(service));
    }
    match &facts.public {
        Some(public) => found.extend(seen_by_browsers(public)),
        None => found.push(bad(
            "public_url",
            State::Warn,
            "what browsers see was not looked at",
            "say where: --public-url https://accounts.example.org",
        )),
    }
    found
}

/// As the health job judges: whatever does not fail is alive.
fn node(node: &NodeFacts) -> Finding {
    let url = &node.url;
    match &node.answer {
        None => out_of_service(url),
        Some(Ok(status)) if *status < 500 => ok("node", format!("{url} answers")),
        Some(Ok(status)) => bad(
            "node",
            State::Fail,
            format!("{url} answers {status}"),
            "see the node's log",
        ),
        Some(Err(fault)) => unreachable_node(url, fault),
    }
}

fn room(service: &ServiceFacts) -> Finding {
    let (key, with_room) = (
        &service.key,
        service.nodes.iter().filter(|node| node.has_room).count(),
    );
    if with_room > 0 {
        return ok(
            "room",
            format!("{key}: {with_room} nodes have room for new users"),
        );
    }
    bad(
        "room",
        State::Fail,
        format!("{key}: no node has room for new users"),
        "foxhold node list; then raise a node's capacity, bring one back, or create one",
    )
}

fn seen_by_browsers(public: &PublicFacts) -> Vec<Finding> {
    let url = &public.url;
    let (check, reply) = ("public_url", &public.configuration);
    let mut found = vec![match reply {
        Err(fault) => unreachable(check, url, fault),
        Ok(reply) if reply.status != 200 || !reply.body["sync_tokenserver_base_url"].is_string() => bad(
            check,
            State::Fail,
            format!(
                "{url} answers {} in place of its configuration document",
                reply.status
            ),
            "see that it leads to the webheads, and that all paths are passed on to them",
        ),
        Ok(_) => ok(check, format!("{url} answers")),
    }];
    if let Ok(reply) = reply {
        found.extend(offset(public.now, reply));
    }
    found.push(match &public.heartbeat {
        Err(fault) => unreachable("heartbeat", "/__heartbeat__", fault),
        Ok(Reply { status: 200, .. }) => ok("heartbeat", "all that the webheads need answers them"),
        Ok(reply) => bad(
            "heartbeat",
            State::Fail,
            format!("/__heartbeat__ answers {}", reply.status),
            format!("see the parts that {url}/__heartbeat__ names"),
        ),
    });
    found.push(match &public.published_kids {
        Err(fault) => unreachable("key_set", "/v1/jwks", fault),
        Ok(kids) if kids.is_empty() => bad(
            "key_set",
            State::Fail,
            "/v1/jwks has no key",
            "see that the webheads reach the keysigners",
        ),
        Ok(kids) => ok("key_set", format!("/v1/jwks has {} keys", kids.len())),
    });
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::checks::failures, *};

    const URL: &str = "https://accounts.example.org";
    const NOW: u64 = 1_800_000_000;

    fn reply(status: u16) -> Reply {
        Reply {
            status,
            date: Some(Timestamp::from_secs(NOW)),
            body: json!({"sync_tokenserver_base_url": URL}),
        }
    }

    fn well() -> FleetFacts {
        FleetFacts {
            store_answers: true,
            services: vec![ServiceFacts {
                key: "sync-1.5".into(),
                nodes: vec![NodeFacts {
                    url: "https://sync-1.example.org".into(),
                    has_room: true,
                    answer: Some(Ok(404)),
                }],
            }],
            public: Some(PublicFacts {
                url: URL.into(),
                now: Timestamp::from_secs(NOW),
                configuration: Ok(reply(200)),
                heartbeat: Ok(reply(200)),
                published_kids: Ok(vec!["one".into()]),
            }),
        }
    }

    fn seen(facts: &mut FleetFacts) -> &mut PublicFacts {
        facts.public.as_mut().expect("it was looked at")
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_and_nothing_else() {
        type Row = (fn(&mut FleetFacts), &'static str, State);
        let table: [Row; 12] = [
            (|f| f.store_answers = false, "store", State::Fail),
            (|f| f.services.clear(), "service", State::Fail),
            (
                |f| f.services[0].nodes[0].answer = Some(Ok(503)),
                "node",
                State::Fail,
            ),
            (
                |f| f.services[0].nodes[0].answer = Some(Err(Fault::NoAnswer)),
                "node",
                State::Fail,
            ),
            (|f| f.services[0].nodes[0].has_room = false, "room", State::Fail),
            (|f| f.services[0].nodes.clear(), "room", State::Fail),
            (|f| f.public = None, "public_url", State::Warn),
            (
                |f| seen(f).configuration = Err(Fault::Identity),
                "public_url",
                State::Fail,
            ),
            (
                |f| seen(f).configuration = Ok(reply(404)),
                "public_url",
                State::Fail,
            ),
            (
                |f| seen(f).now = Timestamp::from_secs(NOW + 3600),
                "clock_offset",
                State::Fail,
            ),
            (|f| seen(f).heartbeat = Ok(reply(503)), "heartbeat", State::Fail),
            (
                |f| seen(f).published_kids = Ok(Vec::new()),
                "key_set",
                State::Fail,
            ),
        ];
        for (change, check, state) in table {
            let mut facts = well();
            assert_eq!(failures(&all(&facts)), 0);
            change(&mut facts);
            let wrong = all(&facts)
                .into_iter()
                .filter(|finding| finding.state > State::Ok)
                .collect::<Vec<_>>();
            let named: Vec<_> = wrong
                .iter()
                .map(|finding| (finding.check, finding.state))
                .collect();
            assert_eq!(named, [(check, state)], "{wrong:?}");
            assert!(!wrong[0].fix.is_empty(), "{check}");
        }
    }
}
