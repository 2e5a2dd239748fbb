//! Changing clients: what is given over what there is, put whole.

use foxhold_ops::wire::{Client, ClientKind, ClientPut, ClientSettings};

use super::{ChangeArgs, CreateArgs, DeleteArgs, OneArgs, SettingsArgs, Switch, UpdateArgs, view};
use crate::{
    admin_client::{self, AdminError, Path},
    confirm,
};

pub(super) fn create(arguments: &CreateArgs) -> anyhow::Result<()> {
    let kind = if arguments.public {
        ClientKind::Public
    } else {
        ClientKind::Confidential
    };
    let mut settings = ClientSettings {
        name: arguments.name.clone(),
        image_uri: None,
        kind,
        redirect_uris: arguments.redirect_uri.clone(),
        post_logout_redirect_uris: Vec::new(),
        scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
        disabled: false,
        trusted: false,
        require_pkce: arguments.public,
        require_aal2: false,
        id_token_profile: false,
        allow_http: false,
        allowed: Vec::new(),
    };
    apply(&mut settings, &arguments.settings);
    let change = &arguments.change;
    let path = Path::of(["clients"]).dry(change.dry());
    let put: ClientPut = admin_client::with(&change.admin, async |admin| {
        Ok(admin.post(&path, &settings).await.map_err(AdminError::of_flags)?)
    })?;
    print(change, &put)
}

pub(super) fn update(arguments: &UpdateArgs) -> anyhow::Result<()> {
    changed(&arguments.id, &arguments.change, |settings| {
        if let Some(name) = &arguments.name {
            settings.name.clone_from(name);
        }
        if let Some(uris) = &arguments.redirect_uri {
            settings.redirect_uris = list(uris);
        }
        apply(settings, &arguments.settings);
    })
}

pub(super) fn switch(arguments: &OneArgs, disabled: bool) -> anyhow::Result<()> {
    changed(&arguments.id, &arguments.change, |settings| {
        settings.disabled = disabled
    })
}

pub(super) fn rotate(OneArgs { id, change }: &OneArgs) -> anyhow::Result<()> {
    let path = Path::of(["clients", id, "rotate"]).dry(change.dry());
    let put: ClientPut = admin_client::with(&change.admin, async |admin| {
        let rotated = admin.post(&path, &serde_json::json!({})).await;
        Ok(rotated.map_err(AdminError::of_flags)?)
    })?;
    print(change, &put)
}

pub(super) fn delete(arguments: &DeleteArgs) -> anyhow::Result<()> {
    let OneArgs { id, change } = &arguments.one;
    let put: ClientPut = admin_client::with(&change.admin, async |admin| {
        let client: Client = admin.get(&Path::of(["clients", id])).await?;
        let warning = format!(
            "{} ({id}) is removed for good: nobody can sign in to it any more, and its tokens end.",
            client.settings.name
        );
        confirm::by_name(arguments.yes || change.dry_run, &warning, "client's id", id)?;
        let path = Path::of(["clients", id]).dry(change.dry());
        Ok(admin.delete(&path).await?)
    })?;
    print(change, &put)
}

fn changed(id: &str, change: &ChangeArgs, edit: impl Fn(&mut ClientSettings)) -> anyhow::Result<()> {
    let put: ClientPut = admin_client::with(&change.admin, async |admin| {
        let Client { mut settings, .. } = admin.get(&Path::of(["clients", id])).await?;
        edit(&mut settings);
        let path = Path::of(["clients", id]).dry(change.dry());
        Ok(admin.put(&path, &settings).await.map_err(AdminError::of_flags)?)
    })?;
    print(change, &put)
}

fn apply(settings: &mut ClientSettings, given: &SettingsArgs) {
    if let Some(uri) = &given.image_uri {
        settings.image_uri = Some(uri.clone()).filter(|uri| !uri.is_empty());
    }
    if let Some(uris) = &given.post_logout_redirect_uri {
        settings.post_logout_redirect_uris = list(uris);
    }
    if let Some(scopes) = &given.scope {
        settings.scopes = list(scopes);
    }
    if let Some(allowed) = &given.allow {
        settings.allowed = list(allowed);
    }
    let switches = [
        (given.trusted, &mut settings.trusted),
        (given.require_pkce, &mut settings.require_pkce),
        (given.require_aal2, &mut settings.require_aal2),
        (given.id_token_profile, &mut settings.id_token_profile),
        (given.allow_http, &mut settings.allow_http),
    ];
    for (given, setting) in switches {
        *setting = given.map_or(*setting, Switch::is_on);
    }
}

/// `''` is no member of a list, so it empties one.
fn list(given: &[String]) -> Vec<String> {
    given.iter().filter(|word| !word.is_empty()).cloned().collect()
}

fn print(change: &ChangeArgs, put: &ClientPut) -> anyhow::Result<()> {
    let value = serde_json::to_value(put)?;
    Ok(change.output.print(&view::put_text(put), &value)?)
}
