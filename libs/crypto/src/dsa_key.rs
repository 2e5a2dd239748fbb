//! DSA public keys (FIPS 186): checked and verified with, never signed with. Old browsers make BrowserID assertions with
//! them (`accounts.md` (d)). The numbers are an adversary's: nothing is computed with them before their sizes are known
//! to be usual ones.

use dsa::{BoxedUint, Components, Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use thiserror::Error;

use crate::big_endian::{bits, is_odd, without_leading_zeros};

/// Bits of p and q that exist (`security.md` C.1).
const SIZES: [(usize, usize); 4] = [(1024, 160), (2048, 224), (2048, 256), (3072, 256)];

/// Why numbers are no DSA public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DsaKeyError {
    /// p and q have not 1024/160, 2048/224, 2048/256 or 3072/256 bits, or are even.
    #[error("p and q are not odd numbers of a usual size")]
    Size,
    /// g or y is not between 1 and p.
    #[error("g or y is out of range")]
    Range,
}

/// The hash in front of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DsaHash {
    /// SHA-1: `DS128`.
    Sha1,
    /// SHA-256: `DS256`.
    Sha256,
}

/// The numbers of a key, each big-endian; leading zeros do not count.
#[derive(Debug, Clone, Copy)]
pub struct DsaNumbers<'a> {
    /// The public value.
    pub y: &'a [u8],
    /// The prime modulus.
    pub p: &'a [u8],
    /// The order of the generator.
    pub q: &'a [u8],
    /// The generator.
    pub g: &'a [u8],
}

/// A public key of a usual size. That its numbers also fit each other costs three exponentiations and is asked
/// separately: [`Self::is_sound`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsaPublicKey {
    // Big-endian, no leading zero.
    y: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    g: Vec<u8>,
}

impl DsaPublicKey {
    /// From its numbers. Cheap: looks at sizes only.
    ///
    /// # Errors
    /// [`DsaKeyError`].
    pub fn new(numbers: DsaNumbers<'_>) -> Result<Self, DsaKeyError> {
        let DsaNumbers { y, p, q, g } = numbers;
        let [y, p, q, g] = [y, p, q, g].map(without_leading_zeros);
        if !SIZES.contains(&(bits(p), bits(q))) || !is_odd(p) || !is_odd(q) {
            return Err(DsaKeyError::Size);
        }
        if [y, g].iter().any(|number| !is_between_one_and(p, number)) {
            return Err(DsaKeyError::Range);
        }
        Ok(Self {
            y: y.to_vec(),
            p: p.to_vec(),
            q: q.to_vec(),
            g: g.to_vec(),
        })
    }

    /// Bits of p and of q.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (bits(&self.p), bits(&self.q))
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> DsaNumbers<'_> {
        DsaNumbers {
            y: &self.y,
            p: &self.p,
            q: &self.q,
            g: &self.g,
        }
    }

    /// Whether q divides p - 1 and both g and y are of order q.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.verifying_key().is_some()
    }

    /// Whether `signature` is this key's over `message`: r and s, each padded to the size of q. Never by a key that is
    /// not sound.
    #[must_use]
    pub fn verifies(&self, hash: DsaHash, message: &[u8], signature: &[u8]) -> bool {
        let (_, q_bits) = self.size();
        if signature.len() != 2 * q_bits / 8 {
            return false;
        }
        let (r, s) = signature.split_at(q_bits / 8);
        let Some(signature) = Signature::from_components(number(r), number(s)) else {
            return false;
        };
        let algorithm = match hash {
            DsaHash::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            DsaHash::Sha256 => &SHA256,
        };
        let hash = digest(algorithm, message);
        self.verifying_key()
            .is_some_and(|key| key.verify_prehash(hash.as_ref(), &signature).is_ok())
    }

    fn verifying_key(&self) -> Option<VerifyingKey> {
        // All numbers mod p have to come in the width of p.
        let wide = |bytes: &[u8]| {
            let mut padded = vec![0; self.p.len() - bytes.len()];
            padded.extend_from_slice(bytes);
            number(&padded)
        };
        let (p, g, y) = (number(&self.p), wide(&self.g), wide(&self.y));
        let components = Components::from_components(p, number(&self.q), g.clone()).ok()?;
        if !self.q_divides_p_less_one(&components) {
            return None;
        }
        // The constructor checks the order of the public value; asked for g, it checks that one's.
        let of_order_q = |number| VerifyingKey::from_components(components.clone(), number).ok();
        of_order_q(g).and_then(|_| of_order_q(y))
    }

    fn q_divides_p_less_one(&self, components: &Components) -> bool {
        let mut p_less_one = self.p.clone();
        if let Some(last) = p_less_one.last_mut() {
            // p is odd.
            *last -= 1;
        }
        let rest = number(&p_less_one).rem_vartime(components.q());
        bool::from(rest.is_zero())
    }
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

/// Of numbers without leading zeros, exclusive at both ends.
fn is_between_one_and(end: &[u8], number: &[u8]) -> bool {
    !number.is_empty() && number != [1] && (number.len(), number) < (end.len(), end)
}

#[cfg(test)]
mod tests;
