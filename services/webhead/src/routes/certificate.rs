//! POST /certificate/sign, and the document that others verify certificates by (`accounts.md` (d)).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError,
    certificate::CertificateRequest,
    field::{check, check_optional, is_service},
};
use foxhold_browserid::{KeyError, PublicKey, PublishedKey, support_document};
use foxhold_core::{Deadline, hex};
use foxhold_crypto::{dsa_key::DsaNumbers, mac::sha256};
use foxhold_ports::signer::{CERTIFICATE_MILLIS_MAX, SubjectNumbers};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Answer, profile::is_known};
use crate::{App, app::no_keys, error::ApiError, extract::SessionCall, json::Fields};

/// POST /certificate/sign. Who gets none learns that first, whatever else is wrong.
pub(super) async fn sign(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    call.signed_in.require_certifiable()?;
    check_optional("service", call.query.get("service"), is_service)?;
    let request = CertificateRequest {
        subject: subject(&mut call.fields)?,
        duration_millis: duration_millis(&mut call.fields)?,
    };
    let certificate = app
        .accounts
        .sign_certificate(&call.caller, &call.signed_in, request)
        .await?;
    Ok(Json(json!({ "cert": certificate.expose() })))
}

fn duration_millis(fields: &mut Fields) -> Result<u64, AccountError> {
    const NAME: &str = "duration";
    let millis = fields.optional_number(NAME)?;
    let millis = millis.ok_or(AccountError::MissingParameter(NAME))?;
    check(NAME, millis <= CERTIFICATE_MILLIS_MAX)?;
    Ok(millis)
}

/// The numbers of a key of a size that is certified. Whether they make a sound one is the keysigner's to say.
fn subject(fields: &mut Fields) -> Result<SubjectNumbers, AccountError> {
    const NAME: &str = "publicKey";
    let Value::Object(mut members) = fields.any(NAME)? else {
        return Err(AccountError::BadParameter(NAME));
    };
    // Support documents know keys by another member, too; here it is an unknown one.
    members.remove("kty");
    let key = PublicKey::from_members(&members).map_err(|error| match error {
        KeyError::Missing => AccountError::MissingParameter(NAME),
        KeyError::Algorithm | KeyError::Numbers => AccountError::BadParameter(NAME),
    })?;
    Ok(match key {
        PublicKey::Rsa(key) => SubjectNumbers::Rsa {
            n: key.modulus().to_vec(),
            e: key.exponent().to_vec(),
        },
        PublicKey::Dsa(key) => {
            let DsaNumbers { y, p, q, g } = key.numbers();
            let [y, p, q, g] = [y, p, q, g].map(<[u8]>::to_vec);
            SubjectNumbers::Dsa { y, p, q, g }
        }
    })
}

/// GET /.well-known/browserid.
pub(super) async fn document(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let by = Deadline::after(app.budget);
    let published = app.keys.published(by).await.map_err(no_keys)?;
    let keys: Vec<_> = published
        .iter()
        .map(|key| PublishedKey {
            kid: &key.kid,
            n: &key.n,
            e: &key.e,
            created_at: key.created_at,
        })
        .collect();
    let body = support_document(&keys).ok_or(AccountError::Internal)?;
    let etag = format!("\"{}\"", hex::encode(&sha256(&[body.as_bytes()])[..16]));
    let headers_of_answer = [
        (
            header::ETAG,
            HeaderValue::from_str(&etag).map_err(|_| AccountError::Internal)?,
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        ),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers_of_answer).into_response());
    }
    Ok((headers_of_answer, body).into_response())
}
