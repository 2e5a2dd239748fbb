//! What the signer is willing to say: pure rules that turn an order into claims (`security.md` C.1). Issuer, times, key
//! id and salt are the signer's own; the order's fields are capped in length and kept to sane characters.

mod certificate;
mod id_token;

use std::time::Duration;

use foxhold_core::{Timestamp, hex};
use foxhold_crypto::{
    access_token::NewAccessToken,
    jws::Unsigned,
    node_token::{NodeTokenClaims, fxa_kid},
};
use foxhold_ports::{
    assignments::is_node_url,
    signer::{AccessTokenOrder, LIFETIME_SECS_MAX, NodeTokenOrder},
};
use thiserror::Error;

pub use self::certificate::{Certificate, CertificateRefusal, SET_BACK, certificate};
pub use self::id_token::id_token;

/// An audience is a client's id or a service's URL.
const AUDIENCE_LEN_MAX: usize = 256;

/// Scopes are short URLs and words; together with the rest the token must stay readable for others.
const SCOPE_LEN_MAX: usize = 1024;

/// The part of a user key before `@`.
const FXA_UID_LEN_MAX: usize = 64;

/// Why an order is refused: which field, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the order's {0} is not acceptable")]
pub struct Refusal(pub &'static str);

/// The access token that `order` asks for, not signed yet.
///
/// # Errors
/// [`Refusal`].
pub fn access_token(
    order: &AccessTokenOrder,
    issuer: &str,
    kid: &str,
    now: Timestamp,
) -> Result<Unsigned, Refusal> {
    check("lifetime", (1..=LIFETIME_SECS_MAX).contains(&order.lifetime_secs))?;
    check(
        "audience",
        is_plain(&order.audience, 1, AUDIENCE_LEN_MAX) && !order.audience.contains(' '),
    )?;
    check("scope", is_plain(&order.scope, 0, SCOPE_LEN_MAX))?;
    check_past("generation", order.generation, now)?;
    check_past("profile change", order.profile_changed_at, now)?;
    let token = NewAccessToken {
        issuer,
        uid: order.uid,
        audience: &order.audience,
        client_id: order.client,
        issued_at: now,
        expires: now.plus(Duration::from_secs(order.lifetime_secs)),
        jti: &hex::encode(&order.jti),
        scope: &order.scope,
        generation: order.generation,
        profile_changed_at: Some(order.profile_changed_at),
    };
    Ok(token.unsigned(kid))
}

/// The claims of the node token that `order` asks for.
///
/// # Errors
/// [`Refusal`].
pub fn node_token(order: &NodeTokenOrder, salt: [u8; 3], now: Timestamp) -> Result<NodeTokenClaims, Refusal> {
    check("lifetime", (1..=LIFETIME_SECS_MAX).contains(&order.lifetime_secs))?;
    check("node", is_node_url(&order.node))?;
    check(
        "fxa uid",
        is_plain(&order.fxa_uid, 1, FXA_UID_LEN_MAX) && !order.fxa_uid.contains(['@', ' ']),
    )?;
    check("hashed fxa uid", is_hash(&order.hashed_fxa_uid))?;
    check("hashed device id", is_hash(&order.hashed_device_id))?;
    let changed_at = order
        .keys_changed_at
        .map_or(order.generation.0, std::num::NonZeroU64::get);
    Ok(NodeTokenClaims {
        node: order.node.clone(),
        fxa_kid: fxa_kid(changed_at, order.client_state.as_bytes()),
        fxa_uid: order.fxa_uid.clone(),
        hashed_device_id: order.hashed_device_id.clone(),
        hashed_fxa_uid: order.hashed_fxa_uid.clone(),
        expires_secs: now.as_secs() + order.lifetime_secs,
        uid: order.uid,
        salt,
    })
}

fn check(field: &'static str, is_fine: bool) -> Result<(), Refusal> {
    if is_fine { Ok(()) } else { Err(Refusal(field)) }
}

/// What changed in the future did not change: a caller's clock must not reach far into tokens.
fn check_past(field: &'static str, at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    check(field, at <= now.plus(Duration::from_secs(3600)))
}

/// Visible ASCII and blanks. Everything that a claim of ours holds is made of these.
fn is_plain(text: &str, len_min: usize, len_max: usize) -> bool {
    (len_min..=len_max).contains(&text.len())
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// 32 hex digits.
fn is_hash(text: &str) -> bool {
    hex::decode::<16>(text).is_ok()
}

#[cfg(test)]
mod tests;
