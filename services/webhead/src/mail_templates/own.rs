//! An operator's own templates, and what they must be: parts of mails that there are, with nothing in them that a mail is
//! not told, complete where the program's are.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
    fmt, fs,
    path::{Path, PathBuf},
};

use minijinja::{Environment, UndefinedBehavior, Value};
use thiserror::Error;

use super::SOURCES;

/// The longest file, in bytes: a mail has to fit into the outbox.
const LEN_MAX: usize = 16 * 1024;

/// What a mail is told, and its sample in a check.
const TOLD: [(&str, &str); 8] = [
    ("host", "accounts.example.org"),
    ("email", "somebody@example.org"),
    ("link", "https://accounts.example.org/page?code=0123"),
    ("short_code", "012345"),
    ("otp", "01234567"),
    ("from_name", "Class 5b"),
    ("expires", "2027-01-15 03:00 UTC"),
    ("at", "2026-11-21 13:00 UTC"),
];

/// A file that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct TemplateFault {
    /// Which.
    pub path: PathBuf,
    /// Why not.
    pub problem: String,
}

/// All of them.
#[derive(Debug)]
pub struct TemplateFaults(pub Vec<TemplateFault>);

impl fmt::Display for TemplateFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { "\n" };
            write!(f, "{gap}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateFaults {}

/// All templates, ready to render, and the names of those that are an operator's.
pub(super) fn environment(
    own: Option<&Path>,
) -> Result<(Environment<'static>, BTreeSet<String>), TemplateFaults> {
    let mut faults = Vec::new();
    let own = own.map_or_else(BTreeMap::new, |folder| read(folder, &mut faults));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in SOURCES {
        let (path, source) = match own.get(name) {
            Some((path, text)) => (path.clone(), text.clone()),
            None => (PathBuf::from(name), source.to_owned()),
        };
        let added = environment.add_template_owned(name, source);
        let checked = match added {
            Ok(()) => check(&environment, name),
            Err(error) => vec![told(&error)],
        };
        faults.extend(checked.into_iter().map(|problem| TemplateFault {
            path: path.clone(),
            problem,
        }));
    }
    if faults.is_empty() {
        Ok((environment, own.into_keys().collect()))
    } else {
        Err(TemplateFaults(faults))
    }
}

/// The files of a folder by name.
fn read(folder: &Path, faults: &mut Vec<TemplateFault>) -> BTreeMap<String, (PathBuf, String)> {
    let mut found = BTreeMap::new();
    let mut fault = |path: &Path, problem: String| {
        faults.push(TemplateFault {
            path: path.to_owned(),
            problem,
        });
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            fault(folder, error.to_string());
            return found;
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if SOURCES.iter().all(|(known, _)| *known != name) {
            fault(&path, "is no part of any mail".to_owned());
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) if text.len() > LEN_MAX => fault(&path, format!("is longer than {LEN_MAX} bytes")),
            Ok(text) => {
                found.insert(name, (path, text));
            }
            Err(error) => fault(&path, error.to_string()),
        }
    }
    found
}

/// What is wrong with a part.
fn check(environment: &Environment<'_>, name: &str) -> Vec<String> {
    let Ok(template) = environment.get_template(name) else {
        return vec!["cannot be read".to_owned()];
    };
    let (of, part) = name.rsplit_once('.').unwrap_or((name, ""));
    let used = template.undeclared_variables(false);
    let allowed = allowed(of, part);
    let unknown = used.iter().filter(|name| !allowed.contains(name.as_str()));
    let mut problems: Vec<String> = unknown
        .map(|name| format!("asks for {name}, which is not told there"))
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let rendered = match template.render(Value::from_pairs(TOLD)) {
        Ok(rendered) => rendered,
        Err(error) => return vec![told(&error)],
    };
    if part == "subject" && rendered.trim().lines().count() != 1 {
        problems.push("is not one line".to_owned());
    }
    for missing in needed(of, part).difference(&used.iter().map(String::as_str).collect()) {
        problems.push(format!("lacks {missing}: each part is complete alone"));
    }
    problems
}

/// A subject is read by whoever passes: it has no code and no link.
fn allowed(of: &str, part: &str) -> BTreeSet<&'static str> {
    match (of, part) {
        (_, "subject") => BTreeSet::from(["host"]),
        ("verify", _) => BTreeSet::from(["host", "email", "link", "short_code"]),
        ("verify_login_code", _) => BTreeSet::from(["host", "email", "link", "short_code", "at"]),
        ("password_forgot_otp", _) => BTreeSet::from(["host", "email", "link", "otp"]),
        ("invitation", _) => BTreeSet::from(["host", "email", "link", "from_name", "expires"]),
        ("verify_login" | "new_device_login" | "post_verify", _) => {
            BTreeSet::from(["host", "email", "link", "at"])
        }
        _ => BTreeSet::from(["host", "email", "link"]),
    }
}

/// The link is shown as it is, host included.
fn needed(of: &str, part: &str) -> BTreeSet<&'static str> {
    match (of, part) {
        (_, "subject") => BTreeSet::new(),
        ("verify" | "verify_login_code", _) => BTreeSet::from(["link", "short_code"]),
        ("password_forgot_otp", _) => BTreeSet::from(["link", "otp"]),
        ("invitation", _) => BTreeSet::from(["link", "expires"]),
        _ => BTreeSet::from(["link"]),
    }
}

/// What the engine says, with its line, in one line.
fn told(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map_or(String::new(), |line| format!("line {line}: "));
    let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
    format!("{line}{}{cause}", error.detail().unwrap_or("does not render"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let faults = environment(Some(folder.path())).err();
        faults.map_or_else(Vec::new, |faults| {
            let told = faults.0.into_iter();
            let of = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            told.map(|fault| format!("{}: {}", of(fault.path), fault.problem))
                .collect()
        })
    }

    #[test]
    fn the_programs_own_templates_are_as_an_operators_must_be() {
        assert_eq!(problems(&[]), <[&str; 0]>::default());
    }

    #[test]
    fn a_part_that_cannot_be_used_is_named_with_all_that_is_wrong() {
        let good = "{{ link }} {{ short_code }}";
        let table: [(&str, &str, &[&str]); 12] = [
            ("invitation.txt", "{{ link }} until {{ expires }}", &[]),
            (
                "invitation.txt",
                "{{ from_name }}: {{ link }}",
                &["invitation.txt: lacks expires: each part is complete alone"],
            ),
            ("verify.txt", good, &[]),
            ("verify.subject", "Hello from {{ host }}\n", &[]),
            ("recovery.txt", "{{ link }}", &[]),
            (
                "verify.txt",
                "{{ lnik }}",
                &["verify.txt: asks for lnik, which is not told there"],
            ),
            (
                "verify.txt",
                "{% if false %}{{ hidden }}{% endif %}",
                &["verify.txt: asks for hidden, which is not told there"],
            ),
            (
                "verify.html",
                "{{ link }}",
                &["verify.html: lacks short_code: each part is complete alone"],
            ),
            (
                "verify.subject",
                "{{ short_code }}",
                &["verify.subject: asks for short_code, which is not told there"],
            ),
            (
                "recovery.subject",
                "two\nlines",
                &["recovery.subject: is not one line"],
            ),
            (
                "recovery.html",
                "{{ link }}{{ short_code }}",
                &["recovery.html: asks for short_code, which is not told there"],
            ),
            ("welcome.txt", good, &["welcome.txt: is no part of any mail"]),
        ];
        for (name, text, expected) in table {
            assert_eq!(problems(&[(name, text)]), expected, "{name}: {text}");
        }
        let broken = problems(&[("verify.txt", "{{ link"), ("nothing", "")]);
        assert_eq!(broken.len(), 2, "all at once: {broken:?}");
        assert!(broken.iter().any(|told| told.starts_with("verify.txt: line 1: ")));
        assert!(environment(Some(Path::new("/nowhere/at/all"))).is_err());
    }
}
