//! Tokens of a region that is away, asked for in another.

use std::time::Duration;

use anyhow::{Result, ensure};
use foxhold_core::{Deadline, TokenId};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, Call, WriteError,
    accounts::SignIn,
    conformance::fixtures::{Maker, soon},
};
use foxhold_testkit::race::{Store, User, marked_sign_in, until_done};

/// A sign-in of the region that goes, which the others may not take for missing, and a token that never was.
pub(crate) struct Strangers {
    there: SignIn,
    never: TokenId,
}

impl Strangers {
    pub(crate) async fn of(store: &Store, users: &[User]) -> Result<Self> {
        let (make, mark) = (Maker::new(80), store.regions().mark());
        let sign_in = || marked_sign_in(&make, users[0].account.uid, mark);
        let (there, never) = (sign_in(), sign_in().session.id);
        until_done(async |call| store.open_session(&call, there.clone()).await).await?;
        Ok(Self { there, never })
    }

    /// Its region cannot be asked: what is here is found, what is not has no answer.
    pub(crate) async fn must_wait(&self, store: &Store) -> Result<()> {
        let by = || Deadline::after(Duration::from_secs(1));
        let never = store.session(by(), self.never).await;
        ensure!(never.is_err(), "a token that nobody can know of: {never:?}");
        let session = store.session(by(), self.there.session.id).await;
        ensure!(session != Ok(None), "a session of the dead region is missing");
        let keys = self.there.key_fetches[0].id;
        let spent = store.consume_key_fetch(&in_a_second(), keys).await;
        let silent = matches!(spent, Err(WriteError::NotDone(_) | WriteError::Unknown(_)));
        ensure!(silent, "spent where it may not be: {spent:?}");
        Ok(())
    }

    /// Its region is back.
    pub(crate) async fn are_known(&self, store: &Store) -> Result<()> {
        let session = store.session(soon(), self.there.session.id).await?;
        ensure!(session.as_ref() == Some(&self.there.session), "a session is lost");
        ensure!(
            store.session(soon(), self.never).await?.is_none(),
            "a token nobody made"
        );
        Ok(())
    }
}

fn in_a_second() -> Call {
    Call {
        deadline: Deadline::after(Duration::from_secs(1)),
        ..Maker::new(81).call()
    }
}
