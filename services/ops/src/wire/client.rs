//! Registered clients: `GET|POST /clients`, `GET|PUT|DELETE /clients/{client}`, `POST /clients/{client}/rotate`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FieldChange;

/// The answer of `GET /clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Clients {
    /// All of them, by id.
    pub clients: Vec<Client>,
}

/// A program that may sign users in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Client {
    /// 16 hex digits.
    pub id: String,
    /// When it was registered.
    pub created_at_ms: u64,
    /// When each of its valid secrets was made, newest first. None, of a public client.
    pub secrets_made_at_ms: Vec<u64>,
    /// All that can be set.
    pub settings: ClientSettings,
}

/// Whether a client can keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// It runs on a server of its own.
    Confidential,
    /// It runs at its users'.
    Public,
}

/// All settings of a client: the body of `POST /clients` and `PUT /clients/{client}`. None may be left out. A client's
/// kind stays what it was registered as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct ClientSettings {
    /// What people know it by.
    pub name: String,
    /// Its picture; null = none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(test, schema(required = true))]
    pub image_uri: Option<String>,
    /// With a secret, or without.
    pub kind: ClientKind,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where browsers may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// The most it can be granted.
    pub scopes: Vec<String>,
    /// Nothing is granted to it.
    pub disabled: bool,
    /// Its users are not asked for consent.
    pub trusted: bool,
    /// Codes must be proven (PKCE).
    pub require_pkce: bool,
    /// A second factor is needed.
    pub require_aal2: bool,
    /// The claims of the profile stand in the ID token, too.
    pub id_token_profile: bool,
    /// Plain http is taken for redirects beyond this machine.
    pub allow_http: bool,
    /// Uids and mail domains; empty = everyone.
    pub allowed: Vec<String>,
}

/// The answer of every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ClientPut {
    /// What became of it, or would.
    pub outcome: ClientOutcome,
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// What differs from before; empty for a new client.
    pub changes: Vec<FieldChange>,
    /// As it is now, or would be, or was.
    pub client: Client,
    /// A new secret, told this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<NewSecret>,
}

/// A secret. Not shown in Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct NewSecret(pub String);

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(..)")
    }
}

/// What became of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ClientOutcome {
    /// There was none.
    Created,
    /// It was otherwise.
    Changed,
    /// It was like this.
    Unchanged,
    /// It has another secret; the one before is still good.
    Rotated,
    /// It is gone, with all that was granted to it.
    Deleted,
}
