//! What every store of accounts promises.

mod accesses;
mod belongings;
mod claims;
mod clocks;
mod deletion;
mod devices;
mod guards;
mod log;
mod operations;
mod password_races;
mod password_tokens;
mod passwords;
mod races;
mod reauth;
mod sessions;
mod tokens;

use foxhold_core::{
    TokenId, Uid,
    record::{Account, Device, EmailKey, Session},
};

use super::{
    Case, Subject,
    fixtures::{Maker, soon},
};
use crate::accounts::SignIn;

pub(super) fn cases() -> Vec<Case> {
    [
        claims::CASES,
        sessions::CASES,
        tokens::CASES,
        devices::CASES,
        accesses::CASES,
        operations::CASES,
        clocks::CASES,
        races::CASES,
        password_tokens::CASES,
        passwords::CASES,
        deletion::CASES,
        reauth::CASES,
        guards::CASES,
        password_races::CASES,
    ]
    .concat()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

/// What the cases do most; an error here is a failure of the store, not of the case.
impl Subject {
    pub(super) async fn signed_up(&self, make: &Maker, address: &str) -> (Account, SignIn) {
        let account = make.account(address);
        let sign_in = make.sign_in(account.uid);
        self.create(make, &account, &sign_in).await;
        (account, sign_in)
    }

    pub(super) async fn create(&self, make: &Maker, account: &Account, sign_in: &SignIn) {
        let done = self
            .account_writer
            .create_account(&make.call(), account.clone(), sign_in.clone())
            .await;
        assert_eq!(done, Ok(()));
    }

    async fn account(&self, uid: Uid) -> Option<Account> {
        self.account_reader
            .account(soon(), uid)
            .await
            .expect("the store reads")
    }

    async fn holder(&self, key: &EmailKey) -> Option<Account> {
        let found = self.account_reader.account_by_email(soon(), key).await;
        found.expect("the store reads")
    }

    async fn session(&self, id: TokenId) -> Option<Session> {
        self.account_reader
            .session(soon(), id)
            .await
            .expect("the store reads")
    }

    async fn sessions(&self, uid: Uid) -> Vec<Session> {
        self.account_reader
            .sessions(soon(), uid)
            .await
            .expect("the store reads")
    }

    async fn devices(&self, uid: Uid) -> Vec<Device> {
        self.account_reader
            .devices(soon(), uid)
            .await
            .expect("the store reads")
    }
}
