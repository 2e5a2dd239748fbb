//! Who is there, and waves of requests: everything that can be asked, all at once.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use foxhold_testkit::{
    fleet::Fleet,
    http::Answer,
    insist::{in_words, insist, success},
    person::{Person, Server, exchange, unique_hex},
    wait::{patiently, pause},
};
use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::asks::{Ask, Expect, Known, Pass};

/// The people of the test, and how many answers they have had.
pub(crate) struct Scene {
    server: Server,
    mailbox: SocketAddr,
    home: Arc<Person>,
    home_pass: Pass,
    stranger: (String, String),
    prepared: VecDeque<Arc<Known>>,
    answers: usize,
}

/// Signs up and types the code in.
pub(crate) async fn newcomer(server: &Server, mailbox: SocketAddr) -> Result<Person> {
    let (email, auth_pw) = stranger();
    let sign_up = async || Person::sign_up(server, &email, &auth_pw).await;
    let person = insist("signing up", sign_up).await?;
    let verify = async || Ok(success(person.verify(server, mailbox).await?));
    insist("typing the code in", verify).await?;
    Ok(person)
}

/// What somebody needs to ask the Token Server.
pub(crate) async fn pass(server: &Server, person: &Person) -> Result<Pass> {
    Ok(Pass {
        token: insist("an access token", async || person.access_token(server).await).await?,
        key_id: insist("a key id", async || person.key_id(server).await).await?,
    })
}

/// What is answered; on a busy machine even what works may be late, and is asked for again.
async fn answer(known: &Known, server: &Server, ask: Ask, may_be_late: bool) -> Result<Answer> {
    let asking = async {
        loop {
            let answer = known.ask(server, ask).await?;
            if !may_be_late || answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return Ok(answer);
            }
            pause().await;
        }
    };
    patiently("what works", asking).await?
}

/// An address and a password that nobody has.
pub(crate) fn stranger() -> (String, String) {
    (format!("{}@example.test", &unique_hex()[..20]), unique_hex())
}

impl Scene {
    /// Somebody with an account and a node.
    pub(crate) async fn set(fleet: &Fleet) -> Result<Self> {
        let (server, mailbox) = (fleet.server.clone(), fleet.mailbox);
        let home = newcomer(&server, mailbox).await?;
        let home_pass = pass(&server, &home).await?;
        let first = async || {
            Ok(success(
                exchange(&server, &home_pass.token, &home_pass.key_id).await?,
            ))
        };
        insist("a node", first).await?;
        Ok(Self {
            server,
            mailbox,
            home: Arc::new(home),
            home_pass,
            stranger: stranger(),
            prepared: VecDeque::new(),
            answers: 0,
        })
    }

    /// Answers so far, those of preparations aside.
    pub(crate) const fn answers(&self) -> usize {
        self.answers
    }

    /// What is needed for so many waves, made while everything works.
    pub(crate) async fn prepare(&mut self, waves: usize) -> Result<()> {
        while self.prepared.len() < waves {
            let person = newcomer(&self.server, self.mailbox).await?;
            let (server, home) = (&self.server, &self.home);
            let sign_in = async || Person::sign_in(server, &home.email, &home.auth_pw).await;
            self.prepared.push_back(Arc::new(Known {
                home: Arc::clone(home),
                home_pass: self.home_pass.clone(),
                newcomer: pass(server, &person).await?,
                leaver: insist("signing in", sign_in).await?,
                stranger: self.stranger.clone(),
            }));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Arc<Known>> {
        self.prepare(1).await?;
        self.prepared.pop_front().context("it was prepared")
    }

    /// Asks everything at once; how many worked, and how many were told to come later.
    ///
    /// # Errors
    /// For the first answer that is not as expected, or none.
    pub(crate) async fn wave(&mut self, expected: impl Fn(Ask) -> Expect) -> Result<(usize, usize)> {
        let known = self.next().await?;
        let mut asking = JoinSet::new();
        for ask in Ask::ALL {
            let (known, server) = (Arc::clone(&known), self.server.clone());
            let may_be_late = expected(ask) == Expect::Works && !ask.happens_once();
            asking.spawn(async move { (ask, answer(&known, &server, ask, may_be_late).await) });
        }
        let (mut works, mut later) = (0, 0);
        while let Some(asked) = asking.join_next().await {
            let (ask, answer) = asked?;
            let answer = answer.with_context(|| format!("no answer to {ask:?}"))?;
            let told = known.judge(ask, &answer).with_context(|| format!("{ask:?}"))?;
            ensure!(told == expected(ask), "{ask:?}: {told:?}: {}", in_words(&answer));
            match told {
                Expect::Works => works += 1,
                Expect::Later => later += 1,
            }
        }
        self.answers += works + later;
        Ok((works, later))
    }

    /// Asks each kind until it works; whoever comes too early may be told to come later, and nothing else. The stranger
    /// who was told so comes again; after that it is another.
    pub(crate) async fn works_again(&mut self) -> Result<()> {
        let known = self.next().await?;
        for ask in Ask::ALL {
            let mut was_late = false;
            let asking = async || {
                let answer = known.ask(&self.server, ask).await?;
                if was_late && ask.happens_once() && answer.status == StatusCode::UNAUTHORIZED {
                    // What was told "later" has happened.
                    return Ok(Ok(answer));
                }
                known.judge(ask, &answer)?;
                was_late = answer.status != StatusCode::OK;
                Ok(success(answer))
            };
            insist(&format!("{ask:?} to work again"), asking).await?;
        }
        self.stranger = stranger();
        Ok(())
    }
}
