//! A log that is whole, all the ways to change one, crashes, and a disk that takes nothing.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    sync::{OnceLock, atomic::AtomicUsize},
};

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

/// A file that takes no byte more and can be cut, as on a disk that is full: it stands where no file may be longer.
fn full(path: &Path) -> fs::File {
    let mut file = fs::File::create(path).unwrap();
    let (mut last, mut end) = (0, 1 << 63);
    while end - last > 1 {
        let between = last + (end - last) / 2;
        if file.seek(SeekFrom::Start(between)).is_ok() {
            last = between;
        } else {
            end = between;
        }
    }
    file.seek(SeekFrom::Start(last)).unwrap();
    assert!(file.write(b"x").is_err() && file.set_len(0).is_ok());
    file
}

#[test]
fn a_disk_that_can_be_cut_and_not_written_is_not_mended() {
    let bench = Bench::new();
    let mut file = LogFile::open(&bench.folder(), &key(7), Vec::new(), NOW, &Still).unwrap();
    let good = file.replace(full(&bench.folder.path().join("full")));
    let (mut position, mut lines) = (file.position(), String::new());
    position.decided(&decision(1), &key(7), NOW, &mut lines);
    assert!(file.append(&lines, position).is_err());
    for _ in 0..2 {
        assert!(file.mend(&key(7), NOW).is_err());
    }
    file.replace(good);
    file.mend(&key(7), NOW).unwrap();
    drop(file);
    let report = bench.verify();
    assert_eq!((report.findings, report.range), (Vec::new(), Some((0, 1))));
}

#[test]
fn a_long_file_gets_a_successor() {
    let bench = Bench::new();
    let mut file = LogFile::open(&bench.folder(), &key(7), Vec::new(), NOW, &Still).unwrap();
    file.turn_page(&key(7), NOW).unwrap();
    assert_eq!(file::files(&bench.folder()).unwrap().len(), 1, "it is short");
    file.be_long();
    for _ in 0..2 {
        file.turn_page(&key(7), NOW).unwrap();
    }
    assert_eq!(file::files(&bench.folder()).unwrap().len(), 2);
    drop(file);
    let report = bench.verify();
    assert_eq!((report.findings, report.range), (Vec::new(), Some((0, 1))));
}

/// Nothing is written to a file that does not begin as every file does.
#[test]
fn a_successor_that_was_not_begun_is_begun_before_anything_else() {
    let bench = Bench::new();
    let mut file = LogFile::open(&bench.folder(), &key(7), Vec::new(), NOW, &Still).unwrap();
    let path = bench
        .folder()
        .join(format!("audit-{:020}.jsonl", file.position().next));
    file.turn_onto(full(&path));
    for _ in 0..2 {
        assert!(file.turn_page(&key(7), NOW).is_err());
    }
    file.replace(fs::OpenOptions::new().append(true).open(&path).unwrap());
    file.turn_page(&key(7), NOW).unwrap();
    let (mut position, mut lines) = (file.position(), String::new());
    position.decided(&decision(1), &key(7), NOW, &mut lines);
    file.append(&lines, position).unwrap();
    drop(file);
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.lines().next().unwrap().contains(r#""kind":"begin""#));
    assert_eq!(bench.verify().findings, []);
}

/// A clock that looks whether the log counts as being at work whenever it is asked.
#[derive(Default)]
struct Watching {
    state: OnceLock<Arc<State>>,
    asked: AtomicUsize,
    unwatched: AtomicUsize,
}

impl Clock for Watching {
    fn now(&self) -> Timestamp {
        if let Some(state) = self.state.get() {
            let is_watched = state.writing_since.lock().unwrap().is_some();
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.unwatched
                .fetch_add(usize::from(!is_watched), Ordering::SeqCst);
        }
        NOW
    }
}

/// A disk that hangs is noticed wherever it does: writing records, and heads.
#[tokio::test]
async fn all_that_is_written_is_watched() {
    let bench = Bench::new();
    let clock = Arc::new(Watching::default());
    let file = LogFile::open(&bench.folder(), &key(7), Vec::new(), NOW, &Still).unwrap();
    let log = AuditLog::start(file, key(7), Arc::clone(&clock) as _).unwrap();
    assert!(clock.state.set(Arc::clone(&log.state)).is_ok());
    log.record(by(), decision(1)).await.unwrap();
    log.end().await;
    assert_eq!(
        clock.asked.load(Ordering::SeqCst),
        2,
        "for the record, and for the head"
    );
    assert_eq!(clock.unwatched.load(Ordering::SeqCst), 0);
    assert!(!log.state.is_stalled());
}

#[test]
fn heads_are_signed_in_time_and_one_that_fails_not_with_each_record() {
    let (soon, second, minute) = (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(60));
    let table = [
        ("nothing new", 0, minute, false, false),
        ("few", 999, soon, false, false),
        ("few, for long", 1, minute, false, true),
        ("many", 1000, soon, false, true),
        ("many, after a failure", 5000, soon, true, false),
        ("many, a second after a failure", 1000, second, true, true),
        ("few, a second after a failure", 999, second, true, false),
    ];
    for (name, new, since, failed, expected) in table {
        assert_eq!(writer::head_is_due(new, since, failed), expected, "{name}");
    }
}

/// What is given as kept heads vouches for something, or is told to be something else.
#[tokio::test]
async fn a_file_of_kept_heads_without_a_head_is_a_finding() {
    let bench = Bench::new().with_records(3).await;
    let head = fs::read_to_string(bench.folder().join(file::CHECKPOINTS)).unwrap();
    let pretty = serde_json::from_str::<Value>(&head).unwrap();
    let table = [
        ("as it was fetched", head.clone(), 0, 1),
        ("twice, and an empty line", format!("{head}\n\r\n{head}"), 0, 2),
        ("empty", String::new(), 1, 0),
        ("blank", "\n \n".to_owned(), 1, 0),
        ("with headers", format!("HTTP/1.1 200 OK\r\n\r\n{head}"), 1, 1),
        (
            "over several lines",
            serde_json::to_string_pretty(&pretty).unwrap(),
            8,
            0,
        ),
        ("cut", head[..head.len() / 2].to_owned(), 2, 0),
        ("of another kind", "{}\n".to_owned(), 2, 0),
    ];
    let kept = bench.folder.path().join("kept.jsonl");
    for (name, text, findings, heads) in table {
        fs::write(&kept, text).unwrap();
        let report = verify(
            &bench.folder(),
            Some(key(7).public()),
            std::slice::from_ref(&kept),
        )
        .unwrap();
        assert_eq!(report.findings.len(), findings, "{name}: {report:?}");
        assert_eq!((report.kept_heads, report.heads), (heads, heads + 1), "{name}");
    }
}

#[tokio::test]
async fn only_the_very_end_may_be_half_a_line() {
    let bench = Bench::new().with_records(3).await;
    let whole = fs::read(bench.file()).unwrap();
    let long = vec![b'x'; 65_536];
    let lines = String::from_utf8(whole.clone()).unwrap();
    let (first, rest) = lines.split_once('\n').unwrap();
    let table = [
        ("a line cut off", [&whole[..], b"{\"seq\""].concat(), 0, true),
        (
            "as long as what is read at once, in the middle",
            [first.as_bytes(), b"\n", &long, rest.as_bytes()].concat(),
            1,
            false,
        ),
        (
            "much at the end",
            [&whole[..], &long, &long, b"x"].concat(),
            2,
            true,
        ),
    ];
    for (name, bytes, findings, ends_inside) in table {
        fs::write(bench.file(), bytes).unwrap();
        let report = bench.verify();
        assert_eq!(report.findings.len(), findings, "{name}: {report:?}");
        assert_eq!(report.ends_inside_a_line, ends_inside, "{name}");
    }
}

#[tokio::test]
async fn no_number_follows_the_last() {
    let bench = Bench::new().with_records(1).await;
    let last = format!(
        r#"{{"seq":{},"time":1,"log":"5a5a5a5a5a5a5a5a","kind":"begin","previous":"{}""#,
        u64::MAX,
        "0".repeat(64)
    );
    let hash = hex::encode(&foxhold_crypto::mac::sha256(&[last.as_bytes()]));
    let last = format!(r#"{last},"hash":"{hash}"}}"#);
    bench.write(&[last.clone(), last]);
    assert!(!bench.verify().findings.is_empty());
    let refused = AuditLog::open(&bench.folder(), key(7), &[], Arc::new(Still), &Still).err();
    assert!(
        matches!(refused, Some(AuditError::Open(OpenError::Changed(_)))),
        "{refused:?}"
    );
}

#[test]
fn a_key_that_signs_before_it_was_published_for_a_day_is_told() {
    let bench = Bench::new();
    let hours = |count: u64| NOW.plus(Duration::from_secs(count * 3600));
    let start = |kids: &[&str], at: Timestamp| {
        let kids = kids.iter().map(|kid| (*kid).to_owned()).collect();
        LogFile::open(&bench.folder(), &key(7), kids, at, &Still).unwrap();
    };
    start(&["first"], NOW);
    start(&["first", "in time"], hours(5));
    start(&["first", "in time", "late"], hours(6));
    let turns = [
        ("first", Timestamp::default()),
        ("in time", hours(29)),
        ("late", hours(29)),
    ];
    let turns: Vec<_> = turns.map(|(kid, turn)| (kid.to_owned(), turn)).into();
    for (now, expected) in [
        (6, vec!["late"]),
        (29, vec!["late"]),
        (52, vec!["late"]),
        (53, vec![]),
    ] {
        let early = published::too_early(&bench.folder(), &turns, hours(now)).unwrap();
        let early: Vec<_> = early.iter().map(|(kid, _)| kid.as_str()).collect();
        assert_eq!(early, expected, "after {now} hours");
    }
    start(&["first", "never seen"], hours(30));
    let turns = [("never seen".to_owned(), hours(30))];
    let early = published::too_early(&bench.folder(), &turns, hours(30)).unwrap();
    assert_eq!(early.len(), 1, "its turn had come when it came");
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
