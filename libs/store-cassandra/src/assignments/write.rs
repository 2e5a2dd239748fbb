//! Writing users' records: one conditional write each, with what it answered beside it (`security.md` D.2, D.3).
//!
//! Must stay true: a slot or uid is used for another user only once nothing that was sent can put it on a record.

use async_trait::async_trait;
use foxhold_core::{Deadline, ServiceUid, Timestamp, record::UserRecord};
use foxhold_ports::{
    AssignmentWriter, Call, Cause, IntentKind, ReadError, Refusal, WriteError,
    assignments::{RecordRef, Target, UserValues, change},
};

use super::{
    batch::New,
    past::{Past, Seat},
    record::Stored,
    spending::{Spending, Spent},
    table::{self, Seen, SlotMark},
};
use crate::{
    CassandraStore,
    cql::{Doubts, KeyGuard, Settled, decide_or_look, pause},
    placement::{Release, Seeker, Slot, Verdict, Wanted, Where, returns::Return, table::How},
    uids::Uid,
};

/// A user of a service.
pub(crate) type UserOfService = (String, String);

#[async_trait]
impl AssignmentWriter for CassandraStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let before = match at.version {
            None => None,
            Some(_) => match self.known_service(call, at, self.current(call, at).await).await? {
                Current::Answer(answer) => return Ok(answer),
                Current::Record(before) => Some(before),
            },
        };
        let record = before.as_ref().map(|(_, record)| record);
        if let Err(refusal) = record.map_or(Ok(()), change::check_past) {
            return self.refuse(call, at, refusal).await;
        }
        loop {
            let (slot, uid, within) = match self.draw(call, at, target).await? {
                Drawn::All(slot, uid, within) => (slot, uid, within),
                Drawn::Answer(answer) => return Ok(answer),
            };
            let after = change::replaced(record, values, uid.number(), slot.place.clone(), now);
            let past = before
                .as_ref()
                .map(|(stored, _)| stored.past_with_current(&after));
            let records = Spending {
                kind: IntentKind::Assign,
                after: &after,
                seat: &Seat {
                    node: Some(slot.node),
                    slot: Some(slot.id().to_bytes().to_vec()),
                },
                past: past.as_deref(),
            };
            match uid.on(self.spend(&within, at, vec![slot], records).await)? {
                Spent::Done(answer) => return Ok(answer),
                Spent::Lost => pause(call.deadline, self.random.as_ref()).await,
            }
        }
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let (stored, before) = match self.current(call, at).await? {
            Current::Answer(answer) => return Ok(answer),
            Current::Record(before) => before,
        };
        let after = change::raised(&before, values);
        let stays = (&stored.seat, stored.past());
        self.put(call, at, IntentKind::Raise, &after, stays).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let (stored, before) = match self.active(call, at).await? {
            Current::Answer(answer) => return Ok(answer),
            Current::Record(before) => before,
        };
        if let Err(refusal) = change::check_past(&before) {
            return self.refuse(call, at, refusal).await;
        }
        let Some((uid, within)) = self.uid_to_write(call, at).await? else {
            return self.refuse(call, at, Refusal::NoUid).await;
        };
        let after = change::rekeyed(&before, values, uid.number(), now);
        let past = stored.past_with_current(&after);
        let done = self
            .put(&within, at, IntentKind::Rekey, &after, (&stored.seat, &past))
            .await;
        match uid.on(done.map(Spent::Done))? {
            Spent::Done(answer) => Ok(answer),
            Spent::Lost => Err(WriteError::NotDone(Cause::Fault)),
        }
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let (stored, before) = match self.current(call, at).await? {
            Current::Answer(answer) => return Ok(answer),
            Current::Record(before) => before,
        };
        let after = change::retired(&before, now);
        let stays = (&stored.seat, stored.past());
        self.put(call, at, IntentKind::Retire, &after, stays).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let (stored, before) = match self.current(call, at).await? {
            Current::Answer(answer) => return Ok(answer),
            Current::Record(before) => before,
        };
        let after = change::unassigned(&before, now);
        let stays = (&stored.seat, stored.past());
        self.put(call, at, IntentKind::Unassign, &after, stays).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.forget_record(call, at, uid).await
    }
}

/// What an intent begins from.
pub(super) enum Current<T> {
    /// It was done before: this is what it answered.
    Answer(UserRecord),
    /// The record it was decided on.
    Record(T),
}

enum Drawn {
    /// And the call as far as the uid may be written.
    All(Slot, Uid, Call),
    Answer(UserRecord),
}

impl Uid {
    /// Gives it back, unless it is on the record that was written or may be.
    fn on(self, done: Result<Spent, WriteError>) -> Result<Spent, WriteError> {
        let is_used = match &done {
            Ok(Spent::Done(answer)) => answer.current.uid == self.number(),
            Ok(Spent::Lost) => false,
            Err(error) => matches!(error, WriteError::Unknown(_)),
        };
        if !is_used {
            self.give_back();
        }
        done
    }
}

impl CassandraStore {
    /// The callers of this process take turns for a user.
    pub(super) async fn user_turn(
        &self,
        call: &Call,
        at: &RecordRef,
    ) -> Result<KeyGuard<UserOfService>, WriteError> {
        if call.deadline.has_passed() {
            return Err(WriteError::NotDone(Cause::Timeout));
        }
        let key = (at.service.0.clone(), at.user.0.clone());
        self.user_turns.turn(&key, call.deadline).await
    }

    pub(super) async fn look(&self, by: Deadline, at: &RecordRef) -> Result<Seen, ReadError> {
        let reads = &self.placements.user_reads;
        table::look(&self.cql, reads, by, &at.service, &at.user).await
    }

    /// The record a decision was made on, as read at a quorum; if that is another, as it stands for sure.
    pub(super) async fn current(
        &self,
        call: &Call,
        at: &RecordRef,
    ) -> Result<Current<(Stored, UserRecord)>, WriteError> {
        let by = call.deadline;
        let reads = &self.placements.user_reads;
        let stored = table::record(&self.cql, reads, by, &at.service, &at.user).await;
        let stored = stored.map_err(not_done)?;
        if let Some(stored) = stored.filter(|stored| Some(stored.version()) == at.version) {
            return self.resolve(by, at, stored).await;
        }
        match self.decided(call, at).await? {
            Current::Answer(answer) => Ok(Current::Answer(answer)),
            Current::Record(Some(stored)) => self.resolve(by, at, stored).await,
            Current::Record(None) => Err(Refusal::Conflict.into()),
        }
    }

    async fn resolve(
        &self,
        by: Deadline,
        at: &RecordRef,
        stored: Stored,
    ) -> Result<Current<(Stored, UserRecord)>, WriteError> {
        let resolved = self.reader.resolved(by, &at.service, &stored).await;
        Ok(Current::Record((stored, resolved.map_err(not_done)?)))
    }

    /// A conflict, only if there is such a service: that goes first.
    async fn known_service<T>(
        &self,
        call: &Call,
        at: &RecordRef,
        current: Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        if current.as_ref().err() != Some(&Refusal::Conflict.into()) {
            return current;
        }
        for how in [How::Quorum, How::Serial] {
            let uids = self.placements.uids(call.deadline, &at.service, how).await;
            if uids.map_err(not_done)?.is_some() {
                return current;
            }
        }
        Err(Refusal::UnknownService.into())
    }

    /// The same, if it is active and on a node.
    async fn active(&self, call: &Call, at: &RecordRef) -> Result<Current<(Stored, UserRecord)>, WriteError> {
        let current = self.current(call, at).await?;
        if let Current::Record((_, record)) = &current {
            change::active(at, Some(record))?;
        }
        Ok(current)
    }

    /// What stands for sure: what the operation answered, or the record if it is the one the decision was made on.
    pub(super) async fn decided(
        &self,
        call: &Call,
        at: &RecordRef,
    ) -> Result<Current<Option<Stored>>, WriteError> {
        let seen = self.look(call.deadline, at).await.map_err(not_done)?;
        if let Some(answer) = seen.answer(&call.op).map_err(not_done)? {
            return Ok(Current::Answer(answer));
        }
        if seen.stored.as_ref().map(Stored::version) != at.version {
            return Err(Refusal::Conflict.into());
        }
        Ok(Current::Record(seen.stored))
    }

    /// Refuses, unless the operation was done before or the record is another: that goes first.
    pub(super) async fn refuse(
        &self,
        call: &Call,
        at: &RecordRef,
        refusal: Refusal,
    ) -> Result<UserRecord, WriteError> {
        match self.decided(call, at).await? {
            Current::Answer(answer) => Ok(answer),
            Current::Record(_) => Err(refusal.into()),
        }
    }

    /// A slot and a uid. If that means more than taking what is there, a look whether they are needed goes first.
    async fn draw(&self, call: &Call, at: &RecordRef, target: &Target) -> Result<Drawn, WriteError> {
        let by = call.deadline;
        let seeker = match at.version {
            None => Seeker::New,
            Some(_) => Seeker::Known,
        };
        let place = Where::Rule(target);
        let wanted = Wanted { seeker, place };
        let (placements, service) = (&self.placements, &at.service);
        let verdict = match placements.slot(by, service, wanted, Release::No).await? {
            Ok(slot) => {
                return match self.uid_to_write(call, at).await? {
                    Some((uid, within)) => Ok(Drawn::All(slot, uid, within)),
                    None => self.refuse(call, at, Refusal::NoUid).await.map(Drawn::Answer),
                };
            }
            Err(Verdict::UnknownService) => return Err(Refusal::UnknownService.into()),
            Err(verdict) => verdict,
        };
        if let Current::Answer(answer) = self.decided(call, at).await? {
            return Ok(Drawn::Answer(answer));
        }
        let uid = self.uid(by, at).await?;
        if uid.is_none() && verdict == Verdict::Release {
            return Err(Refusal::NoUid.into());
        }
        let slot = match placements.slot(by, service, wanted, Release::Yes).await? {
            Ok(slot) => slot,
            Err(verdict) => {
                if let Some(uid) = uid {
                    uid.give_back();
                }
                let refusal = match verdict {
                    Verdict::UnknownService => return Err(Refusal::UnknownService.into()),
                    Verdict::Closed => Refusal::Closed,
                    Verdict::Release | Verdict::Others | Verdict::Full => Refusal::NoNode,
                };
                // Another request of the user may have taken the last slot meanwhile.
                return self.refuse(call, at, refusal).await.map(Drawn::Answer);
            }
        };
        // Waiting for the slot may have taken long, and what was free before be reserved by now.
        let uid = match uid {
            Some(early) => {
                early.give_back();
                self.uid_to_write(call, at).await?
            }
            None => None,
        };
        match uid {
            Some((uid, within)) => Ok(Drawn::All(slot, uid, within)),
            None => self.refuse(call, at, Refusal::NoUid).await.map(Drawn::Answer),
        }
    }

    /// A uid, and the call as far as a record with it may be written: nothing else may be waited for before that.
    async fn uid_to_write(&self, call: &Call, at: &RecordRef) -> Result<Option<(Uid, Call)>, WriteError> {
        let by = call.deadline;
        while let Some(uid) = self.uid(by, at).await? {
            if let Some(deadline) = self.may_write(by, at, &uid).await? {
                let within = Call { deadline, ..*call };
                return Ok(Some((uid, within)));
            }
            // It was taken by an older look, and is given to nobody after this one.
            uid.give_back();
        }
        Ok(None)
    }

    async fn uid(&self, by: Deadline, at: &RecordRef) -> Result<Option<Uid>, WriteError> {
        for how in [How::Quorum, How::Serial] {
            let uids = self.placements.uids(by, &at.service, how).await;
            if let Some(uids) = uids.map_err(not_done)?
                && let Some(uid) = self.uids.take(by, &at.service, uids).await?
            {
                return Ok(Some(uid));
            }
        }
        Ok(None)
    }

    /// Writes records of which the current one stays where it is, on its `seat`, and the past ones beside it.
    async fn put(
        &self,
        call: &Call,
        at: &RecordRef,
        kind: IntentKind,
        after: &UserRecord,
        (seat, past): (&Seat, &[Past]),
    ) -> Result<UserRecord, WriteError> {
        let new = New {
            at,
            op: call.op,
            kind,
            after,
            seat,
            spends: &[],
            past: Some(past),
            freed: None,
        };
        match self.write(call.deadline, new).await? {
            Written::Done => Ok(after.clone()),
            Written::Before(before) => Ok(before.answer),
            Written::Lost => Err(WriteError::NotDone(Cause::Fault)),
        }
    }

    /// Puts one and the same write until it is decided.
    pub(super) async fn write(&self, by: Deadline, new: New<'_>) -> Result<Written, WriteError> {
        let mut doubts = Doubts::default();
        loop {
            let decided = new.decide(&self.cql, by, &self.placements.user_writes);
            let settled = decide_or_look(by, decided, || self.look(by, new.at)).await;
            let seen: Seen = match doubts.weigh(settled)? {
                Settled::Applied => return Ok(Written::Done),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    view
                }
            };
            let unknown = |ReadError(cause)| WriteError::Unknown(cause);
            if let Some(answer) = seen.answer(&new.op).map_err(unknown)? {
                let freed = seen.freed(&new.op).map_err(unknown)?;
                let before = Before { answer, freed, seen };
                return Ok(Written::Before(Box::new(before)));
            }
            if seen.stored.as_ref().map(Stored::version) != new.at.version {
                return Err(Refusal::Conflict.into());
            }
            let mut marks = new.spends.iter().map(|slot| seen.slot(slot));
            if marks.any(|mark| mark == Some(SlotMark::Void)) {
                return Ok(Written::Lost);
            }
            pause(by, self.random.as_ref()).await;
        }
    }
}

pub(super) enum Written {
    Done,
    /// An earlier attempt of the operation had done it.
    Before(Box<Before>),
    /// A slot can never be spent any more.
    Lost,
}

/// What an earlier attempt did.
pub(super) struct Before {
    pub(super) answer: UserRecord,
    /// The slot that is to come back after it.
    pub(super) freed: Option<Return>,
    /// How the user's partition stands, and with it what became of the slots of this attempt.
    pub(super) seen: Seen,
}

pub(super) fn not_done(ReadError(cause): ReadError) -> WriteError {
    WriteError::NotDone(cause)
}
