//! What a box is told: the file in its folder, `FOXHOLD_` variables over it, flags over both.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use foxhold_pool::PoolLimits;
use foxhold_runtime::{
    config::{ConfigErrors, Findings, Reading, Secrets, Sources},
    telemetry::{LogConfig, TelemetryError},
};
use foxhold_sync::node_type::NodeTypes;
use foxhold_webhead::{
    assertions::BrowserIdSettings,
    client_address::ClientAddresses,
    config::{ConfigError, HawkSettings, check_confirmation, check_domain, root},
    foreign_oauth::ForeignOauthSettings,
    jobs::{JobsFault, NodeHealthSettings, PurgeSettings},
    limits::{
        FirstAssignmentSettings, LimitSettings,
        live::{Limiting, LimitsFault},
    },
    mail::{MailNewsSettings, SmtpTable},
    registration::{self, Registration, RegistrationFault, RegistrationSetting},
    token_server::events::{AccountEvents, AccountEventsError, AccountEventsSettings},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

use super::look::look;
use crate::cli::{MailMode, UpArgs};

/// All keys of `foxhold.toml`.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where everything public is served.
    pub(crate) listen: SocketAddr,
    /// Where health and captured mail are served; loopback only.
    pub(crate) private_listen: SocketAddr,
    /// What browsers reach it by; `http://localhost` and the port when absent.
    pub(crate) public_url: Option<String>,
    /// Second half of every user's key. Fixed at the first start: users are known by it.
    pub(crate) domain: Option<String>,
    /// How mail is delivered.
    pub(crate) mail: MailMode,
    /// Folder with mail templates in place of the program's.
    pub(crate) mail_templates: Option<PathBuf>,
    /// The mail server, for `mail = "smtp"`.
    pub(crate) smtp: Option<SmtpTable>,
    /// Mails that are sent only where they are wanted.
    pub(crate) mail_news: MailNewsSettings,
    /// Whether each sign-in to a verified account, but for those with a second factor, waits until a mailed link is opened or
    /// a mailed code typed.
    pub(crate) confirm_sign_ins: bool,
    /// Abuse limits.
    pub(crate) limits: LimitSettings,
    /// Whether accounts are made. This and the next two are read again when the file changes.
    #[schemars(extend("x-reload" = "value"))]
    pub(crate) registration: RegistrationSetting,
    /// Whose addresses may have a new account, as in `example.org` or `*.example.org`; everybody's when empty.
    #[schemars(extend("x-reload" = "value"))]
    pub(crate) registration_domains: Vec<String>,
    /// Whether strangers are told these domains.
    #[schemars(extend("x-reload" = "value"))]
    pub(crate) registration_domains_shown: bool,
    /// How fast new users may take slots of nodes.
    pub(crate) first_assignments: FirstAssignmentSettings,
    /// Erasing the data of replaced records.
    pub(crate) purge: PurgeSettings,
    /// Finding nodes that do not answer: off unless it is enabled, since a box is its own node.
    pub(crate) node_health: NodeHealthSettings,
    /// Password stretching.
    pub(crate) stretch: StretchTable,
    /// Take no records while more percent than this of the disk are in use; 100 for never.
    #[schemars(range(max = 100))]
    pub(crate) disk_used_max_percent: u8,
    /// Where the support document of a BrowserID issuer is read, by its domain, if not where the domain has it.
    pub(crate) issuer_documents: BTreeMap<String, String>,
    /// BrowserID: certificates for the own users, and who verifies bundles, if it is not done here.
    pub(crate) browserid: BrowserIdSettings,
    /// Another accounts server, whose access tokens the Token Server takes in place of those of the own accounts.
    pub(crate) foreign_oauth: Option<ForeignOauthSettings>,
    /// Another accounts server that may tell of deleted accounts and changed passwords over HTTP.
    pub(crate) account_events: Option<AccountEventsSettings>,
    /// Labels of nodes for clients' telemetry, as `label:glob` over the node's whole URL.
    pub(crate) node_types: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<String>,
    /// Which entry of `X-Forwarded-For` is the client's, counted from the right; 0 ignores the header.
    #[schemars(range(max = 100))]
    pub(crate) forwarded_from_right: usize,
    /// Signed requests.
    pub(crate) hawk: HawkSettings,
    /// The same as `hawk.accept_bearer`: either is enough.
    pub(crate) accept_bearer: bool,
    /// Origins whose pages may read answers; the own one when absent.
    pub(crate) allowed_origins: Option<Vec<String>>,
    /// Whether answers tell browsers to use https only; by default if the public address does.
    pub(crate) hsts: Option<bool>,
    /// Whether `GET /__error__` answers with a deliberate 500, to test alerts with.
    pub(crate) error_endpoint: bool,
    /// Log lines.
    pub(crate) log: LogConfig,
}

/// How much a box may spend on stretching passwords.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StretchTable {
    /// Memory for it, in MiB; each stretching takes 66.
    pub(crate) memory_mib: u64,
}

impl StretchTable {
    /// The same in bytes.
    pub(crate) const fn memory_bytes(&self) -> u64 {
        self.memory_mib.saturating_mul(1024 * 1024)
    }
}

impl Default for StretchTable {
    fn default() -> Self {
        Self { memory_mib: 264 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            private_listen: SocketAddr::from(([127, 0, 0, 1], 8001)),
            public_url: None,
            domain: None,
            mail: MailMode::default(),
            mail_templates: None,
            smtp: None,
            mail_news: MailNewsSettings::default(),
            confirm_sign_ins: false,
            limits: LimitSettings::default(),
            registration: RegistrationSetting::default(),
            registration_domains: Vec::new(),
            registration_domains_shown: false,
            first_assignments: FirstAssignmentSettings::default(),
            purge: PurgeSettings::default(),
            node_health: NodeHealthSettings::default(),
            stretch: StretchTable::default(),
            disk_used_max_percent: 95,
            trusted_proxies: Vec::new(),
            issuer_documents: BTreeMap::new(),
            browserid: BrowserIdSettings::default(),
            foreign_oauth: None,
            account_events: None,
            node_types: Vec::new(),
            forwarded_from_right: 0,
            hawk: HawkSettings::default(),
            accept_bearer: false,
            allowed_origins: None,
            hsts: None,
            error_endpoint: false,
            log: LogConfig::default(),
        }
    }
}

/// Where a box is told its settings, to be asked again.
pub(crate) struct Told<'a> {
    /// The file in its folder.
    pub(crate) file: PathBuf,
    /// The environment.
    pub(crate) env: Vec<(String, String)>,
    /// The flags.
    pub(crate) arguments: &'a UpArgs,
}

impl Told<'_> {
    /// What it is told now.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.file, self.env.clone(), self.arguments)
    }

    /// The same for a start, which makes nothing before all of it is good, with every file that it names.
    pub(crate) fn at_start(&self) -> Result<Settings, SettingsError> {
        let reading = Settings::reading(&self.file, self.env.clone(), self.arguments);
        let settings: Settings = reading.resolve("up")?;
        let mut found = Findings::of("up", &reading);
        look(&settings, &Secrets::of_env(&self.env), &mut found);
        found.told()?;
        settings.check(self.arguments.yes)?;
        Ok(settings)
    }

    /// The limits now.
    pub(crate) fn limits(&self) -> Result<Limiting, SettingsError> {
        let now = self.settings()?;
        Ok(Limiting::of(&now.limits, &now.first_assignments)?)
    }

    /// Which log lines are written now.
    pub(crate) fn log(&self) -> Result<LogConfig, SettingsError> {
        Ok(self.settings()?.log)
    }

    /// The rules of registration now.
    pub(crate) fn registration(&self) -> Result<Registration, SettingsError> {
        Ok(self.settings()?.registration_rules()?)
    }
}

/// A setting that cannot be.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Webhead(#[from] ConfigError),
    #[error(transparent)]
    Jobs(#[from] JobsFault),
    #[error(transparent)]
    Registration(#[from] RegistrationFault),
    #[error(transparent)]
    Limits(#[from] LimitsFault),
    #[error(transparent)]
    Log(#[from] TelemetryError),
    #[error(
        "`private_listen`: {0} is reachable from other machines\nfix: a loopback address, as in 127.0.0.1:8001"
    )]
    PrivateListen(SocketAddr),
    #[error(
        "`mail = \"smtp\"` needs a mail server\n\
         fix: in foxhold.toml of the box's folder, a table [smtp] with host and from; before the first start, make the folder, \
         and foxhold config init --out DIR/foxhold.toml makes the file"
    )]
    NoSmtp,
    #[error(
        "`stretch.memory_mib`: {0} MiB do not hold one stretching\nfix: 66 for each that may run at once"
    )]
    Stretch(u64),
    #[error(
        "without mail, anybody who reaches {0} can sign up with any address\nfix: --mail smtp, or confirm with --yes"
    )]
    MailNone(String),
}

impl Settings {
    /// Reads what a box is told.
    pub(crate) fn load(
        file: &Path,
        env: Vec<(String, String)>,
        arguments: &UpArgs,
    ) -> Result<Self, SettingsError> {
        let reading = Self::reading(file, env, arguments);
        let settings: Self = reading.resolve("up")?;
        let mut found = Findings::of("up", &reading);
        found.take_bounds(&settings);
        found.told()?;
        settings.check(arguments.yes)?;
        Ok(settings)
    }

    fn reading(file: &Path, env: Vec<(String, String)>, arguments: &UpArgs) -> Reading {
        Reading::of(&Sources {
            files: file.exists().then(|| file.to_owned()).into_iter().collect(),
            env,
            overrides: overrides(arguments),
        })
    }

    fn check(&self, confirmed: bool) -> Result<(), SettingsError> {
        self.faults(confirmed).into_iter().next().map_or(Ok(()), Err)
    }

    /// The first fault of each rule.
    pub(super) fn faults(&self, confirmed: bool) -> Vec<SettingsError> {
        let rules = [
            self.site().map(drop),
            check_domain(self.domain.as_deref()).map_err(Into::into),
            self.addresses().map(drop).map_err(Into::into),
            self.hawk.check().map_err(Into::into),
            self.log.check().map_err(Into::into),
            self.check_private_side(),
            self.check_mail(confirmed),
            check_confirmation(self.confirm_sign_ins, self.mail == MailMode::None).map_err(Into::into),
            self.node_types().map(drop).map_err(Into::into),
            self.purge.check().map_err(Into::into),
            self.node_health.check().map_err(Into::into),
            self.registration_rules().map(drop).map_err(Into::into),
            self.check_stretching(),
        ];
        rules.into_iter().filter_map(Result::err).collect()
    }

    fn check_private_side(&self) -> Result<(), SettingsError> {
        if self.private_listen.ip().is_loopback() {
            Ok(())
        } else {
            Err(SettingsError::PrivateListen(self.private_listen))
        }
    }

    fn check_mail(&self, confirmed: bool) -> Result<(), SettingsError> {
        let seen = || self.site().ok().and_then(|url| self.beyond_this_machine(&url));
        match self.mail {
            MailMode::Smtp if self.smtp.is_none() => Err(SettingsError::NoSmtp),
            MailMode::None if !confirmed => seen().map_or(Ok(()), |at| Err(SettingsError::MailNone(at))),
            _ => Ok(()),
        }
    }

    fn check_stretching(&self) -> Result<(), SettingsError> {
        let memory = self.stretch.memory_bytes();
        let slots = PoolLimits::of_machine(memory).slots();
        slots
            .map(drop)
            .map_err(|_| SettingsError::Stretch(self.stretch.memory_mib))
    }

    /// Where other machines reach it: a proxy at the public address, or anybody where it listens. One is enough.
    fn beyond_this_machine(&self, url: &Url) -> Option<String> {
        if !is_loopback(url) {
            return Some(self.public_url());
        }
        (!self.listen.ip().is_loopback()).then(|| self.listen.to_string())
    }

    /// The public root, without trailing slash.
    pub(crate) fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.listen.port() == 80 => "http://localhost".to_owned(),
            None => format!("http://localhost:{}", self.listen.port()),
        }
    }

    /// How the box purges: its own node keeps data by uid, as do those that are named.
    pub(crate) fn purge(&self) -> PurgeSettings {
        let mut purge = self.purge.clone();
        purge.also_by_uid(self.public_url());
        purge
    }

    /// Who may make an account.
    pub(crate) fn registration_rules(&self) -> Result<Registration, RegistrationFault> {
        registration::rules(
            self.registration,
            &self.registration_domains,
            self.registration_domains_shown,
        )
    }

    /// How clients' addresses are found.
    pub(crate) fn addresses(&self) -> Result<ClientAddresses, ConfigError> {
        let addresses = ClientAddresses::new(&self.trusted_proxies, self.forwarded_from_right);
        Ok(addresses?)
    }

    /// Whose account events are taken over HTTP, if anybody's; those of the own accounts, of this domain, come within the process.
    pub(crate) fn account_events(&self, domain: &str) -> Result<Option<AccountEvents>, AccountEventsError> {
        let tokens_of = self.foreign_oauth.as_ref();
        let tokens_of = tokens_of.and_then(|other| other.domain.as_deref());
        let events = self.account_events.as_ref();
        let events = events.map(|events| events.prepare()?.about_others(domain, tokens_of));
        events.transpose()
    }

    /// Labels of nodes.
    pub(crate) fn node_types(&self) -> Result<NodeTypes, ConfigError> {
        Ok(NodeTypes::parse(&self.node_types)?)
    }

    /// The public root, taken apart.
    pub(crate) fn site(&self) -> Result<Url, SettingsError> {
        Ok(root("public_url", &self.public_url())?)
    }
}

/// Whether only this machine can reach an address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn overrides(arguments: &UpArgs) -> Vec<(String, String)> {
    let given = [
        ("listen", arguments.listen.map(|address| address.to_string())),
        (
            "private_listen",
            arguments.private_listen.map(|address| address.to_string()),
        ),
        ("public_url", arguments.public_url.clone()),
        ("mail", arguments.mail.map(|mode| mode.name().to_owned())),
    ];
    given
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use foxhold_sync::jobs::purge::ByUid;

    use super::*;

    fn with(public_url: &str, mail: MailMode) -> Settings {
        Settings {
            public_url: Some(public_url.to_owned()),
            mail,
            ..Settings::default()
        }
    }

    #[test]
    fn the_public_url_is_a_root() {
        for good in [
            "http://localhost:8000",
            "https://sync.example.org",
            "http://192.168.1.7:8000",
        ] {
            assert!(with(good, MailMode::Log).check(false).is_ok(), "{good}");
        }
        let bad = [
            "",
            "localhost:8000",
            "ftp://example.org",
            "https://example.org/sync",
            "https://example.org?x",
            "https://user@example.org",
            "https://EXAMPLE.org",
            "https://example.org:443",
        ];
        for bad in bad {
            assert!(
                matches!(
                    with(bad, MailMode::Log).check(false),
                    Err(SettingsError::Webhead(ConfigError::Root { .. }))
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn no_mail_beyond_this_machine_needs_a_word() {
        for (url, confirmed, allowed) in [
            ("http://localhost:8000", false, true),
            ("http://127.0.0.1:8000", false, true),
            ("http://[::1]:8000", false, true),
            ("http://192.168.1.7:8000", false, false),
            ("https://sync.example.org", false, false),
            ("https://localhost.example.org", false, false),
            ("https://sync.example.org", true, true),
        ] {
            assert_eq!(
                with(url, MailMode::None).check(confirmed).is_ok(),
                allowed,
                "{url}"
            );
        }
    }

    #[test]
    fn no_mail_where_others_reach_the_listener_needs_a_word() {
        for (listen, confirmed, allowed) in [
            ("127.0.0.1:8000", false, true),
            ("127.1.2.3:8000", false, true),
            ("[::1]:8000", false, true),
            ("0.0.0.0:8000", false, false),
            ("[::]:8000", false, false),
            ("192.168.1.7:8000", false, false),
            ("0.0.0.0:8000", true, true),
        ] {
            for public_url in [None, Some("http://localhost:8000".to_owned())] {
                let settings = Settings {
                    listen: listen.parse().unwrap(),
                    public_url,
                    mail: MailMode::None,
                    ..Settings::default()
                };
                let found = settings.check(confirmed);
                assert_eq!(found.is_ok(), allowed, "{listen}");
                if let Err(fault) = found {
                    assert!(fault.to_string().contains(listen), "{fault}");
                }
            }
        }
    }

    #[test]
    fn what_lies_by_uid_is_the_own_node_and_those_that_are_named() {
        let by_uid = |nodes: &[&str]| {
            let mut settings = with("https://sync.example.org", MailMode::Log);
            settings.purge.nodes_by_uid = nodes.iter().map(|node| (*node).to_owned()).collect();
            settings.purge().by_uid()
        };
        let nodes = |urls: &[&str]| ByUid::Nodes(urls.iter().map(|url| (*url).to_owned()).collect());
        assert_eq!(by_uid(&[]), nodes(&["https://sync.example.org"]));
        assert_eq!(
            by_uid(&["https://other.example.org"]),
            nodes(&["https://other.example.org", "https://sync.example.org"])
        );
        assert_eq!(by_uid(&["*"]), ByUid::All);
    }

    #[test]
    fn the_private_side_stays_on_this_machine() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8001));
        let settings = Settings {
            private_listen: everywhere,
            ..Settings::default()
        };
        assert!(matches!(
            settings.check(true),
            Err(SettingsError::PrivateListen(_))
        ));
    }

    #[test]
    fn without_a_public_url_it_is_this_machine_and_the_port() {
        for (port, expected) in [(9123, "http://localhost:9123"), (80, "http://localhost")] {
            let settings = Settings {
                listen: SocketAddr::from(([127, 0, 0, 1], port)),
                ..Settings::default()
            };
            assert_eq!(settings.public_url(), expected);
            assert!(settings.check(false).is_ok(), "{expected}");
        }
    }

    #[test]
    fn what_would_be_without_effect_or_cannot_be_undone_is_a_fault() {
        type Row = (&'static str, fn(&mut Settings));
        let table: [Row; 8] = [
            ("domain", |s| s.domain = Some(String::new())),
            ("domain", |s| s.domain = Some("a b".into())),
            ("domain", |s| s.domain = Some("Example.org".into())),
            ("trusted_proxies", |s| s.trusted_proxies = vec!["proxy".into()]),
            ("trusted_proxies", |s| {
                s.trusted_proxies = vec!["127.0.0.1".into()]
            }),
            ("forwarded_from_right", |s| s.forwarded_from_right = 1),
            ("hawk.window_secs", |s| s.hawk.window_secs = 59),
            ("log.level", |s| s.log.level = "loud".into()),
        ];
        for (at, (key, change)) in table.into_iter().enumerate() {
            let mut settings = Settings::default();
            change(&mut settings);
            let said = settings.check(true).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`{key}`")), "row {at}: {said}");
        }
        let behind_a_proxy = Settings {
            domain: Some("[::1]".into()),
            trusted_proxies: vec!["127.0.0.1".into()],
            forwarded_from_right: 1,
            ..Settings::default()
        };
        assert!(behind_a_proxy.check(true).is_ok());
    }

    #[test]
    fn labels_of_nodes_are_checked_at_the_start() {
        let table: [(&[&str], bool); 4] = [
            (&[], true),
            (&["box:*"], true),
            (&["box"], false),
            (&["box:*", "box:http://*"], false),
        ];
        for (lines, allowed) in table {
            let settings = Settings {
                node_types: lines.iter().map(|&line| line.to_owned()).collect(),
                ..Settings::default()
            };
            let fault = settings.check(false).err().map(|fault| fault.to_string());
            assert_eq!(fault.is_none(), allowed, "{lines:?}");
            assert!(
                fault.is_none_or(|fault| fault.starts_with("`node_types`: ")),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn events_of_others_are_taken_and_those_of_the_own_accounts_are_not() {
        let events = |more: &str| {
            let table = "issuer = 'https://a.example'\naudience = 'a'\njwks_url = 'https://a.example/jwks'";
            let settings: Settings = toml::from_str(&format!("[account_events]\n{table}\n{more}")).unwrap();
            settings.account_events("sync.example.org")
        };
        assert!(events("domain = 'a.example'").unwrap().is_some());
        let elsewhere = "[foreign_oauth]\nserver_url = 'https://a.example/v1'\ndomain = 'a.example'";
        assert!(events(elsewhere).unwrap().is_some());
        for bad in ["", "domain = 'sync.example.org'", "domain = 'A.example'"] {
            let said = events(bad).unwrap_err().to_string();
            assert!(said.starts_with("`account_events.domain`"), "{bad}: {said}");
        }
        assert!(Settings::default().account_events("a.example").unwrap().is_none());
    }

    #[test]
    fn memory_that_holds_no_stretching_is_refused() {
        for (memory_mib, allowed) in [(0, false), (65, false), (66, true), (u64::MAX, true)] {
            let settings = Settings {
                stretch: StretchTable { memory_mib },
                ..Settings::default()
            };
            assert_eq!(settings.check(false).is_ok(), allowed, "{memory_mib}");
        }
    }
}
