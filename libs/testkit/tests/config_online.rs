//! `foxhold config check --online` against what runs: all is well first, then each thing is broken in turn, and what is told is
//! that thing, by its key and with the exit code that scripts go by: 3 for what has to be mended, 4 for who does not answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    mail_server::MailServer,
    process::{binary_path, free_address},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use serde_json::Value;

/// What a run told: exit code, document, and everything printed.
struct Told {
    code: Option<i32>,
    document: Value,
    all: String,
}

impl Told {
    fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        Self {
            code: output.status.code(),
            document: serde_json::from_str(&said)
                .unwrap_or_else(|error| panic!("{error}: {said}{complained}")),
            all: said + &complained,
        }
    }

    /// The keys that something is wrong with.
    fn faults(&self) -> Vec<&str> {
        let faults = self.document["faults"].as_array().unwrap();
        assert!(
            faults
                .iter()
                .all(|fault| fault["fix"].as_str().is_some_and(|fix| !fix.is_empty())),
            "{}",
            self.all
        );
        faults
            .iter()
            .map(|fault| fault["key"].as_str().unwrap())
            .collect()
    }

    /// The keys of what was found well.
    fn looked_at(&self) -> Vec<&str> {
        let looked_at = self.document["looked_at"].as_array().unwrap();
        looked_at.iter().map(|one| one["key"].as_str().unwrap()).collect()
    }
}

fn check(arguments: &[&str], environment: &[(&str, String)]) -> Told {
    let mut command = Command::new(binary_path("foxhold").unwrap());
    command
        .args(["config", "check", "--online", "--json"])
        .args(arguments);
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    Told::of(command)
}

/// Checks a tier's configuration with something else over it.
fn check_tier(work: &Path, role: &str, over: &str) -> Told {
    let own = work.join(format!("{role}-1.toml")).display().to_string();
    let file = work.join("over.toml");
    fs::write(&file, over).unwrap();
    let file = file.display().to_string();
    check(&["--role", role, "--config", &own, "--config", &file], &[])
}

struct Broken<'a> {
    what: &'a str,
    role: &'a str,
    /// What stands over the good configuration.
    over: String,
    code: i32,
    keys: &'a [&'a str],
    words: &'a str,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_a_tier_names_is_looked_at() {
    let work = WorkFolder::of("config_online_fleet").unwrap();
    let shape = Shape {
        webheads: 1,
        keysigners: 1,
        dbwriters: 1,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    fleet.administrate().await.unwrap();

    let tls = "tls.certificate_file";
    let of_roles: [(&str, &[&str]); 5] = [
        ("keysigner", &[tls]),
        ("dbwriter", &[tls, "store.path", ""]),
        ("sync-node", &["names[0]"]),
        (
            "ops",
            &[
                tls,
                "dbwriter.addresses[0]",
                "keysigner.addresses[0]",
                "store.path",
                "",
            ],
        ),
        (
            "webhead",
            &[
                tls,
                "dbwriter.addresses[0]",
                "keysigner.addresses[0]",
                "store.path",
                "",
                "mail.host",
                "public_url",
            ],
        ),
    ];
    for (role, keys) in of_roles {
        let told = check_tier(work.path(), role, "");
        assert_eq!(told.code, Some(0), "{role}: {}", told.all);
        assert_eq!(told.faults(), Vec::<&str>::new(), "{role}");
        assert_eq!(told.looked_at(), keys, "{role}: {}", told.all);
    }

    for broken in broken_tiers(work.path(), &fleet) {
        let told = check_tier(work.path(), broken.role, &broken.over);
        let what = broken.what;
        assert_eq!(told.code, Some(broken.code), "{what}: {}", told.all);
        assert_eq!(told.faults(), broken.keys, "{what}: {}", told.all);
        assert!(told.all.contains(broken.words), "{what}: {}", told.all);
    }
}

fn broken_tiers<'a>(work: &Path, fleet: &Fleet) -> Vec<Broken<'a>> {
    let nobody = free_address().unwrap();
    let keysigner = fleet.addresses(Tier::Keysigner)[0];
    let path = |name: &str| work.join(name).display().to_string();
    let (absent, other) = (path("absent.db"), path("other.db"));
    fs::write(&other, "no database, and longer than the head of one ".repeat(5)).unwrap();
    let certificate = fs::read_to_string(work.join("webhead-1.toml")).unwrap();
    let folder = certificate
        .lines()
        .find_map(|line| {
            line.strip_prefix("authority_file = \"")?
                .strip_suffix("/authority.pem\"")
        })
        .unwrap()
        .to_owned();
    let broken = |what, role, over, code, keys, words| Broken {
        what,
        role,
        over,
        code,
        keys,
        words,
    };
    vec![
        broken(
            "a dbwriter that does not run",
            "webhead",
            format!("[dbwriter]\naddresses = [\"{nobody}\"]\n"),
            4,
            &["dbwriter.addresses[0]"],
            "nobody answers",
        ),
        broken(
            "a keysigner in place of a dbwriter",
            "ops",
            format!("[dbwriter]\naddresses = [\"{keysigner}\"]\n"),
            3,
            &["dbwriter.addresses[0]"],
            "of another role",
        ),
        broken(
            "another role's certificate",
            "webhead",
            format!(
                "[tls]\ncertificate_file = \"{folder}/stretcher.pem\"\nkey_file = \"{folder}/stretcher.key\"\n"
            ),
            3,
            &["tls.certificate_file"],
            "not webhead",
        ),
        broken(
            "a store that is not there",
            "ops",
            format!("[store]\npath = {absent:?}\n"),
            4,
            &["store.path"],
            "is not there",
        ),
        broken(
            "a file that is no store",
            "dbwriter",
            format!("[store]\npath = {other:?}\n"),
            3,
            &["store.path"],
            "not a database",
        ),
        broken(
            "no mail server",
            "webhead",
            format!("[mail]\nport = {}\n", nobody.port()),
            4,
            &["mail.host"],
            "connect",
        ),
        broken(
            "a public URL where nobody is",
            "webhead",
            format!("public_url = \"http://localhost:{}\"\n", nobody.port()),
            4,
            &["public_url"],
            "nobody answers",
        ),
        broken(
            "a public URL that leads to the node",
            "webhead",
            format!("public_url = {:?}\n", fleet.node.root),
            3,
            &["public_url"],
            "in place of its configuration document",
        ),
        broken(
            "a node that is elsewhere",
            "sync-node",
            format!("names = [\"http://localhost:{}\"]\n", nobody.port()),
            4,
            &["names[0]"],
            "nobody answers",
        ),
        broken(
            "no collector",
            "dbwriter",
            format!("[traces]\notlp_endpoint = \"http://{nobody}\"\n"),
            4,
            &["traces.otlp_endpoint"],
            "nobody takes connections",
        ),
        broken(
            "all in one run, those that are read first",
            "webhead",
            format!(
                "forwarded_from_right = 0\nnode_types = [\"x\"]\n[dbwriter]\naddresses = [\"{nobody}\"]\n[mail]\nport = {}\n",
                nobody.port()
            ),
            3,
            &["node_types", "dbwriter.addresses[0]", "mail.host"],
            "over.toml:2",
        ),
    ]
}

const LOGIN: &str = "box:open-sesame";
const PASSWORD: &str = "open-sesame";

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_a_box_names_is_looked_at() {
    let work = WorkFolder::of("config_online_box").unwrap();
    let mut server = MailServer::off(work.path()).unwrap().with_login(LOGIN);
    server.start().await.unwrap();
    let (right, wrong) = (work.path().join("right"), work.path().join("wrong"));
    secret(&right, PASSWORD);
    secret(&wrong, "another-word");
    let mut single = SingleBox::start_mailing_as(work.path(), server.smtp, Some(("box", &right)))
        .await
        .unwrap();

    let nobody = free_address().unwrap();
    let data = work.path().join("data").display().to_string();
    let file = work.path().join("box.toml");
    fs::write(&file, "registration = \"open\"\n").unwrap();
    let file = file.display().to_string();
    let root = single.server.root.clone();
    // As the box was told by variables and flags.
    let check_with = |changed: &[(&'static str, String)]| {
        let mut environment = vec![
            ("FOXHOLD_PUBLIC_URL", root.clone()),
            ("FOXHOLD_MAIL", "smtp".to_owned()),
            ("FOXHOLD_SMTP__HOST", server.smtp.ip().to_string()),
            ("FOXHOLD_SMTP__PORT", server.smtp.port().to_string()),
            ("FOXHOLD_SMTP__TLS", "plain".to_owned()),
            ("FOXHOLD_SMTP__FROM", "Foxhold <noreply@example.test>".to_owned()),
            ("FOXHOLD_SMTP__USER", "box".to_owned()),
            ("FOXHOLD_SMTP__PASSWORD_FILE", right.display().to_string()),
        ];
        environment.extend(changed.iter().cloned());
        check(&["--data", &data, "--config", &file], &environment)
    };
    let told = check_with(&[]);
    assert_eq!(told.code, Some(0), "{}", told.all);
    assert_eq!(
        told.looked_at(),
        ["", "", "smtp.host", "public_url"],
        "{}",
        told.all
    );

    let elsewhere = format!("http://127.0.0.1:{}", single.server.address.port());
    let mail_port = ("FOXHOLD_SMTP__PORT", nobody.port().to_string());
    let table = [
        ("no mail server", mail_port.clone(), 4, "smtp.host", "connect"),
        (
            "a password that it does not take",
            ("FOXHOLD_SMTP__PASSWORD_FILE", wrong.display().to_string()),
            3,
            "smtp.host",
            "log in",
        ),
        (
            "a server without TLS",
            ("FOXHOLD_SMTP__TLS", "starttls".to_owned()),
            3,
            "smtp.host",
            "does not offer STARTTLS",
        ),
        (
            "another name of the same box",
            ("FOXHOLD_PUBLIC_URL", elsewhere),
            3,
            "public_url",
            "is sent to http://localhost",
        ),
        (
            "nobody's URL",
            (
                "FOXHOLD_PUBLIC_URL",
                format!("http://localhost:{}", nobody.port()),
            ),
            4,
            "public_url",
            "nobody answers",
        ),
    ];
    for (what, changed, code, key, words) in table {
        let told = check_with(&[changed]);
        assert_eq!(told.code, Some(code), "{what}: {}", told.all);
        assert_eq!(told.faults(), [key], "{what}: {}", told.all);
        assert!(told.all.contains(words), "{what}: {}", told.all);
        assert!(
            !told.all.contains(PASSWORD) && !told.all.contains("another-word"),
            "{what}"
        );
    }

    let status = single.process.terminate().await.unwrap();
    assert!(status.success());
    let told = check_with(&[mail_port]);
    assert_eq!(told.code, Some(4), "{}", told.all);
    // Nobody is at its own node, either.
    assert_eq!(told.faults(), ["", "smtp.host", "public_url"], "{}", told.all);
}
