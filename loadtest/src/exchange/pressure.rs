//! The exchange when requests do not come as they should: refused credentials, many clients at once at a server that has
//! just started, and requests that arrive at their own pace.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{Contender, Contestant, Options, tokens};
use crate::{
    load::{self, Requests},
    table,
};

/// Requests of each kind that is refused.
const REFUSED: usize = 4000;
/// Clients that come at once.
const AT_ONCE: usize = 256;

pub(super) async fn run(
    memory: &Contestant,
    requests: &Requests,
    options: &Options,
    folder: &Path,
) -> Result<()> {
    let accepted = memory.middle()?;
    let mut rows = vec![vec![
        "accepted".to_owned(),
        format!("{:.1}", accepted.cpu_us),
        "1.00".to_owned(),
    ]];
    for (title, refused) in tokens::refused(REFUSED)? {
        table::progress(&format!("exchange: refused, {title}"));
        let refused = Requests::answered(refused, 401);
        let sample = memory.measure(&refused, options).await?;
        rows.push(vec![
            format!("refused: {title}"),
            format!("{:.1}", sample.cpu_us),
            format!("{:.2}", sample.cpu_us / accepted.cpu_us),
        ]);
    }
    let how = "Token Server, store in memory; 401 each.";
    table::print(
        "What a refused credential costs",
        how,
        &["credential", "CPU µs a request", "× accepted"],
        &rows,
    )?;
    arrivals(memory, requests, options, accepted.per_sec / 2.0).await?;
    cold(folder).await
}

async fn arrivals(memory: &Contestant, requests: &Requests, options: &Options, per_sec: f64) -> Result<()> {
    table::progress("exchange: at half load");
    let span = Duration::from_secs(options.secs * 2);
    let load = load::at_rate(memory.server.address, requests, 64, per_sec, span).await?;
    let ms = |percent| format!("{:.2}", load.percentile(percent).as_secs_f64() * 1000.0);
    let rows = vec![vec![format!("{per_sec:.0}"), ms(50), ms(99), ms(100)]];
    let how = "Token Server, store in memory; requests at a fixed rate of half of what it can, timed from when each was due.";
    table::print(
        "Token exchange at half load",
        how,
        &["requests/s", "p50 ms", "p99 ms", "slowest ms"],
        &rows,
    )?;
    Ok(())
}

/// First requests of new users, all at once, at servers that have just started.
async fn cold(folder: &Path) -> Result<()> {
    let requests = Requests::served(tokens::requests(AT_ONCE)?);
    let mut rows = Vec::new();
    for contender in [Contender::Memory, Contender::Sqlite, Contender::Remote] {
        table::progress(&format!("exchange: cold, {}", contender.title()));
        let folder = folder.join(format!("cold-{contender:?}"));
        std::fs::create_dir(&folder)?;
        let cold = Contestant::start(contender, &folder).await?;
        let load = load::all_at_once(cold.server.address, &requests).await?;
        let ms = |percent| format!("{:.0}", load.percentile(percent).as_secs_f64() * 1000.0);
        rows.push(vec![
            contender.title().to_owned(),
            load.count().to_string(),
            ms(50),
            ms(100),
        ]);
    }
    let how = format!(
        "{AT_ONCE} new users at once, each over a new connection, at a server that has answered nothing before."
    );
    table::print(
        "First requests, cold",
        &how,
        &["server", "answered", "p50 ms", "slowest ms"],
        &rows,
    )?;
    Ok(())
}
