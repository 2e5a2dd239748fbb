//! The same as files: one folder with the authority and one certificate per role, as `foxhold certificates create` makes
//! it. Made again in the same folder, the authority stays and the roles' certificates are renewed.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use foxhold_core::{Clock, Random, hex, random};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Authority, CertificateError, Subject};
use crate::{
    config::SecretFile,
    tls::{IdentityError, Role, SpiffeId, TlsSettings},
};

/// What to make.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The folder; made when absent.
    pub out: PathBuf,
    /// The deployment's name.
    pub trust_domain: String,
    /// Where the processes run.
    pub region: String,
    /// One certificate each.
    pub roles: Vec<Role>,
    /// How long they live; a day at most.
    pub lifetime: Duration,
    /// Host names and addresses beside this machine's own, for tools that look at them.
    pub hosts: Vec<String>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Whether the authority is new.
    pub authority_is_new: bool,
    /// Every file written.
    pub files: Vec<PathBuf>,
}

/// Files that cannot be made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// A file or folder.
    #[error("{path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// One half of the authority is missing.
    #[error(
        "{0} is missing, but its other half is there: put it back, or move both away for a new authority"
    )]
    HalfAnAuthority(PathBuf),
    /// The authority does not live long enough.
    #[error("the authority in {0} ends before the certificates would: move it away for a new one")]
    AuthorityEnds(PathBuf),
    /// A name that cannot be one.
    #[error("the trust domain or region is not a plain name (a-z, 0-9, `-`, `_`; dots in the domain)")]
    Name(#[from] IdentityError),
    /// Making the certificates.
    #[error(transparent)]
    Making(#[from] CertificateError),
}

/// Makes the folder's files.
///
/// # Errors
/// [`CreateError`]. Files that were written before stay; to repeat it is harmless.
pub fn create(
    options: &CreateOptions,
    clock: &dyn Clock,
    source: &dyn Random,
) -> Result<Created, CreateError> {
    let id = |role| SpiffeId::new(&options.trust_domain, &options.region, role);
    let ids = options
        .roles
        .iter()
        .map(|role| id(*role))
        .collect::<Result<Vec<_>, _>>()?;
    make_private_folder(&options.out)?;
    let writer = PrivateFiles {
        folder: &options.out,
        source,
    };
    let mut files = Vec::new();
    let present = authority_in(&options.out)?;
    let authority_is_new = present.is_none();
    let authority = match present {
        Some(authority) => authority,
        None => {
            let authority = Authority::create(&options.trust_domain, clock, source)?;
            files.push(writer.write("authority.key", authority.key_pem())?);
            files.push(writer.write("authority.pem", authority.certificate_pem())?);
            authority
        }
    };
    if authority.ends_before(clock.now().plus(options.lifetime))? {
        return Err(CreateError::AuthorityEnds(options.out.clone()));
    }
    for id in ids {
        let mut subject = Subject::of(&id, options.lifetime);
        subject.hosts.extend(options.hosts.iter().cloned());
        let pair = authority.issue(&subject, clock, source)?;
        files.push(writer.write(&format!("{}.key", id.role()), &pair.key_pem)?);
        files.push(writer.write(&format!("{}.pem", id.role()), &pair.certificate_pem)?);
    }
    Ok(Created {
        authority_is_new,
        files,
    })
}

/// Where a role's process finds its files in such a folder.
#[must_use]
pub fn settings(folder: &Path, trust_domain: &str, role: Role) -> TlsSettings {
    TlsSettings {
        certificate_file: folder.join(format!("{role}.pem")),
        key_file: SecretFile(folder.join(format!("{role}.key"))),
        authority_file: folder.join("authority.pem"),
        trust_domain: trust_domain.to_owned(),
    }
}

/// The authority a folder holds, if it holds one.
fn authority_in(folder: &Path) -> Result<Option<Authority>, CreateError> {
    let (certificate, key) = (folder.join("authority.pem"), folder.join("authority.key"));
    match (read(&certificate)?, read(&key)?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Authority::from_pem(certificate.to_string(), key)?)),
        (Some(_), None) => Err(CreateError::HalfAnAuthority(key)),
        (None, Some(_)) => Err(CreateError::HalfAnAuthority(certificate)),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CreateError {
    let path = path.to_owned();
    |source| CreateError::File { path, source }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, CreateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

fn make_private_folder(path: &Path) -> Result<(), CreateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed(path))
}

/// Writes files that only their owner may read, whole or not at all.
struct PrivateFiles<'a> {
    folder: &'a Path,
    source: &'a dyn Random,
}

impl PrivateFiles<'_> {
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, CreateError> {
        let path = self.folder.join(name);
        let suffix: [u8; 8] = random::bytes(self.source);
        let fresh = self.folder.join(format!(".{name}.{}", hex::encode(&suffix)));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&fresh, &path));
        if let Err(error) = written {
            // What is left of it is nobody's; that it may stay changes nothing about the error.
            let _ = fs::remove_file(&fresh);
            return Err(failed(&path)(error));
        }
        Ok(path)
    }
}
