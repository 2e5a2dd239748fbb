//! Where the parts lie that `cargo xtask test` has put below the target folder, and how Java is told to run them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::settings;
use crate::process::target_folder;

/// Java's modules hide packages that Cassandra uses; each is opened to it by name (its `jvm17-server.options` says which).
const EXPORTS: &[&str] = &[
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
];

/// The same, for reflection.
const OPENS: &[&str] = &[
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
];

/// Enough for the more than a thousand tables that all keyspaces of a test run have together: with half of it the shared nodes
/// collect garbage all the time.
const HEAP: &str = "1g";

/// Only the first, cheap compiler: Java spends as much on the second while a node starts as on all else.
const QUICK_START: &str = "-XX:TieredStopAtLevel=1";

/// Cassandra's jars.
#[derive(Debug, Clone)]
pub(crate) struct Jars {
    agent: PathBuf,
    classpath: String,
}

impl Jars {
    /// Those below the target folder.
    pub(crate) fn find() -> Result<Self> {
        let folder = below_target("cassandra/lib")?;
        let mut jars = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "jar") {
                jars.push(path);
            }
        }
        jars.sort();
        let agent = jars.iter().find(|path| file_name(path).starts_with("jamm-"));
        let agent = agent
            .with_context(|| format!("no jamm in {}", folder.display()))?
            .clone();
        let texts: Vec<_> = jars.iter().map(|path| path.display().to_string()).collect();
        Ok(Self {
            agent,
            classpath: texts.join(":"),
        })
    }

    /// A node that keeps everything in `folder`, in the foreground.
    pub(crate) fn server(&self, folder: &Path, nodes: usize, management: u16, optimised: bool) -> Command {
        let mut java = self.java(HEAP);
        if !optimised {
            java.arg(QUICK_START);
        }
        java.arg(format!("-javaagent:{}", self.agent.display()));
        java.args(settings::properties(folder, nodes, management));
        java.arg("org.apache.cassandra.service.CassandraDaemon");
        java
    }

    /// Cassandra's `nodetool` with `arguments`, against a node's management port.
    pub(crate) fn tool(&self, folder: &Path, management: u16, arguments: &[&str]) -> Command {
        let mut java = self.java("96m");
        java.arg(QUICK_START);
        // It keeps a history below the home folder.
        java.arg(format!("-Duser.home={}", folder.display()))
            .arg(format!("-Dcassandra.logdir={}", folder.display()))
            .arg(format!(
                "-Dlogback.configurationFile={}/conf/logback-tools.xml",
                folder.display()
            ))
            // Without this Java refuses the addresses the tool makes.
            .arg("-Dcom.sun.jndi.rmiURLParsing=legacy")
            .arg("org.apache.cassandra.tools.NodeTool")
            .args(["-h", "127.0.0.1", "-p", &management.to_string()])
            .args(arguments);
        java
    }

    /// Java with the jars; what else it is told and its main class are still to come.
    fn java(&self, heap: &str) -> Command {
        let mut java = Command::new("java");
        java.arg(format!("-Xms{heap}")).arg(format!("-Xmx{heap}"));
        // One collector thread: nodes share two cores.
        java.args(["-XX:+UseSerialGC", "-Xss512k"]);
        for package in EXPORTS {
            java.args(["--add-exports", &format!("{package}=ALL-UNNAMED")]);
        }
        for package in OPENS {
            java.args(["--add-opens", &format!("{package}=ALL-UNNAMED")]);
        }
        java.args(["-cp", &self.classpath]);
        java
    }
}

/// The proxies' server.
pub(crate) fn toxiproxy() -> Result<PathBuf> {
    below_target("tools/toxiproxy-server")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Something that `cargo xtask test` has put below the target folder.
fn below_target(name: &str) -> Result<PathBuf> {
    let path = target_folder()?.parent().context("target folder")?.join(name);
    ensure!(
        path.exists(),
        "{} is missing: `cargo xtask environment` makes it",
        path.display()
    );
    Ok(path)
}
