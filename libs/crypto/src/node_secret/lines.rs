//! The two text forms of node secrets, read and written: lines `node_url,ts:secret[,ts:secret...]`, and lists of one
//! secret a line. Read by signer and nodes, changed by the operator's tool.
//!
//! Must stay true: what is written reads back as the same, and no error repeats a line.

use std::fmt::Write as _;

use foxhold_core::SecretText;

use super::SecretsFileError;

/// A secret, and when it was added: a number that orders the secrets of a node, by custom seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct DatedSecret {
    /// When it was added.
    pub added: u64,
    /// Its text: no comma, no colon, no white space at its ends.
    pub text: SecretText,
}

/// One node and its secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// As the Token Server knows the node: no trailing slash.
    pub node_url: String,
    /// Oldest first, each of another time, at least one.
    pub secrets: Vec<DatedSecret>,
}

/// A file of secrets by node, in the order of its lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NodeLines(pub Vec<NodeLine>);

impl NodeLines {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SecretsFileError`].
    pub fn parse(text: &str) -> Result<Self, SecretsFileError> {
        let mut lines = Self::default();
        for (number, line) in of_text(text) {
            let line = read_line(line, number)?;
            if lines.of_node(&line.node_url).is_some() {
                return Err(SecretsFileError::DuplicateNode(number));
            }
            lines.0.push(line);
        }
        Ok(lines)
    }

    /// The line of a node.
    #[must_use]
    pub fn of_node(&self, node_url: &str) -> Option<&NodeLine> {
        self.0.iter().find(|line| line.node_url == node_url)
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let secrets = self.0.iter().flat_map(|line| &line.secrets);
        let secrets_len: usize = secrets.map(|dated| dated.text.expose().len() + 22).sum();
        let urls_len: usize = self.0.iter().map(|line| line.node_url.len() + 1).sum();
        // Room for all of it at once: a growing text would leave copies behind that nobody wipes.
        let mut text = String::with_capacity(secrets_len + urls_len);
        for line in &self.0 {
            text.push_str(&line.node_url);
            for dated in &line.secrets {
                // Writing to a String does not fail.
                let _ = write!(text, ",{}:{}", dated.added, dated.text.expose());
            }
            text.push('\n');
        }
        SecretText::new(text)
    }
}

/// The secrets of a list: one a line, oldest first. Blank lines are skipped.
#[must_use]
pub fn read_list(text: &str) -> Vec<SecretText> {
    let secrets = of_text(text).map(|(_, line)| SecretText::new(line.to_owned()));
    secrets.collect()
}

/// The text of a list.
#[must_use]
pub fn list_text<'a>(oldest_first: impl Iterator<Item = &'a SecretText> + Clone) -> SecretText {
    let len = oldest_first.clone().map(|secret| secret.expose().len() + 1).sum();
    let mut text = String::with_capacity(len);
    for secret in oldest_first {
        text.push_str(secret.expose());
        text.push('\n');
    }
    SecretText::new(text)
}

/// The lines that hold something, with their numbers.
pub(super) fn of_text(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty())
}

pub(super) fn read_line(line: &str, number: usize) -> Result<NodeLine, SecretsFileError> {
    let malformed = SecretsFileError::Malformed(number);
    let (node_url, rest) = line.split_once(',').ok_or(malformed)?;
    if node_url.is_empty() {
        return Err(malformed);
    }
    let dated = |part: &str| {
        let (added, secret) = part.trim().split_once(':')?;
        let is_number = !added.is_empty() && added.bytes().all(|digit| digit.is_ascii_digit());
        let added: u64 = is_number.then(|| added.parse().ok())??;
        let text = SecretText::new(secret.to_owned());
        (!secret.is_empty() && !secret.contains(':')).then_some(DatedSecret { added, text })
    };
    let secrets = rest.split(',').map(dated).collect::<Option<Vec<_>>>();
    let mut secrets = secrets.ok_or(malformed)?;
    secrets.sort_unstable_by_key(|dated| dated.added);
    if secrets.windows(2).any(|pair| pair[0].added == pair[1].added) {
        return Err(SecretsFileError::DuplicateTime(number));
    }
    Ok(NodeLine {
        node_url: node_url.to_owned(),
        secrets,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_orders_are_kept() {
        let text = "https://b.test,10:new,9:old\n\nhttps://a.test,1:only\r\n";
        let lines = NodeLines::parse(text).unwrap();
        let written = lines.to_text();
        assert_eq!(
            written.expose(),
            "https://b.test,9:old,10:new\nhttps://a.test,1:only\n"
        );
        assert_eq!(NodeLines::parse(written.expose()).unwrap(), lines);
        assert_eq!(lines.of_node("https://a.test").unwrap().secrets[0].added, 1);
        assert_eq!(lines.of_node("https://c.test"), None);
    }

    #[test]
    fn a_list_has_a_secret_a_line() {
        let list = read_list("first\n\n  second:with,all \r\n");
        let texts: Vec<_> = list.iter().map(SecretText::expose).collect();
        assert_eq!(texts, ["first", "second:with,all"]);
        assert_eq!(list_text(list.iter()).expose(), "first\nsecond:with,all\n");
        assert!(read_list(" \n\n").is_empty());
    }

    #[test]
    fn a_node_listed_twice_is_refused() {
        let twice = NodeLines::parse("https://a.test,1:y\nhttps://a.test,2:y");
        assert_eq!(twice, Err(SecretsFileError::DuplicateNode(2)));
    }

    proptest! {
        #[test]
        fn every_file_reads_back(
            nodes in prop::collection::btree_map("[a-z]{1,8}", prop::collection::btree_map(any::<u64>(), "[a-f0-9]{1,70}", 1..4), 0..4)
        ) {
            let dated = |(added, text): (u64, String)| DatedSecret { added, text: SecretText::new(text) };
            let line = |(node_url, secrets): (String, std::collections::BTreeMap<u64, String>)| {
                NodeLine { node_url, secrets: secrets.into_iter().map(dated).collect() }
            };
            let lines = NodeLines(nodes.into_iter().map(line).collect());
            prop_assert_eq!(NodeLines::parse(lines.to_text().expose()).unwrap(), lines);
        }
    }
}
