//! `foxhold account create`: the password becomes here what a client makes of it (`accounts.md` (a)); the server never gets it.

use std::path::PathBuf;

use clap::Args;
use foxhold_core::{Secret, SecretText, hex, random};
use foxhold_crypto::onepw::{ClientKeys, ClientSalt};
use foxhold_ops::wire::{AccountChanged, DryRun, NewAccount};
use foxhold_runtime::SystemRandom;

use super::{change, password};
use crate::{
    admin_client::{self, AdminArgs, Path},
    output::OutputArgs,
};

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its address, in the spelling that its owner will type.
    #[arg(value_name = "ADDRESS", value_parser = super::address)]
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
    let password = password::given(arguments.password_file.as_deref())?;
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
}
