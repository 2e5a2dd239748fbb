//! Tokens of one region, asked for in the other.

use std::time::Duration;

use anyhow::{Result, ensure};
use foxhold_core::{Deadline, TokenId};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, Call, Refusal, WriteError,
    accounts::SignIn,
    conformance::fixtures::{Maker, soon},
};
use foxhold_testkit::{
    race::{marked_sign_in, until_done},
    report::report,
};

use crate::Scene;

/// Sign-ins made in each region during the cut for the other one to ask for.
const STRANGERS: usize = 8;

/// Tokens that the other region asks for while it cannot know them: it must not take them for missing.
pub(crate) struct Strangers {
    /// Made during the cut, by region.
    made: Vec<Vec<SignIn>>,
    /// Never made, with the mark of the region.
    never: Vec<TokenId>,
    /// Attempts of the other region to spend the key-fetch tokens.
    spending: Vec<Vec<Call>>,
}

impl Strangers {
    pub(crate) async fn meet(scene: &Scene) -> Result<Self> {
        let mut strangers = Self {
            made: Vec::new(),
            never: Vec::new(),
            spending: Vec::new(),
        };
        for (side, store) in scene.stores.iter().enumerate() {
            let make = Maker::new(70 + side as u64);
            let mut sign_ins = Vec::new();
            for number in 0..STRANGERS {
                let uid = scene.users[number].account.uid;
                let sign_in = marked_sign_in(&make, uid, store.regions().mark());
                until_done(async |call| store.open_session(&call, sign_in.clone()).await).await?;
                sign_ins.push(sign_in);
            }
            let mark = store.regions().mark();
            strangers
                .never
                .push(marked_sign_in(&make, scene.users[0].account.uid, mark).session.id);
            strangers
                .spending
                .push(sign_ins.iter().map(|_| make.call()).collect());
            strangers.made.push(sign_ins);
        }
        Ok(strangers)
    }

    /// Asked for in the other region during the cut: no answer.
    pub(crate) async fn must_wait(&self, scene: &Scene) -> Result<()> {
        let by = || Deadline::after(Duration::from_secs(1));
        let mut asked = 0;
        for (side, made) in self.made.iter().enumerate() {
            let store = &scene.stores[1 - side];
            let never = store.session(by(), self.never[side]).await;
            ensure!(never.is_err(), "a token that nobody can know of: {never:?}");
            for (sign_in, call) in made.iter().zip(&self.spending[side]) {
                let session = store.session(by(), sign_in.session.id).await;
                let keys = store.key_fetch(by(), sign_in.key_fetches[0].id).await;
                let call = Call {
                    deadline: by(),
                    ..*call
                };
                let spent = store.consume_key_fetch(&call, sign_in.key_fetches[0].id).await;
                let silent = matches!(spent, Err(WriteError::NotDone(_) | WriteError::Unknown(_)));
                ensure!(
                    session.is_err() && keys.is_err() && silent,
                    "a token of the other region: {session:?}, {keys:?}, {spent:?}"
                );
                asked += 3;
            }
        }
        report(&format!(
            "{asked} questions about tokens of the region out of reach: none was taken for missing"
        ));
        Ok(())
    }

    /// Asked for after the cut: what is there is found and can be spent, what is not is not.
    pub(crate) async fn are_known(&self, scene: &Scene) -> Result<()> {
        for (side, made) in self.made.iter().enumerate() {
            let store = &scene.stores[1 - side];
            ensure!(
                store.session(soon(), self.never[side]).await?.is_none(),
                "a token nobody made"
            );
            for (sign_in, call) in made.iter().zip(&self.spending[side]) {
                let session = store.session(soon(), sign_in.session.id).await?;
                ensure!(session.as_ref() == Some(&sign_in.session), "a session is lost");
                let call = Call {
                    deadline: soon(),
                    ..*call
                };
                store.consume_key_fetch(&call, sign_in.key_fetches[0].id).await?;
                let other = Maker::new(90 + side as u64).call();
                let again = store.consume_key_fetch(&other, sign_in.key_fetches[0].id).await;
                ensure!(again == Err(Refusal::TokenSpent.into()), "spent twice: {again:?}");
            }
        }
        Ok(())
    }
}
