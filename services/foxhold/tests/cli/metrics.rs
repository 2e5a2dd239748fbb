//! What a box counts, as an operator's Prometheus reads it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use foxhold_runtime::metrics::scraped;

use super::support::Up;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a request without a body, and reads the answer to its end.
fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    answer
}

/// What an operator sees, once the box has looked after its node.
fn scrape_with_nodes(up: &Up) -> String {
    let private = up.private.to_string();
    let began = Instant::now();
    loop {
        let answer = ask(&private, "/metrics");
        let (head, text) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        if text.contains("foxhold_token_node_load_slots{") {
            return text.to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "nodes are looked after at the start");
    }
}

#[test]
fn a_box_tells_what_it_counts_on_its_private_side_only() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["up", "--data", "box"]);
    let address = up.address();
    for path in ["/1.0/sync/1.5", "/1.5/4242424/info/collections", "/__heartbeat__"] {
        ask(&address, path);
    }
    assert!(!ask(&address, "/metrics").contains("foxhold_build_info"));
    let text = scrape_with_nodes(&up);
    let samples = scraped::read(&text).expect("all of it is on the list");
    let of_service = ("service", "sync-1.5");
    for (name, label) in [
        ("foxhold_build_info", ("role", "up")),
        ("foxhold_http_requests_total", ("route", "/1.0/{app}/{version}")),
        ("foxhold_http_requests_total", ("route", "/info/collections")),
        ("foxhold_token_exchanges_total", of_service),
        ("foxhold_token_node_capacity_slots", of_service),
        ("foxhold_storage_auth_failures_total", ("reason", "header")),
    ] {
        assert!(
            scraped::sum(&samples, name, &[label]) >= 1.0,
            "{name} {label:?}\n{text}"
        );
    }
    assert!(text.contains("foxhold_key_age_seconds"), "{text}");
    // In the labels: a value may have any digits.
    let mut labels = samples.iter().flat_map(|sample| sample.labels.values());
    assert!(labels.all(|label| !label.contains("4242424")), "{text}");
    assert_eq!(up.interrupt().code, Some(0));
}

#[test]
fn a_box_that_is_hung_up_on_looks_at_its_file_again_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path(), &["up", "--data", "box"]);
    let file = folder.path().join("box/foxhold.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let new = file.with_extension("new");
    std::fs::write(&new, format!("log = {{ level = \"loud\" }}\n{text}")).unwrap();
    std::fs::rename(&new, &file).unwrap();
    let hung_up = Command::new("kill")
        .args(["-HUP", &up.process.id().to_string()])
        .status();
    assert!(hung_up.unwrap().success());
    let private = up.private.to_string();
    let began = Instant::now();
    let failures = |part| format!("foxhold_config_reload_failures_total{{part=\"{part}\"}} 1\n");
    loop {
        let answer = ask(&private, "/metrics");
        if ["log_level", "limits", "registration"]
            .iter()
            .all(|part| answer.contains(&failures(part)))
        {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
    }
    assert!(ask(&up.address(), "/__heartbeat__").starts_with("HTTP/1.1 200"));
    let ran = up.interrupt();
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("`log.level`"), "{}", ran.err);
}
