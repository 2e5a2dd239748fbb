//! Registered clients.

use foxhold_core::{
    ClientId, Timestamp,
    record::{self, ClientSecret, ClientSwitches, RegisteredClient},
};
use foxhold_ports::openid::rules;

use crate::{
    refused::fault,
    wire::{Client, ClientKind, ClientSettings, FieldFault},
};

/// All that a program can be granted (`docs/openid.md`).
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// As it is told.
pub(crate) fn told_client(of: RegisteredClient) -> Client {
    Client {
        id: of.id.to_string(),
        created_at_ms: of.created_at.as_millis(),
        secrets_made_at_ms: of
            .secrets
            .iter()
            .map(|secret| secret.created_at.as_millis())
            .collect(),
        settings: ClientSettings {
            name: of.name,
            image_uri: of.image_uri,
            kind: match of.kind {
                record::ClientKind::Confidential => ClientKind::Confidential,
                record::ClientKind::Public => ClientKind::Public,
            },
            redirect_uris: of.redirect_uris,
            post_logout_redirect_uris: of.post_logout_redirect_uris,
            scopes: of.scope.split(' ').map(str::to_owned).collect(),
            disabled: of.switches.disabled,
            trusted: of.switches.trusted,
            require_pkce: of.switches.require_pkce,
            require_aal2: of.switches.require_aal2,
            id_token_profile: of.switches.id_token_profile,
            allow_http: of.switches.allow_http,
            allowed: of.allowed,
        },
    }
}

/// What is kept of a client beside its settings.
pub(crate) struct Kept {
    pub(crate) id: ClientId,
    pub(crate) secrets: Vec<ClientSecret>,
    pub(crate) created_at: Timestamp,
    pub(crate) version: u64,
}

/// As the ports take it.
///
/// # Errors
/// What cannot be meant.
pub(crate) fn registered(kept: Kept, of: ClientSettings) -> Result<RegisteredClient, FieldFault> {
    if let Some(unknown) = of.scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(fault(
            "scopes",
            format!("`{unknown}` is none: give {}", SCOPES.join(", ")),
        ));
    }
    let client = RegisteredClient {
        id: kept.id,
        name: of.name,
        image_uri: of.image_uri,
        kind: match of.kind {
            ClientKind::Confidential => record::ClientKind::Confidential,
            ClientKind::Public => record::ClientKind::Public,
        },
        secrets: kept.secrets,
        redirect_uris: of.redirect_uris,
        post_logout_redirect_uris: of.post_logout_redirect_uris,
        scope: of.scopes.join(" "),
        switches: ClientSwitches {
            disabled: of.disabled,
            trusted: of.trusted,
            require_pkce: of.require_pkce,
            require_aal2: of.require_aal2,
            id_token_profile: of.id_token_profile,
            allow_http: of.allow_http,
        },
        allowed: of.allowed,
        created_at: kept.created_at,
        version: kept.version,
    };
    let told = |field| if field == "scope" { "scopes" } else { field };
    rules::check(&client).map_err(|found| fault(told(found.field), found.fix))?;
    Ok(client)
}
