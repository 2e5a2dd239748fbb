//! Registered clients, grants, replaced tokens and ID tokens: `foxhold.dbwriter.v1`, `foxhold.keysigner.v1` and their records.

use std::sync::Arc;

use foxhold_core::{
    ClientId, Timestamp, TokenId, Uid,
    record::{CLIENT_SECRETS_MAX, ClientKind, ClientSecret, ClientSwitches, Grant, RegisteredClient},
};
use foxhold_ports::{
    openid::spent::Replacement,
    signer::{IdTokenOrder, IdTokenProfile},
};

use super::{FieldError, array, certificate, field, message, messages, optional_message, secret, time};
use crate::wire::{dbwriter as pb, keysigner as signer_pb};

/// 8 bytes.
pub(crate) fn client_id(name: &'static str, wire: &[u8]) -> Result<ClientId, FieldError> {
    field(name, ClientId::from_slice(wire))
}

fn kind(wire: i32) -> Result<ClientKind, FieldError> {
    let known = match pb::ClientKind::try_from(wire) {
        Ok(pb::ClientKind::Confidential) => Some(ClientKind::Confidential),
        Ok(pb::ClientKind::Public) => Some(ClientKind::Public),
        Ok(pb::ClientKind::Unspecified) | Err(_) => None,
    };
    field("kind", known)
}

impl From<ClientKind> for pb::ClientKind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Confidential => Self::Confidential,
            ClientKind::Public => Self::Public,
        }
    }
}

impl TryFrom<pb::ClientSecret> for ClientSecret {
    type Error = FieldError;

    fn try_from(wire: pb::ClientSecret) -> Result<Self, FieldError> {
        Ok(Self {
            hash: array("hash", &wire.hash)?,
            created_at: time(wire.created_at_ms),
        })
    }
}

impl From<ClientSecret> for pb::ClientSecret {
    fn from(secret: ClientSecret) -> Self {
        Self {
            hash: secret.hash.to_vec(),
            created_at_ms: secret.created_at.as_millis(),
        }
    }
}

impl TryFrom<pb::RegisteredClient> for RegisteredClient {
    type Error = FieldError;

    fn try_from(wire: pb::RegisteredClient) -> Result<Self, FieldError> {
        let secrets: Vec<ClientSecret> = messages("secrets", wire.secrets)?;
        let is_version = (1..=i64::MAX.cast_unsigned()).contains(&wire.version);
        Ok(Self {
            id: client_id("id", &wire.id)?,
            name: wire.name,
            image_uri: wire.image_uri,
            kind: kind(wire.kind)?,
            secrets: field(
                "secrets",
                (secrets.len() <= CLIENT_SECRETS_MAX).then_some(secrets),
            )?,
            redirect_uris: wire.redirect_uris,
            post_logout_redirect_uris: wire.post_logout_redirect_uris,
            scope: wire.scope,
            switches: ClientSwitches {
                disabled: wire.disabled,
                trusted: wire.trusted,
                require_pkce: wire.require_pkce,
                require_aal2: wire.require_aal2,
                id_token_profile: wire.id_token_profile,
                allow_http: wire.allow_http,
            },
            allowed: wire.allowed,
            created_at: time(wire.created_at_ms),
            version: field("version", is_version.then_some(wire.version))?,
        })
    }
}

impl From<RegisteredClient> for pb::RegisteredClient {
    fn from(client: RegisteredClient) -> Self {
        Self {
            id: client.id.as_bytes().to_vec(),
            name: client.name,
            image_uri: client.image_uri,
            kind: pb::ClientKind::from(client.kind).into(),
            secrets: client.secrets.into_iter().map(Into::into).collect(),
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            scope: client.scope,
            disabled: client.switches.disabled,
            trusted: client.switches.trusted,
            require_pkce: client.switches.require_pkce,
            require_aal2: client.switches.require_aal2,
            id_token_profile: client.switches.id_token_profile,
            allow_http: client.switches.allow_http,
            allowed: client.allowed,
            created_at_ms: client.created_at.as_millis(),
            version: client.version,
        }
    }
}

impl TryFrom<pb::Grant> for Grant {
    type Error = FieldError;

    fn try_from(wire: pb::Grant) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            client: client_id("client", &wire.client)?,
            scope: wire.scope,
            since: time(wire.since_ms),
            agreed_at: time(wire.agreed_at_ms),
            generation: time(wire.generation_ms),
        })
    }
}

impl From<Grant> for pb::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            uid: grant.uid.as_bytes().to_vec(),
            client: grant.client.as_bytes().to_vec(),
            scope: grant.scope,
            since_ms: grant.since.as_millis(),
            agreed_at_ms: grant.agreed_at.as_millis(),
            generation_ms: grant.generation.as_millis(),
        }
    }
}

impl TryFrom<pb::Replacement> for Replacement {
    type Error = FieldError;

    fn try_from(wire: pb::Replacement) -> Result<Self, FieldError> {
        Ok(Self {
            replaces: field("replaces", TokenId::from_slice(&wire.replaces))?,
            salt: Arc::new(secret("salt", wire.salt)?),
            token: message("token", wire.token)?,
        })
    }
}

impl From<Replacement> for pb::Replacement {
    fn from(replacement: Replacement) -> Self {
        Self {
            replaces: replacement.replaces.as_bytes().to_vec(),
            salt: replacement.salt.expose().to_vec(),
            token: Some(replacement.token.into()),
        }
    }
}

impl TryFrom<signer_pb::SignIdTokenRequest> for IdTokenOrder {
    type Error = FieldError;

    fn try_from(wire: signer_pb::SignIdTokenRequest) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            client: client_id("client", &wire.client)?,
            auth_time: time(wire.auth_time_ms),
            nonce: wire.nonce,
            at_hash: array("at_hash", &wire.at_hash)?,
            aal: field("aal", u8::try_from(wire.aal).ok())?,
            amr: certificate::auth_methods(wire.amr)?,
            lifetime_secs: wire.lifetime_secs,
            profile: optional_message("profile", wire.profile)?,
        })
    }
}

impl From<&IdTokenOrder> for signer_pb::SignIdTokenRequest {
    fn from(order: &IdTokenOrder) -> Self {
        Self {
            uid: order.uid.as_bytes().to_vec(),
            client: order.client.as_bytes().to_vec(),
            auth_time_ms: order.auth_time.as_millis(),
            nonce: order.nonce.clone(),
            at_hash: order.at_hash.to_vec(),
            aal: order.aal.into(),
            amr: certificate::auth_method_numbers(&order.amr),
            lifetime_secs: order.lifetime_secs,
            profile: order.profile.clone().map(Into::into),
        }
    }
}

impl TryFrom<signer_pb::IdTokenProfile> for IdTokenProfile {
    type Error = FieldError;

    fn try_from(wire: signer_pb::IdTokenProfile) -> Result<Self, FieldError> {
        Ok(Self {
            email: wire.email.map(|email| (email, wire.email_verified)),
            preferred_username: wire.preferred_username,
            picture: wire.picture,
            locale: wire.locale,
            updated_at: wire.updated_at_ms.map(time),
        })
    }
}

impl From<IdTokenProfile> for signer_pb::IdTokenProfile {
    fn from(profile: IdTokenProfile) -> Self {
        let (email, email_verified) = profile.email.unzip();
        Self {
            email,
            email_verified: email_verified.unwrap_or(false),
            preferred_username: profile.preferred_username,
            picture: profile.picture,
            locale: profile.locale,
            updated_at_ms: profile.updated_at.map(Timestamp::as_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Secret, record::RefreshToken};
    use foxhold_ports::signer::AuthMethod;

    use super::*;

    fn client() -> RegisteredClient {
        RegisteredClient {
            id: ClientId::from_bytes([1; 8]),
            name: "Notes".into(),
            image_uri: Some("https://notes.example.test/p".into()),
            kind: ClientKind::Public,
            secrets: vec![ClientSecret {
                hash: [2; 32],
                created_at: time(3),
            }],
            redirect_uris: vec!["https://notes.example.test/cb".into()],
            post_logout_redirect_uris: vec!["https://notes.example.test/".into()],
            scope: "openid".into(),
            switches: ClientSwitches {
                disabled: true,
                require_pkce: true,
                allow_http: true,
                ..ClientSwitches::default()
            },
            allowed: vec!["example.test".into()],
            created_at: time(4),
            version: 5,
        }
    }

    fn replacement() -> Replacement {
        Replacement {
            replaces: TokenId::from_bytes([1; 32]),
            salt: Arc::new(Secret::new([2; 32])),
            token: RefreshToken {
                id: TokenId::from_bytes([3; 32]),
                uid: Uid::from_bytes([4; 16]),
                client: ClientId::from_bytes([5; 8]),
                scope: "openid".into(),
                session: None,
                created_at: time(6),
                generation: time(7),
            },
        }
    }

    fn order() -> IdTokenOrder {
        IdTokenOrder {
            uid: Uid::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 8]),
            auth_time: time(3000),
            nonce: Some("n".into()),
            at_hash: [4; 16],
            aal: 2,
            amr: vec![AuthMethod::Password, AuthMethod::OneTimePassword],
            lifetime_secs: 300,
            profile: Some(IdTokenProfile {
                email: Some(("a@example.test".into(), true)),
                preferred_username: Some("a".into()),
                picture: None,
                locale: Some("de".into()),
                updated_at: Some(time(5000)),
            }),
        }
    }

    #[test]
    fn clients_grants_and_orders_survive_the_wire() {
        let mut client = client();
        assert_eq!(
            RegisteredClient::try_from(pb::RegisteredClient::from(client.clone())),
            Ok(client.clone())
        );
        for switch in 0..3 {
            client.switches = ClientSwitches {
                trusted: switch == 0,
                require_aal2: switch == 1,
                id_token_profile: switch == 2,
                ..ClientSwitches::default()
            };
            assert_eq!(
                RegisteredClient::try_from(pb::RegisteredClient::from(client.clone())),
                Ok(client.clone())
            );
        }
        let grant = Grant {
            uid: Uid::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 8]),
            scope: "openid".into(),
            since: time(3),
            agreed_at: time(4),
            generation: time(5),
        };
        assert_eq!(Grant::try_from(pb::Grant::from(grant.clone())), Ok(grant));
        let wire = pb::Replacement::from(replacement());
        assert_eq!(Replacement::try_from(wire), Ok(replacement()));
        let mut order = order();
        assert_eq!(
            IdTokenOrder::try_from(signer_pb::SignIdTokenRequest::from(&order)),
            Ok(order.clone())
        );
        (order.profile, order.nonce) = (None, None);
        assert_eq!(
            IdTokenOrder::try_from(signer_pb::SignIdTokenRequest::from(&order)),
            Ok(order)
        );
    }

    #[test]
    fn broken_ones_are_refused_by_field() {
        type Change = fn(&mut pb::RegisteredClient);
        let table: [(&str, Change); 5] = [
            ("id", |c| c.id = vec![0; 7]),
            ("kind", |c| c.kind = 0),
            ("kind", |c| c.kind = 3),
            ("version", |c| c.version = 0),
            ("secrets", |c| c.secrets = vec![c.secrets[0].clone(); 3]),
        ];
        for (name, change) in table {
            let mut wire = pb::RegisteredClient::from(client());
            change(&mut wire);
            assert_eq!(RegisteredClient::try_from(wire), Err(FieldError::new(name)));
        }
        type OrderChange = fn(&mut signer_pb::SignIdTokenRequest);
        let table: [(&str, OrderChange); 4] = [
            ("uid", |o| o.uid = vec![]),
            ("client", |o| o.client = vec![0; 9]),
            ("at_hash", |o| o.at_hash = vec![0; 32]),
            ("aal", |o| o.aal = 256),
        ];
        for (name, change) in table {
            let mut wire = signer_pb::SignIdTokenRequest::from(&order());
            change(&mut wire);
            assert_eq!(IdTokenOrder::try_from(wire), Err(FieldError::new(name)));
        }
        type Cut = fn(&mut pb::Replacement);
        let table: [(&str, Cut); 3] = [
            ("replaces", |r| r.replaces = vec![1; 31]),
            ("salt", |r| r.salt = vec![]),
            ("token", |r| r.token = None),
        ];
        for (name, cut) in table {
            let mut wire = pb::Replacement::from(replacement());
            cut(&mut wire);
            assert_eq!(Replacement::try_from(wire), Err(FieldError::new(name)));
        }
    }
}
