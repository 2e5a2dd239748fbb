//! Orders for certificates: `foxhold.keysigner.v1` and `foxhold_ports::signer`.

use foxhold_core::{DeviceId, Uid};
use foxhold_ports::signer::{AuthMethod, CertificateOrder, SubjectNumbers};

use super::{FieldError, field, time};
use crate::wire::keysigner as pb;

impl TryFrom<pb::SignCertificateRequest> for CertificateOrder {
    type Error = FieldError;

    fn try_from(wire: pb::SignCertificateRequest) -> Result<Self, FieldError> {
        let device = |id: Vec<u8>| field("device_id", DeviceId::from_slice(&id));
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            subject: field("subject", wire.subject)?.into(),
            duration_millis: wire.duration_ms,
            generation: time(wire.generation_ms),
            last_auth_at: time(wire.last_auth_at_ms),
            device: wire.device_id.map(device).transpose()?,
            token_verified: wire.token_verified,
            amr: auth_methods(wire.amr)?,
            aal: field("aal", u8::try_from(wire.aal).ok())?,
            profile_changed_at: time(wire.profile_changed_at_ms),
            keys_changed_at: time(wire.keys_changed_at_ms),
            verified_email: wire.verified_email,
        })
    }
}

impl From<&CertificateOrder> for pb::SignCertificateRequest {
    fn from(order: &CertificateOrder) -> Self {
        Self {
            uid: order.uid.as_bytes().to_vec(),
            subject: Some(order.subject.clone().into()),
            duration_ms: order.duration_millis,
            generation_ms: order.generation.as_millis(),
            last_auth_at_ms: order.last_auth_at.as_millis(),
            verified_email: order.verified_email.clone(),
            device_id: order.device.map(|id| id.as_bytes().to_vec()),
            token_verified: order.token_verified,
            amr: auth_method_numbers(&order.amr),
            aal: order.aal.into(),
            profile_changed_at_ms: order.profile_changed_at.as_millis(),
            keys_changed_at_ms: order.keys_changed_at.as_millis(),
        }
    }
}

impl From<pb::sign_certificate_request::Subject> for SubjectNumbers {
    fn from(wire: pb::sign_certificate_request::Subject) -> Self {
        use pb::sign_certificate_request::Subject;
        match wire {
            Subject::Rsa(pb::RsaNumbers { n, e }) => Self::Rsa { n, e },
            Subject::Dsa(pb::DsaNumbers { y, p, q, g }) => Self::Dsa { y, p, q, g },
        }
    }
}

impl From<SubjectNumbers> for pb::sign_certificate_request::Subject {
    fn from(numbers: SubjectNumbers) -> Self {
        match numbers {
            SubjectNumbers::Rsa { n, e } => Self::Rsa(pb::RsaNumbers { n, e }),
            SubjectNumbers::Dsa { y, p, q, g } => Self::Dsa(pb::DsaNumbers { y, p, q, g }),
        }
    }
}

/// How somebody showed who they are.
pub(super) fn auth_methods(wire: Vec<i32>) -> Result<Vec<AuthMethod>, FieldError> {
    let methods = wire.into_iter().map(|method| field("amr", auth_method(method)));
    methods.collect()
}

/// The same as it is sent.
pub(super) fn auth_method_numbers(methods: &[AuthMethod]) -> Vec<i32> {
    methods
        .iter()
        .map(|method| of_auth_method(*method).into())
        .collect()
}

fn auth_method(wire: i32) -> Option<AuthMethod> {
    match pb::AuthMethod::try_from(wire).ok()? {
        pb::AuthMethod::Unspecified => None,
        pb::AuthMethod::Password => Some(AuthMethod::Password),
        pb::AuthMethod::Email => Some(AuthMethod::Email),
        pb::AuthMethod::OneTimePassword => Some(AuthMethod::OneTimePassword),
    }
}

const fn of_auth_method(method: AuthMethod) -> pb::AuthMethod {
    match method {
        AuthMethod::Password => pb::AuthMethod::Password,
        AuthMethod::Email => pb::AuthMethod::Email,
        AuthMethod::OneTimePassword => pb::AuthMethod::OneTimePassword,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    fn order(subject: SubjectNumbers) -> CertificateOrder {
        CertificateOrder {
            uid: Uid::from_bytes([1; 16]),
            subject,
            duration_millis: 21_600_000,
            generation: Timestamp::from_millis(2),
            last_auth_at: Timestamp::from_millis(3),
            verified_email: "alice@example.test".into(),
            device: Some(DeviceId::from_bytes([4; 16])),
            token_verified: true,
            amr: AuthMethod::ALL.map(|(method, _)| method).to_vec(),
            aal: 2,
            profile_changed_at: Timestamp::from_millis(5),
            keys_changed_at: Timestamp::from_millis(6),
        }
    }

    fn rsa() -> SubjectNumbers {
        SubjectNumbers::Rsa {
            n: vec![7, 8],
            e: vec![1, 0, 1],
        }
    }

    #[test]
    fn orders_survive_the_wire() {
        let dsa = SubjectNumbers::Dsa {
            y: vec![1],
            p: vec![2],
            q: vec![3],
            g: vec![4],
        };
        let without_device = CertificateOrder {
            device: None,
            token_verified: false,
            amr: Vec::new(),
            ..order(rsa())
        };
        for order in [order(rsa()), order(dsa), without_device] {
            let wire = pb::SignCertificateRequest::from(&order);
            assert_eq!(CertificateOrder::try_from(wire), Ok(order));
        }
    }

    #[test]
    fn broken_orders_are_refused_by_field() {
        type Change = fn(&mut pb::SignCertificateRequest);
        let table: [(&str, Change); 6] = [
            ("uid", |wire| wire.uid.truncate(15)),
            ("subject", |wire| wire.subject = None),
            ("device_id", |wire| wire.device_id = Some(Vec::new())),
            ("amr", |wire| wire.amr.push(0)),
            ("amr", |wire| wire.amr = vec![99]),
            ("aal", |wire| wire.aal = 256),
        ];
        for (name, change) in table {
            let mut wire = pb::SignCertificateRequest::from(&order(rsa()));
            change(&mut wire);
            assert_eq!(CertificateOrder::try_from(wire), Err(FieldError::new(name)));
        }
    }
}
