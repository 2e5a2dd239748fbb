//! A running fleet on one machine: webheads behind a balancer, keysigners, dbwriters that take turns on one SQLite file, a
//! sync node, and a mail server that delivers nothing; mutual TLS between the tiers, made by the tool's own commands.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;

use crate::{
    balancer::Balancer,
    http,
    person::Server,
    process::{Process, binary_path, free_address, target_folder},
    single_box::is_ready,
    wait::wait_until,
};

const TRUST_DOMAIN: &str = "fleet.test";

/// A tier's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// `foxhold-webhead`
    Webhead,
    /// `foxhold-keysigner`
    Keysigner,
    /// `foxhold-dbwriter`
    Dbwriter,
    /// `foxhold-sync-node`
    SyncNode,
}

impl Tier {
    const fn name(self) -> &'static str {
        match self {
            Self::Webhead => "webhead",
            Self::Keysigner => "keysigner",
            Self::Dbwriter => "dbwriter",
            Self::SyncNode => "sync-node",
        }
    }
}

/// How many of each.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Webheads.
    pub webheads: usize,
    /// Keysigners.
    pub keysigners: usize,
    /// Dbwriters.
    pub dbwriters: usize,
}

/// One process of the fleet: it comes back under its addresses.
#[derive(Debug)]
pub struct Instance {
    tier: Tier,
    name: String,
    listen: SocketAddr,
    private: SocketAddr,
    process: Option<Process>,
}

/// A fleet; everything it started ends with it.
#[derive(Debug)]
pub struct Fleet {
    /// Its public side: the balancer.
    pub server: Server,
    /// Where mails are kept.
    pub mailbox: SocketAddr,
    /// The sync node.
    pub node: Server,
    instances: Vec<Instance>,
    work: PathBuf,
    _balancer: Balancer,
    _mail: Process,
}

impl Fleet {
    /// Makes keys, certificates and configurations in `work`, starts everything, and waits until it serves.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(work: &Path, shape: Shape) -> Result<Self> {
        let mut instances = Vec::new();
        for (tier, count) in [
            (Tier::Keysigner, shape.keysigners),
            (Tier::Dbwriter, shape.dbwriters),
            (Tier::SyncNode, 1),
            (Tier::Webhead, shape.webheads),
        ] {
            for number in 1..=count {
                instances.push(Instance::new(tier, number)?);
            }
        }
        let webheads = addresses(&instances, Tier::Webhead);
        let balancer = Balancer::start(webheads).await?;
        let root = format!("http://localhost:{}", balancer.address().port());
        let node_address = addresses(&instances, Tier::SyncNode)
            .pop()
            .context("a sync node")?;
        let node_root = format!("http://localhost:{}", node_address.port());
        let (smtp, mailbox) = (free_address()?, free_address()?);
        let mail = start_mail(work, smtp, mailbox)?;
        make_keys(work, &node_root)?;
        let plan = Plan {
            work,
            root: &root,
            node_root: &node_root,
            smtp,
            instances: &instances,
        };
        plan.write_configurations()?;
        let mut fleet = Self {
            server: Server {
                address: balancer.address(),
                root,
            },
            mailbox,
            node: Server {
                address: node_address,
                root: node_root,
            },
            instances,
            work: work.to_owned(),
            _balancer: balancer,
            _mail: mail,
        };
        for index in 0..fleet.instances.len() {
            fleet.start_instance(index)?;
        }
        fleet.wait_ready().await?;
        wait_until("the mail server", || async move { keeps_mail(mailbox).await }).await?;
        Ok(fleet)
    }

    /// Ends the `number`th (from 1) instance of a tier at once, as a power cut would.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub fn kill(&mut self, tier: Tier, number: usize) -> Result<()> {
        let index = self.index(tier, number)?;
        self.instances[index]
            .process
            .take()
            .context("it does not run")?
            .kill()
    }

    /// Starts an instance that was ended, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, tier: Tier, number: usize) -> Result<()> {
        let index = self.index(tier, number)?;
        self.start_instance(index)?;
        self.wait_ready().await
    }

    /// All logs, for a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        let running = self
            .instances
            .iter()
            .filter_map(|instance| instance.process.as_ref());
        let tail = |process: &Process| {
            let output = process.output().unwrap_or_default();
            let lines: Vec<&str> = output.lines().rev().take(20).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            format!("--- {}\n{}\n", process.name(), lines.join("\n"))
        };
        running.map(tail).collect()
    }

    fn index(&self, tier: Tier, number: usize) -> Result<usize> {
        let name = format!("{}-{number}", tier.name());
        let found = self.instances.iter().position(|instance| instance.name == name);
        found.with_context(|| format!("no {name}"))
    }

    fn start_instance(&mut self, index: usize) -> Result<()> {
        let instance = &mut self.instances[index];
        let config = self
            .work
            .join(format!("{}.toml", instance.name))
            .display()
            .to_string();
        let binary = format!("foxhold-{}", instance.tier.name());
        let arguments = ["--config".to_owned(), config];
        instance.process = Some(Process::start(&self.work, &instance.name, &binary, &arguments)?);
        Ok(())
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let logs = self.logs();
        for instance in &mut self.instances {
            let Some(process) = &mut instance.process else {
                continue;
            };
            let private = instance.private;
            let mut ended = false;
            let what = format!("{} to be ready", instance.name);
            let waited = wait_until(&what, || {
                ended = !process.is_running();
                let is_over = ended;
                async move { is_over || is_ready(private).await }
            });
            waited.await.with_context(|| logs.clone())?;
            if ended {
                bail!("{} ended:\n{}", instance.name, process.output()?);
            }
        }
        Ok(())
    }
}

impl Instance {
    fn new(tier: Tier, number: usize) -> Result<Self> {
        Ok(Self {
            tier,
            name: format!("{}-{number}", tier.name()),
            listen: free_address()?,
            private: free_address()?,
            process: None,
        })
    }
}

fn addresses(instances: &[Instance], tier: Tier) -> Vec<SocketAddr> {
    instances
        .iter()
        .filter(|instance| instance.tier == tier)
        .map(|instance| instance.listen)
        .collect()
}

/// What the configurations are written from.
struct Plan<'a> {
    work: &'a Path,
    root: &'a str,
    node_root: &'a str,
    smtp: SocketAddr,
    instances: &'a [Instance],
}

impl Plan<'_> {
    fn write_configurations(&self) -> Result<()> {
        for instance in self.instances {
            let Instance { listen, private, .. } = instance;
            let head =
                format!("listen = \"{listen}\"\nprivate_listen = \"{private}\"\ndrain_delay_secs = 0\n");
            let body = match instance.tier {
                Tier::Webhead => self.webhead(),
                Tier::Keysigner => self.keysigner(),
                Tier::Dbwriter => self.dbwriter(),
                Tier::SyncNode => self.sync_node(),
            };
            fs::write(self.work.join(format!("{}.toml", instance.name)), head + &body)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.work.join(name).display().to_string()
    }

    fn tls(&self, role: &str) -> String {
        format!(
            "[tls]\ncertificate_file = {:?}\nkey_file = {:?}\nauthority_file = {:?}\ntrust_domain = {TRUST_DOMAIN:?}\n",
            self.path(&format!("tls/{role}.pem")),
            self.path(&format!("tls/{role}.key")),
            self.path("tls/authority.pem"),
        )
    }

    fn tier(&self, tier: Tier) -> String {
        let list: Vec<String> = addresses(self.instances, tier)
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        format!("[{}]\naddresses = {list:?}\n", tier.name())
    }

    fn webhead(&self) -> String {
        format!(
            "public_url = {:?}\ncode_key_file = {:?}\nmetrics_key_file = {:?}\n{}[store]\npath = {:?}\n{}{}\
             [mail]\nmode = \"smtp\"\nhost = \"{}\"\nport = {}\ntls = \"plain\"\nfrom = \"Foxhold <accounts@fleet.test>\"\n\
             [limits]\nprofile = \"off\"\n",
            self.root,
            self.path("keys/code.key"),
            self.path("keys/metrics.key"),
            self.tls("webhead"),
            self.path("foxhold.db"),
            self.tier(Tier::Dbwriter),
            self.tier(Tier::Keysigner),
            self.smtp.ip(),
            self.smtp.port(),
        )
    }

    fn keysigner(&self) -> String {
        format!(
            "issuer = {:?}\n[[keys]]\nfile = {:?}\npassphrase_file = {:?}\n[node_secrets]\nfiles = [{:?}]\n{}",
            self.root,
            self.path("keys/provider.pem"),
            self.path("keys/provider.passphrase"),
            self.path("keys/nodes.secrets"),
            self.tls("keysigner"),
        )
    }

    fn dbwriter(&self) -> String {
        format!(
            "{}[store]\npath = {:?}\n[[bootstrap.services]]\nkey = \"sync-1.5\"\npattern = \"{{node}}/1.5/{{uid}}\"\n\
             scope = \"https://identity.mozilla.com/apps/oldsync\"\n[[bootstrap.nodes]]\nservice = \"sync-1.5\"\n\
             url = {:?}\ncapacity = 100000\n",
            self.tls("dbwriter"),
            self.path("foxhold.db"),
            self.node_root,
        )
    }

    fn sync_node(&self) -> String {
        let (secret, data) = (self.path("keys/node-1.secret"), self.path("node"));
        format!(
            "names = [{:?}]\nsecret_files = [{secret:?}]\ndata_dir = {data:?}\n",
            self.node_root
        )
    }
}

/// Keys and certificates, by the commands that an operator uses.
fn make_keys(work: &Path, node_root: &str) -> Result<()> {
    let keys = work.join("keys").display().to_string();
    let tls = work.join("tls").display().to_string();
    let commands: [&[&str]; 2] = [
        &["key", "create", "--out", &keys, "--node", node_root],
        &[
            "certificates",
            "create",
            "--out",
            &tls,
            "--trust-domain",
            TRUST_DOMAIN,
            "--region",
            "one",
        ],
    ];
    for arguments in commands {
        let output = Command::new(binary_path("foxhold")?).args(arguments).output()?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn start_mail(work: &Path, smtp: SocketAddr, mailbox: SocketAddr) -> Result<Process> {
    let target = target_folder()?;
    let python = target
        .parent()
        .context("target folder")?
        .join("venv-browser/bin/python");
    ensure!(
        python.exists(),
        "{} is missing: `cargo xtask test` makes it",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("mail/smtp_sink.py"));
    command.args(["--smtp", &smtp.to_string(), "--http", &mailbox.to_string()]);
    Process::spawn(work, "mail", command)
}

/// Whether the mail server keeps mails yet.
async fn keeps_mail(mailbox: SocketAddr) -> bool {
    matches!(http::get(mailbox, "/mail/nobody").await, Ok(answer) if answer.status == StatusCode::OK)
}
