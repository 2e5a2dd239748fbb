//! Services and nodes as a configuration writes them, made once and twice.

use foxhold_ports::{
    AssignmentReader, Refusal,
    memory::{MemoryStore, SeededRandom},
};

use super::*;

fn wanted() -> Bootstrap {
    Bootstrap {
        services: vec![ServiceSettings {
            key: "sync-1.5".into(),
            pattern: "{node}/1.5/{uid}".into(),
            scope: "s".into(),
            token_lifetime_secs: token_lifetime_secs(),
            uid_ceiling: uid_ceiling(),
            schemes: schemes(),
            allowed_issuers: vec![],
            trusted_issuers: vec![],
            allowed_email_domains: vec![],
            admission: AdmissionSetting::Everyone,
            conditions: BTreeMap::new(),
            auth_max_age_secs: None,
            pinned_to: None,
            pools: vec![],
            closed_pools: BTreeSet::new(),
        }],
        nodes: vec![NodeSettings {
            service: "sync-1.5".into(),
            url: "https://node".into(),
            node_type: None,
            pool: None,
            capacity: 10,
            available: None,
        }],
    }
}

/// One rule, as the configuration writes it.
fn pools(rule: &str) -> Vec<PoolSettings> {
    let text = format!("key = 'k'\npattern = 'p'\nscope = 's'\npools = [{rule}]");
    toml::from_str::<ServiceSettings>(&text).unwrap().pools
}

#[test]
fn what_would_give_no_tokens_is_refused_by_its_key() {
    type Change = fn(&mut Bootstrap);
    let table: [(Change, &str); 13] = [
        (|wanted| wanted.services[0].key = "sync".into(), "services[0].key"),
        (
            |wanted| wanted.services[0].token_lifetime_secs = 0,
            "services[0].token_lifetime_secs",
        ),
        (
            |wanted| wanted.services[0].token_lifetime_secs = LIFETIME_SECS_MAX + 1,
            "services[0].token_lifetime_secs",
        ),
        (
            |wanted| wanted.services[0].uid_ceiling = 0,
            "services[0].uid_ceiling",
        ),
        (|wanted| wanted.services[0].schemes.clear(), "services[0].schemes"),
        (
            |wanted| wanted.services[0].schemes.push(SchemeSetting::BrowserId),
            "services[0].allowed_issuers",
        ),
        (
            |wanted| wanted.services[0].auth_max_age_secs = Some(0),
            "services[0].auth_max_age_secs",
        ),
        (
            |wanted| wanted.services[0].pinned_to = Some("node".into()),
            "services[0].pinned_to",
        ),
        (
            |wanted| wanted.services[0].pools = pools("{ pool = 'a', domains = ['d'], users = ['u@d'] }"),
            "services[0].pools",
        ),
        (
            |wanted| wanted.services[0].pools = pools("{ pool = 'a', share = 0 }"),
            "services[0].pools",
        ),
        (
            |wanted| wanted.nodes[0].url = "https://node/".into(),
            "nodes[0].url",
        ),
        (|wanted| wanted.nodes[0].url = "node:8000".into(), "nodes[0].url"),
        (
            |wanted| wanted.nodes[0].available = Some(11),
            "nodes[0].available",
        ),
    ];
    assert_eq!(wanted().check(), Ok(()));
    for (change, key) in table {
        let mut wanted = wanted();
        change(&mut wanted);
        let message = wanted.check().unwrap_err().to_string();
        assert!(message.starts_with(&format!("`bootstrap.{key}`")), "{message}");
    }
}

#[test]
fn a_service_as_the_configuration_writes_it() {
    let base = "key = \"sync-1.5\"\npattern = \"p\"\nscope = \"s\"\n";
    let read = |rest: &str| toml::from_str::<ServiceSettings>(&format!("{base}{rest}"));
    let policy = |rest: &str| read(rest).unwrap().policy();
    assert_eq!(policy(""), ServicePolicy::default());
    let all = "schemes = [\"browserid\"]\nallowed_issuers = [\"a.example\"]\ntrusted_issuers = [\"b.example\"]\n\
        allowed_email_domains = [\"c.example\"]\nadmission = { listed = [\"u\"] }\nauth_max_age_secs = 60\n[conditions]\ntos = \"https://e.example\"\n";
    let expected = ServicePolicy {
        schemes: Schemes {
            oauth: false,
            browserid: true,
        },
        allowed_issuers: vec!["a.example".into()],
        trusted_issuers: vec!["b.example".into()],
        allowed_email_domains: vec!["c.example".into()],
        admission: Admission::Listed(["u".to_owned()].into()),
        conditions: [("tos".to_owned(), "https://e.example".to_owned())].into(),
        auth_max_age_secs: Some(60),
        allocation: Allocation::default(),
    };
    assert_eq!(policy(all), expected);
    for (text, expected) in [
        ("\"everyone\"", Admission::Everyone),
        ("\"nobody\"", Admission::Nobody),
        ("{ first = 100 }", Admission::First(100)),
    ] {
        assert_eq!(policy(&format!("admission = {text}")).admission, expected);
    }
    for wrong in [
        "admission = \"some\"",
        "admission = { first = -1 }",
        "schemes = [\"hawk\"]",
        "accepts = true",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn pools_as_the_configuration_writes_them() {
    let base = "key = 'sync-1.5'\npattern = 'p'\nscope = 's'\n";
    let read = |rest: &str| toml::from_str::<ServiceSettings>(&format!("{base}{rest}"));
    let all = "pinned_to = 'https://node'\nclosed_pools = ['b']\npools = [{ pool = 'a', users = ['u@d'] }, \
        { pool = 'a', domains = ['d'], share = 500 }, { pool = 'b', share = 1 }]";
    let name = |name| PoolName::new(name).unwrap();
    let rule = |whom, share, pool| PoolRule {
        whom,
        share,
        pool: name(pool),
    };
    let expected = Allocation {
        pinned_to: Some("https://node".into()),
        pools: vec![
            rule(Whom::Users(["u@d".to_owned()].into()), 10_000, "a"),
            rule(Whom::Domains(["d".to_owned()].into()), 500, "a"),
            rule(Whom::Everyone, 1, "b"),
        ],
        closed_pools: [name("b")].into(),
    };
    assert_eq!(read(all).unwrap().policy().allocation, expected);
    let node = "service = 's'\nurl = 'https://node'\ncapacity = 1\n";
    let node = toml::from_str::<NodeSettings>(&format!("{node}pool = 'a'")).unwrap();
    assert_eq!(NewNode::from(&node).pool, Some(name("a")));
    for wrong in [
        "pools = [{ pool = 'A' }]",
        "pools = [{ share = 1 }]",
        "closed_pools = ['']",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn twice_is_once() {
    let store = MemoryStore::new();
    let random = SeededRandom::new(1);
    for at in [1, 2] {
        let done = bootstrap(&store, &wanted(), Timestamp::from_millis(at), &random).await;
        assert_eq!(done, Ok(()));
    }
    let by = Deadline::after(STEP_MAX);
    assert_eq!(store.services(by).await.unwrap().len(), 1);
    let nodes = store.nodes(by, &ServiceKey("sync-1.5".into())).await.unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].figures.available, 10);
}

#[tokio::test]
async fn what_is_there_is_not_missing() {
    let store = MemoryStore::new();
    let random = SeededRandom::new(1);
    let by = Deadline::after(STEP_MAX);
    let missing = async |wanted: Bootstrap| {
        let Bootstrap { services, nodes } = wanted.missing(&store, by).await.unwrap();
        (services.len(), nodes.len())
    };
    assert_eq!(missing(wanted()).await, (1, 1));
    let done = bootstrap(&store, &wanted(), Timestamp::default(), &random).await;
    assert_eq!(done, Ok(()));
    assert_eq!(missing(wanted()).await, (0, 0));
    // Changed, renamed or deleted since, by an administrator: it does not come back.
    let mut other = wanted();
    other.services[0].token_lifetime_secs += 1;
    other.nodes[0].url.push('2');
    assert_eq!(missing(other.clone()).await, (0, 0));
    other.services[0].key = "notes-1.0".into();
    other.nodes[0].service = "notes-1.0".into();
    assert_eq!(missing(other).await, (1, 1));
}

#[tokio::test]
async fn a_node_of_no_service_is_refused() {
    let only_nodes = Bootstrap {
        services: Vec::new(),
        ..wanted()
    };
    let random = SeededRandom::new(1);
    let done = bootstrap(&MemoryStore::new(), &only_nodes, Timestamp::default(), &random).await;
    assert_eq!(done, Err(WriteError::Refused(Refusal::UnknownService)));
}
