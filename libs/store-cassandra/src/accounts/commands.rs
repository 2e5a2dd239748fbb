//! Commands that wait for devices: a partition for each device, in which every change is a condition on the last number
//! given (`security.md` D.1).
//!
//! Must stay true: a number is given once; of what is in doubt the row with the operation's id tells, so a repeated
//! operation sends one command.

use async_trait::async_trait;
use foxhold_core::{Deadline, DeviceId, OpId, Timestamp, Uid};
use foxhold_ports::{
    Call, CommandReader, CommandWriter, ReadError, Refusal, WriteError,
    device_commands::{
        CommandPage, DeviceCommand, DeviceRef, WAITING_DAYS_MAX, WAITING_MAX, WaitingCommand, next_index,
    },
};
use scylla::{
    DeserializeRow, SerializeRow,
    serialize::{SerializationError, row::RowSerializationContext, writers::RowWriter},
    value::CqlTimestamp,
};

use super::{
    not_done,
    read::sound,
    rows::{read_time, time},
    sweep,
};
use crate::{
    CassandraReader, CassandraStore,
    cql::{Doubts, Level, Outcome, Read, Settled, decide_or_look, pause, statements},
};

statements! {
    /// What readers ask about commands.
    CommandReads {
        waiting_commands: Read = "SELECT place, name, payload, sender, created_at, expires_at FROM device_commands
            WHERE uid = ? AND device = ? AND place >= ?";
    }
}

statements! {
    /// Sending and removing commands: a batch on one partition, on the condition of its last number.
    CommandDecisions {
        queue: Read = "SELECT place, op, last FROM device_commands WHERE uid = ? AND device = ?";
        number: Conditional = "UPDATE device_commands SET last = :last WHERE uid = :uid AND device = :device
            IF last = :was";
        put_command: Member = "INSERT INTO device_commands (uid, device, place, op, name, payload, sender, created_at,
            expires_at) VALUES (:uid, :device, :place, :op, :name, :payload, :sender, :created_at, :expires_at)
            USING TTL :ttl";
        drop_command: Member = "DELETE FROM device_commands WHERE uid = :uid AND device = :device AND place = :place";
    }
}

/// A command as it is read.
#[derive(DeserializeRow)]
struct CommandRow {
    place: i64,
    name: String,
    payload: String,
    sender: Option<Vec<u8>>,
    created_at: CqlTimestamp,
    expires_at: CqlTimestamp,
}

impl CommandRow {
    fn read(self) -> Option<WaitingCommand> {
        let sender = match self.sender {
            Some(sender) => Some(DeviceId::from_slice(&sender)?),
            None => None,
        };
        Some(WaitingCommand {
            index: u64::try_from(self.place).ok()?,
            command: DeviceCommand {
                name: self.name,
                payload: self.payload,
                sender,
                created_at: read_time(self.created_at)?,
                expires_at: read_time(self.expires_at)?,
            },
        })
    }
}

/// A command as it is written.
#[derive(SerializeRow)]
struct NewCommand<'a> {
    uid: &'a [u8; 16],
    device: &'a [u8; 16],
    place: i64,
    op: &'a [u8; 16],
    name: &'a str,
    payload: &'a str,
    sender: Option<&'a [u8; 16]>,
    created_at: CqlTimestamp,
    expires_at: CqlTimestamp,
    ttl: i32,
}

/// A row of a queue. The last number stands in each; if all commands have gone, in one without a place.
#[derive(DeserializeRow)]
struct QueueRow {
    place: Option<i64>,
    op: Option<Vec<u8>>,
    last: Option<i64>,
}

/// What is known of a device's commands without what they carry.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queue {
    last: Option<i64>,
    /// In the order of the places.
    places: Vec<i64>,
    /// Where the operation's own command is.
    own: Option<i64>,
}

impl Queue {
    fn read(rows: Vec<QueueRow>, op: &OpId) -> Self {
        let mut queue = Self::default();
        for row in rows {
            queue.last = row.last;
            let Some(place) = row.place else { continue };
            queue.places.push(place);
            if row.op.as_deref() == Some(op.as_bytes()) {
                queue.own = Some(place);
            }
        }
        queue
    }

    /// The number of a command that is sent now.
    fn next(&self, created_at: Timestamp) -> i64 {
        let last = self.last.and_then(|last| u64::try_from(last).ok());
        i64::try_from(next_index(last, created_at)).unwrap_or(i64::MAX)
    }

    /// What has to make room for one more.
    fn too_many(&self) -> &[i64] {
        let over = (self.places.len() + 1).saturating_sub(WAITING_MAX);
        &self.places[..over]
    }
}

/// Values of a batch that empties a queue.
enum DropValues<'a> {
    /// The last number stays; that it is still the same is the condition.
    Last(Option<i64>, &'a DeviceRef),
    /// A command goes.
    Place(i64, &'a DeviceRef),
}

impl scylla::serialize::row::SerializeRow for DropValues<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Last(last, to) => {
                (last, to.uid.as_bytes(), to.device.as_bytes(), last).serialize(context, writer)
            }
            Self::Place(place, to) => {
                (to.uid.as_bytes(), to.device.as_bytes(), place).serialize(context, writer)
            }
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// How long the cluster keeps a command, in seconds.
fn ttl(command: &DeviceCommand) -> i32 {
    let span = command
        .expires_at
        .as_millis()
        .saturating_sub(command.created_at.as_millis());
    let secs = span.div_ceil(1000).clamp(1, WAITING_DAYS_MAX * 86_400);
    i32::try_from(secs).unwrap_or(i32::MAX)
}

#[async_trait]
impl CommandReader for CassandraReader {
    async fn waiting_commands(
        &self,
        by: Deadline,
        to: DeviceRef,
        from: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<CommandPage, ReadError> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let values = (to.uid.as_bytes(), to.device.as_bytes(), from);
        let rows: Vec<CommandRow> = self.cql.rows(by, &self.commands.waiting_commands, values).await?;
        let found: Vec<_> = rows
            .into_iter()
            .map(|row| sound(row.read()))
            .collect::<Result<_, _>>()?;
        Ok(CommandPage::of(found, limit, now))
    }
}

#[async_trait]
impl CommandReader for CassandraStore {
    async fn waiting_commands(
        &self,
        by: Deadline,
        to: DeviceRef,
        from: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<CommandPage, ReadError> {
        self.reader.waiting_commands(by, to, from, limit, now).await
    }
}

#[async_trait]
impl CommandWriter for CassandraStore {
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError> {
        let mut queue = self.queue_here(call, to).await.map_err(not_done)?;
        if queue.own.is_none() && !self.has_device(call, to).await.map_err(not_done)? {
            return Err(Refusal::Conflict.into());
        }
        let mut doubts = Doubts::default();
        loop {
            if let Some(place) = queue.own {
                return Ok(place.unsigned_abs());
            }
            let place = queue.next(command.created_at);
            let decided = self.put_at(call, to, &queue, place, &command);
            let look = || self.queue_serially(call, to);
            match doubts.weigh(decide_or_look(call.deadline, decided, look).await)? {
                Settled::Applied => return Ok(place.unsigned_abs()),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    queue = view;
                }
            }
            pause(call.deadline, &*self.random).await;
        }
    }
}

impl CassandraStore {
    async fn has_device(&self, call: &Call, to: DeviceRef) -> Result<bool, ReadError> {
        let devices = sweep::devices(self, call, to.uid).await?;
        Ok(devices.iter().any(|device| device.id == to.device))
    }

    async fn put_at(
        &self,
        call: &Call,
        to: DeviceRef,
        queue: &Queue,
        place: i64,
        command: &DeviceCommand,
    ) -> Result<Outcome, WriteError> {
        let (uid, device, decisions) = (to.uid.as_bytes(), to.device.as_bytes(), &self.accounts.commands);
        let new = NewCommand {
            uid,
            device,
            place,
            op: call.op.as_bytes(),
            name: &command.name,
            payload: &command.payload,
            sender: command.sender.as_ref().map(DeviceId::as_bytes),
            created_at: time(command.created_at),
            expires_at: time(command.expires_at),
            ttl: ttl(command),
        };
        let number = (place, uid, device, queue.last);
        let mut statements = vec![
            decisions.number.prepared().clone(),
            decisions.put_command.prepared().clone(),
        ];
        let by = call.deadline;
        match queue.too_many() {
            [] => self.cql.decide_together(by, statements, (number, new)).await,
            // One at a time: the next command takes the next of them along.
            [oldest, ..] => {
                statements.push(decisions.drop_command.prepared().clone());
                let values = (number, new, (uid, device, *oldest));
                self.cql.decide_together(by, statements, values).await
            }
        }
    }

    /// Removes what waits for a device. The last number stays until it expires. What is sent at the same time may stay as
    /// long: nobody comes for it.
    pub(crate) async fn drop_commands(
        &self,
        call: &Call,
        uid: Uid,
        device: DeviceId,
    ) -> Result<(), WriteError> {
        let to = DeviceRef { uid, device };
        let mut queue = self.queue_here(call, to).await.map_err(not_done)?;
        let mut doubts = Doubts::default();
        while !queue.places.is_empty() {
            let decided = self.drop_all(call, to, &queue);
            let look = || self.queue_serially(call, to);
            match doubts.weigh(decide_or_look(call.deadline, decided, look).await)? {
                Settled::Applied => return Ok(()),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    queue = view;
                }
            }
            pause(call.deadline, &*self.random).await;
        }
        Ok(())
    }

    async fn drop_all(&self, call: &Call, to: DeviceRef, queue: &Queue) -> Result<Outcome, WriteError> {
        let decisions = &self.accounts.commands;
        let mut statements = vec![decisions.number.prepared().clone()];
        let mut values = vec![DropValues::Last(queue.last, &to)];
        for place in &queue.places {
            statements.push(decisions.drop_command.prepared().clone());
            values.push(DropValues::Place(*place, &to));
        }
        self.cql.decide_together(call.deadline, statements, values).await
    }

    async fn queue_here(&self, call: &Call, to: DeviceRef) -> Result<Queue, ReadError> {
        let values = (to.uid.as_bytes(), to.device.as_bytes());
        let queue: &Read = &self.accounts.commands.queue;
        let rows = self.cql.rows(call.deadline, queue, values).await?;
        Ok(Queue::read(rows, &call.op))
    }

    async fn queue_serially(&self, call: &Call, to: DeviceRef) -> Result<Queue, ReadError> {
        let values = (to.uid.as_bytes(), to.device.as_bytes());
        let queue: &Read = &self.accounts.commands.queue;
        let rows = self
            .cql
            .serial_rows(Level::Deployment, call.deadline, queue, values)
            .await?;
        Ok(Queue::read(rows, &call.op))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: OpId = OpId::from_bytes([1; 16]);

    fn row(place: Option<i64>, op: u8, last: i64) -> QueueRow {
        QueueRow {
            place,
            op: place.map(|_| vec![op; 16]),
            last: Some(last),
        }
    }

    #[test]
    fn a_queue_tells_its_last_number_and_what_one_has_sent_oneself() {
        assert_eq!(Queue::read(vec![], &ME), Queue::default());
        let emptied = Queue::read(vec![row(None, 0, 7)], &ME);
        assert_eq!((emptied.last, emptied.own), (Some(7), None));
        assert!(emptied.places.is_empty());
        let queue = Queue::read(vec![row(Some(3), 2, 9), row(Some(9), 1, 9)], &ME);
        assert_eq!(
            (queue.last, queue.own, &queue.places[..]),
            (Some(9), Some(9), &[3, 9][..])
        );
        assert_eq!(queue.next(Timestamp::from_millis(5)), 10);
    }

    #[test]
    fn room_is_made_for_one_more() {
        let with = |count: usize| Queue {
            places: (0..).take(count).collect(),
            ..Queue::default()
        };
        assert!(with(WAITING_MAX - 1).too_many().is_empty());
        assert_eq!(with(WAITING_MAX).too_many(), [0]);
    }

    #[test]
    fn a_command_is_kept_until_it_expires_and_not_longer_than_any() {
        let lasting = |millis| {
            ttl(&DeviceCommand {
                name: "c".into(),
                payload: "{}".into(),
                sender: None,
                created_at: Timestamp::from_millis(1000),
                expires_at: Timestamp::from_millis(millis),
            })
        };
        for (expires, expected) in [
            (0, 1),
            (1000, 1),
            (2001, 2),
            (61_000, 60),
            (u64::MAX, 30 * 86_400),
        ] {
            assert_eq!(lasting(expires), expected, "{expires}");
        }
    }
}
