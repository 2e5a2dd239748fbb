//! What the first start makes: keys, configuration, and a format mark before both. A start that was killed half-way is
//! completed by the next; keys that are missing beside an existing database are a loss that only their owner can mend.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::PathBuf};

use thiserror::Error;
use url::Url;

use super::settings::Settings;
use crate::{
    data_folder::{DataFolder, write_new},
    key_files::{KeyFiles, KeyFilesError},
};

/// A box that cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum SetupError {
    #[error(
        "{} holds accounts, but these keys are missing: {}\nfix: put them back from a backup; new ones would \
         sign everybody out", database.display(), listed(missing)
    )]
    KeysLost {
        database: PathBuf,
        missing: Vec<PathBuf>,
    },
    #[error(transparent)]
    Keys(#[from] KeyFilesError),
    #[error("writing {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// Makes what is missing in the folder.
pub(crate) fn complete(folder: &DataFolder, settings: &Settings, site: &Url) -> Result<KeyFiles, SetupError> {
    let keys = KeyFiles::in_folder(folder.keys());
    let missing = keys.missing();
    if !missing.is_empty() && folder.database().exists() {
        return Err(SetupError::KeysLost {
            database: folder.database(),
            missing,
        });
    }
    keys.make_missing()?;
    // The sync node would make it readable to others, in a folder that its owner may have opened.
    let node = folder.node();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&node);
    made.map_err(|source| SetupError::Write { path: node, source })?;
    let config = folder.config();
    if !config.exists() {
        let written = write_new(&config, first_config(settings, site).as_bytes(), 0o600);
        written.map_err(|source| SetupError::Write { path: config, source })?;
    }
    Ok(keys)
}

/// The configuration as the first start leaves it: what was decided then, and what is worth knowing about the rest.
fn first_config(settings: &Settings, site: &Url) -> String {
    let domain = settings
        .domain
        .clone()
        .unwrap_or_else(|| site.host_str().unwrap_or("localhost").to_owned());
    let public_url = match &settings.public_url {
        Some(_) => format!("public_url = \"{}\"", settings.public_url()),
        None => format!("# public_url = \"{}\"", settings.public_url()),
    };
    let head =
        "# Written by the first `foxhold up`. Flags and FOXHOLD_ variables override what stands here.\n";
    let domain = format!("domain = \"{domain}\"");
    format!("{head}{}", config_text(settings, &public_url, &domain))
}

/// A configuration to begin with, for whoever decides before the first start.
pub(crate) fn sample() -> String {
    let settings = Settings::default();
    let head = "# foxhold.toml, to be put into the folder of a box before the first `foxhold up`. Flags and FOXHOLD_ variables\n\
                # override what stands here. Decide on `public_url` and `domain`, its host, before somebody signs up.\n\
                # docs/configuration.md has every key.\n";
    let public_url = "# public_url = \"https://accounts.example.org\"";
    format!(
        "{head}{}",
        config_text(&settings, public_url, "domain = \"localhost\"")
    )
}

fn config_text(settings: &Settings, public_url: &str, domain: &str) -> String {
    format!(
        "\n\
         # Where everything public is served.\n\
         listen = \"{listen}\"\n\
         # Where health and captured mail are served; this machine only.\n\
         private_listen = \"{private_listen}\"\n\
         # What browsers reach it by: scheme, host and port.\n\
         {public_url}\n\
         # Users are known to sync by this name. Do not change it: they would start anew.\n\
         {domain}\n\
         # log | capture | smtp | none\n\
         mail = \"{mail}\"\n\
         # Who may sign up: open | closed | invitation, and with which mail domains. Read again when this file changes.\n\
         # registration = \"open\"\n\
         # registration_domains = [\"example.org\", \"*.example.org\"]\n\
         # Whether each sign-in waits for a mailed link or mailed digits.\n\
         # confirm_sign_ins = true\n\
         # Behind a proxy: whose X-Forwarded-For is believed, and which entry of it counts, from the right.\n\
         # trusted_proxies = [\"127.0.0.1\"]\n\
         # forwarded_from_right = 1\n\
         # For programs with PyFxA, and to test alerts with. All other keys: docs/operating.md.\n\
         # accept_bearer = true\n\
         # error_endpoint = true\n\
         \n\
         # [smtp]\n\
         # host = \"mail.example.org\"\n\
         # from = \"Foxhold <accounts@example.org>\"\n\
         # user = \"accounts@example.org\"\n\
         # password_file = \"/path/to/a/0600/file\"\n\
         # tls = \"starttls\"        # or \"tls\", or \"plain\" for a relay on this machine\n\
         # port = 587              # by default 587, 465 with \"tls\", 25 with \"plain\"\n\
         # authority_file = \"/path/to/authorities.pem\"    # in place of the public ones\n\
         \n\
         # [stretch]\n\
         # memory_mib = 264        # for stretching passwords; each takes 66\n\
         \n\
         # [limits]\n\
         # profile = \"current\"     # or \"off\", for tests\n\
         \n\
         # [first_assignments]     # new users; see docs/operating.md\n\
         # block_burst = 20        # of one IPv4 /24 or IPv6 /48 at once\n\
         # block_per_hour = 10     # and after that\n\
         \n\
         # [purge]                 # what was left under keys of before is erased\n\
         # interval_secs = 3600    # how often it is looked for\n\
         # grace_secs = 86400      # how long it is left alone\n\
         # nodes_by_uid = [\"http://localhost:8005\"]   # each foxhold-sync-node beside this box\n\
         \n\
         # [node_health]           # for nodes beside this box\n\
         # enabled = true\n\
         \n\
         # [log]\n\
         # level = \"info\"\n",
        listen = settings.listen,
        private_listen = settings.private_listen,
        mail = settings.mail.name(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::UpArgs;

    #[test]
    fn the_first_configuration_reads_back_and_keeps_the_domain() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("foxhold.toml");
        let settings = Settings {
            public_url: Some("https://sync.example.org".into()),
            ..Settings::default()
        };
        let site = settings.site().unwrap();
        std::fs::write(&file, first_config(&settings, &site)).unwrap();
        let read = Settings::load(&file, Vec::new(), &no_arguments()).unwrap();
        assert_eq!(read.public_url(), "https://sync.example.org");
        assert_eq!(read.domain.as_deref(), Some("sync.example.org"));
        assert_eq!(read.listen, settings.listen);
    }

    #[test]
    fn what_it_shows_in_comments_is_good_once_it_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("foxhold.toml");
        let settings = Settings::default();
        let text = first_config(&settings, &settings.site().unwrap());
        let is_key = |line: &str| {
            line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        };
        let in_force = text.lines().map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| is_key(rest))
                .unwrap_or(line)
        });
        std::fs::write(&file, in_force.collect::<Vec<_>>().join("\n")).unwrap();
        let read = Settings::load(&file, Vec::new(), &no_arguments()).unwrap();
        assert_eq!(read.registration_rules().unwrap().domains.len(), 2);
        assert_eq!(read.trusted_proxies, ["127.0.0.1"]);
        assert_eq!(read.smtp.unwrap().host, "mail.example.org");
        assert_eq!(read.stretch.memory_mib, settings.stretch.memory_mib);
        assert_eq!(read.log, settings.log);
    }

    fn no_arguments() -> UpArgs {
        UpArgs {
            data: "unused".into(),
            listen: None,
            private_listen: None,
            public_url: None,
            mail: None,
            yes: false,
        }
    }
}
