//! What is said to a verifier that others run, and what it answers: version 2 of its interface (`tokenserver.md` section 8).
//!
//! Must stay true: what cannot be a bundle is not worth a question; the verifier vouches for signatures and times, but whose
//! word counts for whom is still decided here.

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{Expectations, Identity, LEN_MAX, VerifyError, claims, domain, identity::IdpClaims, json};

/// What an answer comes to that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The bundle is refused.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// It says nothing about the bundle.
    #[error("no answer of a verifier")]
    Unusable,
}

/// The body of the question about a bundle.
///
/// # Errors
/// [`VerifyError`] for what no verifier could take.
pub fn question(bundle: &str, expected: &Expectations<'_>) -> Result<Vec<u8>, VerifyError> {
    check_form(bundle)?;
    let mut question = json!({"assertion": bundle, "audience": expected.audience});
    if !expected.trusted_issuers.is_empty() {
        question["trustedIssuers"] = json!(expected.trusted_issuers);
    }
    Ok(question.to_string().into_bytes())
}

/// One certificate and one assertion, both of the form of a compact JWS.
fn check_form(bundle: &str) -> Result<(), VerifyError> {
    if bundle.len() > LEN_MAX {
        return Err(VerifyError::TooLong);
    }
    let mut parts = bundle.split('~');
    let (Some(certificate), Some(assertion), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(VerifyError::CertificateCount);
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_letter);
    let is_jws = |text: &str| text.split('.').count() == 3 && text.split('.').all(is_part);
    if is_jws(certificate) && is_jws(assertion) {
        Ok(())
    } else {
        Err(VerifyError::Malformed)
    }
}

/// Whom the bundle stands for, by the body of an answer with status 200, if `expected` takes the issuer.
///
/// # Errors
/// [`AnswerError`]
pub fn read_answer(body: &[u8], expected: &Expectations<'_>) -> Result<Identity, AnswerError> {
    let answer = json::object(body).ok_or(AnswerError::Unusable)?;
    match answer.get("status").and_then(Value::as_str) {
        Some("okay") => identity(&answer, expected),
        Some("failure") => Err(refusal(&answer).into()),
        _ => Err(AnswerError::Unusable),
    }
}

/// It says why in words for people.
fn refusal(answer: &Map<String, Value>) -> VerifyError {
    let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default();
    if ["expired", "issued later than"]
        .iter()
        .any(|words| reason.contains(words))
    {
        VerifyError::VerifierTime
    } else {
        VerifyError::VerifierRefused
    }
}

fn identity(answer: &Map<String, Value>, expected: &Expectations<'_>) -> Result<Identity, AnswerError> {
    let text = |name| answer.get(name).and_then(Value::as_str);
    let (email, issuer) = text("email").zip(text("issuer")).ok_or(AnswerError::Unusable)?;
    // What it took the bundle for is the question's; another would be an answer to another one.
    let is_ours = answer
        .get("audience")
        .is_none_or(|audience| audience == expected.audience);
    if !is_ours || !domain::is_domain(issuer) {
        return Err(AnswerError::Unusable);
    }
    let none = Map::new();
    let claims = match answer.get("idpClaims") {
        None => &none,
        Some(claims) => claims.as_object().ok_or(AnswerError::Unusable)?,
    };
    let (uid, domain) = domain::split_principal(email).ok_or(VerifyError::Principal)?;
    expected.check_issuer(issuer, domain)?;
    let expires = claims::optional_time(answer, "expires").map_err(|_| AnswerError::Unusable)?;
    let claims = IdpClaims::read(claims)?;
    Ok(Identity::new(
        uid,
        domain,
        issuer,
        claims,
        expires.unwrap_or(expected.now),
    ))
}
