//! Looks at a mail server as far as one can without sending a mail.

use std::time::Duration;

use foxhold_webhead::mail::{
    smtp::SmtpSettings,
    trial::{CONNECT, LOG_IN, greet},
};
use tokio::time::timeout;

use super::Complaint;

/// How long all of it may take.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// What the server says of itself, if it would take a mail.
pub(crate) async fn look(settings: &SmtpSettings) -> Result<String, Complaint> {
    let late = |_| {
        Complaint::away(
            format!("the mail server {} does not answer in time", settings.host),
            "see that it runs, and that firewalls let this machine through to it",
        )
    };
    let greeted = timeout(LOOK_MAX, greet(settings)).await.map_err(late)?;
    let steps = greeted.map_err(|error| {
        let why = anyhow::Error::from(error);
        Complaint::invalid(
            format!("the mail server cannot be used: {why:#}"),
            "see its table",
        )
    })?;
    let Some(stopped) = steps.iter().find(|step| !step.is_done) else {
        let has_login = steps.iter().any(|step| step.step == LOG_IN);
        let login = if has_login { ", and takes the login" } else { "" };
        return Ok(format!("the mail server {} answers{login}", settings.host));
    };
    let what = format!(
        "the mail server {} ({}): {}",
        settings.host, stopped.step, stopped.answer
    );
    Err(match stopped.step {
        CONNECT => Complaint::away(
            what,
            "see host and port, that it runs, and that firewalls let this machine through to it",
        ),
        LOG_IN => Complaint::invalid(what, "see user and password_file"),
        _ => Complaint::invalid(
            what,
            "see tls, and authority_file if its certificate is of a private authority",
        ),
    })
}
