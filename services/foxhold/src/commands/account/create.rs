//! `foxhold account create`: the password becomes here what a client makes of it (`accounts.md` (a)); the server never gets it.
//!
//! Must stay true: a password is no argument and no variable; it is asked for, or read from a file or standard input.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::{Path as FilePath, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use foxhold_core::{Secret, SecretText, hex, random};
use foxhold_crypto::onepw::{ClientKeys, ClientSalt};
use foxhold_ops::wire::{AccountChanged, DryRun, NewAccount};
use foxhold_runtime::SystemRandom;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::change;
use crate::{
    admin_client::{self, AdminArgs, Path},
    output::OutputArgs,
};

/// As the page asks for.
const PASSWORD_CHARS_MIN: usize = 8;
/// The longest file that is taken for one with a password.
const PASSWORD_BYTES_MAX: u64 = 4096;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its address, in the spelling that its owner will type.
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// A file whose first line is the password, or - for standard input. [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The address does not count as its owner's yet.
    #[arg(long)]
    unverified: bool,
    /// Say whether it could be made, and make nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(arguments: &CreateArgs) -> anyhow::Result<()> {
    let password = password(arguments.password_file.as_deref())?;
    let wanted = new_account(&arguments.address, &password, !arguments.unverified);
    let dry_run = arguments.dry_run;
    let path = Path::of(["accounts"]).dry(DryRun { dry_run });
    let made: AccountChanged = admin_client::with(&arguments.admin, async |admin| {
        Ok(admin.post(&path, &wanted).await?)
    })?;
    Ok(arguments
        .output
        .print(&change::text(&made), &serde_json::to_value(&made)?)?)
}

/// As the page signs somebody up: kB is random, and wrapped for both verifiers.
fn new_account(address: &str, password: &SecretText, verified: bool) -> NewAccount {
    let salt = ClientSalt::from_core(random::bytes(&SystemRandom));
    let k_b = Secret::new(random::bytes(&SystemRandom));
    let one = ClientKeys::stretch_v1(address, password.expose());
    let two = ClientKeys::stretch_v2(&salt, password.expose());
    let shown = |secret: &Secret<32>| hex::encode(secret.expose());
    NewAccount {
        email: address.to_owned(),
        auth_pw: shown(&one.auth_pw),
        wrap_kb: shown(&one.unwrap_b_key.xor(&k_b)),
        auth_pw_version2: shown(&two.auth_pw),
        wrap_kb_version2: shown(&two.unwrap_b_key.xor(&k_b)),
        client_salt: salt.as_str().to_owned(),
        verified,
    }
}

fn password(file: Option<&FilePath>) -> anyhow::Result<SecretText> {
    let text = match file {
        Some(path) if path == FilePath::new("-") => first_line(&read(io::stdin().lock())?),
        Some(path) => {
            let shown = path.display();
            let file = fs::File::open(path).with_context(|| format!("opening {shown}"))?;
            first_line(&read(file).with_context(|| format!("reading {shown}"))?)
        }
        None => asked()?,
    };
    ensure!(
        text.expose().chars().count() >= PASSWORD_CHARS_MIN,
        "the password is shorter than {PASSWORD_CHARS_MIN} characters"
    );
    Ok(text)
}

fn read(from: impl io::Read) -> anyhow::Result<SecretText> {
    let mut text = String::new();
    from.take(PASSWORD_BYTES_MAX).read_to_string(&mut text)?;
    Ok(SecretText::new(text))
}

fn first_line(text: &SecretText) -> SecretText {
    SecretText::new(text.expose().lines().next().unwrap_or_default().to_owned())
}

/// Asked twice, and not shown.
fn asked() -> anyhow::Result<SecretText> {
    let stdin = io::stdin();
    ensure!(
        stdin.is_terminal(),
        "there is no terminal to ask for the password\nfix: give --password-file FILE, or - for standard input"
    );
    let shown = tcgetattr(&stdin).context("asking")?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("asking")?;
    let typed = line("Password: ").and_then(|first| Ok((first, line("Again: ")?)));
    tcsetattr(&stdin, OptionalActions::Flush, &shown).context("asking")?;
    let (first, second) = typed?;
    ensure!(first.expose() == second.expose(), "the two are not the same");
    Ok(first)
}

fn line(question: &str) -> anyhow::Result<SecretText> {
    let mut err = io::stderr().lock();
    write!(err, "{question}").context("asking")?;
    err.flush().context("asking")?;
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).context("asking")?;
    writeln!(err).context("asking")?;
    Ok(first_line(&SecretText::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_verifiers_open_the_same_key() {
        let password = SecretText::new("correct horse".to_owned());
        let made = new_account("alice@example.test", &password, true);
        // The version 1 vector of the key protocol.
        assert_eq!(
            made.auth_pw,
            "4174869a6266b9009ac078d4b5b8139e960fe0f37528c24a5330ac7397523fde"
        );
        let salt = ClientSalt::parse(&made.client_salt).unwrap();
        let one = ClientKeys::stretch_v1("alice@example.test", "correct horse");
        let two = ClientKeys::stretch_v2(&salt, "correct horse");
        let secret = |text: &str| Secret::<32>::new(hex::decode(text).unwrap());
        let k_b = one.unwrap_b_key.xor(&secret(&made.wrap_kb));
        assert!(two.unwrap_b_key.xor(&secret(&made.wrap_kb_version2)) == k_b);
        assert_eq!(made.auth_pw_version2, hex::encode(two.auth_pw.expose()));
    }

    #[test]
    fn of_a_file_the_first_line_counts() {
        for (text, expected) in [
            ("pass word\n", "pass word"),
            ("pass word\r\nmore", "pass word"),
            (" pass", " pass"),
            ("", ""),
        ] {
            assert_eq!(first_line(&SecretText::new(text.to_owned())).expose(), expected);
        }
    }
}
