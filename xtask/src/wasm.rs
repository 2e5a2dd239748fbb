//! The sign-in page's WebAssembly: builds `libs/page-crypto` so that every machine gets the same bytes, and keeps the
//! checked-in file current. Called by `cargo xtask wasm` and by the whole test run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

const TARGET: &str = "wasm32-unknown-unknown";

/// Where the compiled file is checked in.
const CHECKED_IN: &str = "services/webhead/src/page/page_crypto.wasm";

/// What the page's first view may cost; the file is sent with it.
const LEN_MAX: usize = 300 * 1024;

/// Compiles the module. Adds the compiler's target if it is missing.
pub(crate) fn build(workspace_root: &Path) -> Result<Vec<u8>> {
    add_target(workspace_root)?;
    fetch(workspace_root)?;
    let status = Command::new(cargo())
        .args(["build", "--quiet", "--locked", "--package", "foxhold-page-crypto"])
        .args(["--target", TARGET, "--profile", "wasm"])
        .env("RUSTFLAGS", rustflags(workspace_root)?)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(workspace_root)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "compiling the page's cryptography failed");
    let path = target_dir(workspace_root)?
        .join(TARGET)
        .join("wasm/foxhold_page_crypto.wasm");
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        bytes.len() <= LEN_MAX,
        "{} bytes are more than the {LEN_MAX} a page may cost",
        bytes.len()
    );
    ensure!(
        !has_imports(&bytes)?,
        "the module imports something, and the page gives it nothing"
    );
    Ok(bytes)
}

/// Compiles the module and puts it where the web head embeds it.
pub(crate) fn write(workspace_root: &Path) -> Result<()> {
    let path = workspace_root.join(CHECKED_IN);
    let bytes = build(workspace_root)?;
    fs::create_dir_all(path.parent().context("the checked-in file lies in a folder")?)?;
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Compiles the module and compares it with the checked-in file.
pub(crate) fn check(workspace_root: &Path) -> Result<()> {
    let path = workspace_root.join(CHECKED_IN);
    let checked_in = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let built = build(workspace_root)?;
    if built != checked_in {
        bail!(
            "{CHECKED_IN} ({} bytes) is not what the sources compile to ({} bytes): run `cargo xtask wasm` and \
             commit the file together with the change",
            checked_in.len(),
            built.len()
        );
    }
    Ok(())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> PathBuf {
    tool("CARGO", "cargo")
}

/// The tool cargo runs this program with, so that every part is of one toolchain.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells its children by the environment, there is no other way"
)]
fn tool(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}

/// Adds the compiler's WebAssembly target, unless it is there.
pub(crate) fn add_target(workspace_root: &Path) -> Result<()> {
    let libraries = sysroot(workspace_root)?.join("lib/rustlib").join(TARGET);
    if libraries.is_dir() {
        return Ok(());
    }
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(workspace_root)
        .status()
        .with_context(|| {
            format!("the compiler's target {TARGET} is missing and there is no rustup to add it")
        })?;
    ensure!(status.success(), "rustup could not add the target {TARGET}");
    Ok(())
}

/// The sources must lie where they will be compiled before their folders can be named.
fn fetch(workspace_root: &Path) -> Result<()> {
    let status = Command::new(cargo())
        .args(["fetch", "--quiet", "--locked"])
        .current_dir(workspace_root)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "fetching the dependencies failed");
    Ok(())
}

/// Panic messages hold paths of source files: they must not name the machine they were compiled on.
fn rustflags(workspace_root: &Path) -> Result<String> {
    let cargo_home = match tool("CARGO_HOME", "") {
        path if path.as_os_str().is_empty() => tool("HOME", "/").join(".cargo"),
        path => path,
    };
    let mut folders = vec![
        (workspace_root.to_owned(), "/foxhold"),
        (sysroot(workspace_root)?, "/rust"),
        (cargo_home.clone(), "/cargo"),
    ];
    // Cargo names these after the registry it fetched from, which may be a mirror. The last match counts.
    for entry in fs::read_dir(cargo_home.join("registry/src")).context("reading cargo's sources")? {
        folders.push((entry?.path(), "/crates"));
    }
    let remap = folders
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    Ok(remap.collect::<Vec<_>>().join(" "))
}

fn sysroot(workspace_root: &Path) -> Result<PathBuf> {
    output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(workspace_root),
    )
    .map(PathBuf::from)
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir(workspace_root: &Path) -> Result<PathBuf> {
    let metadata = output(
        Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .current_dir(workspace_root),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .context("cargo metadata names no target folder")
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Whether a module has an import section (WebAssembly core specification, section 5.5).
fn has_imports(module: &[u8]) -> Result<bool> {
    const IMPORT_SECTION: u8 = 2;
    let mut rest = module
        .strip_prefix(b"\0asm\x01\0\0\0")
        .context("not a WebAssembly module")?;
    while let Some((&id, after_id)) = rest.split_first() {
        if id == IMPORT_SECTION {
            return Ok(true);
        }
        let (len, contents) = leb128(after_id)?;
        rest = contents.get(len..).context("a section ends behind the module")?;
    }
    Ok(false)
}

/// An unsigned number of at most 32 bits, and what follows it.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[at + 1..]));
        }
    }
    bail!("a number without end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds the module as `cargo xtask wasm` does: takes half a minute after a change, nothing otherwise.
    #[test]
    fn the_checked_in_module_is_what_the_sources_compile_to() {
        check(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap();
    }

    #[test]
    fn imports_are_found() {
        let header = b"\0asm\x01\0\0\0";
        let long = [&[1, 0x81, 1], &[0; 129][..]].concat();
        let table: [(&str, &[u8], Option<bool>); 6] = [
            ("no section", &[], Some(false)),
            ("types", &[1, 1, 0], Some(false)),
            ("types, imports", &[1, 1, 0, 2, 1, 0], Some(true)),
            ("a section of 129 bytes", &long, Some(false)),
            ("a section that is cut", &[1, 2, 0], None),
            ("a number without end", &[1, 0xff, 0xff, 0xff, 0xff, 0xff], None),
        ];
        for (name, sections, expected) in table {
            assert_eq!(has_imports(&[header, sections].concat()).ok(), expected, "{name}");
        }
        assert!(has_imports(b"").is_err());
    }
}
