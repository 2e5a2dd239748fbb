//! Making an account (`security.md` D.2): carries out the steps that `judge` decides on.
//!
//! Must stay true: every step is conditional on what it was decided on, or can be repeated, so that the process may die
//! after any of them, and the same operation goes on from what it finds. Nothing that may have been applied is answered
//! with *not done*.

use std::sync::atomic::{AtomicBool, Ordering};

use foxhold_core::{OpId, Timestamp, Uid, record::Account};
use foxhold_ports::{
    Call, Cause, IntentKind, ReadError, Refusal, WriteError,
    accounts::{SignIn, encoding},
};

use super::{
    judge::{Claim, Creator, Rest, Step, View, judge},
    rows::{NewAccount, time},
    session, standing, sweep, validity,
};
use crate::{
    CassandraStore,
    cql::{AfterAStep, Outcome, Settled, decide_or_look, look_patiently, pause},
    fail_point,
};

/// `AccountWriter::create_account`
pub(super) async fn create(
    store: &CassandraStore,
    call: &Call,
    account: &Account,
    sign_in: &SignIn,
) -> Result<(), WriteError> {
    session::check_owner(account.uid, sign_in)?;
    let _turn = store
        .accounts
        .addresses
        .turn(&account.email_key, call.deadline)
        .await?;
    let me = Creator {
        op: call.op,
        uid: account.uid,
        email_key: account.email_key.clone(),
    };
    let creation = Creation {
        store,
        call,
        account,
        sign_in,
        me,
        touched: AtomicBool::new(false),
    };
    let mut step = Step::Claim;
    loop {
        step = match step {
            Step::Done => return Ok(()),
            Step::Refuse(refusal) => return Err(refusal.into()),
            Step::TooLate { refusal } => return creation.was_barred(refusal).await,
            Step::UidTaken => return creation.give_up(Cause::Fault).await,
            Step::Contradiction => return creation.contradiction(),
            step => match creation.take(step).await {
                Ok(next) => next,
                Err(error) if creation.is_touched() => return Err(error).after_a_step(),
                Err(error) => return Err(error),
            },
        };
    }
}

struct Creation<'a> {
    store: &'a CassandraStore,
    call: &'a Call,
    account: &'a Account,
    sign_in: &'a SignIn,
    me: Creator,
    /// Whether anything of this creation may stand in the store.
    touched: AtomicBool,
}

impl Creation<'_> {
    /// Carries out a step and says what comes next.
    async fn take(&self, step: Step) -> Result<Step, WriteError> {
        match step {
            Step::Claim => self.claim().await,
            Step::Write { over } => self.write(over).await,
            Step::Activate { by } => self.activate(by).await,
            Step::Condemn {
                claim,
                version,
                made_by,
            } => self.condemn(claim, version, made_by).await,
            Step::Bar { claim, over } => self.bar(claim, over).await,
            Step::TakeOver { claim, rest } => self.take_over(&claim, &rest).await,
            Step::Wait { claim } => self.wait(claim).await,
            Step::Done | Step::Refuse(_) | Step::TooLate { .. } | Step::UidTaken | Step::Contradiction => {
                Ok(step)
            }
        }
    }

    async fn claim(&self) -> Result<Step, WriteError> {
        let values = (
            self.me.email_key.as_str(),
            self.me.uid.as_bytes(),
            self.me.op.as_bytes(),
            time(self.now()),
        );
        let statement = &self.store.accounts.decisions.claim;
        let decided = self.store.cql.decide(self.call.deadline, statement, values);
        let next = Step::Write { over: None };
        self.settle(decided, "create.claimed", next).await
    }

    /// The sign-in first: an account whose row is there is whole, and whoever finds it may finish it.
    async fn write(&self, over: Option<i64>) -> Result<Step, WriteError> {
        self.touch();
        session::write(self.store, self.call, self.sign_in).await?;
        fail_point("create.signed_in");
        let credentials = encoding::encode(&self.account.credentials);
        let account = NewAccount::new(self.account, &credentials, &self.me.op);
        let decisions = &self.store.accounts.decisions;
        let kind = IntentKind::CreateAccount.number().cast_signed();
        let operation = (self.me.uid.as_bytes(), self.me.op.as_bytes(), kind);
        let (cql, by) = (&self.store.cql, self.call.deadline);
        let next = Step::Activate { by: self.me.op };
        let note = decisions.note_operation.prepared().clone();
        let point = "create.account_written";
        match over {
            None => {
                let statements = vec![decisions.create.prepared().clone(), note];
                let decided = cql.decide_together(by, statements, (account, operation));
                self.settle(decided, point, next).await
            }
            Some(was) => {
                let statements = vec![decisions.create_again.prepared().clone(), note];
                let decided = cql.decide_together(by, statements, (account.over(was), operation));
                self.settle(decided, point, next).await
            }
        }
    }

    async fn activate(&self, by: OpId) -> Result<Step, WriteError> {
        let values = (self.me.email_key.as_str(), by.as_bytes());
        let statement = &self.store.accounts.decisions.activate;
        let decided = self.store.cql.decide(self.call.deadline, statement, values);
        if by == self.me.op {
            return self.settle(decided, "create.activated", Step::Done).await;
        }
        // Another's is finished for it, which is nothing of this creation.
        let _ = decided.await?;
        self.look_again().await
    }

    async fn condemn(&self, claim: Claim, version: i64, made_by: Option<OpId>) -> Result<Step, WriteError> {
        let uid = claim.uid;
        let rest = Rest {
            version: version + 1,
            made_by,
        };
        let values = (rest.version, uid.as_bytes(), version);
        let _turn = self.store.accounts.uids.turn(&uid, self.call.deadline).await?;
        let statement = &self.store.accounts.decisions.condemn;
        let decided = self.store.cql.decide(self.call.deadline, statement, values);
        let next = Step::TakeOver { claim, rest };
        self.settle(decided, "create.holder_condemned", next).await
    }

    async fn bar(&self, claim: Claim, over: Option<i64>) -> Result<Step, WriteError> {
        let uid = claim.uid;
        let rest = Rest {
            version: over.map_or(0, |was| was + 1),
            made_by: None,
        };
        let decisions = &self.store.accounts.decisions;
        let (cql, by) = (&self.store.cql, self.call.deadline);
        let next = Step::TakeOver {
            claim,
            rest: rest.clone(),
        };
        let point = "create.sleeper_barred";
        match over {
            None => {
                let decided = cql.decide(by, &decisions.bar, (uid.as_bytes(),));
                self.settle(decided, point, next).await
            }
            Some(was) => {
                let values = (rest.version, uid.as_bytes(), was);
                let decided = cql.decide(by, &decisions.bar_again, values);
                self.settle(decided, point, next).await
            }
        }
    }

    /// What hung on the account goes before its claim does: while the claim is there, whoever comes next finds it.
    async fn take_over(&self, claim: &Claim, rest: &Rest) -> Result<Step, WriteError> {
        self.touch();
        sweep::sweep(self.store, self.call, claim.uid, Some(self.sign_in.session.id)).await?;
        fail_point("create.holder_swept");
        let values = (
            self.me.uid.as_bytes(),
            self.me.op.as_bytes(),
            time(self.now()),
            self.me.email_key.as_str(),
            claim.by.as_bytes(),
            claim.state.name(),
            time(claim.since),
        );
        let statement = &self.store.accounts.decisions.take_over;
        let decided = self.store.cql.decide(self.call.deadline, statement, values);
        let over = (claim.uid == self.me.uid).then_some(rest.version);
        let next = Step::Write { over };
        let next = self.settle(decided, "create.claim_taken_over", next).await?;
        if over.is_none() && next == (Step::Write { over }) {
            self.forget(claim.uid, rest).await;
        }
        Ok(next)
    }

    /// Lets what is left of an account expire, now that no claim points to it. If this fails it stays, which the audit
    /// finds and which harms nobody.
    async fn forget(&self, uid: Uid, rest: &Rest) {
        let made_by = rest.made_by.as_ref().map(OpId::as_bytes);
        let values = (made_by, rest.version, uid.as_bytes(), rest.version);
        let statement = &self.store.accounts.decisions.forget;
        let decided = self.store.cql.decide(self.call.deadline, statement, values);
        if !matches!(decided.await, Ok(Outcome::Applied)) {
            tracing::info!(account.uid = %uid, "what is left of a replaced account stays for the audit");
        }
    }

    /// Waits for another's creation by ordinary reads: a serial one would bid against the writes it waits for.
    async fn wait(&self, claim: Claim) -> Result<Step, WriteError> {
        let (store, by) = (self.store, self.call.deadline);
        if by.has_passed() {
            return Err(WriteError::NotDone(Cause::Overloaded));
        }
        pause(by, &*store.random).await;
        let (there, written) = futures_util::join!(
            standing::claim_here(store, by, &self.me.email_key),
            validity::here(&store.reader, by, claim.uid),
        );
        let nothing_new = there.is_ok_and(|there| there.as_ref() == Some(&claim)) && written == Ok(None);
        if nothing_new && !claim.is_old(self.now()) {
            return Ok(Step::Wait { claim });
        }
        self.look_again().await
    }

    async fn look_again(&self) -> Result<Step, WriteError> {
        let view = look_patiently(self.call.deadline, || self.look()).await;
        view.map(|view| self.judge(&view)).map_err(super::not_done)
    }

    /// Whoever repeats a creation that was barred hears the same as anybody else who wants the address.
    async fn was_barred(&self, refusal: Option<Refusal>) -> Result<(), WriteError> {
        match (self.give_up(Cause::Timeout).await, refusal) {
            (Err(WriteError::NotDone(_)), Some(refusal)) => Err(refusal.into()),
            (answer, _) => answer,
        }
    }

    /// Takes back what was written for an account that will not be. Whoever is too late has nothing that could come to
    /// life: the row that bars the account stays for a day.
    async fn give_up(&self, cause: Cause) -> Result<(), WriteError> {
        let statement = &self.store.accounts.decisions.release;
        let values = (self.me.email_key.as_str(), self.me.op.as_bytes());
        let released = self.store.cql.decide(self.call.deadline, statement, values).await;
        let taken_back = session::take_back(self.store, self.call, self.sign_in).await;
        match (released, taken_back) {
            (Ok(Outcome::Applied | Outcome::NotApplied), Ok(())) => Err(WriteError::NotDone(cause)),
            _ => Err(WriteError::Unknown(cause)),
        }
    }

    fn contradiction(&self) -> Result<(), WriteError> {
        tracing::error!(account.uid = %self.me.uid, "an address that is wanted and its account do not fit together");
        let answer = Err(WriteError::NotDone(Cause::Inconsistent));
        if self.is_touched() {
            answer.after_a_step()
        } else {
            answer
        }
    }

    /// Waits for a conditional write: if it was applied, `point` is reached and `applied` is next; else what the store
    /// shows decides.
    async fn settle(
        &self,
        decided: impl Future<Output = Result<Outcome, WriteError>>,
        point: &'static str,
        applied: Step,
    ) -> Result<Step, WriteError> {
        match decide_or_look(self.call.deadline, decided, || self.look()).await {
            Ok(Settled::Applied) => {
                self.touch();
                fail_point(point);
                Ok(applied)
            }
            Ok(Settled::Look { view, doubt }) => {
                if doubt.is_some() {
                    self.touch();
                }
                Ok(self.judge(&view))
            }
            Err(error) => Err(error),
        }
    }

    fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    fn judge(&self, view: &View) -> Step {
        judge(view, &self.me, self.now())
    }

    fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    /// The claim first: what it points to can only have become older than it since.
    async fn look(&self) -> Result<View, ReadError> {
        let (store, by) = (self.store, self.call.deadline);
        let claim = standing::claim(store, by, &self.me.email_key).await?;
        let other = claim
            .as_ref()
            .map(|claim| claim.uid)
            .filter(|uid| *uid != self.me.uid);
        let (own, holder) = futures_util::try_join!(standing::serial(store, by, self.me.uid), async {
            match other {
                Some(uid) => standing::serial(store, by, uid).await,
                None => Ok(None),
            }
        })?;
        let holder = match (&claim, other) {
            (Some(_), None) => own.clone(),
            _ => holder,
        };
        Ok(View { claim, holder, own })
    }
}
