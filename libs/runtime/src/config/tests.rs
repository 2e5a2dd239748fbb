//! Shows that sources are layered, that faults are reported together, and how secrets are read.

use std::{fs, os::unix::fs::PermissionsExt};

use foxhold_core::SecretText;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    name: String,
    store: Store,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Store {
    local_dc: String,
    wait_ms: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            name: "built in".into(),
            store: Store::default(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            local_dc: "here".into(),
            wait_ms: 5,
        }
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn later_sources_win_level_by_level() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        files: vec![
            file(
                &folder,
                "a.toml",
                "name = 'a'\n[store]\nlocal_dc = 'a'\nwait_ms = 1",
            ),
            file(&folder, "b.toml", "[store]\nlocal_dc = 'b'"),
        ],
        env: pairs(&[
            ("FOXHOLD_STORE__WAIT_MS", "7"),
            ("HOME", "/x"),
            ("FOXHOLD_DATA", "/y"),
        ]),
        overrides: pairs(&[("name", "flag")]),
    };
    let config: Sample = load("sample", &sources).unwrap();
    let store = Store {
        local_dc: "b".into(),
        wait_ms: 7,
    };
    assert_eq!(
        config,
        Sample {
            name: "flag".into(),
            store
        }
    );
    assert_eq!(
        load::<Sample>("sample", &Sources::default()).unwrap(),
        Sample::default()
    );
}

#[test]
fn all_faults_come_at_once_with_origin_and_fix_and_without_values() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        files: vec![
            file(&folder, "a.toml", "nam = 'hunter2'\n[store]\nwait_ms = 'hunter2'"),
            file(&folder, "broken.toml", "name = 'fine'\nhunter2 hunter2"),
            folder.path().join("absent.toml"),
        ],
        env: pairs(&[("FOXHOLD_STORE__LOCAL_DX", "hunter2")]),
        overrides: Vec::new(),
    };
    let errors = load::<Sample>("sample", &sources).unwrap_err();
    let text = errors.to_string();
    for expected in [
        "the configuration of sample is invalid",
        "`nam` (",
        "did you mean `name`?",
        "`store.wait_ms` (",
        "is a text",
        "`store.local_dx` (environment variable FOXHOLD_STORE__LOCAL_DX): is not a known key",
        "broken.toml: line 2 is not TOML",
        "absent.toml: cannot be read",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
    assert_eq!(errors.faults().len(), 5, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn every_fault_names_its_line_also_in_lists_and_tables() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Listed {
        names: Vec<String>,
        stores: Vec<Store>,
    }
    let folder = tempfile::tempdir().unwrap();
    let text =
        "names = [\n  'a',\n  7,\n]\n\n[[stores]]\nwait_ms = 1\n\n[[stores]]\nwait_ms = 'x'\nwait = 1\n";
    let path = file(&folder, "listed.toml", text);
    let sources = Sources {
        files: vec![path.clone()],
        ..Sources::default()
    };
    let errors = load::<Listed>("listed", &sources).unwrap_err();
    let found: Vec<_> = errors
        .faults()
        .iter()
        .map(|fault| (fault.key.as_str(), fault.origin.clone()))
        .collect();
    let at = |line: usize| Some(format!("{}:{line}", path.display()));
    let expected = [
        ("names[1]", at(3)),
        ("stores[1].wait", at(11)),
        ("stores[1].wait_ms", at(10)),
    ];
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, expected, "{errors}");
}

#[test]
fn who_says_a_key_is_told_strongest_first() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        files: vec![
            file(&folder, "a.toml", "[store]\nwait_ms = 1"),
            file(&folder, "b.toml", "\n\nstore.wait_ms = 2"),
        ],
        env: pairs(&[("FOXHOLD_STORE__WAIT_MS", "7"), ("FOXHOLD_NAME", "x")]),
        overrides: Vec::new(),
    };
    let reading = Reading::of(&sources);
    let said = reading.said(&Key::parse("store.wait_ms"));
    let said: Vec<_> = said
        .iter()
        .map(|said| (said.value.as_u64(), said.place.as_str()))
        .collect();
    let [a, b] = ["a.toml:2", "b.toml:3"].map(|name| folder.path().join(name).display().to_string());
    assert_eq!(
        said,
        [
            (Some(7), "environment variable FOXHOLD_STORE__WAIT_MS"),
            (Some(2), b.as_str()),
            (Some(1), a.as_str()),
        ]
    );
    assert_eq!(reading.keys(), 2);
    assert!(reading.said(&Key::parse("store.local_dc")).is_empty());
}

#[test]
fn findings_are_told_where_their_key_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.toml", "name = 'a'\n[store]\nwait_ms = 1");
    let reading = Reading::of(&Sources {
        files: vec![path.clone()],
        ..Sources::default()
    });
    let mut found = Findings::of("sample", &reading);
    assert_eq!(found.take(Ok::<_, anyhow::Error>(5)), Some(5));
    assert!(found.is_empty());
    found.take::<(), _>(Err(anyhow::anyhow!(
        "`store.wait_ms`: too short\nfix: wait longer"
    )));
    found.take_of::<(), _>("store", Err(anyhow::anyhow!("is away")));
    found.take::<(), _>(Err(anyhow::anyhow!("`audit` is missing")));
    let errors = found.told().unwrap_err();
    let places: Vec<_> = errors.faults().iter().map(|fault| fault.origin.clone()).collect();
    let at = |line: usize| Some(format!("{}:{line}", path.display()));
    assert_eq!(places, [at(3), at(2), None]);
}

#[test]
fn a_secret_is_shown_by_file_and_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "secret", "hunter2\n");
    let shown = |path: PathBuf| Secrets::default().shown(&SecretFile(path));
    assert_eq!(shown(path.clone()), format!("<file {}, 8 bytes>", path.display()));
    let gone = folder.path().join("gone");
    assert_eq!(
        shown(gone.clone()),
        format!("<file {}, not there>", gone.display())
    );
    assert_eq!(shown("4c1b0d8a7766554433221100aabbccdd".into()), "<not a path>");
}

#[test]
fn a_missing_key_without_default_is_named_once() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[expect(dead_code, reason = "only its absence matters")]
        port: u16,
    }
    let errors = load::<Strict>("strict", &Sources::default()).unwrap_err();
    assert_eq!(errors.faults().len(), 1);
    assert!(errors.to_string().contains("`port`: is missing"), "{errors}");
    // Out of range: reported as such, and not once more as missing.
    let sources = Sources {
        overrides: pairs(&[("port", "70000")]),
        ..Sources::default()
    };
    assert_eq!(load::<Strict>("strict", &sources).unwrap_err().faults().len(), 1);
}

#[test]
fn a_secret_is_read_only_from_a_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "secret", "hunter2\n");
    let read = || Secrets::default().read_text("a.b_file", &SecretFile(path.clone()));
    for mode in [0o644, 0o640, 0o620, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, SecretError::Exposed { .. }), "{mode:o}: {error}");
        assert!(error.to_string().contains("`a.b_file`"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read().unwrap(), SecretText::new("hunter2".into()));

    for (contents, expected) in [
        ("two\n\n", Some("two\n")),
        ("bare", Some("bare")),
        ("\n", None),
        ("", None),
    ] {
        fs::write(&path, contents).unwrap();
        match expected {
            Some(text) => assert_eq!(read().unwrap(), SecretText::new(text.into())),
            None => assert!(
                matches!(read().unwrap_err(), SecretError::Empty { .. }),
                "{contents:?}"
            ),
        }
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(read().unwrap_err(), SecretError::NotText { .. }));
    fs::remove_file(&path).unwrap();
    assert!(matches!(read().unwrap_err(), SecretError::Unreadable { .. }));
}

#[test]
fn a_bare_name_is_a_credential_and_a_pasted_secret_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "key-passphrase", "hunter2\n");
    let secrets = Secrets::of_env(&pairs(&[(
        "CREDENTIALS_DIRECTORY",
        folder.path().to_str().unwrap(),
    )]));
    let read = |name: &str| secrets.read_text("k", &SecretFile(name.into()));
    assert_eq!(read("key-passphrase").unwrap(), SecretText::new("hunter2".into()));
    for pasted in ["4c1b0d8a7766554433221100aabbccdd", "TBsNincmVUQz/hEAqrvM3Q=="] {
        let error = read(pasted).unwrap_err();
        assert!(matches!(error, SecretError::NotAPath { .. }), "{error}");
        assert_eq!(secrets.shown(&SecretFile(pasted.into())), "<not a path>");
    }
    let error = read("secrets/of-the-webhead").unwrap_err();
    assert!(matches!(error, SecretError::Unreadable { .. }), "{error}");
    assert!(!error.to_string().contains("4c1b0d8a"), "{error}");
}

#[test]
fn an_address_is_asked_for_with_its_port() {
    #[derive(Debug, Deserialize)]
    struct Listening {
        #[serde(rename = "listen")]
        _listen: std::net::SocketAddr,
    }
    let folder = tempfile::tempdir().unwrap();
    for wrong in ["'8000'", "8000", "'localhost:8000'", "'127.0.0.1'"] {
        let sources = Sources {
            files: vec![file(&folder, "a.toml", &format!("listen = {wrong}"))],
            ..Sources::default()
        };
        let errors = load::<Listening>("sample", &sources).unwrap_err();
        let [fault] = errors.faults() else {
            panic!("{errors}");
        };
        assert_eq!(
            (fault.key.as_str(), fault.fix.as_str()),
            ("listen", "give address and port, as in 127.0.0.1:8000"),
            "{wrong}"
        );
    }
}
