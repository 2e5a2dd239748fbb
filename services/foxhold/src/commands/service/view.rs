//! How services are shown.

use std::fmt::Write as _;

use foxhold_ops::wire::{Admission, PoolRule, Scheme, Service, ServiceSettings, Services, Whom};
use serde_json::Value;

use super::{ListArgs, ShowArgs};
use crate::{
    admin_client::{self, Path},
    output::table,
    values::Share,
};

pub(super) fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let path = Path::of(["services"]);
    let all: Services = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let values = all.services.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    let row = |Service { key, settings }: &Service| {
        [
            key.clone(),
            admission(&settings.admission),
            schemes(settings),
            format!("{} s", settings.token_lifetime_secs),
            settings.pattern.clone(),
        ]
    };
    let rows: Vec<_> = all.services.iter().map(row).collect();
    let text = table(["KEY", "ADMISSION", "SCHEMES", "TOKENS", "PATTERN"], &rows);
    Ok(arguments.output.print_list(&text, "services", values)?)
}

pub(super) fn show(arguments: &ShowArgs) -> anyhow::Result<()> {
    let path = Path::service(&arguments.key, []);
    let service: Service = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let value = serde_json::to_value(&service)?;
    Ok(arguments.output.print(&text(&service), &value)?)
}

/// All settings, a line each; long lists are counted.
fn text(service: &Service) -> String {
    let of = &service.settings;
    let allocation = &of.allocation;
    let mut lines = vec![
        ("key", service.key.clone()),
        ("pattern", of.pattern.clone()),
        ("scope", of.scope.clone()),
        ("token lifetime", format!("{} s", of.token_lifetime_secs)),
        ("uid ceiling", of.uid_ceiling.to_string()),
        ("schemes", schemes(of)),
        ("admission", admission(&of.admission)),
        ("allowed issuers", words(&of.allowed_issuers)),
        ("trusted issuers", words(&of.trusted_issuers)),
        ("email domains", words(&of.allowed_email_domains)),
    ];
    lines.extend(
        of.conditions
            .iter()
            .map(|(name, url)| ("condition", format!("{name}={url}"))),
    );
    let age = of
        .auth_max_age_secs
        .map_or_else(|| "-".to_owned(), |secs| format!("{secs} s"));
    lines.push(("max age", age));
    lines.push((
        "pinned to",
        allocation.pinned_to.clone().unwrap_or_else(|| "-".to_owned()),
    ));
    lines.extend(allocation.pools.iter().map(|rule| ("pool", pool(rule))));
    let closed: Vec<String> = allocation.closed_pools.iter().cloned().collect();
    lines.push(("closed pools", words(&closed)));
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:15}  {value}");
    }
    text
}

fn words(words: &[String]) -> String {
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

fn schemes(of: &ServiceSettings) -> String {
    let name = |scheme: &Scheme| match scheme {
        Scheme::OAuth => "oauth",
        Scheme::BrowserId => "browserid",
    };
    of.schemes.iter().map(name).collect::<Vec<_>>().join(",")
}

fn admission(of: &Admission) -> String {
    match of {
        Admission::Everyone => "everyone".to_owned(),
        Admission::Nobody => "nobody".to_owned(),
        Admission::Listed(accounts) => format!("listed ({} accounts)", accounts.len()),
        Admission::First(users) => format!("first={users}"),
    }
}

fn pool(rule: &PoolRule) -> String {
    let whom = match &rule.whom {
        Whom::Everyone => "everyone".to_owned(),
        Whom::Domains(domains) => {
            let domains: Vec<&str> = domains.iter().map(String::as_str).take(3).collect();
            format!("of {}", domains.join(", "))
        }
        Whom::Users(users) => format!("of {} users", users.len()),
    };
    format!("{}={} {whom}", rule.pool, Share(rule.share_basis_points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_settings_are_shown() {
        let mut settings = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
        settings.admission = Admission::First(100);
        settings.allowed_email_domains = vec!["a.example".into(), "b.example".into()];
        settings.conditions = [("terms".to_owned(), "https://example.org".to_owned())].into();
        settings.allocation.closed_pools = ["old".to_owned()].into();
        settings.allocation.pools = vec![PoolRule {
            whom: Whom::Domains(["x.example".to_owned()].into()),
            share_basis_points: 1250,
            pool: "new".into(),
        }];
        let service = Service {
            key: "sync-1.5".into(),
            settings,
        };
        let expected = "key              sync-1.5
pattern          {node}/1.5/{uid}
scope            scope
token lifetime   3600 s
uid ceiling      2147483647
schemes          oauth
admission        first=100
allowed issuers  -
trusted issuers  -
email domains    a.example, b.example
condition        terms=https://example.org
max age          -
pinned to        -
pool             new=12.5% of x.example
closed pools     old
";
        assert_eq!(text(&service), expected);
    }
}
