//! The use case of the Token Server: a credential in, a token for the user's node out (`tokenserver.md` 1 to 9).
//!
//! Called by the webhead's `GET /1.0/{app}/{version}`. The checks come in the order of section 2. What must stay true:
//! nothing is written and no slot is taken before the state rules pass; for a returning user there is one read, no
//! write and one call to the signer; an outage is never an answer about the credential.

mod error;
mod write;

use std::{net::IpAddr, sync::Arc};

use foxhold_core::{
    Clock, Deadline, Random, SecretText, ServiceUid,
    record::{Assignment, ClientState, Service, UserKey, UserRecord},
};
use foxhold_crypto::node_token::MetricsIds;
use foxhold_ports::{
    AssignmentReader, AssignmentWriter, Limits, NodeTokenMinter, Refusal, WriteError,
    limits::{Action, LimitKeys},
    signer::NodeTokenOrder,
};

pub use self::error::ExchangeError;
use self::write::Write;
use crate::{
    credential::{Authorization, AuthorizationError, TokenVerifier, VerifiedToken},
    key_id::{KeyId, is_client_state_header},
    node_type::NodeTypes,
    scope,
    state::{Seen, judge},
};

/// How often a decision is made anew because another one came first. Two requests of one user settle in two rounds;
/// more rounds mean that the user's clients fight, and then one of them may come back later.
const ROUNDS: usize = 3;

/// What the exchange asks of the world.
#[derive(Clone)]
pub struct Ports {
    /// Users' records.
    pub reader: Arc<dyn AssignmentReader>,
    /// Changes of them.
    pub writer: Arc<dyn AssignmentWriter>,
    /// Mints the token.
    pub minter: Arc<dyn NodeTokenMinter>,
    /// Verifies the credential.
    pub verifier: Arc<dyn TokenVerifier>,
    /// How many tokens one account may ask for.
    pub limits: Arc<dyn Limits>,
    /// The time of new records.
    pub clock: Arc<dyn Clock>,
    /// Operation ids.
    pub random: Arc<dyn Random>,
}

/// What a deployment sets.
#[derive(Clone)]
pub struct Settings {
    /// The domain of the user key, `fxa_uid@domain`. Changing it makes every user a new one.
    pub issuer_domain: String,
    /// Key of the hashes for telemetry, used as text.
    pub metrics_key: Arc<SecretText>,
    /// Labels of nodes.
    pub node_types: NodeTypes,
}

/// One request, as it came.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// First part of the service's key.
    pub app: &'a str,
    /// Second part.
    pub version: &'a str,
    /// `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// `X-KeyID`.
    pub key_id: Option<&'a [u8]>,
    /// `X-Client-State`.
    pub client_state: Option<&'a [u8]>,
    /// `duration` of the query.
    pub duration: Option<&'a str>,
    /// The client's address, for limits.
    pub ip: Option<IpAddr>,
}

/// A token, with all that the client is told.
#[derive(Debug)]
pub struct Token {
    /// The Hawk id.
    pub id: SecretText,
    /// The Hawk key, as text.
    pub key: SecretText,
    /// The user's number in the service.
    pub uid: ServiceUid,
    /// Where the node serves this user.
    pub api_endpoint: String,
    /// Seconds of validity.
    pub duration_secs: u64,
    /// Label of the node.
    pub node_type: Option<String>,
    /// The user, for telemetry.
    pub metrics: MetricsIds,
}

/// Exchanges a credential for a token.
///
/// # Errors
/// [`ExchangeError`], the first check that fails.
pub async fn exchange(
    ports: &Ports,
    settings: &Settings,
    services: &[Service],
    by: Deadline,
    request: Request<'_>,
) -> Result<Token, ExchangeError> {
    let service = find_service(services, request.app, request.version)?;
    let client_state = client_state_header(request.client_state)?;
    let verified = verify(ports, service, by, request.authorization).await?;
    let key_id = parse_key_id(request.key_id, client_state)?;
    count(ports, &verified, request.ip).await?;

    let user = UserKey(format!("{}@{}", verified.fxa_uid, settings.issuer_domain));
    let seen = Seen {
        generation: verified.generation,
        keys_changed_at: key_id.keys_changed_at,
        client_state: key_id.client_state,
    };
    let record = settle(ports, service, by, &user, &seen).await?;
    mint(
        ports,
        settings,
        service,
        by,
        &user,
        record.current,
        request.duration,
    )
    .await
}

/// Check 1: a known app, and a version of it.
fn find_service<'a>(services: &'a [Service], app: &str, version: &str) -> Result<&'a Service, ExchangeError> {
    let parts = |service: &'a Service| service.key.0.rsplit_once('-');
    let mut of_app = services
        .iter()
        .filter(|service| parts(service).is_some_and(|(name, _)| name == app));
    let first = of_app.next().ok_or(ExchangeError::UnknownApp)?;
    std::iter::once(first)
        .chain(of_app)
        .find(|service| parts(service).is_some_and(|(_, other)| other == version))
        .ok_or_else(|| ExchangeError::UnknownVersion(version.to_owned()))
}

/// Check 2: the old header has the one allowed form, or is absent; empty is absent.
fn client_state_header(header: Option<&[u8]>) -> Result<Option<&str>, ExchangeError> {
    let Some(value) = header.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if !is_client_state_header(value) {
        return Err(ExchangeError::ClientStateForm);
    }
    Ok(std::str::from_utf8(value).ok())
}

/// Checks 3 and 4: a scheme we know, a token that holds, a scope that covers the service's.
async fn verify(
    ports: &Ports,
    service: &Service,
    by: Deadline,
    authorization: Option<&[u8]>,
) -> Result<VerifiedToken, ExchangeError> {
    let token = match Authorization::parse(authorization) {
        Ok(Authorization::Bearer(token)) => token,
        Err(AuthorizationError::Missing) => return Err(ExchangeError::NoAuthorization),
        Err(AuthorizationError::UnknownScheme) => return Err(ExchangeError::UnknownScheme),
        Err(AuthorizationError::NotText) => return Err(ExchangeError::InvalidCredentials("not text")),
    };
    let verified = ports.verifier.verify(by, token).await?;
    if !scope::grants(&verified.scope, &service.scope) {
        return Err(ExchangeError::InvalidCredentials("scope missing"));
    }
    // The uid becomes the first half of a user key and must not be able to forge the second.
    if verified.fxa_uid.is_empty() || verified.fxa_uid.len() > 255 || verified.fxa_uid.contains('@') {
        return Err(ExchangeError::InvalidCredentials("subject unusable"));
    }
    Ok(verified)
}

/// Check 5: the key id, and the old header's agreement with it.
fn parse_key_id(header: Option<&[u8]>, client_state: Option<&str>) -> Result<KeyId, ExchangeError> {
    let header = header.ok_or(ExchangeError::MissingKeyId)?;
    let text = std::str::from_utf8(header)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or(ExchangeError::NonAsciiKeyId)?;
    let key_id = KeyId::parse(text)?;
    if client_state.is_some_and(|state| state != key_id.client_state_hex()) {
        return Err(ExchangeError::ClientStateMismatch);
    }
    Ok(key_id)
}

/// Check 6: limits of the user.
async fn count(ports: &Ports, verified: &VerifiedToken, ip: Option<IpAddr>) -> Result<(), ExchangeError> {
    let keys = LimitKeys {
        ip,
        email: None,
        uid: verified.fxa_uid.parse().ok(),
    };
    ports.limits.count(Action::TokenIssue, keys).await?;
    Ok(())
}

/// Checks 7 and 8: the state rules, then the write they ask for. Whoever comes second reads and is judged again.
async fn settle(
    ports: &Ports,
    service: &Service,
    by: Deadline,
    user: &UserKey,
    seen: &Seen,
) -> Result<UserRecord, ExchangeError> {
    for _ in 0..ROUNDS {
        let stored = ports.reader.user_record(by, &service.key, user).await?;
        if stored.is_none() && !service.accepts_new_users {
            return Err(ExchangeError::NewUsersDisabled);
        }
        let decision = judge(stored.as_ref(), seen)?;
        let Some(write) = Write::of(decision, service, user, stored.as_ref()) else {
            return stored.ok_or(ExchangeError::Broken("no record and nothing to write"));
        };
        match write.carry_out(ports, by).await {
            Err(WriteError::Refused(Refusal::Conflict)) => {}
            other => return Ok(other?),
        }
    }
    Err(ExchangeError::Contended)
}

/// Check 9: the signer's part, and what the client is told beside it.
async fn mint(
    ports: &Ports,
    settings: &Settings,
    service: &Service,
    by: Deadline,
    user: &UserKey,
    record: Assignment,
    duration: Option<&str>,
) -> Result<Token, ExchangeError> {
    let node = record
        .node
        .ok_or(ExchangeError::Broken("the record has no node"))?;
    let api_endpoint = endpoint(service, &node, record.uid)?;
    // An OAuth credential names no device.
    let metrics = MetricsIds::derive(&settings.metrics_key, user.fxa_uid(), None);
    let node_type = settings
        .node_types
        .label(&node)
        .map(str::to_owned)
        .or(record.node_type);
    let order = NodeTokenOrder {
        service: service.key.clone(),
        node,
        uid: record.uid,
        fxa_uid: user.fxa_uid().to_owned(),
        generation: record.generation,
        keys_changed_at: record.keys_changed_at,
        client_state: ClientState::clone(&record.client_state),
        hashed_fxa_uid: metrics.hashed_fxa_uid().to_owned(),
        hashed_device_id: metrics.hashed_device_id.clone(),
        lifetime_secs: lifetime(service, duration),
    };
    let minted = ports.minter.mint_node_token(by, &order).await?;
    Ok(Token {
        id: minted.token,
        key: minted.key,
        uid: order.uid,
        api_endpoint,
        duration_secs: order.lifetime_secs,
        node_type,
        metrics,
    })
}

fn endpoint(service: &Service, node: &str, uid: ServiceUid) -> Result<String, ExchangeError> {
    if service.pattern.is_empty() {
        return Err(ExchangeError::NoPattern(service.key.clone()));
    }
    let filled = service
        .pattern
        .replace("{service}", &service.key.0)
        .replace("{uid}", &uid.to_string())
        .replace("{node}", node);
    Ok(filled.trim_end_matches('/').to_owned())
}

/// The client may shorten the service's lifetime. Anything else it sends is ignored, never an error.
fn lifetime(service: &Service, duration: Option<&str>) -> u64 {
    let limit = service.token_lifetime_secs;
    duration
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|secs| (1..=limit).contains(secs))
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests;
