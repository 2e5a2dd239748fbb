//! Public clients: the refresh token is replaced at each use; what was used up and comes again later ends the grant. Of codes
//! the same, for all registered clients.

use foxhold_core::{Deadline, Uid};
use foxhold_ports::{AccountReader as _, memory::ManualClock};
use foxhold_webhead::limits::{LimitSettings, LocalLimits};

use super::*;

const OVERLAP: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

impl Scene {
    async fn first(&self) -> Value {
        self.trade(&self.code().await).await.ok()["refresh_token"].clone()
    }

    /// The refresh token that another leads to.
    async fn next(&self, token: &Value) -> Value {
        let granted = self.refresh(token).await.ok();
        let info = self.userinfo(&granted["access_token"]).await.ok();
        assert_eq!(info["sub"], self.user.uid.as_str());
        assert!(granted["id_token"].is_null());
        granted["refresh_token"].clone()
    }

    async fn is_over(&self, token: &Value) -> bool {
        let answer = self.refresh(token).await;
        let over = error(&answer) == (400, "invalid_grant");
        assert!(over || answer.status == StatusCode::OK, "{}", answer.text);
        over
    }

    async fn destroy(&self, token: &Value) {
        let form = format!("token={}", token.as_str().unwrap());
        self.form("/v1/destroy", &form).await.ok();
    }

    /// How many refresh tokens the store keeps.
    async fn kept(&self) -> usize {
        let uid: Uid = self.user.uid.parse().unwrap();
        let by = Deadline::after(Duration::from_secs(60));
        self.bench.store.refresh_tokens(by, uid).await.unwrap().len()
    }

    /// How many entries of the list of attached clients are this program's.
    async fn attached(&self) -> usize {
        let path = "/v1/account/attached_clients";
        let listed = self.bench.signed_get(path, &self.user.session).await.ok();
        let entries = listed.as_array().unwrap().iter();
        entries.filter(|entry| entry["clientId"] == ID).count()
    }

    fn wait(&self, span: Duration) {
        self.bench.clock.advance(span);
    }
}

#[tokio::test]
async fn a_token_of_a_public_client_is_replaced_at_each_use() {
    let scene = Scene::new(ClientKind::Public).await;
    let first = scene.first().await;
    let mut last = first.clone();
    for use_number in 0..5 {
        scene.wait(Duration::from_secs(3600));
        let next = scene.next(&last).await;
        assert_ne!(next, last, "{use_number}");
        assert_eq!(
            (scene.kept().await, scene.attached().await),
            (1, 1),
            "{use_number}"
        );
        last = next;
    }
    // Fewer scopes for one access token are not fewer for the next.
    let form = format!(
        "grant_type=refresh_token&scope=openid&refresh_token={}",
        last.as_str().unwrap()
    );
    let fewer = scene.form("/v1/token", &form).await.ok();
    assert_eq!(fewer["scope"], "openid");
    let all = scene.refresh(&fewer["refresh_token"]).await.ok();
    assert_eq!(all["scope"], "openid email offline_access");
    // What is refused replaces nothing.
    let token = &all["refresh_token"];
    let more = format!(
        "grant_type=refresh_token&scope=openid+profile&refresh_token={}",
        token.as_str().unwrap()
    );
    let refused = scene.form("/v1/token", &more).await;
    assert_eq!(error(&refused), (400, "invalid_scope"));
    scene.wait(OVERLAP * 2);
    assert!(!scene.is_over(token).await);
}

#[tokio::test]
async fn a_confidential_client_keeps_its_token() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let token = scene.first().await;
    for _ in 0..3 {
        scene.wait(OVERLAP * 2);
        assert_eq!(scene.next(&token).await, Value::Null);
    }
    assert_eq!(scene.kept().await, 1);
}

#[tokio::test]
async fn the_old_token_works_for_a_minute_and_leads_to_the_same() {
    let scene = Scene::new(ClientKind::Public).await;
    let first = scene.first().await;
    let second = scene.next(&first).await;
    scene.wait(OVERLAP / 2);
    assert_eq!(scene.next(&first).await, second, "the answer was lost");
    let third = scene.next(&second).await;
    scene.wait(OVERLAP / 2);
    assert_eq!(scene.next(&first).await, third, "that one was used meanwhile");
    assert_eq!(scene.next(&second).await, third);
    assert_eq!(scene.kept().await, 1);
}

#[tokio::test]
async fn of_parallel_uses_all_are_given_the_same() {
    let scene = Arc::new(Scene::new(ClientKind::Public).await);
    let token = scene.first().await;
    let uses = (0..64).map(|_| {
        let (scene, token) = (Arc::clone(&scene), token.clone());
        tokio::spawn(async move { scene.next(&token).await })
    });
    let mut given = Vec::new();
    for used in uses.collect::<Vec<_>>() {
        given.push(used.await.unwrap());
    }
    assert!(given.iter().all(|next| *next == given[0] && *next != token));
    assert_eq!((scene.kept().await, scene.attached().await), (1, 1));
    scene.wait(OVERLAP * 2);
    assert!(!scene.is_over(&given[0]).await);
}

#[tokio::test]
async fn a_replaced_token_that_comes_later_ends_the_grant() {
    let scene = Scene::new(ClientKind::Public).await;
    let granted = scene.trade(&scene.code().await).await.ok();
    let (first, elsewhere) = (&granted["refresh_token"], scene.first().await);
    let (second, code) = (scene.next(first).await, scene.code().await);
    scene.wait(OVERLAP + MOMENT);
    assert!(scene.is_over(first).await);
    for token in [&second, &elsewhere, first] {
        assert!(scene.is_over(token).await);
    }
    assert_eq!(error(&scene.trade(&code).await), (400, "invalid_grant"));
    let info = scene.userinfo(&granted["access_token"]).await;
    assert_eq!(info.status, StatusCode::UNAUTHORIZED);
    assert_eq!((scene.kept().await, scene.attached().await), (0, 0));

    // Whoever has the old one cannot end what the user agrees to next.
    let unasked = scene.authorize(json!({ "consent": false })).await;
    assert_eq!(unasked.refusal(), (403, 1005));
    scene.wait(MOMENT);
    let anew = scene.first().await;
    for token in [first, &second, &elsewhere] {
        assert!(scene.is_over(token).await);
    }
    assert!(!scene.is_over(&anew).await);
}

#[tokio::test]
async fn another_client_ends_nothing() {
    let mut scene = Scene::new(ClientKind::Public).await;
    let first = scene.first().await;
    let second = scene.next(&first).await;
    scene.wait(OVERLAP * 2);
    let own = scene.client.clone();
    let id = "0a0a0a0a0a0a0a0a";
    scene.client = RegisteredClient {
        id: id.parse().unwrap(),
        version: 1,
        ..own.clone()
    };
    scene.put(&scene.client).await;
    let token = first.as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id={id}&refresh_token={token}");
    let request =
        Request::post("/v1/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = scene.bench.send(request.body(Body::from(form)).unwrap()).await;
    assert_eq!(error(&answer), (400, "invalid_grant"));
    scene.client = own;
    assert!(!scene.is_over(&second).await);
}

#[tokio::test]
async fn an_outage_costs_no_token_and_hides_no_theft() {
    let scene = Scene::new(ClientKind::Public).await;
    let first = scene.first().await;
    let busy = (503, "temporarily_unavailable");
    // A signer that is away: nothing is replaced, however long it is.
    *scene.bench.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    assert_eq!(error(&scene.refresh(&first).await), busy);
    *scene.bench.signer.outage.lock().unwrap() = None;
    scene.wait(OVERLAP * 2);
    let second = scene.next(&first).await;
    // An intent that was done, and nobody was told.
    scene.bench.store.lose_answers(2);
    assert_eq!(error(&scene.refresh(&second).await), busy);
    let third = scene.next(&second).await;
    assert_eq!(scene.kept().await, 1);

    scene.wait(OVERLAP + MOMENT);
    scene.bench.store.set_outage(Some(Cause::Unavailable));
    for token in [&second, &third] {
        assert_eq!(error(&scene.refresh(token).await), busy);
    }
    scene.bench.store.set_outage(None);
    let fourth = scene.next(&third).await;
    assert!(scene.is_over(&second).await && scene.is_over(&fourth).await);
}

#[tokio::test]
async fn replacements_are_limited_and_who_waits_loses_nothing() {
    let settings = LimitSettings {
        rules: vec!["refreshTokenReplace : email : 2 : 5 min : 5 min : block".into()],
        ..LimitSettings::default()
    };
    let clock = Arc::new(ManualClock::new(NOW));
    let limits = LocalLimits::new(&settings, clock.clone(), &SeededRandom::new(1)).unwrap();
    let options = Options {
        limits: Arc::new(limits),
        ..Options::default()
    };
    let scene = Scene::with(ClientKind::Public, options).await;
    let first = scene.first().await;
    *scene.bench.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    for _ in 0..3 {
        let away = scene.refresh(&first).await;
        assert_eq!(error(&away), (503, "temporarily_unavailable"), "it replaces none");
    }
    *scene.bench.signer.outage.lock().unwrap() = None;
    let second = scene.next(&first).await;
    for _ in 0..3 {
        assert_eq!(scene.next(&first).await, second, "nor does the old one");
    }
    let third = scene.next(&second).await;
    let elsewhere = scene.first().await;
    for token in [&third, &elsewhere] {
        let refused = scene.refresh(token).await;
        assert_eq!(error(&refused), (429, "temporarily_unavailable"));
        assert_eq!(refused.headers["retry-after"], "300");
    }
    assert_eq!(scene.next(&second).await, third, "the answer was lost");
    let wait = Duration::from_secs(300) + MOMENT;
    clock.advance(wait);
    scene.wait(wait);
    let fourth = scene.next(&third).await;
    assert_ne!(fourth, third);
    assert_ne!(scene.next(&elsewhere).await, elsewhere);
}

#[tokio::test]
async fn a_client_that_missed_the_answer_can_sign_out() {
    let scene = Scene::new(ClientKind::Public).await;
    let first = scene.first().await;
    let second = scene.next(&first).await;
    scene.destroy(&first).await;
    assert!(scene.is_over(&second).await && scene.is_over(&first).await);
    assert_eq!(
        (scene.kept().await, scene.attached().await),
        (0, 1),
        "it was agreed to"
    );
    // And the new one, as ever.
    let first = scene.first().await;
    let second = scene.next(&first).await;
    scene.destroy(&second).await;
    assert!(scene.is_over(&second).await && scene.is_over(&first).await);
}

#[tokio::test]
async fn a_code_that_comes_again_later_ends_what_it_gave() {
    for kind in [ClientKind::Confidential, ClientKind::Public] {
        let scene = Scene::new(kind).await;
        let code = scene.code().await;
        let granted = scene.trade(&code).await.ok();
        let token = &granted["refresh_token"];
        let refused = (400, "invalid_grant");
        scene.wait(Duration::from_secs(10));
        assert_eq!(error(&scene.trade(&code).await), refused, "in parallel");
        scene.userinfo(&granted["access_token"]).await.ok();

        // Without its proof it was not the client that lost it.
        scene.wait(MOMENT);
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fwiki.example.test%2Fcb"
        );
        assert_eq!(error(&scene.form("/v1/token", &form).await), refused);
        scene.userinfo(&granted["access_token"]).await.ok();

        scene.bench.store.set_outage(Some(Cause::Timeout));
        let away = scene.trade(&code).await;
        assert_eq!(error(&away), (503, "temporarily_unavailable"));
        scene.bench.store.set_outage(None);
        scene.userinfo(&granted["access_token"]).await.ok();

        assert_eq!(error(&scene.trade(&code).await), refused);
        let info = scene.userinfo(&granted["access_token"]).await;
        assert_eq!(info.status, StatusCode::UNAUTHORIZED);
        assert!(scene.is_over(token).await);
        assert_eq!((scene.kept().await, scene.attached().await), (0, 0));

        scene.wait(MOMENT);
        let anew = scene.first().await;
        assert_eq!(error(&scene.trade(&code).await), refused);
        assert!(!scene.is_over(&anew).await);
    }
}

#[tokio::test]
async fn a_program_learns_that_its_refresh_token_has_ended() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let code = scene.code().await;
    let token = scene.trade(&code).await.ok()["refresh_token"].clone();
    let form = format!("token={}", token.as_str().unwrap());
    let known = async || scene.form("/v1/introspect", &form).await.ok()["active"].clone();
    assert_eq!(known().await, true);
    // Who is asked without saying who asks tells nothing of it.
    let by_anybody = scene
        .bench
        .post("/v1/introspect", &json!({ "token": token }))
        .await;
    assert_eq!(by_anybody.ok(), json!({ "active": false }));
    // The grant alone, as if whoever ended it had come no further.
    let (uid, client): (Uid, ClientId) = (scene.user.uid.parse().unwrap(), ID.parse().unwrap());
    scene.wait(MOMENT);
    let ended = scene.bench.store.end_grant(&scene.call(), uid, client).await;
    ended.unwrap();
    assert_eq!(scene.kept().await, 1);
    assert_eq!(known().await, false);
}
