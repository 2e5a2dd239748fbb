//! Shows the bounds of the pool with jobs that wait until the test lets them go; no real stretching, no real time.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use super::*;

struct Fixed(u8);
impl Random for Fixed {
    fn fill(&self, dest: &mut [u8]) {
        dest.fill(self.0);
    }
}

const MIB: u64 = 1024 * 1024;

fn limits(slots: u64) -> PoolLimits {
    PoolLimits {
        cores: 64,
        wait_max: Duration::from_secs(600),
        finish_max: Duration::from_secs(600),
        ..PoolLimits::of_machine(slots * JOB_MEMORY)
    }
}

fn some_day() -> Deadline {
    Deadline::after(Duration::from_secs(600))
}

/// A pool whose jobs tell that they run and then wait for a word.
struct Bench {
    pool: Arc<Pool<u32, u32>>,
    begun: mpsc::Receiver<u32>,
    go: mpsc::SyncSender<()>,
    most_at_once: Arc<AtomicUsize>,
}

fn bench(limits: PoolLimits) -> Bench {
    let (says, begun) = mpsc::sync_channel(100);
    let (go, waits) = mpsc::sync_channel::<()>(100);
    let waits = Mutex::new(waits);
    let (now, most_at_once) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let most = Arc::clone(&most_at_once);
    let pool = Pool::start(limits, Arc::new(Fixed(0)), move |input: u32| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        says.send(input).unwrap();
        waits.lock().unwrap().recv().unwrap();
        now.fetch_sub(1, Ordering::SeqCst);
        assert_ne!(input, 666, "this one panics");
        input * 2
    });
    Bench {
        pool: Arc::new(pool.unwrap()),
        begun,
        go,
        most_at_once,
    }
}

impl Bench {
    fn submit(&self, input: u32) -> tokio::task::JoinHandle<Result<u32, Refused>> {
        let pool = Arc::clone(&self.pool);
        tokio::spawn(async move { pool.run(some_day(), input).await })
    }

    /// Until `waiting` jobs wait: they are tasks of the same runtime, so giving way lets them get there.
    async fn until_waiting(&self, waiting: usize) {
        while self.pool.counts().waiting != waiting {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn slots_are_what_memory_and_cores_allow() {
    let table = [
        ("nothing", 0, 8, None),
        ("not quite one", 66 * MIB - 1, 8, None),
        ("just one", 66 * MIB, 8, Some(1)),
        ("the contract's two", 132 * MIB, 8, Some(2)),
        ("more memory than cores", 1 << 40, 3, Some(3)),
        ("unknown cores", 1 << 40, 0, Some(1)),
    ];
    for (name, memory_budget, cores, expected) in table {
        let limits = PoolLimits {
            cores,
            ..PoolLimits::of_machine(memory_budget)
        };
        assert_eq!(limits.slots().ok(), expected, "{name}");
    }
}

#[tokio::test]
async fn at_most_the_slots_run_at_once_and_overflow_is_refused_with_a_time() {
    let bench = bench(limits(2));
    let mut accepted: Vec<_> = (0..2).map(|input| bench.submit(input)).collect();
    tokio::task::yield_now().await;
    let mut running: Vec<u32> = (0..2).map(|_| bench.begun.recv().unwrap()).collect();
    running.sort_unstable();
    assert_eq!(running, [0, 1]);
    accepted.extend((2..10).map(|input| bench.submit(input)));
    bench.until_waiting(8).await;

    let refused = bench.pool.run(some_day(), 10).await.unwrap_err();
    assert_eq!(
        refused,
        Refused::Busy {
            retry_after: Duration::from_secs(1)
        }
    );
    for _ in 0..10 {
        bench.go.send(()).unwrap();
    }
    for (input, job) in (0..).zip(accepted) {
        assert_eq!(job.await.unwrap(), Ok(input * 2));
    }
    assert_eq!(bench.most_at_once.load(Ordering::SeqCst), 2);
    assert_eq!(bench.pool.counts().refused, 1);
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_waiting_job_along_and_wastes_a_running_one() {
    let bench = bench(limits(1));
    let running = bench.submit(1);
    tokio::task::yield_now().await;
    assert_eq!(bench.begun.recv().unwrap(), 1);
    let waiting = bench.submit(2);
    bench.until_waiting(1).await;
    waiting.abort();
    bench.until_waiting(0).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let last = bench.submit(3);
    bench.until_waiting(1).await;
    bench.go.send(()).unwrap();
    bench.go.send(()).unwrap();
    assert_eq!(last.await.unwrap(), Ok(6));
    assert_eq!(bench.begun.recv().unwrap(), 3, "2 never ran");
    assert_eq!(bench.pool.counts().wasted, 1);
}

#[tokio::test]
async fn a_job_that_may_wait_no_longer_is_refused_while_the_slot_is_taken() {
    let bench = bench(PoolLimits {
        wait_max: Duration::from_millis(200),
        ..limits(1)
    });
    let running = bench.submit(1);
    tokio::task::yield_now().await;
    assert_eq!(bench.begun.recv().unwrap(), 1);
    // Nothing ever frees the slot, so only the longest wait can end this one.
    assert!(matches!(
        bench.pool.run(some_day(), 2).await,
        Err(Refused::Busy { .. })
    ));
    assert!(bench.pool.counts().full_for.is_some());
    bench.go.send(()).unwrap();
    assert_eq!(
        running.await.unwrap(),
        Ok(2),
        "one that runs has until its deadline"
    );
}

#[tokio::test]
async fn nobody_waits_past_the_own_deadline() {
    let bench = bench(limits(1));
    let running = bench.submit(1);
    tokio::task::yield_now().await;
    assert_eq!(bench.begun.recv().unwrap(), 1);
    // Nothing ever frees the slot, and the longest wait is far away: only the deadline can end this one.
    let soon = Deadline::after(Duration::from_millis(300));
    assert_eq!(bench.pool.run(soon, 2).await, Err(Refused::TooLate));
    assert_eq!(bench.pool.counts().waiting, 0, "taken back");
    bench.go.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(2));
}

#[tokio::test]
async fn a_slot_that_goes_from_job_to_job_is_full_without_a_break() {
    let bench = bench(limits(1));
    let first = bench.submit(1);
    tokio::task::yield_now().await;
    assert_eq!(bench.begun.recv().unwrap(), 1);
    let since = Instant::now();
    let second = bench.submit(2);
    bench.until_waiting(1).await;
    bench.go.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(2));
    assert_eq!(bench.begun.recv().unwrap(), 2);
    let full_at_least = since.elapsed();
    assert!(bench.pool.counts().full_for.unwrap() >= full_at_least);
    bench.go.send(()).unwrap();
    assert_eq!(second.await.unwrap(), Ok(4));
    while bench.pool.counts().full_for.is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_passed_deadline_is_not_worked_for() {
    let bench = bench(limits(1));
    let refused = bench.pool.run(Deadline::after(Duration::ZERO), 1).await;
    assert_eq!(refused, Err(Refused::TooLate));
    assert!(bench.begun.try_recv().is_err());
}

#[tokio::test]
async fn a_panic_costs_one_job_and_no_slot() {
    let bench = bench(limits(1));
    bench.go.send(()).unwrap();
    bench.go.send(()).unwrap();
    assert_eq!(bench.pool.run(some_day(), 666).await, Err(Refused::Failed));
    assert_eq!(bench.pool.run(some_day(), 4).await, Ok(8));
}

#[tokio::test]
async fn the_end_refuses_what_waits_and_finishes_what_runs() {
    let bench = bench(limits(1));
    let running = bench.submit(1);
    tokio::task::yield_now().await;
    assert_eq!(bench.begun.recv().unwrap(), 1);
    let waiting = bench.submit(2);
    bench.until_waiting(1).await;
    let pool = Arc::clone(&bench.pool);
    let end = tokio::spawn(async move { pool.end().await });
    assert_eq!(waiting.await.unwrap(), Err(Refused::Ending));
    assert_eq!(bench.pool.run(some_day(), 3).await, Err(Refused::Ending));
    bench.go.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(2));
    assert!(end.await.unwrap());
}

#[test]
fn the_time_to_come_back_is_bounded_and_spread() {
    let second = Duration::from_secs(1);
    let table = [
        (Duration::ZERO, 0, second),
        (Duration::ZERO, 255, second * 6 / 5),
        (second * 10, 0, second * 8),
        (second * 10 - Duration::from_millis(1), 255, second * 12),
        (second * 1000, 0, second * 24),
        (second * 1000, 255, second * 30),
    ];
    for (drain_time, draw, retry_after) in table {
        let pool = Pool::start(limits(1), Arc::new(Fixed(draw)), |input: u32| input).unwrap();
        let refusal = pool.shared.refusal(Busy { drain_time });
        assert_eq!(refusal, Refused::Busy { retry_after }, "{drain_time:?} {draw}");
    }
}
