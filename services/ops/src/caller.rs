//! Who asks, and whether they may. Decided once, before any route.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use foxhold_runtime::{http_edge::PeerCertificate, tls::Role};

use crate::{refused::Refused, wire::Code};

/// Who gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever can open the socket, or runs in this process.
    Local,
    /// Whoever has a certificate of the role `operator`.
    Operators,
}

/// Who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    Local,
    Operator(PeerCertificate),
}

impl Caller {
    /// As audit lines name them.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Operator(certificate) => certificate.id.to_string(),
        }
    }

    /// Which of several certificates of that name.
    pub(crate) fn serial(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Operator(certificate) => Some(&certificate.serial),
        }
    }

    /// Whoever asks, let in or not. `None` = there is no certificate.
    pub(crate) fn asking(access: Access, certificate: Option<&PeerCertificate>) -> Option<Self> {
        match access {
            Access::Local => Some(Self::Local),
            Access::Operators => certificate.cloned().map(Self::Operator),
        }
    }

    fn of(access: Access, certificate: Option<&PeerCertificate>) -> Result<Self, Refused> {
        match Self::asking(access, certificate) {
            None => Err(Refused::new(Code::NotPermitted, "there is no certificate")),
            Some(Self::Operator(peer)) if peer.id.role() != Role::Operator => Err(Refused::new(
                Code::NotPermitted,
                format!("the certificate is of the role {}, not operator", peer.id.role()),
            )),
            Some(caller) => Ok(caller),
        }
    }
}

/// Lets a request in, with its [`Caller`], or refuses it.
pub(crate) async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    match Caller::of(access, request.extensions().get()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get().cloned();
        Ok(caller.expect("`identify` has let the request in"))
    }
}

#[cfg(test)]
mod tests {
    use foxhold_runtime::tls::SpiffeId;

    use super::*;

    #[test]
    fn only_operators_get_in_where_certificates_count() {
        for role in Role::ALL {
            let certificate = PeerCertificate {
                id: SpiffeId::new("fox.test", "home", *role).unwrap(),
                serial: "01".into(),
            };
            let is_in = Caller::of(Access::Operators, Some(&certificate)).is_ok();
            assert_eq!(is_in, *role == Role::Operator, "{role}");
        }
        assert!(Caller::of(Access::Operators, None).is_err());
        assert_eq!(Caller::of(Access::Local, None), Ok(Caller::Local));
    }
}
