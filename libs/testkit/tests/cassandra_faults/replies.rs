//! Requests arrive at a node and are carried out, but nobody hears of it (`security.md` D.5, "Cassandra write timeout"):
//! whoever is told "later" comes again with a new request, and has one account and one node in the end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use foxhold_testkit::{
    cassandra::Cluster,
    fleet::Fleet,
    http::Answer,
    insist::{in_words, insist, is_later, success},
    person::{Person, Server, exchange},
    report::report,
    wait::{patiently, pause, wait_until},
};
use hyper::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    asks::Pass,
    scene::{newcomer, pass, stranger},
};

/// Sign-ups, and as many first exchanges, for each node.
const AT_ONCE: usize = 3;

/// What clients were told.
#[derive(Default)]
struct Told {
    done: AtomicUsize,
    later: AtomicUsize,
    /// Clients who were told anything.
    begun: AtomicUsize,
    /// Sign-ups that were told "later" and were there.
    there: AtomicUsize,
    /// How long the slowest took, in milliseconds: as long as a reply is waited for.
    longest_ms: AtomicU64,
}

/// Somebody who signed up, whatever it took.
struct SignedUp(Person);

/// Somebody who got a node, whatever it took.
struct Assigned {
    pass: Pass,
    uid: u64,
}

/// Each node in turn.
pub(crate) async fn are_dropped(cluster: &Cluster, fleet: &Fleet) -> Result<()> {
    let server = &fleet.server;
    let told = Arc::new(Told::default());
    let (mut people, mut users) = (Vec::new(), Vec::new());
    let newcomers = newcomers(server, fleet.mailbox).await?;
    for (node, passes) in (1..=3).zip(newcomers) {
        let begun = told.begun.load(Ordering::Relaxed);
        cluster.drop_replies(node).await?;
        let mut signing_up = JoinSet::new();
        let mut asking = JoinSet::new();
        for pass in passes {
            signing_up.spawn(sign_up(server.clone(), Arc::clone(&told)));
            asking.spawn(first_exchange(server.clone(), pass, Arc::clone(&told)));
        }
        wait_until("everybody to be told something", || {
            let all = told.begun.load(Ordering::Relaxed) == begun + 2 * AT_ONCE;
            async move { all }
        })
        .await?;
        cluster.heal(node).await?;
        let what = format!("the replies of node {node} are dropped");
        while let Some(signed_up) = signing_up.join_next().await {
            people.push(signed_up?.with_context(|| what.clone())?);
        }
        while let Some(assigned) = asking.join_next().await {
            users.push(assigned?.with_context(|| what.clone())?);
        }
    }
    for SignedUp(person) in &people {
        one_account(server, person)
            .await
            .with_context(|| format!("account {}", person.uid))?;
    }
    for user in &users {
        let again = async || {
            Ok(success(
                exchange(server, &user.pass.token, &user.pass.key_id).await?,
            ))
        };
        let answer = insist("the exchange again", again).await?;
        ensure!(answer.json()?["uid"].as_u64() == Some(user.uid), "another record");
    }
    report(&format!(
        "replies of each node dropped in turn: {} sign-ups and {} first exchanges, told done {} times and \"later\" {} times \
         ({} of those sign-ups had been done), the slowest after {} ms; one account and one record each",
        people.len(),
        users.len(),
        told.done.load(Ordering::Relaxed),
        told.later.load(Ordering::Relaxed),
        told.there.load(Ordering::Relaxed),
        told.longest_ms.load(Ordering::Relaxed),
    ));
    Ok(())
}

/// Three for each node.
async fn newcomers(server: &Server, mailbox: SocketAddr) -> Result<Vec<[Pass; AT_ONCE]>> {
    let one = async || pass(server, &newcomer(server, mailbox).await?).await;
    let mut passes = Vec::new();
    for _ in 1..=3 {
        let (first, second, third) = tokio::try_join!(one(), one(), one())?;
        passes.push([first, second, third]);
    }
    Ok(passes)
}

impl Told {
    fn took(&self, since: Instant) {
        let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.longest_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// Counts an answer; whether it is a success.
    fn note(&self, is_first: bool, answer: Option<&Answer>) -> Result<bool> {
        self.begun.fetch_add(usize::from(is_first), Ordering::Relaxed);
        match answer {
            None => {
                self.done.fetch_add(1, Ordering::Relaxed);
                Ok(true)
            }
            Some(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                is_later(answer)?;
                self.later.fetch_add(1, Ordering::Relaxed);
                Ok(false)
            }
            Some(answer) => bail!("{}", in_words(answer)),
        }
    }
}

/// Signs up until it is done. Whoever is told "later" looks whether it has happened: either the address has no account,
/// or it is this one's.
async fn sign_up(server: Server, told: Arc<Told>) -> Result<SignedUp> {
    let began = Instant::now();
    let (email, auth_pw) = stranger();
    let signing_up = async {
        for attempt in 0.. {
            let outcome = Person::sign_up(&server, &email, &auth_pw).await?;
            if told.note(attempt == 0, outcome.as_ref().err().map(|answer| &**answer))? {
                return Ok(outcome.ok().map(SignedUp));
            }
            match Person::sign_in(&server, &email, &auth_pw).await? {
                Ok(person) => {
                    told.there.fetch_add(1, Ordering::Relaxed);
                    return Ok(Some(SignedUp(person)));
                }
                Err(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => is_later(&answer)?,
                // 102: there is no such account.
                Err(answer) => ensure!(answer.json()?["errno"] == 102, "{}", in_words(&answer)),
            }
            pause().await;
        }
        Ok(None)
    };
    let signed_up = patiently("a sign-up", signing_up).await??;
    told.took(began);
    signed_up.context("it ends with an account")
}

async fn first_exchange(server: Server, pass: Pass, told: Arc<Told>) -> Result<Assigned> {
    let began = Instant::now();
    let exchanging = async {
        for attempt in 0.. {
            let answer = exchange(&server, &pass.token, &pass.key_id).await?;
            let refusal = (answer.status != StatusCode::OK).then_some(&answer);
            if told.note(attempt == 0, refusal)? {
                return Ok(answer.json()?["uid"].as_u64());
            }
            pause().await;
        }
        anyhow::Ok(None)
    };
    let uid = patiently("a first exchange", exchanging).await??;
    told.took(began);
    let uid = uid.context("no uid")?;
    Ok(Assigned { pass, uid })
}

/// The session that was given lives, and the address leads to its account and no other.
async fn one_account(server: &Server, person: &Person) -> Result<()> {
    let path = "/v1/session/status";
    let status = async || {
        Ok(success(
            server
                .signed(hyper::Method::GET, path, &person.session, None)
                .await?,
        ))
    };
    let status = insist("its session", status).await?.json()?;
    ensure!(status["uid"] == person.uid.as_str(), "another account: {status}");
    let body = json!({ "email": person.email });
    let exists = async || Ok(success(server.post("/v1/account/status", &body).await?));
    let exists = insist("whether it is there", exists).await?.json()?;
    ensure!(exists["exists"] == true, "it is not there: {exists}");
    let sign_in = async || Person::sign_in(server, &person.email, &person.auth_pw).await;
    let again = insist("signing in again", sign_in).await?;
    ensure!(again.uid == person.uid, "it has another account");
    Ok(())
}
