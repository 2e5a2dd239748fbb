//! `[account_events]` as operators write it, and the keys that come of it.

use std::{fs, sync::Arc, time::Duration};

use foxhold_core::Deadline;
use foxhold_outbound::Outbound;
use foxhold_ports::memory::ManualClock;

use super::{NOW, deleted, key_set};
use crate::{
    foreign_oauth::stand_in::{AccountsServer, JWKS},
    token_server::{
        events::{AccountEventsError, AccountEventsSettings, EventReceiver},
        tests::metrics,
    },
};

const TEXTS: &str = "issuer = 'https://accounts.example'\naudience = '5882386c6d801776'\n";
const URL: &str = "jwks_url = 'https://accounts.example/v1/jwks'\n";

fn table(text: &str) -> Result<AccountEventsSettings, toml::de::Error> {
    toml::from_str(text)
}

/// Whether a token of the test key is one of theirs.
async fn takes_events(settings: &AccountEventsSettings) -> bool {
    let (outbound, clock) = (Arc::new(Outbound::new()), Arc::new(ManualClock::new(NOW)));
    let receiver = EventReceiver::new(
        &settings.prepare().unwrap(),
        outbound,
        clock,
        Duration::from_secs(10),
    );
    let by = Deadline::after(Duration::from_secs(30));
    receiver.verified(by, &deleted()).await.is_ok()
}

#[test]
fn what_the_table_takes() {
    let rows = [
        ("whole", format!("{TEXTS}{URL}"), true),
        ("unknown key", format!("{TEXTS}{URL}colour = 'red'\n"), false),
        ("no audience", format!("issuer = 'x'\n{URL}"), false),
        ("no issuer", format!("audience = 'x'\n{URL}"), false),
    ];
    for (name, text, is_taken) in rows {
        assert_eq!(table(&text).is_ok(), is_taken, "{name}");
    }
}

#[test]
fn what_cannot_be_meant_is_named() {
    type Change = fn(&mut AccountEventsSettings);
    let rows: [(&str, Change); 7] = [
        ("`account_events.issuer`", |table| table.issuer.clear()),
        ("`account_events.audience`", |table| table.audience.clear()),
        ("`account_events.domain`", |table| {
            table.domain = Some("https://accounts.example".into());
        }),
        ("`account_events`", |table| table.jwks_url = None),
        ("`account_events`", |table| {
            table.key_files = vec!["keys.json".into()]
        }),
        ("`account_events.jwks_url`", |table| {
            table.jwks_url = Some("accounts.example".into());
        }),
        ("`account_events.jwks_url`", |table| {
            table.jwks_url = Some(String::new())
        }),
    ];
    for (named, change) in rows {
        let mut settings = table(&format!("{TEXTS}{URL}")).unwrap();
        assert!(settings.prepare().is_ok());
        change(&mut settings);
        let message = settings.prepare().unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn keys_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let set = key_set().await;
    let rows = [
        ("a key set", set.to_jwks(), true),
        ("a JWK", set.keys()[0].to_jwk(), true),
        ("an empty set", r#"{"keys":[]}"#.to_owned(), false),
        (
            "keys of other kinds",
            r#"{"keys":[{"kty":"EC"}]}"#.to_owned(),
            false,
        ),
        ("no keys", "{}".to_owned(), false),
        ("no JSON", "-----BEGIN PUBLIC KEY-----".to_owned(), false),
    ];
    let mut settings = table(TEXTS).unwrap();
    for (name, contents, is_taken) in rows {
        let path = folder.path().join("keys.json");
        fs::write(&path, contents).unwrap();
        settings.key_files = vec![path];
        if is_taken {
            assert!(takes_events(&settings).await, "{name}");
        } else {
            let error = settings.prepare().unwrap_err();
            assert!(matches!(error, AccountEventsError::NoKey(_)), "{name}: {error}");
        }
    }
    settings.key_files.push(folder.path().join("absent"));
    fs::write(&settings.key_files[0], set.to_jwks()).unwrap();
    let error = settings.prepare().unwrap_err();
    assert!(matches!(error, AccountEventsError::KeyFile { .. }), "{error}");
}

#[test]
fn nobody_else_ends_the_own_accounts() {
    let (own, other) = ("accounts.example", "other.example");
    // What the table says, whose access tokens are taken, whose users the events are about.
    let rows = [
        (Some(other), None, Some(other)),
        (None, Some(other), Some(other)),
        (Some("third.example"), Some(other), Some("third.example")),
        (None, None, None),
        (Some(own), None, None),
        (Some(own), Some(other), None),
    ];
    for (domain, tokens_of, expected) in rows {
        let mut settings = table(TEXTS).unwrap();
        settings.jwks_url = Some("https://other.example/jwks".to_owned());
        settings.domain = domain.map(str::to_owned);
        let events = settings.prepare().unwrap().about_others(own, tokens_of);
        let about = events.ok().and_then(|events| events.domain);
        assert_eq!(about.as_deref(), expected, "{domain:?} {tokens_of:?}");
    }
}

#[tokio::test]
async fn keys_that_are_fetched() {
    let server = AccountsServer::start().await;
    let mut settings = table(TEXTS).unwrap();
    settings.jwks_url = Some(server.url(JWKS));
    assert!(takes_events(&settings).await);
    assert!(metrics::are_fetched("account_events"));
    settings.jwks_url = Some(server.url("/v1/nothing"));
    assert!(!takes_events(&settings).await);
}
