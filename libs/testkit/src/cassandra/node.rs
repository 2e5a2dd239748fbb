//! One node of a cluster: its folder, its process, its failures.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use super::{
    address::{Block, Ports, management_port},
    cql, false_clock,
    install::Jars,
    layout::Seat,
    partition,
    settings::{self, Options},
    view::{self, Seen},
};
use crate::{bound, own_network, process::Process, wait::pause};

/// What a node may be doing.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum State {
    Running,
    Frozen,
}

/// A node; it keeps its folder and addresses over restarts.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) seat: Seat,
    /// Where drivers reach it when nothing is between.
    pub(crate) native: SocketAddr,
    /// Where drivers are told it is.
    pub(crate) told: SocketAddr,
    /// Where other nodes reach it.
    pub(crate) storage: SocketAddr,
    pub(crate) management: u16,
    folder: PathBuf,
    optimised: bool,
    /// The only one it may use.
    core: Option<usize>,
    /// Whether it lets in nobody who does not show a certificate.
    is_closed: bool,
    clock_offset_secs: i64,
    running: Option<(Process, State)>,
}

impl Node {
    /// Writes a node's configuration; nothing runs yet.
    pub(crate) fn prepare(
        work: &Path,
        seat: Seat,
        seats: &[Seat],
        block: Block,
        ports: Ports,
        options: &Options,
    ) -> Result<Self> {
        let folder = work.join(format!("node{}", seat.number));
        let conf = folder.join("conf");
        fs::create_dir_all(&conf)?;
        let yaml = settings::cassandra_yaml(&folder, &seat, seats, block, ports, options)?;
        fs::write(conf.join("cassandra.yaml"), yaml)?;
        fs::write(
            conf.join("cassandra-rackdc.properties"),
            settings::rack_properties(&seat),
        )?;
        for (name, log) in [
            ("logback.xml", "system.log"),
            ("logback-tools.xml", "nodetool.log"),
        ] {
            fs::write(conf.join(name), settings::logback_xml(&folder, log))?;
        }
        let at = |address: Ipv4Addr, port: u16| SocketAddr::from((address, port));
        Ok(Self {
            native: at(block.node(&seat), ports.native),
            told: at(settings::told(&seat, block, options), ports.native),
            storage: at(block.node(&seat), ports.storage),
            management: management_port()?,
            seat,
            folder,
            optimised: options.optimised,
            core: options.core,
            is_closed: options.client_tls.is_some(),
            clock_offset_secs: 0,
            running: None,
        })
    }

    /// Starts its process; it is not up yet.
    pub(crate) fn spawn(&mut self, jars: &Jars, nodes: usize) -> Result<()> {
        let mut command = jars.server(&self.folder, nodes, self.management, self.optimised);
        if self.clock_offset_secs != 0 {
            false_clock::put_before(&mut command, self.clock_offset_secs)?;
        }
        if let Some(core) = self.core {
            command = bound::on_core(core, &command);
        }
        let process = if own_network::is_inside() {
            let group = partition::group(self.seat.data_centre);
            Process::spawn_bound_in_group(&self.folder, "java", group, &command)?
        } else {
            Process::spawn_bound(&self.folder, "java", &command)?
        };
        self.running = Some((process, State::Running));
        Ok(())
    }

    /// Lets its clock be so far ahead (negative: behind) from its next start on.
    pub(crate) const fn set_clock(&mut self, offset_secs: i64) {
        self.clock_offset_secs = offset_secs;
    }

    /// Waits until it answers CQL; until it takes connections, where it would not answer us.
    ///
    /// # Errors
    /// When its process ends instead; with the end of its log.
    pub(crate) async fn answers(&mut self) -> Result<()> {
        while !self.answers_now().await {
            self.must_run()?;
            pause().await;
        }
        Ok(())
    }

    async fn answers_now(&self) -> bool {
        if self.is_closed {
            TcpStream::connect(self.native).await.is_ok()
        } else {
            cql::answers(self.native).await
        }
    }

    /// Waits until it has made the first superuser, by its log.
    pub(crate) async fn has_superuser(&mut self) -> Result<()> {
        while !view::read(&self.log()).contains("Created default superuser role") {
            self.must_run()?;
            pause().await;
        }
        Ok(())
    }

    /// Waits until it sees `peer` up, by what its log says from byte `since` on.
    pub(crate) async fn sees(&mut self, peer: SocketAddr, since: usize) -> Result<()> {
        while view::last_seen(&view::read(&self.log()), since, peer) != Some(Seen::Up) {
            self.must_run()?;
            pause().await;
        }
        Ok(())
    }

    fn must_run(&mut self) -> Result<()> {
        let runs = self
            .running
            .as_mut()
            .is_some_and(|(process, _)| process.is_running());
        ensure!(runs, "node {} ended:\n{}", self.seat.number, self.last_words());
        Ok(())
    }

    /// Whether it can answer: there and not frozen.
    pub(crate) fn is_awake(&mut self) -> bool {
        let awake =
            |(process, state): &mut (Process, State)| *state == State::Running && process.is_running();
        self.running.as_mut().is_some_and(awake)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let (mut process, _) = self.take()?;
        process.kill()
    }

    /// SIGTERM, and waits until it is gone: it says goodbye to its peers and writes everything to disk.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let (mut process, _) = self.take()?;
        // A frozen process cannot hear.
        process.signal("CONT")?;
        process.terminate().await.map(drop)
    }

    fn take(&mut self) -> Result<(Process, State)> {
        let number = self.seat.number;
        self.running
            .take()
            .with_context(|| format!("node {number} does not run"))
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        self.signal("STOP", State::Frozen)
    }

    /// SIGCONT.
    pub(crate) fn thaw(&mut self) -> Result<()> {
        self.signal("CONT", State::Running)
    }

    fn signal(&mut self, signal: &str, then: State) -> Result<()> {
        let number = self.seat.number;
        let (process, state) = self
            .running
            .as_mut()
            .with_context(|| format!("node {number} does not run"))?;
        process.signal(signal)?;
        *state = then;
        Ok(())
    }

    /// Its `system.log`.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("system.log")
    }

    /// Where it keeps everything.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How long its log is now: what comes after is news.
    pub(crate) fn log_length(&self) -> usize {
        view::read(&self.log()).len()
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        format!(
            "{}\n{}",
            view::tail(&self.log(), 30),
            view::tail(&self.folder.join("java.log"), 10)
        )
    }
}
