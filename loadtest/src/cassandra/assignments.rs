//! First assignments of users nobody has seen before: the store's, beside its two statements put by the driver alone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Result, ensure};
use foxhold_core::{
    Clock as _, Deadline, OpId, Random, Timestamp,
    record::{ClientState, Generation, ServiceKey, UserKey},
};
use foxhold_ports::{
    AssignmentWriter as _, Call,
    assignments::{RecordRef, Target, UserValues},
};
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::CassandraStore;
use scylla::{
    client::session::Session,
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::{CqlTimestamp, CqlValue},
};

use super::{
    Options,
    bench::{Bench, statement},
    compare, contender, in_loops,
};

/// How long one may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    let numbers = Arc::new(AtomicU64::new(0));
    let ours = {
        let (store, numbers) = (Arc::clone(&bench.store), Arc::clone(&numbers));
        move || {
            let (store, number) = (Arc::clone(&store), numbers.fetch_add(1, Ordering::Relaxed));
            async move { assign(&store, number).await }
        }
    };
    let bare = {
        let driver = Arc::new(Bare::prepare(Arc::clone(&bench.driver)).await?);
        move || {
            let (driver, number) = (Arc::clone(&driver), numbers.fetch_add(1, Ordering::Relaxed));
            async move { driver.assign(number).await }
        }
    };
    let contenders = [
        contender("driver alone, the same statements", |span| {
            in_loops(options.in_flight, span, bare.clone())
        }),
        contender("Foxhold", |span| in_loops(options.in_flight, span, ours.clone())),
    ];
    let title = "First assignments over Cassandra";
    let how = "Three nodes, three copies: a row that notes the slot, then a conditional write at SERIAL.";
    compare(options, title, how, &contenders).await
}

fn user(number: u64) -> String {
    format!("{number:032x}@assigned.test")
}

async fn assign(store: &CassandraStore, number: u64) -> Result<()> {
    let now = SystemClock.now();
    let call = Call {
        op: OpId::new(now, &SystemRandom),
        deadline: Deadline::after(PATIENCE),
    };
    let at = RecordRef {
        service: ServiceKey("sync-1.5".to_owned()),
        user: UserKey(user(number)),
        version: None,
    };
    let values = UserValues {
        generation: Generation(now.as_millis()),
        keys_changed_at: None,
        client_state: ClientState::default(),
    };
    store.assign(&call, &at, &values, &Target::DEFAULT, now).await?;
    Ok(())
}

/// The statements of an assignment, without rules, slots or uids.
struct Bare {
    driver: Arc<Session>,
    note: PreparedStatement,
    batch: Batch,
    random: SystemRandom,
}

impl Bare {
    async fn prepare(driver: Arc<Session>) -> Result<Self> {
        let mut note = driver.prepare(statement("note_slot")?).await?;
        note.set_consistency(Consistency::LocalQuorum);
        let mut batch = Batch::new(BatchType::Unlogged);
        for name in ["replace", "operation", "spend_slot"] {
            batch.append_statement(driver.prepare(statement(name)?).await?);
        }
        batch.set_consistency(Consistency::LocalQuorum);
        batch.set_serial_consistency(Some(SerialConsistency::Serial));
        Ok(Self {
            driver,
            note,
            batch,
            random: SystemRandom,
        })
    }

    async fn assign(&self, number: u64) -> Result<()> {
        let (service, user, now) = ("sync-1.5", user(number), SystemClock.now());
        let op: [u8; 16] = foxhold_core::random::bytes(&self.random as &dyn Random);
        let slot: [u8; 24] = foxhold_core::random::bytes(&self.random as &dyn Random);
        let (op, slot, lease) = (op.to_vec(), slot.to_vec(), slot[..16].to_vec());
        let micros = i64::try_from(now.as_millis())? * 1000;
        let noted = (&lease, i64::try_from(number)?, &op, &user, micros);
        self.driver.execute_unpaged(&self.note, noted).await?;
        let record: Vec<Option<CqlValue>> = record(number, now, &slot, service, &user)?;
        let operation = (service, &user, &op, 12_i8, vec![0_u8; 96]);
        let spent = (service, &user, &slot, 100_i8);
        let answer = self.driver.batch(&self.batch, (record, operation, spent)).await?;
        let answer = answer.into_rows_result()?;
        let row = answer.first_row::<scylla::value::Row>()?;
        let applied = row
            .columns
            .first()
            .and_then(|column| column.as_ref()?.as_boolean());
        ensure!(applied == Some(true), "the user was there already");
        Ok(())
    }
}

/// The columns of `replace`, in its order.
fn record(
    number: u64,
    now: Timestamp,
    slot: &[u8],
    service: &str,
    user: &str,
) -> Result<Vec<Option<CqlValue>>> {
    let now_ms = i64::try_from(now.as_millis())?;
    let time = || Some(CqlValue::Timestamp(CqlTimestamp(now_ms)));
    let count = |number: i64| Some(CqlValue::BigInt(number));
    let text = |text: &str| Some(CqlValue::Text(text.to_owned()));
    Ok(vec![
        count(i64::try_from(number)?),
        count(now_ms),
        None,
        Some(CqlValue::Blob(Vec::new())),
        time(),
        None,
        count(1),
        Some(CqlValue::Blob(slot.to_vec())),
        Some(CqlValue::List(Vec::new())),
        time(),
        count(1),
        text(service),
        text(user),
        None,
    ])
}
