//! The tool and the admin API of a fleet: mutual TLS over a real connection, before a store in memory.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, SecretText};
use foxhold_ops::{Access, OpsLimits, OpsPorts};
use foxhold_ports::{
    NodeTokenMinter,
    memory::MemoryStore,
    signer::{NodeToken, NodeTokenOrder, SignError},
};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom, UnderWay,
    certificates::{self, CreateOptions},
    config::Secrets,
    http_edge::{self, EdgeLimits},
    tls::{Role, TlsIdentity},
};
use foxhold_sync::jobs::{CallFailure, NodeCalls, purge::ByUid};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use super::bench::{SYNC_2, USER};
use crate::support::{Ran, free_addresses, run};

const DOMAIN: &str = "fox.test";

/// Nothing is purged here.
struct Nobody;

#[async_trait]
impl NodeTokenMinter for Nobody {
    async fn mint_node_token(&self, _: Deadline, _: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        let text = || SecretText::new("text".to_owned());
        Ok(NodeToken {
            token: text(),
            key: text(),
        })
    }
}

#[async_trait]
impl NodeCalls for Nobody {
    async fn delete_user_data(&self, _: Deadline, _: &str, _: &NodeToken) -> Result<(), CallFailure> {
        Err(CallFailure::Connect)
    }

    async fn is_alive(&self, _: Deadline, _: &str) -> bool {
        false
    }
}

struct Fleet {
    folder: tempfile::TempDir,
    address: SocketAddr,
    /// Serves as long as it lives.
    _runtime: Runtime,
}

/// Certificates of a deployment of its own.
fn certify(folder: &Path) {
    let options = CreateOptions {
        out: folder.to_owned(),
        trust_domain: DOMAIN.to_owned(),
        region: "home".to_owned(),
        roles: vec![Role::Ops, Role::Operator, Role::Webhead],
        lifetime: Duration::from_secs(3600),
        hosts: Vec::new(),
    };
    certificates::create(&options, &SystemClock, &SystemRandom).expect("they are made");
}

impl Fleet {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is a place for it");
        let tls = folder.path().join("tls");
        certify(&tls);
        let files = certificates::settings(&tls, DOMAIN, Role::Ops);
        let identity = TlsIdentity::load(&files, &Secrets::default()).expect("they are good");
        let config = identity.http_server_config(Arc::new(SystemClock));
        let config = config.expect("they are good");
        let runtime = Runtime::new().expect("it starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let router = foxhold_ops::router(ports(), Access::Operators);
        runtime.spawn(async move {
            let limits = EdgeLimits::default();
            http_edge::serve_with_certificates(listener, config, router, limits, Shutdown::new()).await
        });
        Self {
            folder,
            address,
            _runtime: runtime,
        }
    }

    /// With the certificates of a folder.
    fn run(&self, identity: &str, arguments: &[&str]) -> Ran {
        let url = format!("https://{}", self.address);
        let whom = ["--admin", &url, "--identity", identity];
        run(self.folder.path(), &[arguments, &whom].concat())
    }
}

fn ports() -> OpsPorts {
    let store = Arc::new(MemoryStore::new());
    OpsPorts {
        reader: Arc::clone(&store) as _,
        writer: Arc::clone(&store) as _,
        admin: Arc::clone(&store) as _,
        registry: Arc::clone(&store) as _,
        clients: store,
        minter: Arc::new(Nobody),
        node_calls: Arc::new(Nobody),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        metrics_key: Arc::new(SecretText::new("key".to_owned())),
        accounts: None,
        invitations: None,
        by_uid: ByUid::All,
        limits: OpsLimits::default(),
        shutdown: Shutdown::new(),
        under_way: UnderWay::default(),
    }
}

#[test]
fn an_operator_of_a_fleet_is_let_in_and_nobody_else() {
    let fleet = Fleet::start();
    let create = [
        "service",
        "create",
        "sync-1.5",
        "--pattern",
        "{node}/1.5/{uid}",
        "--scope",
        "s",
    ];
    let steps: [&[&str]; 4] = [
        &create,
        &["node", "create", SYNC_2, "--capacity", "10"],
        &["service", "place-user", USER],
        &["node", "drain", SYNC_2],
    ];
    for step in steps {
        let ran = fleet.run("tls", step);
        assert_eq!(ran.code, Some(0), "{step:?}: {}", ran.err);
        let asked = format!("asking the fleet at https://{}\n", fleet.address);
        assert!(ran.err.starts_with(&asked), "{}", ran.err);
    }
    let shown = fleet.run("tls", &["service", "show-user", USER, "--output", "json"]);
    let user: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(user["current"]["node"], json!(SYNC_2));
    // A certificate of another role, under an operator's name.
    let tls = fleet.folder.path().join("tls");
    let other = fleet.folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(tls.join("authority.pem"), other.join("authority.pem")).unwrap();
    for end in ["pem", "key"] {
        fs::copy(
            tls.join(format!("webhead.{end}")),
            other.join(format!("operator.{end}")),
        )
        .unwrap();
    }
    // A deployment of the same name that is another.
    certify(&fleet.folder.path().join("strangers"));
    for (identity, named) in [
        ("other", "role operator"),
        ("strangers", "not of this deployment"),
    ] {
        let ran = fleet.run(identity, &["node", "list"]);
        assert_eq!(ran.code, Some(8), "{identity}: {}", ran.err);
        assert!(ran.err.contains(named), "{identity}: {}", ran.err);
    }
}

#[test]
fn a_fleet_is_looked_over() {
    let fleet = Fleet::start();
    let looked = |more: &[&str]| {
        let ran = fleet.run("tls", &[&["doctor", "--output", "jsonl"], more].concat());
        assert_eq!(ran.code, Some(7), "{}", ran.err);
        let lines = ran.out.lines().map(|line| serde_json::from_str(line).unwrap());
        let states = lines.map(|line: Value| format!("{} {}", line["check"], line["state"]).replace('"', ""));
        states.collect::<Vec<_>>()
    };
    assert_eq!(looked(&[]), ["store ok", "service fail", "public_url warn"]);
    let [nobody, other] = free_addresses().map(|address| format!("http://{address}"));
    let create = [
        "service",
        "create",
        "sync-1.5",
        "--pattern",
        "{node}/{uid}",
        "--scope",
        "s",
    ];
    fleet.run("tls", &create);
    fleet.run("tls", &["node", "create", &nobody, "--capacity", "10"]);
    let found = looked(&["--public-url", &other]);
    assert_eq!(
        found,
        [
            "store ok",
            "node fail",
            "room ok",
            "public_url fail",
            "heartbeat fail",
            "key_set fail"
        ]
    );
}

#[test]
fn where_nobody_answers_a_retry_is_sensible() {
    let folder = tempfile::tempdir().unwrap();
    certify(&folder.path().join("tls"));
    let [nobody, _] = free_addresses();
    let url = format!("https://{nobody}");
    let ran = run(
        folder.path(),
        &["node", "list", "--admin", &url, "--identity", "tls"],
    );
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains(&format!("error: asking {url}\n")), "{}", ran.err);
    for wrong in ["http://ops.example.org", "https://ops.example.org/admin"] {
        let ran = run(
            folder.path(),
            &["node", "list", "--admin", wrong, "--identity", "tls"],
        );
        assert_eq!(ran.code, Some(3), "{wrong}: {}", ran.err);
    }
}
