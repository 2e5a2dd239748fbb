//! Traces through a fleet's processes: a sign-in and a token exchange are one trace each, with the calls of every tier in
//! their places; nobody outside decides about them; without a collector, or without a sample, requests go on all the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    http,
    insist::{answered, insist},
    person::{Person, exchange, unique_hex},
    traces::{CLIENT, Collector, Recorded, SERVER, written},
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::json;

const SHAPE: Shape = Shape {
    webheads: 1,
    keysigners: 1,
    dbwriters: 1,
    store: Store::Sqlite,
};

/// A trace that no process of ours began.
const FOREIGN: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn to_collector(endpoint: &str, sample_ratio: f64) -> String {
    format!("[traces]\notlp_endpoint = {endpoint:?}\nsample_ratio = {sample_ratio:?}\nbatch_wait_ms = 20\n")
}

/// Spans of the webhead and the dbwriter from the collector, those of the keysigner from its standard error.
fn all(fleet: &Fleet, collector: &Collector) -> Vec<Recorded> {
    let mut spans = collector.spans();
    spans.extend(written(&fleet.output(Tier::Keysigner, 1).unwrap()).unwrap());
    spans
}

/// The traces that begin with a request of that name which was granted, each by its id.
fn traces_of(spans: &[Recorded], name: &str) -> BTreeMap<String, Vec<Recorded>> {
    let was_granted = |span: &Recorded| {
        span.attributes
            .get("http.response.status_code")
            .is_some_and(|status| status == "200")
    };
    let begins = spans
        .iter()
        .filter(|span| span.name == name && span.parent.is_empty() && was_granted(span));
    let of_trace = |first: &Recorded| {
        let all = spans.iter().filter(|span| span.trace == first.trace);
        (first.trace.clone(), all.cloned().collect())
    };
    begins.map(of_trace).collect()
}

/// The way from a span up to the first of its trace: service, kind and name of each.
fn way(trace: &[Recorded], span: &Recorded) -> Vec<String> {
    let mut way = Vec::new();
    let mut next = Some(span);
    while let Some(span) = next {
        let kind = match span.kind {
            SERVER => "server",
            CLIENT => "client",
            _ => "internal",
        };
        way.push(format!("{} {kind} {}", span.service, span.name));
        next = trace.iter().find(|around| around.id == span.parent);
        assert!(
            next.is_some() || span.parent.is_empty(),
            "a span is missing above {span:#?}"
        );
    }
    way.reverse();
    way
}

fn ways(trace: &[Recorded]) -> Vec<Vec<String>> {
    trace.iter().map(|span| way(trace, span)).collect()
}

fn has_way(trace: &[Recorded], expected: &[&str]) -> bool {
    let ids: Vec<&str> = trace.iter().map(|span| span.id.as_str()).collect();
    let is_whole = |span: &Recorded| span.parent.is_empty() || ids.contains(&span.parent.as_str());
    trace.iter().all(is_whole) && ways(trace).iter().any(|way| way == expected)
}

/// What a person has that must not be in any span.
struct Marks(Vec<String>);

/// Signs up, signs in and gets a node token; what of it is a secret.
async fn use_the_fleet(fleet: &Fleet) -> Marks {
    let (email, auth_pw) = (format!("{}@canary.test", unique_hex()), unique_hex());
    let server = &fleet.server;
    let new = insist("a new account", async || {
        Person::sign_up(server, &email, &auth_pw).await
    });
    let person = new.await.unwrap();
    let verified = answered(async || person.verify(server, fleet.mailbox).await);
    assert_eq!(verified.await.unwrap().status, StatusCode::OK);
    let session = insist("a session", async || {
        Person::sign_in(server, &email, &auth_pw).await
    });
    let session = session.await.unwrap();
    let access_token = insist("an access token", async || session.access_token(server).await);
    let access_token = access_token.await.unwrap();
    let key_id = insist("a key id", async || session.key_id(server).await);
    let key_id = key_id.await.unwrap();
    let answer = answered(async || exchange(server, &access_token, &key_id).await);
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}\n{}", fleet.logs());
    let token = answer.json().unwrap();
    let member = |name: &str| token[name].as_str().unwrap().to_owned();
    let local_part = email.split('@').next().unwrap().to_owned();
    Marks(vec![
        local_part,
        auth_pw,
        person.uid,
        access_token,
        key_id,
        member("id"),
        member("key"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_and_an_exchange_are_one_trace_each_through_all_tiers() {
    let work = WorkFolder::of("fleet_traces").unwrap();
    let collector = Collector::start().await.unwrap();
    // The webhead alone decides: the tiers behind record what it records, and would record nothing by themselves.
    let more = [
        (Tier::Webhead, to_collector(&collector.endpoint(), 1.0)),
        (Tier::Dbwriter, to_collector(&collector.endpoint(), 0.0)),
        (
            Tier::Keysigner,
            "[traces]\noutput = \"stderr\"\nsample_ratio = 0.0\nbatch_wait_ms = 20\n".to_owned(),
        ),
    ];
    let more: Vec<(Tier, &str)> = more.iter().map(|(tier, text)| (*tier, text.as_str())).collect();
    let fleet = Fleet::start_with(work.path(), SHAPE, &more).await.unwrap();
    let marks = use_the_fleet(&fleet).await;

    let sign_in = "POST /v1/account/login";
    let token = "GET /1.0/{app}/{version}";
    let expected: [(&str, &[&str]); 6] = [
        (
            sign_in,
            &[
                "foxhold-webhead server POST /v1/account/login",
                "foxhold-webhead internal stretch",
            ],
        ),
        (
            sign_in,
            &[
                "foxhold-webhead server POST /v1/account/login",
                "foxhold-webhead client sqlite account_by_email",
            ],
        ),
        (
            sign_in,
            &[
                "foxhold-webhead server POST /v1/account/login",
                "foxhold-webhead client foxhold.dbwriter.v1.AccountWriter/OpenSession",
                "foxhold-dbwriter server foxhold.dbwriter.v1.AccountWriter/OpenSession",
                "foxhold-dbwriter client sqlite OpenSession",
            ],
        ),
        (
            token,
            &[
                "foxhold-webhead server GET /1.0/{app}/{version}",
                "foxhold-webhead client sqlite user_record",
            ],
        ),
        (
            token,
            &[
                "foxhold-webhead server GET /1.0/{app}/{version}",
                "foxhold-webhead client foxhold.dbwriter.v1.AssignmentWriter/Assign",
                "foxhold-dbwriter server foxhold.dbwriter.v1.AssignmentWriter/Assign",
                "foxhold-dbwriter client sqlite Assign",
            ],
        ),
        (
            token,
            &[
                "foxhold-webhead server GET /1.0/{app}/{version}",
                "foxhold-webhead client foxhold.keysigner.v1.Keysigner/MintNodeToken",
                "foxhold-keysigner server foxhold.keysigner.v1.Keysigner/MintNodeToken",
            ],
        ),
    ];
    let arrived = || {
        let spans = all(&fleet, &collector);
        expected.iter().all(|(name, way)| {
            let traces = traces_of(&spans, name);
            traces.len() == 1 && traces.values().all(|trace| has_way(trace, way))
        })
    };
    let waited = wait_until("all spans", || {
        let arrived = arrived();
        async move { arrived }
    });
    if let Err(error) = waited.await {
        let spans = all(&fleet, &collector);
        let found = [sign_in, token].map(|name| traces_of(&spans, name));
        panic!("{error:#}\n{found:#?}\n{}", fleet.logs());
    }

    let spans = all(&fleet, &collector);
    let traces: Vec<Vec<Recorded>> = traces_of(&spans, sign_in).into_values().collect();
    let [trace]: [Vec<Recorded>; 1] = traces.try_into().unwrap();
    let first = trace.iter().find(|span| span.parent.is_empty()).unwrap();
    for (tier, output) in [Tier::Webhead, Tier::Dbwriter].map(|tier| (tier, fleet.output(tier, 1).unwrap())) {
        let is_named = output.contains(&format!("\"trace_id\":\"{}\"", first.trace));
        assert!(is_named, "no line of {tier:?} names the trace");
    }
    let signers = fleet.output(Tier::Keysigner, 1).unwrap();
    let lines = signers
        .lines()
        .filter(|line| line.starts_with("{\"resourceSpans\""));
    let text = collector.text() + &lines.collect::<String>();
    for mark in &marks.0 {
        assert!(!text.contains(mark.as_str()), "{mark} is in a span");
    }
    let is_of_health = |span: &Recorded| span.name.contains("readyz") || span.name.contains("grpc.health");
    assert!(!spans.iter().any(is_of_health));

    a_client_decides_nothing(&fleet, &collector).await;
}

/// Its `traceparent` is not read.
async fn a_client_decides_nothing(fleet: &Fleet, collector: &Collector) {
    let traceparent = format!("00-{FOREIGN}-00f067aa0ba902b7-01");
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", traceparent.as_str()),
    ];
    let body = json!({ "email": format!("{}@canary.test", unique_hex()) }).to_string();
    let path = "/v1/account/status";
    let answer = http::send(fleet.server.address, &Method::POST, path, &headers, body).await;
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    wait_until("the span of the request", || {
        let has_come = !traces_of(&collector.spans(), "POST /v1/account/status").is_empty();
        async move { has_come }
    })
    .await
    .unwrap();
    assert!(collector.spans().iter().all(|span| span.trace != FOREIGN));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_spans_are_counted_as_lost_and_without_a_sample_there_are_none() {
    let work = WorkFolder::of("fleet_traces_away").unwrap();
    let collector = Collector::start().await.unwrap();
    // Nobody listens there any more.
    let nobody = Collector::start().await.unwrap().endpoint();
    let webhead = to_collector(&nobody, 1.0);
    let dbwriter = to_collector(&collector.endpoint(), 0.0);
    let more = [(Tier::Webhead, webhead.as_str())];
    let mut fleet = Fleet::start_with(work.path(), SHAPE, &more).await.unwrap();
    use_the_fleet(&fleet).await;
    let lost = "foxhold_traces_dropped_total{reason=\"not_sent\"}";
    wait_until("spans to be lost", || {
        let counted = fleet.metrics(Tier::Webhead, 1);
        async move { counted.await.is_ok_and(|text| text.contains(lost)) }
    })
    .await
    .unwrap();
    for tier in [Tier::Dbwriter, Tier::Keysigner] {
        let output = fleet.output(tier, 1).unwrap();
        assert!(
            !output.contains("resourceSpans") && !output.contains("trace_id\":"),
            "{tier:?} {output}"
        );
    }

    // A process sends what it has when it ends: now is the time for spans that must not be there.
    fleet.stop(Tier::Webhead, 1).await.unwrap();
    fleet.add_to_configuration(Tier::Webhead, 1, &dbwriter).unwrap();
    fleet.restart(Tier::Webhead, 1).await.unwrap();
    use_the_fleet(&fleet).await;
    let metrics = fleet.metrics(Tier::Webhead, 1).await.unwrap();
    assert!(!metrics.contains(lost), "it has the configuration of before");
    fleet.stop(Tier::Webhead, 1).await.unwrap();
    assert_eq!(collector.text(), "");
}
