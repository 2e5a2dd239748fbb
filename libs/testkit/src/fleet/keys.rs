//! What a fleet has before it starts: keys and certificates, by the commands that an operator uses.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::process::binary_path;

pub(super) const TRUST_DOMAIN: &str = "fleet.test";

/// The folder of a region's certificates.
pub(super) fn tls_folder(region: &str) -> String {
    format!("tls-{region}")
}

/// One set of keys, and certificates for each region.
pub(super) fn make(work: &Path, node_root: &str, regions: &[&str]) -> Result<()> {
    let keys = work.join("keys").display().to_string();
    run(&["key", "create", "--out", &keys, "--node", node_root])?;
    for region in regions {
        let tls = work.join(tls_folder(region)).display().to_string();
        let named = ["--trust-domain", TRUST_DOMAIN, "--region", region];
        run(&[&["certificates", "create", "--out", &tls][..], &named].concat())?;
    }
    Ok(())
}

fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new(binary_path("foxhold")?).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
