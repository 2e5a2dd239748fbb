//! A file of node secrets on the disk: read in any of its forms, changed under a lock, replaced whole. Beside it may lie
//! `FILE.next`: secrets that nodes are being given and the signer does not use yet.
//!
//! Must stay true: readers see the old file or the new one; its owner and nobody else may read it; one tool at a time
//! changes the files of a folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use foxhold_core::SecretText;
use foxhold_crypto::node_secret::{
    DatedSecret, MasterError, NodeLine, NodeLines, NodeSecret, SecretsFileError, list_text, read_list,
};
use foxhold_runtime::config::{SecretError, SecretFile, Secrets};
use thiserror::Error;

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `node_url,ts:secret[,ts:secret...]`
    ByNode,
    /// One secret a line, for all nodes.
    List,
    /// One master a line, from which nodes' secrets are derived.
    Masters,
}

/// A file that cannot be used or changed. Names lines, never their contents.
#[derive(Debug, Error)]
pub(crate) enum TokenFileError {
    #[error("there is no file {}\nfix: name the signer's file, or the folder of a box with --data", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("reading {}", path.display())]
    Line { path: PathBuf, source: SecretsFileError },
    #[error("{} does not list {node}\nfix: its URL as the file has it; a new node is added by foxhold token rotate --add-node", path.display())]
    NotListed { path: PathBuf, node: String },
    #[error("{} lists {node} already\nfix: leave --add-node out, and its secret is rotated", path.display())]
    Listed { path: PathBuf, node: String },
    #[error("nothing is prepared in {}\nfix: foxhold token rotate --prepare, then foxhold token export, and take that to the node first", .0.display())]
    NotPrepared(PathBuf),
    #[error("{} has a line for each node\nfix: name the node", .0.display())]
    WhichNode(PathBuf),
    #[error("each node has a secret of its own, derived from {}\nfix: name the node", .0.display())]
    WhoseSecret(PathBuf),
    #[error("{} is for all nodes\nfix: leave the node out", .0.display())]
    AllNodes(PathBuf),
    #[error("{} holds no secret\nfix: put it back from a backup", .0.display())]
    Empty(PathBuf),
    #[error("reading {}", path.display())]
    Master { path: PathBuf, source: MasterError },
    #[error("{} holds the secrets that are exported\nfix: name another file with --out", .0.display())]
    Itself(PathBuf),
    #[error("another foxhold changes the files in {}\nfix: wait for it", .0.display())]
    Busy(PathBuf),
    #[error("writing {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A file of secrets that is there.
#[derive(Debug)]
pub(super) struct TokenFile {
    pub(super) path: PathBuf,
    pub(super) form: Form,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    Nodes(NodeLines),
    /// Of lists the times of the secrets are not known: each has that of the file's last change, which is not earlier.
    List(Vec<DatedSecret>),
}

impl TokenFile {
    /// Finds the file itself, where `path` is a link.
    pub(super) fn find(path: &Path, form: Form) -> Result<Self, TokenFileError> {
        let found = path.canonicalize();
        let path = found.map_err(|_| TokenFileError::Missing(path.to_owned()))?;
        Ok(Self { path, form })
    }

    /// The same, for a file that may be new: its folder has to be there.
    pub(super) fn find_or_new(path: &Path, form: Form) -> Result<Self, TokenFileError> {
        if path.exists() {
            return Self::find(path, form);
        }
        let missing = || TokenFileError::Missing(path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder = folder.map_err(|_| missing())?;
        let path = folder.join(path.file_name().ok_or_else(missing)?);
        Ok(Self { path, form })
    }

    /// Keeps other runs of the tool from the folder for as long as the value lives.
    pub(super) fn lock(&self) -> Result<File, TokenFileError> {
        let folder = self.folder();
        let failed = |source| TokenFileError::Write {
            path: folder.to_owned(),
            source,
        };
        let lock = File::open(folder).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(TokenFileError::Busy(folder.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What it holds.
    pub(super) fn read(&self) -> Result<Content, TokenFileError> {
        self.read_at(&self.path)
    }

    /// What it holds; nothing if there is no such file, or nothing in it yet.
    pub(super) fn read_if_any(&self) -> Result<Content, TokenFileError> {
        if !self.path.exists() {
            return Ok(self.nothing());
        }
        match self.read() {
            Err(TokenFileError::Secret(SecretError::Empty { .. })) => Ok(self.nothing()),
            read => read,
        }
    }

    fn nothing(&self) -> Content {
        match self.form {
            Form::ByNode => Content::Nodes(NodeLines::default()),
            Form::List | Form::Masters => Content::List(Vec::new()),
        }
    }

    /// What was prepared for it; nothing if there is no such file.
    pub(super) fn read_prepared(&self) -> Result<Content, TokenFileError> {
        let path = self.prepared_path();
        if path.exists() {
            return self.read_at(&path);
        }
        Ok(self.nothing())
    }

    pub(super) fn prepared_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".next");
        PathBuf::from(name)
    }

    fn read_at(&self, path: &Path) -> Result<Content, TokenFileError> {
        let text = Secrets::default().read_text("secrets", &SecretFile(path.to_owned()))?;
        if self.form == Form::ByNode {
            let lines = NodeLines::parse(text.expose());
            return lines.map(Content::Nodes).map_err(|source| TokenFileError::Line {
                path: path.to_owned(),
                source,
            });
        }
        let added = changed_at(path);
        let dated = |text| DatedSecret { added, text };
        Ok(Content::List(
            read_list(text.expose()).into_iter().map(dated).collect(),
        ))
    }

    /// Takes the place of what it held.
    pub(super) fn replace(&self, content: &Content) -> Result<(), TokenFileError> {
        replace(&self.path, &content.to_text())
    }

    /// Takes the place of what was prepared.
    pub(super) fn replace_prepared(&self, content: &Content) -> Result<(), TokenFileError> {
        let path = self.prepared_path();
        if !content.is_empty() {
            return replace(&path, &content.to_text());
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(TokenFileError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Whether an export may be written to a file: not over what it was read from, whose other secrets would be lost.
    pub(super) fn check_export(&self, out: &Path) -> Result<(), TokenFileError> {
        let id = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        let Some(out_id) = id(out) else { return Ok(()) };
        if id(&self.path) == Some(out_id) || id(&self.prepared_path()) == Some(out_id) {
            return Err(TokenFileError::Itself(out.to_owned()));
        }
        Ok(())
    }

    /// The node that a change is about: `None` for all of them.
    pub(super) fn subject<'a>(&self, node: Option<&'a str>) -> Result<Option<&'a str>, TokenFileError> {
        match (self.form, node) {
            (Form::ByNode, None) => Err(TokenFileError::WhichNode(self.path.clone())),
            (Form::List | Form::Masters, Some(_)) => Err(TokenFileError::AllNodes(self.path.clone())),
            (_, node) => Ok(node),
        }
    }

    /// The list that a node is given: the text of its secrets, oldest first, those prepared at the end.
    pub(super) fn list_for(&self, node: Option<&str>) -> Result<SecretText, TokenFileError> {
        let (mut held, mut prepared) = (self.read()?, self.read_prepared()?);
        let not_listed = || TokenFileError::NotListed {
            path: self.path.clone(),
            node: node.unwrap_or_default().to_owned(),
        };
        let node = match self.form {
            Form::List => self.subject(node)?,
            Form::ByNode => Some(node.ok_or_else(|| TokenFileError::WhichNode(self.path.clone()))?),
            Form::Masters => Some(node.ok_or_else(|| TokenFileError::WhoseSecret(self.path.clone()))?),
        };
        let of_node = node.filter(|_| self.form == Form::ByNode);
        let mut secrets = held.take(of_node).ok_or_else(not_listed)?;
        secrets.extend(prepared.take(of_node).unwrap_or_default());
        if secrets.is_empty() {
            return Err(TokenFileError::Empty(self.path.clone()));
        }
        let texts: Vec<SecretText> = secrets.into_iter().map(|dated| dated.text).collect();
        let Some(node) = node.filter(|_| self.form == Form::Masters) else {
            return Ok(list_text(texts.iter()));
        };
        let derived = texts.iter().map(|master| NodeSecret::from_master(master, node));
        let derived = derived.collect::<Result<Vec<_>, _>>();
        let derived = derived.map_err(|source| TokenFileError::Master {
            path: self.path.clone(),
            source,
        })?;
        Ok(list_text(derived.iter().map(NodeSecret::text)))
    }
}

impl Content {
    /// Takes the secrets of a node, or of all, out of it. `None` for a node that is not listed.
    pub(super) fn take(&mut self, node: Option<&str>) -> Option<Vec<DatedSecret>> {
        match (self, node) {
            (Self::Nodes(lines), Some(node)) => {
                let line = lines.0.iter_mut().find(|line| line.node_url == node)?;
                Some(std::mem::take(&mut line.secrets))
            }
            (Self::Nodes(_), None) | (Self::List(_), Some(_)) => None,
            (Self::List(list), None) => Some(std::mem::take(list)),
        }
    }

    /// Puts secrets of a node, or of all, into it, in place of those it has. A node without any is not listed.
    pub(super) fn put(&mut self, node: Option<&str>, secrets: Vec<DatedSecret>) {
        match (self, node) {
            (Self::Nodes(lines), Some(node)) => {
                match lines.0.iter_mut().find(|line| line.node_url == node) {
                    Some(line) => line.secrets = secrets,
                    None => lines.0.push(NodeLine {
                        node_url: node.to_owned(),
                        secrets,
                    }),
                }
                lines.0.retain(|line| !line.secrets.is_empty());
            }
            (Self::List(list), _) => *list = secrets,
            (Self::Nodes(_), None) => {}
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Nodes(lines) => lines.0.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    fn to_text(&self) -> SecretText {
        match self {
            Self::Nodes(lines) => lines.to_text(),
            Self::List(list) => list_text(list.iter().map(|dated| &dated.text)),
        }
    }
}

/// When a file was changed last, in seconds since 1970; now, for all that is known, where that cannot be seen.
fn changed_at(path: &Path) -> u64 {
    let modified = fs::metadata(path).map(|meta| meta.mtime());
    modified.map_or(u64::MAX, |secs| u64::try_from(secs).unwrap_or(0))
}

/// Puts a file of secrets in the place of another or of none: whole or not at all, durably, for its owner alone.
pub(super) fn replace(path: &Path, text: &SecretText) -> Result<(), TokenFileError> {
    let failed = |source| TokenFileError::Write {
        path: path.to_owned(),
        source,
    };
    let mut name = path.to_owned().into_os_string();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // What a killed run left.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    write(path, &temporary, text).map_err(failed)
}

fn write(path: &Path, temporary: &Path, text: &SecretText) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    if let Ok(old) = fs::metadata(path) {
        let own = file.metadata()?;
        // The service that reads it may be another user than who runs the tool.
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NODE: &str = "https://sync-1.example.com";

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, form: Form, text: &str) -> TokenFile {
            let path = self.0.path().join(name);
            replace(&path, &SecretText::new(text.to_owned())).unwrap();
            TokenFile::find(&path, form).unwrap()
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_its_owner_reads_it() {
        let bench = Bench::new();
        let file = bench.file("a", Form::List, "one\n");
        fs::write(bench.0.path().join("a.new"), "left by a killed run").unwrap();
        let mut content = file.read().unwrap();
        let mut secrets = content.take(None).unwrap();
        secrets.push(DatedSecret {
            added: 1,
            text: SecretText::new("two".into()),
        });
        content.put(None, secrets);
        file.replace(&content).unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "one\ntwo\n");
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(bench.0.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_node_gets_its_own_list_with_what_is_prepared() {
        let bench = Bench::new();
        // `tokenserver.md` V3.
        let master = "00112233445566778899aabbccddeeff".repeat(2);
        let derived = "b503ed0d4f33f86ee281577e85f714c64d51f9f1b4df433455c0216b4c0e11e1\n";
        let table = [
            (
                Form::ByNode,
                format!("{NODE},2:b,1:a\nhttps://x.test,1:x"),
                format!("{NODE},3:c"),
                Some(NODE),
                "a\nb\nc\n",
            ),
            (Form::List, "a\nb".into(), "c".into(), None, "a\nb\nc\n"),
            (Form::Masters, master, String::new(), Some(NODE), derived),
        ];
        for (form, text, prepared, node, expected) in table {
            let file = bench.file("held", form, &text);
            if !prepared.is_empty() {
                bench.file("held.next", form, &prepared);
            }
            assert_eq!(file.list_for(node).unwrap().expose(), expected, "{form:?}");
            let _ = fs::remove_file(file.prepared_path());
        }
        let by_node = bench.file("held", Form::ByNode, "https://x.test,1:x");
        let not_listed = by_node.list_for(Some(NODE));
        assert!(matches!(not_listed, Err(TokenFileError::NotListed { .. })));
        assert!(matches!(
            by_node.list_for(None),
            Err(TokenFileError::WhichNode(_))
        ));
    }

    #[test]
    fn nothing_prepared_leaves_no_file() {
        let bench = Bench::new();
        let file = bench.file("a", Form::ByNode, &format!("{NODE},1:a"));
        let mut prepared = file.read_prepared().unwrap();
        let secret = DatedSecret {
            added: 2,
            text: SecretText::new("b".into()),
        };
        prepared.put(Some(NODE), vec![secret]);
        file.replace_prepared(&prepared).unwrap();
        assert!(file.prepared_path().exists());
        prepared.put(Some(NODE), Vec::new());
        file.replace_prepared(&prepared).unwrap();
        file.replace_prepared(&prepared).unwrap();
        assert!(!file.prepared_path().exists());
    }

    #[test]
    fn one_tool_at_a_time() {
        let bench = Bench::new();
        let file = bench.file("a", Form::List, "one");
        let lock = file.lock().unwrap();
        assert!(matches!(file.lock(), Err(TokenFileError::Busy(_))));
        drop(lock);
        file.lock().unwrap();
    }
}
