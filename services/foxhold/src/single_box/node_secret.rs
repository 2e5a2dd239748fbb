//! `keys/node.secret`: what the tokens for the box's own node are made with, one secret a line, oldest first. `foxhold
//! token` changes it while the box runs.
//!
//! Must stay true: the node knows a new secret before the signer uses it, and both are of one reading; so no token of the
//! box is ever refused by the box, unless it was revoked.

use foxhold_crypto::node_secret::NodeSecrets;
use foxhold_keysigner::signer::LocalSigner;
use foxhold_runtime::config::{FileWatch, SecretError, SecretFile, Secrets, next_look};
use foxhold_sync_node::SyncNode;
use thiserror::Error;

/// The file, watched.
pub(crate) struct NodeSecretFile {
    secrets: Secrets,
    file: SecretFile,
    watch: FileWatch,
}

/// A file that holds no secrets.
#[derive(Debug, Error)]
pub(crate) enum NodeSecretError {
    #[error(transparent)]
    File(#[from] SecretError),
    #[error("{} holds no secret\nfix: put it back from a backup, or make a new one: foxhold token revoke --data DIR", .0.0.display())]
    Nothing(SecretFile),
}

impl NodeSecretFile {
    /// Reads it, once for the signer and once for the node.
    pub(crate) fn open(
        secrets: &Secrets,
        file: SecretFile,
    ) -> Result<(Self, [NodeSecrets; 2]), NodeSecretError> {
        let files = vec![file.clone()];
        let (watch, lists) = FileWatch::reading("node_secrets", secrets, files, || read(secrets, &file))?;
        let secrets = secrets.clone();
        let opened = Self { secrets, file, watch };
        Ok((opened, lists))
    }

    /// Takes over what changes in it, for as long as the box runs.
    pub(crate) async fn keep_fresh(&self, node: &SyncNode, signer: &LocalSigner) {
        loop {
            next_look().await;
            if let Some([of_signer, of_node]) = self.watch.look(|| read(&self.secrets, &self.file)) {
                node.replace_secrets(of_node);
                signer.node_secrets().replace_by_list(of_signer);
            }
        }
    }
}

fn read(secrets: &Secrets, file: &SecretFile) -> Result<[NodeSecrets; 2], NodeSecretError> {
    let text = secrets.read_text("node.secret", file)?;
    let list = || NodeSecrets::of_list(text.expose());
    let lists = list().zip(list()).map(<[_; 2]>::from);
    lists.ok_or_else(|| NodeSecretError::Nothing(file.clone()))
}
