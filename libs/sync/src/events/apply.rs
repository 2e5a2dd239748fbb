//! Carrying out an event: for each service a read, and a write if the record does not say it yet.

use foxhold_core::{
    Clock, Deadline, OpId, Random,
    record::{Assignment, Generation, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AssignmentReader, AssignmentWriter, Call, Cause, ReadError, Refusal, WriteError,
    assignments::{RecordRef, UserValues},
    repeat::settled,
};
use thiserror::Error;

use super::{AccountEvent, Told};

/// How often a record is read anew because another write came first. Each of those is one of the user's own clients at
/// work, and none of them writes twice for the same news.
const ROUNDS: usize = 8;

/// What events ask of the world.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// Services and users' records.
    pub reader: &'a dyn AssignmentReader,
    /// Changes of them.
    pub writer: &'a dyn AssignmentWriter,
    /// When records were replaced.
    pub clock: &'a dyn Clock,
    /// Operation ids.
    pub random: &'a dyn Random,
}

/// What an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Services where the user has a record.
    pub known: usize,
    /// Of them, those where the record changed. The others had been told before, or knew better.
    pub changed: usize,
}

/// An event that was not carried out everywhere. It may be told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The store did not answer, or did not in time.
    #[error("the store did not answer")]
    Store(#[source] Cause),
    /// The store decided against it.
    #[error("the store refused: {0}")]
    Refused(Refusal),
    /// Others changed the same user's records, round after round.
    #[error("the user's records kept changing")]
    Contended,
}

impl From<ReadError> for ApplyError {
    fn from(ReadError(cause): ReadError) -> Self {
        Self::Store(cause)
    }
}

impl From<WriteError> for ApplyError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotDone(cause) | WriteError::Unknown(cause) => Self::Store(cause),
            WriteError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// Carries out an event in all services. A user without a record is not an error: there is nothing to do.
///
/// # Errors
/// [`ApplyError`], the first one; the other services were gone through nevertheless.
pub async fn apply(ports: Ports<'_>, by: Deadline, told: &Told) -> Result<Applied, ApplyError> {
    // As the store has them now: a service that is left out would keep an active record. Users have records also where the
    // settings of the service cannot be read.
    let services = ports.reader.catalogue(by).await?;
    let mut applied = Applied::default();
    let mut failure = None;
    for service in services.keys() {
        match apply_in(ports, by, service, told).await {
            Ok(Effect::NoRecord) => {}
            Ok(Effect::AsItWas) => applied.known += 1,
            Ok(Effect::Changed) => {
                applied.known += 1;
                applied.changed += 1;
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(applied), Err)
}

enum Effect {
    NoRecord,
    AsItWas,
    Changed,
}

/// The write is conditional on what was read, so whoever assigns at the same time comes before it, and is seen in the
/// next round, or after it, and is judged by what the event left.
async fn apply_in(
    ports: Ports<'_>,
    by: Deadline,
    service: &ServiceKey,
    told: &Told,
) -> Result<Effect, ApplyError> {
    for _ in 0..ROUNDS {
        let record = ports.reader.user_record(by, service, &told.user).await?;
        let Some(record) = record else {
            return Ok(Effect::NoRecord);
        };
        let Some(change) = Change::of(told.event, &record.current) else {
            return Ok(Effect::AsItWas);
        };
        let at = RecordRef {
            service: service.clone(),
            user: told.user.clone(),
            version: Some(record.version),
        };
        match change.carry_out(ports, by, &at).await {
            Ok(_) => return Ok(Effect::Changed),
            Err(WriteError::Refused(Refusal::Conflict)) => {}
            // The service has been taken away since it was listed, and its records with it.
            Err(WriteError::Refused(Refusal::UnknownService)) => return Ok(Effect::NoRecord),
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApplyError::Contended)
}

impl AccountEvent {
    /// Whether a user's current record does not say it yet.
    #[must_use]
    pub fn changes(self, current: &Assignment) -> bool {
        Change::of(self, current).is_some()
    }
}

/// What has to be written.
enum Change {
    Raise(UserValues),
    Retire,
}

impl Change {
    /// `None` if the record says it all. That of a user who waits for a node is raised, too: the next credential is judged
    /// by it.
    fn of(event: AccountEvent, current: &Assignment) -> Option<Self> {
        let is_active = current.replaced_at.is_none();
        match event {
            AccountEvent::Retire => {
                (is_active || current.generation != Generation::RETIRED).then_some(Self::Retire)
            }
            AccountEvent::RaiseGeneration(generation) => (generation > current.generation).then(|| {
                Self::Raise(UserValues {
                    generation,
                    keys_changed_at: current.keys_changed_at,
                    client_state: current.client_state.clone(),
                })
            }),
        }
    }

    /// Writes.
    async fn carry_out(
        &self,
        ports: Ports<'_>,
        by: Deadline,
        at: &RecordRef,
    ) -> Result<UserRecord, WriteError> {
        let now = ports.clock.now();
        let call = Call {
            op: OpId::new(now, ports.random),
            deadline: by,
        };
        let put = || match self {
            Self::Raise(values) => ports.writer.raise(&call, at, values),
            Self::Retire => ports.writer.retire(&call, at, now),
        };
        settled(&call, put).await
    }
}
