//! How clients are shown.

use std::fmt::Write as _;

use foxhold_ops::wire::{Client, ClientKind, ClientOutcome, ClientPut, ClientSettings, Clients};
use serde_json::Value;

use super::{ListArgs, ShowArgs};
use crate::{
    admin_client::{self, Path},
    output::table,
};

pub(super) fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let path = Path::of(["clients"]);
    let all: Clients = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let values = all.clients.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    let row = |client: &Client| {
        let of = &client.settings;
        let state = if of.disabled { "disabled" } else { "enabled" };
        [
            client.id.clone(),
            of.name.clone(),
            kind(of).to_owned(),
            state.to_owned(),
            of.scopes.join(" "),
        ]
    };
    let rows: Vec<_> = all.clients.iter().map(row).collect();
    let text = table(["ID", "NAME", "KIND", "STATE", "SCOPES"], &rows);
    Ok(arguments.output.print_list(&text, "clients", values)?)
}

pub(super) fn show(arguments: &ShowArgs) -> anyhow::Result<()> {
    let path = Path::of(["clients", &arguments.id]);
    let client: Client = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let value = serde_json::to_value(&client)?;
    Ok(arguments.output.print(&text(&client), &value)?)
}

const fn kind(of: &ClientSettings) -> &'static str {
    match of.kind {
        ClientKind::Confidential => "confidential",
        ClientKind::Public => "public",
    }
}

/// All settings, a line each.
fn text(client: &Client) -> String {
    let of = &client.settings;
    let yes_no = |is_on| if is_on { "yes" } else { "no" }.to_owned();
    let mut lines = vec![
        ("id", client.id.clone()),
        ("name", of.name.clone()),
        ("kind", kind(of).to_owned()),
        ("secrets", client.secrets_made_at_ms.len().to_string()),
        ("scopes", of.scopes.join(" ")),
    ];
    lines.extend(of.redirect_uris.iter().map(|uri| ("redirect", uri.clone())));
    let after = of.post_logout_redirect_uris.iter();
    lines.extend(after.map(|uri| ("after sign-out", uri.clone())));
    lines.extend(of.image_uri.iter().map(|uri| ("picture", uri.clone())));
    let allowed = if of.allowed.is_empty() {
        "everyone".to_owned()
    } else {
        of.allowed.join(", ")
    };
    lines.extend([
        ("allowed", allowed),
        ("disabled", yes_no(of.disabled)),
        ("trusted", yes_no(of.trusted)),
        ("needs PKCE", yes_no(of.require_pkce)),
        ("second factor", yes_no(of.require_aal2)),
        ("profile in ID", yes_no(of.id_token_profile)),
        ("plain http", yes_no(of.allow_http)),
    ]);
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:15}  {value}");
    }
    text
}

/// What became of a client; a secret that was made, this once.
pub(super) fn put_text(put: &ClientPut) -> String {
    let would = if put.dry_run { "would be " } else { "" };
    let outcome = match put.outcome {
        ClientOutcome::Created => "registered",
        ClientOutcome::Changed => "changed",
        ClientOutcome::Unchanged => "as it was",
        ClientOutcome::Rotated => "given another secret",
        ClientOutcome::Deleted => "removed",
    };
    let Client { id, settings, .. } = &put.client;
    let mut text = format!("{} {would}{outcome}\n", settings.name);
    if !(put.dry_run && put.outcome == ClientOutcome::Created) {
        let _ = writeln!(text, "client_id      {id}");
    }
    if let Some(secret) = &put.secret {
        let _ = writeln!(
            text,
            "client_secret  {}\nThe secret is not shown again.",
            secret.0
        );
    }
    for change in &put.changes {
        let _ = writeln!(text, "{}: {} -> {}", change.field, change.from, change.to);
    }
    text
}
