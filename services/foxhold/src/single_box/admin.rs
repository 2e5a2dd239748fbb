//! The admin API of a running box: a socket in its folder that its owner alone may open. `serve` binds it with the other
//! listeners; a stopped box has `stopped` instead.
//!
//! Must stay true: at no moment can anybody else open it; the lock of the folder is held, so a socket that lies there is
//! one that a killed box has left.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use foxhold_ops::{Access, AccountPorts, InvitationPorts, OpsLimits, OpsPorts};
use foxhold_ports::{ClientAdmin, ClientRegistry};
use foxhold_runtime::{
    Shutdown, UnderWay,
    http_edge::{self, EdgeLimits},
};
use foxhold_webhead::jobs::{JobPorts, JobSettings};
use tokio::net::UnixListener;

use crate::data_folder::DataFolder;

/// Who the box's registered clients are known to.
pub(super) struct ClientPorts {
    pub(super) registry: Arc<dyn ClientRegistry>,
    pub(super) clients: Arc<dyn ClientAdmin>,
}

/// What the admin API works with: the same as the box's jobs, the registered clients, and what accounts are administered and
/// invitations made with.
pub(super) fn ports(
    jobs: &JobPorts,
    clients: ClientPorts,
    settings: &JobSettings,
    (accounts, invitations): (AccountPorts, InvitationPorts),
    (shutdown, under_way): (&Shutdown, &UnderWay),
) -> OpsPorts {
    OpsPorts {
        registry: clients.registry,
        clients: clients.clients,
        accounts: Some(accounts),
        invitations: Some(invitations),
        reader: Arc::clone(&jobs.reader),
        writer: Arc::clone(&jobs.writer),
        admin: Arc::clone(&jobs.admin),
        minter: Arc::clone(&jobs.minter),
        node_calls: Arc::clone(&jobs.calls),
        clock: Arc::clone(&jobs.clock),
        random: Arc::clone(&jobs.random),
        metrics_key: Arc::clone(&settings.metrics_key),
        by_uid: settings.purge.by_uid(),
        limits: OpsLimits::default(),
        shutdown: shutdown.clone(),
        under_way: under_way.clone(),
    }
}

/// The socket, bound. Gone from the folder when this is dropped.
pub(super) struct AdminSocket {
    /// `None` where the folder's path is too long for one.
    listener: Option<UnixListener>,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds it, in place of one that a killed box has left.
    pub(super) fn bind(folder: &DataFolder) -> anyhow::Result<Self> {
        let path = DataFolder::admin_socket_of(folder.root());
        let listener = match bind_private(&path) {
            Ok(listener) => Some(listener),
            // The system's bound on names of sockets, about 100 bytes. A box is too good to be refused for that.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tracing::warn!(%error, "no admin socket: the folder's path is too long; commands work on the stopped box");
                None
            }
            Err(error) => return Err(error).with_context(|| format!("making {}", path.display())),
        };
        Ok(Self { listener, path })
    }

    /// Serves until `shutdown`.
    pub(super) async fn serve(mut self, ports: OpsPorts, limits: EdgeLimits, shutdown: Shutdown) {
        match self.listener.take() {
            Some(listener) => {
                let router = foxhold_ops::router(ports, Access::Local);
                http_edge::serve_locally(listener, router, limits, shutdown).await;
            }
            None => shutdown.wait().await,
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // It may be gone, or never have been there; one that stays is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds in a folder of its own first: a socket that is bound has the mode that the process's mask leaves, and only then can
/// it get another.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let nursery = path.with_extension("new");
    if nursery.exists() {
        fs::remove_dir_all(&nursery)?;
    }
    DirBuilder::new().mode(0o700).create(&nursery)?;
    let bound = bind_in(&nursery, path);
    let removed = fs::remove_dir_all(&nursery);
    bound.and_then(|listener| removed.map(|()| listener))
}

fn bind_in(nursery: &Path, path: &Path) -> io::Result<UnixListener> {
    let young = nursery.join("s");
    let listener = UnixListener::bind(&young)?;
    fs::set_permissions(&young, Permissions::from_mode(0o600))?;
    // Replaces what lies there in one step.
    fs::rename(&young, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileTypeExt as _;

    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owner_s_replaces_a_stale_one_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path()).unwrap();
        let path = DataFolder::admin_socket_of(folder.root());
        for left_by_a_killed_box in [false, true] {
            if left_by_a_killed_box {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
                fs::create_dir(path.with_extension("new")).unwrap();
                assert!(UnixStream::connect(&path).await.is_err());
            }
            let socket = AdminSocket::bind(&folder).unwrap();
            let found = fs::metadata(&path).unwrap();
            assert!(found.file_type().is_socket());
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
            assert!(UnixStream::connect(&path).await.is_ok());
            assert!(!path.with_extension("new").exists());
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_keeps_no_box_from_starting() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&root.path().join("a".repeat(120))).unwrap();
        let socket = AdminSocket::bind(&folder).unwrap();
        assert!(socket.listener.is_none());
        assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 2, "format and lock");
    }
}
