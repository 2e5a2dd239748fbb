//! What the owner of a box sees when it is up.

use std::fmt::Write as _;

use url::Url;

use super::settings::{Settings, is_loopback};
use crate::{cli::MailMode, data_folder::DataFolder};

/// The lines shown at start.
pub(crate) fn greeting(folder: &DataFolder, settings: &Settings, site: &Url) -> String {
    let root = settings.public_url();
    let mut text = format!("foxhold {}\n\n", env!("CARGO_PKG_VERSION"));
    let new = if folder.is_new() {
        "  (new: keys, database and configuration were made there)"
    } else {
        ""
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
    fn https_needs_one_preference_and_http_two() {
        for (root, lines) in [("http://localhost:8000", 2), ("https://sync.example.org", 1)] {
            let site = Url::parse(root).unwrap();
            let text = preferences(root, &site);
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.contains(root));
        }
    }
}
