//! The objects clients race for. Each is made from the seed and its number alone, so that every client can name and make
//! it without asking another.

use foxhold_core::{
    RegionMark, TokenId, Uid,
    record::{AuthorizationCode, Service, Session},
};
use foxhold_ports::{
    accounts::SignIn,
    assignments::RecordRef,
    conformance::fixtures::{Maker, user},
    memory::SeededRandom,
};

use crate::history::{Model, Object};

/// What a number derived from the seed is for, so that no two are alike.
pub(super) const SET_UP: u64 = 1;
pub(super) const CLIENT: u64 = 2;
const TOKEN: u64 = 3;
const USER: u64 = 4;

/// A number that depends on all three.
pub(super) fn mixed(seed: u64, purpose: u64, number: u64) -> u64 {
    let of = |seed| SeededRandom::new(seed).next_u64();
    of(of(of(seed) ^ purpose) ^ number)
}

/// All objects of a run.
pub(super) struct Material {
    pub(super) seed: u64,
    pub(super) service: Service,
    pub(super) origins: Vec<Origin>,
}

/// Who makes tokens at a site.
pub(super) struct Origin {
    pub(super) uid: Uid,
    pub(super) session: TokenId,
    pub(super) mark: Option<RegionMark>,
}

/// A single-use token, with what it is put by.
#[derive(Debug, Clone)]
pub(super) enum Token {
    KeyFetch(SignIn),
    Code(AuthorizationCode),
}

impl Material {
    /// How the history calls an object.
    pub(super) fn object(&self, model: Model, key: u64) -> Object {
        let key = match model {
            Model::Create => self.address(key),
            Model::Change | Model::Assign => format!("user {key}"),
            Model::Consume if is_code(key) => format!("code {key}"),
            Model::Consume => format!("key-fetch token {key}"),
        };
        Object { model, key }
    }

    /// The address raced for.
    pub(super) fn address(&self, key: u64) -> String {
        format!("{:016x}-{key}@example.test", self.seed)
    }

    /// The user raced for. Those to be changed are others than those only to be assigned.
    pub(super) fn user(&self, model: Model, key: u64, version: Option<u64>) -> RecordRef {
        let of_kind = mixed(self.seed, USER, model as u64);
        user(&self.service, mixed(of_kind, USER, key), version)
    }

    /// The site a token is made at. Single-use tokens are spent there and nowhere else (`security.md` D.2).
    pub(super) fn site_of_token(&self, key: u64) -> usize {
        let sites = self.origins.len() as u64;
        // Kinds of tokens alternate by the last bit of the key; sites by the rest.
        usize::try_from((key / 2) % sites).expect("a remainder of a length is an index")
    }

    /// The token raced for.
    pub(super) fn token(&self, key: u64) -> Token {
        let make = Maker::new(mixed(self.seed, TOKEN, key));
        let origin = &self.origins[self.site_of_token(key)];
        if is_code(key) {
            let code = || make.code(origin.uid, origin.session);
            return Token::Code(redrawn(origin.mark, code, |code| code.id));
        }
        Token::KeyFetch(SignIn {
            session: session(&make, origin.uid, origin.mark),
            key_fetches: vec![redrawn(
                origin.mark,
                || make.key_fetch(origin.uid),
                |token| token.id,
            )],
        })
    }
}

const fn is_code(key: u64) -> bool {
    key % 2 == 1
}

/// A sign-in without key-fetch tokens.
pub(super) fn sign_in(make: &Maker, uid: Uid, mark: Option<RegionMark>) -> SignIn {
    SignIn {
        session: session(make, uid, mark),
        key_fetches: Vec::new(),
    }
}

fn session(make: &Maker, uid: Uid, mark: Option<RegionMark>) -> Session {
    redrawn(mark, || make.session(uid), |session| session.id)
}

/// Draws until the id bears the mark: 16 times on average.
fn redrawn<T>(mark: Option<RegionMark>, draw: impl Fn() -> T, id: impl Fn(&T) -> TokenId) -> T {
    loop {
        let drawn = draw();
        if mark.is_none_or(|mark| mark.marks(&id(&drawn))) {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::conformance::fixtures::service;

    use super::*;

    #[test]
    fn tokens_bear_the_mark_of_the_site_that_makes_them_and_are_the_same_for_all() {
        let origins = [3, 9].map(|mark| Origin {
            uid: Uid::from_bytes([mark; 16]),
            session: TokenId::from_bytes([mark; 32]),
            mark: RegionMark::new(mark),
        });
        let material = Material {
            seed: 1,
            service: service("sync-1.5"),
            origins: origins.into(),
        };
        let mut kinds = [0; 2];
        for key in 0..8 {
            let of = |token: &Token| match token {
                Token::KeyFetch(sign_in) => (0, sign_in.key_fetches[0].id, sign_in.session.id),
                Token::Code(code) => (1, code.id, code.session),
            };
            let made = of(&material.token(key));
            assert!(of(&material.token(key)) == made);
            let mark = material.origins[material.site_of_token(key)].mark.unwrap();
            assert!(mark.marks(&made.1));
            assert!(made.0 == 1 || mark.marks(&made.2));
            kinds[made.0] += 1;
        }
        assert_eq!(kinds, [4, 4]);
    }

    #[test]
    fn users_differ_by_kind_and_number() {
        let material = Material {
            seed: 1,
            service: service("sync-1.5"),
            origins: Vec::new(),
        };
        let name = |model, key| material.user(model, key, None).user;
        assert!(name(Model::Change, 1) != name(Model::Assign, 1));
        assert!(name(Model::Change, 1) != name(Model::Change, 2));
        assert!(name(Model::Change, 1) == name(Model::Change, 1));
    }
}
