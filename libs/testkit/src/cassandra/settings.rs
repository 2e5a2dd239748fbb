//! What a node is told: its configuration files as text. Pure, but for certificates, which are made for it.

use std::{
    fmt::{self, Write},
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{Authority, LIFETIME_MAX, Pair, Subject},
};
use serde_json::json;

use super::{
    address::{Block, Ports},
    layout::{Seat, data_centre_name},
};

/// What tests vary.
#[derive(Debug, Clone)]
pub struct Options {
    /// Put a proxy before each node; drivers are told the proxies' addresses.
    pub proxied: bool,
    /// Whether writes for a node that is down are kept for it (`hinted_handoff_enabled`).
    pub hinted_handoff: bool,
    /// For how long they are kept (`max_hint_window`).
    pub hint_window: Duration,
    /// `read_request_timeout` and, doubled, `range_request_timeout`.
    pub read_timeout: Duration,
    /// `write_request_timeout`.
    pub write_timeout: Duration,
    /// `cas_contention_timeout`: how long a conditional write tries against others of its partition.
    pub cas_timeout: Duration,
    /// For how long roles, passwords and permissions are kept in memory: a GRANT works after this at the latest.
    pub auth_cache: Duration,
    /// Let Java optimise all it can: for measurements. A test's cluster starts with half the work without.
    pub optimised: bool,
    /// Keep the nodes to this core of the machine: for measurements.
    pub core: Option<usize>,
    /// Speak TLS with drivers, and only with those that show a certificate of this authority; the nodes' are of the same.
    /// For one node without a proxy: the bench itself then speaks no CQL.
    pub client_tls: Option<ClientTls>,
    /// Further settings of `cassandra.yaml`, name and value, as `("paxos_contention_max_wait", "200ms")`.
    pub more: Vec<(&'static str, String)>,
}

impl Default for Options {
    /// A node of a test machine has a share of two cores, so it gets more time than production's 2 s.
    fn default() -> Self {
        Self {
            proxied: false,
            hinted_handoff: true,
            hint_window: Duration::from_secs(3 * 3600),
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            cas_timeout: Duration::from_secs(5),
            auth_cache: Duration::from_millis(500),
            optimised: false,
            core: None,
            client_tls: None,
            more: Vec::new(),
        }
    }
}

/// An authority that nodes and drivers are known by.
#[derive(Clone)]
pub struct ClientTls(Arc<Authority>);

impl ClientTls {
    /// A new one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(name: &str) -> Result<Self> {
        let authority = Authority::create(name, &SystemClock, &SystemRandom);
        Ok(Self(Arc::new(authority.context("making an authority")?)))
    }

    /// What everybody must believe, PEM.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        self.0.certificate_pem()
    }

    /// A certificate for a node or a driver at these addresses.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue(&self, addresses: &[Ipv4Addr]) -> Result<Pair> {
        let subject = Subject {
            uris: Vec::new(),
            hosts: addresses.iter().map(ToString::to_string).collect(),
            lifetime: LIFETIME_MAX,
        };
        let pair = self.0.issue(&subject, &SystemClock, &SystemRandom);
        pair.context("making a certificate")
    }

    /// `client_encryption_options` of the node at `address`: JSON, which is YAML, too.
    fn options(&self, address: Ipv4Addr) -> Result<String> {
        let pair = self.issue(&[address])?;
        let options = json!({
            "enabled": true,
            "optional": false,
            "require_client_auth": true,
            "ssl_context_factory": {
                "class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory",
                "parameters": {
                    "private_key": format!("{}{}", *pair.key_pem, pair.certificate_pem),
                    "trusted_certificates": self.authority_pem(),
                },
            },
        });
        Ok(options.to_string())
    }
}

/// Without the authority's key.
impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

/// One node's `cassandra.yaml`.
///
/// Every node is a seed of the others: any of them can come back while any other is away. Commits to disk are periodic:
/// what one killed node lost of the last 10 s is on the others that acknowledged it, as it is in production. A test run
/// has a keyspace for each test, and so many times the prepared statements of a deployment.
pub(crate) fn cassandra_yaml(
    folder: &Path,
    seat: &Seat,
    seats: &[Seat],
    block: Block,
    ports: Ports,
    options: &Options,
) -> Result<String> {
    let folder = folder.display();
    let address = block.node(seat);
    let seeds: Vec<String> = seats.iter().map(|seat| block.node(seat).to_string()).collect();
    let mut yaml = format!(
        "\
cluster_name: foxhold-test
num_tokens: 1
initial_token: {token}
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 8MiB
commitlog_directory: {folder}/commitlog
data_file_directories: [{folder}/data]
hints_directory: {folder}/hints
saved_caches_directory: {folder}/saved_caches
cdc_raw_directory: {folder}/cdc_raw
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
listen_address: {address}
rpc_address: {address}
broadcast_rpc_address: {broadcast}
native_transport_port: {native}
storage_port: {storage}
endpoint_snitch: GossipingPropertyFileSnitch
disk_failure_policy: die
commit_failure_policy: die
memtable_allocation_type: heap_buffers
prepared_statements_cache_size: 64MiB
concurrent_reads: 8
concurrent_writes: 8
auto_snapshot: false
storage_compatibility_mode: NONE
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
paxos_variant: v2
paxos_state_purging: repaired
",
        token = seat.token,
        seeds = seeds.join(","),
        broadcast = told(seat, block, options),
        native = ports.native,
        storage = ports.storage,
    );
    for (name, value) in varied(options) {
        // Writing into a text cannot fail.
        let _ = writeln!(yaml, "{name}: {value}");
    }
    if let Some(tls) = &options.client_tls {
        let _ = writeln!(yaml, "client_encryption_options: {}", tls.options(address)?);
    }
    Ok(yaml)
}

/// The address that drivers are told.
pub(crate) fn told(seat: &Seat, block: Block, options: &Options) -> Ipv4Addr {
    if options.proxied {
        block.proxy(seat)
    } else {
        block.node(seat)
    }
}

fn varied(options: &Options) -> Vec<(&'static str, String)> {
    let ms = |duration: Duration| format!("{}ms", duration.as_millis());
    let mut settings = vec![
        ("hinted_handoff_enabled", options.hinted_handoff.to_string()),
        ("max_hint_window", ms(options.hint_window)),
        ("read_request_timeout", ms(options.read_timeout)),
        ("range_request_timeout", ms(options.read_timeout * 2)),
        ("write_request_timeout", ms(options.write_timeout)),
        ("cas_contention_timeout", ms(options.cas_timeout)),
        ("roles_validity", ms(options.auth_cache)),
        ("permissions_validity", ms(options.auth_cache)),
        ("credentials_validity", ms(options.auth_cache)),
    ];
    settings.extend(options.more.iter().cloned());
    settings
}

/// The properties a node's Java is started with.
pub(crate) fn properties(folder: &Path, nodes: usize, management: u16) -> Vec<String> {
    let conf = folder.join("conf");
    let conf = conf.display();
    vec![
        "-Dcassandra-foreground=yes".to_owned(),
        format!("-Dcassandra.config=file://{conf}/cassandra.yaml"),
        format!("-Dcassandra-rackdc.properties=file://{conf}/cassandra-rackdc.properties"),
        format!("-Dlogback.configurationFile={conf}/logback.xml"),
        format!("-Dcassandra.storagedir={}", folder.display()),
        format!("-Dcassandra.jmx.local.port={management}"),
        // No waiting for nodes that may turn up: the bench itself waits until all see each other.
        "-Dcassandra.skip_wait_for_gossip_to_settle=0".to_owned(),
        "-Dcassandra.ring_delay_ms=3000".to_owned(),
        // The first superuser at once, and on every node, so that any quorum knows it.
        "-Dcassandra.superuser_setup_delay_ms=0".to_owned(),
        format!("-Dcassandra.system_auth.default_rf={nodes}"),
        // The cheapest hash of passwords: they protect nothing here.
        "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4".to_owned(),
    ]
}

/// One node's `cassandra-rackdc.properties`.
pub(crate) fn rack_properties(seat: &Seat) -> String {
    format!("dc={}\nrack=rack1\n", data_centre_name(seat.data_centre))
}

/// Parts of Cassandra that tell of every flush, compaction and connection.
const TALKATIVE: [&str; 4] = ["db", "io", "net", "transport"];

/// A `logback.xml` that writes to `FOLDER/LOG` what helps to understand a failure.
pub(crate) fn logback_xml(folder: &Path, log: &str) -> String {
    let quiet = |part| format!("  <logger name=\"org.apache.cassandra.{part}\" level=\"WARN\"/>\n");
    format!(
        "\
<configuration>
  <appender name=\"file\" class=\"ch.qos.logback.core.FileAppender\">
    <file>{}/{log}</file>
    <encoder><pattern>%-5level %d{{ISO8601}} %logger{{0}} - %msg%n</pattern></encoder>
  </appender>
{}  <root level=\"INFO\"><appender-ref ref=\"file\"/></root>
</configuration>
",
        folder.display(),
        TALKATIVE.map(quiet).concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassandra::Layout;

    fn yaml_of_second(options: &Options) -> String {
        let seats = Layout::three().seats();
        let block = Block::at_numbers(5, 40);
        let ports = Ports {
            native: 11_042,
            storage: 17_000,
        };
        cassandra_yaml(Path::new("/w/node2"), &seats[1], &seats, block, ports, options).unwrap()
    }

    #[test]
    fn a_node_knows_its_place_and_its_peers() {
        let yaml = yaml_of_second(&Options::default());
        for line in [
            "initial_token: -3074457345618257603",
            "      - seeds: \"127.5.41.1,127.5.41.2,127.5.41.3\"",
            "listen_address: 127.5.41.2",
            "broadcast_rpc_address: 127.5.41.2",
            "native_transport_port: 11042",
            "data_file_directories: [/w/node2/data]",
            "authenticator: PasswordAuthenticator",
            "max_hint_window: 10800000ms",
        ] {
            assert!(yaml.lines().any(|had| had == line), "{line} is not in\n{yaml}");
        }
    }

    #[test]
    fn what_a_test_varies_is_said() {
        let yaml = yaml_of_second(&Options {
            proxied: true,
            hinted_handoff: false,
            cas_timeout: Duration::from_millis(1500),
            more: vec![("paxos_contention_max_wait", "200ms".to_owned())],
            ..Options::default()
        });
        for line in [
            "listen_address: 127.5.41.2",
            "broadcast_rpc_address: 127.5.41.102",
            "hinted_handoff_enabled: false",
            "cas_contention_timeout: 1500ms",
            "paxos_contention_max_wait: 200ms",
        ] {
            assert!(yaml.lines().any(|had| had == line), "{line} is not in\n{yaml}");
        }
    }
}
