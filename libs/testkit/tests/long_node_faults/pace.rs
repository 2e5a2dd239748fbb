//! A steady stream of requests, sent when they are due whether earlier ones are answered or not, so that a stall counts
//! for everybody who would have come meanwhile.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use foxhold_testkit::{
    http::Answer,
    person::{FIREFOX, OLDSYNC, Person, Server, exchange, unique_hex},
    wait::wait_until,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::MissedTickBehavior,
};

/// People among whom the requests are divided.
const PEOPLE: usize = 8;
/// More requests than this without an answer are not waited for: the stream itself would be the load.
const WAITING_MAX: usize = 2000;

/// Somebody with a session and a node.
struct User {
    person: Person,
    token: String,
    key_id: String,
}

/// What a request was told, and how long after it was due.
#[derive(Debug, Clone, Copy)]
struct Sample {
    took: Duration,
    is_done: bool,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    over: AtomicBool,
    /// By the number of the request.
    samples: Mutex<BTreeMap<u64, Sample>>,
    wrong: Mutex<Option<anyhow::Error>>,
}

/// A stream under way.
pub(crate) struct Pace {
    rate: u64,
    shared: Arc<Shared>,
    sending: JoinHandle<()>,
}

/// What became of the requests of a span of time.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) done: usize,
    later: usize,
    p50: Duration,
    pub(crate) p99: Duration,
    longest: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |span: Duration| span.as_millis();
        write!(
            f,
            "{} answered, {} told 503, p50 {} ms, p99 {} ms, longest {} ms",
            self.done,
            self.later,
            ms(self.p50),
            ms(self.p99),
            ms(self.longest)
        )
    }
}

impl Pace {
    /// Signs people up, then sends `rate` requests a second.
    pub(crate) async fn start(server: &Server, mailbox: SocketAddr, rate: u64) -> Result<Self> {
        let mut users = Vec::new();
        for _ in 0..PEOPLE {
            users.push(Arc::new(User::come(server, mailbox).await?));
        }
        let shared = Arc::new(Shared::default());
        let sending = tokio::spawn(send(server.clone(), users, rate, Arc::clone(&shared)));
        Ok(Self {
            rate,
            shared,
            sending,
        })
    }

    /// What becomes of the requests that are due in the next `secs` seconds.
    ///
    /// # Errors
    /// When one was told anything but 200 or "come back later".
    pub(crate) async fn window(&self, secs: u64) -> Result<Figures> {
        let first = self.shared.sent.load(Ordering::Relaxed);
        let behind = first + secs * self.rate;
        wait_until("the requests of a span of time", || {
            let answered = locked(&self.shared.samples).range(first..behind).count() as u64 == behind - first;
            let failed = locked(&self.shared.wrong).is_some() || self.sending.is_finished();
            async move { answered || failed }
        })
        .await?;
        if let Some(wrong) = locked(&self.shared.wrong).take() {
            return Err(wrong);
        }
        let samples: Vec<Sample> = locked(&self.shared.samples)
            .range(first..behind)
            .map(|(_, sample)| *sample)
            .collect();
        Figures::of(&samples)
    }

    /// Ends the stream.
    pub(crate) async fn end(self) -> Result<()> {
        self.shared.over.store(true, Ordering::Relaxed);
        self.sending.await?;
        locked(&self.shared.wrong).take().map_or(Ok(()), Err)
    }
}

impl Figures {
    fn of(samples: &[Sample]) -> Result<Self> {
        let mut spans: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        spans.sort_unstable();
        let (last, done) = (
            spans.last(),
            samples.iter().filter(|sample| sample.is_done).count(),
        );
        let percentile = |percent: usize| spans[(spans.len() * percent).div_ceil(100).max(1) - 1];
        Ok(Self {
            longest: *last.context("no request")?,
            p50: percentile(50),
            p99: percentile(99),
            later: samples.len() - done,
            done,
        })
    }
}

/// Requests that could not be sent in time are sent at once when they can: they were due before.
async fn send(server: Server, users: Vec<Arc<User>>, rate: u64, shared: Arc<Shared>) {
    let step = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
    let mut ticks = tokio::time::interval(step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut waiting = JoinSet::new();
    while !shared.over.load(Ordering::Relaxed) {
        let due = ticks.tick().await.into_std();
        while waiting.try_join_next().is_some() {}
        if waiting.len() >= WAITING_MAX {
            *locked(&shared.wrong) = Some(anyhow!("{WAITING_MAX} requests wait for an answer"));
            return;
        }
        let number = shared.sent.fetch_add(1, Ordering::Relaxed);
        let user = Arc::clone(&users[usize::try_from(number).unwrap_or(0) % users.len()]);
        let (server, shared) = (server.clone(), Arc::clone(&shared));
        waiting.spawn(async move {
            match user.request(&server, number / PEOPLE as u64).await {
                Ok(is_done) => {
                    let took = Instant::now().saturating_duration_since(due);
                    locked(&shared.samples).insert(number, Sample { took, is_done });
                }
                Err(error) => *locked(&shared.wrong) = Some(error),
            }
        });
    }
    while waiting.join_next().await.is_some() {}
}

impl User {
    async fn come(server: &Server, mailbox: SocketAddr) -> Result<Self> {
        let email = format!("{}@example.test", &unique_hex()[..20]);
        let person = granted(Person::sign_up(server, &email, &unique_hex()).await?)?;
        person.verify(server, mailbox).await?;
        let key_id = granted(person.key_id(server).await?)?;
        let token = granted(person.access_token(server).await?)?;
        let answer = exchange(server, &token, &key_id).await?;
        ensure!(answer.status == StatusCode::OK, "no node: {}", answer.status);
        Ok(Self {
            person,
            token,
            key_id,
        })
    }

    /// Of ten requests five are exchanges of a user who has a node, two ask after a session, two write a device, one makes
    /// an authorization code (a conditional write). `false` if it was told to come later.
    async fn request(&self, server: &Server, turn: u64) -> Result<bool> {
        let session = &self.person.session;
        let (what, answer) = match turn % 10 {
            0 | 2 | 4 | 6 | 8 => ("exchange", exchange(server, &self.token, &self.key_id).await),
            1 | 5 => {
                let asked = server.signed(Method::GET, "/v1/session/status", session, None);
                ("session", asked.await)
            }
            3 | 7 => {
                let body = json!({ "name": format!("Desk {turn}"), "type": "desktop" });
                let asked = server.signed(Method::POST, "/v1/account/device", session, Some(&body));
                ("device", asked.await)
            }
            _ => {
                let (path, body) = ("/v1/oauth/authorization", authorization());
                let asked = server.signed(Method::POST, path, session, Some(&body));
                ("code", asked.await)
            }
        };
        let answer = answer.with_context(|| format!("no answer to {what}"))?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::SERVICE_UNAVAILABLE if !answer.header("retry-after").is_empty() => Ok(false),
            _ => bail!("{what}: {}", shown(&answer)),
        }
    }
}

fn granted<T>(outcome: Result<T, Box<Answer>>) -> Result<T> {
    outcome.map_err(|answer| anyhow!(shown(&answer)))
}

fn shown(answer: &Answer) -> String {
    format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// The challenge is RFC 7636's example.
fn authorization() -> Value {
    json!({
        "client_id": FIREFOX,
        "state": "state",
        "scope": OLDSYNC,
        "response_type": "code",
        "access_type": "offline",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
