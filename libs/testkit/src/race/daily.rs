//! What people do who have an account and a node: sign in, fetch their keys, get tokens, exchange them, sign out. It
//! decides nothing over all regions, so it goes on in each while they do not see each other (`security.md` D.5).

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use foxhold_core::{Deadline, TokenId};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentReader as _, Call, ReadError, WriteError,
    accounts::SignIn, conformance::fixtures::Maker,
};
use tokio::task::JoinHandle;

use super::{
    Answers, Store,
    people::{User, Users, call, marked, marked_sign_in},
};
use crate::wait::{pause, wait_until};

/// How long anybody waits for an answer: as an edge would.
const PATIENCE: Duration = Duration::from_secs(5);

/// People at work in one region, until [`end`](Self::end).
pub struct Daily {
    work: Arc<Work>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Every answer.
    pub answers: Answers,
    rounds: AtomicU64,
    open: Mutex<Vec<SignIn>>,
    closed: Mutex<Vec<TokenId>>,
}

struct Work {
    store: Store,
    make: Maker,
    users: Users,
    over: AtomicBool,
    done: Arc<Done>,
}

/// Why a round ended early.
enum Stop {
    /// Nobody answered in time, or nothing was done: counted.
    Missing,
    /// What was answered must not be.
    Wrong(anyhow::Error),
}

impl Daily {
    /// Puts `at_once` people to work. Users were signed up anywhere; every one is taken in turn.
    #[must_use]
    pub fn start(store: &Store, seed: u64, users: &Users, at_once: usize) -> Self {
        let work = Arc::new(Work {
            store: store.clone(),
            make: Maker::new(seed),
            users: Arc::clone(users),
            over: AtomicBool::new(false),
            done: Arc::default(),
        });
        let tasks = (0..at_once).map(|place| tokio::spawn(Arc::clone(&work).go_on(place, at_once)));
        Self {
            tasks: tasks.collect(),
            work,
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn done(&self) -> &Arc<Done> {
        &self.work.done
    }

    /// Waits until so many more rounds are complete.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn goes_on(&self, more: u64) -> Result<()> {
        let enough = self.done().rounds() + more;
        wait_until("more daily work", || {
            let reached = self.done().rounds() >= enough || self.tasks.iter().any(JoinHandle::is_finished);
            async move { reached }
        })
        .await
        .with_context(|| self.done().to_string())
    }

    /// Lets everybody finish.
    ///
    /// # Errors
    /// The first wrong answer.
    pub async fn end(self) -> Result<Arc<Done>> {
        self.work.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.context("somebody at work failed")??;
        }
        Ok(Arc::clone(&self.work.done))
    }
}

impl Done {
    /// Makes it an error if more than one question in twenty was not answered at once: nodes of a test share a few cores
    /// and drop a connection now and then, so their clients have to ask again, too.
    ///
    /// # Errors
    /// With what was answered.
    pub fn must_have_gone_on(&self) -> Result<()> {
        let (missing, all) = (self.answers.missing(), self.answers.all());
        ensure!(missing * 20 <= all, "daily work did not go on: {self}");
        Ok(())
    }

    /// Rounds that are complete.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Sign-ins that were acknowledged and have not been ended.
    #[must_use]
    pub fn open(&self) -> Vec<SignIn> {
        locked(&self.open).clone()
    }

    /// Sessions whose end was acknowledged.
    #[must_use]
    pub fn closed(&self) -> Vec<TokenId> {
        locked(&self.closed).clone()
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rounds ({})", self.rounds(), self.answers)
    }
}

impl Work {
    async fn go_on(self: Arc<Self>, place: usize, step: usize) -> Result<()> {
        for number in (place..).step_by(step) {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let user = &self.users[number % self.users.len()];
            match self.round(user, number % 2 == 0).await {
                Ok(()) => drop(self.done.rounds.fetch_add(1, Ordering::Relaxed)),
                Err(Stop::Missing) => {}
                Err(Stop::Wrong(error)) => return Err(error),
            }
            pause().await;
        }
        Ok(())
    }

    /// One person's visit.
    async fn round(&self, user: &User, signs_out: bool) -> Result<(), Stop> {
        let (store, account) = (&self.store, &user.account);
        let mark = store.regions().mark();
        let found = store.account_by_email(by(), &account.email_key).await;
        let found = self.read("login: account", found)?;
        expect(
            found.is_some_and(|found| found.uid == account.uid),
            "the account of an address is another, or none",
        )?;

        let sign_in = marked_sign_in(&self.make, account.uid, mark);
        let session = sign_in.session.id;
        let opened = store.open_session(&in_time(), sign_in.clone()).await;
        self.write("login: session", opened)?;
        locked(&self.done.open).push(sign_in.clone());
        let found = self.read("session", store.session(by(), session).await)?;
        expect(
            found.as_ref() == Some(&sign_in.session),
            "a session that was opened is not there",
        )?;
        let keys = sign_in.key_fetches[0].id;
        let fetched = store.consume_key_fetch(&in_time(), keys).await;
        self.write("keys", fetched)?;

        self.oauth(user, session).await?;
        let record = store.user_record(by(), &user.at.service, &user.at.user).await;
        let record = self.read("exchange", record)?;
        expect(
            record.as_ref() == Some(&user.record),
            "a user's record is another, or none",
        )?;
        if signs_out {
            self.sign_out(user, session).await?;
        }
        Ok(())
    }

    async fn oauth(&self, user: &User, session: TokenId) -> Result<(), Stop> {
        let (store, uid) = (&self.store, user.account.uid);
        let mark = store.regions().mark();
        let code = marked(mark, || self.make.code(uid, session), |code| code.id);
        let id = code.id;
        let put = store.put_authorization_code(&in_time(), code).await;
        self.write("code", put)?;
        let spent = store.consume_authorization_code(&in_time(), id).await;
        self.write("code spent", spent)?;
        let refresh = || self.make.refresh_token(uid, Some(session));
        let token = marked(mark, refresh, |token| token.id);
        let put = store.put_refresh_token(&in_time(), token.clone()).await;
        self.write("refresh token", put)?;
        let found = self.read("renewal", store.refresh_token(by(), token.id).await)?;
        expect(found == Some(token), "a refresh token that was put is not there")
    }

    async fn sign_out(&self, user: &User, session: TokenId) -> Result<(), Stop> {
        let store = &self.store;
        // From its call on nobody may expect the session to be there, from its answer on to be not.
        locked(&self.done.open).retain(|open| open.session.id != session);
        let closed = store.close_session(&in_time(), user.account.uid, session).await;
        self.write("sign-out", closed)?;
        locked(&self.done.closed).push(session);
        let found = self.read("session", store.session(by(), session).await)?;
        expect(found.is_none(), "a session that was ended is there")
    }

    fn read<T>(&self, what: &'static str, answer: Result<T, ReadError>) -> Result<T, Stop> {
        self.done.answers.read(what, &answer);
        answer.map_err(|_| Stop::Missing)
    }

    fn write(&self, what: &'static str, answer: Result<(), WriteError>) -> Result<(), Stop> {
        self.done.answers.write(what, &answer);
        answer.map_err(|error| match error {
            WriteError::Refused(refusal) => Stop::Wrong(anyhow!("{what}: refused: {refusal}")),
            WriteError::NotDone(_) | WriteError::Unknown(_) => Stop::Missing,
        })
    }
}

fn expect(holds: bool, fault: &'static str) -> Result<(), Stop> {
    if holds {
        Ok(())
    } else {
        Err(Stop::Wrong(anyhow!(fault)))
    }
}

fn by() -> Deadline {
    Deadline::after(PATIENCE)
}

fn in_time() -> Call {
    Call {
        deadline: by(),
        ..call()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
