//! The exchange and first assignments over Cassandra, beside the bare driver that puts the very same statements to the same
//! cluster in the same run: what is left of the driver's rate when Foxhold stands in between.
//!
//! The cluster has three nodes on this machine, so its rates mean nothing anywhere else; the ratio does.

mod assignments;
mod bench;
mod exchange;

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{table, tally::Tally};

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Users, each with a token of its own.
    #[arg(long, default_value_t = 2000)]
    users: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 8)]
    secs: u64,
    /// Measurements of each contender.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each that go before, unmeasured: a young virtual machine is slow.
    #[arg(long, default_value_t = 20)]
    warm_up_secs: u64,
    /// Keep the nodes to this core. Start the benchmark itself on another one, as with `taskset --cpu-list 1`.
    #[arg(long)]
    nodes_core: Option<usize>,
}

/// What is measured of a contender.
#[derive(Debug, Clone, Copy)]
struct Sample {
    per_sec: f64,
    p50: Duration,
    p99: Duration,
}

impl From<Tally> for Sample {
    fn from(tally: Tally) -> Self {
        Self {
            per_sec: tally.per_sec(),
            p50: tally.percentile(50),
            p99: tally.percentile(99),
        }
    }
}

/// Starts a cluster, measures, and prints the tables.
///
/// # Errors
/// When the cluster does not start, or anything but success is answered.
pub(crate) async fn run(options: &Options) -> Result<()> {
    table::progress("cassandra: starting three nodes");
    let bench = bench::Bench::start(options.nodes_core).await?;
    exchange::run(&bench, options).await?;
    assignments::run(&bench, options).await
}

/// Something that is measured: its name, and what works for a span of time.
type Contender<'a> = (&'static str, Box<dyn Fn(Duration) -> Working<'a> + 'a>);

/// A contender at work.
type Working<'a> = Pin<Box<dyn Future<Output = Result<Tally>> + 'a>>;

fn contender<'a, F>(name: &'static str, work: impl Fn(Duration) -> F + 'a) -> Contender<'a>
where
    F: Future<Output = Result<Tally>> + 'a,
{
    (name, Box::new(move |span| Box::pin(work(span))))
}

/// Turns of contenders, of which the first is what the others are held against; the middle round of each counts.
async fn compare(options: &Options, title: &str, how: &str, contenders: &[Contender<'_>]) -> Result<()> {
    table::progress(&format!("{title}: warming up"));
    for (_, work) in contenders {
        work(Duration::from_secs(options.warm_up_secs)).await?;
    }
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 1..=options.rounds {
        table::progress(&format!("{title}: round {round} of {}", options.rounds));
        for ((_, work), samples) in contenders.iter().zip(&mut samples) {
            samples.push(Sample::from(work(Duration::from_secs(options.secs)).await?));
        }
    }
    let middles: Option<Vec<Sample>> = samples.into_iter().map(middle).collect();
    let middles = middles.context("no rounds")?;
    let first = middles.first().context("no contenders")?.per_sec;
    let row = |(name, sample): (&str, &Sample)| {
        vec![
            name.to_owned(),
            format!("{:.0}", sample.per_sec),
            format!("{:.2}", sample.per_sec / first),
            format!("{:.1}", sample.p50.as_secs_f64() * 1000.0),
            format!("{:.1}", sample.p99.as_secs_f64() * 1000.0),
        ]
    };
    let names = contenders.iter().map(|(name, _)| *name);
    let rows: Vec<_> = names.zip(&middles).map(row).collect();
    let how = format!(
        "{how} {} in flight, middle of {} rounds of {} s each, in turn.",
        options.in_flight, options.rounds, options.secs
    );
    table::print(
        title,
        &how,
        &["contender", "a second", "× driver", "p50 ms", "p99 ms"],
        &rows,
    )?;
    Ok(())
}

fn middle(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|a, b| a.per_sec.total_cmp(&b.per_sec));
    samples.get(samples.len() / 2).copied()
}

/// Runs `tasks` loops of `one` until the time is over; each call says how long it took.
async fn in_loops<F>(
    tasks: usize,
    span: Duration,
    one: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Tally>
where
    F: Future<Output = Result<()>> + Send,
{
    let began = Instant::now();
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let one = one.clone();
        loops.spawn(async move {
            let mut latencies = Vec::new();
            while began.elapsed() < span {
                let sent = Instant::now();
                one().await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(finished) = loops.join_next().await {
        latencies.extend(finished??);
    }
    Ok(Tally::new(latencies, began.elapsed()))
}
