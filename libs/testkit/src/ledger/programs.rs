//! What users grant to another program, which was registered with a secret: a code, traded once, for a refresh token, which is
//! good until the program gives it back.

use anyhow::{Context, Result, ensure};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{CHALLENGE, Entry, Ledger, Step, VERIFIER, answered, done};
use crate::{insist::in_words, person::Server};

/// The other program.
pub(super) struct Program {
    id: String,
    secret: String,
}

/// What it was granted.
pub(super) struct Grant {
    refresh: String,
    code: String,
    given_back: GivenBack,
}

/// Whether the program has given its token back.
enum GivenBack {
    No,
    Perhaps,
    Yes,
}

impl Program {
    pub(super) const CALLBACK: &'static str = "https://wiki.example.test/callback";

    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// A form with what it shows itself by.
    fn form(&self, more: &str) -> String {
        let Self { id, secret } = self;
        format!("client_id={id}&client_secret={secret}&{more}")
    }

    fn trade(&self, code: &str) -> String {
        let callback = Self::CALLBACK.replace(':', "%3A").replace('/', "%2F");
        self.form(&format!(
            "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri={callback}"
        ))
    }

    fn refresh(&self, token: &str) -> String {
        self.form(&format!("grant_type=refresh_token&refresh_token={token}"))
    }

    fn give_back(&self, token: &str) -> String {
        self.form(&format!("token={token}"))
    }
}

const TOKEN: &str = "/v1/token";
const DESTROY: &str = "/v1/destroy";

impl Ledger {
    /// Signs in to the program, which gives back what it got, or keeps it.
    pub(super) async fn signs_in_to_a_program(
        &self,
        server: &Server,
        gives_back: bool,
        entry: &mut Entry,
    ) -> Result<Step<Value>> {
        let Some(desk) = &self.desk else {
            return Ok(Step::Later);
        };
        let program = &desk.program;
        let body = json!({
            "client_id": program.id, "redirect_uri": Program::CALLBACK, "scope": "openid profile offline_access",
            "consent": true, "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        let asked = self
            .posts(server, entry, "/v1/oauth/authorization", &body)
            .await?;
        let Step::Done(asked) = asked else {
            return Ok(asked);
        };
        let code = text(&asked, "code")?;
        let traded = self.body(server.post_form(TOKEN, &program.trade(&code)).await)?;
        let Step::Done(tokens) = &traded else {
            return Ok(traded);
        };
        self.acknowledges("grant");
        let grant = entry.grant.insert(Grant {
            refresh: text(tokens, "refresh_token")?,
            code,
            given_back: GivenBack::No,
        });
        if !gives_back {
            return Ok(traded);
        }
        grant.given_back = GivenBack::Perhaps;
        let back = self.body(
            server
                .post_form(DESTROY, &program.give_back(&grant.refresh))
                .await,
        )?;
        if matches!(back, Step::Done(_)) {
            self.acknowledges("grant given back");
            grant.given_back = GivenBack::Yes;
        }
        Ok(back)
    }

    /// A grant is good until it was given back, and its code was good once.
    pub(super) async fn settle_grant(&self, server: &Server, entry: &Entry) -> Result<()> {
        let (Some(desk), Some(grant)) = (&self.desk, &entry.grant) else {
            return Ok(());
        };
        let program = &desk.program;
        let post =
            async |path: &str, form: String| answered(async || server.post_form(path, &form).await).await;
        if matches!(grant.given_back, GivenBack::Perhaps) {
            done(post(DESTROY, program.give_back(&grant.refresh)).await?)?;
        }
        let fresh = post(TOKEN, program.refresh(&grant.refresh)).await?;
        if matches!(grant.given_back, GivenBack::No) {
            ensure!(
                fresh.status == StatusCode::OK,
                "an acknowledged grant: {}",
                in_words(&fresh)
            );
        } else {
            ensure!(
                fresh.status.is_client_error(),
                "a token that was given back: {}",
                in_words(&fresh)
            );
        }
        let again = post(TOKEN, program.trade(&grant.code)).await?;
        ensure!(
            again.status.is_client_error(),
            "a program's code is good twice: {}",
            in_words(&again)
        );
        Ok(())
    }
}

fn text(body: &Value, member: &str) -> Result<String> {
    let text = body[member].as_str().map(str::to_owned);
    text.with_context(|| format!("no {member} in {body}"))
}
