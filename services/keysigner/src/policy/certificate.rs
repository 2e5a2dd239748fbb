//! BrowserID certificates (`security.md` C.1, `accounts.md` (d)).

use std::time::Duration;

use foxhold_core::{Timestamp, record::policy::is_issuer};
use foxhold_crypto::{
    certificate::{NewCertificate, SubjectKey},
    dsa_key::{DsaNumbers, DsaPublicKey},
    jws::Unsigned,
    short_rsa_key::ShortRsaPublicKey,
};
use foxhold_ports::signer::{CERTIFICATE_MILLIS_MAX, CertificateOrder, SubjectNumbers};

use super::{Refusal, check, check_past};

/// How far a certificate is set back, for clients whose clocks are behind.
pub const SET_BACK: Duration = Duration::from_secs(10);

/// An address, in bytes (`accounts.md` (c), Field limits).
const EMAIL_LEN: std::ops::RangeInclusive<usize> = 3..=255;

/// A certificate that is not signed yet, and the key it is about: which has a usual size, and may be unsound.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What is signed.
    pub unsigned: Unsigned,
    /// The user's key.
    pub subject: SubjectKey,
}

/// What is wrong with an order for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateRefusal {
    /// One of its fields.
    Order(Refusal),
    /// The numbers are no key of a usual size.
    Key,
}

impl From<Refusal> for CertificateRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::Order(refusal)
    }
}

/// The certificate that `order` asks for.
///
/// # Errors
/// [`CertificateRefusal`].
pub fn certificate(
    order: &CertificateOrder,
    domain: &str,
    kid: &str,
    now: Timestamp,
) -> Result<Certificate, CertificateRefusal> {
    check_order(order, domain, now)?;
    let subject = subject_key(&order.subject).ok_or(CertificateRefusal::Key)?;
    let amr: Vec<_> = order.amr.iter().map(|method| method.name()).collect();
    let certificate = NewCertificate {
        domain,
        uid: order.uid,
        key: &subject,
        issued_at: now.minus(SET_BACK),
        expires: now.plus(Duration::from_millis(order.duration_millis)),
        generation: order.generation,
        profile_changed_at: order.profile_changed_at,
        keys_changed_at: order.keys_changed_at,
        last_auth_at: order.last_auth_at,
        verified_email: &order.verified_email,
        device_id: order.device,
        token_verified: order.token_verified,
        amr: &amr,
        aal: order.aal,
    };
    let unsigned = certificate.unsigned(kid);
    Ok(Certificate { unsigned, subject })
}

fn check_order(order: &CertificateOrder, domain: &str, now: Timestamp) -> Result<(), Refusal> {
    // Verifiers compare it as text. A deployment that is reached by an address of IPv6 has none.
    check("domain", is_issuer(domain))?;
    check("duration", order.duration_millis <= CERTIFICATE_MILLIS_MAX)?;
    let email = &order.verified_email;
    let is_email = email.contains('@') && !email.chars().any(char::is_control);
    check("email", EMAIL_LEN.contains(&email.len()) && is_email)?;
    // In one order and each once; nobody has a session without one.
    let is_list = !order.amr.is_empty() && order.amr.is_sorted_by(|a, b| a < b);
    check("amr", is_list)?;
    check("aal", (1..=3).contains(&order.aal))?;
    check_past("generation", order.generation, now)?;
    check_past("profile change", order.profile_changed_at, now)?;
    check_past("key change", order.keys_changed_at, now)?;
    check_past("sign-in", order.last_auth_at, now)
}

fn subject_key(numbers: &SubjectNumbers) -> Option<SubjectKey> {
    match numbers {
        SubjectNumbers::Rsa { n, e } => ShortRsaPublicKey::new(n, e).map(SubjectKey::Rsa).ok(),
        SubjectNumbers::Dsa { y, p, q, g } => {
            let numbers = DsaNumbers { y, p, q, g };
            DsaPublicKey::new(numbers).map(SubjectKey::Dsa).ok()
        }
    }
}

#[cfg(test)]
mod tests;
