//! The admin API as an OpenAPI document, `docs/openapi/admin.json`: made from the routes, the handlers' signatures and the
//! types of `wire`. Here stands only what these do not say: what a call does, and which refusals are its own.

use std::collections::BTreeMap;

use foxhold_openapi::{Answer, Call, Document, Part, routes::routes};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::Caller,
    extract::{Body, By, NoBody, Params, Segments},
    refused::Refused,
    routes::{
        accounts, bulk, clients, count, events, health, import,
        invitations::{self, FROM_NAME_LEN_MAX},
        nodes, purge, records, services, users,
    },
    wire::{Code, EVENTS_MAX, IMPORT_USERS_MAX, INVITATIONS_MAX, PAGE_LIMIT_MAX, PREFIX, Problem, SHARE_ALL},
};

impl Part for By {
    fn describe(_: &mut Call) {}
}

impl Part for Caller {
    fn describe(_: &mut Call) {}
}

impl<T> Part for Segments<T> {
    fn describe(call: &mut Call) {
        refuse(call, &[Code::InvalidRequest]);
    }
}

impl<T: IntoParams> Part for Params<T> {
    fn describe(call: &mut Call) {
        call.queried::<T>();
        refuse(call, &[Code::InvalidRequest]);
    }
}

impl<T: ToSchema + DeserializeOwned> Part for Body<T> {
    fn describe(call: &mut Call) {
        call.takes::<T>("application/json");
        call.needs_body = true;
        call.parses = Some(parses::<T>);
        refuse(
            call,
            &[Code::InvalidRequest, Code::TooLarge, Code::UnsupportedMediaType],
        );
    }
}

impl Part for NoBody {
    fn describe(call: &mut Call) {
        refuse(call, &[Code::InvalidRequest, Code::TooLarge]);
    }
}

/// What can happen to any call.
impl Answer for Refused {
    fn describe(call: &mut Call) {
        refuse(call, &[Code::Internal, Code::Unavailable]);
    }
}

fn parses<T: DeserializeOwned>(example: &Value) -> Result<(), String> {
    let parsed: Result<T, _> = serde_json::from_value(example.clone());
    parsed.map(drop).map_err(|error| error.to_string())
}

fn refuse(call: &mut Call, codes: &[Code]) {
    for code in codes {
        call.refused(code.status(), code.name(), meaning(*code));
    }
}

const fn meaning(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "it cannot be meant; `errors` says where, as far as that can be said",
        Code::NotPermitted => "the caller's certificate is not one of an operator",
        Code::NotFound => "there is no such thing, or this process does not serve it",
        Code::UnknownService => "there is no such service",
        Code::UnknownNode => "the service has no node at this URL",
        Code::UnknownClient => "there is no such client",
        Code::UnknownUser => "the user has no record in this service",
        Code::UnknownAccount => "there is no such account",
        Code::MethodNotAllowed => "the path does not take that method",
        Code::Conflict => "others kept changing the same thing, or what it needs is another's",
        Code::NoNode => "no node has room, or the named one has none or is out of service",
        Code::NoUid => "the service has no uid left, or not so many",
        Code::Closed => "the service takes no more users",
        Code::TooManyPast => "the user's past records must be purged first",
        Code::UserRetired => "the user was retired, for good",
        Code::NodeTakesUsers => "users who are sent away might come back: set the node to backoff first",
        Code::NotMailed => "no mail goes out from here: `errors` says what would mend that",
        Code::TooLarge => "the body is too long",
        Code::UnsupportedMediaType => "the body is not `application/json`",
        Code::Internal => "a fault in Foxhold or its store",
        Code::Unavailable => "a part did not answer; nothing was done, again is safe",
        Code::OutcomeUnknown => "it may have been done; again is safe",
    }
}

/// A call with what follows from its method and path.
macro_rules! call {
    ($method:ident $path:literal $handler:path, $summary:literal $(, [$($code:ident),*])?) => {{
        let method = stringify!($method);
        let path = concat!("/admin/v1", $path);
        let call = Call::new(method, path, stringify!($handler), &$handler, $summary);
        with_path(call, &[$($(Code::$code),*)?])
    }};
}

fn with_path(mut call: Call, codes: &[Code]) -> Call {
    call.security = vec!["", "operatorCertificate"];
    refuse(&mut call, &[Code::NotPermitted, Code::Unavailable]);
    refuse(&mut call, codes);
    for (parameter, code) in [
        ("{service}", Code::UnknownService),
        ("{url}", Code::UnknownNode),
        ("{client}", Code::UnknownClient),
        ("{account}", Code::UnknownAccount),
    ] {
        if call.path.contains(parameter) {
            refuse(&mut call, &[code]);
        }
    }
    // What only looks and what writes nothing else cannot be in doubt.
    if call.method != "GET" {
        refuse(&mut call, &[Code::Conflict, Code::OutcomeUnknown]);
    }
    let below = call.path.trim_start_matches(PREFIX).split('/').skip(1);
    let words: Vec<_> = below.filter(|word| !word.starts_with('{')).collect();
    call.tag = match words[..] {
        ["services", inner @ ("nodes" | "users"), ..] => inner,
        ["services", "records" | "count" | "purge" | "import" | "uids", ..] => "records",
        [first, ..] => first,
        [] => "",
    };
    call
}

/// With an example of its body, which has to be one.
fn example(mut call: Call, example: Value) -> Call {
    call.example = Some(example);
    call
}

fn of_services() -> Vec<Call> {
    vec![
        call!(GET "/services" services::list, "All services"),
        call!(GET "/services/{service}" services::show, "One service"),
        example(
            call!(PUT "/services/{service}" services::put, "Makes a service, or sets all of it"),
            json!({
                "pattern": "{node}/1.5/{uid}", "scope": "https://identity.mozilla.com/apps/oldsync",
                "token_lifetime_secs": 3600, "uid_ceiling": 2_147_483_647, "schemes": ["oauth"],
                "allowed_issuers": [], "trusted_issuers": [], "allowed_email_domains": [],
                "admission": "everyone", "conditions": {}, "auth_max_age_secs": null,
                "allocation": { "pinned_to": null, "pools": [], "closed_pools": [] },
            }),
        ),
        call!(GET "/services/{service}/records" records::page, "Users with all their records, a page at a time"),
        call!(GET "/services/{service}/count" count::page, "Counts users, a page at a time"),
        example(
            call!(POST "/services/{service}/purge" purge::page, "Deletes the data of replaced records from their nodes, a page at a time"),
            json!({ "grace_secs": 86_400, "limit": 1000 }),
        ),
        example(
            call!(POST "/services/{service}/import" import::take, "Takes over records from elsewhere", [NoUid]),
            json!({ "users": [{
                "user": "00112233445566778899aabbccddeeff@example.org",
                "records": [{ "uid": 7, "generation": 1_700_000_000_000_u64, "client_state": "aabbcc",
                    "created_at_ms": 1_700_000_000_000_u64, "node": "https://sync-1.example.org" }],
            }] }),
        ),
        example(
            call!(POST "/services/{service}/uids/reserve" import::reserve, "Hands out no uid up to this one", [NoUid]),
            json!({ "through": 1000 }),
        ),
    ]
}

fn of_nodes() -> Vec<Call> {
    vec![
        call!(GET "/services/{service}/nodes" nodes::list, "All nodes of a service"),
        example(
            call!(POST "/services/{service}/nodes" nodes::create, "Makes a node; one at that URL stays as it is"),
            json!({ "url": "https://sync-2.example.org", "capacity": 1000, "pool": "new-disks" }),
        ),
        call!(GET "/services/{service}/nodes/{url}" nodes::show, "One node"),
        example(
            call!(PATCH "/services/{service}/nodes/{url}" nodes::change, "Changes what is given; no user moves"),
            json!({ "backoff": true }),
        ),
        call!(DELETE "/services/{service}/nodes/{url}" nodes::delete, "Removes a node; its users get another one"),
        example(
            call!(POST "/services/{service}/nodes/{url}/rename" nodes::rename, "Gives a node another URL; its users stay on it"),
            json!({ "to": "https://sync-3.example.org" }),
        ),
        example(
            call!(POST "/services/{service}/nodes/{url}/unassign" bulk::unassign, "Takes users from a node, a page at a time"),
            json!({ "limit": 1000 }),
        ),
        example(
            call!(POST "/services/{service}/nodes/{url}/move" bulk::move_away, "Gives users of a node another one, a page at a time", [NodeTakesUsers]),
            json!({ "limit": 1000, "to": "https://sync-2.example.org" }),
        ),
    ]
}

fn of_users() -> Vec<Call> {
    vec![
        call!(GET "/services/{service}/users/{user}" users::show, "All records of a user", [UnknownUser]),
        example(
            call!(POST "/services/{service}/users/{user}/place" users::place, "Gives a user a node",
                [UnknownNode, NoNode, NoUid, Closed, TooManyPast, UserRetired]),
            json!({ "node": "https://sync-1.example.org" }),
        ),
        call!(POST "/services/{service}/users/{user}/unassign" users::unassign, "Takes a user from the node", [UnknownUser, TooManyPast]),
        call!(POST "/services/{service}/users/{user}/retire" users::retire, "Retires a user of a service, for good", [UnknownUser, TooManyPast]),
        example(
            call!(POST "/services/{service}/users/{user}/forget" users::forget, "Forgets a past record; its data stays where it is", [UnknownUser]),
            json!({ "uid": 7 }),
        ),
        call!(POST "/users/{user}/retire" users::retire_everywhere, "Retires a user of all services, for good", [TooManyPast]),
    ]
}

fn of_clients() -> Vec<Call> {
    let settings = json!({
        "name": "Photos", "image_uri": null, "kind": "confidential",
        "redirect_uris": ["https://photos.example.org/callback"], "post_logout_redirect_uris": [],
        "scopes": ["openid", "email"], "disabled": false, "trusted": true, "require_pkce": true,
        "require_aal2": false, "id_token_profile": false, "allow_http": false, "allowed": [],
    });
    vec![
        call!(GET "/clients" clients::list, "All registered clients"),
        example(
            call!(POST "/clients" clients::create, "Registers a client; its secret is told this once"),
            settings.clone(),
        ),
        call!(GET "/clients/{client}" clients::show, "One client"),
        example(
            call!(PUT "/clients/{client}" clients::put, "Sets all of a client but its kind"),
            settings,
        ),
        call!(DELETE "/clients/{client}" clients::delete, "Removes a client, with all that was granted to it"),
        call!(POST "/clients/{client}/rotate" clients::rotate, "Gives a client another secret; the one before stays good"),
    ]
}

fn of_accounts() -> Vec<Call> {
    let half = "00112233445566778899aabbccddeeff";
    let key = half.repeat(2);
    vec![
        call!(GET "/accounts" accounts::list, "All accounts, a page at a time", [NotFound]),
        example(
            call!(POST "/accounts" accounts::create, "Makes an account; no rule of registration applies", [NotFound]),
            json!({
                "email": "ann@example.org", "auth_pw": key, "wrap_kb": key, "auth_pw_version2": key,
                "wrap_kb_version2": key, "verified": true,
                "client_salt": format!("identity.mozilla.com/picl/v1/quickStretchV2:{half}"),
            }),
        ),
        call!(GET "/accounts/{account}" accounts::show, "One account", [NotFound]),
        call!(DELETE "/accounts/{account}" accounts::delete, "Deletes an account, with all that is its own", [NotFound]),
        call!(POST "/accounts/{account}/disable" accounts::disable, "Lets nobody in by an account; nothing of it is lost", [NotFound]),
        call!(POST "/accounts/{account}/enable" accounts::enable, "Lets its owner in again", [NotFound]),
        call!(POST "/accounts/{account}/reset-link" accounts::reset_link, "Makes a link that sets a new password; it is not mailed", [NotFound]),
        call!(DELETE "/accounts/{account}/second-factor" accounts::delete_second_factor, "Takes an account's second factor off, with its backup codes; nothing is mailed", [NotFound]),
    ]
}

fn of_the_rest() -> Vec<Call> {
    vec![
        call!(GET "/health" health::show, "Whether the store answers, and whom the caller is taken for"),
        example(
            call!(POST "/events" events::take, "Takes account events as a queue holds them"),
            json!({ "messages": [{ "Message": "{\"event\":\"delete\",\"uid\":\"00112233445566778899aabbccddeeff\",\"ts\":1700000000}" }] }),
        ),
        call!(GET "/invitations" invitations::list, "All invitations, a page at a time", [NotFound]),
        example(
            call!(POST "/invitations" invitations::create, "Invites somebody to make an account; codes are told this once, or mailed", [NotFound, NotMailed]),
            json!({ "domain": "example.org", "count": 3 }),
        ),
        call!(GET "/invitations/{id}" invitations::show, "One invitation", [NotFound]),
        call!(DELETE "/invitations/{id}" invitations::delete, "Takes an invitation back, if it was not used", [NotFound]),
    ]
}

fn document() -> Document {
    let mut calls = of_services();
    calls.extend(of_nodes());
    calls.extend(of_users());
    calls.extend(of_clients());
    calls.extend(of_accounts());
    calls.extend(of_the_rest());
    for call in &mut calls {
        call.named::<Problem>();
    }
    let segment = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    let waits = json!({ "Retry-After": {
        "description": "Seconds to wait.", "schema": { "type": "integer" },
    } });
    Document {
        file: "admin.json",
        title: "Foxhold's admin API",
        description: "Services, nodes, users' records, accounts, registered clients and invitations. Never on a public listener. \
            See docs/admin-api.md.",
        server: (
            "https://localhost:8040",
            "a process of its own; a box has the same on the Unix socket `admin.sock`, without TLS",
        ),
        security: json!({ "operatorCertificate": {
            "type": "mutualTLS",
            "description": "A client certificate of the role `operator`. On a box's socket its file mode stands for it.",
        } }),
        refusal: ("application/problem+json", "Problem", "code"),
        path_parameters: BTreeMap::from([
            ("service", segment("Key of a service, as in `sync-1.5`.")),
            (
                "url",
                segment("URL of a node without trailing slash, percent-encoded as one segment."),
            ),
            (
                "user",
                segment("A user's key, `fxa_uid@issuer-domain`, percent-encoded."),
            ),
            ("client", segment("Id of a client: 16 hex digits.")),
            (
                "account",
                segment("An account's uid, 32 hex digits, or its address, percent-encoded."),
            ),
            ("id", segment("Id of an invitation: 64 hex digits.")),
        ]),
        headers: BTreeMap::from([(503, waits)]),
        calls,
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let found = routes(include_str!("router.rs"), PREFIX, &BTreeMap::new());
    assert!(found.len() > 30, "the routes are no longer written in router.rs");
    document().covers(&found, &[]).unwrap();
}

#[test]
fn the_document_is_what_the_code_says() {
    document().is_checked_in().unwrap();
}

#[test]
fn the_limits_told_are_those_kept() {
    let document = document().made();
    let table = [
        ("/Import/properties/users/maxItems", IMPORT_USERS_MAX as u64),
        ("/EventMessages/properties/messages/maxItems", EVENTS_MAX as u64),
        ("/NewInvitations/properties/count/maximum", INVITATIONS_MAX.into()),
        (
            "/NewInvitations/properties/from_name/maxLength",
            FROM_NAME_LEN_MAX as u64,
        ),
        ("/PurgePage/properties/limit/maximum", PAGE_LIMIT_MAX.into()),
        (
            "/PoolRule/properties/share_basis_points/maximum",
            SHARE_ALL.into(),
        ),
    ];
    for (pointer, limit) in table {
        let told = document.pointer(&format!("/components/schemas{pointer}"));
        assert_eq!(told.and_then(Value::as_u64), Some(limit), "{pointer}");
    }
}
