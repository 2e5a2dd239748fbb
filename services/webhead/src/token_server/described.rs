//! The Token Server as an OpenAPI document, `docs/openapi/token-server.json`. Routes are those of this module and of `status`,
//! refusals are rows of the table in `error`.

use std::{collections::BTreeMap, time::Duration};

use foxhold_core::record::{Schemes, ServiceKey};
use foxhold_openapi::{Answer, Call, Document, routes::routes};
use foxhold_ports::Cause;
use foxhold_sync::{
    ExchangeError,
    first_assignments::{Budget, Limited},
    reason::Reason,
    state::StateRefusal,
};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{TokenServerError, answer, counted, error::told, events, status};

/// Anything but a token: one entry says what it was.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Refusal {
    /// Which one it is, for programs.
    status: String,
    /// Exactly one.
    #[schema(min_items = 1, max_items = 1)]
    errors: Vec<Entry>,
    /// Of `conditions-required`: terms to accept, name to URL.
    urls: Option<BTreeMap<String, String>>,
}

/// What it was.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Entry {
    /// `body`, `header`, `url` or `internal`.
    location: String,
    /// The header, or the version asked for.
    name: String,
    /// For people.
    description: String,
}

/// What a Token Server says of itself.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Discovered {
    /// Versions by application.
    services: BTreeMap<String, Vec<String>>,
    /// Its own address, without trailing slash.
    auth: String,
    /// Whose BrowserID assertions are taken, if any are.
    browserid: Option<Issuers>,
    /// Whose access tokens are taken, if any are.
    oauth: Option<OauthIssuer>,
}

/// Whose certificates count.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Issuers {
    /// Null = anybody's.
    allowed_issuers: Option<Vec<String>>,
    /// Of them, those who vouch for users of other domains.
    trusted_issuers: Vec<String>,
}

/// Whose access tokens count.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct OauthIssuer {
    /// The domain of their users.
    default_issuer: String,
    /// What a token must grant.
    scope: String,
    /// Where they are, ending in `/v1`.
    server_url: String,
}

/// How each part is: `Ok`, `Err` or `Unknown`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Heartbeat {
    /// All of it.
    status: String,
    /// Foxhold's version.
    version: String,
    /// The store.
    database: String,
    /// The signer.
    keysigner: String,
    /// Those who write, where they are processes of their own.
    #[schema(required = false)]
    dbwriter: Option<String>,
    /// The accounts server of others, if there is one.
    #[schema(required = false)]
    foreign_oauth: Option<String>,
    /// Whether new users get a node.
    nodes: String,
    /// Which services have none.
    nodes_msg: Option<String>,
}

/// Nothing.
#[derive(ToSchema)]
struct Nothing {}

/// What is running.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Version {
    /// Of Foxhold.
    version: String,
    /// What it was made of.
    commit: String,
    /// Which program.
    source: String,
    /// Which build.
    build: String,
}

/// What can happen to any call.
impl Answer for TokenServerError {
    fn describe(call: &mut Call) {
        refuse(
            call,
            [
                TokenServerError::Body,
                TokenServerError::Overloaded,
                TokenServerError::Panicked,
            ],
        );
    }
}

fn refuse(call: &mut Call, errors: impl IntoIterator<Item = TokenServerError>) {
    for error in errors {
        let (status, code, description) = told(&error);
        let known = call.refusals.entry(status).or_default();
        // Several have one `status`: each says what it is.
        match known.iter_mut().find(|(known, _)| *known == code) {
            Some((_, meaning)) if !meaning.split("; ").any(|one| one == description) => {
                *meaning = format!("{meaning}; {description}");
            }
            Some(_) => {}
            None => known.push((code.into(), description)),
        }
    }
}

fn refuse_exchange(call: &mut Call, errors: impl IntoIterator<Item = ExchangeError>) {
    let schemes = Schemes::default();
    refuse(
        call,
        errors
            .into_iter()
            .map(|error| TokenServerError::Exchange { error, schemes }),
    );
}

/// Each row of the table of the contract's section 4.
fn exchange_errors() -> Vec<ExchangeError> {
    use ExchangeError as E;
    let mut all = vec![
        E::UnknownApp,
        E::UnknownVersion("1.0".into()),
        E::ClientStateForm,
        E::NoAuthorization,
        E::UnknownScheme,
        E::InvalidCredentials(Reason::TokenScope),
        E::CredentialTooLong,
        E::InvalidTimestamp(Reason::BundleNotYetValid),
        E::KeysChangedAtForm,
        E::GenerationForm,
        E::MissingKeyId,
        E::NonAsciiKeyId,
        E::ClientStateMismatch,
        E::Throttled {
            retry_after: Duration::from_secs(1),
        },
        E::ConditionsRequired(BTreeMap::new()),
        E::NewUsersDisabled,
        E::NewUsersLimited(Limited {
            by: Budget::Day,
            retry_after: Duration::from_secs(1),
        }),
        E::NoPattern(ServiceKey("the service".into())),
        E::NoNode,
        E::NoKeys(Cause::Fault),
        E::Store(Cause::Timeout),
        E::Store(Cause::Fault),
        E::Signer(Cause::Unavailable),
    ];
    all.extend(StateRefusal::ALL.iter().map(|refusal| E::State(*refusal)));
    all
}

fn header(name: &str, needed: bool, schema: &Value, what: &str) -> Value {
    json!({ "name": name, "in": "header", "required": needed, "description": what, "schema": schema })
}

fn token() -> Call {
    let mut call = Call::new(
        "GET",
        "/1.0/{app}/{version}",
        "counted::token",
        &counted::token,
        "Exchanges a credential for a token of a node",
    );
    call.answered::<answer::Written<'static>>(200);
    TokenServerError::describe(&mut call);
    refuse_exchange(&mut call, exchange_errors());
    call.security = vec!["accessToken", "browserId"];
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    call.parameters = vec![
        header(
            "X-KeyID",
            false,
            &json!({ "type": "string" }),
            "Needed with an access token: when the keys changed, in ms, a hyphen, and base64url of the client state.",
        ),
        header(
            "X-Client-State",
            false,
            &text("^[a-zA-Z0-9._-]{0,32}$"),
            "With BrowserID: fingerprint of the sync key. With an access token the same as in X-KeyID.",
        ),
        header(
            "X-Conditions-Accepted",
            false,
            &json!({ "type": "string" }),
            "Any value: the terms are accepted.",
        ),
        json!({
            "name": "duration", "in": "query",
            "description": "Seconds that the token shall live; what is too long or no number counts as absent.",
            "schema": { "type": "string" },
        }),
    ];
    call.tag = "tokens";
    call
}

fn event() -> Call {
    let mut call = Call::new(
        "POST",
        events::PATH,
        "events::receive",
        &events::receive,
        "Takes what an accounts server tells of an account, where that is configured",
    );
    call.answers
        .insert(200, json!({ "description": "Done in every service." }));
    refuse(
        &mut call,
        [TokenServerError::UnknownPath, TokenServerError::Overloaded],
    );
    refuse_exchange(
        &mut call,
        [
            ExchangeError::InvalidCredentials(Reason::EventNoToken),
            ExchangeError::NoKeys(Cause::Unavailable),
            ExchangeError::Store(Cause::Timeout),
            ExchangeError::Store(Cause::Unavailable),
            ExchangeError::Store(Cause::Fault),
        ],
    );
    call.security = vec!["securityEvent"];
    call.tag = "events";
    call
}

fn of_itself() -> Vec<Call> {
    let mut discovery = Call::new("GET", "/", "discovery", &status::discovery, "What it is");
    discovery.answered::<Discovered>(200);
    let store = [Cause::Timeout, Cause::Unavailable, Cause::Fault].map(ExchangeError::Store);
    refuse_exchange(&mut discovery, store);
    refuse_exchange(&mut discovery, [ExchangeError::NoKeys(Cause::Unavailable)]);
    let mut beat = Call::new(
        "GET",
        "/__heartbeat__",
        "heartbeat",
        &status::heartbeat,
        "How each part is",
    );
    beat.answered::<Heartbeat>(200);
    unless_well::<Heartbeat>(&mut beat);
    let mut balancer = Call::new(
        "GET",
        "/__lbheartbeat__",
        "lb_heartbeat",
        &status::lb_heartbeat,
        "Whether to send traffic",
    );
    balancer.answered::<Nothing>(200);
    unless_well::<Nothing>(&mut balancer);
    let mut version = Call::new(
        "GET",
        "/__version__",
        "version",
        &status::version,
        "What is running",
    );
    version.answered::<Version>(200);
    let mut error = Call::new(
        "GET",
        "/__error__",
        "deliberate_error",
        &status::deliberate_error,
        "A deliberate error, where the operator wants it",
    );
    refuse(
        &mut error,
        [TokenServerError::Deliberate, TokenServerError::UnknownPath],
    );
    let mut calls = vec![discovery, beat, balancer, version, error];
    for call in &mut calls {
        call.tag = "itself";
        call.description = Some("Only on a listener of its own: on one origin accounts answer this path.");
    }
    calls
}

/// The same body where it does not serve; or too much is in work.
fn unless_well<T: ToSchema>(call: &mut Call) {
    let (told, refusal) = (call.named::<T>(), call.named::<Refusal>());
    call.refusals.remove(&503);
    let either = json!({ "oneOf": [told, refusal] });
    call.answers.insert(
        503,
        foxhold_openapi::call::json_answer("It does not serve, or too much is in work.", &either),
    );
}

fn document() -> Document {
    let mut calls = of_itself();
    calls.push(token());
    calls.push(event());
    for call in &mut calls {
        call.named::<Refusal>();
    }
    let waits = json!({ "Retry-After": {
        "description": "Seconds to wait.", "schema": { "type": "integer" },
    } });
    let segment = |what: &str, example: &str| json!({ "description": what, "schema": { "type": "string" }, "example": example });
    Document {
        file: "token-server.json",
        title: "Foxhold's Token Server",
        description: "Exchanges a credential of an account for a token of the node that keeps its data. Every answer is \
            JSON and carries X-Timestamp, in seconds. See docs/token-server.md.",
        server: (
            "https://token.example.org",
            "a listener of its own, or the one origin",
        ),
        security: json!({
            "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token with the service's scope, where the service takes them." },
            "browserId": { "type": "http", "scheme": "BrowserID",
                "description": "A BrowserID assertion with its certificates, where the service takes them." },
            "securityEvent": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A security event token (RFC 8417), signed by the accounts server that was named." },
        }),
        refusal: ("application/json", "Refusal", "status"),
        path_parameters: BTreeMap::from([
            ("app", segment("The application.", "sync")),
            ("version", segment("Its version.", "1.5")),
        ]),
        headers: BTreeMap::from([(429, waits.clone()), (503, waits.clone()), (504, waits)]),
        calls,
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let paths = BTreeMap::from([("events::PATH", events::PATH)]);
    let mut found = routes(include_str!("../token_server.rs"), "", &paths);
    found.extend(routes(include_str!("status.rs"), "", &paths));
    found.retain(|route| route.handler != "unknown_path");
    assert_eq!(found.len(), 7, "the routes are no longer written there");
    for route in &mut found {
        // Handlers refuse other methods by themselves, in their own form.
        let method = if route.handler == "events::receive" {
            "POST"
        } else {
            "GET"
        };
        assert_eq!(std::mem::replace(&mut route.method, method.to_owned()), "ANY");
    }
    document().covers(&found, &[]).unwrap();
}

#[test]
fn the_document_is_what_the_code_says() {
    document().is_checked_in().unwrap();
}
