//! Where the secrets shared with storage nodes come from (`tokenserver.md` section 7): lines of a file, or a master.
//! Held by the keysigner (all nodes) and by each node (its own).

mod lines;

use std::collections::HashMap;

use foxhold_core::{Secret, SecretText, hex};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hkdf;
pub use lines::{DatedSecret, NodeLine, NodeLines, list_text, read_list};

/// One secret of a node, used as its text. Holds the signing key derived from it, which every token needs.
pub struct NodeSecret {
    text: SecretText,
    signing_key: Secret<32>,
}

impl NodeSecret {
    /// Takes the secret's text over.
    #[must_use]
    pub fn new(text: SecretText) -> Self {
        let info = b"services.mozilla.com/tokenlib/v1/signing";
        Self {
            signing_key: hkdf::derive(text.expose().as_bytes(), &[], &[info]),
            text,
        }
    }

    /// The secret derived for `node_url` (no trailing slash) from a master: hex text as long as the master's.
    ///
    /// # Errors
    /// [`MasterError`] for a master of a length no secret can be derived for.
    pub fn from_master(master: &SecretText, node_url: &str) -> Result<Self, MasterError> {
        const PREFIX: &[u8] = b"services.mozilla.com/mozsvc/v1/node_secret/";
        let master = master.expose().as_bytes();
        let len = master.len() / 2;
        if !(16..=1024).contains(&len) {
            return Err(MasterError);
        }
        let mut derived = Zeroizing::new(vec![0; len]);
        hkdf::fill(master, &[], &[PREFIX, node_url.as_bytes()], &mut derived);
        Ok(Self::new(SecretText::new(hex::encode(&derived))))
    }

    /// The secret's text.
    #[must_use]
    pub const fn text(&self) -> &SecretText {
        &self.text
    }

    pub(crate) const fn signing_key(&self) -> &Secret<32> {
        &self.signing_key
    }
}

/// A master secret must be 32 to 2049 characters long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a master secret has 32 to 2049 characters")]
pub struct MasterError;

/// The secrets of one node, oldest first, at least one: sign with the last, verify with any.
pub struct NodeSecrets(Vec<NodeSecret>);

impl NodeSecrets {
    /// `None` if there is none.
    #[must_use]
    pub fn new(oldest_first: Vec<NodeSecret>) -> Option<Self> {
        (!oldest_first.is_empty()).then_some(Self(oldest_first))
    }

    /// The secrets of a list: one a line, oldest first, blank lines skipped. `None` if there is none.
    #[must_use]
    pub fn of_list(text: &str) -> Option<Self> {
        Self::new(read_list(text).into_iter().map(NodeSecret::new).collect())
    }

    /// The one to sign with.
    #[must_use]
    pub fn newest(&self) -> &NodeSecret {
        self.0.last().expect("the constructor refuses an empty list")
    }

    /// All of them, the newest first: most tokens are signed with that.
    pub fn newest_first(&self) -> impl Iterator<Item = &NodeSecret> {
        self.0.iter().rev()
    }
}

/// What is wrong in a secrets file. The line's number only: its text is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretsFileError {
    /// Not `node_url,ts:secret[,ts:secret…]`.
    #[error("line {0} is not node_url,ts:secret[,ts:secret...]")]
    Malformed(usize),
    /// A node is listed twice, in one file or in several.
    #[error("line {0} lists a node that was listed before")]
    DuplicateNode(usize),
    /// Two secrets of one node have the same time, so their order is not known.
    #[error("line {0} has two secrets of the same time")]
    DuplicateTime(usize),
}

/// Adds the nodes of one secrets file to `nodes`; several files may be read into the same map. Empty lines are
/// skipped.
///
/// # Errors
/// [`SecretsFileError`]; the map may hold nodes of the lines before.
pub fn read_secrets_file(
    text: &str,
    nodes: &mut HashMap<String, NodeSecrets>,
) -> Result<(), SecretsFileError> {
    for (number, line) in lines::of_text(text) {
        let NodeLine { node_url, secrets } = lines::read_line(line, number)?;
        let secrets = secrets.into_iter().map(|dated| NodeSecret::new(dated.text));
        let secrets = NodeSecrets::new(secrets.collect()).ok_or(SecretsFileError::Malformed(number))?;
        if nodes.insert(node_url, secrets).is_some() {
            return Err(SecretsFileError::DuplicateNode(number));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn master(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn secrets_of_a_master_are_those_of_vector_v3() {
        let master = master("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
        let table = [
            (
                "https://sync-1.example.com",
                "b503ed0d4f33f86ee281577e85f714c64d51f9f1b4df433455c0216b4c0e11e1",
            ),
            (
                "https://sync-2.example.com",
                "cf7118575ba065652f31e89e01d21c93246caf763ddcc73dffbdcb1e0f5debb7",
            ),
        ];
        for (node, expected) in table {
            assert_eq!(
                NodeSecret::from_master(&master, node).unwrap().text().expose(),
                expected
            );
        }
        let signer = NodeSecret::from_master(&master, table[0].0).unwrap();
        assert_eq!(
            hex::encode(signer.signing_key().expose()),
            "3493402a4bc37dc9caed28802a8009908abd489e053e299a630fe22779763546"
        );
    }

    #[test]
    fn masters_of_no_use_are_refused() {
        for len in [0, 1, 31, 2050, 100_000] {
            assert!(
                NodeSecret::from_master(&master(&"a".repeat(len)), "n").is_err(),
                "{len}"
            );
        }
    }

    #[test]
    fn a_file_orders_secrets_by_number() {
        let mut nodes = HashMap::new();
        read_secrets_file(
            "https://a.test,10:new,9:old\r\n\n  \nhttps://b.test,1:only",
            &mut nodes,
        )
        .unwrap();
        read_secrets_file("https://c.test,1:x", &mut nodes).unwrap();
        assert_eq!(nodes.len(), 3);
        let texts: Vec<_> = nodes["https://a.test"]
            .newest_first()
            .map(|one| one.text().expose())
            .collect();
        assert_eq!(texts, ["new", "old"]);
        assert_eq!(nodes["https://a.test"].newest().text().expose(), "new");
    }

    #[test]
    fn a_wrong_file_names_the_line() {
        let table = [
            ("https://a.test", SecretsFileError::Malformed(1)),
            ("https://a.test,", SecretsFileError::Malformed(1)),
            (",1:x", SecretsFileError::Malformed(1)),
            ("\nhttps://a.test,1", SecretsFileError::Malformed(2)),
            ("https://a.test,1:", SecretsFileError::Malformed(1)),
            ("https://a.test,x:y", SecretsFileError::Malformed(1)),
            ("https://a.test,-1:y", SecretsFileError::Malformed(1)),
            ("https://a.test,1:y:z", SecretsFileError::Malformed(1)),
            ("https://a.test,1:y,", SecretsFileError::Malformed(1)),
            (
                "https://a.test,1:y\nhttps://a.test,2:y",
                SecretsFileError::DuplicateNode(2),
            ),
            ("https://a.test,1:y,01:z", SecretsFileError::DuplicateTime(1)),
        ];
        for (text, expected) in table {
            assert_eq!(
                read_secrets_file(text, &mut HashMap::new()),
                Err(expected),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:/,0-9 \\r\\n]{0,80}", any in "\\PC{0,80}") {
            let _ = read_secrets_file(&text, &mut HashMap::new());
            let _ = read_secrets_file(&any, &mut HashMap::new());
        }
    }
}
