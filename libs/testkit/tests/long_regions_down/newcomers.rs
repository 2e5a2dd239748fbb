//! People who sign up, and users who get a node, while a region is away.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use foxhold_core::record::UserRecord;
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentReader as _, AssignmentWriter as _,
    assignments::{RecordRef, Target},
    conformance::fixtures::{Maker, soon, user, values},
};
use foxhold_testkit::race::{Candidate, Contest, Store, candidates, contest, until_done};

use crate::{NEW, Scene};

/// How long decisions may take on a machine that has other things to do.
const DECIDING: Duration = Duration::from_secs(120);

/// People who sign up, and users who get a node, in one region.
pub(crate) struct Newcomers {
    candidates: Arc<Vec<Candidate>>,
    users: Arc<Vec<RecordRef>>,
    creations: Contest<()>,
    assignments: Contest<UserRecord>,
    pub(crate) records: Vec<UserRecord>,
    logins: u64,
}

impl Newcomers {
    pub(crate) fn come(scene: &Scene, side: usize) -> Self {
        let store = &scene.stores[side];
        let first = 1000 * (side as u64 + 1);
        let make = Maker::new(40 + side as u64);
        let wanted = candidates(&make, store.regions().mark(), &format!("new-{side}"), NEW);
        let wanted = Arc::new(wanted);
        let users = (first..)
            .take(NEW)
            .map(|number| user(&scene.service, number, None));
        let users: Arc<Vec<_>> = Arc::new(users.collect());
        let (writer, people) = (store.clone(), Arc::clone(&wanted));
        let creations = contest("create", NEW, move |number, call| {
            let (store, Candidate { account, sign_in }) = (writer.clone(), people[number].clone());
            async move { store.create_account(&call, account, sign_in).await }
        });
        let (writer, refs, now) = (store.clone(), Arc::clone(&users), make.now());
        let assignments = contest("assign", NEW, move |number, call| {
            let (store, at) = (writer.clone(), refs[number].clone());
            async move {
                store
                    .assign(&call, &at, &values(1, 1, b"a"), &Target::DEFAULT, now)
                    .await
            }
        });
        Self {
            candidates: wanted,
            users,
            creations,
            assignments,
            records: Vec::new(),
            logins: 0,
        }
    }

    pub(crate) fn asked(&self) -> usize {
        self.creations.asked() + self.assignments.asked()
    }

    pub(crate) fn be_patient(&self) {
        self.creations.be_patient(true);
        self.assignments.be_patient(true);
    }

    pub(crate) fn told(&self) -> String {
        format!(
            "{}, {}, {} changes of records",
            self.creations.answers(),
            self.assignments.answers(),
            self.logins
        )
    }

    pub(crate) fn must_be_undecided(&self) -> Result<()> {
        let (creations, assignments) = (self.creations.answers(), self.assignments.answers());
        ensure!(
            creations.decided() + assignments.decided() == 0,
            "decided without a majority: {}",
            self.told()
        );
        Ok(())
    }

    /// Nobody else wants what they want, so all of them get it.
    pub(crate) async fn all_are_there(&mut self) -> Result<()> {
        for created in self.creations.decided(DECIDING).await? {
            created.context("an address that nobody else wants")?;
        }
        for assigned in self.assignments.decided(DECIDING).await? {
            self.records
                .push(assigned.context("a user whom nobody else knows")?);
        }
        Ok(())
    }

    /// Each record is raised, then given new keys.
    pub(crate) async fn change(&mut self, store: &Store) -> Result<()> {
        let make = Maker::new(60);
        for (at, record) in self.users.iter().zip(&mut self.records) {
            let mut at = RecordRef {
                version: Some(record.version),
                ..at.clone()
            };
            let raised = until_done(async |call| store.raise(&call, &at, &values(2, 1, b"a")).await).await;
            at.version = Some(raised.context("raising a record")?.version);
            let now = make.now();
            let rekeyed = async |call| store.rekey(&call, &at, &values(3, 3, b"b"), now).await;
            let rekeyed = until_done(rekeyed).await;
            *record = rekeyed.context("changing the keys of a record")?;
            self.logins += 2;
        }
        Ok(())
    }

    pub(crate) async fn known_to(&self, store: &Store) -> Result<bool> {
        for Candidate { account, sign_in } in self.candidates.iter() {
            let holder = store.account_by_email(soon(), &account.email_key).await?;
            let session = store.session(soon(), sign_in.session.id).await?;
            if holder.as_ref() != Some(account) || session.as_ref() != Some(&sign_in.session) {
                return Ok(false);
            }
        }
        for (at, record) in self.users.iter().zip(&self.records) {
            if store.user_record(soon(), &at.service, &at.user).await?.as_ref() != Some(record) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
