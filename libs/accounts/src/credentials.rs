//! Verifiers of an account: how they are made of what a client sends, and whether what it sends later fits one.

use foxhold_core::{
    Deadline, Random, Secret, random,
    record::{Credentials, Verifier, VersionTwo},
};
use foxhold_crypto::onepw::{ClientSalt, ServerKeys};
use foxhold_ports::Stretcher;

use crate::{AccountError, Accounts, Caller};

/// The second verifier as a client sends it.
pub struct NewVersionTwo {
    /// `authPWVersion2`.
    pub auth_pw: Secret<32>,
    /// `wrapKbVersion2`.
    pub wrap_kb: Secret<32>,
    /// `clientSalt`, whole.
    pub client_salt: String,
}

/// A new password as a client sends it.
pub struct NewPassword {
    /// `authPW`.
    pub auth_pw: Secret<32>,
    /// `wrapKb`: the client has chosen kB.
    pub wrap_kb: Option<Secret<32>>,
    /// Version 2.
    pub version_two: Option<NewVersionTwo>,
}

impl NewPassword {
    /// Whether the fields go together. With a second verifier the client has chosen kB, so it must say what kB is for
    /// the first one, too: a random one there would give two sign-ins of one account two different keys.
    ///
    /// # Errors
    /// [`AccountError`] 107 or 108.
    pub fn check(&self) -> Result<(), AccountError> {
        let Some(two) = &self.version_two else {
            return Ok(());
        };
        if self.wrap_kb.is_none() {
            return Err(AccountError::MissingParameter("wrapKb"));
        }
        ClientSalt::parse(&two.client_salt)
            .map(drop)
            .map_err(|_| AccountError::BadParameter("clientSalt"))
    }
}

/// Fresh credentials, and wrapKb for each version, to be sealed into key-fetch tokens.
pub(crate) struct MadeCredentials {
    pub(crate) credentials: Credentials,
    pub(crate) wrap_kbs: Vec<Secret<32>>,
}

/// What a password opened.
pub(crate) struct Opened {
    /// wrapKb of the verifier that fitted.
    pub(crate) wrap_kb: Secret<32>,
    /// Which one it was.
    pub(crate) version: Version,
}

/// Of the two verifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1,000 rounds, salted with the address.
    One,
    /// 650,000 rounds, salted at random.
    Two,
}

/// A second copy of a secret that goes into records of its own.
pub(crate) fn copy(secret: &Secret<32>) -> Secret<32> {
    Secret::new(*secret.expose())
}

/// A second copy of a verifier.
pub(crate) fn copy_verifier(verifier: &Verifier) -> Verifier {
    Verifier {
        verify_hash: copy(&verifier.verify_hash),
        wrap_wrap_kb: copy(&verifier.wrap_wrap_kb),
    }
}

/// wrapKb of the first verifier, if what was stretched fits it.
pub(crate) fn open_version_one(credentials: &Credentials, stretched: &Secret<32>) -> Option<Secret<32>> {
    let keys = ServerKeys::derive(stretched);
    let verifier = &credentials.version_one;
    (verifier.verify_hash == keys.verify_hash).then(|| keys.wrap_kb(&verifier.wrap_wrap_kb))
}

/// Compares what was stretched with both verifiers; neither comparison is skipped, so the time tells nothing.
pub(crate) fn open(credentials: &Credentials, stretched: &Secret<32>) -> Option<Opened> {
    let keys = ServerKeys::derive(stretched);
    let opened = |verifier: &Verifier, version| {
        (verifier.verify_hash == keys.verify_hash).then(|| Opened {
            wrap_kb: keys.wrap_kb(&verifier.wrap_wrap_kb),
            version,
        })
    };
    let one = opened(&credentials.version_one, Version::One);
    let two = credentials
        .version_two
        .as_ref()
        .and_then(|two| opened(&two.verifier, Version::Two));
    one.or(two)
}

/// A verifier and the wrapKb it gives. Without a wrapKb from the client, kB is random.
pub(crate) fn make_verifier(
    stretched: &Secret<32>,
    wrap_kb: Option<&Secret<32>>,
    source: &dyn Random,
) -> (Verifier, Secret<32>) {
    let keys = ServerKeys::derive(stretched);
    let wrap_wrap_kb = wrap_kb.map_or_else(
        || Secret::new(random::bytes(source)),
        |wrap_kb| keys.wrap_kb(wrap_kb),
    );
    let wrap_kb = keys.wrap_kb(&wrap_wrap_kb);
    (
        Verifier {
            verify_hash: keys.verify_hash,
            wrap_wrap_kb,
        },
        wrap_kb,
    )
}

/// What stretches, and draws salts and keys.
pub(crate) struct Maker<'a> {
    pub(crate) stretcher: &'a dyn Stretcher,
    pub(crate) random: &'a dyn Random,
    /// When whoever waits for it stops waiting.
    pub(crate) by: Deadline,
}

impl Maker<'_> {
    /// Stretches and makes all credentials of an account. One job after the other: a sign-up never holds two slots of
    /// the pool at once.
    pub(crate) async fn make(
        &self,
        password: NewPassword,
        k_a: Secret<32>,
    ) -> Result<MadeCredentials, AccountError> {
        let auth_salt = random::bytes(self.random);
        let stretched = self
            .stretcher
            .stretch(self.by, password.auth_pw, auth_salt)
            .await?;
        let (version_one, wrap_kb) = make_verifier(&stretched, password.wrap_kb.as_ref(), self.random);
        let mut wrap_kbs = vec![wrap_kb];
        let mut version_two = None;
        if let Some(two) = password.version_two {
            let (made, wrap_kb) = self.make_version_two(auth_salt, two).await?;
            wrap_kbs.push(wrap_kb);
            version_two = Some(made);
        }
        Ok(MadeCredentials {
            credentials: Credentials {
                auth_salt,
                k_a,
                version_one,
                version_two,
            },
            wrap_kbs,
        })
    }

    async fn make_version_two(
        &self,
        auth_salt: [u8; 32],
        two: NewVersionTwo,
    ) -> Result<(VersionTwo, Secret<32>), AccountError> {
        let stretched = self.stretcher.stretch(self.by, two.auth_pw, auth_salt).await?;
        let (verifier, wrap_kb) = make_verifier(&stretched, Some(&two.wrap_kb), self.random);
        let version_two = VersionTwo {
            verifier,
            client_salt: two.client_salt,
        };
        Ok((version_two, wrap_kb))
    }
}

impl Accounts {
    fn maker(&self, caller: &Caller) -> Maker<'_> {
        Maker {
            stretcher: &*self.stretcher,
            random: &*self.random,
            by: caller.deadline,
        }
    }

    /// See [`Maker::make`].
    pub(crate) async fn make_credentials(
        &self,
        caller: &Caller,
        password: NewPassword,
        k_a: Secret<32>,
    ) -> Result<MadeCredentials, AccountError> {
        self.maker(caller).make(password, k_a).await
    }

    /// Stretches and makes the second verifier, and tells its wrapKb.
    pub(crate) async fn make_version_two(
        &self,
        caller: &Caller,
        auth_salt: [u8; 32],
        two: NewVersionTwo,
    ) -> Result<(VersionTwo, Secret<32>), AccountError> {
        self.maker(caller).make_version_two(auth_salt, two).await
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    struct NoRandom;
    impl Random for NoRandom {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0x40);
        }
    }

    fn secret(text: &str) -> Secret<32> {
        Secret::new(hex::decode(text).unwrap())
    }

    /// The stretched values, verifiers and keys of `accounts.md` (a), Vectors.
    fn contract_credentials() -> (Credentials, Secret<32>, Secret<32>) {
        let one = secret("441509e25c92ee103d5a1a874e6f155df25a44d06e61c894616c9e85181dba97");
        let two = secret("389882cd9b5cce91535777ebbff98a43b275148851244aca7913c19e38dbbde7");
        let wrap_one = secret("7effe354abecbcb234a8dfc2d7644b4ad339b525589738f2d27341bb8622ecd8");
        let wrap_two = secret("4154367e5f12b1396ffaf4abb4c0e7fd7235ce690a4868e6a1b7d0e81c5a9b62");
        let (version_one, _) = make_verifier(&one, Some(&wrap_one), &NoRandom);
        let (verifier, _) = make_verifier(&two, Some(&wrap_two), &NoRandom);
        let version_two = Some(VersionTwo {
            verifier,
            client_salt: String::new(),
        });
        let credentials = Credentials {
            auth_salt: [0; 32],
            k_a: Secret::new([0; 32]),
            version_one,
            version_two,
        };
        (credentials, one, two)
    }

    #[test]
    fn stored_verifiers_are_those_of_the_contract() {
        let (credentials, ..) = contract_credentials();
        let two = credentials.version_two.unwrap().verifier;
        let table = [
            (
                &credentials.version_one.verify_hash,
                "a4765bf103dc057f4cf4bc2c131ddb6716e8a4333cc55e1d3c449f31f0eec4f1",
            ),
            (
                &credentials.version_one.wrap_wrap_kb,
                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
            ),
            (
                &two.verify_hash,
                "d74d13afd2b8f4202e3477c8796851e03a2e6fb4d949299860e3f539b120eca1",
            ),
            (
                &two.wrap_wrap_kb,
                "f4fcb51bcbe038d8ef332d4c2b3f8c4d0d521a9934735f4c4e3cbdae998dcda0",
            ),
        ];
        for (stored, expected) in table {
            assert_eq!(hex::encode(stored.expose()), expected);
        }
    }

    #[test]
    fn either_password_opens_and_gives_its_own_wrapped_key() {
        let (credentials, one, two) = contract_credentials();
        let by_one = open(&credentials, &one).unwrap();
        assert_eq!(by_one.version, Version::One);
        assert_eq!(
            hex::encode(by_one.wrap_kb.expose()),
            "7effe354abecbcb234a8dfc2d7644b4ad339b525589738f2d27341bb8622ecd8"
        );
        let by_two = open(&credentials, &two).unwrap();
        assert_eq!(by_two.version, Version::Two);
        assert_eq!(
            hex::encode(by_two.wrap_kb.expose()),
            "4154367e5f12b1396ffaf4abb4c0e7fd7235ce690a4868e6a1b7d0e81c5a9b62"
        );
        assert!(open(&credentials, &Secret::new([0; 32])).is_none());
    }

    #[test]
    fn without_a_wrapped_key_from_the_client_it_is_random() {
        let (verifier, _) = make_verifier(&Secret::new([1; 32]), None, &NoRandom);
        assert_eq!(verifier.wrap_wrap_kb, Secret::new([0x40; 32]));
    }

    #[test]
    fn fields_of_a_new_password_go_together() {
        let salt = "identity.mozilla.com/picl/v1/quickStretchV2:c2dc400c9cc1a93dd3cd3af1b05ebd60";
        let password = |wrap_kb: bool, client_salt: Option<&str>| NewPassword {
            auth_pw: Secret::new([1; 32]),
            wrap_kb: wrap_kb.then(|| Secret::new([2; 32])),
            version_two: client_salt.map(|client_salt| NewVersionTwo {
                auth_pw: Secret::new([3; 32]),
                wrap_kb: Secret::new([4; 32]),
                client_salt: client_salt.to_owned(),
            }),
        };
        assert!(password(false, None).check().is_ok());
        assert!(password(true, None).check().is_ok());
        assert!(password(true, Some(salt)).check().is_ok());
        assert!(matches!(
            password(false, Some(salt)).check(),
            Err(AccountError::MissingParameter("wrapKb"))
        ));
        assert!(matches!(
            password(true, Some(&salt[..70])).check(),
            Err(AccountError::BadParameter("clientSalt"))
        ));
    }
}
