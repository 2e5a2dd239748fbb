//! Who may depend on whom, and what every source file must look like. Reads the manifests and the files themselves, so a
//! new edge between crates fails here until it is allowed by name (and explained in ARCHITECTURE.md).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Crate by crate, the crates of ours it may depend on (tests and benches of a crate may use more).
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("crypto", &["core"]),
    ("ports", &["core"]),
    ("outbound", &["core"]),
    ("openapi", &[]),
    ("sqlite", &["core"]),
    ("runtime", &["core"]),
    ("pool", &["core", "crypto", "ports"]),
    ("rpc", &["core", "ports"]),
    ("store-cassandra", &["core", "ports"]),
    ("store-sqlite", &["core", "ports", "sqlite"]),
    ("store-open", &["runtime", "store-cassandra", "store-sqlite"]),
    ("page-crypto", &["core", "crypto"]),
    ("browserid", &["core", "crypto"]),
    ("node-auth", &["core", "crypto"]),
    ("node-calls", &["core", "crypto", "outbound", "ports", "sync"]),
    ("accounts", &["core", "crypto", "ports"]),
    ("sync", &["core", "crypto", "ports"]),
    (
        "keysigner",
        &["core", "crypto", "pool", "ports", "rpc", "runtime"],
    ),
    (
        "stretcher",
        &["core", "crypto", "pool", "ports", "rpc", "runtime"],
    ),
    (
        "dbwriter",
        &[
            "core",
            "ports",
            "rpc",
            "runtime",
            "store-cassandra",
            "store-open",
            "store-sqlite",
        ],
    ),
    (
        "ops",
        &[
            "accounts",
            "core",
            "crypto",
            "node-auth",
            "node-calls",
            "outbound",
            "pool",
            "ports",
            "rpc",
            "runtime",
            "store-open",
            "sync",
        ],
    ),
    (
        "sync-node",
        &["core", "crypto", "node-auth", "runtime", "sqlite", "sync"],
    ),
    (
        "webhead",
        &[
            "accounts",
            "browserid",
            "core",
            "crypto",
            "node-calls",
            "outbound",
            "pool",
            "ports",
            "rpc",
            "runtime",
            "store-open",
            "sync",
        ],
    ),
];

/// The single box, the test bench and the benchmarks put everything together.
const UNRESTRICTED: &[&str] = &["foxhold", "testkit", "loadtest", "xtask"];

/// Crates from outside that only these of ours may name. `deny.toml` holds the same for what comes in indirectly.
const RESERVED: &[(&str, &[&str])] = &[
    ("rusqlite", &["sqlite", "store-sqlite", "sync-node"]),
    ("scylla", &["store-cassandra"]),
    ("aws-lc-rs", &["keysigner"]),
    ("p256", &["crypto"]),
    ("dsa", &["crypto"]),
    ("hkdf", &["crypto"]),
    ("scrypt", &["crypto"]),
    ("rcgen", &["runtime"]),
    ("prost", &["rpc", "xtask"]),
    ("opentelemetry", &["runtime"]),
    ("opentelemetry-proto", &["runtime", "testkit"]),
    ("opentelemetry_sdk", &["runtime"]),
    ("tracing-opentelemetry", &["runtime"]),
];

#[test]
fn crates_depend_only_on_what_they_are_allowed_to() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, manifest) in manifests() {
        if UNRESTRICTED.contains(&name.as_str()) {
            continue;
        }
        let Some(may) = allowed.get(name.as_str()) else {
            faults.push(format!("{name}: not in the table of crates"));
            continue;
        };
        for dependency in dependencies(&manifest, &["dependencies"]) {
            if let Some(ours) = dependency.strip_prefix("foxhold-")
                && !may.contains(&ours)
            {
                faults.push(format!("{name} -> {ours}"));
            }
        }
    }
    assert!(faults.is_empty(), "forbidden: {faults:#?}");
}

#[test]
fn reserved_crates_stay_where_they_belong() {
    let mut faults = Vec::new();
    for (name, manifest) in manifests() {
        for dependency in dependencies(&manifest, &["dependencies"]) {
            let reserved = RESERVED.iter().find(|(outside, _)| *outside == dependency);
            if let Some((outside, may)) = reserved
                && !may.contains(&name.as_str())
            {
                faults.push(format!("{name} names {outside}"));
            }
        }
    }
    assert!(faults.is_empty(), "forbidden: {faults:#?}");
}

/// The signer's trust rests on what it cannot do; so this looks at all it links, not only at what it names.
#[test]
fn the_keysigner_links_no_store_and_no_area() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let lock: toml::Table = lock.parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("packages");
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().expect("name").to_owned();
        let to = package
            .get("dependencies")
            .and_then(|list| list.as_array())
            .into_iter()
            .flatten();
        let to = to.filter_map(|entry| entry.as_str()?.split(' ').next().map(str::to_owned));
        edges.entry(name).or_default().extend(to);
    }
    // The lock file mixes in what tests use; for our own crates take the manifests' ordinary dependencies.
    for (name, manifest) in manifests() {
        edges.insert(
            format!("foxhold-{name}"),
            dependencies(&manifest, &["dependencies"]),
        );
    }
    let mut seen = BTreeSet::new();
    let mut waiting = vec!["foxhold-keysigner".to_owned()];
    while let Some(name) = waiting.pop() {
        if seen.insert(name.clone()) {
            waiting.extend(edges.get(&name).into_iter().flatten().cloned());
        }
    }
    for forbidden in [
        "rusqlite",
        "libsqlite3-sys",
        "scylla",
        "lettre",
        "foxhold-accounts",
        "foxhold-sync",
        "foxhold-store-cassandra",
        "foxhold-store-sqlite",
    ] {
        assert!(!seen.contains(forbidden), "the keysigner links {forbidden}");
    }
    assert!(seen.contains("ring"), "the walk went nowhere: {seen:?}");
}

/// Two providers of TLS cryptography are linked; a program that installs none panics at its first handshake, and one that
/// installs the other breaks the rule that there is ring and nothing else (design 3.12).
#[test]
fn every_program_installs_ring_first() {
    let first_of = |file: &Path, function: &str| -> String {
        let text = fs::read_to_string(file).expect("readable");
        let (_, body) = text.split_once(function).expect("the function is there");
        let (_, body) = body.split_once("{\n").expect("it has a body");
        body.lines().next().unwrap_or_default().trim().to_owned()
    };
    let runtime = root().join("libs/runtime/src/process.rs");
    assert_eq!(
        first_of(&runtime, "\nfn start<S: Service>"),
        "crypto_provider::install();"
    );
    let mut programs = Vec::new();
    for entry in fs::read_dir(root().join("services")).expect("folder") {
        let main = entry.expect("entry").path().join("src/main.rs");
        let first = first_of(&main, "\nfn main() -> ExitCode");
        let installs = first.starts_with("process::run::<") || first.ends_with("crypto_provider::install();");
        assert!(installs, "{}: {first}", main.display());
        programs.push(main);
    }
    assert!(programs.len() >= 6, "{programs:?}");
}

#[test]
fn every_source_file_says_what_it_is() {
    let mut faults = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("readable");
        if !text.starts_with("//!") && !file.components().any(|part| part.as_os_str() == "gen") {
            faults.push(file);
        }
    }
    assert!(faults.is_empty(), "no //! at the top: {faults:#?}");
}

/// A long test that forgot to say so would run in every ordinary run; one misspelt would run in none.
#[test]
fn long_tests_run_only_in_long_runs() {
    let folder = root().join("libs/testkit");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("manifest");
    let manifest: toml::Table = manifest.parse().expect("manifest is TOML");
    let entries = manifest["test"].as_array().expect("tests that need a feature");
    let long = entries.iter().filter(|test| {
        let features = test.get("required-features").and_then(toml::Value::as_array);
        features.is_some_and(|features| features.iter().any(|feature| feature.as_str() == Some("long")))
    });
    let marked: BTreeSet<String> = long
        .map(|test| test["name"].as_str().expect("a name").to_owned())
        .collect();
    let named: BTreeSet<String> = fs::read_dir(folder.join("tests"))
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| path.file_stem().expect("name").to_string_lossy().into_owned())
        .filter(|name| name.starts_with("long_"))
        .collect();
    assert_eq!(marked, named, "marked in Cargo.toml, and named tests/long_*.rs");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace")
}

fn manifests() -> Vec<(String, toml::Table)> {
    let mut found = Vec::new();
    for group in ["libs", "services"] {
        for entry in fs::read_dir(root().join(group)).expect("folder") {
            let folder = entry.expect("entry").path();
            let text = fs::read_to_string(folder.join("Cargo.toml")).expect("manifest");
            let name = folder.file_name().expect("name").to_string_lossy().into_owned();
            found.push((name, text.parse().expect("manifest is TOML")));
        }
    }
    assert!(found.len() > 10, "the workspace was not found");
    found
}

fn dependencies(manifest: &toml::Table, tables: &[&str]) -> BTreeSet<String> {
    let tables = tables.iter().filter_map(|name| manifest.get(*name)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join("libs"), root().join("services"), root().join("xtask")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}
