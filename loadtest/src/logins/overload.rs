//! Ten times as many logins as get in, at fixed times whatever the answers take, from clients that do not come back; and the
//! health page meanwhile.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use foxhold_testkit::{
    http,
    person::{Person, Server},
};
use tokio::task::{JoinHandle, JoinSet};

use crate::{table, tally::Tally};

/// What there was to see.
pub(super) struct Overload {
    sent_per_sec: f64,
    sent: usize,
    served: Tally,
    health: Tally,
}

impl Overload {
    pub(super) async fn put_on(
        server: &Server,
        people: &Arc<Vec<Person>>,
        sent_per_sec: f64,
        secs: u64,
    ) -> Result<Self> {
        table::progress(&format!("logins: {sent_per_sec:.0} a second for {secs} s"));
        let health = Health::watch(server.clone());
        let began = Instant::now();
        let mut logins = JoinSet::new();
        for number in 0_u32.. {
            let due = Duration::from_secs_f64(f64::from(number) / sent_per_sec);
            if due >= Duration::from_secs(secs) {
                break;
            }
            tokio::time::sleep_until((began + due).into()).await;
            let (server, people) = (server.clone(), Arc::clone(people));
            logins.spawn(async move { login(&server, &people[number as usize % people.len()]).await });
        }
        let sent = logins.len();
        let mut served = Vec::new();
        while let Some(login) = logins.join_next().await {
            served.extend(login??);
        }
        let wall = began.elapsed();
        Ok(Self {
            sent_per_sec,
            sent,
            served: Tally::new(served, wall),
            health: Tally::new(health.end().await?, wall),
        })
    }

    /// Prints the table; `per_sec` is how many get in when no more than that come.
    pub(super) fn report(&self, per_sec: f64) -> io::Result<()> {
        let row = |name: &str, tally: &Tally, of_capacity: String| {
            let ms = |span: Duration| format!("{:.0}", span.as_secs_f64() * 1000.0);
            vec![
                name.to_owned(),
                tally.count().to_string(),
                of_capacity,
                ms(tally.percentile(50)),
                ms(tally.percentile(99)),
                ms(tally.percentile(100)),
            ]
        };
        let how = format!(
            "{} logins at {:.0} a second, ten times of what gets in; none comes back. All others were told 503 with Retry-After.",
            self.sent, self.sent_per_sec
        );
        let head = [
            "",
            "answered",
            "of what gets in",
            "p50 ms",
            "p99 ms",
            "slowest ms",
        ];
        let of_capacity = format!("{:.2}", self.served.per_sec() / per_sec);
        let rows = [
            row("logins served", &self.served, of_capacity),
            row("health page, one after the other", &self.health, String::new()),
        ];
        table::print("Logins at ten times the load", &how, &head, &rows)
    }
}

/// How long a login took; nothing if it was refused for now.
async fn login(server: &Server, person: &Person) -> Result<Option<Duration>> {
    let sent = Instant::now();
    match Person::sign_in(server, &person.email, &person.auth_pw).await? {
        Ok(_) => Ok(Some(sent.elapsed())),
        Err(answer) => {
            let is_later = answer.status.as_u16() == 503 && !answer.header("retry-after").is_empty();
            ensure!(is_later, "login: {} {:?}", answer.status, answer.body);
            Ok(None)
        }
    }
}

/// Somebody who looks at the health page again and again.
struct Health {
    over: Arc<AtomicBool>,
    looks: JoinHandle<Result<Vec<Duration>>>,
}

impl Health {
    fn watch(server: Server) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let looks = tokio::spawn(async move {
            let mut latencies = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let answer = http::get(server.address, "/__heartbeat__").await?;
                ensure!(answer.status.as_u16() == 200, "health: {}", answer.status);
                latencies.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(latencies)
        });
        Self { over, looks }
    }

    async fn end(self) -> Result<Vec<Duration>> {
        self.over.store(true, Ordering::Relaxed);
        self.looks.await?
    }
}
