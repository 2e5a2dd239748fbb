//! Shows that a made key opens and signs, and that every wrong file refuses with a message that helps.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use foxhold_core::Clock;
use foxhold_runtime::{SystemClock, SystemRandom};

use super::*;
use crate::keygen::{self, CreateKeyError};

struct Bench {
    folder: tempfile::TempDir,
    key: KeyFile,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let key = keygen::create(folder.path(), "identity", &SystemClock, &SystemRandom).unwrap();
    Bench { folder, key }
}

impl Bench {
    fn open(&self) -> Result<Box<dyn Custody>, KeyFileError> {
        super::open(&Secrets::default(), "keys[0]", &self.key)
    }

    fn refusal(&self) -> String {
        self.open().err().expect("must be refused").to_string()
    }

    fn write(&self, text: &str) {
        fs::write(&self.key.file.0, text).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_made_key_opens_and_signs_and_is_never_overwritten() {
    let bench = bench();
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(bench.folder.path()),
        ["identity.passphrase", "identity.pem"]
    );
    assert_eq!(
        (mode(&bench.key.file.0), mode(&bench.key.passphrase_file.0)),
        (0o600, 0o600)
    );

    let key = bench.open().unwrap();
    let signature = key.sign(b"message").unwrap();
    assert!(key.public_key().key.verifies(b"message", &signature));
    assert!(!key.public_key().key.verifies(b"massage", &signature));
    assert_eq!(key.public_key().kid.len(), 16);
    assert_eq!(key.public_key().key.modulus().len(), 256);
    assert!(SystemClock.now().since(key.created_at()).as_secs() < 3600);

    let before = fs::read(&bench.key.file.0).unwrap();
    let again = keygen::create(bench.folder.path(), "identity", &SystemClock, &SystemRandom);
    assert!(matches!(again, Err(CreateKeyError::Exists(_))));
    assert_eq!(fs::read(&bench.key.file.0).unwrap(), before);
    assert_eq!(bench.open().unwrap().public_key(), key.public_key());
}

#[test]
fn an_interrupted_call_is_finished_by_the_next() {
    let bench = bench();
    let passphrase = fs::read(&bench.key.passphrase_file.0).unwrap();
    fs::remove_file(&bench.key.file.0).unwrap();
    fs::write(keygen::temporary_of(&bench.key.file.0), "half a key").unwrap();
    keygen::create(bench.folder.path(), "identity", &SystemClock, &SystemRandom).unwrap();
    assert_eq!(fs::read(&bench.key.passphrase_file.0).unwrap(), passphrase);
    bench.open().unwrap();
}

#[test]
fn a_key_and_its_passphrase_are_not_written_into_one_file() {
    let of = |name: &str| keygen::temporary_of(Path::new(name));
    assert_ne!(of("keys/provider-2.pem"), of("keys/provider-2.passphrase"));
    assert_ne!(of("keys/provider-2.pem"), of("keys/provider-3.pem"));
    assert_eq!(of("keys/provider-2.pem").parent(), Some(Path::new("keys")));
    let own = format!(".{}.", std::process::id());
    assert!(
        of("provider-2.pem").to_string_lossy().contains(&own),
        "two processes at once"
    );
}

#[test]
fn a_turn_that_cannot_be_read_is_refused() {
    let bench = bench();
    let pem = fs::read_to_string(&bench.key.file.0).unwrap();
    for turn in ["", "tomorrow", "-1", "1700000000.5", "1700000000 1"] {
        bench.write(&format!("signs-from: {turn}\n{pem}"));
        assert!(bench.refusal().contains("`signs-from:`"), "{turn}");
    }
    bench.write(&format!("signs-from: 1700000000\n{pem}"));
    let signs_from = bench.open().unwrap().signs_from();
    assert_eq!(signs_from, Timestamp::from_secs(1_700_000_000));
}

#[test]
fn wrong_files_are_refused() {
    let bench = bench();
    let pem = fs::read_to_string(&bench.key.file.0).unwrap();
    let (start, _) = pem.split_at(pem.len() / 2);
    let relabelled = |label: &str| pem.replace(LABEL, label);
    let lines: Vec<&str> = pem.lines().collect();
    let without_a_line = [&lines[..10], &lines[11..]].concat().join("\n");
    let table = [
        ("truncated", start.to_owned(), "not a whole PEM file"),
        ("not PEM", "hello".to_owned(), "not a whole PEM file"),
        ("PKCS#1", relabelled("RSA PRIVATE KEY"), "openssl pkcs8 -topk8"),
        ("unencrypted", relabelled("PRIVATE KEY"), "is not encrypted"),
        ("a certificate", relabelled("CERTIFICATE"), "but `CERTIFICATE`"),
        ("a line is missing", without_a_line, ""),
        ("empty", String::new(), "is empty"),
    ];
    for (name, text, expected) in table {
        bench.write(&text);
        let refusal = bench.refusal();
        assert!(refusal.contains(expected), "{name}: {refusal}");
        assert!(refusal.contains("identity.pem"), "{name}: {refusal}");
    }
    bench.write(&pem);
    bench.open().unwrap();
}

#[test]
fn wrong_passphrase_and_wrong_modes_are_refused() {
    let bench = bench();
    let passphrase_file = bench.key.passphrase_file.0.clone();
    let right = fs::read_to_string(&passphrase_file).unwrap();
    fs::write(&passphrase_file, "wrong\n").unwrap();
    assert!(bench.refusal().contains("wrong passphrase"));
    fs::write(&passphrase_file, right).unwrap();
    for path in [&bench.key.file.0, &passphrase_file] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(bench.refusal().contains("chmod 600"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    bench.open().unwrap();
}

#[test]
fn a_key_of_another_tool_takes_its_age_from_the_file() {
    let bench = bench();
    let pem = fs::read_to_string(&bench.key.file.0).unwrap();
    bench.write(pem.split_once('\n').unwrap().1);
    let key = bench.open().unwrap();
    assert!(SystemClock.now().since(key.created_at()).as_secs() < 3600);
}

#[test]
fn other_kinds_of_private_keys_are_refused() {
    let bench = bench();
    let passphrase = Secrets::default()
        .read_text("p", &bench.key.passphrase_file)
        .unwrap();
    let rng = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let p256 = ring::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
    let pem = encrypt(p256.as_ref(), &passphrase, &SystemRandom).ok().unwrap();
    bench.write(&pem);
    assert!(bench.refusal().contains("not a sound RSA key"));
}
