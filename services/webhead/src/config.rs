//! The configuration of a webhead's own process (`deploy/config/webhead.toml`). Read once by `main`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use foxhold_accounts::registration::Registration;
use foxhold_core::{Secret, hex, record::policy::is_issuer};
use foxhold_crypto::hawk::Target;
use foxhold_outbound as outbound;
use foxhold_pool::PoolLimits;
use foxhold_runtime::{
    channel::ChannelSettings,
    config::{self, Findings, SecretError, SecretFile, Secrets, Sources, is_host, site_root},
    store::{Store, StoreError, StoreTable, StoreUse},
    telemetry::LogConfig,
    tls::TlsSettings,
    traces::TracesConfig,
};
use foxhold_sync::node_type::{NodeTypeError, NodeTypes};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use crate::{
    Site,
    assembly::Deployment,
    assertions::{BrowserIdError, BrowserIdSettings, RemoteVerifier},
    client_address::{ClientAddresses, ProxiesError},
    foreign_oauth::{ForeignOauthError, ForeignOauthSettings},
    jobs::{JobsFault, NodeHealthSettings, PurgeSettings},
    limits::{
        FirstAssignmentSettings, LimitSettings,
        live::{Limiting, LimitsFault},
    },
    mail::{MailNewsSettings, MailSettings, MailSettingsError, PreparedMail},
    mail_templates::{MailTemplates, TemplateFaults},
    registration::{self, RegistrationFault, RegistrationSetting},
    token_server::events::{AccountEventsError, AccountEventsSettings},
};

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What browsers reach it by: scheme, host and port, no path. The issuer of tokens.
    pub public_url: String,
    /// What the Token Server is reached by; the public address when absent.
    pub token_server_url: Option<String>,
    /// Second half of every user's key; the public address's host when absent. Users are known by it: never change it.
    pub domain: Option<String>,
    /// Where the support document of a BrowserID issuer is read, by its domain, if not at
    /// `https://<domain>/.well-known/browserid`: that of an issuer inside one's own network, say.
    #[serde(default)]
    pub issuer_documents: BTreeMap<String, String>,
    /// BrowserID: certificates for the own users, and who verifies bundles, if it is not done here.
    #[serde(default)]
    pub browserid: BrowserIdSettings,
    /// Another accounts server, whose access tokens the Token Server takes in place of those of the own accounts.
    pub foreign_oauth: Option<ForeignOauthSettings>,
    /// Another accounts server, whose account events are taken at `POST /1.0/webhooks/fxa/events`.
    pub account_events: Option<AccountEventsSettings>,
    /// Labels of nodes for clients' telemetry, as `label:glob` over the node's whole URL; the first that fits counts. A node
    /// that none fits has the label it was made with, if any.
    #[serde(default)]
    pub node_types: Vec<String>,
    /// Where everything public is served. TLS ends in front of it.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where the Token Server is served, on a listener of its own with discovery and health of its own; when absent it lies
    /// at `/1.0` of `listen`. TLS ends in front of it.
    pub token_server_listen: Option<SocketAddr>,
    /// Where `/healthz`, `/readyz` and a captured mailbox are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// File with the key that mailed codes are derived from: 64 hex digits, the same for all webheads.
    pub code_key_file: SecretFile,
    /// File with the key of hashes in telemetry: any text, the same for all webheads.
    pub metrics_key_file: SecretFile,
    /// The process's certificate, role `webhead`.
    pub tls: TlsSettings,
    /// Where everything is read.
    pub store: StoreTable,
    /// The dbwriters.
    pub dbwriter: ChannelSettings,
    /// The keysigners.
    pub keysigner: ChannelSettings,
    /// The stretchers; without any, this process stretches by itself.
    pub stretcher: Option<ChannelSettings>,
    /// Stretching in this process.
    #[serde(default)]
    pub stretch: StretchSettings,
    /// Folder with mail templates in place of the program's; `foxhold template check` tells whether they can be used.
    pub mail_templates: Option<PathBuf>,
    /// How mail is delivered.
    pub mail: MailSettings,
    /// Mails that are sent only where they are wanted.
    #[serde(default)]
    pub mail_news: MailNewsSettings,
    /// Whether each sign-in to a verified account, but for those with a second factor, waits until a mailed link is opened or
    /// a mailed code typed.
    #[serde(default)]
    pub confirm_sign_ins: bool,
    /// Abuse limits.
    #[serde(default)]
    pub limits: LimitSettings,
    /// Whether accounts are made. This and the next two are read again when a file of the configuration changes.
    #[serde(default)]
    #[schemars(extend("x-reload" = "value"))]
    pub registration: RegistrationSetting,
    /// Whose addresses may have a new account, as in `example.org` or `*.example.org`; everybody's when empty.
    #[serde(default)]
    #[schemars(extend("x-reload" = "value"))]
    pub registration_domains: Vec<String>,
    /// Whether strangers are told these domains.
    #[serde(default)]
    #[schemars(extend("x-reload" = "value"))]
    pub registration_domains_shown: bool,
    /// How fast new users may take slots of nodes.
    #[serde(default)]
    pub first_assignments: FirstAssignmentSettings,
    /// Erasing the data of replaced records.
    #[serde(default)]
    pub purge: PurgeSettings,
    /// Finding nodes that do not answer.
    #[serde(default)]
    pub node_health: NodeHealthSettings,
    /// Signed requests.
    #[serde(default)]
    pub hawk: HawkSettings,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Which entry of `X-Forwarded-For` is the client's, counted from the right; 0 ignores the header.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub forwarded_from_right: usize,
    /// Origins whose pages may read answers; the own one when absent.
    pub allowed_origins: Option<Vec<String>>,
    /// Whether answers tell browsers to use https only; by default if the public address does.
    pub hsts: Option<bool>,
    /// Requests in work at once.
    #[serde(default = "requests_max")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_max: usize,
    /// How long a request may take, in milliseconds.
    #[serde(default = "request_ms_max")]
    #[schemars(range(min = 1, max = config::REQUEST_MS_MAX))]
    pub request_ms_max: u64,
    /// Whether `GET /__error__` answers with a deliberate 500, to test alerts with.
    #[serde(default)]
    pub error_endpoint: bool,
    /// How long to answer "not ready" before connections are refused, when the process ends.
    #[serde(default = "drain_delay_secs")]
    #[schemars(range(max = 3_600))]
    pub drain_delay_secs: u64,
    /// Spans for a collector.
    #[serde(default)]
    pub traces: TracesConfig,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
    /// Where it was read, for what is read again.
    #[serde(skip)]
    pub sources: Sources,
}

/// Stretching in this process.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StretchSettings {
    /// Memory that all stretchings together may take, in MiB; each takes 66.
    pub memory_mib: u64,
}

impl Default for StretchSettings {
    fn default() -> Self {
        Self { memory_mib: 264 }
    }
}

impl StretchSettings {
    /// As the pool takes them.
    #[must_use]
    pub fn limits(&self) -> PoolLimits {
        PoolLimits::of_machine(self.memory_mib.saturating_mul(1024 * 1024))
    }
}

/// Requests that are signed with a token's key (Hawk).
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HawkSettings {
    /// How far a client's clock may be off, in seconds: a minute to a year.
    pub window_secs: u64,
    /// Requests remembered to refuse exact repetitions.
    #[schemars(range(max = 10_000_000))]
    pub remembered_max: usize,
    /// Also take the derived token id alone, as `Bearer fxs_<id>`: PyFxA since 0.9 sends nothing else.
    pub accept_bearer: bool,
}

impl Default for HawkSettings {
    fn default() -> Self {
        Self {
            window_secs: 900,
            remembered_max: 200_000,
            accept_bearer: false,
        }
    }
}

impl HawkSettings {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// [`ConfigError::Window`]
    pub fn check(&self) -> Result<(), ConfigError> {
        if (60..=31_536_000).contains(&self.window_secs) {
            Ok(())
        } else {
            Err(ConfigError::Window)
        }
    }
}

const fn listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000)
}

const fn requests_max() -> usize {
    1024
}

const fn request_ms_max() -> u64 {
    10_000
}

const fn drain_delay_secs() -> u64 {
    5
}

/// A configuration that a webhead cannot be started with. Names the key and the fix.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// An address that is no root.
    #[error(
        "`{key}`: {url:?} is not scheme, host and port in their usual spelling\nfix: as in https://accounts.example.com"
    )]
    Root {
        /// The key.
        key: &'static str,
        /// As configured.
        url: String,
    },
    /// What no user can be known by.
    #[error(
        "`domain`: is no host in its usual spelling\n\
         fix: as in accounts.example.com, in lower case, without scheme and port; it stays for good"
    )]
    Domain,
    /// Nothing can be read from there.
    #[error(
        "`issuer_documents`: {domain:?} is no domain in lower case, or {url:?} no URL\n\
         fix: as in \"issuer.example\" = \"https://10.0.0.5:8443/browserid.json\""
    )]
    IssuerDocument {
        /// Whose.
        domain: String,
        /// As configured.
        url: String,
    },
    /// A verifier that cannot be asked as configured.
    #[error(transparent)]
    BrowserId(#[from] BrowserIdError),
    /// Another accounts server that cannot be asked as configured.
    #[error(transparent)]
    ForeignOauth(#[from] ForeignOauthError),
    /// A line of the nodes' labels that is none.
    #[error(
        "`node_types`: {0}\nfix: one glob for each label, as in [\"mysql:https://db-*.example.com\", \"foxhold:*\"]"
    )]
    NodeTypes(#[from] NodeTypeError),
    /// Account events that could not be taken as configured.
    #[error(transparent)]
    AccountEvents(#[from] AccountEventsError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The code key is not 32 bytes in hex.
    #[error("`code_key_file`: not 64 lower-case hex digits\nfix: foxhold key create makes one")]
    CodeKey,
    /// Mail that cannot be delivered so.
    #[error(transparent)]
    Mail(#[from] MailSettingsError),
    /// A captured mailbox that nobody could read, or anybody.
    #[error("`mail.mode`: capture needs a loopback `private_listen`")]
    Capture,
    /// Sign-ins that nobody could confirm.
    #[error(
        "`confirm_sign_ins`: nobody can confirm a sign-in where no mail is sent, and `mail` says none\nfix: leave it out, or have mail sent"
    )]
    NoConfirmation,
    /// A store that cannot be reached as configured.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A job that cannot be run so.
    #[error(transparent)]
    Jobs(#[from] JobsFault),
    /// Mail templates that cannot be used.
    #[error(
        "`mail_templates`\n{0}\nfix: foxhold template check --templates with that folder, until it finds nothing"
    )]
    Templates(TemplateFaults),
    /// A rule of registration that is none.
    #[error(transparent)]
    Registration(#[from] RegistrationFault),
    /// A window outside its bounds.
    #[error("`hawk.window_secs`: between 60 and 31536000")]
    Window,
    /// Proxies that could not be seen through.
    #[error(transparent)]
    Proxies(#[from] ProxiesError),
}

/// What is checked and read once, before anything starts.
pub struct Prepared {
    /// What the deployment sets.
    pub deployment: Deployment,
    /// How mail is delivered.
    pub mail: PreparedMail,
    /// Where everything is read.
    pub store: Store,
}

impl Config {
    /// Checks what types cannot say, and reads every secret.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn prepare(&self, secrets: &Secrets) -> Result<Prepared, ConfigError> {
        let url = root("public_url", &self.public_url)?;
        let public_url = self.public_url.trim_end_matches('/').to_owned();
        let token_server_url = match &self.token_server_url {
            Some(text) => root("token_server_url", text).map(|_| text.trim_end_matches('/').to_owned())?,
            None => public_url.clone(),
        };
        check_domain(self.domain.as_deref())?;
        self.check_capture()?;
        check_confirmation(self.confirm_sign_ins, matches!(self.mail, MailSettings::None))?;
        self.hawk.check()?;
        self.purge.check()?;
        self.node_health.check()?;
        let not_a_root = || ConfigError::Root {
            key: "public_url",
            url: self.public_url.clone(),
        };
        let origin = Target::parse(&public_url).map_err(|_| not_a_root())?;
        let host = url.host_str().ok_or_else(not_a_root)?.to_owned();
        let own_origin = || vec![public_url.clone()];
        let domain = self.domain.clone().unwrap_or_else(|| host.clone());
        let foreign_oauth = self.foreign_oauth.as_ref();
        let account_events = self.account_events.as_ref().map(|events| {
            let home = foreign_oauth.and_then(|other| other.domain.as_deref());
            events.prepare()?.about_others(&domain, home)
        });
        let deployment = Deployment {
            mail_templates: Arc::new(mail_templates(&public_url, self.mail_templates.as_deref())?),
            mail_switches: self.mail_news.switches(),
            confirm_sign_ins: self.confirm_sign_ins,
            site: Site {
                hsts: self.hsts.unwrap_or(url.scheme() == "https"),
                allowed_origins: self.allowed_origins.clone().unwrap_or_else(own_origin),
                public_url,
                token_server_url,
            },
            certificates: self.browserid.certificates,
            browserid: verifier(&self.browserid, &self.issuer_documents)?,
            issuer_documents: issuer_documents(&self.issuer_documents)?,
            foreign_oauth: foreign_oauth.map(|other| other.prepare(&domain)).transpose()?,
            account_events: account_events.transpose()?,
            node_types: NodeTypes::parse(&self.node_types)?,
            domain,
            host,
            origin,
            code_key: code_key("code_key_file", &self.code_key_file, secrets)?,
            metrics_key: Arc::new(secrets.read_text("metrics_key_file", &self.metrics_key_file)?),
            addresses: ClientAddresses::new(&self.trusted_proxies, self.forwarded_from_right)?,
            limits: self.limits.clone(),
            registration: self.registration_rules()?,
            first_assignments: self.first_assignments.clone(),
            hawk_window: Duration::from_secs(self.hawk.window_secs),
            remembered_max: self.hawk.remembered_max,
            accept_bearer: self.hawk.accept_bearer,
            budget: Duration::from_millis(self.request_ms_max),
            in_work_max: self.requests_max,
            error_endpoint: self.error_endpoint,
            // Told by the store, once it is open.
            region: None,
        };
        Ok(Prepared {
            deployment,
            mail: self.mail.prepare("mail", secrets)?,
            store: self.store.resolve("webhead", StoreUse::Reads, secrets)?,
        })
    }
}

impl Config {
    /// Looks for all that types cannot say, and reads every secret.
    pub(crate) fn look(&self, secrets: &Secrets, found: &mut Findings<'_>) {
        self.look_at_addresses(found);
        found.take(self.check_capture());
        let sends_none = matches!(self.mail, MailSettings::None);
        found.take(check_confirmation(self.confirm_sign_ins, sends_none));
        found.take(self.hawk.check());
        found.take(self.purge.check());
        found.take(self.node_health.check());
        found.take_of("limits.rules", self.limits.rules());
        if self.stretcher.is_none() {
            found.take_of("stretch.memory_mib", self.stretch.limits().slots());
        }
        found.take(self.first_assignments.check());
        found.take(self.registration_rules());
        found.take(NodeTypes::parse(&self.node_types).map_err(ConfigError::from));
        found.take(verifier(&self.browserid, &self.issuer_documents));
        found.take(issuer_documents(&self.issuer_documents));
        found.take(mail_templates(&self.public_url, self.mail_templates.as_deref()));
        found.take(code_key("code_key_file", &self.code_key_file, secrets));
        found.take(secrets.read_text("metrics_key_file", &self.metrics_key_file));
        found.take(self.mail.prepare("mail", secrets));
        found.take_store(self.store.resolve("webhead", StoreUse::Reads, secrets));
        if found.is_empty() {
            // What hangs together with something of the above, as the other servers' domains do.
            found.take(self.prepare(secrets));
        }
    }

    fn look_at_addresses(&self, found: &mut Findings<'_>) {
        found.take(root("public_url", &self.public_url));
        if let Some(url) = &self.token_server_url {
            found.take(root("token_server_url", url));
        }
        found.take(check_domain(self.domain.as_deref()));
        let addresses = ClientAddresses::new(&self.trusted_proxies, self.forwarded_from_right);
        found.take(addresses.map_err(ConfigError::from));
    }

    fn check_capture(&self) -> Result<(), ConfigError> {
        let private = self.private_listen;
        let loopback = private.is_some_and(|address| address.ip().is_loopback());
        if matches!(self.mail, MailSettings::Capture) && !loopback {
            return Err(ConfigError::Capture);
        }
        Ok(())
    }

    fn registration_rules(&self) -> Result<Registration, RegistrationFault> {
        registration::rules(
            self.registration,
            &self.registration_domains,
            self.registration_domains_shown,
        )
    }

    /// The limits as the files have them now.
    ///
    /// # Errors
    /// [`LimitsFault`] also for whatever else is wrong in them.
    pub fn limits_again(&self) -> Result<Limiting, LimitsFault> {
        if self.sources.files.is_empty() {
            return Limiting::of(&self.limits, &self.first_assignments);
        }
        let now: Self = config::load("webhead", &self.sources)?;
        Limiting::of(&now.limits, &now.first_assignments)
    }

    /// The rules of registration as the files have them now.
    ///
    /// # Errors
    /// [`RegistrationFault`] also for whatever else is wrong in them.
    pub fn registration_again(&self) -> Result<Registration, RegistrationFault> {
        if self.sources.files.is_empty() {
            return self.registration_rules();
        }
        let now: Self = config::load("webhead", &self.sources)?;
        now.registration_rules()
    }
}

/// Checks where documents of issuers are read, by domain.
///
/// # Errors
/// [`ConfigError::IssuerDocument`]
pub fn issuer_documents(urls: &BTreeMap<String, String>) -> Result<BTreeMap<String, Uri>, ConfigError> {
    let check = |(domain, url): (&String, &String)| {
        let uri = url.parse().ok();
        let usable = uri.filter(|uri| outbound::Target::of(uri, outbound::Reach::Configured).is_ok());
        let usable = usable.filter(|_| is_issuer(domain));
        let uri = usable.ok_or_else(|| ConfigError::IssuerDocument {
            domain: domain.clone(),
            url: url.clone(),
        })?;
        Ok((domain.clone(), uri))
    };
    urls.iter().map(check).collect()
}

/// Checks how BrowserID bundles are verified by somebody else, if they are.
///
/// # Errors
/// [`ConfigError::BrowserId`]
pub fn verifier(
    settings: &BrowserIdSettings,
    documents: &BTreeMap<String, String>,
) -> Result<Option<RemoteVerifier>, ConfigError> {
    Ok(settings.prepare(!documents.is_empty())?)
}

/// How mails read: as an operator has it in a folder, and else as they ship.
///
/// # Errors
/// [`ConfigError::Templates`]
pub fn mail_templates(public_url: &str, folder: Option<&Path>) -> Result<MailTemplates, ConfigError> {
    MailTemplates::new(public_url, folder).map_err(ConfigError::Templates)
}

/// Reads the key that mailed codes are derived from: 64 hex digits.
///
/// # Errors
/// [`ConfigError`] names the key.
pub fn code_key(key: &str, file: &SecretFile, secrets: &Secrets) -> Result<Secret<32>, ConfigError> {
    let text = secrets.read_text(key, file)?;
    hex::decode(text.expose())
        .map(Secret::new)
        .map_err(|_| ConfigError::CodeKey)
}

/// The root of a site: scheme, host and port only. Browsers sign and compare it, so it must stand here as they write it,
/// byte for byte.
///
/// # Errors
/// [`ConfigError::Root`] names the key.
pub fn root(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    site_root(text).ok_or_else(|| ConfigError::Root {
        key,
        url: text.to_owned(),
    })
}

/// Checks the second half of users' keys, if it is not the public address's host: others compare it byte for byte.
///
/// # Errors
/// [`ConfigError::Domain`]
pub fn check_domain(domain: Option<&str>) -> Result<(), ConfigError> {
    if domain.is_none_or(is_host) {
        Ok(())
    } else {
        Err(ConfigError::Domain)
    }
}

/// Sign-ins are confirmed only where somebody gets the mail.
///
/// # Errors
/// [`ConfigError::NoConfirmation`]
pub const fn check_confirmation(confirm_sign_ins: bool, sends_no_mail: bool) -> Result<(), ConfigError> {
    if confirm_sign_ins && sends_no_mail {
        Err(ConfigError::NoConfirmation)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use foxhold_runtime::store::StoreKind;

    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/config/webhead.toml");
    const OVER_CASSANDRA: &str = include_str!("../../../deploy/config/webhead-cassandra.toml");

    #[test]
    fn the_sample_files_load_and_unknown_keys_do_not() {
        for (sample, kind) in [
            (SAMPLE, StoreKind::Sqlite),
            (OVER_CASSANDRA, StoreKind::Cassandra),
        ] {
            let config: Config = toml::from_str(sample).unwrap();
            assert_eq!(config.listen.port(), 8000);
            assert_eq!(config.hawk.window_secs, 900);
            assert_eq!(config.store.kind, kind);
            assert!(matches!(config.mail, MailSettings::Smtp(_)));
            assert!(toml::from_str::<Config>(&format!("colour = \"red\"\n{sample}")).is_err());
        }
        let events = "issuer = 'https://a.example'\naudience = 'a'\njwks_url = 'https://a.example/jwks'";
        let config: Config = toml::from_str(&format!("{SAMPLE}\n[account_events]\n{events}\n")).unwrap();
        assert!(
            config
                .account_events
                .is_some_and(|events| events.prepare().is_ok())
        );
        let in_mail = SAMPLE.replace("mode = \"smtp\"", "mode = \"smtp\"\ncolour = \"red\"");
        assert!(toml::from_str::<Config>(&in_mail).is_err());
    }

    #[test]
    fn what_types_cannot_say_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |name: &str, contents: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join(name);
            std::fs::write(&path, contents).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            SecretFile(path)
        };
        let (code, metrics) = (secret("code", &"ab".repeat(32)), secret("metrics", "anything"));
        let short = secret("short", "abab");
        let check = |change: &dyn Fn(&mut Config)| {
            let mut config: Config = toml::from_str(SAMPLE).unwrap();
            config.code_key_file = code.clone();
            config.metrics_key_file = metrics.clone();
            config.mail = MailSettings::Log;
            change(&mut config);
            config.prepare(&Secrets::default())
        };
        let prepared = check(&|_| {}).ok().unwrap();
        assert_eq!(
            prepared.deployment.site.public_url,
            "https://accounts.foxhold.example"
        );
        assert_eq!(prepared.deployment.domain, "accounts.foxhold.example");
        assert_eq!(prepared.deployment.origin.port, 443);
        assert!(matches!(prepared.store, Store::Sqlite { connections: 8, .. }));
        assert!(check(&|config| config.public_url = "https://EXAMPLE.org".into()).is_err());
        assert!(check(&|config| config.public_url = "https://example.org/path".into()).is_err());
        assert!(check(&|config| config.token_server_url = Some("example.org".into())).is_err());
        assert!(check(&|config| config.code_key_file = short.clone()).is_err());
        assert!(check(&|config| config.hawk.window_secs = 1).is_err());
        let labelled = check(&|config| config.node_types = vec!["a:http://*".into(), "b:https://*".into()]);
        let labels = labelled.ok().unwrap().deployment.node_types;
        assert_eq!(labels.label("https://sync-1.example.com"), Some("b"));
        for wrong in [&["a"][..], &[":*"], &["a:"], &["a:*", "a:https://*"]] {
            let wrong = || wrong.iter().map(|&line| line.to_owned()).collect();
            let message = check(&|config| config.node_types = wrong())
                .err()
                .unwrap()
                .to_string();
            assert!(
                message.starts_with("`node_types`: ") && message.contains("\nfix: "),
                "{message}"
            );
        }
        assert!(check(&|config| config.purge.batch = 0).is_err());
        assert!(check(&|config| config.node_health.failures = 0).is_err());
        assert!(check(&|config| config.store.kind = StoreKind::Cassandra).is_err());
        for (proxies, place, allowed) in [
            (&["proxy"][..], 1, false),
            (&["10.0.0.1"], 0, false),
            (&[], 1, false),
            (&["10.0.0.1"], 1, true),
        ] {
            let checked = check(&|config| {
                config.trusted_proxies = proxies.iter().map(|&proxy| proxy.to_owned()).collect();
                config.forwarded_from_right = place;
            });
            assert_eq!(checked.is_ok(), allowed, "{proxies:?} {place}");
        }
        for wrong in ["", "a b", "Example.org", "https://example.org"] {
            assert!(
                check(&|config| config.domain = Some(wrong.into())).is_err(),
                "{wrong:?}"
            );
        }
        let captured = |private: Option<&str>| {
            let private = private.map(|address| address.parse().unwrap());
            check(&|config| {
                config.mail = MailSettings::Capture;
                config.private_listen = private;
            })
        };
        assert!(captured(Some("127.0.0.1:1")).is_ok());
        assert!(captured(Some("0.0.0.0:1")).is_err() && captured(None).is_err());
    }
}
