//! `foxhold certificates create`: a private authority and short-lived certificates for the roles of a small fleet. The
//! work is `runtime::certificates`; this is its command line. Run it again, daily at least, to renew the certificates.

use std::{io::Write as _, path::PathBuf, time::Duration};

use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{self, CreateError, CreateOptions, Created},
    tls::Role,
};

/// Makes a private authority, and a certificate for each role, into a folder. When the folder holds an authority
/// already, that one is used and the certificates are renewed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Create {
    /// The folder; made when absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The deployment's name, as in `spiffe://<trust domain>/<region>/<role>`.
    #[arg(long, value_name = "NAME")]
    pub(crate) trust_domain: String,
    /// Where the processes run.
    #[arg(long, value_name = "NAME", default_value = "home")]
    pub(crate) region: String,
    /// For which roles: webhead, keysigner, dbwriter, stretcher, worker, ops, operator, health.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "webhead,keysigner,dbwriter,stretcher,ops,operator,health"
    )]
    pub(crate) roles: Vec<Role>,
    /// How long they live: hours or minutes, as in 24h or 30m; 24h at most.
    #[arg(long, value_parser = lifetime, default_value = "24h")]
    pub(crate) lifetime: Duration,
    /// Further host names or addresses in the certificates, for tools that look at them; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
}

/// Makes the files and names them.
pub(crate) fn run(flags: Create) -> anyhow::Result<()> {
    let created = create(flags)?;
    let mut out = std::io::stdout().lock();
    let authority = if created.authority_is_new {
        "a new authority"
    } else {
        "the authority that was there"
    };
    writeln!(out, "signed by {authority}")?;
    for path in created.files {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// Makes the files.
///
/// # Errors
/// [`CreateError`]
fn create(flags: Create) -> Result<Created, CreateError> {
    let options = CreateOptions {
        out: flags.out,
        trust_domain: flags.trust_domain,
        region: flags.region,
        roles: flags.roles,
        lifetime: flags.lifetime,
        hosts: flags.host,
    };
    certificates::create(&options, &SystemClock, &SystemRandom)
}

/// `24h`, `30m`
fn lifetime(text: &str) -> Result<Duration, String> {
    let seconds_each = match text.chars().last() {
        Some('h') => 3600,
        Some('m') => 60,
        _ => return Err("a number of hours or minutes, as in 24h or 30m".into()),
    };
    let number = text.trim_end_matches(['h', 'm']).parse::<u64>();
    match number.ok().and_then(|number| number.checked_mul(seconds_each)) {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        Some(_) | None => Err("a number of hours or minutes, as in 24h or 30m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_hours_or_minutes() {
        let table = [
            ("24h", Some(86_400)),
            ("30m", Some(1800)),
            ("0h", None),
            ("h", None),
            ("24", None),
            ("-1h", None),
            ("1d", None),
            ("99999999999999999h", None),
            ("", None),
        ];
        for (text, secs) in table {
            assert_eq!(lifetime(text).ok(), secs.map(Duration::from_secs), "{text}");
        }
    }
}
