//! How much memory the body of a POST may take while it is read. A process of its own: it looks at its own peak.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use foxhold_sync::storage::{BodyFormat, CollectionName, Limits, parse_upload};

/// The most memory this process has had so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_body_of_tiny_elements_takes_a_small_multiple_of_its_length() {
    let limits = Limits::default();
    let collection = CollectionName::parse("c").unwrap();
    let len_max = usize::try_from(limits.max_request_bytes).unwrap();
    let mut records = String::from("[");
    for n in 0.. {
        if records.len() > len_max - 32 {
            break;
        }
        let comma = if n == 0 { "" } else { "," };
        write!(records, "{comma}{{\"id\":\"{n:x}\"}}").unwrap();
    }
    records.push(']');
    let nested = format!("[{}0]", "[0],".repeat(len_max / 4 - 1));
    let before = peak();
    let upload = parse_upload(records.as_bytes(), BodyFormat::Json, &collection, &limits).unwrap();
    assert_eq!(upload.accepted.len(), 100);
    assert!(upload.failed.len() > 100_000);
    drop(upload);
    assert!(parse_upload(nested.as_bytes(), BodyFormat::Json, &collection, &limits).is_err());
    let grown = peak() - before;
    assert!(grown < 16 * len_max, "{grown} bytes for a body of {len_max}");
}
