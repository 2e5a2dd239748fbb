//! What the OpenID provider keeps (`accounts.md` (k), OpenID provider): the programs an operator has registered, and what
//! their users have agreed to. The clients that browsers bring are built in and not kept.

use std::fmt;

use crate::{ClientId, Timestamp, Uid};

/// How many secrets of a client may be valid at once: the one in use, and the one before it.
pub const CLIENT_SECRETS_MAX: usize = 2;

/// Whether a client can keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// It runs on a server of its own and shows a secret.
    Confidential,
    /// It runs at its users', has no secret, and always proves its codes (PKCE).
    Public,
}

impl ClientKind {
    /// Every kind, with its name.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Confidential, "confidential"), (Self::Public, "public")];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

/// A secret of a client, as it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientSecret {
    /// SHA-256 of its 32 bytes.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

/// The hash does not show.
impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientSecret({:?})", self.created_at)
    }
}

/// A program that an operator has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    /// Its id.
    pub id: ClientId,
    /// What people know it by.
    pub name: String,
    /// Its picture.
    pub image_uri: Option<String>,
    /// Whether it has secrets.
    pub kind: ClientKind,
    /// Valid secrets, newest first.
    pub secrets: Vec<ClientSecret>,
    /// Where codes may be sent; compared as text.
    pub redirect_uris: Vec<String>,
    /// Where browsers may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// The most it can be granted, separated by blanks.
    pub scope: String,
    /// Which of the switches are on.
    pub switches: ClientSwitches,
    /// Who may use it: uids, and domains of addresses. Empty = everyone.
    pub allowed: Vec<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u64,
}

/// What an operator switches on or off for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ClientSwitches {
    /// Nothing is granted to it at present.
    pub disabled: bool,
    /// Its users are not asked for consent.
    pub trusted: bool,
    /// Codes must be proven (PKCE). Public clients prove theirs in any case.
    pub require_pkce: bool,
    /// A second factor is needed.
    pub require_aal2: bool,
    /// The claims of the profile stand in the ID token, too.
    pub id_token_profile: bool,
    /// Plain http is taken for redirects beyond this machine: home networks.
    pub allow_http: bool,
}

/// What a user has agreed to. One for each client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub uid: Uid,
    /// To which client.
    pub client: ClientId,
    /// Which scopes, separated by blanks.
    pub scope: String,
    /// When this grant began: codes and tokens that are older belong to one that has ended.
    pub since: Timestamp,
    /// When its scopes were agreed to last.
    pub agreed_at: Timestamp,
    /// `keys_changed_at` of the account when it began: a reset ends it.
    pub generation: Timestamp,
}
