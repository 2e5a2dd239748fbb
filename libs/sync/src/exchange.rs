//! The use case of the Token Server: a credential in, a token for the user's node out (`tokenserver.md` 1 to 9).
//!
//! Called by the webhead's `GET /1.0/{app}/{version}`. The checks come in the order of section 2. What must stay true:
//! nothing is written and no slot is taken before the state rules pass; for a returning user there is one read, one call
//! to the signer and no write, but for one beside the second token ever; an outage is never an answer about the credential.

mod error;
mod proof;
mod renewal;
mod write;

use std::{net::IpAddr, sync::Arc, time::Duration};

use foxhold_core::{
    Clock, Deadline, Random, SecretText, ServiceUid, Timestamp,
    record::{ClientState, Service, ServiceKey, UserKey, UserRecord},
};
use foxhold_crypto::node_token::MetricsIds;
use foxhold_ports::{
    AssignmentReader, AssignmentWriter, Cause, Limits, NodeTokenMinter, Refusal, WriteError,
    assignments::Catalogue,
    limits::{Action, LimitKeys},
    signer::NodeTokenOrder,
};

pub use self::{error::ExchangeError, renewal::FirstRenewal};
use self::{
    proof::{Proof, SignedIn},
    write::Write,
};
use crate::{
    credential::{AssertionVerifier, TokenVerifier},
    endpoint::endpoint,
    first_assignments::{FirstAssignments, NewUser, Place},
    node_type::NodeTypes,
    pools,
    reason::Reason,
    state::judge,
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
    /// Verifies access tokens.
    pub verifier: Arc<dyn TokenVerifier>,
    /// Verifies BrowserID bundles.
    pub assertions: Arc<dyn AssertionVerifier>,
    /// How many tokens one account may ask for.
    pub limits: Arc<dyn Limits>,
    /// How many new users there may be.
    pub first_assignments: Arc<FirstAssignments>,
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
    /// The domain of the accounts served here, where those with access tokens are elsewhere: no strangers either.
    pub other_own_domain: Option<String>,
    /// Key of the hashes for telemetry, used as text.
    pub metrics_key: Arc<SecretText>,
    /// Labels of nodes.
    pub node_types: NodeTypes,
}

impl Settings {
    /// Whether users of the domain are the deployment's own.
    pub(crate) fn is_own(&self, domain: &str) -> bool {
        domain == self.issuer_domain || self.other_own_domain.as_deref() == Some(domain)
    }
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
    /// Whether `X-Conditions-Accepted` was sent, with whatever value.
    pub conditions_accepted: bool,
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
    /// The node's URL.
    pub node: String,
    /// Label of the node.
    pub node_type: Option<String>,
    /// The user, for telemetry.
    pub metrics: MetricsIds,
    /// When the user was first seen in the service.
    pub first_seen_at: Timestamp,
    /// The caller's to write down, without letting the client wait.
    pub first_renewal: Option<FirstRenewal>,
}

/// Exchanges a credential for a token.
///
/// # Errors
/// [`ExchangeError`], the first check that fails.
pub async fn exchange(
    ports: &Ports,
    settings: &Settings,
    services: &Catalogue,
    by: Deadline,
    request: Request<'_>,
) -> Result<Token, ExchangeError> {
    exchange_telling(ports, settings, services, by, request, &mut None).await
}

/// The same, and who asks, for logs: said once the credential holds, whatever ends the exchange after that.
///
/// # Errors
/// [`ExchangeError`], the first check that fails.
pub async fn exchange_telling(
    ports: &Ports,
    settings: &Settings,
    services: &Catalogue,
    by: Deadline,
    request: Request<'_>,
    who: &mut Option<MetricsIds>,
) -> Result<Token, ExchangeError> {
    let service = find_service(services, request.app, request.version)?;
    let client_state = proof::client_state_header(request.client_state)?;
    let proof = proof::prove(ports, settings, service, by, &request, client_state).await?;
    let device = proof.device_id.as_deref();
    let metrics = MetricsIds::derive(&settings.metrics_key, proof.user.fxa_uid(), device);
    *who = Some(metrics.clone());
    count(ports, &proof, request.ip).await?;
    signed_in_lately(ports, service, &proof)?;
    conditions(service, request.conditions_accepted)?;
    // Before anybody takes a slot: a token without an endpoint is none.
    if service.pattern.is_empty() {
        return Err(ExchangeError::NoPattern(service.key.clone()));
    }
    let (record, first_renewal) = settle(ports, service, by, &proof, request.ip).await?;
    let asking = (&proof.user, metrics);
    let minted = mint(ports, settings, service, by, asking, record, request.duration).await?;
    Ok(Token {
        first_renewal,
        ..minted
    })
}

/// Check 1: a known app, and a version of it. Also for whoever has to know what the service asked for takes.
///
/// # Errors
/// [`ExchangeError::UnknownApp`], [`ExchangeError::UnknownVersion`]; [`ExchangeError::Store`] if there is such a service and
/// its settings cannot be read.
pub fn find_service<'a>(
    services: &'a Catalogue,
    app: &str,
    version: &str,
) -> Result<&'a Service, ExchangeError> {
    let is_asked = |key: &ServiceKey| key.0.rsplit_once('-') == Some((app, version));
    if let Some(found) = services.readable.iter().find(|service| is_asked(&service.key)) {
        return Ok(found);
    }
    if services.unreadable.iter().any(is_asked) {
        return Err(ExchangeError::Store(Cause::Inconsistent));
    }
    let mut apps = services.keys().filter_map(|key| key.0.rsplit_once('-'));
    Err(if apps.any(|(name, _)| name == app) {
        ExchangeError::UnknownVersion(version.to_owned())
    } else {
        ExchangeError::UnknownApp
    })
}

/// Check 6: limits of the user.
async fn count(ports: &Ports, proof: &Proof, ip: Option<IpAddr>) -> Result<(), ExchangeError> {
    let keys = LimitKeys {
        ip,
        email: None,
        uid: Some(proof.counted_as()),
    };
    ports.limits.count(Action::TokenIssue, keys).await?;
    Ok(())
}

/// Check 6: how long ago the user may have signed in, where the service wants to know and the credential can tell. One
/// that could tell and does not is too old.
fn signed_in_lately(ports: &Ports, service: &Service, proof: &Proof) -> Result<(), ExchangeError> {
    let (Some(secs), Some(SignedIn(at))) = (service.policy.auth_max_age_secs, &proof.signed_in) else {
        return Ok(());
    };
    let is_recent = at.is_some_and(|at| ports.clock.now().since(at) <= Duration::from_secs(secs));
    if is_recent {
        Ok(())
    } else {
        Err(ExchangeError::InvalidCredentials(Reason::SignedInTooLongAgo))
    }
}

/// Check 6: the service's terms.
fn conditions(service: &Service, accepted: bool) -> Result<(), ExchangeError> {
    let conditions = &service.policy.conditions;
    if accepted || conditions.is_empty() {
        return Ok(());
    }
    Err(ExchangeError::ConditionsRequired(conditions.clone()))
}

/// Checks 7 and 8: the state rules, then the write they ask for. Whoever comes second reads and is judged again. Where there
/// was nothing to write, it may be the user's first renewal.
async fn settle(
    ports: &Ports,
    service: &Service,
    by: Deadline,
    proof: &Proof,
    ip: Option<IpAddr>,
) -> Result<(UserRecord, Option<FirstRenewal>), ExchangeError> {
    let Proof { user, seen, .. } = proof;
    for _ in 0..ROUNDS {
        let stored = ports.reader.user_record(by, &service.key, user).await?;
        if stored.is_none() && !admits(service, proof) {
            return Err(ExchangeError::NewUsersDisabled);
        }
        let decision = judge(stored.as_ref(), seen)?;
        let Some(mut write) = Write::of(decision, service, user, stored.as_ref()) else {
            let record = stored.ok_or(ExchangeError::Broken("no record and nothing to write"))?;
            let first_renewal = FirstRenewal::of(service, user, &record, ports.clock.now());
            return Ok((record, first_renewal));
        };
        let place = if proof.is_counted(stored.as_ref()) {
            match place(ports, service, by, proof, ip).await {
                Ok(place) => Some(place),
                Err(error) => {
                    // Another request of the user may have made the record: who has one is never limited.
                    let later = ports.reader.user_record(by, &service.key, user).await?;
                    let [before, after] =
                        [&stored, &later].map(|record| record.as_ref().map(|it| it.version));
                    if before == after {
                        return Err(error);
                    }
                    continue;
                }
            }
        } else {
            None
        };
        if let Some(node) = place.as_ref().and_then(Place::node) {
            write.name_node(node);
        }
        let outcome = write.carry_out(ports, by).await;
        if let Some(place) = place {
            place.settle(&outcome);
        }
        match outcome {
            Err(WriteError::Refused(Refusal::Conflict)) => {}
            other => return Ok((other?, None)),
        }
    }
    Err(ExchangeError::Contended)
}

/// Check 6 once more: whether the service takes this user as a new one, and the user's pool does.
fn admits(service: &Service, proof: &Proof) -> bool {
    let allocation = &service.policy.allocation;
    let target = pools::target(allocation, &service.key, &proof.user);
    service.policy.admission.admits(&proof.name) && pools::admits(allocation, &target)
}

/// Check 6 again, now that a user turned out to be new and may take a slot: the limits of new users.
async fn place<'a>(
    ports: &'a Ports,
    service: &Service,
    by: Deadline,
    proof: &Proof,
    ip: Option<IpAddr>,
) -> Result<Place<'a>, ExchangeError> {
    let new = NewUser {
        service: &service.key,
        user: &proof.user,
        target: &pools::target(&service.policy.allocation, &service.key, &proof.user),
        issuer: &proof.issuer,
        ip,
    };
    let limits = &ports.first_assignments;
    limits.look(&*ports.reader, by, ports.clock.now(), &new).await?;
    Ok(limits.admit(ports.clock.now(), &new)?)
}

/// Check 9: the signer's part, and what the client is told beside it.
async fn mint(
    ports: &Ports,
    settings: &Settings,
    service: &Service,
    by: Deadline,
    (user, metrics): (&UserKey, MetricsIds),
    record: UserRecord,
    duration: Option<&str>,
) -> Result<Token, ExchangeError> {
    let first_seen_at = record.first_seen_at;
    let record = record.current;
    let node = record
        .node
        .ok_or(ExchangeError::Broken("the record has no node"))?;
    let api_endpoint =
        endpoint(service, &node, record.uid).ok_or_else(|| ExchangeError::NoPattern(service.key.clone()))?;
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
        node: order.node,
        node_type,
        metrics,
        first_seen_at,
        first_renewal: None,
    })
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
