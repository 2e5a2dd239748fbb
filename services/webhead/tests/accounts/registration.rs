//! Who may make an account (`accounts.md` (k), Registration), and what they are told before they try.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_accounts::registration::{MailDomain, Registration, RegistrationMode};
use foxhold_ports::{
    Limits,
    limits::{Action, LimitKeys, Throttled},
};
use serde_json::json;

use crate::support::{Answer, Bench, EMAIL, Options};

fn rules(mode: RegistrationMode, domains: &[&str]) -> Registration {
    Registration {
        mode,
        domains: domains
            .iter()
            .map(|domain| MailDomain::parse(domain).unwrap())
            .collect(),
        domains_shown: false,
    }
}

async fn create(bench: &Bench, email: &str) -> Answer {
    let body = json!({ "email": email, "authPW": "11".repeat(32) });
    bench.post("/v1/account/create", &body).await
}

#[tokio::test]
async fn a_closed_server_makes_no_account_and_spends_nothing() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    bench.sign_up("unverified@example.test").await;
    let before = stretched(&bench);
    bench.registration.replace(rules(RegistrationMode::Closed, &[]));
    for (name, email, refusal) in [
        ("somebody new", "bob@example.test", (403, 1001)),
        ("an account that is there", EMAIL, (403, 1001)),
        ("an unverified one", "unverified@example.test", (403, 1001)),
        ("the form comes first", "bob", (400, 107)),
    ] {
        assert_eq!(create(&bench, email).await.refusal(), refusal, "{name}");
    }
    assert_eq!(stretched(&bench), before);
    assert!(bench.mailer.last_to("bob@example.test").is_none());
    bench.sign_in(EMAIL).await;
    bench.registration.replace(Registration::default());
    create(&bench, "bob@example.test").await.ok();
    assert_eq!(create(&bench, EMAIL).await.refusal(), (400, 101));
}

fn stretched(bench: &Bench) -> u64 {
    bench.stretcher.jobs.load(Ordering::SeqCst)
}

#[tokio::test]
async fn only_listed_domains_get_accounts() {
    let bench = Bench::new();
    bench.sign_up_verified("old@elsewhere.test").await;
    let listed = ["example.test", "*.school.test"];
    bench.registration.replace(rules(RegistrationMode::Open, &listed));
    for (email, refusal) in [
        ("a@example.test", (200, 0)),
        ("b@EXAMPLE.test", (200, 0)),
        ("c@class.school.test", (200, 0)),
        ("d@school.test", (403, 1004)),
        ("e@mail.example.test", (403, 1004)),
        ("old@elsewhere.test", (403, 1004)),
    ] {
        assert_eq!(create(&bench, email).await.refusal(), refusal, "{email}");
    }
    bench.sign_in("old@elsewhere.test").await;
}

/// Refuses everything.
struct Full;

#[async_trait]
impl Limits for Full {
    async fn count(&self, _action: Action, _keys: LimitKeys<'_>) -> Result<(), Throttled> {
        Err(Throttled {
            retry_after: Duration::from_secs(60),
        })
    }

    async fn refund(&self, _action: Action, _keys: LimitKeys<'_>) {}
}

/// The order of the contract: limits are asked before the rules, so that nobody learns the list by trying.
#[tokio::test]
async fn refused_sign_ups_count_towards_the_limits() {
    let bench = Bench::with(Options {
        limits: Arc::new(Full),
        ..Options::default()
    });
    bench.registration.replace(rules(RegistrationMode::Closed, &[]));
    assert_eq!(create(&bench, EMAIL).await.refusal(), (429, 114));
}

#[tokio::test]
async fn anybody_may_ask_whether_accounts_are_made() {
    let bench = Bench::new();
    let told = async || bench.get("/v1/account/registration").await.ok();
    assert_eq!(told().await, json!({ "mode": "open" }));
    let listed = rules(RegistrationMode::Closed, &["example.test", "*.school.test"]);
    bench.registration.replace(listed.clone());
    assert_eq!(told().await, json!({ "mode": "closed" }), "not shown");
    bench.registration.replace(Registration {
        domains_shown: true,
        ..listed
    });
    let shown = json!({ "mode": "closed", "domains": ["example.test", "*.school.test"] });
    assert_eq!(told().await, shown);
}
