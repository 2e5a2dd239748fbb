//! All secrets of an account in one cell (`security.md` D.1.3).

use foxhold_core::{
    Secret,
    record::{Credentials, Verifier, VersionTwo},
};
use zeroize::Zeroizing;

use super::{Decoder, Encoder};
use crate::error::StoreError;

const FORMAT: u8 = 1;

pub(crate) fn encode_credentials(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(&credentials.auth_salt);
    cell.bytes(credentials.k_a.expose());
    put_verifier(&mut cell, &credentials.version_one);
    cell.option(credentials.version_two.as_ref(), |cell, version_two| {
        put_verifier(cell, &version_two.verifier);
        cell.sized(version_two.client_salt.as_bytes());
    });
    cell.0
}

pub(crate) fn decode_credentials(cell: &[u8]) -> Result<Credentials, StoreError> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let credentials = Credentials {
        auth_salt: cell.array()?,
        k_a: Secret::new(cell.array()?),
        version_one: verifier(&mut cell)?,
        version_two: cell.option(|cell| {
            Ok(VersionTwo {
                verifier: verifier(cell)?,
                client_salt: cell.text()?,
            })
        })?,
    };
    cell.finish()?;
    Ok(credentials)
}

fn put_verifier(cell: &mut Encoder, verifier: &Verifier) {
    cell.bytes(verifier.verify_hash.expose());
    cell.bytes(verifier.wrap_wrap_kb.expose());
}

fn verifier(cell: &mut Decoder<'_>) -> Result<Verifier, StoreError> {
    Ok(Verifier {
        verify_hash: Secret::new(cell.array()?),
        wrap_wrap_kb: Secret::new(cell.array()?),
    })
}
