//! The numbered files of the schema: what kind each is, its statements, and the form in which a statement may be put
//! again after a crash. Pure.
//!
//! Must stay true: a file that was released never changes; a statement is repeatable, so no record of single statements
//! is needed.

use foxhold_core::hex;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What may be done with a file while older versions run (`ecosystem.md` 3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adds something older versions do not know: any time.
    Expand,
    /// Takes something away that older versions need: when none of them runs.
    Contract,
}

impl Kind {
    /// As it stands in the file and in the `migrations` table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Expand, Self::Contract]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number: files are applied in this order, without gaps.
    pub number: u32,
    /// What it is about, as in its name.
    pub name: String,
    /// Whether older versions may run meanwhile.
    pub kind: Kind,
    /// SHA-256 of its text, in hex.
    pub checksum: String,
    /// Its statements, as they are put.
    pub statements: Vec<String>,
}

/// A file that cannot be used. Never in a release: a test reads all of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileError {
    /// Not `NNNN_words.cql`.
    #[error("{0}: not named as in 0001_accounts.cql")]
    Name(String),
    /// The first line does not say what it is.
    #[error("{0}: the first line is neither `-- foxhold: expand` nor `-- foxhold: contract`")]
    Kind(String),
    /// A statement that cannot be repeated, or takes something away in a file that only adds.
    #[error("{0}: cannot be put in a file of this kind: {1}")]
    Statement(String, String),
    /// Text that does not end.
    #[error("{0}: a quoted text or a comment does not end")]
    Unfinished(String),
}

/// The files of this version.
const EMBEDDED: &[(&str, &str)] = &[
    (
        "0001_deployment.cql",
        include_str!("../../schema/0001_deployment.cql"),
    ),
    (
        "0002_accounts.cql",
        include_str!("../../schema/0002_accounts.cql"),
    ),
    (
        "0003_assignments.cql",
        include_str!("../../schema/0003_assignments.cql"),
    ),
    (
        "0004_processes.cql",
        include_str!("../../schema/0004_processes.cql"),
    ),
    (
        "0005_passwords.cql",
        include_str!("../../schema/0005_passwords.cql"),
    ),
    ("0006_guards.cql", include_str!("../../schema/0006_guards.cql")),
    ("0007_outbox.cql", include_str!("../../schema/0007_outbox.cql")),
    ("0008_openid.cql", include_str!("../../schema/0008_openid.cql")),
    (
        "0009_device_commands.cql",
        include_str!("../../schema/0009_device_commands.cql"),
    ),
    (
        "0010_invitations.cql",
        include_str!("../../schema/0010_invitations.cql"),
    ),
    (
        "0011_disabled_accounts.cql",
        include_str!("../../schema/0011_disabled_accounts.cql"),
    ),
    (
        "0012_used_tokens.cql",
        include_str!("../../schema/0012_used_tokens.cql"),
    ),
    (
        "0013_last_access.cql",
        include_str!("../../schema/0013_last_access.cql"),
    ),
];

/// The number of this version's last file: what its processes report.
#[must_use]
pub fn latest() -> u32 {
    u32::try_from(EMBEDDED.len()).expect("there are a handful")
}

impl Migration {
    /// All files of this version, in order.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let read = |(name, text): &(&str, &str)| Self::read(name, text);
        let all: Result<_, _> = EMBEDDED.iter().map(read).collect();
        all.expect("a test has read them all")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn read(file: &str, text: &str) -> Result<Self, FileError> {
        let (number, name) = numbered(file).ok_or_else(|| FileError::Name(file.to_owned()))?;
        let kind = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("-- foxhold: "))
            .and_then(|kind| Kind::from_name(kind.trim()))
            .ok_or_else(|| FileError::Kind(file.to_owned()))?;
        let statements = split(text).ok_or_else(|| FileError::Unfinished(file.to_owned()))?;
        let repeatable = |statement: String| {
            repeatable(&statement, kind).ok_or_else(|| FileError::Statement(file.to_owned(), statement))
        };
        Ok(Self {
            number,
            name: name.to_owned(),
            kind,
            checksum: hex::encode(&Sha256::digest(text)),
            statements: statements.into_iter().map(repeatable).collect::<Result<_, _>>()?,
        })
    }

    /// The tables it makes.
    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().filter_map(|statement| {
            let name = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
            name.split_whitespace().next()
        })
    }
}

/// `0002_accounts.cql` is number 2, called `accounts`.
fn numbered(file: &str) -> Option<(u32, &str)> {
    let (number, name) = file.strip_suffix(".cql")?.split_once('_')?;
    let number: u32 = (number.len() == 4).then(|| number.parse().ok()).flatten()?;
    (number > 0 && !name.is_empty()).then_some((number, name))
}

/// The statements of a text, each on one line, without comments.
fn split(text: &str) -> Option<Vec<String>> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix("//")) {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            statement.push(' ');
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
            statement.push(' ');
        } else if first == '\'' || first == '"' {
            // A doubled quote is two quoted texts side by side, which comes to the same.
            let end = rest[1..].find(first)? + 2;
            statement.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            rest = &rest[first.len_utf8()..];
            match first {
                ';' => statements.push(std::mem::take(&mut statement)),
                space if space.is_whitespace() => statement.push(' '),
                other => statement.push(other),
            }
        }
    }
    statements.push(statement);
    let on_one_line = |statement: &String| statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let statements = statements.iter().map(on_one_line);
    Some(statements.filter(|statement| !statement.is_empty()).collect())
}

/// How each kind of statement begins, and how it begins when it may be put again. Cassandra's dialect: ScyllaDB knows no
/// `IF [NOT] EXISTS` for columns.
const FORMS: &[(&str, &str, Kind)] = &[
    ("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", Kind::Expand),
    ("CREATE TYPE", "CREATE TYPE IF NOT EXISTS", Kind::Expand),
    ("DROP TABLE", "DROP TABLE IF EXISTS", Kind::Contract),
    ("DROP TYPE", "DROP TYPE IF EXISTS", Kind::Contract),
];

fn repeatable(statement: &str, kind: Kind) -> Option<String> {
    let allowed = |needed: Kind| needed == Kind::Expand || kind == Kind::Contract;
    for (plain, safe, needed) in FORMS {
        if let Some(rest) = statement.strip_prefix(plain) {
            return (rest.starts_with(' ') && !rest.starts_with(" IF ") && allowed(*needed))
                .then(|| format!("{safe}{rest}"));
        }
    }
    let rest = statement.strip_prefix("ALTER TABLE ")?;
    let (table, change) = rest.split_once(' ')?;
    if change.starts_with("WITH ") {
        return Some(statement.to_owned());
    }
    let (word, safe, needed) = [
        ("ADD ", "ADD IF NOT EXISTS", Kind::Expand),
        ("DROP ", "DROP IF EXISTS", Kind::Contract),
    ]
    .into_iter()
    .find(|(word, _, _)| change.starts_with(word))?;
    let columns = &change[word.len()..];
    (allowed(needed) && !columns.starts_with("IF ")).then(|| format!("ALTER TABLE {table} {safe} {columns}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_files_can_be_read_and_are_numbered_without_gaps() {
        let all = Migration::all();
        let numbers: Vec<u32> = all.iter().map(|file| file.number).collect();
        assert_eq!(numbers, (1..=latest()).collect::<Vec<_>>());
        assert!(all.iter().all(|file| !file.statements.is_empty()));
        let tables: Vec<_> = all.iter().flat_map(Migration::tables).collect();
        for table in ["deployment", "regions", "accounts", "placement", "processes"] {
            assert!(tables.contains(&table), "{table} of {tables:?}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let embedded: Vec<_> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, embedded);
    }

    #[test]
    fn statements_are_told_apart_by_semicolons_outside_of_texts_and_comments() {
        let text = "-- one; two\nCREATE TABLE a (\n  b int, -- it's; b\n  c text\n) WITH comment = 'x;  --y''z';\n\
                    /* ; */ DROP TABLE \"q;\" ; // ;\n";
        assert_eq!(
            split(text).unwrap(),
            [
                // What stands in a text is kept, but for runs of spaces, which no statement of ours has there.
                "CREATE TABLE a ( b int, c text ) WITH comment = 'x; --y''z'",
                "DROP TABLE \"q;\""
            ]
        );
        assert_eq!(split("CREATE TABLE 'a"), None);
        assert_eq!(split("/* a"), None);
    }

    #[test]
    fn a_statement_is_put_so_that_it_may_be_put_again_or_not_at_all() {
        let table = [
            (
                "CREATE TABLE a (b int)",
                Some("CREATE TABLE IF NOT EXISTS a (b int)"),
                true,
            ),
            (
                "ALTER TABLE a ADD b int",
                Some("ALTER TABLE a ADD IF NOT EXISTS b int"),
                true,
            ),
            (
                "ALTER TABLE a WITH comment = 'ADD '",
                Some("ALTER TABLE a WITH comment = 'ADD '"),
                true,
            ),
            (
                "ALTER TABLE a DROP b",
                Some("ALTER TABLE a DROP IF EXISTS b"),
                false,
            ),
            ("DROP TABLE a", Some("DROP TABLE IF EXISTS a"), false),
            ("DROP KEYSPACE a", None, false),
            ("ALTER TABLE a RENAME b TO c", None, false),
            ("TRUNCATE a", None, false),
            ("INSERT INTO a (b) VALUES (1)", None, false),
            ("CREATE INDEX ON a (b)", None, false),
            ("CREATE TABLE IF NOT EXISTS a (b int)", None, false),
        ];
        for (statement, expected, expands) in table {
            let expected = expected.map(str::to_owned);
            assert_eq!(repeatable(statement, Kind::Contract), expected, "{statement}");
            let expected = expected.filter(|_| expands);
            assert_eq!(repeatable(statement, Kind::Expand), expected, "{statement}");
        }
    }

    #[test]
    fn a_file_says_its_number_and_kind() {
        let read = |name: &str, text: &str| Migration::read(name, text);
        let good = read("0012_less.cql", "-- foxhold: contract\nDROP TABLE a;").unwrap();
        assert_eq!(
            (good.number, good.name.as_str(), good.kind),
            (12, "less", Kind::Contract)
        );
        assert_eq!(good.checksum.len(), 64);
        for name in [
            "12_less.cql",
            "0000_less.cql",
            "0012.cql",
            "0012_.cql",
            "0012_less.sql",
            "001x_a.cql",
        ] {
            let refused = read(name, "-- foxhold: expand\n");
            assert_eq!(refused, Err(FileError::Name(name.to_owned())));
        }
        let refused = read("0012_less.cql", "-- foxhold: shrink\n");
        assert_eq!(refused, Err(FileError::Kind("0012_less.cql".to_owned())));
        assert!(read("0012_less.cql", "-- foxhold: expand\nDROP TABLE a;").is_err());
    }
}
