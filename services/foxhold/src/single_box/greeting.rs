//! What the owner of a box sees when it is up.

use std::fmt::Write as _;

use url::Url;

use super::settings::{Settings, is_loopback};
use crate::{cli::MailMode, data_folder::DataFolder};

/// The lines shown at start; `keeps_config` if its owner had written one.
pub(crate) fn greeting(folder: &DataFolder, keeps_config: bool, settings: &Settings, site: &Url) -> String {
    let root = settings.public_url();
    let mut text = format!("foxhold {}\n\n", env!("CARGO_PKG_VERSION"));
    let new = match (folder.is_new(), keeps_config) {
        (true, false) => "  (new: keys, database and configuration were made there)",
        (true, true) => "  (new: keys and database were made there, beside your configuration)",
        (false, _) => "",
    };
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<9}{value}");
    };
    line("data", &format!("{}{new}", folder.root().display()));
    line("open", &root);
    line("mail", &mail(settings));
    if !settings.listen.ip().is_loopback() && is_loopback(site) {
        text.push_str(
            "\nOther machines reach this one, but not by that address: give theirs with --public-url.\n",
        );
    }
    let preferences = preferences(&root, site);
    let _ = write!(text, "\nIn Firefox, open about:config and set\n\n{preferences}");
    text.push_str("\nthen sign in from Firefox's menu. Ctrl-C stops foxhold; nothing is lost.\n");
    text
}

fn mail(settings: &Settings) -> String {
    match settings.mail {
        MailMode::Log => "is shown here".to_owned(),
        MailMode::Capture => format!(
            "is kept at http://{}/mail/NAME, where NAME stands before the @",
            settings.private_listen
        ),
        MailMode::Smtp => {
            let host = settings.smtp.as_ref().map_or("", |smtp| smtp.host.as_str());
            format!("is sent through {host}")
        }
        MailMode::None => "is not sent: accounts come out verified".to_owned(),
    }
}

/// The preferences that point a Firefox here.
fn preferences(root: &str, site: &Url) -> String {
    let mut text = format!("  identity.fxaccounts.autoconfig.uri   {root}\n");
    if site.scheme() == "http" {
        text.push_str("  identity.fxaccounts.allowHttp        true\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_told_once_and_a_configuration_only_if_it_was() {
        let root = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let site = settings.site().unwrap();
        let told = |folder: &DataFolder, keeps_config| greeting(folder, keeps_config, &settings, &site);
        let new = DataFolder::open(root.path()).unwrap();
        assert!(told(&new, false).contains("configuration were made"));
        assert!(told(&new, true).contains("beside your configuration"));
        drop(new);
        let again = DataFolder::open(root.path()).unwrap();
        assert!(!told(&again, true).contains("(new:"));
    }

    #[test]
    fn https_needs_one_preference_and_http_two() {
        for (root, lines) in [("http://localhost:8000", 2), ("https://sync.example.org", 1)] {
            let site = Url::parse(root).unwrap();
            let text = preferences(root, &site);
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.contains(root));
        }
    }
}
