//! Who may make an account, as an operator writes it (`accounts.md` (k), Registration): keys of the webhead's
//! configuration and of the box's, read again when their file changes.
//!
//! Must stay true: what cannot be read changes nothing. A file that is broken for another reason keeps the rules, too.

use std::error::Error;

pub use foxhold_accounts::registration::{CurrentRegistration, Registration};
use foxhold_accounts::registration::{MailDomain, RegistrationMode};
use foxhold_runtime::config::{ConfigErrors, FileWatch, next_look};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Part of the configuration, in metrics and logs.
pub const PART: &str = "registration";

/// The key `registration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationSetting {
    /// Everybody may make an account.
    #[default]
    Open,
    /// Nobody may.
    Closed,
    /// Whoever has an invitation.
    Invitation,
}

/// Rules that cannot be put in force.
#[derive(Debug, Error)]
pub enum RegistrationFault {
    /// The configuration they stand in cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A domain that no address can have.
    #[error(
        "`registration_domains`: {0:?} is no mail domain in lower case\n\
         fix: as in \"example.org\", \"*.example.org\" for all below it, \"xn--bcher-kva.example\" for other letters"
    )]
    Domain(String),
}

/// The rules that the three keys make.
///
/// # Errors
/// [`RegistrationFault::Domain`]
pub fn rules(
    mode: RegistrationSetting,
    domains: &[String],
    domains_shown: bool,
) -> Result<Registration, RegistrationFault> {
    let listed = domains
        .iter()
        .map(|text| MailDomain::parse(text).ok_or_else(|| RegistrationFault::Domain(text.clone())));
    Ok(Registration {
        mode: match mode {
            RegistrationSetting::Open => RegistrationMode::Open,
            RegistrationSetting::Closed => RegistrationMode::Closed,
            RegistrationSetting::Invitation => RegistrationMode::Invitation,
        },
        domains: listed.collect::<Result<_, _>>()?,
        domains_shown,
    })
}

/// Takes over what changes in the watched files, for as long as it is polled.
pub async fn keep_fresh<E: Error>(
    watch: &FileWatch,
    current: &CurrentRegistration,
    read: impl Fn() -> Result<Registration, E>,
) {
    loop {
        next_look().await;
        if let Some(rules) = watch.look(&read) {
            tracing::info!(
                mode = rules.mode.as_str(),
                domains = rules.domains.len(),
                "rules of registration"
            );
            current.replace(rules);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use foxhold_runtime::config::Sources;

    use super::*;
    use crate::Config;

    const SAMPLE: &str = include_str!("../../../deploy/config/webhead.toml");

    /// Written beside and moved over it, as editors do: another file each time.
    fn put(path: &std::path::Path, keys: &str) {
        let new = path.with_extension("new");
        fs::write(&new, format!("{keys}\n{SAMPLE}")).unwrap();
        fs::rename(new, path).unwrap();
    }

    #[test]
    fn rules_follow_the_file_and_outlive_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhead.toml");
        put(&path, "registration = \"closed\"");
        let sources = Sources {
            files: vec![path.clone()],
            ..Sources::default()
        };
        let mut config: Config = foxhold_runtime::config::load("webhead", &sources).unwrap();
        config.sources = sources;
        let read = || config.registration_again();
        let files = config.sources.files.clone();
        let (watch, first) = FileWatch::of_paths(PART, files, read).unwrap();
        assert_eq!(first.mode, RegistrationMode::Closed);
        assert_eq!(watch.look(read), None);
        for broken in [
            "registration = \"invited\"",
            "registration = true",
            "registration_domains = [\"Example.org\"]",
            "colour = \"red\"",
            "[",
        ] {
            put(&path, broken);
            assert_eq!(watch.look(read), None, "{broken}");
        }
        put(
            &path,
            "registration_domains = [\"example.org\"]\nregistration_domains_shown = true",
        );
        let rules = watch.look(read).unwrap();
        assert_eq!(
            (rules.mode, rules.domains_shown, rules.domains.len()),
            (RegistrationMode::Open, true, 1)
        );
    }

    #[test]
    fn a_domain_that_is_none_is_named() {
        let fault = rules(RegistrationSetting::Open, &["exa mple".to_owned()], false).unwrap_err();
        assert!(fault.to_string().contains("exa mple"), "{fault}");
    }
}
