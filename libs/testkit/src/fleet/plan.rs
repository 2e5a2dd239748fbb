//! The configurations of a fleet's processes.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path};

use anyhow::Result;

use super::{Cassandra, Instance, Shape, Store, Tier, addresses, keys, schema};

/// What they are written from.
pub(super) struct Plan<'a> {
    pub(super) work: &'a Path,
    pub(super) root: &'a str,
    pub(super) node_root: &'a str,
    pub(super) smtp: SocketAddr,
    pub(super) shape: &'a Shape,
    pub(super) instances: &'a [Instance],
}

impl Plan<'_> {
    pub(super) fn write_configurations(&self) -> Result<()> {
        for instance in self.instances {
            let Instance { listen, private, .. } = instance;
            let head =
                format!("listen = \"{listen}\"\nprivate_listen = \"{private}\"\ndrain_delay_secs = 0\n");
            let body = match instance.tier {
                Tier::Webhead => self.webhead(instance.region),
                Tier::Keysigner => self.keysigner(instance.region, &instance.name),
                Tier::Dbwriter => self.dbwriter(instance.region),
                Tier::SyncNode => self.sync_node(),
                Tier::Ops => self.ops(instance.region),
            };
            fs::write(self.work.join(format!("{}.toml", instance.name)), head + &body)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.work.join(name).display().to_string()
    }

    fn tls(&self, tier: Tier, region: usize) -> String {
        let folder = keys::tls_folder(self.shape.region_names()[region]);
        let role = tier.name();
        format!(
            "[tls]\ncertificate_file = {:?}\nkey_file = {:?}\nauthority_file = {:?}\ntrust_domain = {:?}\n",
            self.path(&format!("{folder}/{role}.pem")),
            self.path(&format!("{folder}/{role}.key")),
            self.path(&format!("{folder}/authority.pem")),
            keys::TRUST_DOMAIN,
        )
    }

    /// The private tiers of the own region.
    fn tier(&self, tier: Tier, region: usize) -> String {
        let list: Vec<String> = addresses(self.instances, tier, region)
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        // On a machine that runs all of a fleet and its cluster a handshake takes longer than in production.
        format!("[{}]\naddresses = {list:?}\nconnect_ms_max = 5000\n", tier.name())
    }

    fn store(&self, tier: Tier, region: usize) -> String {
        match &self.shape.store {
            Store::Sqlite => format!("[store]\npath = {:?}\n", self.path("foxhold.db")),
            Store::Cassandra(cassandra) => self.cassandra(cassandra, tier, region),
        }
    }

    fn cassandra(&self, cassandra: &Cassandra, tier: Tier, region: usize) -> String {
        let region = &cassandra.regions[region];
        // It reads as the webheads do.
        let login = match tier {
            Tier::Ops => Tier::Webhead,
            other => other,
        };
        let points: Vec<String> = region.contact_points.iter().map(ToString::to_string).collect();
        let mut table = format!(
            "[store]\nkind = \"cassandra\"\ncontact_points = {points:?}\nkeyspace = {:?}\nregion = {:?}\nuser = {:?}\n\
             password_file = {:?}\n",
            cassandra.keyspace,
            region.name,
            cassandra.role(login),
            schema::password_file(self.work, login),
        );
        if let Some(address) = region.local_address {
            // Writing into a text cannot fail.
            let _ = writeln!(table, "local_address = \"{address}\"");
        }
        table
    }

    fn webhead(&self, region: usize) -> String {
        format!(
            "public_url = {:?}\ncode_key_file = {:?}\nmetrics_key_file = {:?}\n{}{}{}{}\
             [mail]\nmode = \"smtp\"\nhost = \"{}\"\nport = {}\ntls = \"plain\"\nfrom = \"Foxhold <accounts@fleet.test>\"\n\
             [limits]\nprofile = \"off\"\n",
            self.root,
            self.path("keys/code.key"),
            self.path("keys/metrics.key"),
            self.tls(Tier::Webhead, region),
            self.store(Tier::Webhead, region),
            self.tier(Tier::Dbwriter, region),
            self.tier(Tier::Keysigner, region),
            self.smtp.ip(),
            self.smtp.port(),
        )
    }

    fn keysigner(&self, region: usize, name: &str) -> String {
        format!(
            "issuer = {:?}\n[[keys]]\nfile = {:?}\npassphrase_file = {:?}\n[audit]\nfolder = {:?}\nkey_file = {:?}\n\
             [node_secrets]\nfiles = [{:?}]\n{}",
            self.root,
            self.path("keys/provider.pem"),
            self.path("keys/provider.passphrase"),
            self.path(&format!("{name}-audit")),
            self.path("keys/audit.key"),
            self.path("keys/nodes.secrets"),
            self.tls(Tier::Keysigner, region),
        )
    }

    fn dbwriter(&self, region: usize) -> String {
        format!(
            "{}{}[[bootstrap.services]]\nkey = \"sync-1.5\"\npattern = \"{{node}}/1.5/{{uid}}\"\n\
             scope = \"https://identity.mozilla.com/apps/oldsync\"\n\
             schemes = [\"oauth\", \"browserid\"]\nallowed_issuers = [\"issuer.test\"]\n[[bootstrap.nodes]]\nservice = \"sync-1.5\"\n\
             url = {:?}\ncapacity = 100000\n",
            self.tls(Tier::Dbwriter, region),
            self.store(Tier::Dbwriter, region),
            self.node_root,
        )
    }

    fn ops(&self, region: usize) -> String {
        format!(
            "metrics_key_file = {:?}\n{}{}{}{}[purge]\nnodes_by_uid = [\"*\"]\n\
             [accounts]\ndomain = \"localhost\"\npublic_url = {:?}\ncode_key_file = {:?}\n",
            self.path("keys/metrics.key"),
            self.tls(Tier::Ops, region),
            self.store(Tier::Ops, region),
            self.tier(Tier::Dbwriter, region),
            self.tier(Tier::Keysigner, region),
            self.root,
            self.path("keys/code.key"),
        )
    }

    fn sync_node(&self) -> String {
        let (secret, data) = (self.path("keys/node-1.secret"), self.path("node"));
        format!(
            "names = [{:?}]\nsecret_files = [{secret:?}]\ndata_dir = {data:?}\ndisk_used_max_percent = 100\n",
            self.node_root
        )
    }
}
