//! The parts a real Cassandra cluster runs from, and the one cluster that the tests of a run share.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{must, say};
use crate::wasm;

/// The plugin that copies jars; Maven's own choice depends on its version.
const COPY_DEPENDENCIES: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The proxy that stands between drivers and nodes.
const TOXIPROXY: &str = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0";

/// What tells the tests where the shared cluster is (`foxhold_testkit::cassandra::CONTACT_POINTS_VARIABLE`).
const CONTACT_POINTS_VARIABLE: &str = "TEST_CASSANDRA_CONTACT_POINTS";

/// Puts Cassandra's jars below the target folder, in the versions that `libs/testkit/cassandra/pom.xml` names.
pub(super) fn jars(root: &Path) -> Result<()> {
    let list = root.join("libs/testkit/cassandra/pom.xml");
    let wanted = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let folder = wasm::target_dir(root)?.join("cassandra");
    once(&folder.join("pom.xml"), &wanted, || {
        let jars = folder.join("lib");
        say(&format!("fetching Cassandra with mvn into {}", jars.display()))?;
        if jars.exists() {
            fs::remove_dir_all(&jars).with_context(|| format!("removing {}", jars.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        must(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", COPY_DEPENDENCIES, "--file"])
                .arg(&list)
                .arg(format!("-DoutputDirectory={}", jars.display())),
        )
    })
}

/// Builds toxiproxy into `tools` below the target folder.
pub(super) fn proxy(root: &Path) -> Result<()> {
    let folder = wasm::target_dir(root)?.join("tools");
    once(&folder.join("toxiproxy-server.version"), TOXIPROXY, || {
        say(&format!("building {TOXIPROXY} with go into {}", folder.display()))?;
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        must(
            Command::new("go")
                .args(["install", TOXIPROXY])
                .env("GOBIN", &folder),
        )?;
        // Go calls it by the last part of its path.
        fs::rename(folder.join("server"), folder.join("toxiproxy-server")).context("naming toxiproxy-server")
    })
}

/// Does `work` unless `stamp` tells that it was done for what is `wanted`; written last, so that it tells of whole work.
fn once(stamp: &Path, wanted: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

/// A running cluster of three nodes; it ends with this value, and with this process.
pub(super) struct Shared {
    keeper: Child,
    contact_points: String,
}

impl Shared {
    /// Starts it in `test-cluster` below the target folder, where its logs stay until the next run.
    pub(super) fn start(root: &Path) -> Result<Self> {
        let target = wasm::target_dir(root)?;
        let work = target.join("test-cluster");
        if work.exists() {
            fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))?;
        }
        let mut keeper = Command::new(target.join("debug/foxhold-test-cluster"))
            .arg(&work)
            .arg("3")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting foxhold-test-cluster")?;
        let contact_points = told(&mut keeper);
        let mut shared = Self {
            keeper,
            contact_points: String::new(),
        };
        shared.contact_points = contact_points.context("the shared cluster did not start")?;
        Ok(shared)
    }

    /// Tells a command's tests where the cluster is.
    pub(super) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(CONTACT_POINTS_VARIABLE, &self.contact_points)
    }
}

/// The contact points, from the one line that the cluster's keeper prints when all nodes are up.
fn told(keeper: &mut Child) -> Result<String> {
    let output = keeper.stdout.take().context("its output is not ours")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let line: serde_json::Value = serde_json::from_str(&line).context("it ended")?;
    let addresses = line["contact_points"].as_array().context("no contact points")?;
    let addresses: Option<Vec<&str>> = addresses.iter().map(serde_json::Value::as_str).collect();
    Ok(addresses.context("contact points that are not text")?.join(","))
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Closing its input is what ends it and all nodes; if it is gone already, so are they.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
