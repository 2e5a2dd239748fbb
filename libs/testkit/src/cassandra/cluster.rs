//! A running cluster. Nodes are numbered from 1, data centres are `dc1`, `dc2`, ...

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    Layout, Options, PASSWORD, USER, address::Block, cql::Connection, install::Jars,
    layout::data_centre_name, node::Node, partition, proxies::Proxies,
};
use crate::{
    bound,
    wait::{pause, within},
};

/// How long a cluster may take to start: six nodes take 40 s on an idle machine of two cores, three take two minutes on one
/// that has four times as much to do as it can.
const START: Duration = Duration::from_secs(600);

/// How long a node may take to come back; behind a false clock it takes three times as long as without.
const COME_BACK: Duration = Duration::from_secs(600);

/// How long a `nodetool` may take: a repair of small tables is a matter of seconds.
const NODETOOL: Duration = Duration::from_secs(300);

/// A cluster; everything it started ends with it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    layout: Layout,
    block: Block,
    jars: Jars,
    proxies: Option<Proxies>,
}

impl Cluster {
    /// Starts all nodes at once, each in a folder of its own in `work` (absolute), and waits until every one answers, sees
    /// all others and lets the superuser in.
    ///
    /// # Errors
    /// When a part is missing (it says how to get it) or a node does not come up (with the end of its log).
    pub async fn start(work: &Path, layout: Layout, options: Options) -> Result<Self> {
        let is_closed = options.client_tls.is_some();
        ensure!(
            !is_closed || layout.nodes() == 1 && !options.proxied,
            "`client_tls` is for one node without a proxy"
        );
        let jars = Jars::find()?;
        let seats = layout.seats();
        let (block, ports) = Block::pick(&seats)?;
        let nodes: Vec<Node> = seats
            .iter()
            .map(|seat| Node::prepare(work, *seat, &seats, block, ports, &options))
            .collect::<Result<_>>()?;
        let proxies = if options.proxied {
            Some(Proxies::start(work, &nodes).await?)
        } else {
            None
        };
        let mut cluster = Self {
            nodes,
            layout,
            block,
            jars,
            proxies,
        };
        for node in &mut cluster.nodes {
            node.spawn(&cluster.jars, seats.len())?;
        }
        let started = within(START, "the cluster to start", cluster.settle(is_closed)).await;
        started.and_then(|settled| settled).map_err(|error| {
            let words = cluster.logs();
            error.context(words)
        })?;
        Ok(cluster)
    }

    /// Waits for all nodes, for all of them to see each other, and for the superuser; gives every node of each data centre
    /// a copy of roles and permissions, so that logins work wherever a node is up. A closed cluster's one node has them.
    async fn settle(&mut self, is_closed: bool) -> Result<()> {
        for node in &mut self.nodes {
            node.answers().await?;
        }
        if is_closed {
            return self.nodes[0].has_superuser().await;
        }
        let peers: Vec<SocketAddr> = self.nodes.iter().map(|node| node.storage).collect();
        for node in &mut self.nodes {
            let own = node.storage;
            for &peer in peers.iter().filter(|&&peer| peer != own) {
                node.sees(peer, 0).await?;
            }
        }
        let copies: Vec<String> = self
            .layout
            .per_data_centre()
            .iter()
            .enumerate()
            .map(|(index, count)| format!(", '{}': {count}", data_centre_name(index + 1)))
            .collect();
        let statement = format!(
            "ALTER KEYSPACE system_auth WITH replication = {{'class': 'NetworkTopologyStrategy'{}}}",
            copies.concat()
        );
        while let Err(refusal) = login(self.nodes[0].native).await.execute(&statement).await {
            // Some node is up, but what it has told of itself has not arrived everywhere; or no answer came in time.
            let words = refusal.to_string();
            let is_wrong = words.contains("refused: 0x2") && !words.contains("not in normal state");
            ensure!(!is_wrong, refusal);
            pause().await;
        }
        for node in &self.nodes {
            let mut connection = login(node.native).await;
            // Up is not known yet: drivers go by the rows of peers, and those are whole a little later.
            while connection.number(KNOWN_PEERS).await? < peers.len() as i64 - 1 {
                pause().await;
            }
        }
        Ok(())
    }

    /// Where drivers may begin, one address a node: the proxy's if there is one.
    #[must_use]
    pub fn contact_points(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.told).collect()
    }

    /// The same, of one data centre (from 1).
    #[must_use]
    pub fn contact_points_of(&self, data_centre: usize) -> Vec<SocketAddr> {
        self.nodes_of(data_centre)
            .into_iter()
            .map(|number| self.address(number))
            .collect()
    }

    /// The names of the data centres, in order.
    #[must_use]
    pub fn data_centres(&self) -> Vec<String> {
        (1..=self.layout.per_data_centre().len())
            .map(data_centre_name)
            .collect()
    }

    /// The numbers of a data centre's nodes.
    #[must_use]
    pub fn nodes_of(&self, data_centre: usize) -> Vec<usize> {
        self.nodes
            .iter()
            .filter(|node| node.seat.data_centre == data_centre)
            .map(|node| node.seat.number)
            .collect()
    }

    /// The layout it was started with.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where drivers are told a node is: its proxy's address if there is one.
    #[must_use]
    pub fn address(&self, node: usize) -> SocketAddr {
        self.node(node).told
    }

    /// Where a node itself listens for drivers.
    #[must_use]
    pub fn direct_address(&self, node: usize) -> SocketAddr {
        self.node(node).native
    }

    /// A local address that belongs to a data centre: clients that bind to it are cut off with their data centre.
    #[must_use]
    pub fn client_address(&self, data_centre: usize) -> IpAddr {
        self.block.client(data_centre).into()
    }

    /// The same command as a process of a data centre: cut off with it. Only in a test's own network.
    #[must_use]
    pub fn in_data_centre(&self, data_centre: usize, command: &Command) -> Command {
        bound::in_group(partition::group(data_centre), command)
    }

    /// Its addresses.
    pub(crate) fn block(&self) -> Block {
        self.block
    }

    /// Ends a node at once, as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.node_mut(node).kill()
    }

    /// Ends a node as an operator does, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn stop(&mut self, node: usize) -> Result<()> {
        self.node_mut(node).stop().await
    }

    /// Stops a node's process without ending it: its connections stay open, nothing is answered.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, node: usize) -> Result<()> {
        self.node_mut(node).freeze()
    }

    /// Lets a frozen node go on, and waits as [`wait_up`](Self::wait_up) does.
    ///
    /// # Errors
    /// When it does not run, or is not up again in time.
    pub async fn thaw(&mut self, node: usize) -> Result<()> {
        self.node_mut(node).thaw()?;
        self.wait_up(node).await
    }

    /// Starts a node again on the data it had, and waits until it answers and until it and every other awake node have
    /// told in their logs that they see each other up: until then a quorum can still be refused.
    ///
    /// # Errors
    /// When it does not come up in time; with the end of its log.
    pub async fn restart(&mut self, node: usize) -> Result<()> {
        let news: Vec<usize> = self.nodes.iter().map(Node::log_length).collect();
        let nodes = self.nodes.len();
        let index = node - 1;
        self.nodes[index].spawn(&self.jars, nodes)?;
        self.up(node, &news).await
    }

    /// The same with a clock of its own from now on: so many seconds ahead, or behind if negative; zero is the right time
    /// again.
    ///
    /// # Errors
    /// As [`restart`](Self::restart), and when `libfaketime` is missing.
    pub async fn restart_with_clock(&mut self, node: usize, offset_secs: i64) -> Result<()> {
        self.node_mut(node).set_clock(offset_secs);
        self.restart(node).await
    }

    /// Waits until a node that runs answers and until it and every other awake node see each other up.
    ///
    /// # Errors
    /// When that is not so in time; with the end of its log.
    pub async fn wait_up(&mut self, node: usize) -> Result<()> {
        let all = vec![0; self.nodes.len()];
        self.up(node, &all).await
    }

    /// `news` says for each node from where on its log counts.
    async fn up(&mut self, node: usize, news: &[usize]) -> Result<()> {
        let what = format!("node {node} to be up");
        let come_back = within(COME_BACK, &what, self.seen_up(node, news)).await;
        come_back
            .and_then(|seen| seen)
            .with_context(|| self.node(node).last_words())
    }

    async fn seen_up(&mut self, node: usize, news: &[usize]) -> Result<()> {
        let index = node - 1;
        self.nodes[index].answers().await?;
        let address = self.nodes[index].storage;
        for other in (0..self.nodes.len()).filter(|&other| other != index) {
            if self.nodes[other].is_awake() {
                let peer = self.nodes[other].storage;
                self.nodes[other].sees(address, news[other]).await?;
                self.nodes[index].sees(peer, news[index]).await?;
            }
        }
        Ok(())
    }

    /// Delays what a node answers to drivers; needs proxies, as do the next five.
    ///
    /// # Errors
    /// When the proxy refuses: it already delays.
    pub async fn delay(&self, node: usize, ms: u64) -> Result<()> {
        let attributes = json!({ "latency": ms });
        self.proxies()?
            .disturb(node, "latency", "downstream", attributes)
            .await
    }

    /// Swallows all that a node answers: requests arrive and are carried out, replies never come.
    ///
    /// # Errors
    /// When the proxy refuses: it already does.
    pub async fn drop_replies(&self, node: usize) -> Result<()> {
        let for_ever = json!({ "timeout": 0 });
        self.proxies()?
            .disturb(node, "timeout", "downstream", for_ever)
            .await
    }

    /// Swallows all that drivers send to a node.
    ///
    /// # Errors
    /// When the proxy refuses: it already does.
    pub async fn drop_requests(&self, node: usize) -> Result<()> {
        let for_ever = json!({ "timeout": 0 });
        self.proxies()?
            .disturb(node, "timeout", "upstream", for_ever)
            .await
    }

    /// Lets through no more than so many KB a second of what a node answers.
    ///
    /// # Errors
    /// When the proxy refuses: it already does.
    pub async fn limit(&self, node: usize, kilobytes_per_sec: u64) -> Result<()> {
        let attributes = json!({ "rate": kilobytes_per_sec });
        self.proxies()?
            .disturb(node, "bandwidth", "downstream", attributes)
            .await
    }

    /// Breaks all connections between drivers and a node and refuses new ones.
    ///
    /// # Errors
    /// When the proxy cannot be told.
    pub async fn cut(&self, node: usize) -> Result<()> {
        self.proxies()?.cut(node).await
    }

    /// Undoes all that was done between drivers and a node; connections whose replies were swallowed end.
    ///
    /// # Errors
    /// When the proxy cannot be told.
    pub async fn heal(&self, node: usize) -> Result<()> {
        self.proxies()?.heal(node).await
    }

    fn proxies(&self) -> Result<&Proxies> {
        self.proxies
            .as_ref()
            .context("the cluster was started without proxies")
    }

    /// What Cassandra's own `nodetool` prints when run against a node, as with `["repair", "--full", keyspace]`. Starts a
    /// Java each time: one to two seconds.
    ///
    /// # Errors
    /// When it fails, with what it printed, or does not end in time.
    pub async fn nodetool(&self, node: usize, arguments: &[&str]) -> Result<String> {
        let node = self.node(node);
        let mut tool =
            tokio::process::Command::from(self.jars.tool(node.folder(), node.management, arguments));
        let output = tool.stdin(Stdio::null()).kill_on_drop(true).output();
        let what = format!("nodetool {arguments:?}");
        let output = within(NODETOOL, &what, output).await?.context("starting Java")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{what}: {}\n{text}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }

    /// The end of every node's log, for whoever looks into a failure.
    #[must_use]
    pub fn logs(&self) -> String {
        let words = |node: &Node| format!("== node {}\n{}", node.seat.number, node.last_words());
        self.nodes.iter().map(words).collect::<Vec<_>>().join("\n")
    }

    fn node(&self, number: usize) -> &Node {
        &self.nodes[number - 1]
    }

    fn node_mut(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number - 1]
    }
}

/// The peers of which a node knows all that a driver wants to know.
const KNOWN_PEERS: &str = "SELECT COUNT(tokens) FROM system.peers_v2";

/// Logs in as the superuser, who is there only some time after the node answers.
async fn login(address: SocketAddr) -> Connection {
    loop {
        match Connection::login(address, USER, PASSWORD).await {
            Ok(connection) => return connection,
            Err(_) => pause().await,
        }
    }
}
