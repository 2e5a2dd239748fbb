//! Registered clients: made, changed, given other secrets, removed; and what cannot be meant.

use foxhold_core::{Deadline, hex};
use foxhold_crypto::mac::sha256;
use foxhold_ops::wire::{Client, ClientOutcome, ClientPut, Clients, Code};
use foxhold_ports::ClientRegistry as _;
use serde_json::{Value, json};

use crate::scene::Scene;

const CLIENTS: &str = "/admin/v1/clients";

fn settings() -> Value {
    json!({
        "name": "Wiki", "image_uri": null, "kind": "confidential", "redirect_uris": ["https://wiki.example.test/cb"],
        "post_logout_redirect_uris": [], "scopes": ["openid", "email"], "disabled": false, "trusted": false,
        "require_pkce": false, "require_aal2": false, "id_token_profile": false, "allow_http": false, "allowed": [],
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut settings = settings();
    settings[member] = value;
    settings
}

async fn made(scene: &Scene) -> (String, String) {
    let put: ClientPut = scene.post(CLIENTS, &settings()).await.of();
    assert_eq!(put.outcome, ClientOutcome::Created);
    let secret = put.secret.expect("a confidential client has a secret").0;
    (format!("{CLIENTS}/{}", put.client.id), secret)
}

#[tokio::test]
async fn a_client_is_made_changed_and_removed() {
    let scene = Scene::bare();
    let foretold: ClientPut = scene
        .post(&format!("{CLIENTS}?dry_run=true"), &settings())
        .await
        .of();
    assert!(foretold.dry_run && foretold.secret.is_none());
    assert_eq!(scene.get(CLIENTS).await.of::<Clients>().clients, []);
    let (at, _) = made(&scene).await;
    let shown: Client = scene.get(&at).await.of();
    assert_eq!(serde_json::to_value(&shown.settings).unwrap(), settings());
    assert_eq!(
        scene.get(CLIENTS).await.of::<Clients>().clients,
        std::slice::from_ref(&shown)
    );

    let unchanged: ClientPut = scene.put(&at, &settings()).await.of();
    assert_eq!(unchanged.outcome, ClientOutcome::Unchanged);
    let changed: ClientPut = scene.put(&at, &with("trusted", json!(true))).await.of();
    let fields: Vec<_> = changed
        .changes
        .iter()
        .map(|change| change.field.as_str())
        .collect();
    assert_eq!(
        (changed.outcome, fields),
        (ClientOutcome::Changed, vec!["trusted"])
    );
    assert!(scene.get(&at).await.of::<Client>().settings.trusted);

    let deleted: ClientPut = scene.delete(&at).await.of();
    assert_eq!(deleted.outcome, ClientOutcome::Deleted);
    for answer in [
        scene.get(&at).await,
        scene.delete(&at).await,
        scene.put(&at, &settings()).await,
    ] {
        assert_eq!(answer.code(), Code::UnknownClient);
    }
}

#[tokio::test]
async fn the_last_two_secrets_are_good() {
    let scene = Scene::bare();
    let (at, first) = made(&scene).await;
    let mut secrets = vec![first];
    for _ in 0..2 {
        let rotated: ClientPut = scene.post(&format!("{at}/rotate"), &json!({})).await.of();
        assert_eq!(rotated.outcome, ClientOutcome::Rotated);
        secrets.push(rotated.secret.unwrap().0);
    }
    let hash = |secret: &String| sha256(&[&hex::decode::<32>(secret).unwrap()]);
    let by = Deadline::after(std::time::Duration::from_secs(60));
    let [client] = scene.store.clients(by).await.unwrap().try_into().unwrap();
    let kept: Vec<_> = client.secrets.iter().map(|secret| secret.hash).collect();
    assert_eq!(
        kept,
        [hash(&secrets[2]), hash(&secrets[1])],
        "newest first, and no third"
    );

    let public: ClientPut = scene
        .post(CLIENTS, &{
            let mut public = with("kind", json!("public"));
            public["require_pkce"] = json!(true);
            public
        })
        .await
        .of();
    assert!(public.secret.is_none());
    let refused = scene
        .post(&format!("{CLIENTS}/{}/rotate", public.client.id), &json!({}))
        .await;
    assert_eq!(refused.code(), Code::InvalidRequest);
}

#[tokio::test]
async fn what_cannot_be_meant_is_named() {
    let scene = Scene::bare();
    let (at, _) = made(&scene).await;
    let table = [
        ("name", json!("")),
        ("image_uri", json!("http://wiki.example.test/p")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["http://wiki.example.test/cb"])),
        ("redirect_uris", json!(["https://wiki.example.test/cb#x"])),
        ("post_logout_redirect_uris", json!(["javascript:1"])),
        ("scopes", json!([])),
        ("scopes", json!(["https://identity.mozilla.com/apps/oldsync"])),
        ("scopes", json!(["profile:write"])),
        ("scopes", json!(["openid", "foo"])),
        ("allowed", json!(["Example.test"])),
    ];
    for (member, value) in table {
        for answer in [
            scene.post(CLIENTS, &with(member, value.clone())).await,
            scene.put(&at, &with(member, value.clone())).await,
        ] {
            let problem = answer.problem();
            assert_eq!(problem.code, Code::InvalidRequest, "{member} {value}");
            assert_eq!(problem.errors[0].field, member, "{value}");
        }
    }
    let mut less = settings();
    less.as_object_mut().unwrap().remove("trusted");
    for body in [less, with("color", json!("red")), json!([])] {
        assert_eq!(
            scene.post(CLIENTS, &body).await.code(),
            Code::InvalidRequest,
            "{body}"
        );
    }
    let other_kind = scene.put(&at, &with("kind", json!("public"))).await;
    assert_eq!(other_kind.problem().errors[0].field, "kind");
    for id in ["0000000000000000", "x", "%ff"] {
        let answer = scene.get(&format!("{CLIENTS}/{id}")).await;
        assert!(
            [Code::UnknownClient, Code::InvalidRequest].contains(&answer.code()),
            "{id}"
        );
    }
    assert_eq!(
        scene.get(CLIENTS).await.of::<Clients>().clients.len(),
        1,
        "nothing was written"
    );
}
