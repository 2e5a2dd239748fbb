//! TLS between the tiers and a real node, with certificates on both sides (`security.md` E.1): who has one of the node's
//! authority writes and reads; everybody else is refused, and told which key of the configuration to look at.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use foxhold_core::{Clock as _, OpId};
use foxhold_ports::{
    AssignmentAdmin as _, AssignmentReader as _, Call,
    conformance::fixtures::{service, soon},
};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    config::Secrets,
    crypto_provider,
    store::{self, OpenError, Store, StoreTable, StoreUse},
};
use foxhold_store_cassandra::{
    CassandraReader, CassandraStore, ConnectError, ConnectSettings, SerialLevel, TlsConfig,
    migrate::{self, Plan, RegionPlan},
};
use foxhold_testkit::{
    cassandra::{ClientTls, Cluster, Layout, Options, PASSWORD, USER},
    work_folder::WorkFolder,
};

/// What processes are configured with: the node's authority, another one, and a certificate of each.
struct Files {
    folder: PathBuf,
    point: String,
}

impl Files {
    fn write(folder: &Path, point: String, ours: &ClientTls, others: &ClientTls) -> Self {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        for (whose, tls) in [("ours", ours), ("others", others)] {
            let pair = tls.issue(&[Ipv4Addr::LOCALHOST]).unwrap();
            write(&format!("{whose}-authority.pem"), tls.authority_pem());
            write(&format!("{whose}.pem"), &pair.certificate_pem);
            write(&format!("{whose}.key"), &pair.key_pem);
        }
        write("password", PASSWORD);
        write("wrong-password", "guess");
        Self {
            folder: folder.to_owned(),
            point,
        }
    }

    /// What a process makes of a `[store]` with these keys; `DIR` in them stands for the folder of the files.
    fn settings(&self, keys: &str) -> ConnectSettings {
        let text = format!(
            "kind = \"cassandra\"\nkeyspace = \"foxhold\"\nuser = \"{USER}\"\ncontact_points = [\"{}\"]\n{keys}\n",
            self.point
        );
        let text = text.replace("DIR", &self.folder.display().to_string());
        let table: StoreTable = toml::from_str(&text).unwrap();
        let resolved = table.resolve("webhead", StoreUse::Reads, &Secrets::default());
        let Store::Cassandra(cluster) = resolved.unwrap() else {
            panic!("no cluster: {text}");
        };
        ConnectSettings {
            contact_points: cluster.contact_points,
            keyspace: cluster.keyspace,
            region: cluster.region,
            login: cluster.login,
            tls: cluster.tls.map(|tls| TlsConfig::from(tls.into_config())),
            local_address: cluster.local_address,
            node_table_age: cluster.node_table_age,
        }
    }
}

const LOGIN: &str = "region = \"one\"\npassword_file = \"DIR/password\"\n";
const AUTHORITY: &str = "tls_authority = \"DIR/ours-authority.pem\"\n";
const OTHER_AUTHORITY: &str = "tls_authority = \"DIR/others-authority.pem\"\n";
const CERTIFICATE: &str = "tls_certificate = \"DIR/ours.pem\"\ntls_key_file = \"DIR/ours.key\"\n";
const OTHER_CERTIFICATE: &str = "tls_certificate = \"DIR/others.pem\"\ntls_key_file = \"DIR/others.key\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn node_and_process_know_each_other_by_their_certificates() {
    crypto_provider::install();
    let work = WorkFolder::of("cassandra_tls").unwrap();
    let (ours, others) = (
        ClientTls::create("ours.example").unwrap(),
        ClientTls::create("others.example").unwrap(),
    );
    let options = Options {
        client_tls: Some(ours.clone()),
        ..Options::default()
    };
    let cluster = Cluster::start(work.path(), Layout::one(), options).await.unwrap();
    let files = Files::write(work.path(), cluster.address(1).to_string(), &ours, &others);
    let ended = who_is_known_writes_and_reads(&files).await;
    ended.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
    everybody_else_is_told_which_key_to_look_at(&files).await;
    what_does_not_pass_is_told_at_once(&files).await;
}

async fn who_is_known_writes_and_reads(files: &Files) -> anyhow::Result<()> {
    let settings = files.settings(&[LOGIN, AUTHORITY, CERTIFICATE].concat());
    let shown = format!("{settings:?}");
    assert!(shown.contains("tls: Some(TlsConfig { .. })"), "{shown}");
    let plan = Plan {
        keyspace: settings.keyspace.clone(),
        regions: vec![RegionPlan {
            name: settings.region.clone(),
            data_centre: "dc1".to_owned(),
            replication: 1,
        }],
        serial: SerialLevel::Serial,
        stripes: 4,
    };
    migrate::apply(&settings, &plan, &SystemRandom).await?;
    let store = CassandraStore::connect(&settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
    let service = service("sync-1.5");
    let call = Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: soon(),
    };
    store.put_service(&call, service.clone()).await?;
    let reader = CassandraReader::connect(&settings).await?;
    assert_eq!(reader.services(soon()).await?, [service]);
    store.close(soon()).await;
    Ok(())
}

async fn everybody_else_is_told_which_key_to_look_at(files: &Files) {
    type Is = fn(&ConnectError) -> bool;
    let own: Is = |error| {
        matches!(
            error,
            ConnectError::OwnCertificate(_) | ConnectError::Ended { .. }
        )
    };
    let table: [(&str, &[&str], Is, &str); 4] = [
        ("no certificate", &[AUTHORITY], own, "`tls_certificate`"),
        (
            "a certificate of somebody else's authority",
            &[AUTHORITY, OTHER_CERTIFICATE],
            own,
            "`tls_certificate`",
        ),
        (
            "a node of somebody else's authority",
            &[OTHER_AUTHORITY, CERTIFICATE],
            |error| matches!(error, ConnectError::NodeCertificate(_)),
            "`tls_authority`",
        ),
        (
            "no TLS",
            &[],
            |error| matches!(error, ConnectError::Ended { .. }),
            "`tls_authority`",
        ),
    ];
    for (name, keys, is_expected, key) in table {
        let settings = files.settings(&format!("{LOGIN}{}", keys.concat()));
        let refused = CassandraReader::connect(&settings).await.err();
        let error = refused.unwrap_or_else(|| panic!("{name}: let in"));
        assert!(is_expected(&error), "{name}: {error:?}");
        assert!(error.to_string().contains(key), "{name}: {error}");
    }
}

async fn what_does_not_pass_is_told_at_once(files: &Files) {
    for (keys, key) in [
        (
            LOGIN.replace("DIR/password", "DIR/wrong-password"),
            "`password_file`",
        ),
        (LOGIN.replace("one", "elsewhere"), "`region`"),
    ] {
        let settings = files.settings(&[&keys, AUTHORITY, CERTIFICATE].concat());
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            CassandraReader::connect(&settings)
        };
        let ended = store::opened(attempt, ConnectError::is_lasting).await;
        let Err(OpenError::Lasting(error)) = ended else {
            panic!("{keys}: let in, or called away");
        };
        assert!(error.to_string().contains(key), "{keys}: {error}");
        assert_eq!(attempts, 1, "{keys}");
    }
}
