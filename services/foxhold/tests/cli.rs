//! The tool as a person or a script meets it: what it prints, which exit code it ends with (`ecosystem.md` 3.4), and the
//! examples of its help texts, run as they stand. Each run has a folder and ports of its own.

#[path = "cli/config.rs"]
mod config;
#[path = "cli/exit_codes.rs"]
mod exit_codes;
#[path = "cli/firefox.rs"]
mod firefox;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/metrics.rs"]
mod metrics;
#[path = "cli/services.rs"]
mod services;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/templates.rs"]
mod templates;

use std::{fs, os::unix::fs::PermissionsExt as _};

use support::{Ran, Up, examples, foxhold, free_addresses, run};

#[test]
fn the_help_names_every_command_and_the_version_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    for command in [
        "up",
        "config",
        "completions",
        "man",
        "key",
        "mail",
        "firefox",
        "template",
        "certificates",
        "schema",
        "region",
        "audit",
        "service",
        "node",
    ] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
    }
    let version = run(folder.path(), &["--version"]);
    assert_eq!(version.out, format!("foxhold {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_examples_of_up_serve_and_stop_at_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let examples = examples(folder.path(), &["up"]);
    assert!(examples.len() >= 2);
    for (number, example) in examples.iter().enumerate() {
        let work = folder.path().join(number.to_string());
        fs::create_dir(&work).unwrap();
        // Only where it is put is changed: a test has no business in /srv.
        let own = work.join("srv").display().to_string();
        let in_place = |word: &String| {
            if word.starts_with("/srv/") {
                own.clone()
            } else {
                word.clone()
            }
        };
        let arguments: Vec<String> = example[1..].iter().map(in_place).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let up = Up::start(&work, &arguments);
        let preference = "identity.fxaccounts.autoconfig.uri";
        assert!(up.greeting.contains(preference), "{}", up.greeting);
        let ended = up.interrupt();
        assert_eq!(ended.code, Some(0), "{example:?}\n{}", ended.err);
    }
}

#[test]
fn the_examples_for_a_fleet_make_files_that_only_their_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    for command in [["key", "create"], ["certificates", "create"]] {
        for example in examples(folder.path(), &command) {
            let arguments: Vec<&str> = example[1..].iter().map(String::as_str).collect();
            let ran = run(folder.path(), &arguments);
            assert_eq!(ran.code, Some(0), "{}", ran.err);
            let names = ran.out.lines().filter_map(|line| line.split_whitespace().next());
            let files: Vec<_> = names
                .map(|name| folder.path().join(name))
                .filter(|path| path.is_file())
                .collect();
            assert!(files.len() >= 6, "{}", ran.out);
            for path in files {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}", path.display());
            }
        }
    }
}

/// The commands about a fleet's store need one; what they do to it is shown with a real cluster.
#[test]
fn the_examples_about_the_store_are_understood_and_say_that_nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let [nobody, _] = free_addresses();
    let file = folder.path().join("schema.toml");
    let text = |more: &str| {
        let region = |name: &str, data_centre: &str| {
            format!("[[regions]]\nname = \"{name}\"\ndata_centre = \"{data_centre}\"\nreplication = 3\n")
        };
        let regions = [region("eu", "dc1"), region("us", "dc2")].concat();
        format!("contact_points = [\"{nobody}\"]\n{more}\n{regions}")
    };
    fs::write(&file, text("")).unwrap();
    let commands = [
        ["schema", "status"],
        ["schema", "plan"],
        ["schema", "apply"],
        ["region", "list"],
        ["region", "declare-dead"],
        ["region", "rejoin"],
        ["audit", "run"],
    ];
    for command in commands {
        let examples = examples(folder.path(), &command);
        assert!(examples.len() >= 2, "{command:?}");
        for example in examples {
            let mut arguments: Vec<&str> = example[1..].iter().map(String::as_str).collect();
            if command == ["region", "rejoin"] && !arguments.contains(&"--yes") {
                arguments.push("--yes");
            }
            let ran = run(folder.path(), &arguments);
            assert_eq!(ran.code, Some(4), "{example:?}: {}", ran.err);
            assert!(
                ran.err.starts_with("error: connecting to the cluster\n"),
                "{}",
                ran.err
            );
        }
    }
    let status = ["schema", "status", "--config", "schema.toml"];
    let table = [
        ("serial = \"LOCAL_SERIAL\"", "LOCAL_SERIAL"),
        ("stripes = 1", "stripes"),
        ("user = \"somebody\"", "`password_file`"),
        ("keyspase = \"foxhold\"", "did you mean `keyspace`?"),
    ];
    for (more, named) in table {
        fs::write(&file, text(more)).unwrap();
        let ran = run(folder.path(), &status);
        assert_eq!(ran.code, Some(3), "{more}: {}", ran.err);
        assert!(
            ran.err.contains(named) && ran.err.contains("fix: "),
            "{more}: {}",
            ran.err
        );
    }
}

#[test]
fn keys_of_a_fleet_are_never_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "key",
        "create",
        "--out",
        "keys",
        "--node",
        "https://sync-1.example.org/",
    ];
    assert_eq!(run(folder.path(), &arguments).code, Some(0));
    let list = || fs::read_to_string(folder.path().join("keys/nodes.secrets")).unwrap();
    let before = list();
    assert!(
        before.starts_with("https://sync-1.example.org,"),
        "in the one spelling"
    );
    let again = run(folder.path(), &arguments);
    assert_eq!(again.code, Some(6), "{}", again.err);
    assert!(again.err.contains("\nfix: "), "{}", again.err);
    assert_eq!(list(), before);
}

/// What is refused, with the code, and what the message must name.
const REFUSED: [(&str, &[&str], i32, &str); 12] = [
    ("nothing", &[], 2, "Usage: foxhold"),
    ("an unknown command", &["down"], 2, "down"),
    ("an unknown flag", &["up", "--wrong"], 2, "--wrong"),
    ("no address", &["up", "--listen", "nonsense"], 2, "--listen"),
    ("no mail mode", &["up", "--mail", "pigeon"], 2, "capture"),
    (
        "no node",
        &["key", "create", "--out", "k", "--node", "x"],
        2,
        "https://",
    ),
    (
        "a path",
        &["up", "--public-url", "https://example.org/x"],
        3,
        "`public_url`",
    ),
    ("mail without a server", &["up", "--mail", "smtp"], 3, "[smtp]"),
    (
        "a private side for all",
        &["up", "--private-listen", "0.0.0.0:1"],
        3,
        "`private_listen`",
    ),
    (
        "no mail in public",
        &["up", "--mail", "none", "--public-url", "https://a.org"],
        6,
        "--yes",
    ),
    (
        "somebody else's folder",
        &["up", "--data", "foreign"],
        6,
        "--data",
    ),
    ("a file", &["up", "--data", "foreign/holiday.jpg"], 1, "--data"),
];

#[test]
fn refusals_have_their_codes_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("holiday.jpg"), "").unwrap();
    for (name, arguments, code, named) in REFUSED {
        let ran = run(folder.path(), arguments);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.err);
        assert!(ran.err.contains(named), "{name}: {}", ran.err);
        let is_told = ran.err.starts_with("error: ") && ran.err.contains("fix: ");
        // Code 2 is the command line's own, which shows the usage.
        assert!(code == 2 || is_told, "{name}: {}", ran.err);
        assert!(ran.out.is_empty(), "{name}: {}", ran.out);
    }
    assert_eq!(
        fs::read_dir(&foreign).unwrap().count(),
        1,
        "nothing was put there"
    );
}

#[test]
fn a_bad_setting_is_named_with_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    let up = ["up", "--data", "box"];
    assert_eq!(Up::start(folder.path(), &up).interrupt().code, Some(0));
    let file = folder.path().join("box/foxhold.toml");
    let good = fs::read_to_string(&file).unwrap();
    let table = [
        ("lissten = \"127.0.0.1:1\"", "`lissten`", "did you mean `listen`?"),
        ("accept_bearer = 3", "`accept_bearer`", "true or false"),
        (
            "[stretch]\nmemory_mib = \"much\"",
            "`stretch.memory_mib`",
            "a whole number",
        ),
        ("[stretch]\nmemory_mib = 1", "`stretch.memory_mib`", "66 for each"),
        ("[log]\nlevel = \"hostile=[\"", "`log.level`", "error, warn, info"),
        ("colour = ", "is not TOML", "correct the line"),
    ];
    for (line, key, fix) in table {
        fs::write(&file, format!("{good}\n{line}\n")).unwrap();
        let ran = run(folder.path(), &up);
        assert_eq!(ran.code, Some(3), "{line}: {}", ran.err);
        assert!(
            ran.err.contains(key) && ran.err.contains(fix),
            "{line}: {}",
            ran.err
        );
    }
    fs::write(&file, good).unwrap();
    let mut unknown = foxhold(folder.path(), &up);
    unknown.env("FOXHOLD_PUBLIC_ULR", "https://example.org");
    let ran = Ran::of(unknown.output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    for named in ["FOXHOLD_PUBLIC_ULR", "did you mean `public_url`?"] {
        assert!(ran.err.contains(named), "{}", ran.err);
    }
}

#[test]
fn a_secret_that_is_open_to_others_or_lost_is_named() {
    let folder = tempfile::tempdir().unwrap();
    Up::start(folder.path(), &["up", "--data", "box"]).interrupt();
    let secret = folder.path().join("box/keys/code.key");
    // The first start has written down ports that another test may hold by now.
    let up = || {
        let [public, private] = free_addresses().map(|address| address.to_string());
        run(
            folder.path(),
            &[
                "up",
                "--data",
                "box",
                "--listen",
                &public,
                "--private-listen",
                &private,
            ],
        )
    };
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let open = up();
    assert_eq!(open.code, Some(3), "{}", open.err);
    assert!(open.err.contains("\nfix: chmod 600 "), "{}", open.err);
    fs::remove_file(&secret).unwrap();
    let lost = up();
    assert_eq!(lost.code, Some(3), "{}", lost.err);
    for named in ["code.key", "from a backup"] {
        assert!(lost.err.contains(named), "{}", lost.err);
    }
    assert!(!secret.exists(), "no new one takes its place");
}

#[test]
fn a_box_in_use_names_its_process_and_a_taken_address_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["up", "--data", "box"]);
    let second = run(folder.path(), &["up", "--data", "box"]);
    assert_eq!(second.code, Some(6), "{}", second.err);
    let first = format!("process {}", up.process.id());
    assert!(second.err.contains(&first), "{}", second.err);
    let taken = up.address();
    for (flag, other) in [("--listen", "--private-listen"), ("--private-listen", "--listen")] {
        let [free, _] = free_addresses().map(|address| address.to_string());
        let arguments = ["up", "--data", "second", flag, &taken, other, &free];
        let ran = run(folder.path(), &arguments);
        assert_eq!(ran.code, Some(4), "{}", ran.err);
        assert!(ran.err.contains(&taken), "{}", ran.err);
        assert!(ran.err.contains(&format!("with {flag}\n")), "{}", ran.err);
    }
    for name in ["keys", "foxhold.db", "foxhold.toml"] {
        let made = folder.path().join("second").join(name);
        assert!(!made.exists(), "a start that failed so has made {name}");
    }
    assert_eq!(up.interrupt().code, Some(0));
}

#[test]
fn a_second_start_says_so_and_keeps_keys_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    let first = Up::start(folder.path(), &["up", "--data", "box", "--mail", "none"]);
    assert!(first.greeting.contains("were made there"), "{}", first.greeting);
    assert_eq!(first.interrupt().code, Some(0));
    let read = || {
        let names = [
            "provider.pem",
            "provider.passphrase",
            "code.key",
            "metrics.key",
            "node.secret",
        ];
        let mut files = names.map(|name| format!("keys/{name}")).to_vec();
        files.push("foxhold.toml".into());
        let folder = folder.path().join("box");
        files
            .into_iter()
            .map(|name| fs::read(folder.join(name)).unwrap())
            .collect::<Vec<_>>()
    };
    let before = read();
    let second = Up::start(folder.path(), &["up", "--data", "box"]);
    assert!(
        !second.greeting.contains("were made there"),
        "{}",
        second.greeting
    );
    assert!(
        second.greeting.contains("is not sent"),
        "what was chosen stays: {}",
        second.greeting
    );
    let ended = second.interrupt();
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("has stopped"), "{}", ended.out);
    assert!(read() == before, "keys and settings stay");
    for line in ended.err.lines() {
        assert!(
            line.starts_with('{'),
            "without a terminal every line is JSON: {line}"
        );
    }
}

#[test]
fn a_box_for_others_that_calls_itself_localhost_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = || {
        let [public, _] = free_addresses();
        format!("0.0.0.0:{}", public.port())
    };
    let (one, two) = (everywhere(), everywhere());
    let public_url = ["--public-url", "https://sync.example.org"];
    let table: [(&[&str], bool); 3] = [
        (&["up", "--data", "a"], false),
        (&["up", "--data", "b", "--listen", &one], true),
        (
            &[
                "up",
                "--data",
                "c",
                "--listen",
                &two,
                public_url[0],
                public_url[1],
            ],
            false,
        ),
    ];
    for (arguments, expected) in table {
        let up = Up::start(folder.path(), arguments);
        let has_hint = up.greeting.contains("--public-url");
        assert_eq!(has_hint, expected, "{arguments:?}\n{}", up.greeting);
        up.interrupt();
    }
}
