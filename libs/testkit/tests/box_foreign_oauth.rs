//! Two boxes: one has the accounts, the other has their users' data. A user's access token of the first leads to the node of
//! the second, which asks for nothing but the key set, and goes on when the first is away.

use foxhold_testkit::{
    person::{Person, Server, exchange, storage, unique_hex},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};

/// What the second box is called, so that its domain is another.
const STORAGE: &str = "http://storage.test";

async fn start(work: &WorkFolder, name: &str, more: &[&str]) -> SingleBox {
    let folder = work.path().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    SingleBox::start(&folder, more).await.expect("a box")
}

/// What its users are called, as the second box is told.
const DOMAIN: &str = "domain = \"localhost\"";

/// Tells the second box whose users it has. `settings` are its own, before that; `domain` may be nothing: then it asks.
async fn serve_users_of(
    storage: &mut SingleBox,
    accounts: &SingleBox,
    (work, settings): (&WorkFolder, &str),
    domain: &str,
) {
    storage.process.terminate().await.expect("its end");
    let table = format!(
        "{settings}\n[foreign_oauth]\nserver_url = \"http://{}/v1\"\n{domain}\nissuer = {:?}\n",
        accounts.server.address, accounts.server.root
    );
    std::fs::write(settings_file(work), table).expect("its settings");
    storage.restart().await.expect("the box again");
}

fn settings_file(work: &WorkFolder) -> std::path::PathBuf {
    work.path().join("storage/data/foxhold.toml")
}

fn settings(work: &WorkFolder) -> String {
    std::fs::read_to_string(settings_file(work)).expect("its settings")
}

async fn signed_up(server: &Server, mailbox: std::net::SocketAddr) -> Person {
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let person = Person::sign_up(server, &email, &unique_hex()).await;
    let person = person.expect("an answer").expect("an account");
    let verified = person.verify(server, mailbox).await.expect("an answer");
    assert_eq!(verified.status, StatusCode::OK);
    person
}

fn storage_server(there: &SingleBox) -> Server {
    Server {
        address: there.server.address,
        root: STORAGE.to_owned(),
    }
}

/// The first box says at `/config` what its users are called, and verifies tokens that the second one shows it.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_box_asks_the_first_one_what_its_users_are_called() {
    let work = WorkFolder::of("box_foreign_oauth_discovery").unwrap();
    let accounts = start(&work, "accounts", &[]).await;
    let mut there = start(&work, "storage", &["--public-url", STORAGE]).await;
    let own_settings = settings(&work);
    let person = signed_up(&accounts.server, accounts.private).await;
    let access = person.access_token(&accounts.server).await.unwrap().ok().unwrap();
    let key_id = person.key_id(&accounts.server).await.unwrap().ok().unwrap();
    let mut uids = Vec::new();
    for domain in ["", DOMAIN] {
        serve_users_of(&mut there, &accounts, (&work, &own_settings), domain).await;
        let node = storage_server(&there);
        let answer = exchange(&node, &access, &key_id).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{domain}: {answer:?}");
        uids.push(answer.json().unwrap()["uid"].clone());
        // No JWT, so the first box is shown it, and says that it is none.
        let refused = exchange(&node, "0123456789abcdef", &key_id).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{domain}: {refused:?}");
    }
    assert_eq!(
        uids[0], uids[1],
        "the same user by the discovered domain and by the configured one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_here_and_data_there() {
    let work = WorkFolder::of("box_foreign_oauth").unwrap();
    let mut accounts = start(&work, "accounts", &[]).await;
    let mut there = start(&work, "storage", &["--public-url", STORAGE]).await;
    serve_users_of(&mut there, &accounts, (&work, &settings(&work)), DOMAIN).await;
    let node = storage_server(&there);

    let person = signed_up(&accounts.server, accounts.private).await;
    let access = person.access_token(&accounts.server).await.unwrap().ok().unwrap();
    let key_id = person.key_id(&accounts.server).await.unwrap().ok().unwrap();
    let answer = exchange(&node, &access, &key_id).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let token = answer.json().unwrap();
    let endpoint = token["api_endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with(STORAGE), "{endpoint}");
    let listed = storage(&node, &token, Method::GET, "/info/collections", "").await;
    assert_eq!(listed.unwrap().status, StatusCode::OK);

    // Its own accounts' tokens lead nowhere, nor does what the other box does not know.
    let local = signed_up(&node, there.private).await;
    let own = local.access_token(&node).await.unwrap().ok().unwrap();
    for stranger in [own.as_str(), "0123456789abcdef"] {
        let refused = exchange(&node, stranger, &key_id).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
        assert_eq!(refused.json().unwrap()["status"], "invalid-credentials");
    }

    accounts.process.kill().unwrap();
    let again = exchange(&node, &access, &key_id).await.unwrap();
    assert_eq!(again.json().unwrap()["uid"], token["uid"]);
    let in_doubt = exchange(&node, "0123456789abcdef", &key_id).await.unwrap();
    assert_eq!(in_doubt.status, StatusCode::SERVICE_UNAVAILABLE, "{in_doubt:?}");
    there.process.kill().unwrap();
    there.restart().await.unwrap();
    let in_doubt = exchange(&node, &access, &key_id).await.unwrap();
    assert_eq!(in_doubt.status, StatusCode::SERVICE_UNAVAILABLE, "{in_doubt:?}");
}
