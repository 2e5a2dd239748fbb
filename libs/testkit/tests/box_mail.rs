//! Mail of a single box that a mail server does not take at once: the server is away, the box is killed meanwhile, the
//! server wants to be asked again, refuses, or says nothing, or its certificate is not the one. Against a real mail server.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{Authority, LIFETIME_MAX, Subject},
};
use foxhold_testkit::{
    http,
    mail_server::MailServer,
    person::{Person, unique_hex},
    single_box::SingleBox,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

const PEOPLE: usize = 5;

async fn signed_up(single: &SingleBox, name: &str) -> Person {
    let email = format!("{name}{}@example.test", &unique_hex()[..12]);
    let entered = Person::sign_up(&single.server, &email, &unique_hex()).await;
    match entered.expect("an answer") {
        Ok(person) => person,
        Err(refused) => panic!("{name}: {}", refused.status),
    }
}

/// Waits until mail has come, and tells how much.
async fn mails_of(server: &MailServer, person: &Person) -> usize {
    let got = || async { server.mails(&person.email).await.expect("its mails").len() };
    let waited = wait_until("a mail", || async { got().await > 0 });
    waited.await.expect("a mail");
    got().await
}

/// The value of a line of the metrics, zero if there is none.
async fn metric(single: &SingleBox, line: &str) -> u64 {
    let answer = http::get(single.private, "/metrics").await.expect("metrics");
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let value = text
        .lines()
        .find_map(|this| this.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a number"))
}

fn result(result: &str) -> String {
    format!("foxhold_mail_sent_total{{template=\"verify\",result=\"{result}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_promised_arrives_once_though_the_server_was_away_and_the_box_was_killed() {
    let work = WorkFolder::of("box_mail_killed").unwrap();
    let mut server = MailServer::off(work.path()).unwrap();
    let mut single = SingleBox::start_mailing(work.path(), server.smtp).await.unwrap();
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(signed_up(&single, &format!("person{number}")).await);
    }
    single.process.kill().unwrap();

    server.start().await.unwrap();
    single.restart().await.unwrap();
    for person in &people {
        assert_eq!(mails_of(&server, person).await, 1, "{}", person.email);
        let verified = person.verify(&single.server, server.mailbox).await.unwrap();
        assert_eq!(verified.status, StatusCode::OK, "the code of the mail is right");
    }
    wait_until("all to be noted as sent", || async {
        metric(&single, &result("sent")).await == PEOPLE as u64
    })
    .await
    .unwrap();

    // Noted as sent: the next process finds nothing to send.
    let ended = single.process.terminate().await.unwrap();
    assert!(ended.success(), "{ended}");
    single.restart().await.unwrap();
    let last = signed_up(&single, "last").await;
    assert_eq!(mails_of(&server, &last).await, 1);
    for person in &people {
        assert_eq!(mails_of(&server, person).await, 1, "{}", person.email);
    }
    // Neither address nor code is in the log.
    let log = single.process.output().unwrap();
    assert!(
        log.contains("a mail was sent") && !log.contains("@example.test"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hesitates_refuses_or_says_nothing_delays_no_other_mail() {
    let work = WorkFolder::of("box_mail_answers").unwrap();
    let mut server = MailServer::off(work.path()).unwrap();
    server.start().await.unwrap();
    let single = SingleBox::start_mailing(work.path(), server.smtp).await.unwrap();
    for number in 0..3 {
        signed_up(&single, &format!("silent{number}")).await;
    }
    let refused = signed_up(&single, "never").await;
    let later = signed_up(&single, "later").await;
    let other = signed_up(&single, "other").await;
    assert_eq!(mails_of(&server, &other).await, 1);
    assert_eq!(mails_of(&server, &later).await, 1);
    wait_until("the refusal to be counted", || async {
        metric(&single, &result("refused")).await == 1
    })
    .await
    .unwrap();
    assert!(metric(&single, &result("deferred")).await >= 2);
    assert!(server.mails(&refused.email).await.unwrap().is_empty());
}

/// What became of the rows of a file of addresses, whose invitations are mailed.
fn invited(single: &SingleBox, file: &Path) -> Vec<Value> {
    let file = file.to_str().expect("its name");
    let ran = single
        .tool(&["invite", "import", file, "--send", "--output", "json"])
        .expect("the tool runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let rows = told["rows"].as_array().expect("rows").clone();
    rows.iter().map(|row| row["outcome"].clone()).collect()
}

/// Waits for the mails of a receiver; how many invite, and the code of the last.
async fn invitations_of(server: &MailServer, email: &str) -> (usize, String) {
    let got = || async { server.mails(email).await.expect("its mails") };
    let waited = wait_until("an invitation", || async { !got().await.is_empty() });
    waited.await.expect("an invitation");
    let mails = got().await;
    let link = mails.last().expect("a mail")["headers"]["x-link"].clone();
    let link = link.as_str().expect("a link");
    let (_, code) = link.split_once("/?invite=").expect("a code");
    (mails.len(), code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_was_promised_is_mailed_once_though_the_box_was_killed_or_did_not_run() {
    let work = WorkFolder::of("box_mail_invitations").unwrap();
    let mut server = MailServer::off(work.path()).unwrap();
    let mut single = SingleBox::start_mailing(work.path(), server.smtp).await.unwrap();
    let emails: Vec<_> = (0..PEOPLE)
        .map(|_| format!("{}@example.test", &unique_hex()[..20]))
        .collect();
    let file = work.path().join("class.csv");
    let (first, later) = emails.split_at(PEOPLE - 1);
    std::fs::write(&file, format!("email\n{}\n", first.join("\n"))).unwrap();
    assert_eq!(invited(&single, &file), vec![json!("sent"); first.len()]);
    single.process.kill().unwrap();
    // The stopped box takes up what the killed one had promised.
    std::fs::write(&file, format!("email\n{}\n", emails.join("\n"))).unwrap();
    let mut expected = vec![json!("already_invited"); first.len()];
    expected.push(json!("sent"));
    assert_eq!(invited(&single, &file), expected, "{later:?}");

    server.start().await.unwrap();
    single.restart().await.unwrap();
    let sent = "foxhold_mail_sent_total{template=\"invitation\",result=\"sent\"}";
    wait_until("all to be noted as sent", || async {
        metric(&single, sent).await == PEOPLE as u64
    })
    .await
    .unwrap();
    expected.fill(json!("already_invited"));
    assert_eq!(invited(&single, &file), expected);
    for email in &emails {
        let (mails, code) = invitations_of(&server, email).await;
        let entered = Person::sign_up_invited(&single.server, email, &unique_hex(), &code).await;
        let person = entered.expect("an answer").expect("an account");
        let status = single
            .server
            .signed(Method::GET, "/v1/session/status", &person.session, None);
        let status = status.await.unwrap().json().unwrap();
        assert_eq!((mails, &status["state"]), (1, &json!("verified")), "{status}");
        assert_eq!(server.mails(email).await.unwrap().len(), 1, "no second mail");
    }
    let log = single.process.output().unwrap();
    assert!(
        !log.contains("@example.test") && !log.contains("invite="),
        "{log}"
    );
}

/// A password that only its owner can read, as the box demands.
fn write_password(file: &Path, password: &str) {
    std::fs::write(file, password).expect("a file");
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).expect("its mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_a_login_that_the_server_likes() {
    let work = WorkFolder::of("box_mail_login").unwrap();
    let file = work.path().join("password");
    write_password(&file, "of last year");
    let server = MailServer::off(work.path()).unwrap();
    let mut server = server.with_login("foxhold:of this year");
    server.start().await.unwrap();
    let login = Some(("foxhold", file.as_path()));
    let started = SingleBox::start_mailing_as(work.path(), server.smtp, login).await;
    let mut single = started.unwrap();
    let person = signed_up(&single, "person").await;
    wait_until("the mail to be put off", || async {
        metric(&single, &result("deferred")).await > 0
    })
    .await
    .unwrap();
    assert_eq!(
        metric(&single, &result("refused")).await,
        0,
        "the mail is not to blame"
    );
    let (code, _, last) = tried(&single, "somebody@example.test");
    assert_eq!((code, &last["step"]), (Some(1), &json!("log in")));

    let ended = single.process.terminate().await.unwrap();
    assert!(ended.success(), "{ended}");
    write_password(&file, "of this year");
    single.restart().await.unwrap();
    assert_eq!(mails_of(&server, &person).await, 1);
    let (code, steps, last) = tried(&single, "somebody@example.test");
    assert_eq!(
        (code, steps, &last["state"]),
        (Some(0), 7, &json!("ok")),
        "{last}"
    );
}

/// State and answer of the last step of `foxhold mail test`, and how the command ended.
fn tried(single: &SingleBox, to: &str) -> (Option<i32>, usize, Value) {
    let ran = single
        .tool(&["mail", "test", to, "--output", "json"])
        .expect("the tool runs");
    let told: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    let steps = told["steps"].as_array().expect("steps").clone();
    (
        ran.status.code(),
        steps.len(),
        steps.last().expect("a step").clone(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_tells_how_far_a_mail_comes() {
    let work = WorkFolder::of("box_mail_tool").unwrap();
    let mut server = MailServer::off(work.path()).unwrap();
    let single = SingleBox::start_mailing(work.path(), server.smtp).await.unwrap();
    let (code, _, last) = tried(&single, "somebody@example.test");
    assert_eq!(
        (code, &last["step"], &last["state"]),
        (Some(1), &json!("connect"), &json!("failed"))
    );

    server.start().await.unwrap();
    let (code, steps, last) = tried(&single, "somebody@example.test");
    assert_eq!(
        (code, steps, &last["state"]),
        (Some(0), 6, &json!("ok")),
        "{last}"
    );
    let mails = server.mails("somebody@example.test").await.unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["headers"]["subject"], "localhost can send mail");

    let (code, _, last) = tried(&single, "never@example.test");
    assert_eq!((code, &last["step"]), (Some(1), &json!("name the receiver")));
    assert!(
        last["answer"].as_str().unwrap().contains("nobody of that name"),
        "{last}"
    );
    let nobody = single.tool(&["mail", "test", "nobody"]).unwrap();
    assert!(!nobody.status.success());
}

/// A mail server's certificate for `host`, its key, and the authority that it leads to.
struct Papers {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

impl Papers {
    fn of(authority: &Authority, work: &Path, name: &str, host: &str) -> Self {
        let subject = Subject {
            uris: Vec::new(),
            hosts: vec![host.to_owned()],
            lifetime: LIFETIME_MAX,
        };
        let pair = authority
            .issue(&subject, &SystemClock, &SystemRandom)
            .expect("a certificate");
        let write = |kind: &str, pem: &str| {
            let path = work.join(format!("{name}.{kind}"));
            std::fs::write(&path, pem).expect("a file");
            path
        };
        Self {
            certificate: write("pem", &pair.certificate_pem),
            key: write("key", &pair.key_pem),
            authority: write("authority", authority.certificate_pem()),
        }
    }

    fn shown(&self) -> Option<(&Path, &Path)> {
        Some((&self.certificate, &self.key))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_the_server_that_is_meant_and_to_no_other() {
    let work = WorkFolder::of("box_mail_tls").unwrap();
    let authority = |name: &str| Authority::create(name, &SystemClock, &SystemRandom).unwrap();
    let (ours, others) = (authority("ours"), authority("others"));
    let good = Papers::of(&ours, work.path(), "good", "127.0.0.1");
    let foreign = Papers::of(&others, work.path(), "foreign", "127.0.0.1");
    let misnamed = Papers::of(&ours, work.path(), "misnamed", "mail.example.test");
    let mut server = MailServer::off(work.path()).unwrap();
    let single = SingleBox::start_mailing_over_tls(work.path(), server.smtp, &good.authority)
        .await
        .unwrap();
    let mut put_off = 0;
    for (name, papers) in [
        ("foreign", foreign.shown()),
        ("misnamed", misnamed.shown()),
        ("in clear", None),
    ] {
        server.set_certificate(papers);
        server.start().await.unwrap();
        let (code, _, last) = tried(&single, "somebody@example.test");
        let refused = (Some(1), &json!("protect the connection"), &json!("failed"));
        assert_eq!((code, &last["step"], &last["state"]), refused, "{name}: {last}");
        let person = signed_up(&single, "person").await;
        wait_until("the mail to be put off", || async {
            metric(&single, &result("deferred")).await > put_off
        })
        .await
        .unwrap();
        put_off = metric(&single, &result("deferred")).await;
        assert!(server.mails(&person.email).await.unwrap().is_empty(), "{name}");
    }
    server.set_certificate(good.shown());
    server.start().await.unwrap();
    let person = signed_up(&single, "person").await;
    assert_eq!(mails_of(&server, &person).await, 1);
    let (code, steps, last) = tried(&single, "somebody@example.test");
    assert_eq!(
        (code, steps, &last["state"]),
        (Some(0), 7, &json!("ok")),
        "{last}"
    );
    wait_until("what was put off to be sent", || async {
        metric(&single, &result("sent")).await == 4
    })
    .await
    .unwrap();
    assert_eq!(
        metric(&single, &result("refused")).await,
        0,
        "no mail is to blame"
    );
}
