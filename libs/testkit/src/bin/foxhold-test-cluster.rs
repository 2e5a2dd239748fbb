//! `foxhold-test-cluster WORK LAYOUT [--proxied]`: a Cassandra cluster for as long as standard input stays open. LAYOUT is
//! the number of nodes in each data centre: `3`, `1,1,1`, `3,3`. Prints one line of JSON when all nodes are up. Used by
//! `cargo xtask test`, and by hand.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, bail};
use foxhold_testkit::cassandra::{Cluster, Layout, Options, PASSWORD, USER};
use serde_json::json;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (work, layout, proxied) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [work, layout] => (work, layout, false),
        [work, layout, "--proxied"] => (work, layout, true),
        _ => bail!("usage: foxhold-test-cluster WORK LAYOUT [--proxied]"),
    };
    let options = Options {
        proxied,
        ..Options::default()
    };
    let work = fresh(work)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let began = Instant::now();
    let cluster = runtime.block_on(Cluster::start(&work, layout.parse::<Layout>()?, options))?;
    let line = json!({
        "contact_points": cluster.contact_points(),
        "data_centres": cluster.data_centres(),
        "user": USER,
        "password": PASSWORD,
        "started_after_secs": began.elapsed().as_secs_f64(),
    });
    let mut output = io::stdout();
    writeln!(output, "{line}")?;
    output.flush()?;
    // Whoever started us closes it, or dies, which closes it too.
    io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink())?;
    drop(cluster);
    Ok(())
}

/// An empty folder, by its full name: nodes must not wake up with the data of others. It stays, for its logs.
fn fresh(work: &str) -> Result<PathBuf> {
    let work = Path::new(work);
    std::fs::create_dir_all(work)?;
    let work = work.canonicalize()?;
    if std::fs::read_dir(&work)?.next().is_some() {
        bail!("{} is not empty", work.display());
    }
    Ok(work)
}
