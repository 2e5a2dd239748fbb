//! `foxhold client …`: programs whose users sign in here (OpenID Connect). `docs/openid.md` goes through it.

mod settings;
mod view;

use clap::{Args, Subcommand, ValueEnum};
use foxhold_ops::wire::DryRun;

use crate::{admin_client::AdminArgs, output::OutputArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a program. Its id and its secret are printed, the secret this once.
    ///
    /// Run it for each program that is to sign its users in here.
    #[command(
        after_help = "Examples:\n  foxhold client create --name Wiki --redirect-uri https://wiki.example.org/callback\n  foxhold client create --name 'Notes app' --public --redirect-uri http://127.0.0.1/callback --scope openid --scope offline_access"
    )]
    Create(Box<CreateArgs>),
    /// The programs that are registered.
    ///
    /// Changes nothing.
    #[command(after_help = "Examples:\n  foxhold client list\n  foxhold client list --output json")]
    List(ListArgs),
    /// All settings of one program.
    ///
    /// Changes nothing.
    #[command(
        after_help = "Examples:\n  foxhold client show 0123456789abcdef\n  foxhold client show 0123456789abcdef --output json"
    )]
    Show(ShowArgs),
    /// Change settings of a program. What is not given stays.
    ///
    /// A list that is given replaces the whole list, and '' empties it.
    #[command(
        after_help = "Examples:\n  foxhold client update 0123456789abcdef --trusted true\n  foxhold client update 0123456789abcdef --redirect-uri https://wiki.example.net/callback --dry-run"
    )]
    Update(Box<UpdateArgs>),
    /// Make another secret. The one before stays good until the next time.
    ///
    /// Run it twice, with the program's new secret in place in between, to end an old secret for good.
    #[command(
        after_help = "Examples:\n  foxhold client rotate 0123456789abcdef\n  foxhold client rotate 0123456789abcdef --output json"
    )]
    Rotate(OneArgs),
    /// Refuse a program at once. Nothing that was granted to it is lost.
    #[command(
        after_help = "Examples:\n  foxhold client disable 0123456789abcdef\n  foxhold client disable 0123456789abcdef --dry-run"
    )]
    Disable(OneArgs),
    /// Let a program that was disabled sign users in again.
    #[command(
        after_help = "Examples:\n  foxhold client enable 0123456789abcdef\n  foxhold client enable 0123456789abcdef --dry-run"
    )]
    Enable(OneArgs),
    /// Remove a program for good, with all that was granted to it.
    #[command(
        after_help = "Examples:\n  foxhold client delete 0123456789abcdef --dry-run\n  foxhold client delete 0123456789abcdef --yes"
    )]
    Delete(DeleteArgs),
}

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    True,
    False,
}

impl Switch {
    fn is_on(self) -> bool {
        self == Self::True
    }
}

/// What can be set.
#[derive(Debug, Args)]
struct SettingsArgs {
    /// Its picture, on https.
    #[arg(long, value_name = "URL")]
    image_uri: Option<String>,
    /// Where browsers may go after signing out. May be repeated.
    #[arg(long, value_name = "URL")]
    post_logout_redirect_uri: Option<Vec<String>>,
    /// A scope it may be granted. May be repeated. [at first: openid, profile, email]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<Vec<String>>,
    /// Do not ask its users for consent. [at first: false]
    #[arg(long, value_name = "BOOL")]
    trusted: Option<Switch>,
    /// Take no code without a proof (PKCE). Public programs need one in any case. [at first: false]
    #[arg(long, value_name = "BOOL")]
    require_pkce: Option<Switch>,
    /// Take only users with a second factor. [at first: false]
    #[arg(long, value_name = "BOOL")]
    require_aal2: Option<Switch>,
    /// Tell the profile in the ID token, too, for programs that do not ask for it. [at first: false]
    #[arg(long, value_name = "BOOL")]
    id_token_profile: Option<Switch>,
    /// Take plain http beyond this machine: in home networks. [at first: false]
    #[arg(long, value_name = "BOOL")]
    allow_http: Option<Switch>,
    /// Only this uid, or users with addresses of this domain. May be repeated. [at first: everyone]
    #[arg(long, value_name = "UID|DOMAIN")]
    allow: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people know it by.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where codes may be sent, compared as text. May be repeated.
    #[arg(long, value_name = "URL", required = true)]
    redirect_uri: Vec<String>,
    /// It runs at its users' and cannot keep a secret: it gets none, and has to use PKCE.
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The program's id.
    #[arg(value_name = "ID")]
    id: String,
    /// What people know it by.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where codes may be sent, compared as text. May be repeated.
    #[arg(long, value_name = "URL")]
    redirect_uri: Option<Vec<String>>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The program's id.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A change of one program.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The program's id.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// What every change takes.
#[derive(Debug, Args)]
struct ChangeArgs {
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ChangeArgs {
    const fn dry(&self) -> DryRun {
        DryRun {
            dry_run: self.dry_run,
        }
    }
}

/// Runs one of them.
pub(crate) fn run(command: &ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Create(arguments) => settings::create(arguments),
        ClientCommand::List(arguments) => view::list(arguments),
        ClientCommand::Show(arguments) => view::show(arguments),
        ClientCommand::Update(arguments) => settings::update(arguments),
        ClientCommand::Rotate(arguments) => settings::rotate(arguments),
        ClientCommand::Disable(arguments) => settings::switch(arguments, true),
        ClientCommand::Enable(arguments) => settings::switch(arguments, false),
        ClientCommand::Delete(arguments) => settings::delete(arguments),
    }
}
