//! One client: what it does in its turn, how often it asks again, and what it writes down.

use std::{sync::atomic::Ordering, time::Duration};

use foxhold_core::{Deadline, OpId, record::UserRecord};
use foxhold_ports::{
    Call, Cause, ReadError, WriteError,
    conformance::fixtures::{Maker, email_key, values},
};

use super::{
    Inner, Reads,
    intent::{Change, Intent, seen_place, seen_record},
    material::{self, Token},
    schedule::Turn,
    site::Site,
    tally::count,
};
use crate::{
    history::{Model, Output, Seen},
    wait::pause,
};

/// One write in so many is sent once more after its answer.
const REPEATED: u64 = 8;
/// One turn in so many is a read.
const READ: u64 = 4;
/// How long a store may overrun a deadline before its client gives it up.
const GRACE: Duration = Duration::from_secs(10);

pub(super) struct Client<'a> {
    stage: &'a Inner,
    number: usize,
    /// The number of the site it works at.
    home: usize,
    make: Maker,
}

/// How a write ended.
enum Ended {
    Answered(Output),
    NotDone,
    Unknown,
}

impl<'a> Client<'a> {
    pub(super) fn new(stage: &'a Inner, number: usize) -> Self {
        let home = number % stage.sites.len();
        let seed = material::mixed(stage.workload.seed, material::CLIENT, number as u64);
        Self {
            stage,
            number,
            home,
            make: Maker::new(seed),
        }
    }

    /// One beside the others, for the last reads at a site.
    pub(super) fn reader(stage: &'a Inner, home: usize) -> Self {
        Self {
            home,
            ..Self::new(stage, stage.workload.clients + home)
        }
    }

    /// Takes its turn; `false` if the store did nothing, so that the client should rest before it asks again.
    pub(super) async fn take(&self, turn: &Turn) -> bool {
        if self.wants_to_read(turn) {
            return self.read(turn.model, turn.key).await.is_ok();
        }
        let material = &self.stage.material;
        let (intent, site) = match turn.model {
            Model::Create => (self.creation(turn.key), self.home),
            Model::Assign => (self.assignment(turn.key), self.home),
            Model::Consume => (self.token(turn), material.site_of_token(turn.key)),
            Model::Change => match self.change(turn.key).await {
                Ok(intent) => (intent, self.home),
                Err(ReadError(_)) => return false,
            },
        };
        self.write(&self.stage.sites[site], turn, &intent).await
    }

    /// Changes begin with a read anyhow. A token is put by the first of its first burst, while the others look.
    fn wants_to_read(&self, turn: &Turn) -> bool {
        let reads = self.stage.workload.reads == Reads::Current;
        match turn.model {
            Model::Change => false,
            Model::Consume if turn.round == 0 => reads && turn.place > 0,
            _ => reads && turn.round > 0 && self.make.below(READ) == 0,
        }
    }

    fn creation(&self, key: u64) -> Intent {
        let account = self.make.verified_account(&self.stage.material.address(key));
        let mark = self.stage.sites[self.home].mark;
        let sign_in = material::sign_in(&self.make, account.uid, mark);
        Intent::Create(Box::new(account), sign_in)
    }

    fn token(&self, turn: &Turn) -> Intent {
        let token = self.stage.material.token(turn.key);
        if turn.round == 0 && turn.place == 0 {
            Intent::Put(token)
        } else {
            Intent::Consume(token)
        }
    }

    fn assignment(&self, key: u64) -> Intent {
        let at = self.stage.material.user(Model::Assign, key, None);
        Intent::Assign(at, values(1, 1, b"a"), self.make.now())
    }

    /// Decided on what it reads, as the rules do.
    async fn change(&self, key: u64) -> Result<Intent, ReadError> {
        let record = match self.stage.workload.reads {
            Reads::Current => self.read(Model::Change, key).await?,
            Reads::Stale => self.look(Model::Change, key).await?.1,
        };
        let version = record.as_ref().map(|record| record.version);
        let at = self.stage.material.user(Model::Change, key, version);
        // Drawn after reading, so it is above every number in what was read, and raising to it is setting it.
        let generation = self.stage.generation.fetch_add(1, Ordering::Relaxed);
        let new_state = generation.to_be_bytes();
        let (change, state) = match &record {
            None => (Change::First, new_state.to_vec()),
            Some(_) if self.make.below(3) == 0 => (Change::Rekey, new_state.to_vec()),
            Some(record) => (Change::Raise, record.current.client_state.as_bytes().to_vec()),
        };
        let values = values(generation, generation, &state);
        Ok(Intent::Change(change, at, values, self.make.now()))
    }

    /// Reads an object and records what it holds.
    ///
    /// # Errors
    /// When the store has no answer; the history is silent about it.
    pub(super) async fn read(&self, model: Model, key: u64) -> Result<Option<UserRecord>, ReadError> {
        let object = self.stage.material.object(model, key);
        let pending = self.stage.recorder.read(self.number, object);
        let looked = self.look(model, key).await;
        match looked {
            Ok((seen, record)) => {
                pending.answered(seen.map_or(Output::Absent, Output::Found));
                count(&self.stage.counts.read);
                Ok(record)
            }
            Err(error) => {
                pending.not_done();
                count(&self.stage.counts.unread);
                Err(error)
            }
        }
    }

    /// What an object holds; with the whole record, if it is one.
    async fn look(&self, model: Model, key: u64) -> Result<(Option<Seen>, Option<UserRecord>), ReadError> {
        let attempt = self.stage.workload.attempt;
        let looking = self.look_until(Deadline::after(attempt), model, key);
        let looked = tokio::time::timeout(attempt + GRACE, looking).await;
        looked.unwrap_or(Err(ReadError(Cause::Timeout)))
    }

    async fn look_until(
        &self,
        by: Deadline,
        model: Model,
        key: u64,
    ) -> Result<(Option<Seen>, Option<UserRecord>), ReadError> {
        let (site, material) = (&self.stage.sites[self.home], &self.stage.material);
        let seen = match model {
            Model::Create => {
                let address = email_key(&material.address(key));
                let found = site.account_reader.account_by_email(by, &address).await?;
                found.map(|account| Seen::account(account.uid))
            }
            Model::Consume => {
                // Read where it is spent, like that.
                let reader = &self.stage.sites[material.site_of_token(key)].account_reader;
                let unspent = match material.token(key) {
                    Token::KeyFetch(sign_in) => {
                        let id = sign_in.key_fetches[0].id;
                        reader.key_fetch(by, id).await?.is_some()
                    }
                    Token::Code(code) => reader.authorization_code(by, code.id).await?.is_some(),
                };
                unspent.then_some(Seen::Nothing {})
            }
            Model::Change | Model::Assign => {
                let at = material.user(model, key, None);
                let reader = &site.assignment_reader;
                let record = reader.user_record(by, &at.service, &at.user).await?;
                let seen = match model {
                    Model::Change => record.as_ref().map(seen_record),
                    _ => record.as_ref().map(seen_place),
                };
                return Ok((seen, record));
            }
        };
        Ok((seen, None))
    }

    /// Writes, and now and then sends the same operation again: what was done must answer the same.
    async fn write(&self, site: &Site, turn: &Turn, intent: &Intent) -> bool {
        let op = self.make.call().op;
        let did = self.once(site, turn, op, intent).await;
        if did && self.make.below(REPEATED) == 0 {
            self.once(site, turn, op, intent).await;
        }
        did
    }

    /// One operation, from its first attempt to its final answer; `false` without one.
    async fn once(&self, site: &Site, turn: &Turn, op: OpId, intent: &Intent) -> bool {
        let (recorder, counts) = (&self.stage.recorder, &self.stage.counts);
        let object = self.stage.material.object(turn.model, turn.key);
        let pending = recorder.write(self.number, object, op, intent.input());
        match self.settle(site, op, intent).await {
            Ended::Answered(output) => {
                let is_done = matches!(output, Output::Ok(_));
                pending.answered(output);
                count(if is_done { &counts.done } else { &counts.refused });
                true
            }
            Ended::NotDone => {
                pending.not_done();
                count(&counts.not_done);
                false
            }
            Ended::Unknown => {
                pending.unknown();
                count(&counts.unknown);
                false
            }
        }
    }

    /// Asks with the same operation id until there is an answer, or patience ends.
    async fn settle(&self, site: &Site, op: OpId, intent: &Intent) -> Ended {
        let patience = Deadline::after(self.stage.workload.patience);
        let mut in_doubt = false;
        loop {
            match self.attempt(site, op, intent).await {
                Ok(seen) => return Ended::Answered(Output::Ok(seen)),
                Err(WriteError::Refused(refusal)) => {
                    let reason = format!("{refusal:?}");
                    return Ended::Answered(Output::Refused { reason });
                }
                // Only the first attempt can speak for the whole operation.
                Err(WriteError::NotDone(_)) if !in_doubt => return Ended::NotDone,
                Err(WriteError::NotDone(_)) => {}
                Err(WriteError::Unknown(_)) => {
                    in_doubt = true;
                    count(&self.stage.counts.doubts);
                }
            }
            if patience.has_passed() {
                return Ended::Unknown;
            }
            pause().await;
        }
    }

    /// Sends it once. A store that keeps no deadline is not waited for without end, and may have done it.
    async fn attempt(&self, site: &Site, op: OpId, intent: &Intent) -> Result<Seen, WriteError> {
        let attempt = self.stage.workload.attempt;
        let deadline = Deadline::after(attempt);
        let call = Call { op, deadline };
        let sent = tokio::time::timeout(attempt + GRACE, intent.send(site, &call)).await;
        sent.unwrap_or(Err(WriteError::Unknown(Cause::Timeout)))
    }
}
