//! `foxhold firefox`: how a Firefox is pointed at a server (`accounts.md` (g)).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use foxhold_webhead::config::root;
use serde_json::{Value, json};
use url::Url;

use crate::{
    data_folder::DataFolderError, output::OutputArgs, progress::note, single_box::stopped::settings_of,
};

/// How a Firefox is pointed at a server.
#[derive(Debug, Subcommand)]
pub(crate) enum FirefoxCommand {
    /// Print what has to be set in a Firefox so that it signs in at a server.
    ///
    /// Run it for each kind of Firefox there is; nothing is changed. Preferences are set before somebody signs in.
    #[command(
        after_help = "Examples:\n  foxhold firefox settings --for desktop --data foxhold-data\n  foxhold firefox settings --for autoconfig --url https://accounts.example.org"
    )]
    Settings(SettingsArgs),
}

/// Which server, and which Firefox.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Which Firefox.
    #[arg(long = "for", value_name = "KIND")]
    kind: Kind,
    /// What browsers reach the server by; that of the box when absent.
    #[arg(long, value_name = "URL", value_parser = site)]
    url: Option<Url>,
    /// The folder of a box, running or stopped.
    #[arg(
        long,
        value_name = "DIR",
        env = "FOXHOLD_DATA",
        default_value = "foxhold-data"
    )]
    data: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// A kind of Firefox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One profile on a computer.
    Desktop,
    /// All profiles of managed computers: two files beside the program.
    Autoconfig,
    /// A phone or tablet with Android.
    Android,
    /// An iPhone or iPad.
    Ios,
}

fn site(text: &str) -> Result<Url, String> {
    root("--url", text)
        .map_err(|_| "http or https, a host and no path, as in https://accounts.example.org".to_owned())
}

/// Carries the command out.
pub(crate) fn run(command: &FirefoxCommand) -> anyhow::Result<()> {
    let FirefoxCommand::Settings(arguments) = command;
    let site = match &arguments.url {
        Some(url) => url.clone(),
        None => of_box(arguments)?,
    };
    let address = site.as_str().trim_end_matches('/');
    let preferences = preferences(address, &site);
    let text = match arguments.kind {
        Kind::Desktop => desktop(&preferences),
        Kind::Autoconfig => autoconfig(&preferences),
        Kind::Android => android(address),
        Kind::Ios => ios(address),
    };
    let document: Vec<_> = preferences
        .iter()
        .map(|(name, value)| json!({ "preference": name, "value": value }))
        .collect();
    let document = json!({ "url": address, "preferences": document });
    Ok(arguments.output.print(&text, &document)?)
}

fn of_box(arguments: &SettingsArgs) -> anyhow::Result<Url> {
    if !arguments.data.join("format").exists() {
        let folder = arguments.data.clone();
        return Err(DataFolderError::Missing { folder }.into());
    }
    let site = settings_of(&arguments.data)?.site()?;
    note(
        false,
        "the address is that of foxhold.toml; of a box that is started with --listen or --public-url, give it with --url",
    );
    Ok(site)
}

/// The preferences that point a Firefox there. It reads everything else from the server.
fn preferences(address: &str, site: &Url) -> Vec<(&'static str, Value)> {
    let mut preferences = vec![("identity.fxaccounts.autoconfig.uri", json!(address))];
    if site.scheme() == "http" {
        preferences.push(("identity.fxaccounts.allowHttp", json!(true)));
    }
    preferences
}

/// Lines of JavaScript; JSON is how a value is written there.
fn lines(function: &str, preferences: &[(&'static str, Value)]) -> String {
    preferences
        .iter()
        .map(|(name, value)| format!("{function}(\"{name}\", {value});\n"))
        .collect()
}

fn desktop(preferences: &[(&'static str, Value)]) -> String {
    let lines = lines("user_pref", preferences);
    format!(
        "// user.js in the profile's folder (about:support shows it), or the same by hand in about:config\n{lines}"
    )
}

fn autoconfig(preferences: &[(&'static str, Value)]) -> String {
    let lines = lines("pref", preferences);
    format!(
        "==> defaults/pref/autoconfig.js below Firefox's folder\n\
         pref(\"general.config.filename\", \"mozilla.cfg\");\n\
         pref(\"general.config.obscure_value\", 0);\n\
         \n\
         ==> mozilla.cfg in Firefox's folder\n\
         // The first line is not read.\n\
         {lines}"
    )
}

fn android(address: &str) -> String {
    format!(
        "1. Settings, About Firefox: tap the logo five times.\n\
         2. Back in Settings, Sync debug: set the custom account server to\n     {address}\n\
         3. Close Firefox there, open it again, and sign in.\n"
    )
}

fn ios(address: &str) -> String {
    format!(
        "1. Settings: tap the version at the end five times.\n\
         2. Advanced sync settings: set the custom account server to\n     {address}\n   and turn it on.\n\
         3. Close Firefox, open it again, and sign in.\n"
    )
}
