//! What the tests need besides the toolchain: a Firefox, Python for its driver, Node for the page's scripts; Java for
//! Cassandra, Maven and Go to fetch and build parts, and the kernel's tools for networks and processes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use super::{must, say};
use crate::wasm;

/// A part that a Debian package brings, and how to see whether it is there.
struct Part {
    package: &'static str,
    probe: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        package: "firefox-esr",
        probe: &["firefox-esr", "--version"],
    },
    Part {
        package: "python3-venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
    },
    Part {
        package: "nodejs",
        probe: &["node", "--version"],
    },
    Part {
        package: "npm",
        probe: &["npm", "--version"],
    },
    // Cassandra 5 runs on 11 and 17, on no later one.
    Part {
        package: "openjdk-17-jre-headless",
        probe: &["java", "-version"],
    },
    Part {
        package: "maven",
        probe: &["mvn", "--version"],
    },
    Part {
        package: "golang",
        probe: &["go", "version"],
    },
    Part {
        package: "nftables",
        probe: &["nft", "--version"],
    },
    Part {
        package: "iproute2",
        probe: &["ip", "-Version"],
    },
    Part {
        package: "util-linux",
        probe: &["setpriv", "--version"],
    },
];

/// Installs missing packages where it may, else says how.
pub(super) fn packages(_root: &Path) -> Result<()> {
    let missing: Vec<&str> = PARTS
        .iter()
        .filter(|part| !succeeds(Command::new(part.probe[0]).args(&part.probe[1..])))
        .map(|part| part.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    if !is_root() || !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("missing: {wanted}. On Debian: sudo apt-get install --no-install-recommends {wanted}");
    }
    say(&format!("installing with apt-get: {wanted}"))?;
    must(Command::new("apt-get").args(["update", "--quiet"]))?;
    must(
        Command::new("apt-get")
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// Makes `venv-browser` below the target folder with the packages of `libs/testkit/browser/requirements.txt`. It is
/// made anew when those change, or when an earlier run was cut.
pub(super) fn python(root: &Path) -> Result<()> {
    let list = root.join("libs/testkit/browser/requirements.txt");
    let wanted = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let folder = wasm::target_dir(root)?.join("venv-browser");
    // Written last, so that it tells of a whole environment.
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    say(&format!(
        "making {} with {}",
        folder.display(),
        wanted.split_whitespace().collect::<Vec<_>>().join(", ")
    ))?;
    must(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    must(
        Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&list),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

/// Makes `node-browserid` below the target folder with the packages that `libs/testkit/browserid` locks. It is made anew
/// when those change, or when an earlier run was cut.
pub(super) fn node(root: &Path) -> Result<()> {
    let wanted = root.join("libs/testkit/browserid");
    let folder = wasm::target_dir(root)?.join("node-browserid");
    let lock = |folder: &Path| fs::read_to_string(folder.join("package-lock.json"));
    let locked = lock(&wanted).with_context(|| format!("reading {}", wanted.display()))?;
    // Written last, so that it tells of a whole folder.
    let stamp = folder.join("made");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == locked) {
        return Ok(());
    }
    say(&format!("making {} with npm", folder.display()))?;
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(wanted.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
    }
    // No script of 219 packages is run but the one that is needed: it writes what the library was split into.
    must(
        Command::new("npm")
            .args([
                "ci",
                "--ignore-scripts",
                "--omit=optional",
                "--no-audit",
                "--no-fund",
            ])
            .args(["--loglevel", "error"])
            .current_dir(&folder),
    )?;
    must(
        Command::new("node")
            .arg("scripts/package.js")
            .current_dir(folder.join("node_modules/browserid-crypto")),
    )?;
    fs::write(&stamp, locked).with_context(|| format!("writing {}", stamp.display()))
}

/// Whether a command is there and ends well; its output does not matter.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    user_id().is_ok_and(|id| id == "0")
}

fn user_id() -> Result<String> {
    let output = Command::new("id").arg("-u").output().context("cannot start id")?;
    ensure!(output.status.success(), "id failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
