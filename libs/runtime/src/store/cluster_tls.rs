//! TLS to the nodes of a cluster: the three keys that name its files, in `[store]` and in the operator's `schema.toml`, and
//! what the files hold. Read at start, by `--check-config` too; nothing is connected here.
//!
//! What must stay true: only nodes of the configured authority are believed; the key is read by the rules for secrets, and
//! no message or debug text holds it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use thiserror::Error;

use crate::{
    config::{SecretError, SecretFile, Secrets},
    tls,
};

/// The files, as they are configured.
#[derive(Debug, Clone, Copy)]
pub struct ClusterTlsFiles<'a> {
    /// PEM file of the authority that signed the nodes' certificates; no TLS when absent.
    pub authority: Option<&'a Path>,
    /// PEM file of the certificate that the nodes are shown, its chain after it; together with `key_file`, or neither.
    pub certificate: Option<&'a Path>,
    /// PEM file of its private key.
    pub key_file: Option<&'a SecretFile>,
}

/// What the keys are called where they stand.
#[derive(Debug, Clone, Copy)]
pub struct ClusterTlsKeys {
    authority: &'static str,
    certificate: &'static str,
    key_file: &'static str,
}

/// In the table `[store]`.
pub const IN_STORE: ClusterTlsKeys = ClusterTlsKeys {
    authority: "store.tls_authority",
    certificate: "store.tls_certificate",
    key_file: "store.tls_key_file",
};

/// In no table.
pub const AT_TOP: ClusterTlsKeys = ClusterTlsKeys {
    authority: "tls_authority",
    certificate: "tls_certificate",
    key_file: "tls_key_file",
};

/// Files that cannot be used. Each names its key.
#[derive(Debug, Error)]
pub enum ClusterTlsError {
    /// No certificates, or none that can be read.
    #[error("`{key}`: no certificate can be read from {path}\nfix: give a file of certificates in PEM")]
    Certificate {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// The key's file cannot be read, or others may.
    #[error(transparent)]
    KeyFile(#[from] SecretError),
    /// It holds no key.
    #[error(
        "`{key}`: {path} holds no private key that can be read\nfix: give one in PEM (PKCS#8), not encrypted"
    )]
    Key {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Certificates, or certificate and key, that make no sense.
    #[error("`{key}`: {path} cannot be used\nfix: give {what}")]
    Unusable {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        source: rustls::Error,
    },
}

/// How to speak TLS to the nodes of a cluster.
#[derive(Clone)]
pub struct ClusterTls(Arc<ClientConfig>);

impl ClusterTls {
    /// As a driver takes it.
    #[must_use]
    pub fn into_config(self) -> Arc<ClientConfig> {
        self.0
    }
}

impl fmt::Debug for ClusterTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterTls")
            .field("shows_certificate", &self.0.client_auth_cert_resolver.has_certs())
            .finish_non_exhaustive()
    }
}

/// A rule about keys: the key, whether it holds, what is wrong if not, and the fix.
pub(super) type Rule = (&'static str, bool, &'static str, &'static str);

impl ClusterTlsFiles<'_> {
    /// Which go together.
    pub(super) fn rules(&self) -> [Rule; 2] {
        [
            (
                "tls_key_file",
                self.certificate.is_some() == self.key_file.is_some(),
                "does not go without `tls_certificate`, nor that without this",
                "give both, or neither where the nodes ask for no certificate",
            ),
            (
                "tls_authority",
                self.authority.is_some() || (self.certificate.is_none() && self.key_file.is_none()),
                "is missing: without it there is no TLS to show a certificate in",
                "give the authority of the nodes' certificates",
            ),
        ]
    }

    /// Key, problem and fix of what does not go together.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let rules = self.rules().into_iter();
        rules
            .filter(|(_, holds, ..)| !holds)
            .map(|(key, _, problem, fix)| (key, problem, fix))
            .collect()
    }

    /// Reads them; `None` where no TLS is configured.
    ///
    /// # Errors
    /// [`ClusterTlsError`], which names the key.
    pub fn read(
        &self,
        keys: ClusterTlsKeys,
        secrets: &Secrets,
    ) -> Result<Option<ClusterTls>, ClusterTlsError> {
        let Some(authority) = self.authority else {
            return Ok(None);
        };
        let unusable = |key, path: &Path, what, source| ClusterTlsError::Unusable {
            key,
            path: path.to_owned(),
            what,
            source,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(keys.authority, authority)? {
            let what = "the certificates of the nodes' authority";
            roots
                .add(certificate)
                .map_err(|source| unusable(keys.authority, authority, what, source))?;
        }
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|source| unusable(keys.authority, authority, "another build", source))?
            .with_root_certificates(roots);
        let mut config = match (self.certificate, self.key_file) {
            (Some(certificate), Some(key_file)) => {
                let chain = certificates(keys.certificate, certificate)?;
                let key = private_key(keys.key_file, key_file, secrets)?;
                let what = "a certificate and its own key";
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|source| unusable(keys.certificate, certificate, what, source))?
            }
            _ => builder.with_no_client_auth(),
        };
        // Every connection shows and sees certificates anew, so that one that has ended is good for none.
        config.resumption = Resumption::disabled();
        Ok(Some(ClusterTls(Arc::new(config))))
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ClusterTlsError> {
    let unreadable = |source| ClusterTlsError::Certificate {
        key,
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(unreadable(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn private_key(
    key: &'static str,
    file: &SecretFile,
    secrets: &Secrets,
) -> Result<PrivateKeyDer<'static>, ClusterTlsError> {
    let pem = secrets.read(key, file)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| ClusterTlsError::Key {
        key,
        path: file.0.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;
    use crate::{
        SystemClock, SystemRandom,
        certificates::{Authority, Pair, Subject},
    };

    fn authority() -> Authority {
        Authority::create("fox.example", &SystemClock, &SystemRandom).unwrap()
    }

    fn pair(authority: &Authority) -> Pair {
        let subject = Subject {
            uris: Vec::new(),
            hosts: vec!["127.0.0.1".to_owned()],
            lifetime: Duration::from_secs(60),
        };
        authority.issue(&subject, &SystemClock, &SystemRandom).unwrap()
    }

    #[test]
    fn files_are_read_and_what_is_wrong_with_one_is_told_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let authority = authority();
        let (own, other) = (pair(&authority), pair(&authority));
        write("authority", authority.certificate_pem(), 0o644);
        write("certificate", &own.certificate_pem, 0o644);
        write("key", &own.key_pem, 0o600);
        write("exposed", &own.key_pem, 0o640);
        write("other-key", &other.key_pem, 0o600);
        write("nonsense", "nonsense", 0o600);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        write("broken", broken, 0o600);
        // Authority, certificate, key; the key that is named, if any.
        let table: [([&str; 3], Option<&str>); 14] = [
            (["", "", ""], None),
            (["authority", "", ""], None),
            (["authority", "certificate", "key"], None),
            (["nowhere", "", ""], Some("`tls_authority`")),
            (["nonsense", "", ""], Some("`tls_authority`")),
            (["broken", "", ""], Some("`tls_authority`")),
            (["authority", "nowhere", "key"], Some("`tls_certificate`")),
            (["authority", "nonsense", "key"], Some("`tls_certificate`")),
            (["authority", "broken", "key"], Some("`tls_certificate`")),
            (
                ["authority", "certificate", "other-key"],
                Some("`tls_certificate`"),
            ),
            (["authority", "certificate", "nowhere"], Some("`tls_key_file`")),
            (["authority", "certificate", "exposed"], Some("`tls_key_file`")),
            (["authority", "certificate", "nonsense"], Some("`tls_key_file`")),
            (
                ["authority", "certificate", "certificate"],
                Some("`tls_key_file`"),
            ),
        ];
        for (names, expected) in table {
            let paths = names.map(|name| folder.path().join(name));
            let path = |index: usize| (!names[index].is_empty()).then(|| paths[index].as_path());
            let key_file = path(2).map(|path| SecretFile(path.to_owned()));
            let files = ClusterTlsFiles {
                authority: path(0),
                certificate: path(1),
                key_file: key_file.as_ref(),
            };
            let read = files.read(AT_TOP, &Secrets::default());
            match (read, expected) {
                (Ok(tls), None) => {
                    assert_eq!(tls.is_some(), !names[0].is_empty(), "{names:?}");
                    let shown = format!("{tls:?}");
                    assert_eq!(
                        shown.contains("shows_certificate: true"),
                        !names[1].is_empty(),
                        "{shown}"
                    );
                }
                (Err(error), Some(key)) => assert!(error.to_string().starts_with(key), "{names:?}: {error}"),
                (read, _) => panic!("{names:?}: {read:?}"),
            }
        }
    }

    #[test]
    fn which_keys_go_together() {
        let path = Path::new("/a");
        let secret = SecretFile(path.to_owned());
        // Authority, certificate, key; the keys that are named.
        let table: [([bool; 3], &[&str]); 8] = [
            ([false, false, false], &[]),
            ([true, false, false], &[]),
            ([true, true, true], &[]),
            ([true, true, false], &["tls_key_file"]),
            ([true, false, true], &["tls_key_file"]),
            ([false, true, true], &["tls_authority"]),
            ([false, true, false], &["tls_key_file", "tls_authority"]),
            ([false, false, true], &["tls_key_file", "tls_authority"]),
        ];
        for ([authority, certificate, key_file], expected) in table {
            let files = ClusterTlsFiles {
                authority: authority.then_some(path),
                certificate: certificate.then_some(path),
                key_file: key_file.then_some(&secret),
            };
            let named: Vec<_> = files.faults().into_iter().map(|(key, ..)| key).collect();
            assert_eq!(named, expected, "{authority} {certificate} {key_file}");
        }
    }
}
