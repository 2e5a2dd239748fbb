//! Bytes that must not show: no Debug contents, no Display, no Serialize, no Clone; wiped when dropped;
//! compared in constant time. What has to be shared is shared behind an `Arc`.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// From a slice of exactly `N` bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes. Every call is a place to look at in a review.
    #[must_use]
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The byte-wise XOR of two secrets, as the key protocol uses it.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut out = [0; N];
        for (to, (a, b)) in out.iter_mut().zip(self.0.iter().zip(other.0.iter())) {
            *to = a ^ b;
        }
        Self(out)
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(..)")
    }
}

/// Secret text of any length: a passphrase, a node's secret, a Hawk key that is used as text.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_shows() {
        assert_eq!(format!("{:?}", Secret::new(*b"abcd")), "Secret<4>(..)");
        assert_eq!(format!("{:?}", SecretText::new("abcd".into())), "SecretText(..)");
    }

    #[test]
    fn equality_and_xor_are_by_value() {
        assert_eq!(Secret::new([1, 2]), Secret::new([1, 2]));
        assert_ne!(Secret::new([1, 2]), Secret::new([1, 3]));
        assert_eq!(Secret::new([1, 2]).xor(&Secret::new([3, 2])), Secret::new([2, 0]));
        assert_ne!(SecretText::new("a".into()), SecretText::new("ab".into()));
    }
}
