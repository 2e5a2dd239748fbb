//! Each thing that can be wrong, one at a time, on a box where nothing else is.

use foxhold_core::Timestamp;
use serde_json::json;

use super::{
    super::facts::{FileFacts, SettingsFacts},
    *,
};

const URL: &str = "https://sync.example.org";
const NOW: u64 = 1_800_000_000;

fn file(path: &str, is_secret: bool, is_folder: bool, mode: u32) -> FileFacts {
    FileFacts {
        path: path.into(),
        permissions: Permissions::Mode(mode),
        is_needed: is_secret,
        is_secret,
        is_folder,
    }
}

fn configuration(of: &str) -> Reply {
    let body = json!({
        "auth_server_base_url": of,
        "oauth_server_base_url": of,
        "profile_server_base_url": of,
        "sync_tokenserver_base_url": of,
    });
    Reply {
        status: 200,
        date: Some(Timestamp::from_secs(NOW)),
        body,
    }
}

fn node_at(url: &str, has_room: bool, answer: Result<u16, Fault>) -> NodeFacts {
    NodeFacts {
        url: url.into(),
        has_room,
        answer: Some(answer),
    }
}

/// A box that runs and is well.
fn well() -> Facts {
    Facts {
        settings: Ok(SettingsFacts {
            public_url: URL.into(),
            is_loopback: false,
            disk_used_max_percent: 95,
        }),
        files: vec![
            file("keys/node.secret", true, false, 0o600),
            file("keys", false, true, 0o700),
            file("foxhold.toml", false, false, 0o600),
        ],
        key_id: Ok("one".into()),
        next_kids: vec!["older".into()],
        secrets: Ok(2),
        now: Timestamp::from_secs(NOW),
        disk_used_percent: Ok(50),
        is_running: true,
        configuration: Ok(configuration(URL)),
        published_kids: Ok(vec!["older".into(), "one".into()]),
        nodes: Ok(vec![node_at(URL, true, Ok(200))]),
    }
}

#[test]
fn a_box_that_is_well_has_nothing_to_fix() {
    let found = all(&well());
    let checks: Vec<_> = found.iter().map(|finding| finding.check).collect();
    assert_eq!(
        checks,
        [
            "settings",
            "files",
            "key",
            "secrets",
            "clock",
            "disk",
            "running",
            "public_url",
            "clock_offset",
            "key_set",
            "node"
        ]
    );
    for finding in &found {
        assert_eq!(
            (finding.state, finding.fix.as_str()),
            (State::Ok, ""),
            "{finding:?}"
        );
    }
    assert_eq!(failures(&found), 0);
}

type Harm = fn(&mut Facts);

/// What is done to the box, which check finds it, how bad that is, and what the finding must name.
const HARMS: [(&str, Harm, &str, State, &str); 28] = [
    (
        "a setting",
        |facts| facts.settings = Err("`listen`: no\nfix: an address".into()),
        "settings",
        State::Fail,
        "an address",
    ),
    (
        "an open secret",
        |facts| facts.files[0].permissions = Permissions::Mode(0o644),
        "files",
        State::Fail,
        "chmod 600 keys/node.secret",
    ),
    (
        "a lost secret",
        |facts| facts.files[0].permissions = Permissions::Missing,
        "files",
        State::Fail,
        "backup",
    ),
    (
        "an open folder",
        |facts| facts.files[1].permissions = Permissions::Mode(0o755),
        "files",
        State::Warn,
        "chmod 700 keys",
    ),
    (
        "another passphrase",
        |facts| facts.key_id = Err("wrong passphrase".into()),
        "key",
        State::Fail,
        "same backup",
    ),
    (
        "no node secret",
        |facts| facts.secrets = Err("node.secret holds no secret".into()),
        "secrets",
        State::Fail,
        "foxhold token revoke",
    ),
    (
        "a clock of 1970",
        |facts| facts.now = Timestamp::from_secs(1000),
        "clock",
        State::Fail,
        "set-ntp",
    ),
    (
        "a filling disk",
        |facts| facts.disk_used_percent = Ok(93),
        "disk",
        State::Warn,
        "93 %",
    ),
    (
        "a full disk",
        |facts| facts.disk_used_percent = Ok(96),
        "disk",
        State::Fail,
        "above 95 %",
    ),
    (
        "an unseen disk",
        |facts| facts.disk_used_percent = Err("gone".into()),
        "disk",
        State::Warn,
        "gone",
    ),
    (
        "a stopped box",
        |facts| facts.is_running = false,
        "running",
        State::Warn,
        "foxhold up",
    ),
    (
        "nobody there",
        |facts| facts.configuration = Err(Fault::NoAnswer),
        "public_url",
        State::Fail,
        "firewall",
    ),
    (
        "a private authority",
        |facts| facts.configuration = Err(Fault::Identity),
        "public_url",
        State::Fail,
        "certificate",
    ),
    (
        "a proxy's page",
        |facts| {
            facts.configuration = Ok(Reply {
                status: 502,
                ..configuration(URL)
            })
        },
        "public_url",
        State::Fail,
        "502",
    ),
    (
        "another origin",
        |facts| facts.configuration = Ok(configuration("http://localhost:8000")),
        "public_url",
        State::Fail,
        "http://localhost:8000 (auth_server_base_url)",
    ),
    (
        "no TLS",
        |facts| {
            facts.settings.as_mut().unwrap().public_url = "http://sync.example.org".into();
            facts.configuration = Ok(configuration("http://sync.example.org"));
            facts.nodes = Ok(vec![node_at("http://sync.example.org", true, Ok(200))]);
        },
        "public_url",
        State::Warn,
        "without TLS",
    ),
    (
        "a clock that is slow",
        |facts| facts.now = Timestamp::from_secs(NOW - 11),
        "clock_offset",
        State::Warn,
        "11 s behind",
    ),
    (
        "a clock that is fast",
        |facts| facts.now = Timestamp::from_secs(NOW + 301),
        "clock_offset",
        State::Fail,
        "301 s ahead of",
    ),
    (
        "no keys",
        |facts| facts.published_kids = Err(Fault::Other("what answers is no key set".into())),
        "key_set",
        State::Fail,
        "no key set",
    ),
    (
        "a key that was not read",
        |facts| facts.next_kids = vec!["older".into(), "next".into()],
        "key_set",
        State::Warn,
        "restart",
    ),
    (
        "another box",
        |facts| facts.published_kids = Ok(vec!["other".into()]),
        "key_set",
        State::Fail,
        "our key one",
    ),
    (
        "a node out of service",
        |facts| facts.nodes.as_mut().unwrap()[0].answer = None,
        "node",
        State::Warn,
        "foxhold node enable",
    ),
    (
        "its own node deleted",
        |facts| facts.nodes.as_mut().unwrap()[0].url = "https://sync-2.example.org".into(),
        "own_node",
        State::Warn,
        "foxhold node create https://sync.example.org",
    ),
    (
        "a refusing node",
        |facts| facts.nodes.as_mut().unwrap()[0].answer = Some(Ok(401)),
        "node",
        State::Fail,
        "Host",
    ),
    (
        "a node elsewhere",
        |facts| facts.nodes.as_mut().unwrap()[0].answer = Some(Err(Fault::NoAnswer)),
        "node",
        State::Fail,
        "foxhold node disable https://sync.example.org",
    ),
    (
        "a broken node",
        |facts| facts.nodes.as_mut().unwrap()[0].answer = Some(Ok(503)),
        "node",
        State::Fail,
        "503",
    ),
    (
        "no room",
        |facts| facts.nodes.as_mut().unwrap()[0].has_room = false,
        "room",
        State::Fail,
        "capacity",
    ),
    (
        "no database",
        |facts| facts.nodes = Err("locked".into()),
        "node",
        State::Warn,
        "locked",
    ),
];

#[test]
fn each_harm_is_found_by_its_check_with_a_fix() {
    for (name, harm, check, state, named) in HARMS {
        let mut facts = well();
        harm(&mut facts);
        let found = all(&facts);
        let wrong: Vec<_> = found.iter().filter(|finding| finding.state > State::Ok).collect();
        // A clock of 1970 is far from everybody's, and nothing can be held against a key that does not open.
        let finding = wrong.iter().find(|finding| finding.check == check);
        let finding = finding.unwrap_or_else(|| panic!("{name}: {found:?}"));
        assert_eq!(finding.state, state, "{name}: {finding:?}");
        assert!(!finding.fix.is_empty(), "{name}");
        let told = format!("{} {}", finding.what, finding.fix);
        assert!(told.contains(named), "{name}: {told}");
        let follows = usize::from(matches!(name, "a clock of 1970" | "another passphrase"));
        assert_eq!(wrong.len(), 1 + follows, "{name}: {wrong:?}");
    }
}

#[test]
fn an_address_where_nobody_answers_is_no_node_to_make() {
    let mut facts = well();
    facts.configuration = Err(Fault::NoAnswer);
    facts.nodes.as_mut().unwrap()[0].url = "http://localhost:21012".into();
    let found = all(&facts);
    assert!(
        found.iter().all(|finding| finding.check != "own_node"),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|finding| finding.fix.contains("--public-url URL")),
        "{found:?}"
    );
}

#[test]
fn a_node_that_never_minds_the_disk_is_only_warned_of_it() {
    let mut facts = well();
    facts.settings.as_mut().unwrap().disk_used_max_percent = 100;
    facts.disk_used_percent = Ok(100);
    assert_eq!(disk(&facts).state, State::Warn);
}

#[test]
fn of_several_nodes_one_with_room_is_enough() {
    let mut facts = well();
    let full = node_at("https://full.example.org", false, Ok(200));
    facts.nodes.as_mut().unwrap().push(full);
    assert_eq!(failures(&all(&facts)), 0);
    assert_eq!(nodes(&facts).len(), 2);
}
