//! Randomness is passed in, so that tests can repeat a run and nothing draws it unseen.

/// A source of cryptographically strong random bytes.
pub trait Random: Send + Sync {
    /// Fills `dest`. Panics only if the operating system cannot give randomness at all.
    fn fill(&self, dest: &mut [u8]);
}

/// `N` random bytes from `source`.
pub fn bytes<const N: usize>(source: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    source.fill(&mut bytes);
    bytes
}
