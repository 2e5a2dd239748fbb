//! Users who do what users do, and a process that dies between two of its steps.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use foxhold_core::{
    Clock as _, OpId, Uid,
    record::{PasswordEffect, PasswordTokenKind, Service},
};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, AssignmentAdmin as _, AssignmentWriter as _, Call,
    accounts::SignIn,
    assignments::Target,
    conformance::fixtures::{Maker, node, service, soon, user, values},
};
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::CassandraStore;
use tokio::task::JoinSet;

/// Users at a time, and one after the other.
const AT_ONCE: u64 = 4;
const EACH: u64 = 12;

/// An intent of now: what it writes is as young as it is.
fn call() -> Call {
    Call {
        op: OpId::new(SystemClock.now(), &SystemRandom),
        deadline: soon(),
    }
}

/// A service with room for all of them.
pub(crate) async fn open_service(store: &CassandraStore) -> Service {
    let service = service("sync-1.5");
    store
        .put_service(&call(), service.clone())
        .await
        .expect("a service");
    for number in 1..=3 {
        let node = node(&service, &format!("https://node-{number}.example"), 100);
        store.create_node(&call(), node).await.expect("a node");
    }
    service
}

/// All users. `is_over` becomes true at the end.
pub(crate) async fn users(store: Arc<CassandraStore>, service: Service, is_over: Arc<AtomicBool>) {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (store, service) = (Arc::clone(&store), service.clone());
        tasks.spawn(async move {
            for number in 0..EACH {
                one(&store, &service, first * EACH + number + 1).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("all of it is done");
    }
    is_over.store(true, Ordering::Release);
}

/// Signs up twice (the first one never confirmed), confirms, signs in and out, and is given a node; has new passwords, and
/// another account, which ends.
async fn one(store: &CassandraStore, service: &Service, number: u64) {
    let make = Maker::new(number);
    let address = format!("user{number}@example.com");
    let uid = sign_up(store, &make, &address).await;
    hang_on(store, &make, uid).await;
    let uid = sign_up(store, &make, &address).await;
    store.verify_email(&call(), uid).await.expect("verified");
    hang_on(store, &make, uid).await;
    let sign_in = sign_in(&make, uid);
    let (session, key_fetch) = (sign_in.session.id, sign_in.key_fetches[0].id);
    store.open_session(&call(), sign_in).await.expect("opened");
    store.consume_key_fetch(&call(), key_fetch).await.expect("spent");
    let token = make.refresh_token(uid, Some(session));
    store.put_refresh_token(&call(), token).await.expect("kept");
    store.close_session(&call(), uid, session).await.expect("closed");
    let at = user(service, number, None);
    store
        .assign(
            &call(),
            &at,
            &values(1, 1, b"a"),
            &Target::DEFAULT,
            SystemClock.now(),
        )
        .await
        .expect("there is room");
    for turn in 0..3 {
        let effect = match turn {
            0 => PasswordEffect::Upgrade,
            1 => make.change(),
            _ => make.reset(false),
        };
        new_password(store, &make, uid, effect).await;
        hang_on(store, &make, uid).await;
    }
    let gone = sign_up(store, &make, &format!("gone{number}@example.com")).await;
    hang_on(store, &make, gone).await;
    let deleted = store.delete_account(&call(), gone, 1).await;
    deleted.expect("deleted");
}

async fn new_password(store: &CassandraStore, make: &Maker, uid: Uid, effect: PasswordEffect) {
    let account = store.account(soon(), uid).await.expect("it reads");
    let account = account.expect("the account is there");
    let token = make.password_token(&account, effect.wants());
    let id = token.id;
    if token.kind == PasswordTokenKind::Reset {
        let forgot = make.password_token(&account, PasswordTokenKind::Forgot);
        let forgot_id = forgot.id;
        let put = store.put_password_token(&call(), forgot, None).await;
        put.expect("kept");
        let missed = store.miss_password_token(&call(), forgot_id).await;
        assert_eq!(missed, Ok(1));
        let redeemed = store.redeem_password_token(&call(), forgot_id, token).await;
        redeemed.expect("redeemed");
    } else {
        let key_fetch = Some(make.key_fetch(uid));
        let put = store.put_password_token(&call(), token, key_fetch).await;
        put.expect("kept");
    }
    let update = make.password_update(&account, id, effect);
    let mut sign_in = make.sign_in_to(&update.applied_to(&account));
    sign_in.session.created_at = SystemClock.now();
    let mut session = sign_in.session.clone();
    let set = store.set_password(&call(), update, Some(sign_in)).await;
    set.expect("set");
    session.auth_at = make.now();
    let refreshed = store
        .refresh_session(&call(), session, vec![make.key_fetch(uid)])
        .await;
    refreshed.expect("refreshed");
}

async fn sign_up(store: &CassandraStore, make: &Maker, address: &str) -> Uid {
    let account = make.account(address);
    let uid = account.uid;
    let made = store.create_account(&call(), account, sign_in(make, uid)).await;
    made.expect("signed up");
    uid
}

/// A session of now, so that it does not count as old.
fn sign_in(make: &Maker, uid: Uid) -> SignIn {
    let mut sign_in = make.sign_in(uid);
    sign_in.session.created_at = SystemClock.now();
    sign_in
}

async fn hang_on(store: &CassandraStore, make: &Maker, uid: Uid) {
    let session = store.sessions(soon(), uid).await.expect("sessions")[0].id;
    let device = make.device(uid, session);
    store.put_device(&call(), device).await.expect("kept");
    let token = make.refresh_token(uid, Some(session));
    store.put_refresh_token(&call(), token).await.expect("kept");
}
