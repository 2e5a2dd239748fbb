//! The keys of an issuer, found through whatever it delegates to.

use foxhold_core::Deadline;

use crate::{Document, FetchError, IssuerKey, SupportDocuments, VerifyError, jws::Jws};

/// How often a document may refer to another (`security.md` E.2).
const DELEGATIONS_MAX: usize = 5;

/// The keys that speak for `issuer`. At most six documents are fetched, none of them twice.
pub(crate) async fn keys(
    issuer: &str,
    documents: &dyn SupportDocuments,
    by: Deadline,
) -> Result<Vec<IssuerKey>, VerifyError> {
    let mut asked: Vec<String> = Vec::new();
    let mut next = issuer.to_owned();
    loop {
        match documents.fetch(by, &next).await.map_err(refusal)? {
            Document::Keys(keys) => return Ok(keys),
            Document::Disabled => return Err(VerifyError::NoIssuer),
            Document::Authority(authority) => {
                asked.push(std::mem::replace(&mut next, authority));
            }
        }
        if asked.len() > DELEGATIONS_MAX || asked.contains(&next) {
            return Err(VerifyError::Delegation);
        }
    }
}

const fn refusal(error: FetchError) -> VerifyError {
    match error {
        FetchError::Forbidden => VerifyError::IssuerForbidden,
        FetchError::Absent => VerifyError::NoIssuer,
        FetchError::Unavailable => VerifyError::IssuerUnavailable,
    }
}

/// Whether one of `keys` made the certificate: the one it names, where the issuer has that name; else any.
pub(crate) fn is_signed_by_one_of(certificate: &Jws<'_>, keys: &[IssuerKey]) -> bool {
    let is_named = |key: &&IssuerKey| certificate.kid.is_some() && key.kid == certificate.kid;
    let mut candidates = keys.iter().filter(is_named).peekable();
    if candidates.peek().is_some() {
        candidates.any(|key| certificate.is_signed_by(&key.key))
    } else {
        keys.iter().any(|key| certificate.is_signed_by(&key.key))
    }
}
