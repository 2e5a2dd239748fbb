//! What is wrong with a configuration, in words a person can act on. Never repeats a value.

use std::fmt;

use figment::error::{Actual, Kind};

use super::key::Key;

/// How the library says that a text is no `SocketAddr`.
const NO_ADDRESS: &str = "invalid socket address syntax";
/// What to give in its place.
const ADDRESS: &str = "address and port, as in 127.0.0.1:8000";

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value comes from: a file and its line, or a variable.
    pub origin: Option<String>,
    /// The key, dotted; empty if the fault is a whole file's.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), &self.origin) {
            ("", Some(origin)) => write!(f, "{origin}: {}", self.problem)?,
            ("", None) => f.write_str(&self.problem)?,
            (key, Some(origin)) => write!(f, "`{key}` ({origin}): {}", self.problem)?,
            (key, None) => write!(f, "`{key}`: {}", self.problem)?,
        }
        write!(f, "\n  fix: {}", self.fix)
    }
}

/// All faults of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    role: String,
    faults: Vec<Fault>,
}

impl ConfigErrors {
    /// No fault yet.
    #[must_use]
    pub fn of(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            faults: Vec::new(),
        }
    }

    /// Adds a fault; services add those of their own rules (two keys that do not go together, a bad secret).
    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults, in the order found.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of {} is invalid", self.role)?;
        for fault in &self.faults {
            write!(f, "\n{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

pub(super) fn unreadable(origin: &str, error: &std::io::Error) -> Fault {
    Fault {
        origin: Some(origin.to_owned()),
        key: String::new(),
        problem: format!("cannot be read: {error}"),
        fix: "give the path of a readable file, or leave the file out".to_owned(),
    }
}

pub(super) fn not_toml(origin: &str, text: &str, error: &toml::de::Error) -> Fault {
    let line = error
        .span()
        .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    Fault {
        origin: Some(origin.to_owned()),
        key: String::new(),
        problem: match line {
            Some(line) => format!("line {line} is not TOML: {}", error.message()),
            None => format!("is not TOML: {}", error.message()),
        },
        fix: "correct the line; texts stand in quotes, tables in brackets".to_owned(),
    }
}

/// The full key a failure is about. The library names an unknown key's table only.
pub(super) fn key_of(failure: &figment::Error) -> Key {
    let mut key = failure.path.clone();
    let own = match &failure.kind {
        Kind::UnknownField(name, _) => Some(name.clone()),
        Kind::MissingField(name) => Some(name.to_string()),
        Kind::DuplicateField(name) => Some((*name).to_owned()),
        _ => None,
    };
    if let Some(own) = own.filter(|own| key.last() != Some(own)) {
        key.push(own);
    }
    Key::of(key)
}

/// Messages end in their fix. Those that list several faults have one for each, and stay as they are.
pub(crate) fn split_fix(message: &str) -> Option<(&str, &str)> {
    message
        .split_once("\nfix: ")
        .or_else(|| message.split_once(". fix: "))
}

pub(super) fn explain(failure: &figment::Error, key: &Key, origin: Option<String>) -> Fault {
    let (problem, fix) = match &failure.kind {
        Kind::UnknownField(name, known) => ("is not a known key".to_owned(), nearest(name, known)),
        Kind::UnknownVariant(name, known) => ("is not one of the choices".to_owned(), nearest(name, known)),
        Kind::MissingField(_) => ("is missing".to_owned(), "set it; it has no default".to_owned()),
        Kind::DuplicateField(_) => ("is given twice".to_owned(), "keep one".to_owned()),
        Kind::InvalidType(actual, wanted) | Kind::InvalidValue(actual, wanted) => (
            format!("is {}", kind_of(actual)),
            format!("give {}", in_words(&wanted.to_string())),
        ),
        Kind::InvalidLength(len, wanted) => (format!("has {len} items"), format!("give {wanted}")),
        Kind::Message(text) if text == NO_ADDRESS => {
            ("is no address with a port".to_owned(), format!("give {ADDRESS}"))
        }
        Kind::Message(text) => (text.clone(), "see the reference of this key".to_owned()),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
            ("is out of range".to_owned(), "give a smaller number".to_owned())
        }
        Kind::Unsupported(actual) | Kind::UnsupportedKey(actual, _) => (
            format!("is {}", kind_of(actual)),
            "give a value of another kind".to_owned(),
        ),
    };
    Fault {
        origin,
        key: key.to_string(),
        problem,
        fix,
    }
}

/// What was expected, without the names of the language.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "socket address" => ADDRESS,
        other => other,
    }
}

/// The kind of a value, without the value.
fn kind_of(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Str(_) | Actual::Char(_) | Actual::Bytes(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "of another kind",
    }
}

fn nearest(name: &str, known: &[&str]) -> String {
    match meant(name, known.iter().copied()) {
        Some(best) => format!("did you mean `{best}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Which of the names somebody who wrote `name` may have meant, if one is near enough.
#[must_use]
pub fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.min_by_key(|candidate| distance(name, candidate))?;
    (distance(name, best) <= 1 + name.len() / 3).then_some(best)
}

/// Levenshtein's distance: how many letters to change, add or drop.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
