//! A running fleet on one machine: in each region webheads behind a balancer, keysigners and dbwriters, over one SQLite file
//! or a Cassandra cluster; one sync node, and a mail server that delivers nothing; mutual TLS between the tiers, made by the
//! tool's own commands.

mod journey;
mod keys;
mod load;
mod plan;
mod schema;
mod settled;
mod shape;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    balancer::Balancer,
    http,
    ledger::Operator,
    mail_server, own_hosts,
    person::Server,
    process::{Process, binary_path, free_address},
    single_box::is_ready,
    wait::wait_until,
};
use plan::Plan;

pub use journey::journey;
pub use load::Load;
pub use shape::{Cassandra, Region, Shape, Store, Tier};

/// One process of the fleet: it comes back under its addresses.
#[derive(Debug)]
struct Instance {
    tier: Tier,
    /// Index among the fleet's regions.
    region: usize,
    name: String,
    listen: SocketAddr,
    private: SocketAddr,
    /// What it has in place of `/etc/hosts`, if it has its own.
    hosts: Option<PathBuf>,
    process: Option<Process>,
}

/// A fleet; everything it started ends with it.
#[derive(Debug)]
pub struct Fleet {
    /// Its public side: the balancer of the first region.
    pub server: Server,
    /// The public sides of all regions, in the order of the shape. All have one root; only where to connect differs.
    pub servers: Vec<Server>,
    /// Where mails are kept.
    pub mailbox: SocketAddr,
    /// The sync node.
    pub node: Server,
    instances: Vec<Instance>,
    work: PathBuf,
    /// The folder with the certificates of the first region.
    identity: PathBuf,
    _balancers: Vec<Balancer>,
    _mail: Process,
}

impl Fleet {
    /// Makes keys, certificates, tables and configurations in `work`, starts everything, and waits until it serves.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(work: &Path, shape: Shape) -> Result<Self> {
        Self::start_with(work, shape, &[]).await
    }

    /// The same, with more (TOML, whole tables) for every instance of some tiers.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_with(work: &Path, shape: Shape, more: &[(Tier, &str)]) -> Result<Self> {
        let instances = instances(&shape)?;
        for instance in &instances {
            let of_tier = more.iter().filter(|(tier, _)| *tier == instance.tier);
            for (_, text) in of_tier {
                fs::write(more_file(work, instance), text)?;
            }
        }
        let mut balancers = Vec::new();
        for region in 0..shape.regions() {
            balancers.push(Balancer::start(addresses(&instances, Tier::Webhead, region)).await?);
        }
        let first = balancers.first().context("a region")?;
        let root = format!("http://localhost:{}", first.address().port());
        let node_address = addresses(&instances, Tier::SyncNode, 0)
            .pop()
            .context("a sync node")?;
        let node = Server {
            address: node_address,
            root: format!("http://localhost:{}", node_address.port()),
        };
        let (smtp, mailbox) = (free_address()?, free_address()?);
        let mail = mail_server::spawn(work, smtp, mailbox, &mail_server::Manners::default())?;
        keys::make(work, &node.root, &shape.region_names())?;
        if let Store::Cassandra(cassandra) = &shape.store {
            schema::apply(work, cassandra).await?;
        }
        let plan = Plan {
            work,
            root: &root,
            node_root: &node.root,
            smtp,
            shape: &shape,
            instances: &instances,
        };
        plan.write_configurations()?;
        let identity = work.join(keys::tls_folder(shape.region_names()[0]));
        let servers: Vec<Server> = balancers
            .iter()
            .map(|balancer| Server {
                address: balancer.address(),
                root: root.clone(),
            })
            .collect();
        let mut fleet = Self {
            server: servers[0].clone(),
            servers,
            mailbox,
            node,
            instances,
            work: work.to_owned(),
            identity,
            _balancers: balancers,
            _mail: mail,
        };
        for index in 0..fleet.instances.len() {
            if fleet.instances[index].tier != Tier::Ops {
                fleet.start_instance(index)?;
            }
        }
        fleet.wait_ready().await?;
        wait_until("the mail server", || async move {
            mail_server::keeps_mail(mailbox).await
        })
        .await?;
        Ok(fleet)
    }

    /// Starts the admin API of the first region, and waits until it serves. What `foxhold` has to be given to ask it.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn administrate(&mut self) -> Result<[String; 4]> {
        self.restart(Tier::Ops, 1).await?;
        let address = self.instances[self.index(Tier::Ops, 1)?].listen;
        Ok([
            "--admin".to_owned(),
            format!("https://{address}"),
            "--identity".to_owned(),
            self.identity.display().to_string(),
        ])
    }

    /// Somebody who looks after its accounts, through that API.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn operator(&mut self) -> Result<Operator> {
        Ok(Operator::new(self.administrate().await?.into(), Vec::new()))
    }

    /// Ends the `number`th (from 1, through all regions) instance of a tier at once, as a power cut would.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub fn kill(&mut self, tier: Tier, number: usize) -> Result<()> {
        self.take(tier, number)?.kill()
    }

    /// Asks it to end, as a supervisor does, and waits until it is gone.
    ///
    /// # Errors
    /// When there is none, or it does not end in time.
    pub async fn stop(&mut self, tier: Tier, number: usize) -> Result<()> {
        self.take(tier, number)?.terminate().await.map(drop)
    }

    /// Starts an instance that was ended, and waits until all that run serve.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, tier: Tier, number: usize) -> Result<()> {
        self.launch(tier, number)?;
        self.wait_ready().await
    }

    /// Starts an instance that was ended, and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self, tier: Tier, number: usize) -> Result<()> {
        let index = self.index(tier, number)?;
        self.start_instance(index)
    }

    /// Adds `more` (TOML, whole tables) to what an instance is started with from now on; replaces what was added before.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn add_to_configuration(&mut self, tier: Tier, number: usize, more: &str) -> Result<()> {
        let index = self.index(tier, number)?;
        Ok(fs::write(more_file(&self.work, &self.instances[index]), more)?)
    }

    /// From its next start on, an instance knows the host names of this file alone, which may change while it runs.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn set_hosts(&mut self, tier: Tier, number: usize, hosts: &Path) -> Result<()> {
        let index = self.index(tier, number)?;
        self.instances[index].hosts = Some(hosts.to_owned());
        Ok(())
    }

    /// Stops a process without ending it: its connections stay open, nothing is answered.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self, tier: Tier, number: usize) -> Result<()> {
        self.running(tier, number)?.signal("STOP")
    }

    /// Lets a paused process go on, and waits until all that run serve.
    ///
    /// # Errors
    /// When it does not run, or does not serve in time.
    pub async fn resume(&mut self, tier: Tier, number: usize) -> Result<()> {
        self.running(tier, number)?.signal("CONT")?;
        self.wait_ready().await
    }

    /// What an instance says of its health on its private side; `None` if it does not answer.
    ///
    /// # Errors
    /// When there is no such instance.
    pub async fn health(&self, tier: Tier, number: usize) -> Result<Option<Value>> {
        let index = self.index(tier, number)?;
        let answer = http::get(self.instances[index].private, "/readyz").await;
        Ok(answer.ok().and_then(|answer| answer.json().ok()))
    }

    /// All that an instance has printed so far.
    ///
    /// # Errors
    /// When it does not run.
    pub fn output(&self, tier: Tier, number: usize) -> Result<String> {
        self.running(tier, number)?.output()
    }

    /// What an instance has counted, as Prometheus reads it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self, tier: Tier, number: usize) -> Result<String> {
        let index = self.index(tier, number)?;
        let answer = http::get(self.instances[index].private, "/metrics").await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Whether an instance runs: it may have ended by itself.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn is_running(&mut self, tier: Tier, number: usize) -> Result<bool> {
        let index = self.index(tier, number)?;
        Ok(self.instances[index]
            .process
            .as_mut()
            .is_some_and(Process::is_running))
    }

    /// Where the instances of a tier listen, in all regions: for a test that picks the one it asks.
    #[must_use]
    pub fn addresses(&self, tier: Tier) -> Vec<SocketAddr> {
        let of_tier = self.instances.iter().filter(|instance| instance.tier == tier);
        of_tier.map(|instance| instance.listen).collect()
    }

    /// How many instances of a tier there are in all regions.
    #[must_use]
    pub fn count(&self, tier: Tier) -> usize {
        let of_tier = self.instances.iter().filter(|instance| instance.tier == tier);
        of_tier.count()
    }

    /// What went wrong in any process, then how each log ends, for a failed test: whoever shows only the beginning of a long
    /// report shows the cause.
    #[must_use]
    pub fn logs(&self) -> String {
        let running = self
            .instances
            .iter()
            .filter_map(|instance| instance.process.as_ref());
        let outputs = running.map(|process| (process.name(), process.output().unwrap_or_default()));
        let outputs: Vec<_> = outputs.collect();
        let faults = outputs
            .iter()
            .map(|(name, output)| format!("--- faults of {name}\n{}\n", last(output, is_fault)));
        let ends = outputs
            .iter()
            .map(|(name, output)| format!("--- end of {name}\n{}\n", last(output, |_| true)));
        faults.chain(ends).collect()
    }

    fn index(&self, tier: Tier, number: usize) -> Result<usize> {
        let name = format!("{}-{number}", tier.name());
        let found = self.instances.iter().position(|instance| instance.name == name);
        found.with_context(|| format!("no {name}"))
    }

    fn take(&mut self, tier: Tier, number: usize) -> Result<Process> {
        let index = self.index(tier, number)?;
        self.instances[index].process.take().context("it does not run")
    }

    fn running(&self, tier: Tier, number: usize) -> Result<&Process> {
        let index = self.index(tier, number)?;
        self.instances[index].process.as_ref().context("it does not run")
    }

    fn start_instance(&mut self, index: usize) -> Result<()> {
        let instance = &self.instances[index];
        let mut arguments = Vec::new();
        for file in [
            self.work.join(format!("{}.toml", instance.name)),
            more_file(&self.work, instance),
        ] {
            if file.exists() {
                arguments.extend(["--config".to_owned(), file.display().to_string()]);
            }
        }
        let mut command = Command::new(binary_path(&format!("foxhold-{}", instance.tier.name()))?);
        command.args(arguments);
        if let Some(hosts) = &instance.hosts {
            command = own_hosts::knowing(hosts, &command);
        }
        let process = Process::spawn(&self.work, &instance.name, command)?;
        self.instances[index].process = Some(process);
        Ok(())
    }

    async fn wait_ready(&mut self) -> Result<()> {
        for index in 0..self.instances.len() {
            let ready = self.instances[index].becomes_ready().await;
            ready.with_context(|| self.logs())?;
        }
        Ok(())
    }
}

/// What an instance is told beside its configuration.
fn more_file(work: &Path, instance: &Instance) -> PathBuf {
    work.join(format!("{}-more.toml", instance.name))
}

/// All instances, numbered through within their tier.
fn instances(shape: &Shape) -> Result<Vec<Instance>> {
    let mut instances = Vec::new();
    for (tier, per_region) in [
        (Tier::Keysigner, shape.keysigners),
        (Tier::Dbwriter, shape.dbwriters),
        (Tier::Webhead, shape.webheads),
    ] {
        for region in 0..shape.regions() {
            for place in 1..=per_region {
                instances.push(Instance::new(tier, region, region * per_region + place)?);
            }
        }
    }
    instances.push(Instance::new(Tier::SyncNode, 0, 1)?);
    instances.push(Instance::new(Tier::Ops, 0, 1)?);
    Ok(instances)
}

impl Instance {
    fn new(tier: Tier, region: usize, number: usize) -> Result<Self> {
        Ok(Self {
            tier,
            region,
            name: format!("{}-{number}", tier.name()),
            listen: free_address()?,
            private: free_address()?,
            hosts: None,
            process: None,
        })
    }

    /// Waits until it serves, if it runs.
    async fn becomes_ready(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let private = self.private;
        let (mut ended, what) = (false, format!("{} to be ready", self.name));
        let waited = wait_until(&what, || {
            ended = !process.is_running();
            let is_over = ended;
            async move { is_over || is_ready(private).await }
        });
        let waited = waited.await;
        if ended {
            bail!("{} ended:\n{}", self.name, process.output()?);
        }
        waited
    }
}

fn addresses(instances: &[Instance], tier: Tier, region: usize) -> Vec<SocketAddr> {
    instances
        .iter()
        .filter(|instance| instance.tier == tier && instance.region == region)
        .map(|instance| instance.listen)
        .collect()
}

/// The last lines of a log that are wanted, in their order.
fn last(output: &str, wanted: impl Fn(&str) -> bool) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| wanted(line)).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn is_fault(line: &str) -> bool {
    ["\"level\":\"warn\"", "\"level\":\"error\"", "panicked"]
        .iter()
        .any(|mark| line.contains(mark))
}
