//! A box whose user changes keys: what was stored under the old ones is erased from the node, what is stored under the new
//! ones stays. The user's accounts are elsewhere, so that the test says when keys change.

use std::path::Path;

use foxhold_testkit::{
    http,
    issuer::Issuer,
    person::{exchange, storage},
    single_box::SingleBox,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::Value;

const ALICE: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
const RECORD: &str = "/storage/meta/global";

/// Tells the box whose users it has, and to purge at once.
async fn set_up(of_box: &mut SingleBox, issuer: &Issuer, work: &Path) {
    of_box.process.terminate().await.expect("its end");
    let key = work.join("accounts.jwk");
    std::fs::write(&key, issuer.jwk().to_string()).expect("the key");
    let file = work.join("data/foxhold.toml");
    let settings = std::fs::read_to_string(&file).expect("its settings");
    let tables = format!(
        "{settings}\n[foreign_oauth]\nserver_url = \"http://127.0.0.1:1/v1\"\ndomain = \"accounts.test\"\n\
         key_files = [{:?}]\nverify_remotely = false\n\n[purge]\ninterval_secs = 1\ngrace_secs = 0\n",
        key.display().to_string()
    );
    std::fs::write(&file, tables).expect("its settings");
    of_box.restart().await.expect("the box again");
}

/// A node token of Alice, once her keys have changed at that time.
async fn token(of_box: &SingleBox, issuer: &Issuer, changed_at: u64, client_state: &str) -> Value {
    let access = issuer.access_token(ALICE, changed_at).expect("a token");
    let key_id = format!("{changed_at}-{client_state}");
    let answer = exchange(&of_box.server, &access, &key_id)
        .await
        .expect("an answer");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json().expect("a node token")
}

async fn status(of_box: &SingleBox, token: &Value, method: Method, body: &str) -> StatusCode {
    let answer = storage(&of_box.server, token, method, RECORD, body).await;
    answer.expect("an answer").status
}

async fn metric(of_box: &SingleBox, name: &str) -> f64 {
    let text = http::get(of_box.private, "/metrics").await.expect("metrics");
    let text = String::from_utf8_lossy(&text.body).into_owned();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_data_goes_and_new_data_stays() {
    let work = WorkFolder::of("box_purge").unwrap();
    let issuer = Issuer::start("accounts.test").await.unwrap();
    let mut of_box = SingleBox::start(work.path(), &[]).await.unwrap();
    set_up(&mut of_box, &issuer, work.path()).await;

    let old = token(&of_box, &issuer, 1000, "AAAAAAAAAAAAAAAAAAAAAA").await;
    let record = r#"{"payload":"of the old keys"}"#;
    assert_eq!(status(&of_box, &old, Method::PUT, record).await, StatusCode::OK);
    assert_eq!(status(&of_box, &old, Method::GET, "").await, StatusCode::OK);

    let new = token(&of_box, &issuer, 2000, "AQEBAQEBAQEBAQEBAQEBAQ").await;
    assert_ne!(new["uid"], old["uid"]);
    let record = r#"{"payload":"of the new keys"}"#;
    assert_eq!(status(&of_box, &new, Method::PUT, record).await, StatusCode::OK);

    // The old token is still good at the node: it shows what lies there.
    wait_until("the old data to be erased", || async {
        status(&of_box, &old, Method::GET, "").await == StatusCode::NOT_FOUND
    })
    .await
    .unwrap();
    wait_until("the old record to be forgotten", || async {
        metric(&of_box, "foxhold_token_purge_deleted_total").await > 0.5
    })
    .await
    .unwrap();
    assert_eq!(status(&of_box, &new, Method::GET, "").await, StatusCode::OK);
    let again = token(&of_box, &issuer, 2000, "AQEBAQEBAQEBAQEBAQEBAQ").await;
    assert_eq!(again["uid"], new["uid"]);

    // It ends as quickly as before.
    of_box.process.terminate().await.unwrap();
}
