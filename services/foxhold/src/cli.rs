//! The command line: `foxhold up`, and `foxhold <noun> <verb>` for the rest.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use foxhold_node_auth::NodeName;

use crate::{
    commands::{
        account::AccountCommand,
        audit::AuditCommand,
        certificates,
        client::ClientCommand,
        completions::CompletionsArgs,
        config::ConfigCommand,
        doctor::DoctorArgs,
        firefox::FirefoxCommand,
        invite::InviteCommand,
        key::provider::{KeyListArgs, KeyRotateArgs},
        mail::MailCommand,
        man::ManArgs,
        node::NodeCommand,
        region::RegionCommand,
        schema::SchemaCommand,
        service::ServiceCommand,
        template::TemplateCommand,
        token::TokenCommand,
    },
    values::address,
};

/// Accounts and sync for Firefox that you hold yourself.
#[derive(Debug, Parser)]
#[command(
    name = "foxhold",
    version,
    propagate_version = true,
    after_help = "Begin with:\n  foxhold up"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(UpArgs),
    /// Configurations: make one, check it, see what it says.
    #[command(subcommand)]
    Config(ConfigCommand),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// Keys and secrets of a fleet; the provider's keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// The secrets that tokens for nodes are signed with.
    #[command(subcommand)]
    Token(TokenCommand),
    Doctor(DoctorArgs),
    /// How a Firefox is pointed at a server.
    #[command(subcommand)]
    Firefox(FirefoxCommand),
    /// The mail server of a box.
    #[command(subcommand)]
    Mail(MailCommand),
    /// How mails read.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Certificates the tiers know each other by.
    #[command(subcommand)]
    Certificates(CertificatesCommand),
    /// The tables of a fleet's store.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// The regions of a fleet.
    #[command(subcommand)]
    Region(RegionCommand),
    /// The rows of a fleet's store, and the log of what was signed.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Services that users are allocated to nodes of, and their users.
    #[command(subcommand)]
    Service(Box<ServiceCommand>),
    /// Programs whose users sign in here.
    #[command(subcommand)]
    Client(ClientCommand),
    /// The nodes of a service.
    #[command(subcommand)]
    Node(NodeCommand),
    /// The accounts of a deployment.
    #[command(subcommand)]
    Account(Box<AccountCommand>),
    /// Invitations to make an account.
    #[command(subcommand)]
    Invite(Box<InviteCommand>),
}

/// Serve everything from one folder: page, accounts, Token Server and sync node.
///
/// Run it to try Foxhold, or to serve a household. The first start makes keys, database and configuration.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  foxhold up\n  foxhold up --data /srv/foxhold --public-url https://sync.example.org"
)]
pub(crate) struct UpArgs {
    /// Folder that holds everything; made if it is missing.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    pub(crate) data: PathBuf,
    /// Address and port to listen on. [first start: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR", env = "FOXHOLD_LISTEN", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Loopback address of the private side: health, captured mail. [first start: 127.0.0.1:8001]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) private_listen: Option<SocketAddr>,
    /// What browsers reach it by, without path. [first start: http://localhost and the port]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// How mail is delivered. [first start: log]
    #[arg(long, value_name = "MODE")]
    pub(crate) mail: Option<MailMode>,
    /// Confirm what would otherwise be refused: `--mail none` beyond this machine.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Where mails go.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    ValueEnum,
    serde::Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailMode {
    /// Shown on the terminal.
    #[default]
    Log,
    /// Kept in memory and served on the private side.
    Capture,
    /// Sent through the server named in the configuration.
    Smtp,
    /// Nowhere: accounts come out verified.
    None,
}

impl MailMode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Capture => "capture",
            Self::Smtp => "smtp",
            Self::None => "none",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make the keys and secrets that the tiers of a new fleet need, each in a file of its own.
    ///
    /// Run it once, and give each tier the files it needs. Nothing that exists is overwritten.
    #[command(
        after_help = "Examples:\n  foxhold key create --out keys --node https://sync-1.example.org\n  foxhold key create --out other-keys --node https://a.example.org --node https://b.example.org"
    )]
    Create(KeyCreateArgs),
    /// List the provider's keys: which one signs, which are published besides, which are no longer.
    ///
    /// Run it before and after a rotation.
    #[command(after_help = "Examples:\n  foxhold key list\n  foxhold key list --keys keys --output json")]
    List(KeyListArgs),
    /// Make the provider's next key, and set when it has its turn.
    ///
    /// Run it once a year, or when somebody left who knew the key. The files are read when a box or a keysigner starts;
    /// from then on the key is published, and at its turn all change to it by themselves.
    #[command(
        after_help = "Examples:\n  foxhold key rotate --dry-run\n  foxhold key rotate --keys keys --in 48h"
    )]
    Rotate(KeyRotateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreateArgs {
    /// Folder to write to; made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// URL of a sync node to make a secret for; may be given several times.
    #[arg(long, value_name = "URL", required = true, value_parser = node_url)]
    pub(crate) node: Vec<String>,
}

/// A node is known by its URL, in one spelling.
fn node_url(text: &str) -> Result<String, String> {
    let name =
        NodeName::parse(text).map_err(|_| "an address, as in https://sync-1.example.org".to_owned())?;
    Ok(name.as_str().to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertificatesCommand {
    /// Make a private CA, if there is none yet, and a short-lived certificate for each tier.
    ///
    /// Run it for tests and small fleets, and again before the certificates expire.
    #[command(
        after_help = "Examples:\n  foxhold certificates create --out tls --trust-domain example.org --region one\n  foxhold certificates create --out tls --trust-domain example.org --region one --lifetime 12h"
    )]
    Create(certificates::Create),
}
