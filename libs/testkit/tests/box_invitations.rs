//! Invitations that a single box mails: a file is imported, twice, and whoever uses a mailed code has an account that is
//! verified, without a second mail.

use std::{fs, path::Path};

use foxhold_testkit::{
    http,
    person::{Person, mailed_header, unique_hex},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// A box that makes accounts of the invited only.
async fn by_invitation(work: &WorkFolder) -> SingleBox {
    let mut single = SingleBox::start(work.path(), &[]).await.expect("a box");
    single.process.terminate().await.expect("its end");
    let file = work.path().join("data/foxhold.toml");
    let settings = fs::read_to_string(&file).expect("its settings");
    fs::write(&file, format!("registration = \"invitation\"\n{settings}")).expect("a file");
    single.restart().await.expect("a box");
    single
}

/// What each row came to.
fn imported(single: &SingleBox, file: &Path, more: &[&str]) -> Vec<String> {
    let file = file.to_str().expect("its name");
    let arguments = ["invite", "import", file, "--output", "json"];
    let ran = single.tool(&[&arguments[..], more].concat()).expect("the tool");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let rows = told["rows"].as_array().expect("rows");
    let outcome = |row: &Value| row["outcome"].as_str().expect("an outcome").to_owned();
    rows.iter().map(outcome).collect()
}

async fn templates_of(single: &SingleBox, email: &str) -> Vec<String> {
    let path = format!("/mail/{}", email.split('@').next().unwrap_or_default());
    let mails = http::get(single.private, &path).await.expect("an answer").json();
    let mails = mails.expect("JSON").as_array().expect("mails").clone();
    let name = |mail: &Value| {
        mail["headers"]["x-template-name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    mails.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_mailed_once_and_a_mailed_code_makes_a_verified_account() {
    let work = WorkFolder::of("box_invitations").unwrap();
    let single = by_invitation(&work).await;
    let emails: Vec<_> = (0..3)
        .map(|_| format!("{}@example.test", &unique_hex()[..20]))
        .collect();
    let file = work.path().join("class.csv");
    fs::write(&file, format!("email\n{}\n", emails.join("\n"))).unwrap();
    let send = ["--send", "--from-name", "Class 5b"];
    assert_eq!(imported(&single, &file, &send), ["sent"; 3]);
    assert_eq!(imported(&single, &file, &send), ["already_invited"; 3]);
    for email in &emails {
        assert_eq!(templates_of(&single, email).await, ["invitation"]);
    }

    let link = mailed_header(single.private, &emails[0], "x-link").await.unwrap();
    let root = format!("{}/?invite=", single.server.root);
    let code = link.strip_prefix(&root).expect("a link to the box").to_owned();
    let sign_up =
        async |email: &str| Person::sign_up_invited(&single.server, email, &unique_hex(), &code).await;
    let refused = sign_up(&emails[1]).await.unwrap().err().expect("another's code");
    assert_eq!(refused.json().unwrap()["errno"], 1003);
    let person = sign_up(&emails[0]).await.unwrap().expect("an account");
    let path = "/v1/recovery_email/status";
    let status = single
        .server
        .signed(Method::GET, path, &person.session, None)
        .await
        .unwrap();
    assert_eq!(status.status, StatusCode::OK);
    let status = status.json().unwrap();
    assert_eq!(
        (&status["verified"], &status["emailVerified"]),
        (&json!(true), &json!(true)),
        "{status}"
    );
    assert_eq!(
        templates_of(&single, &emails[0]).await,
        ["invitation"],
        "no second mail"
    );
    let used = sign_up(&emails[0]).await.unwrap().err().expect("it is used");
    assert_eq!(used.status, StatusCode::FORBIDDEN);
    assert_eq!(
        imported(&single, &file, &send),
        ["exists", "already_invited", "already_invited"]
    );
}
