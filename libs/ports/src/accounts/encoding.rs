//! All secrets of an account as one cell (`security.md` D.1.3), so that a store cannot blend two writes of them.

use foxhold_core::{
    Secret,
    record::{Credentials, Verifier, VersionTwo},
};
use zeroize::Zeroizing;

use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

/// The cell. Wiped when dropped.
#[must_use]
pub fn encode(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let mut cell = Encoder::new(FORMAT);
    cell.bytes(&credentials.auth_salt);
    cell.bytes(credentials.k_a.expose());
    put_verifier(&mut cell, &credentials.version_one);
    cell.option(credentials.version_two.as_ref(), |cell, version_two| {
        put_verifier(cell, &version_two.verifier);
        cell.sized(version_two.client_salt.as_bytes());
    });
    cell.finish()
}

/// What a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode(cell: &[u8]) -> Option<Credentials> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let credentials = Credentials {
        auth_salt: cell.array()?,
        k_a: Secret::new(cell.array()?),
        version_one: verifier(&mut cell)?,
        version_two: cell.option(|cell| {
            Some(VersionTwo {
                verifier: verifier(cell)?,
                client_salt: cell.text()?,
            })
        })?,
    };
    cell.finish(credentials)
}

fn put_verifier(cell: &mut Encoder, verifier: &Verifier) {
    cell.bytes(verifier.verify_hash.expose());
    cell.bytes(verifier.wrap_wrap_kb.expose());
}

fn verifier(cell: &mut Decoder<'_>) -> Option<Verifier> {
    Some(Verifier {
        verify_hash: Secret::new(cell.array()?),
        wrap_wrap_kb: Secret::new(cell.array()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cell::tests::{check, must_not_panic};

    fn any_verifier() -> impl Strategy<Value = Verifier> {
        any::<([u8; 32], [u8; 32])>().prop_map(|(hash, wrap)| fixed(hash, wrap))
    }

    fn fixed(verify_hash: [u8; 32], wrap_wrap_kb: [u8; 32]) -> Verifier {
        Verifier {
            verify_hash: Secret::new(verify_hash),
            wrap_wrap_kb: Secret::new(wrap_wrap_kb),
        }
    }

    fn credentials() -> impl Strategy<Value = Credentials> {
        let version_two = (any_verifier(), any::<String>()).prop_map(|(verifier, client_salt)| VersionTwo {
            verifier,
            client_salt,
        });
        (
            any::<[u8; 32]>(),
            any::<[u8; 32]>(),
            any_verifier(),
            proptest::option::of(version_two),
        )
            .prop_map(|(auth_salt, k_a, version_one, version_two)| Credentials {
                auth_salt,
                k_a: Secret::new(k_a),
                version_one,
                version_two,
            })
    }

    proptest! {
        #[test]
        fn credentials_survive(credentials in credentials()) {
            check(&credentials, &encode(&credentials), decode);
        }

        #[test]
        fn no_bytes_panic(cell in proptest::collection::vec(any::<u8>(), 0..400)) {
            must_not_panic(cell, decode);
        }
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_format_is_this_one_for_good() {
        let mut credentials = Credentials {
            auth_salt: [1; 32],
            k_a: Secret::new([2; 32]),
            version_one: fixed([3; 32], [4; 32]),
            version_two: None,
        };
        let head = [&[1][..], &[1; 32], &[2; 32], &[3; 32], &[4; 32]].concat();
        assert_eq!(*encode(&credentials), [&head[..], &[0]].concat());
        credentials.version_two = Some(VersionTwo {
            verifier: fixed([5; 32], [6; 32]),
            client_salt: "salt".into(),
        });
        let tail = [&[1][..], &[5; 32], &[6; 32], &[0, 0, 0, 0, 0, 0, 0, 4], b"salt"].concat();
        assert_eq!(*encode(&credentials), [head, tail].concat());
    }

    #[test]
    fn credentials_do_not_outgrow_their_buffer() {
        let cell = encode(&Credentials {
            auth_salt: [7; 32],
            k_a: Secret::new([7; 32]),
            version_one: fixed([7; 32], [7; 32]),
            version_two: Some(VersionTwo {
                verifier: fixed([7; 32], [7; 32]),
                client_salt: format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", "0".repeat(32)),
            }),
        });
        assert!(cell.len() <= Encoder::USUAL_LEN);
    }
}
