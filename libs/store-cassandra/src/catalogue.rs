//! A test of all statements at once: each table is written in one way only (`security.md` D.1.1), by statements that say
//! so, and each table of the schema is used.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    accounts,
    assignments::table::{AssignmentReads, AssignmentWrites},
    audit,
    cql::{Discipline, Entry},
    jobs::TurnStatements,
    migrate::{Migration, ProcessStatements},
    openid::{OpenIdReads, OpenIdWrites},
    outbox,
    placement::table::{PlacementReads, PlacementWrites},
    probe::ProbeStatements,
    uids::UidStatements,
};

/// The table that operators change, with statements of the moment.
const OF_OPERATORS: &str = "regions";

/// Tables of which an audit reads nothing by statements of its own, and why nothing is forgotten by that.
const NOT_AUDITED: &[(&str, &str)] = &[
    (
        "codes",
        "they end within minutes, whatever has become of their account",
    ),
    ("deployment", "its one row is compared by whoever connects"),
    (
        "device_commands",
        "removed with their device, by the writer's statements; what is left ends within 30 days",
    ),
    ("invitations", "each stands for itself, and ends"),
    ("job_turns", "turns end by themselves"),
    (
        "lease_slots",
        "looked at with their lease, by the placement's statements",
    ),
    ("oauth_clients", "each stands for itself"),
    ("outbox_mails", "mail ends within a day"),
    ("outbox_waiting", "mail ends within a day"),
    ("processes", "reports of processes, which end"),
    ("regions", "operators change it, and look at it"),
    (
        "session_accesses",
        "removed with their account, by the writer's statements; what is left opens nothing, and ends within half a year",
    ),
];

/// Every set of statements of this crate.
fn sets() -> Vec<Vec<Entry>> {
    let accounts = accounts::catalogue().map(<[Entry]>::to_vec);
    let others = [
        AssignmentReads::CATALOGUE.to_vec(),
        AssignmentWrites::CATALOGUE.to_vec(),
        audit::catalogue(),
        OpenIdReads::CATALOGUE.to_vec(),
        OpenIdWrites::CATALOGUE.to_vec(),
        PlacementReads::CATALOGUE.to_vec(),
        PlacementWrites::CATALOGUE.to_vec(),
        outbox::catalogue()[0].to_vec(),
        outbox::catalogue()[1].to_vec(),
        ProbeStatements::CATALOGUE.to_vec(),
        ProcessStatements::CATALOGUE.to_vec(),
        TurnStatements::CATALOGUE.to_vec(),
        UidStatements::CATALOGUE.to_vec(),
    ];
    accounts.into_iter().chain(others).collect()
}

fn catalogue() -> Vec<Entry> {
    sets().concat()
}

/// The word after any of these names the table.
fn table(entry: &Entry) -> &'static str {
    let words: Vec<_> = entry.cql.split_whitespace().collect();
    let first = words.first().expect("a statement has words");
    let before = match *first {
        "SELECT" | "DELETE" => "FROM",
        "INSERT" => "INTO",
        "UPDATE" => "UPDATE",
        other => panic!("{}: what does {other} do?", entry.name),
    };
    let at = words.iter().position(|word| *word == before);
    words[at.expect("a table") + 1]
}

fn has(entry: &Entry, wanted: &str) -> bool {
    let words: Vec<_> = entry.cql.split_whitespace().collect();
    let wanted: Vec<_> = wanted.split(' ').collect();
    words.windows(wanted.len()).any(|words| words == wanted)
}

#[test]
fn every_table_is_written_in_one_way() {
    let mut ways: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in catalogue() {
        let way = match entry.discipline {
            Discipline::Read => continue,
            Discipline::Plain => "plain",
            Discipline::Conditional => "conditional",
            Discipline::Regional => "conditional within a region",
        };
        ways.entry(table(&entry)).or_default().insert(way);
    }
    for (table, ways) in &ways {
        assert_eq!(ways.len(), 1, "{table}: {ways:?}");
    }
    assert!(ways.len() > 5, "{ways:?}");
}

#[test]
fn every_statement_says_how_it_writes() {
    for entry in catalogue() {
        let name = entry.name;
        let (condition, timestamp) = (has(&entry, "IF"), has(&entry, "USING TIMESTAMP"));
        match (entry.discipline, entry.member) {
            (Discipline::Read, _) => {
                assert!(entry.cql.starts_with("SELECT "), "{name}");
                assert!(!has(&entry, "ALLOW FILTERING"), "{name}");
            }
            (Discipline::Plain, _) => assert!(timestamp && !condition, "{name}"),
            (_, false) => assert!(condition && !timestamp, "{name}"),
            (_, true) => assert!(!condition && !timestamp, "{name}"),
        }
        assert!(
            entry.discipline == Discipline::Read || !entry.cql.starts_with("SELECT"),
            "{name}"
        );
        // The session names the keyspace; a name in the statement would be that of one deployment.
        assert!(
            !table(&entry).contains('.') || table(&entry).starts_with("system."),
            "{name}"
        );
    }
}

/// Every table that a migration makes.
fn tables_of_the_schema() -> BTreeSet<String> {
    let migrations = Migration::all();
    let statements = migrations.iter().flat_map(|migration| &migration.statements);
    let made = statements.filter_map(|statement| {
        let words: Vec<_> = statement.split(|c: char| c.is_whitespace() || c == '(').collect();
        match words[..] {
            ["CREATE", "TABLE", "IF", "NOT", "EXISTS", table, ..] => Some(table.to_owned()),
            _ => None,
        }
    });
    made.collect()
}

#[test]
fn every_table_of_the_schema_is_used() {
    let used: BTreeSet<_> = catalogue().iter().map(table).collect();
    let tables = tables_of_the_schema();
    for table in &tables {
        assert!(
            used.contains(table.as_str()) || table == OF_OPERATORS,
            "{table} is made and never used"
        );
    }
    assert!(tables.len() > 10, "{tables:?}");
}

/// A table that comes later is the audit's, or stands among these.
#[test]
fn every_table_of_the_schema_is_audited_or_named_with_the_reason_why_not() {
    let entries = audit::catalogue();
    let audited: BTreeSet<_> = entries.iter().map(|entry| table(entry).to_owned()).collect();
    let not_audited: BTreeSet<_> = NOT_AUDITED.iter().map(|(table, _)| (*table).to_owned()).collect();
    let both: Vec<_> = audited.intersection(&not_audited).collect();
    assert!(both.is_empty(), "audited after all: {both:?}");
    let named: BTreeSet<_> = audited.union(&not_audited).cloned().collect();
    assert_eq!(named, tables_of_the_schema());
}

/// Sets are declared where they are used; here they have to be named.
#[test]
fn every_set_stands_in_the_catalogue() {
    let mut declared = 0;
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(path).unwrap();
                declared += text.lines().filter(|line| *line == "statements! {").count();
            }
        }
    }
    assert_eq!(declared, sets().len());
}
