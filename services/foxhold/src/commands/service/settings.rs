//! What a service is told on the command line, or in a file, and how that becomes all its settings.

mod words;

use std::{collections::BTreeSet, fs, io, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use foxhold_ops::wire::{
    Admission, Nodes, PoolRule, Scheme, Service, ServiceOutcome, ServicePut, ServiceSettings,
};
use serde_json::Value;
use thiserror::Error;

use super::{ChangeArgs, CreateArgs, UpdateArgs};
use crate::{
    admin_client::{self, Admin, AdminError, Path},
    commands::Exists,
    failure::NOT_FOUND,
    output::table,
    progress::note,
    values::{Share, node_url, pool_name, span, span_with_unit},
};
use words::Words;

/// The arguments, for the command that needs one of them at least.
pub(super) const NAMES: [&str; 16] = [
    "file",
    "pattern",
    "scope",
    "token_lifetime",
    "uid_ceiling",
    "scheme",
    "allowed_issuer",
    "trusted_issuer",
    "email_domain",
    "admission",
    "condition",
    "max_age",
    "pin",
    "unpin",
    "pool",
    "closed_pool",
];

/// Lists that are given replace the whole list; '' empties it.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// All settings, as `service show --output json` prints them; - is standard input. Flags win over it.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The endpoint: {node} first, then {uid} and {service} to fill in.
    #[arg(long, value_name = "TEXT")]
    pattern: Option<String>,
    /// The scope that a token must grant.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// How long its tokens live, with the unit: 90s, 30m, 12h.
    #[arg(long, value_name = "SPAN", value_parser = span_with_unit)]
    token_lifetime: Option<Duration>,
    /// The largest uid it hands out.
    #[arg(long, value_name = "UID")]
    uid_ceiling: Option<u64>,
    /// Credentials it takes, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    scheme: Vec<SchemeName>,
    /// Issuers whose BrowserID certificates count, with commas between; * is any.
    #[arg(long, value_name = "DOMAINS")]
    allowed_issuer: Option<Words>,
    /// Of them, those who vouch for users of other domains, too.
    #[arg(long, value_name = "DOMAINS")]
    trusted_issuer: Option<Words>,
    /// Domains whose users certificates count for, whoever made them, with commas between; '' is all.
    #[arg(long, value_name = "DOMAINS")]
    email_domain: Option<Words>,
    /// Who gets a first record: everyone, nobody, first=N, or listed=UID,UID.
    #[arg(long, value_name = "WHO", value_parser = words::admission)]
    admission: Option<Admission>,
    /// Terms that everybody must have accepted: NAME=URL. May be repeated.
    #[arg(long, value_name = "NAME=URL", value_parser = words::condition)]
    condition: Option<Vec<Option<(String, String)>>>,
    /// How long ago a BrowserID user may have signed in; 0 is any time.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    max_age: Option<Duration>,
    /// All who need a node go to this one.
    #[arg(long, value_name = "URL", value_parser = node_url)]
    pin: Option<String>,
    /// They go to their pools again.
    #[arg(long, conflicts_with = "pin")]
    unpin: bool,
    /// Users for a pool: POOL=SHARE, and then ,domain=DOMAIN or ,user=KEY as often as need be. May be repeated: the first
    /// that holds counts.
    #[arg(long, value_name = "POOL=SHARE", value_parser = words::pool_rule)]
    pool: Option<Vec<Option<PoolRule>>>,
    /// Pools that take no new users, with commas between.
    #[arg(long, value_name = "NAMES")]
    closed_pool: Option<Words>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemeName {
    Oauth,
    Browserid,
}

/// Settings that are missing or in no form.
#[derive(Debug, Error)]
pub(crate) enum SettingsFault {
    #[error(
        "a new service needs --pattern and --scope, or a --file with all settings\nfix: foxhold service create --help"
    )]
    Missing,
    #[error("{} holds no settings of a service\nfix: begin with what `foxhold service show --output json` prints", path.display())]
    File {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("`{0}` is no pool's name: 1 to 32 of a-z, 0-9 and -\nfix: correct --closed-pool")]
    Pool(String),
}

pub(super) fn create(arguments: &CreateArgs) -> anyhow::Result<()> {
    let flags = &arguments.settings;
    let base = match (flags.read()?, &flags.pattern, &flags.scope) {
        (Some(settings), ..) => settings,
        (None, Some(pattern), Some(scope)) => ServiceSettings::new(pattern.clone(), scope.clone()),
        (None, ..) => return Err(SettingsFault::Missing.into()),
    };
    let settings = flags.over(base)?;
    let put = admin_client::with(&arguments.change.admin, async |admin| {
        if found(admin, &arguments.key).await?.is_some() {
            return Err(Exists {
                what: "the service",
                fix: "foxhold service update changes it",
            }
            .into());
        }
        let put = put(admin, &arguments.change, &arguments.key, &settings).await;
        let put = put.map_err(|error| by_flags(flags, error))?;
        note_empty_pools(admin, &arguments.change, &put).await;
        Ok(put)
    })?;
    print(&arguments.change, &put)
}

pub(super) fn update(arguments: &UpdateArgs) -> anyhow::Result<()> {
    let flags = &arguments.settings;
    let file = flags.read()?;
    let put = admin_client::with(&arguments.change.admin, async |admin| {
        let before: Service = admin.get(&Path::service(&arguments.key, [])).await?;
        let settings = flags.over(file.unwrap_or(before.settings))?;
        let put = put(admin, &arguments.change, &arguments.key, &settings).await;
        let put = put.map_err(|error| by_flags(flags, error))?;
        note_empty_pools(admin, &arguments.change, &put).await;
        Ok(put)
    })?;
    print(&arguments.change, &put)
}

async fn found(admin: &mut Admin, key: &str) -> Result<Option<Service>, AdminError> {
    match admin.get(&Path::service(key, [])).await {
        Ok(service) => Ok(Some(service)),
        Err(error) if error.exit_code() == NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put(
    admin: &mut Admin,
    change: &ChangeArgs,
    key: &str,
    settings: &ServiceSettings,
) -> anyhow::Result<ServicePut> {
    let path = Path::service(key, []).dry(change.dry());
    Ok(admin.put(&path, settings).await?)
}

/// What is refused stood in flags, unless there was a file.
fn by_flags(flags: &SettingsArgs, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<AdminError>() {
        Ok(error) if flags.file.is_none() => error.of_flags().into(),
        Ok(error) => error.into(),
        Err(other) => other,
    }
}

/// Says of pools that no node is in: a misspelt one would send its users nowhere, or close nothing.
async fn note_empty_pools(admin: &mut Admin, change: &ChangeArgs, put: &ServicePut) {
    let allocation = &put.service.settings.allocation;
    let rules = allocation.pools.iter().map(|rule| &rule.pool);
    let mut named: BTreeSet<&String> = rules.chain(&allocation.closed_pools).collect();
    if named.is_empty() {
        return;
    }
    // The change is made; who cannot see the nodes says nothing of them.
    let path = Path::service(&put.service.key, ["nodes"]);
    let Ok(Nodes { nodes }) = admin.get(&path).await else {
        return;
    };
    named.retain(|pool| nodes.iter().all(|node| node.pool.as_ref() != Some(*pool)));
    for pool in named {
        note(
            change.admin.quiet,
            &format!("no node is in the pool {pool}: foxhold node list shows which there are"),
        );
    }
}

fn print(change: &ChangeArgs, put: &ServicePut) -> anyhow::Result<()> {
    let word = match (put.outcome, put.dry_run) {
        (ServiceOutcome::Created, false) => "created",
        (ServiceOutcome::Created, true) => "would be created",
        (ServiceOutcome::Changed, false) => "changed",
        (ServiceOutcome::Changed, true) => "would be changed",
        (ServiceOutcome::Unchanged, _) => "unchanged",
    };
    let mut text = format!("{} {word}\n", put.service.key);
    text.push_str(&changes(put));
    Ok(change.output.print(&text, &serde_json::to_value(put)?)?)
}

/// What differs, a line each.
pub(super) fn changes(put: &ServicePut) -> String {
    if put.changes.is_empty() {
        return String::new();
    }
    let row = |change: &foxhold_ops::wire::FieldChange| {
        [change.field.clone(), shown(&change.from), shown(&change.to)]
    };
    let rows: Vec<_> = put.changes.iter().map(row).collect();
    table(["SETTING", "WAS", "IS"], &rows)
}

/// Lists as they are given: with commas, and members by their names.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "-".to_owned(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match name.as_str() {
                "share_basis_points" => {
                    let share = value.as_u64().and_then(|share| u16::try_from(share).ok());
                    share.map_or_else(|| shown(value), |share| format!("share={}", Share(share)))
                }
                name => format!("{name}={}", shown(value)),
            };
            members.iter().map(member).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

impl SettingsArgs {
    /// The file's settings.
    fn read(&self) -> anyhow::Result<Option<ServiceSettings>> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let text = if path.as_os_str() == "-" {
            io::read_to_string(io::stdin()).context("reading standard input")?
        } else {
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
        };
        let settings = settings_in(&text).map_err(|source| SettingsFault::File {
            path: path.clone(),
            source,
        })?;
        Ok(Some(settings))
    }

    /// The flags over what was there.
    fn over(&self, base: ServiceSettings) -> Result<ServiceSettings, SettingsFault> {
        let secs = |span: &Duration| span.as_secs();
        let mut of = base;
        set(&mut of.pattern, self.pattern.clone());
        set(&mut of.scope, self.scope.clone());
        set(
            &mut of.token_lifetime_secs,
            self.token_lifetime.as_ref().map(secs),
        );
        set(&mut of.uid_ceiling, self.uid_ceiling);
        set(
            &mut of.allowed_issuers,
            self.allowed_issuer.clone().map(|words| words.0),
        );
        set(
            &mut of.trusted_issuers,
            self.trusted_issuer.clone().map(|words| words.0),
        );
        set(
            &mut of.allowed_email_domains,
            self.email_domain.clone().map(|words| words.0),
        );
        set(&mut of.admission, self.admission.clone());
        set(
            &mut of.conditions,
            self.condition
                .clone()
                .map(|all| all.into_iter().flatten().collect()),
        );
        let age = self.max_age.as_ref().map(secs);
        set(
            &mut of.auth_max_age_secs,
            age.map(|secs| Some(secs).filter(|secs| *secs > 0)),
        );
        if !self.scheme.is_empty() {
            of.schemes = self.scheme.iter().map(|name| Scheme::from(*name)).collect();
        }
        let allocation = &mut of.allocation;
        if self.pin.is_some() || self.unpin {
            allocation.pinned_to.clone_from(&self.pin);
        }
        set(
            &mut allocation.pools,
            self.pool.clone().map(|all| all.into_iter().flatten().collect()),
        );
        if let Some(Words(names)) = &self.closed_pool {
            allocation.closed_pools = pools(names)?;
        }
        Ok(of)
    }
}

/// A service as it is shown, or its settings alone. A fault is told of what it is.
fn settings_in(text: &str) -> Result<ServiceSettings, serde_json::Error> {
    let document: Value = serde_json::from_str(text)?;
    if document.get("settings").is_some() {
        serde_json::from_str::<Service>(text).map(|service| service.settings)
    } else {
        serde_json::from_str(text)
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

fn pools(names: &[String]) -> Result<BTreeSet<String>, SettingsFault> {
    let named = |name: &String| pool_name(name).map_err(|_| SettingsFault::Pool(name.clone()));
    names.iter().map(named).collect()
}

impl From<SchemeName> for Scheme {
    fn from(name: SchemeName) -> Self {
        match name {
            SchemeName::Oauth => Self::OAuth,
            SchemeName::Browserid => Self::BrowserId,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    fn over(base: &ServiceSettings, flags: &[&str]) -> ServiceSettings {
        let line = Line::try_parse_from(["x"].iter().chain(flags)).unwrap();
        line.settings.over(base.clone()).unwrap()
    }

    #[test]
    fn what_changed_is_told_without_json() {
        let pool = serde_json::json!({"whom": "everyone", "share_basis_points": 1250, "pool": "new"});
        for (value, expected) in [
            (Value::Null, "-"),
            (serde_json::json!([]), "-"),
            (serde_json::json!(["oauth", "browserid"]), "oauth,browserid"),
            (serde_json::json!({"first": 100}), "first=100"),
            (serde_json::json!(7), "7"),
        ] {
            assert_eq!(shown(&value), expected);
        }
        let told = shown(&serde_json::json!({"pinned_to": null, "pools": [pool]}));
        for part in ["pinned_to=-", "share=12.5%", "pool=new", "whom=everyone"] {
            assert!(told.contains(part) && !told.contains(['{', '"', '[']), "{told}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_named_in_either_form() {
        let settings = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
        let alone = serde_json::to_string(&settings).unwrap();
        let whole = format!("{{\"key\":\"sync-1.5\",\"settings\":{alone}}}");
        for text in [alone, whole] {
            assert!(settings_in(&text).unwrap() == settings, "{text}");
            let misspelt = text.replace("uid_ceiling", "uid_ceilin");
            let told = settings_in(&misspelt).unwrap_err().to_string();
            assert!(told.contains("`uid_ceilin`"), "{told}");
        }
    }

    #[test]
    fn every_flag_sets_what_it_names_and_nothing_else() {
        let base = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
        type Set = fn(&mut ServiceSettings);
        let table: [(&[&str], Set); 15] = [
            (&[], |_| {}),
            (&["--pattern", "{node}/{uid}"], |s| {
                s.pattern = "{node}/{uid}".into()
            }),
            (&["--scope", "other"], |s| s.scope = "other".into()),
            (&["--token-lifetime", "30m"], |s| s.token_lifetime_secs = 1800),
            (&["--uid-ceiling", "99"], |s| s.uid_ceiling = 99),
            (&["--scheme", "oauth,browserid"], |s| {
                s.schemes = [Scheme::OAuth, Scheme::BrowserId].into();
            }),
            (&["--allowed-issuer", "a.org,b.org"], |s| {
                s.allowed_issuers = vec!["a.org".into(), "b.org".into()];
            }),
            (&["--trusted-issuer", ""], |s| s.trusted_issuers = vec![]),
            (&["--email-domain", "b.org,c.org"], |s| {
                s.allowed_email_domains = vec!["b.org".into(), "c.org".into()];
            }),
            (&["--admission", "first=9"], |s| s.admission = Admission::First(9)),
            (
                &[
                    "--condition",
                    "tos=https://a.org/tos",
                    "--condition",
                    "x=http://b",
                ],
                |s| {
                    s.conditions = [
                        ("tos".to_owned(), "https://a.org/tos".to_owned()),
                        ("x".to_owned(), "http://b".to_owned()),
                    ]
                    .into();
                },
            ),
            (&["--max-age", "1h"], |s| s.auth_max_age_secs = Some(3600)),
            (&["--pin", "https://n/"], |s| {
                s.allocation.pinned_to = Some("https://n".into())
            }),
            (&["--pool", "new=10%"], |s| {
                s.allocation.pools = vec![PoolRule {
                    whom: foxhold_ops::wire::Whom::Everyone,
                    share_basis_points: 1000,
                    pool: "new".into(),
                }];
            }),
            (&["--closed-pool", "old,older"], |s| {
                s.allocation.closed_pools = ["old".to_owned(), "older".to_owned()].into();
            }),
        ];
        let mut all: Vec<&str> = Vec::new();
        let mut expected_of_all = base.clone();
        for (flags, set) in table {
            let mut expected = base.clone();
            set(&mut expected);
            assert!(over(&base, flags) == expected, "{flags:?}");
            all.extend(flags);
            set(&mut expected_of_all);
        }
        let changed = over(&base, &all);
        assert!(changed == expected_of_all);
        let emptied = [
            "--allowed-issuer",
            "",
            "--email-domain",
            "",
            "--condition",
            "",
            "--pool",
            "",
            "--closed-pool",
            "",
            "--unpin",
            "--max-age",
            "0",
        ];
        let back = over(&changed, &emptied);
        assert!(back.allowed_issuers.is_empty() && back.conditions.is_empty());
        assert!(back.allowed_email_domains.is_empty());
        assert!(back.allocation == base.allocation && back.auth_max_age_secs.is_none());
    }
}
