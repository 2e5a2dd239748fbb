//! The domain against a server that says it, does not, and changes its mind.

use foxhold_ports::memory::ManualClock;
use serde_json::{Value, json};

use super::*;
use crate::{
    foreign_oauth::stand_in::{AccountsServer, DOMAIN},
    key_set::signing::NOW,
};

const CONFIG: &str = "/config";
const ASK: &str = "GET /config";

struct Bench {
    server: AccountsServer,
    clock: Arc<ManualClock>,
    home: Arc<HomeDomain>,
}

fn naming(issuer: &Value) -> String {
    json!({"browserid": {"issuer": issuer, "verificationUrl": "x"}, "contentUrl": "y"}).to_string()
}

impl Bench {
    async fn new() -> Self {
        let server = AccountsServer::start().await;
        server.answer(CONFIG, 200, naming(&json!(DOMAIN)));
        let clock = Arc::new(ManualClock::new(NOW));
        let uri = server.url(CONFIG).parse().unwrap();
        let home = HomeDomain::discovered(uri, "accounts.example", Arc::new(Outbound::new()), clock.clone());
        let home = Arc::new(home);
        Self { server, clock, home }
    }

    async fn get(&self) -> Result<&str, Cause> {
        self.home.get(soon()).await
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[tokio::test]
async fn a_configured_domain_is_asked_of_nobody() {
    let home = HomeDomain::configured(DOMAIN);
    home.compare(soon()).await;
    assert_eq!(
        (home.get(soon()).await, home.is_discovered()),
        (Ok(DOMAIN), false)
    );
}

#[tokio::test]
async fn it_is_asked_for_once() {
    let bench = Bench::new().await;
    let all = futures_util::future::join_all((0..16).map(|_| bench.get())).await;
    assert!(all.into_iter().all(|one| one == Ok(DOMAIN)));
    assert_eq!(bench.server.asked(ASK).len(), 1);
}

#[tokio::test]
async fn answers_that_name_none_are_outages() {
    let bench = Bench::new().await;
    let table = [
        (500, naming(&json!(DOMAIN)), Cause::Unavailable),
        (404, naming(&json!(DOMAIN)), Cause::Fault),
        (302, naming(&json!(DOMAIN)), Cause::Fault),
        (200, String::new(), Cause::Fault),
        (200, "{}".to_owned(), Cause::Fault),
        (200, naming(&json!(null)), Cause::Fault),
        (200, naming(&json!("")), Cause::Fault),
        (
            200,
            naming(&json!("https://accounts.elsewhere.example")),
            Cause::Fault,
        ),
        (200, naming(&json!("Accounts.elsewhere.example")), Cause::Fault),
        (200, naming(&json!("accounts.example")), Cause::Fault),
        (200, " ".repeat(LEN_MAX + 1), Cause::Fault),
    ];
    for (status, body, cause) in table {
        bench.server.answer(CONFIG, status, body.clone());
        bench.clock.advance(PAUSE);
        assert_eq!(bench.get().await, Err(cause), "{status} {body:.80}");
        assert_eq!(bench.get().await, Err(cause), "and not asked again at once");
        assert_eq!(bench.server.asked(ASK).len(), 1, "{status} {body:.80}");
    }
    bench.server.answer(CONFIG, 200, naming(&json!(DOMAIN)));
    bench.clock.advance(PAUSE);
    bench.home.compare(soon()).await;
    assert_eq!(bench.server.asked(ASK).len(), 1, "learnt without a request");
    assert_eq!(bench.get().await, Ok(DOMAIN));
}

#[tokio::test]
async fn a_server_that_is_silent_keeps_nobody_longer_than_the_deadline() {
    let bench = Bench::new().await;
    bench.server.hold(true);
    let by = Deadline::after(Duration::from_millis(50));
    assert_eq!(bench.home.get(by).await, Err(Cause::Timeout));
    bench.server.hold(false);
    bench.clock.advance(PAUSE);
    assert_eq!(bench.get().await, Ok(DOMAIN));
}

/// Users would be others: the name that they were first known by stays.
#[tokio::test]
async fn another_answer_later_changes_nothing() {
    let bench = Bench::new().await;
    assert_eq!(bench.get().await, Ok(DOMAIN));
    bench.server.asked(ASK);
    bench
        .server
        .answer(CONFIG, 200, naming(&json!("renamed.example")));
    bench.home.compare(soon()).await;
    assert_eq!(bench.server.asked(ASK).len(), 0, "not yet");
    for _ in 0..2 {
        bench.clock.advance(COMPARE_AFTER);
        bench.home.compare(soon()).await;
        bench.home.compare(soon()).await;
        assert_eq!(bench.server.asked(ASK).len(), 1);
        assert_eq!(bench.get().await, Ok(DOMAIN));
    }
}
