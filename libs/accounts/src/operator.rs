//! What an operator does in an account's owner's place: makes an account, and a link that sets a new password (`accounts.md`
//! (i), (k)). Called by the admin API, which decides who may.
//!
//! What must stay true: no rule of registration and no limit applies, and nothing is mailed; behind the link everything is as
//! behind a mailed one.

use std::sync::Arc;

use foxhold_core::{
    Deadline, Random, RegionMark, Secret, SecretText, Timestamp, hex, random,
    record::{Account, PasswordTokenKind},
};
use foxhold_ports::{Stretcher, operator::ForgotToken};
use url::form_urlencoded;

use crate::{
    AccountError, Address, CodeKey,
    credentials::{Maker, NewPassword},
    password::{forgot::mint_forgot, life_of},
    signup::new_account,
};

/// What it is done with.
pub struct Operator<'a> {
    /// Stretches passwords.
    pub stretcher: &'a dyn Stretcher,
    /// Draws ids and tokens.
    pub random: &'a dyn Random,
    /// Derives codes: the same as the webheads'.
    pub code_key: &'a CodeKey,
    /// What the ids of all tokens made here bear; absent where there is one region.
    pub region: Option<RegionMark>,
    /// Root of the pages, without a trailing slash.
    pub root: &'a str,
}

/// A link that sets a new password, and the token to be kept for it.
pub struct ResetLink {
    /// The forgot token.
    pub token: ForgotToken,
    /// For the owner of the account, and nobody else.
    pub link: SecretText,
    /// From when on it is of no use.
    pub expires_at: Timestamp,
}

impl Operator<'_> {
    /// A new account.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 201.
    pub async fn new_account(
        &self,
        by: Deadline,
        address: &Address,
        password: NewPassword,
        email_verified: bool,
        now: Timestamp,
    ) -> Result<Account, AccountError> {
        password.check()?;
        let maker = Maker {
            stretcher: self.stretcher,
            random: self.random,
            by,
        };
        let k_a = Secret::new(random::bytes(self.random));
        let made = maker.make(password, k_a).await?;
        Ok(Account {
            email_verified,
            ..new_account(address, made.credentials, now, self.random)
        })
    }

    /// A link as POST /password/forgot/send_code mails it, good for as long.
    ///
    /// # Errors
    /// [`AccountError`]: 999 if there is no randomness.
    pub fn reset_link(&self, account: &Account, now: Timestamp) -> Result<ResetLink, AccountError> {
        let minted = mint_forgot(self.region, self.code_key, self.random, account, now)?;
        let token = ForgotToken {
            id: minted.keys.id,
            key: Arc::new(minted.keys.key),
            uid: account.uid,
            created_at: now,
            generation: account.verifier_set_at,
        };
        let code = self
            .code_key
            .reset_code(account.uid, &account.code_nonce, &token.id);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("email", &account.email);
        query.append_pair("token", &hex::encode(minted.token.expose()));
        query.append_pair("code", &code);
        let link = format!("{}/complete_reset_password?{}", self.root, query.finish());
        Ok(ResetLink {
            token,
            link: SecretText::new(link),
            expires_at: now.plus(life_of(PasswordTokenKind::Forgot)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use foxhold_core::hex;
    use foxhold_crypto::token::{TokenKeys, TokenKind};
    use foxhold_ports::{memory::SeededRandom, stretcher::StretchError};

    use super::*;
    use crate::fixtures::{MADE, account};

    struct NoStretching;

    #[async_trait]
    impl Stretcher for NoStretching {
        async fn stretch(
            &self,
            _: Deadline,
            pw: Secret<32>,
            _: [u8; 32],
        ) -> Result<Secret<32>, StretchError> {
            Ok(pw)
        }
    }

    #[test]
    fn a_link_bears_a_token_and_its_code_and_is_good_for_an_hour() {
        let (code_key, random) = (CodeKey::new(Secret::new([7; 32])), SeededRandom::new(1));
        let operator = Operator {
            stretcher: &NoStretching,
            random: &random,
            code_key: &code_key,
            region: None,
            root: "https://accounts.example.test",
        };
        let account = account(true);
        let made = operator.reset_link(&account, MADE).unwrap();
        assert_eq!(made.expires_at, MADE.plus(Duration::from_secs(3600)));
        let (page, query) = made.link.expose().split_once('?').unwrap();
        assert_eq!(page, "https://accounts.example.test/complete_reset_password");
        let members: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(members[0], ("email".into(), account.email.clone()));
        assert_eq!((members[1].0.as_str(), members[2].0.as_str()), ("token", "code"));
        let secret = Secret::new(hex::decode(&members[1].1).unwrap());
        let keys = TokenKeys::derive(TokenKind::PasswordForgot, &secret);
        assert_eq!(keys.id, made.token.id);
        let nonce = &account.code_nonce;
        assert!(code_key.is_reset_code(account.uid, nonce, &keys.id, &members[2].1));
    }

    #[tokio::test]
    async fn an_account_comes_out_as_the_operator_says() {
        let (code_key, random) = (CodeKey::new(Secret::new([7; 32])), SeededRandom::new(1));
        let operator = Operator {
            stretcher: &NoStretching,
            random: &random,
            code_key: &code_key,
            region: None,
            root: "",
        };
        let address = Address::parse("Ann@example.test").unwrap();
        for verified in [true, false] {
            let password = NewPassword {
                auth_pw: Secret::new([1; 32]),
                wrap_kb: None,
                version_two: None,
            };
            let by = Deadline::after(Duration::from_secs(60));
            let made = operator.new_account(by, &address, password, verified, MADE);
            let account = made.await.unwrap();
            assert_eq!(
                (account.email.as_str(), account.email_verified),
                ("Ann@example.test", verified)
            );
        }
    }
}
