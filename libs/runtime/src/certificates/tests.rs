//! What is made can be used, is private, is reused, and is refused where the contract says so.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use super::*;
use crate::{
    SystemClock, SystemRandom,
    config::Secrets,
    tls::{Role, TlsIdentity},
};

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn options(folder: &std::path::Path) -> CreateOptions {
    CreateOptions {
        out: folder.join("tls"),
        trust_domain: "fox.test".into(),
        region: "home".into(),
        roles: Role::ALL.to_vec(),
        lifetime: LIFETIME_MAX,
        hosts: vec!["fox.test".into(), "192.0.2.1".into()],
    }
}

fn make(options: &CreateOptions) -> Result<Created, CreateError> {
    create(options, &SystemClock, &SystemRandom)
}

#[test]
fn every_role_can_use_its_files_and_nobody_else_can_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let created = make(&options).unwrap();
    assert!(created.authority_is_new);
    assert_eq!(created.files.len(), 2 + 2 * Role::ALL.len());
    for file in &created.files {
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{file:?}"
        );
    }
    for role in Role::ALL {
        let settings = settings(&options.out, "fox.test", *role);
        let identity = TlsIdentity::load(&settings, &Secrets::default()).unwrap();
        assert_eq!(
            identity.id().to_string(),
            format!("spiffe://fox.test/home/{role}")
        );
        identity.server_config(Arc::new(SystemClock)).unwrap();
        identity
            .client_config(Arc::new(SystemClock), Role::Dbwriter)
            .unwrap();
    }
    let other = settings(&options.out, "other.test", Role::Webhead);
    let refused = TlsIdentity::load(&other, &Secrets::default());
    assert!(matches!(refused, Err(TlsError::OtherTrustDomain)));
}

#[test]
fn a_second_time_renews_the_certificates_and_keeps_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    make(&options).unwrap();
    let read = |name: &str| std::fs::read_to_string(options.out.join(name)).unwrap();
    let (authority, webhead) = (read("authority.pem"), read("webhead.pem"));
    let again = make(&options).unwrap();
    assert!(!again.authority_is_new);
    assert_eq!(read("authority.pem"), authority);
    assert_ne!(read("webhead.pem"), webhead);
    let names = std::fs::read_dir(&options.out).unwrap();
    assert_eq!(
        names.count(),
        2 + 2 * Role::ALL.len(),
        "no half-written file stays"
    );
}

#[test]
fn what_must_not_be_made_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let good = options(folder.path());
    let day_and_more = LIFETIME_MAX + Duration::from_secs(1);
    let too_long = CreateOptions {
        lifetime: day_and_more,
        ..good.clone()
    };
    assert!(matches!(
        make(&too_long),
        Err(CreateError::Making(CertificateError::LifetimeTooLong))
    ));
    let bad_domain = CreateOptions {
        trust_domain: "Fox/Test".into(),
        ..good.clone()
    };
    assert!(matches!(make(&bad_domain), Err(CreateError::Name(_))));
    let bad_host = CreateOptions {
        hosts: vec!["fö".into()],
        ..good.clone()
    };
    assert!(matches!(
        make(&bad_host),
        Err(CreateError::Making(CertificateError::HostName(_)))
    ));

    make(&good).unwrap();
    let next_year = Fixed(SystemClock.now().plus(Duration::from_secs(366 * 24 * 3600)));
    assert!(matches!(
        create(&good, &next_year, &SystemRandom),
        Err(CreateError::AuthorityEnds(_))
    ));
    std::fs::remove_file(good.out.join("authority.key")).unwrap();
    assert!(matches!(make(&good), Err(CreateError::HalfAnAuthority(_))));
    std::fs::write(good.out.join("authority.key"), "no key").unwrap();
    assert!(matches!(
        make(&good),
        Err(CreateError::Making(CertificateError::Authority))
    ));
}
