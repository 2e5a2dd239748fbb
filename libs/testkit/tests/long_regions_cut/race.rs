//! Two regions after the same addresses and the same users, and who won.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use foxhold_core::record::{Account, UserRecord};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentReader as _, AssignmentWriter as _, Refusal,
    assignments::{RecordRef, Target},
    conformance::fixtures::{Maker, soon, user, values},
};
use foxhold_testkit::{
    race::{Answers, Candidate, Contest, Store, candidates, contest},
    wait::wait_until,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::Scene;

/// How long decisions may take when the line is back.
const AFTERWARDS: Duration = Duration::from_secs(300);

/// Both sides after the same addresses and the same users.
pub(crate) struct Race {
    wanted: [Arc<Vec<Candidate>>; 2],
    users: Arc<Vec<RecordRef>>,
    creations: [Contest<()>; 2],
    assignments: [Contest<UserRecord>; 2],
}

impl Race {
    pub(crate) fn start(scene: &Scene, name: &str, count: usize, first: u64) -> Self {
        let wanted = [0, 1].map(|side| {
            let (make, mark) = (
                Maker::new(first + side),
                scene.stores[side as usize].regions().mark(),
            );
            Arc::new(candidates(&make, mark, name, count))
        });
        let users = (first..)
            .take(count)
            .map(|number| user(&scene.service, number, None));
        let users = Arc::new(users.collect::<Vec<_>>());
        let creations = [0, 1].map(|side| {
            let (store, wanted) = (scene.stores[side].clone(), Arc::clone(&wanted[side]));
            contest("create", count, move |number, call| {
                let (store, Candidate { account, sign_in }) = (store.clone(), wanted[number].clone());
                async move { store.create_account(&call, account, sign_in).await }
            })
        });
        let assignments = [0, 1].map(|side| {
            let (store, users) = (scene.stores[side].clone(), Arc::clone(&users));
            let now = Maker::new(0).now();
            contest("assign", count, move |number, call| {
                let (store, at) = (store.clone(), users[number].clone());
                async move {
                    store
                        .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
                        .await
                }
            })
        });
        Self {
            wanted,
            users,
            creations,
            assignments,
        }
    }

    /// Waits until both sides have decided something.
    pub(crate) async fn is_on(&self) -> Result<()> {
        wait_until("first decisions", || {
            let decided = |answers: &Answers| answers.decided() >= 3;
            let all = self.creations.iter().all(|contest| decided(contest.answers()))
                && self.assignments.iter().all(|contest| decided(contest.answers()));
            async move { all }
        })
        .await
        .with_context(|| self.told())
    }

    pub(crate) fn asked(&self) -> usize {
        let creations: usize = self.creations.iter().map(Contest::asked).sum();
        creations + self.assignments.iter().map(Contest::asked).sum::<usize>()
    }

    pub(crate) fn be_patient(&self, patient: bool) {
        self.creations
            .iter()
            .for_each(|contest| contest.be_patient(patient));
        self.assignments
            .iter()
            .for_each(|contest| contest.be_patient(patient));
    }

    /// Neither side has a majority, so neither may have decided.
    pub(crate) fn must_be_undecided(&self) -> Result<()> {
        let creations = self.creations.iter().map(Contest::answers);
        let mut all = creations.chain(self.assignments.iter().map(Contest::answers));
        ensure!(
            all.all(|answers| answers.decided() == 0 && answers.missing() > 0),
            "somebody decided alone: {}",
            self.told()
        );
        Ok(())
    }

    pub(crate) fn told(&self) -> String {
        let side = |number: usize| {
            format!(
                "region {}: {}, {}",
                number + 1,
                self.creations[number].answers(),
                self.assignments[number].answers()
            )
        };
        format!("{}; {}", side(0), side(1))
    }

    /// Waits until everything is decided, and looks who won.
    pub(crate) async fn outcome(&mut self) -> Result<Outcome> {
        let [one, two] = &mut self.creations;
        let (one, two) = (one.decided(AFTERWARDS).await?, two.decided(AFTERWARDS).await?);
        let mut outcome = Outcome::default();
        for (number, answers) in one.into_iter().zip(two).enumerate() {
            let [here, there] = [0, 1].map(|side| self.wanted[side][number].clone());
            let (winner, loser) = match answers {
                (Ok(()), Err(Refusal::EmailTaken)) => (here, there),
                (Err(Refusal::EmailTaken), Ok(())) => (there, here),
                answers => anyhow::bail!("address {number}: {answers:?}"),
            };
            outcome.winners.push(winner);
            outcome.losers.push(loser);
        }
        let [one, two] = &mut self.assignments;
        let (one, two) = (one.decided(AFTERWARDS).await?, two.decided(AFTERWARDS).await?);
        for (number, answers) in one.into_iter().zip(two).enumerate() {
            let ((Ok(record), Err(Refusal::Conflict)) | (Err(Refusal::Conflict), Ok(record))) = answers
            else {
                anyhow::bail!("user {number}: {answers:?}");
            };
            outcome.records.push((self.users[number].clone(), record));
        }
        Ok(outcome)
    }
}

/// Who won.
#[derive(Default)]
pub(crate) struct Outcome {
    winners: Vec<Candidate>,
    losers: Vec<Candidate>,
    pub(crate) records: Vec<(RecordRef, UserRecord)>,
}

impl Outcome {
    /// A store knows the winners whole, nothing of the losers, and the records.
    pub(crate) async fn judge(&self, store: &Store) -> Result<()> {
        each(&self.winners, |winner| is_whole(store, winner)).await?;
        each(&self.losers, |loser| left_nothing(store, loser)).await?;
        each(&self.records, |(at, record)| async move {
            let found = store.user_record(soon(), &at.service, &at.user).await?;
            ensure!(found.as_ref() == Some(record), "{} has another record", at.user.0);
            Ok(())
        })
        .await
    }
}

async fn is_whole(store: &Store, Candidate { account, sign_in }: &Candidate) -> Result<()> {
    let holder = store.account_by_email(soon(), &account.email_key).await?;
    ensure!(
        holder.as_ref() == Some(account),
        "another has an address: {}",
        named(account)
    );
    let found = store.account(soon(), account.uid).await?;
    ensure!(
        found.as_ref() == Some(account),
        "an account is lost: {}",
        named(account)
    );
    let session = store.session(soon(), sign_in.session.id).await?;
    ensure!(session.as_ref() == Some(&sign_in.session), "a session is lost");
    let keys = store.key_fetch(soon(), sign_in.key_fetches[0].id).await?;
    ensure!(
        keys.as_ref() == Some(&sign_in.key_fetches[0]),
        "a key-fetch token is lost"
    );
    Ok(())
}

async fn left_nothing(store: &Store, Candidate { account, sign_in }: &Candidate) -> Result<()> {
    let found = store.account(soon(), account.uid).await?;
    ensure!(found.is_none(), "a second account: {}", named(account));
    let session = store.session(soon(), sign_in.session.id).await?;
    ensure!(
        session.is_none(),
        "a session without an account: {}",
        named(account)
    );
    Ok(())
}

/// Looks at each, some at once: one after the other, hundreds take minutes.
pub(crate) async fn each<'a, T, F>(items: &'a [T], look: impl Fn(&'a T) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let all = stream::iter(items).map(Ok);
    all.try_for_each_concurrent(16, look).await
}

fn named(account: &Account) -> String {
    format!("{} of {}", account.uid, account.email)
}
