//! Invitations that a fleet mails: the admin API, which has no mail server, leaves them in the outbox; a webhead words and
//! sends each once, and whoever has the code has an account that is verified.

use std::{fs, path::Path, process::Command};

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    http,
    person::{Person, unique_hex},
    process::binary_path,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::Method;
use serde_json::{Value, json};

/// Lets `foxhold-ops` make invitations, and mail them or not.
fn configure(fleet: &mut Fleet, work: &Path, mail: bool) {
    let key = work.join("keys/code.key");
    let table = format!(
        "[invitations]\npublic_url = {:?}\ncode_key_file = {key:?}\nmail = {mail}\n",
        fleet.server.root
    );
    fleet
        .add_to_configuration(Tier::Ops, 1, &table)
        .expect("its configuration");
}

/// Exit code of the import, and what each row came to.
fn imported(file: &Path, whom: &[String]) -> (Option<i32>, Vec<Value>) {
    let mut command = Command::new(binary_path("foxhold").expect("the tool"));
    command.args(["invite", "import"]).arg(file);
    command.args(["--send", "--output", "jsonl"]).args(whom);
    let ran = command.output().expect("the tool runs");
    let rows = String::from_utf8(ran.stdout).expect("text");
    let rows = rows.lines().map(|row| serde_json::from_str(row).expect("JSON"));
    let outcomes = rows.map(|row: Value| row["outcome"].clone());
    (ran.status.code(), outcomes.collect())
}

async fn mails(fleet: &Fleet, email: &str) -> Vec<Value> {
    let path = format!("/mail/{}", email.split('@').next().unwrap_or_default());
    let answer = http::get(fleet.mailbox, &path).await.expect("the mail server");
    answer
        .json()
        .expect("JSON")
        .as_array()
        .expect("its mails")
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_admin_api_promises_a_webhead_mails_once() {
    let work = WorkFolder::of("fleet_invitations").unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 1,
        dbwriters: 1,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let emails: Vec<_> = (0..4)
        .map(|_| format!("{}@example.test", &unique_hex()[..20]))
        .collect();
    let file = work.path().join("class.csv");
    fs::write(&file, format!("email\n{}\n", emails.join("\n"))).unwrap();

    configure(&mut fleet, work.path(), false);
    let whom = fleet.administrate().await.unwrap();
    assert_eq!(imported(&file, &whom), (Some(6), Vec::new()), "no mail goes out");

    fleet.stop(Tier::Ops, 1).await.unwrap();
    configure(&mut fleet, work.path(), true);
    let whom = fleet.administrate().await.unwrap();
    assert_eq!(imported(&file, &whom), (Some(0), vec![json!("sent"); 4]));
    assert_eq!(
        imported(&file, &whom),
        (Some(0), vec![json!("already_invited"); 4])
    );
    for email in &emails {
        wait_until("an invitation", || async {
            !mails(&fleet, email).await.is_empty()
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    }

    for email in &emails {
        let link = mails(&fleet, email).await[0]["headers"]["x-link"].clone();
        let link = link.as_str().expect("a link");
        let (root, code) = link.split_once("/?invite=").expect("a code");
        assert_eq!(root, fleet.server.root);
        let entered = Person::sign_up_invited(&fleet.server, email, &unique_hex(), code).await;
        let person = entered.unwrap().expect("an account");
        let path = "/v1/session/status";
        let status = fleet
            .server
            .signed(Method::GET, path, &person.session, None)
            .await
            .unwrap()
            .json()
            .unwrap();
        assert_eq!(status["state"], "verified", "{status}");
        assert_eq!(mails(&fleet, email).await.len(), 1, "one mail, and no second");
    }
}
