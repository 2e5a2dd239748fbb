//! Invitations under a mixed load: made over the admin API of a box, and used by two people at once; afterwards the service is
//! held to what it acknowledged, and to a code's one account. For tests that kill processes in between.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;
use serde_json::json;

use crate::{
    http,
    insist::{answered, in_words},
    person::{Person, Server, unique_hex},
};

const BAD_INVITATION: u64 = 1003;

/// All invitations of a run.
#[derive(Default)]
pub struct Invited {
    /// Codes that nobody has used.
    open: Mutex<Vec<String>>,
    used: Mutex<Vec<Use>>,
    made: AtomicUsize,
    accounts: AtomicUsize,
}

/// A code that was used.
struct Use {
    code: String,
    tries: [Try; 2],
}

/// One person's sign-up with it.
struct Try {
    email: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
    /// It may have happened.
    Silence,
}

impl Invited {
    /// How many were acknowledged so far.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// How many accounts were acknowledged so far.
    pub fn accounts(&self) -> usize {
        self.accounts.load(Ordering::Relaxed)
    }

    /// Makes one after the other until nobody answers; every other is used.
    ///
    /// # Errors
    /// For an answer that is neither a success nor a refusal of a code that is taken.
    pub async fn work_until_silence(&self, server: &Server, socket: &Path) -> Result<()> {
        while let Some(code) = make(socket).await? {
            if self.made.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                lock(&self.open).push(code);
                continue;
            }
            let (first, second) = tokio::join!(sign_up(server, &code), sign_up(server, &code));
            let tries = [first?, second?];
            let done = tries
                .iter()
                .filter(|tried| tried.outcome == Outcome::Done)
                .count();
            self.accounts.fetch_add(done, Ordering::Relaxed);
            let is_over = tries.iter().any(|tried| tried.outcome == Outcome::Silence);
            lock(&self.used).push(Use { code, tries });
            if is_over {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Holds the service to it, and forgets it.
    ///
    /// # Errors
    /// For the first thing that is not so.
    pub async fn settle(&self, server: &Server) -> Result<()> {
        let open = std::mem::take(&mut *lock(&self.open));
        for code in &open {
            ensure!(invites(server, code).await?, "an acknowledged invitation is lost");
        }
        let used = std::mem::take(&mut *lock(&self.used));
        for used in &used {
            settle_use(server, used).await?;
        }
        Ok(())
    }
}

/// The code of a new one; `None` after silence.
async fn make(socket: &Path) -> Result<Option<String>> {
    let Ok(answer) = http::post_locally(socket, "/admin/v1/invitations", &json!({})).await else {
        return Ok(None);
    };
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(None);
    }
    ensure!(answer.status == StatusCode::OK, "{}", in_words(&answer));
    let made = answer.json()?;
    let code = made["invitations"][0]["code"].as_str();
    Ok(Some(code.context("no code")?.to_owned()))
}

async fn sign_up(server: &Server, code: &str) -> Result<Try> {
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let outcome = match Person::sign_up_invited(server, &email, &unique_hex(), code).await {
        Ok(Ok(_)) => Outcome::Done,
        Err(_) => Outcome::Silence,
        Ok(Err(answer)) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Outcome::Silence,
        Ok(Err(answer)) if answer.json()?["errno"] == BAD_INVITATION => Outcome::Refused,
        Ok(Err(answer)) => bail!(in_words(&answer)),
    };
    Ok(Try { email, outcome })
}

/// Of two who tried one has the account, or nobody has, and the code is good still.
async fn settle_use(server: &Server, used: &Use) -> Result<()> {
    let mut accounts = 0;
    for tried in &used.tries {
        let whose = json!({ "email": tried.email });
        let answer = answered(async || server.post("/v1/account/status", &whose).await).await?;
        let exists = answer.json()?["exists"] == true;
        accounts += usize::from(exists);
        match tried.outcome {
            Outcome::Done => ensure!(exists, "an acknowledged account is lost"),
            Outcome::Refused => ensure!(!exists, "who was refused has an account"),
            Outcome::Silence => {}
        }
    }
    ensure!(accounts <= 1, "{accounts} accounts were made with one code");
    ensure!(
        invites(server, &used.code).await? == (accounts == 0),
        "{accounts} accounts were made with a code, and it says another thing"
    );
    Ok(())
}

/// Whether a code is one that an account can be made with.
async fn invites(server: &Server, code: &str) -> Result<bool> {
    let body = json!({ "invite": code });
    let answer = answered(async || server.post("/v1/invitation/status", &body).await).await?;
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::FORBIDDEN if answer.json()?["errno"] == BAD_INVITATION => Ok(false),
        _ => bail!(in_words(&answer)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
