//! A box becomes a fleet over Cassandra: its records are exported while it runs and imported over the admin API, and every user
//! keeps uid, node and token. What the fleet exports then is what the box did.

use std::{collections::BTreeSet, path::Path, process::Command};

use foxhold_testkit::{
    accounts_elsewhere::{AccountsElsewhere, Claims, Credential},
    cassandra::shared,
    fleet::{Cassandra, Store},
    process::binary_path,
    report::report,
    single_box::SingleBox,
    token_race::{Client, Given, ROOMY, SECRET, Stage, User},
    work_folder::{WorkFolder, write_private},
};
use serde_json::Value;

const USERS: u8 = 40;

/// A user with a credential and the token that came of it.
struct Moving {
    credential: Credential,
    given: Given,
}

/// A box whose users have their accounts elsewhere, and whose node has the secret of all nodes.
async fn start_box(work: &Path, accounts: &AccountsElsewhere) -> SingleBox {
    let mut of_box = SingleBox::start(work, &[]).await.expect("a box");
    of_box.process.terminate().await.expect("its end");
    let file = work.join("data/foxhold.toml");
    let settings = std::fs::read_to_string(&file).expect("its settings");
    let settings = format!("{settings}\n{}", accounts.configuration_of_users());
    std::fs::write(&file, settings).expect("its settings");
    let secret = work.join("data/keys/node.secret");
    std::fs::remove_file(&secret).expect("its secret");
    write_private(&secret, SECRET).expect("the secret of all nodes");
    of_box.restart().await.expect("the box again");
    of_box
}

async fn token(client: &Client, credential: &Credential) -> Given {
    let (said, _) = client
        .ask_patiently(0, ROOMY, credential)
        .await
        .expect("an answer");
    said.token().expect("a token").clone()
}

/// Users with a place on the box; every third has changed keys since.
async fn settle(client: &Client, accounts: &AccountsElsewhere) -> Vec<Moving> {
    let mut moving = Vec::new();
    for number in 0..USERS {
        let user = User::new();
        let credential = |changed_at, client_state| {
            let claims = Claims {
                uid: &user.0,
                generation: changed_at,
                keys_changed_at: changed_at,
                client_state: [client_state; 16],
            };
            accounts.credential(&claims).expect("a credential")
        };
        let mut now = credential(1000, 1);
        let mut given = token(client, &now).await;
        if number % 3 == 0 {
            now = credential(2000, 2);
            given = token(client, &now).await;
        }
        moving.push(Moving {
            credential: now,
            given,
        });
    }
    moving
}

/// What `foxhold` prints.
fn foxhold(arguments: &[&str]) -> String {
    let mut command = Command::new(binary_path("foxhold").expect("the tool"));
    let output = command.args(arguments).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).expect("text")
}

/// The users of an export, in any order.
fn users(export: &str) -> BTreeSet<String> {
    let of_user = |line: &&str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["kind"] == "user"
    };
    export.lines().filter(of_user).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_box_keep_uid_node_and_token_in_a_fleet() {
    let work = WorkFolder::of("cassandra_takeover").expect("a folder");
    let (home, away) = (work.path().join("box"), work.path().join("fleet"));
    for folder in [&home, &away] {
        std::fs::create_dir(folder).expect("a folder");
    }
    let accounts = AccountsElsewhere::new(&home).expect("an accounts server");
    let of_box = start_box(&home, &accounts).await;
    let client = Client::new([of_box.server.address]).expect("a client");
    let moving = settle(&client, &accounts).await;
    let data = home.join("data").display().to_string();
    let exported = foxhold(&["service", "export", "--data", &data]);
    assert_eq!(users(&exported).len(), usize::from(USERS));
    let file = work.path().join("records.jsonl").display().to_string();
    std::fs::write(&file, &exported).expect("the export");

    let cassandra = Cassandra::on_shared(&shared().await.expect("a cluster"));
    let store = Store::Cassandra(cassandra.clone());
    let mut stage = Stage::start(&away, store, &[]).await.expect("a fleet");
    let [admin, url, identity, folder] = stage.fleet.administrate().await.expect("its admin API");
    let asking = |arguments: &[&str]| {
        let to_fleet = [admin.as_str(), &url, &identity, &folder];
        foxhold(&[arguments, &to_fleet[..]].concat())
    };
    // The fleet's own settings of the service give way to the box's.
    let imported = asking(&["service", "import", &file, "--yes"]);
    // Once more changes nothing.
    asking(&["service", "import", &file, "--yes"]);
    assert_eq!(
        users(&asking(&["service", "export"])),
        users(&exported),
        "{imported}"
    );
    for (turn, user) in (0_u64..).zip(&moving) {
        let (said, _) = stage
            .client
            .ask_patiently(turn, ROOMY, &user.credential)
            .await
            .expect("an answer");
        let given = said.token().expect("a token");
        assert_eq!((given.uid, &given.node), (user.given.uid, &user.given.node));
        assert_eq!(given.key_id, user.given.key_id);
    }
    // Whoever is new gets a uid that nobody brought along.
    let brought: BTreeSet<u64> = moving.iter().map(|user| user.given.uid).collect();
    let new = stage.credential(&User::new(), 1000, 1).expect("a credential");
    assert!(!brought.contains(&token(&stage.client, &new).await.uid));
    report(&format!(
        "{USERS} users moved from a box into a fleet over Cassandra"
    ));
    cassandra
        .audit_when_settled(&mut stage.fleet)
        .await
        .expect("an audit without findings");
}
