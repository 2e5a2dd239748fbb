//! A log that is whole, all the ways to change one, crashes, and a disk that takes nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use foxhold_core::hex;
use serde_json::Value;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

struct Still;
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}
impl Random for Still {
    fn fill(&self, dest: &mut [u8]) {
        dest.fill(0x5a);
    }
}

fn key(byte: u8) -> AuditKey {
    AuditKey::new(&Secret::new([byte; 32]))
}

fn by() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn decision(number: u8) -> Decision {
    Decision {
        kind: Kind::AccessToken,
        kid: "k-1".into(),
        caller: Some("spiffe://fox.test/one/webhead".into()),
        request: Some(RequestId::from_bytes([number; 8])),
        uid: Uid::from_bytes([!number; 16]),
        client_key: None,
        outcome: Outcome::Signed {
            of: [number; 32],
            issued_at: NOW,
            expires: NOW.plus(Duration::from_secs(60)),
        },
    }
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn open(&self) -> AuditLog {
        AuditLog::open(&self.folder(), key(7), &[], Arc::new(Still), &Still).unwrap()
    }

    /// Records numbered on from those before, in one opening.
    async fn with_records(self, count: u8) -> Self {
        let log = self.open();
        for number in 0..count {
            log.record(by(), decision(number)).await.unwrap();
        }
        log.end().await;
        self
    }

    fn file(&self) -> PathBuf {
        file::files(&self.folder()).unwrap().remove(0)
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.file(), lines.join("\n") + "\n").unwrap();
    }

    fn verify(&self) -> Report {
        verify(&self.folder(), Some(key(7).public()), &[]).unwrap()
    }
}

#[tokio::test]
async fn what_is_recorded_can_be_verified_and_names_nobody() {
    let bench = Bench::new();
    let log = bench.open();
    assert_eq!(log.checkpoint(), None);
    assert_eq!(log.record(by(), decision(1)).await, Ok(1), "0 is the beginning");
    let refused = Decision {
        kind: Kind::Certificate,
        client_key: Some([9; 32]),
        outcome: Outcome::Refused("email"),
        ..decision(2)
    };
    assert_eq!(log.record(by(), refused).await, Ok(2));
    assert!(log.works());
    log.end().await;
    assert!(log.checkpoint().is_some(), "a last head is signed");
    assert_eq!(log.record(by(), decision(3)).await, Err(Cause::Unavailable));

    let lines = bench.lines();
    let read: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read[0]["kind"], "begin");
    assert_eq!(read[0]["public_key"], hex::encode(&key(7).public()));
    let signed = &read[1];
    assert_eq!(
        (&signed["seq"], &signed["kind"]),
        (&1.into(), &"access_token".into())
    );
    assert_eq!(signed["signed"], "01".repeat(32));
    assert_eq!(signed["caller"], "spiffe://fox.test/one/webhead");
    assert_eq!(signed["request"], "01".repeat(8));
    assert_eq!(
        signed["account"],
        hex::encode(&key(7).pseudonym(Uid::from_bytes([!1; 16])))
    );
    assert_eq!(
        (&signed["iat"], &signed["result"]),
        (&NOW.as_millis().into(), &"signed".into())
    );
    assert_eq!(read[2]["refused"], "email");
    assert_eq!(read[2]["client_key"], "09".repeat(32));
    assert!(!lines.concat().contains(&Uid::from_bytes([!1; 16]).to_string()));
    let mode = fs::metadata(bench.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let report = bench.verify();
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.range, report.signed, report.refused),
        (Some((0, 2)), 1, 1)
    );
    assert_eq!((report.heads, report.vouched_to), (1, Some(2)));
}

#[tokio::test]
async fn many_at_once_share_their_writes_and_keep_one_chain() {
    let bench = Bench::new();
    let log = Arc::new(bench.open());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let log = Arc::clone(&log);
        tasks.spawn(async move { log.record(by(), decision(number)).await.unwrap() });
    }
    let mut numbers = tasks.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    log.end().await;
    let report = bench.verify();
    assert_eq!((report.findings.len(), report.signed), (0, 200));
}

/// Everything that can be done to the file. The chain tells, or a head that was signed before.
#[tokio::test]
async fn no_change_goes_unnoticed() {
    type Change = fn(&mut Vec<String>);
    let table: [(&str, Change); 10] = [
        ("a digit", |lines| {
            lines[3] = lines[3].replace("\"seq\":3", "\"seq\":4")
        }),
        ("a result", |lines| {
            lines[4] = lines[4].replace("signed\"", "refused\"")
        }),
        ("a blank", |lines| lines[4] = lines[4].replacen(',', ", ", 1)),
        ("a member more", |lines| {
            lines[4] = lines[4].replacen('{', "{\"a\":1,", 1)
        }),
        ("taken out", |lines| drop(lines.remove(5))),
        ("put in twice", |lines| lines.insert(5, lines[5].clone())),
        ("swapped", |lines| lines.swap(5, 6)),
        ("no JSON", |lines| lines[5] = "x".into()),
        ("the first line away", |lines| drop(lines.remove(0))),
        ("cut off at the end", |lines| lines.truncate(7)),
    ];
    let bench = Bench::new().with_records(10).await;
    let whole = bench.lines();
    for (name, change) in table {
        let mut lines = whole.clone();
        change(&mut lines);
        bench.write(&lines);
        assert!(!bench.verify().findings.is_empty(), "{name}");
    }
    bench.write(&whole);
    assert_eq!(bench.verify().findings, []);
}

/// Whoever can write the folder can write a log that fits together; a head that is kept elsewhere tells.
#[tokio::test]
async fn a_log_that_was_written_anew_does_not_fit_the_heads_that_were_kept() {
    let bench = Bench::new().with_records(5).await;
    let kept = bench.folder.path().join("kept.jsonl");
    fs::copy(bench.folder().join(file::CHECKPOINTS), &kept).unwrap();
    fs::remove_dir_all(bench.folder()).unwrap();
    let bench = bench.with_records(3).await;
    assert_eq!(bench.verify().findings, [], "by itself it is good");
    let report = verify(
        &bench.folder(),
        Some(key(7).public()),
        std::slice::from_ref(&kept),
    )
    .unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(report.findings[0].what.contains("cut off"));
    // With another key it cannot even sign heads of its own.
    let report = verify(&bench.folder(), Some(key(8).public()), &[]).unwrap();
    assert!(report.findings[0].what.contains("not signed"), "{report:?}");
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended() {
    let bench = Bench::new().with_records(3).await.with_records(2).await;
    let report = bench.verify();
    assert_eq!((report.findings.len(), report.signed), (0, 5));
    assert_eq!(report.range, Some((0, 6)), "each start is a line");
    assert_eq!(report.heads, 2);
}

#[tokio::test]
async fn half_a_line_is_taken_away_and_a_changed_end_is_refused() {
    let bench = Bench::new().with_records(3).await;
    let whole = fs::read(bench.file()).unwrap();
    fs::write(bench.file(), [&whole[..], b"{\"seq\":4,\"ti"].concat()).unwrap();
    assert!(bench.verify().ends_inside_a_line);
    assert_eq!(bench.verify().findings, []);
    let bench = bench.with_records(1).await;
    assert_eq!(bench.verify().findings, []);
    assert!(!bench.verify().ends_inside_a_line);

    let changed = String::from_utf8(whole)
        .unwrap()
        .replace("\"seq\":3", "\"seq\":9");
    fs::write(bench.file(), changed).unwrap();
    let refused = AuditLog::open(&bench.folder(), key(7), &[], Arc::new(Still), &Still).err();
    assert!(
        matches!(refused, Some(AuditError::Open(OpenError::Changed(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_folder_has_one_writer() {
    let bench = Bench::new();
    let first = bench.open();
    let second = AuditLog::open(&bench.folder(), key(7), &[], Arc::new(Still), &Still).err();
    assert!(
        matches!(second, Some(AuditError::Open(OpenError::InUse(_)))),
        "{second:?}"
    );
    first.end().await;
    drop(first);
    bench.open().end().await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_stops_it_until_it_does_again() {
    let bench = Bench::new();
    let mut file = LogFile::open(&bench.folder(), &key(7), Vec::new(), NOW, &Still).unwrap();
    let good = file.replace(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let (mut position, mut lines) = (file.position(), String::new());
    position.decided(&decision(1), &key(7), NOW, &mut lines);
    assert!(file.append(&lines, position).is_err());
    assert_ne!(file.position(), position, "it is where it was");
    file.replace(good);
    file.append(&lines, position).unwrap();
    drop(file);
    assert_eq!(bench.verify().signed, 1);
    assert_eq!(bench.verify().findings, []);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_answered_as_written() {
    let bench = Bench::new();
    let log = broken(&bench.folder());
    assert_eq!(log.record(by(), decision(1)).await, Err(Cause::Unavailable));
    assert!(!log.works());
    log.end().await;
    assert_eq!(bench.verify().signed, 0);
}

/// A log whose disk is full.
pub(crate) fn broken(folder: &Path) -> AuditLog {
    let mut file = LogFile::open(folder, &key(7), Vec::new(), NOW, &Still).unwrap();
    file.replace(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    AuditLog::start(file, key(7), Arc::new(Still)).unwrap()
}
