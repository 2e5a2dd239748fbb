//! `foxhold config check --online`: opens what a configuration names, from the machine it is for, as the process would. What a
//! role names is in `names`; how each is looked at, in `probes`.
//!
//! What must stay true: everything is looked at in one run, at once, and each look ends by itself; nothing is changed.

pub(crate) mod names;

use std::{fmt, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use foxhold_ports::AssignmentReader;
use foxhold_runtime::{
    config::{ConfigErrors, Findings, Reading},
    store::{Store, StoreUse},
    tls::{Role, TlsIdentity},
};
use foxhold_webhead::mail::smtp::SmtpSettings;
use tokio::{net::TcpStream, time::timeout};

use crate::probes::{
    Complaint, mail, store, tier,
    web::{self, ANSWER_MAX, CONFIGURATION, Web},
};

/// Something that a configuration names.
pub(crate) struct Named {
    /// The key that does; empty where none does.
    pub(crate) key: String,
    pub(crate) thing: Thing,
}

/// What it is.
pub(crate) enum Thing {
    /// The process's own certificate, which should be of this role.
    Certificate(Arc<TlsIdentity>, Role),
    /// An address of a tier: its certificate, and ours for it.
    Tier(Arc<TlsIdentity>, Role, String),
    /// A store, and with it the nodes it lists.
    Store(Store, StoreUse),
    /// The database of a box, and with it the nodes it lists.
    Database(PathBuf),
    /// A mail server.
    Mail(Box<SmtpSettings>),
    /// What browsers reach the server by, and where they are sent for tokens.
    PublicUrl { url: String, token_server: String },
    /// A Token Server with an address of its own.
    TokenServer(String),
    /// What browsers reach a node by.
    Node(String),
    /// Who takes spans: host and port.
    Collector(String),
}

/// What became of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) key: String,
    /// What was found, or what is wrong with it.
    pub(crate) found: Result<String, Complaint>,
}

/// Faults that a look has shown, beside those that reading has.
#[derive(Debug)]
pub(crate) struct OnlineFaults {
    role: &'static str,
    /// All of them.
    pub(crate) errors: ConfigErrors,
    /// Whether all of them are of somebody who does not answer: then a retry is sensible.
    pub(crate) is_away: bool,
}

impl OnlineFaults {
    /// Of what reading and looking have found, if there is any.
    pub(crate) fn of(
        role: &'static str,
        reading: &Reading,
        read: Option<&ConfigErrors>,
        seen: &[Seen],
    ) -> Option<Self> {
        let complaints = || {
            seen.iter()
                .filter_map(|one| Some((&one.key, one.found.as_ref().err()?)))
        };
        let mut found = Findings::of(role, reading);
        for (key, complaint) in complaints() {
            let told = anyhow::anyhow!("{}\nfix: {}", complaint.what, complaint.fix);
            found.take_of::<(), _>(key, Err(told));
        }
        let mut errors = ConfigErrors::of(role);
        let looked = found.told().err();
        for fault in read.into_iter().chain(&looked).flat_map(ConfigErrors::faults) {
            errors.push(fault.clone());
        }
        let is_away = read.is_none() && complaints().all(|(_, complaint)| complaint.is_away);
        (!errors.is_empty()).then_some(Self {
            role,
            errors,
            is_away,
        })
    }
}

impl fmt::Display for OnlineFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_away {
            return fmt::Display::fmt(&self.errors, f);
        }
        write!(f, "what the configuration of {} names does not answer", self.role)?;
        for fault in self.errors.faults() {
            write!(f, "\n{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for OnlineFaults {}

/// Looks at everything at once; told in the order given, nodes after the store that lists them.
pub(crate) fn look_at(named: Vec<Named>) -> anyhow::Result<Vec<Seen>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let looks = named.into_iter().map(|one| tokio::spawn(look(one)));
        let looks: Vec<_> = looks.collect();
        let mut seen = Vec::new();
        for look in looks {
            seen.extend(look.await.context("looking")?);
        }
        Ok(seen)
    })
}

async fn look(named: Named) -> Vec<Seen> {
    let Named { key, thing } = named;
    let one = |found| {
        vec![Seen {
            key: key.clone(),
            found,
        }]
    };
    match thing {
        Thing::Certificate(identity, role) => one(tier::own(&identity, role)),
        Thing::Tier(identity, role, address) => {
            let met = tier::peers(&identity, role, &address).await;
            met.into_iter().flat_map(one).collect()
        }
        Thing::Store(store, use_) => match store::open(store, use_).await {
            Ok(Some(opened)) => with_nodes(key, opened).await,
            Ok(None) => one(Ok("is made when the process starts".to_owned())),
            Err(complaint) => one(Err(complaint)),
        },
        Thing::Database(path) => match store::file(&path) {
            Ok(opened) => with_nodes(key, opened).await,
            Err(complaint) => one(Err(complaint)),
        },
        Thing::Mail(settings) => one(mail::look(&settings).await),
        Thing::PublicUrl { url, token_server } => one(public_url(&url, &token_server).await),
        Thing::TokenServer(url) => one(heartbeat(&url).await),
        Thing::Node(url) => one(node(&url).await),
        Thing::Collector(address) => one(collector(&address).await),
    }
}

/// The store, then the nodes it lists, which no key names.
async fn with_nodes(key: String, opened: store::Opened) -> Vec<Seen> {
    let mut seen = vec![Seen {
        key: key.clone(),
        found: Ok(opened.what),
    }];
    match nodes(&*opened.reader).await {
        Ok(nodes) => seen.extend(nodes),
        Err(complaint) => seen.push(Seen {
            key,
            found: Err(complaint),
        }),
    }
    seen
}

async fn nodes(reader: &dyn AssignmentReader) -> Result<Vec<Seen>, Complaint> {
    let listed = store::nodes(reader).await.map_err(|error| {
        let fix = "see the store, and its log";
        Complaint::away(format!("the nodes cannot be read: {error}"), fix)
    })?;
    let looks: Vec<_> = listed
        .into_iter()
        .map(|listed| {
            tokio::spawn(async move {
                if listed.is_out {
                    return Ok(format!("{} is out of service and was not asked", listed.url));
                }
                node(&listed.url).await
            })
        })
        .collect();
    let mut seen = Vec::new();
    for look in looks {
        let found = look.await.unwrap_or_else(|error| {
            Err(Complaint::away(
                format!("looking at a node: {error}"),
                "try again",
            ))
        });
        seen.push(Seen {
            key: String::new(),
            found,
        });
    }
    Ok(seen)
}

async fn node(url: &str) -> Result<String, Complaint> {
    match Web::new().is_alive(url).await {
        Ok(status) if status < 500 => Ok(format!("the node {url} answers")),
        Ok(status) => Err(Complaint::away(
            format!("the node {url} answers {status}"),
            "see the node's log",
        )),
        Err(fault) => Err(web::unreachable_node(url, &fault)),
    }
}

/// Whether browsers that are told this address come to a server that knows it as its own.
async fn public_url(url: &str, token_server: &str) -> Result<String, Complaint> {
    let reply = Web::new().document(url, CONFIGURATION).await;
    let reply = reply.map_err(|fault| web::unreachable(url, &fault))?;
    match web::leads_elsewhere(url, token_server, &reply) {
        Some(complaint) => Err(complaint),
        None => heartbeat(url).await,
    }
}

async fn heartbeat(url: &str) -> Result<String, Complaint> {
    let reply = Web::new().document(url, "/__heartbeat__").await;
    match reply.map_err(|fault| web::unreachable(url, &fault))?.status {
        200 => Ok(format!("{url} answers, and all that it needs answers it")),
        status => Err(Complaint::away(
            format!("{url}/__heartbeat__ answers {status}"),
            "see the parts that it names",
        )),
    }
}

async fn collector(address: &str) -> Result<String, Complaint> {
    let connected = timeout(ANSWER_MAX, TcpStream::connect(address)).await;
    match connected {
        Ok(Ok(_)) => Ok(format!("somebody takes connections at {address}")),
        _ => Err(Complaint::away(
            format!("nobody takes connections at {address}"),
            "see that the collector runs; until then spans are dropped, and nothing else",
        )),
    }
}

#[cfg(test)]
mod tests {
    use foxhold_runtime::config::{Fault, Sources};

    use super::*;

    fn seen(key: &str, found: Result<String, Complaint>) -> Seen {
        Seen {
            key: key.to_owned(),
            found,
        }
    }

    #[test]
    fn a_retry_is_sensible_only_where_everybody_is_merely_away() {
        let away = || seen("smtp.host", Err(Complaint::away("nobody", "wait")));
        let wrong = || seen("tls", Err(Complaint::invalid("another role", "mend it")));
        let fine = || seen("store.path", Ok("opens".to_owned()));
        let mut read = ConfigErrors::of("webhead");
        read.push(Fault {
            origin: None,
            key: "listen".to_owned(),
            problem: "is missing".to_owned(),
            fix: "set it".to_owned(),
        });
        let table = [
            ("nothing", None, vec![fine()], None),
            ("away", None, vec![fine(), away()], Some((true, 1))),
            ("wrong", None, vec![away(), wrong()], Some((false, 2))),
            ("read", Some(&read), vec![away()], Some((false, 2))),
            ("read alone", Some(&read), Vec::new(), Some((false, 1))),
        ];
        let reading = Reading::of(&Sources::default());
        for (name, read, seen, expected) in table {
            let faults = OnlineFaults::of("webhead", &reading, read, &seen);
            let told = faults.map(|faults| (faults.is_away, faults.errors.faults().len()));
            assert_eq!(told, expected, "{name}");
        }
    }

    #[test]
    fn faults_are_told_by_key_problem_and_fix() {
        let reading = Reading::of(&Sources::default());
        let complaint = Complaint::away("nobody is there", "wait");
        let seen = [
            seen("smtp.host", Err(complaint.clone())),
            seen("", Err(complaint)),
        ];
        let faults = OnlineFaults::of("box", &reading, None, &seen).unwrap();
        assert_eq!(
            faults.to_string(),
            "what the configuration of box names does not answer\n\
             `smtp.host`: nobody is there\n  fix: wait\nnobody is there\n  fix: wait"
        );
    }
}
