//! Making tokens: the client gets the 32 bytes, the store what is derived from them. Where a deployment has regions,
//! tokens are drawn until the id they are stored under bears the own region's mark (`security.md` D.2).

use foxhold_core::{RegionMark, Secret, TokenId, random};
use foxhold_crypto::{
    hkdf,
    mac::sha256,
    token::{TokenKeys, TokenKind},
};

use crate::{AccountError, Accounts};

/// Sixteen draws find a mark on average; of sources that are random, one in 10^114 needs more than these.
const DRAWS_MAX: usize = 4096;

/// A new token and what is stored for it.
pub(crate) struct Minted {
    /// For the client; never stored.
    pub(crate) token: Secret<32>,
    /// For the store.
    pub(crate) keys: TokenKeys,
}

impl Accounts {
    /// Draws a token of a kind.
    ///
    /// # Errors
    /// [`AccountError::Internal`] if the source of randomness is none.
    pub(crate) fn mint(&self, kind: TokenKind) -> Result<Minted, AccountError> {
        self.mint_of(kind, || Secret::new(random::bytes(&*self.random)))
    }

    /// The same, of tokens that `make` gives.
    ///
    /// # Errors
    /// [`AccountError::Internal`] if `make` gives none that will do.
    pub(crate) fn mint_of(
        &self,
        kind: TokenKind,
        make: impl Fn() -> Secret<32>,
    ) -> Result<Minted, AccountError> {
        mint_in(self.settings.region, kind, make)
    }

    /// Draws an OAuth code or refresh token, with what it is stored under.
    ///
    /// # Errors
    /// [`AccountError::Internal`] if the source of randomness is none.
    pub(crate) fn draw_hashed(&self) -> Result<(Secret<32>, TokenId), AccountError> {
        let make = || Secret::new(random::bytes(&*self.random));
        draw(make, self.settings.region, hashed_id, |id| id)
    }

    /// Draws what makes the refresh token that follows another: a salt, with that token and what it is stored under.
    ///
    /// # Errors
    /// [`AccountError::Internal`] if the source of randomness is none.
    pub(crate) fn draw_successor(
        &self,
        token: &Secret<32>,
    ) -> Result<(Secret<32>, (Secret<32>, TokenId)), AccountError> {
        let make = || Secret::new(random::bytes(&*self.random));
        let derive = |salt: &Secret<32>| {
            let next = successor(token, salt);
            let id = hashed_id(&next);
            (next, id)
        };
        draw(make, self.settings.region, derive, |(_, id)| id)
    }
}

/// The same of a region, of tokens that `make` gives.
///
/// # Errors
/// [`AccountError::Internal`] if `make` gives none that will do.
pub(crate) fn mint_in(
    region: Option<RegionMark>,
    kind: TokenKind,
    make: impl Fn() -> Secret<32>,
) -> Result<Minted, AccountError> {
    let derive = |token: &Secret<32>| TokenKeys::derive(kind, token);
    let (token, keys) = draw(make, region, derive, |keys| &keys.id)?;
    Ok(Minted { token, keys })
}

/// Draws a token until its id bears the mark; the first one will do where there is none.
fn draw<T>(
    make: impl Fn() -> Secret<32>,
    region: Option<RegionMark>,
    derive: impl Fn(&Secret<32>) -> T,
    id: impl Fn(&T) -> &TokenId,
) -> Result<(Secret<32>, T), AccountError> {
    for _ in 0..DRAWS_MAX {
        let token = make();
        let derived = derive(&token);
        if region.is_none_or(|mark| mark.marks(id(&derived))) {
            return Ok((token, derived));
        }
    }
    Err(AccountError::Internal)
}

/// What an OAuth code or refresh token is stored under.
#[must_use]
pub fn hashed_id(token: &Secret<32>) -> TokenId {
    TokenId::from_bytes(sha256(&[token.expose()]))
}

/// The refresh token that follows another: whoever has neither the other nor the salt knows nothing of it.
#[must_use]
pub(crate) fn successor(token: &Secret<32>, salt: &Secret<32>) -> Secret<32> {
    const INFO: &[u8] = b"foxhold refresh token successor";
    hkdf::derive(token.expose(), salt.expose(), &[INFO])
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use foxhold_core::Random;
    use foxhold_ports::memory::SeededRandom;

    use super::*;

    /// Counts what is drawn.
    struct Counted<R>(R, AtomicUsize);

    impl<R: Random> Counted<R> {
        const fn new(source: R) -> Self {
            Self(source, AtomicUsize::new(0))
        }

        fn draws(&self) -> usize {
            self.1.load(Ordering::Relaxed)
        }
    }

    impl<R: Random> Random for Counted<R> {
        fn fill(&self, dest: &mut [u8]) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.fill(dest);
        }
    }

    struct Stuck;

    impl Random for Stuck {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0x55);
        }
    }

    fn draw_id(source: &dyn Random, region: Option<RegionMark>) -> Result<TokenId, AccountError> {
        let make = || Secret::new(random::bytes(source));
        let (token, id) = draw(make, region, hashed_id, |id| id)?;
        assert_eq!(hashed_id(&token), id, "the id is the token's");
        Ok(id)
    }

    #[test]
    fn an_id_bears_the_mark_of_its_region() {
        const TOKENS: usize = 40;
        let source = Counted::new(SeededRandom::new(1));
        for mark in (0..RegionMark::COUNT).filter_map(RegionMark::new) {
            for _ in 0..TOKENS {
                let id = draw_id(&source, Some(mark)).unwrap();
                assert_eq!(RegionMark::of(&id), mark);
            }
        }
        let average = source.draws() / (TOKENS * usize::from(RegionMark::COUNT));
        assert!((12..20).contains(&average), "{average} draws");
    }

    #[test]
    fn without_regions_a_token_is_drawn_once() {
        let source = Counted::new(SeededRandom::new(2));
        for tokens in 1..100 {
            assert!(draw_id(&source, None).is_ok());
            assert_eq!(source.draws(), tokens);
        }
    }

    #[test]
    fn a_source_that_is_stuck_is_a_fault_and_no_loop() {
        let source = Counted::new(Stuck);
        let id = draw_id(&source, None).unwrap();
        assert_eq!(draw_id(&source, Some(RegionMark::of(&id))).ok(), Some(id));
        let other = RegionMark::new(RegionMark::of(&id).get() ^ 1);
        let before = source.draws();
        assert!(matches!(draw_id(&source, other), Err(AccountError::Internal)));
        assert_eq!(source.draws() - before, DRAWS_MAX);
    }

    /// HKDF-SHA256 as an independent implementation computes it.
    #[test]
    fn what_follows_a_token_hangs_on_it_and_on_the_salt() {
        let of = |token: u8, salt: u8| successor(&Secret::new([token; 32]), &Secret::new([salt; 32]));
        let expected = "10143c30d6ed037f1a37f7e02da66cd60e68ce2b2c9cafe9925762771ac11611";
        assert_eq!(foxhold_core::hex::encode(of(1, 2).expose()), expected);
        assert!(of(1, 2) != of(1, 3) && of(1, 2) != of(3, 2));
    }
}
