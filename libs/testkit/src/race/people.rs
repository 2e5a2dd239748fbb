//! Who signs up, and who is there already.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use foxhold_core::{
    Clock as _, Deadline, OpId, RegionMark, TokenId, Uid,
    record::{Account, Service, UserRecord},
};
use foxhold_ports::{
    AccountWriter as _, AssignmentWriter as _, Call, WriteError,
    accounts::SignIn,
    assignments::{RecordRef, Target},
    conformance::fixtures::{Maker, soon, user, values},
};
use foxhold_runtime::{SystemClock, SystemRandom};

use super::Store;
use crate::wait::{patiently, pause};

/// Somebody who wants an address.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account to be made.
    pub account: Account,
    /// The sign-in to come with it.
    pub sign_in: SignIn,
}

/// Somebody who has an account and a record in a service.
#[derive(Debug, Clone)]
pub struct User {
    /// The account.
    pub account: Account,
    /// Who it is in the service.
    pub at: RecordRef,
    /// The record.
    pub record: UserRecord,
}

/// How long one attempt of a write may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A call now, with a deadline nobody should need.
pub(super) fn call() -> Call {
    Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: soon(),
    }
}

/// Puts a write with one operation id until it is decided.
///
/// # Errors
/// When it is decided against, or not decided in time.
pub async fn until_done<T>(put: impl AsyncFn(Call) -> Result<T, WriteError>) -> Result<T> {
    let first = call();
    let asking = async {
        loop {
            let deadline = Deadline::after(ATTEMPT);
            match put(Call { deadline, ..first }).await {
                Err(WriteError::NotDone(_) | WriteError::Unknown(_)) => pause().await,
                answer => return answer,
            }
        }
    };
    Ok(patiently("a write to be decided", asking).await??)
}

/// Candidates of one region for the addresses `name-0`, `name-1`, ...: verified, so that only one may have each.
#[must_use]
pub fn candidates(make: &Maker, mark: Option<RegionMark>, name: &str, count: usize) -> Vec<Candidate> {
    let candidate = |number| {
        let account = make.verified_account(&format!("{name}-{number}@example.test"));
        let sign_in = marked_sign_in(make, account.uid, mark);
        Candidate { account, sign_in }
    };
    (0..count).map(candidate).collect()
}

/// A session and a key-fetch token whose ids say where they were made.
#[must_use]
pub fn marked_sign_in(make: &Maker, uid: Uid, mark: Option<RegionMark>) -> SignIn {
    SignIn {
        session: marked(mark, || make.session(uid), |session| session.id),
        key_fetches: vec![marked(mark, || make.key_fetch(uid), |token| token.id)],
    }
}

/// Draws until the id bears the mark: 16 times on average.
pub(super) fn marked<T>(mark: Option<RegionMark>, draw: impl Fn() -> T, id: impl Fn(&T) -> TokenId) -> T {
    loop {
        let drawn = draw();
        if mark.is_none_or(|mark| mark.marks(&id(&drawn))) {
            return drawn;
        }
    }
}

/// Lets so many people sign up at a store and be assigned, one after another, under the addresses `name-0`, ... and as
/// the users `first`, `first + 1`, ... of the service.
///
/// # Errors
/// When the store does not do it: to be called while nothing is broken.
pub async fn sign_up(
    store: &Store,
    make: &Maker,
    service: &Service,
    name: &str,
    count: usize,
    first: u64,
) -> Result<Vec<User>> {
    let mark = store.regions().mark();
    let mut users = Vec::with_capacity(count);
    for (candidate, number) in candidates(make, mark, name, count).into_iter().zip(first..) {
        let Candidate { account, sign_in } = candidate;
        let sign_up = async |call| {
            let (account, sign_in) = (account.clone(), sign_in.clone());
            store.create_account(&call, account, sign_in).await
        };
        until_done(sign_up).await.context("signing up")?;
        let (at, values) = (user(service, number, None), values(1, 1, b"a"));
        let now = make.now();
        let record =
            until_done(async |call| store.assign(&call, &at, &values, &Target::DEFAULT, now).await).await;
        let record = record.context("being assigned")?;
        users.push(User { account, at, record });
    }
    Ok(users)
}

/// Shared by tasks.
pub(super) type Users = Arc<Vec<User>>;
