//! What `foxhold config check` looks at in the settings of a box: what [`Settings`] holds against each other, and what else
//! `foxhold up` would stumble over before it listens. The folder's keys and database are `foxhold doctor`'s.

use foxhold_runtime::config::{Findings, Secrets};
use foxhold_webhead::{
    config::{issuer_documents, mail_templates, verifier},
    mail::MailSettings,
};

use super::settings::Settings;
use crate::cli::MailMode;

/// Tells all that is wrong.
pub(crate) fn look(settings: &Settings, secrets: &Secrets, found: &mut Findings<'_>) {
    found.take_bounds(settings);
    // Whoever checks need not confirm again how the box is set up.
    for fault in settings.faults(true) {
        found.take::<(), _>(Err(fault));
    }
    found.take_of("limits.rules", settings.limits.rules());
    found.take(settings.first_assignments.check());
    found.take(verifier(&settings.browserid, &settings.issuer_documents));
    found.take(issuer_documents(&settings.issuer_documents));
    found.take(mail_templates(
        &settings.public_url(),
        settings.mail_templates.as_deref(),
    ));
    look_at_mail(settings, secrets, found);
    look_at_others(settings, found);
}

fn look_at_mail(settings: &Settings, secrets: &Secrets, found: &mut Findings<'_>) {
    let Some(table) = settings.smtp.as_ref().filter(|_| settings.mail == MailMode::Smtp) else {
        return;
    };
    found.take(MailSettings::Smtp(table.clone()).prepare("smtp", secrets));
}

fn look_at_others(settings: &Settings, found: &mut Findings<'_>) {
    let host = settings
        .site()
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let domain = settings.domain.clone().or(host).unwrap_or_default();
    if let Some(other) = &settings.foreign_oauth {
        found.take(other.prepare(&domain));
    }
    found.take(settings.account_events(&domain));
}
