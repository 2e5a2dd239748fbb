//! A registered client, and a grant, as one cell each, so that a store cannot blend two writes of them.

use foxhold_core::{
    ClientId, Timestamp, Uid,
    record::{CLIENT_SECRETS_MAX, ClientKind, ClientSecret, ClientSwitches, Grant, RegisteredClient},
};

use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

/// The cell of a client.
#[must_use]
pub fn encode_client(client: &RegisteredClient) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(client.id.as_bytes());
    cell.sized(client.name.as_bytes());
    cell.option(client.image_uri.as_ref(), |cell, uri| cell.sized(uri.as_bytes()));
    cell.bytes(&[number(client.kind)]);
    cell.number(client.secrets.len() as u64);
    for secret in &client.secrets {
        cell.bytes(&secret.hash);
        cell.number(secret.created_at.as_millis());
    }
    put_texts(&mut cell, &client.redirect_uris);
    put_texts(&mut cell, &client.post_logout_redirect_uris);
    cell.sized(client.scope.as_bytes());
    cell.bytes(&switches(client.switches).map(u8::from));
    put_texts(&mut cell, &client.allowed);
    cell.number(client.created_at.as_millis());
    cell.number(client.version);
    cell.finish_plain()
}

/// What a client's cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode_client(cell: &[u8]) -> Option<RegisteredClient> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let client = RegisteredClient {
        id: ClientId::from_bytes(cell.array()?),
        name: cell.text()?,
        image_uri: cell.option(Decoder::text)?,
        kind: kind(cell.array()?)?,
        secrets: cell.list(secret)?,
        redirect_uris: cell.list(Decoder::text)?,
        post_logout_redirect_uris: cell.list(Decoder::text)?,
        scope: cell.text()?,
        switches: switched(cell.array()?)?,
        allowed: cell.list(Decoder::text)?,
        created_at: Timestamp::from_millis(cell.number()?),
        version: cell.number()?,
    };
    let is_sane = client.secrets.len() <= CLIENT_SECRETS_MAX;
    cell.finish(client).filter(|_| is_sane)
}

/// The cell of a grant.
#[must_use]
pub fn encode_grant(grant: &Grant) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(grant.uid.as_bytes());
    cell.bytes(grant.client.as_bytes());
    cell.sized(grant.scope.as_bytes());
    for at in [grant.since, grant.agreed_at, grant.generation] {
        cell.number(at.as_millis());
    }
    cell.finish_plain()
}

/// What a grant's cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode_grant(cell: &[u8]) -> Option<Grant> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut grant = Grant {
        uid: Uid::from_bytes(cell.array()?),
        client: ClientId::from_bytes(cell.array()?),
        scope: cell.text()?,
        since: Timestamp::from_millis(0),
        agreed_at: Timestamp::from_millis(0),
        generation: Timestamp::from_millis(0),
    };
    for at in [&mut grant.since, &mut grant.agreed_at, &mut grant.generation] {
        *at = Timestamp::from_millis(cell.number()?);
    }
    cell.finish(grant)
}

fn put_texts(cell: &mut Encoder, texts: &[String]) {
    cell.number(texts.len() as u64);
    for text in texts {
        cell.sized(text.as_bytes());
    }
}

fn secret(cell: &mut Decoder<'_>) -> Option<ClientSecret> {
    Some(ClientSecret {
        hash: cell.array()?,
        created_at: Timestamp::from_millis(cell.number()?),
    })
}

const fn number(kind: ClientKind) -> u8 {
    match kind {
        ClientKind::Confidential => 0,
        ClientKind::Public => 1,
    }
}

const fn kind(number: [u8; 1]) -> Option<ClientKind> {
    match number {
        [0] => Some(ClientKind::Confidential),
        [1] => Some(ClientKind::Public),
        _ => None,
    }
}

const fn switches(of: ClientSwitches) -> [bool; 6] {
    [
        of.disabled,
        of.trusted,
        of.require_pkce,
        of.require_aal2,
        of.id_token_profile,
        of.allow_http,
    ]
}

fn switched(bytes: [u8; 6]) -> Option<ClientSwitches> {
    if bytes.iter().any(|byte| *byte > 1) {
        return None;
    }
    let [
        disabled,
        trusted,
        require_pkce,
        require_aal2,
        id_token_profile,
        allow_http,
    ] = bytes.map(|byte| byte == 1);
    Some(ClientSwitches {
        disabled,
        trusted,
        require_pkce,
        require_aal2,
        id_token_profile,
        allow_http,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(bits: u8, texts: &[String], secrets: usize) -> RegisteredClient {
        RegisteredClient {
            id: ClientId::from_bytes([bits; 8]),
            name: "Notes\u{e4}".into(),
            image_uri: texts.first().cloned(),
            kind: ClientKind::ALL[usize::from(bits & 1)].0,
            secrets: vec![
                ClientSecret {
                    hash: [bits; 32],
                    created_at: Timestamp::from_millis(7),
                };
                secrets
            ],
            redirect_uris: texts.to_vec(),
            post_logout_redirect_uris: texts.iter().skip(1).cloned().collect(),
            scope: "openid profile".into(),
            switches: switched([0, 1, 2, 3, 4, 5].map(|bit| (bits >> bit) & 1)).unwrap(),
            allowed: texts.to_vec(),
            created_at: Timestamp::from_millis(u64::from(bits)),
            version: 3,
        }
    }

    proptest! {
        #[test]
        fn cells_hold_what_was_put_in_and_nothing_else_is_one(
            bits: u8, texts in prop::collection::vec(".{0,20}", 0..4), secrets in 0..=2usize, cut in 0..60usize
        ) {
            let whole = client(bits, &texts, secrets);
            let cell = encode_client(&whole);
            prop_assert_eq!(decode_client(&cell), Some(whole));
            prop_assert_eq!(decode_client(&cell[..cell.len() - 1 - cut.min(cell.len() - 1)]), None);
            prop_assert_eq!(decode_client(&[&cell[..], &[0]].concat()), None);
            let grant = Grant {
                uid: Uid::from_bytes([bits; 16]),
                client: ClientId::from_bytes([1; 8]),
                scope: "openid".into(),
                since: Timestamp::from_millis(1),
                agreed_at: Timestamp::from_millis(2),
                generation: Timestamp::from_millis(3),
            };
            let cell = encode_grant(&grant);
            prop_assert_eq!(decode_grant(&cell), Some(grant));
            prop_assert_eq!(decode_grant(&cell[..cut]), None);
        }
    }

    #[test]
    fn a_cell_with_a_third_secret_is_damaged() {
        assert_eq!(decode_client(&encode_client(&client(0, &[], 3))), None);
    }
}
