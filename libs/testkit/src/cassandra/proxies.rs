//! A TCP proxy before each node, all in one `toxiproxy-server`: it delays, throttles, cuts, and swallows replies between
//! drivers and nodes. Nodes reach each other directly.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{address::management_port, install, node::Node};
use crate::{http, process::Process, wait::wait_until};

/// The proxies of a cluster.
#[derive(Debug)]
pub(crate) struct Proxies {
    /// Ends with this value.
    _server: Process,
    control: SocketAddr,
}

impl Proxies {
    /// Starts the server and a proxy for each node, at the address that drivers are told.
    pub(crate) async fn start(work: &Path, nodes: &[Node]) -> Result<Self> {
        let control = SocketAddr::from(([127, 0, 0, 1], management_port()?));
        let mut command = Command::new(install::toxiproxy()?);
        command.args(["-host", "127.0.0.1", "-port", &control.port().to_string()]);
        let proxies = Self {
            _server: Process::spawn_bound(work, "toxiproxy", &command)?,
            control,
        };
        wait_until("toxiproxy to answer", || async move {
            http::get(control, "/version").await.is_ok()
        })
        .await?;
        for node in nodes {
            let proxy = json!({
                "name": name(node.seat.number),
                "listen": node.told,
                "upstream": node.native,
                "enabled": true,
            });
            proxies.ask(&Method::POST, "/proxies", &proxy).await?;
        }
        Ok(proxies)
    }

    /// Adds a disturbance to what a node sends to drivers (`downstream`) or gets from them (`upstream`).
    pub(crate) async fn disturb(
        &self,
        node: usize,
        kind: &str,
        stream: &str,
        attributes: Value,
    ) -> Result<()> {
        let toxic = json!({
            "name": format!("{kind}-{stream}"),
            "type": kind,
            "stream": stream,
            "attributes": attributes,
        });
        let path = format!("/proxies/{}/toxics", name(node));
        self.ask(&Method::POST, &path, &toxic).await.map(drop)
    }

    /// Closes the proxy's port and its connections.
    pub(crate) async fn cut(&self, node: usize) -> Result<()> {
        self.enable(node, false).await
    }

    /// Takes all disturbances away and opens the port again.
    pub(crate) async fn heal(&self, node: usize) -> Result<()> {
        let path = format!("/proxies/{}", name(node));
        let proxy = self.ask(&Method::GET, &path, &Value::Null).await?;
        for toxic in proxy["toxics"].as_array().into_iter().flatten() {
            let toxic = toxic["name"].as_str().unwrap_or_default();
            self.ask(&Method::DELETE, &format!("{path}/toxics/{toxic}"), &Value::Null)
                .await?;
        }
        self.enable(node, true).await
    }

    async fn enable(&self, node: usize, enabled: bool) -> Result<()> {
        let path = format!("/proxies/{}", name(node));
        let change = json!({ "enabled": enabled });
        self.ask(&Method::POST, &path, &change).await.map(drop)
    }

    /// One call of toxiproxy's interface; its answer as JSON, null if it is empty.
    async fn ask(&self, method: &Method, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("content-type", "application/json")];
        let answer = http::send(self.control, method, path, &headers, body).await?;
        ensure!(
            answer.status.is_success(),
            "toxiproxy: {method} {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        answer.json()
    }
}

fn name(node: usize) -> String {
    format!("node{node}")
}
