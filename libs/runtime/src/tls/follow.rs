//! A certificate lives a day, and a process for longer: its files are looked at while it runs, and read again when they have
//! changed.
//!
//! Must stay true: what cannot be used changes nothing, and is told; a process never becomes somebody else.

use std::sync::Arc;

use super::{SpiffeId, TlsError, TlsIdentity, TlsSettings, current::Current, read};
use crate::config::{FileWatch, SecretFile, Secrets, next_look};

/// Looks at the files of one certificate.
pub struct Following {
    watch: FileWatch,
    settings: TlsSettings,
    secrets: Secrets,
    current: Arc<Current>,
    id: SpiffeId,
}

/// The label of its metrics.
const PART: &str = "tier_certificate";

impl TlsIdentity {
    /// Reads the files, and gives what looks at them from then on.
    ///
    /// # Errors
    /// [`TlsError`], which names the key of the configuration.
    pub fn load_following(settings: &TlsSettings, secrets: &Secrets) -> Result<(Self, Following), TlsError> {
        let files = [&settings.certificate_file, &settings.authority_file];
        let mut files: Vec<_> = files.into_iter().cloned().map(SecretFile).collect();
        files.push(settings.key_file.clone());
        let (watch, identity) = FileWatch::reading(PART, secrets, files, || Self::load(settings, secrets))?;
        let following = Following {
            watch,
            settings: settings.clone(),
            secrets: secrets.clone(),
            current: Arc::clone(&identity.current),
            id: identity.id.clone(),
        };
        Ok((identity, following))
    }
}

impl Following {
    /// Looks every few seconds, for as long as it is polled.
    pub async fn run(self) -> ! {
        loop {
            next_look().await;
            self.look();
        }
    }

    /// Looks once.
    pub fn look(&self) {
        let fresh = self.watch.look(|| {
            let (material, id) = read(&self.settings, &self.secrets)?;
            if id == self.id {
                Ok(material)
            } else {
                Err(TlsError::OtherIdentity)
            }
        });
        if let Some(material) = fresh {
            material.tell_expiry();
            self.current.set(material);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::{
        SystemClock, SystemRandom,
        certificates::{CreateOptions, LIFETIME_MAX, create, settings},
        tls::Role,
    };

    const DOMAIN: &str = "fox.test";

    /// Certificates of an authority of their own.
    fn make(out: PathBuf, region: &str) -> PathBuf {
        let options = CreateOptions {
            out: out.clone(),
            trust_domain: DOMAIN.into(),
            region: region.into(),
            roles: vec![Role::Webhead, Role::Keysigner],
            lifetime: LIFETIME_MAX,
            hosts: Vec::new(),
        };
        create(&options, &SystemClock, &SystemRandom).unwrap();
        out
    }

    fn load(folder: &Path, role: Role) -> (TlsIdentity, Following) {
        TlsIdentity::load_following(&settings(folder, DOMAIN, role), &Secrets::default()).unwrap()
    }

    /// As tools do it: each file by itself, whole.
    fn put(from: &Path, to: &Path, names: &[&str]) {
        for name in names {
            let new = to.join("new");
            fs::copy(from.join(name), &new).unwrap();
            fs::rename(new, to.join(name)).unwrap();
        }
    }

    struct Tiers {
        acceptor: TlsAcceptor,
        connector: TlsConnector,
    }

    impl Tiers {
        fn of(keysigner: &TlsIdentity, webhead: &TlsIdentity) -> Self {
            let server = keysigner.server_config(Arc::new(SystemClock)).unwrap();
            let client = webhead.client_config(Arc::new(SystemClock), Role::Keysigner);
            Self {
                acceptor: server.into(),
                connector: client.unwrap().into(),
            }
        }

        /// Whether both sides take each other.
        async fn meet(&self) -> bool {
            let (here, there) = tokio::io::duplex(64 * 1024);
            let name = "localhost".try_into().unwrap();
            let both = tokio::join!(self.connector.connect(name, here), self.acceptor.accept(there));
            both.0.is_ok() && both.1.is_ok()
        }
    }

    #[tokio::test]
    async fn a_listener_and_a_channel_go_on_with_the_certificates_of_another_authority() {
        let folder = tempfile::tempdir().unwrap();
        let used = make(folder.path().join("used"), "home");
        let next = make(folder.path().join("next"), "home");
        let (keysigner, follows_keysigner) = load(&used, Role::Keysigner);
        let (webhead, follows_webhead) = load(&used, Role::Webhead);
        let tiers = Tiers::of(&keysigner, &webhead);
        assert!(tiers.meet().await);

        put(&next, &used, &["authority.pem", "keysigner.pem", "keysigner.key"]);
        follows_keysigner.look();
        assert!(!tiers.meet().await, "the webhead is still of the old authority");
        put(&next, &used, &["webhead.pem", "webhead.key"]);
        follows_webhead.look();
        assert!(tiers.meet().await);
    }

    #[tokio::test]
    async fn what_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let used = make(folder.path().join("used"), "home");
        let elsewhere = make(folder.path().join("elsewhere"), "abroad");
        let again = make(folder.path().join("again"), "home");
        let (keysigner, _) = load(&used, Role::Keysigner);
        let (webhead, following) = load(&used, Role::Webhead);
        let tiers = Tiers::of(&keysigner, &webhead);
        // The certificate of another key than the one beside it; then both, of another region.
        for (from, names) in [
            (&again, &["webhead.pem"][..]),
            (&elsewhere, &["webhead.pem", "webhead.key"]),
        ] {
            put(from, &used, names);
            following.look();
            assert!(tiers.meet().await, "{names:?}");
        }
        fs::remove_file(used.join("webhead.key")).unwrap();
        following.look();
        assert!(tiers.meet().await, "no key");
    }
}
