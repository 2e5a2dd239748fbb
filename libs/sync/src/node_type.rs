//! Coarse labels of nodes for clients' telemetry (`tokenserver.md` section 7, node_type).
//!
//! An ordered list of `label:glob`, made once from configuration; [`exchange`](crate::exchange) asks it per token.

use thiserror::Error;

/// The configured labels, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeTypes(Vec<(String, Vec<Glob>)>);

/// A piece of a glob. `*` stands for any text, `?` for one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glob {
    Char(char),
    AnyChar,
    AnyText,
}

/// A line of the list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeTypeError {
    /// Not `label:glob`, or one half is empty.
    #[error("node type {0:?} is not of the form label:glob")]
    Form(String),
    /// Two lines with one label.
    #[error("node type label {0:?} is given twice")]
    Duplicate(String),
}

impl NodeTypes {
    /// Reads the lines.
    ///
    /// # Errors
    /// [`NodeTypeError`] for the first bad line.
    pub fn parse<S: AsRef<str>>(lines: &[S]) -> Result<Self, NodeTypeError> {
        let mut labels: Vec<(String, Vec<Glob>)> = Vec::new();
        for line in lines.iter().map(AsRef::as_ref) {
            let (label, glob) = line
                .split_once(':')
                .filter(|(label, glob)| !label.is_empty() && !glob.is_empty())
                .ok_or_else(|| NodeTypeError::Form(line.to_owned()))?;
            if labels.iter().any(|(other, _)| other == label) {
                return Err(NodeTypeError::Duplicate(label.to_owned()));
            }
            labels.push((label.to_owned(), compile(glob)));
        }
        Ok(Self(labels))
    }

    /// The label of the first glob that fits the whole URL.
    #[must_use]
    pub fn label(&self, node_url: &str) -> Option<&str> {
        let url: Vec<char> = node_url.chars().collect();
        self.0
            .iter()
            .find(|(_, glob)| fits(glob, &url))
            .map(|(label, _)| label.as_str())
    }
}

fn compile(glob: &str) -> Vec<Glob> {
    glob.chars()
        .map(|char| match char {
            '*' => Glob::AnyText,
            '?' => Glob::AnyChar,
            other => Glob::Char(other),
        })
        .collect()
}

/// Matches without recursion: after a mismatch only the last `*` takes one character more.
fn fits(glob: &[Glob], text: &[char]) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match glob.get(at_glob) {
            Some(Glob::AnyText) => {
                last_star = Some((at_glob, at_text));
                at_glob += 1;
                continue;
            }
            Some(Glob::AnyChar) => (at_glob, at_text) = (at_glob + 1, at_text + 1),
            Some(Glob::Char(char)) if *char == text[at_text] => {
                (at_glob, at_text) = (at_glob + 1, at_text + 1);
            }
            _ => match last_star {
                Some((star, from)) => {
                    last_star = Some((star, from + 1));
                    (at_glob, at_text) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    glob[at_glob..].iter().all(|piece| *piece == Glob::AnyText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_glob_that_fits_the_whole_url_wins() {
        let types = NodeTypes::parse(&[
            "big:https://big-*.example.com",
            "eu:*.eu.*",
            "one:https://?.example",
        ]);
        let types = types.unwrap();
        let table = [
            ("https://big-7.example.com", Some("big")),
            ("https://big-7.eu.example.com", Some("big")),
            ("https://a.eu.example.com", Some("eu")),
            ("https://x.example", Some("one")),
            ("https://xy.example", None),
            ("https://big-7.example.com.evil.org", None),
            ("", None),
        ];
        for (url, expected) in table {
            assert_eq!(types.label(url), expected, "{url}");
        }
        assert_eq!(NodeTypes::default().label("https://a.example"), None);
    }

    #[test]
    fn many_stars_cost_little() {
        let types = NodeTypes::parse(&[format!("x:{}b", "*a".repeat(200))]).unwrap();
        assert_eq!(types.label(&"a".repeat(2_000)), None);
    }

    #[test]
    fn bad_lines_are_named() {
        for bad in ["nolabel", ":glob", "label:"] {
            assert_eq!(NodeTypes::parse(&[bad]), Err(NodeTypeError::Form(bad.into())));
        }
        assert_eq!(
            NodeTypes::parse(&["a:x", "a:y"]),
            Err(NodeTypeError::Duplicate("a".into()))
        );
    }
}
