//! Who may make an account, changed in the file of a running box: in force within seconds, and kept while the file is broken.

use std::path::PathBuf;

use foxhold_testkit::{
    http,
    person::{Person, unique_hex},
    single_box::SingleBox,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::StatusCode;
use serde_json::{Value, json};

struct Scene {
    single: SingleBox,
    file: PathBuf,
    /// As the first start wrote it.
    settings: String,
}

impl Scene {
    async fn start(work: &WorkFolder) -> Self {
        let single = SingleBox::start(work.path(), &[]).await.expect("a box");
        let file = work.path().join("data/foxhold.toml");
        let settings = std::fs::read_to_string(&file).expect("its settings");
        Self {
            single,
            file,
            settings,
        }
    }

    /// Puts keys before those of the file, as an editor saves: in one step.
    fn write(&self, keys: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{keys}\n{}", self.settings)).expect("a file");
        std::fs::rename(&new, &self.file).expect("a file");
    }

    async fn told(&self) -> Value {
        let told = http::get(self.single.server.address, "/v1/account/registration").await;
        told.expect("an answer").json().expect("JSON")
    }

    async fn until_told(&self, rules: &Value) {
        let waited = wait_until("the rules to be in force", || async {
            self.told().await == *rules
        });
        waited.await.expect("new rules");
    }

    /// Status and number of a sign-up.
    async fn sign_up(&self, domain: &str) -> (StatusCode, u64) {
        let email = format!("{}@{domain}", &unique_hex()[..20]);
        let answered = Person::sign_up(&self.single.server, &email, &unique_hex()).await;
        match answered.expect("an answer") {
            Ok(_) => (StatusCode::OK, 0),
            Err(refused) => {
                let number = refused.json().expect("JSON")["errno"].as_u64();
                (refused.status, number.expect("a number"))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_change_while_the_box_runs() {
    let work = WorkFolder::of("box_registration").unwrap();
    let mut scene = Scene::start(&work).await;
    assert_eq!(scene.told().await, json!({ "mode": "open" }));
    assert_eq!(scene.sign_up("example.test").await.0, StatusCode::OK);

    scene.write("registration = \"closed\"");
    let closed = json!({ "mode": "closed" });
    scene.until_told(&closed).await;
    assert_eq!(scene.sign_up("example.test").await, (StatusCode::FORBIDDEN, 1001));

    // A file that cannot be used, and then one that can: the rules in between were those from before.
    scene.write("registration = \"ajar\"");
    assert_eq!(scene.told().await, closed);
    scene.write("registration_domains = [\"*.school.test\"]\nregistration_domains_shown = true");
    scene
        .until_told(&json!({ "mode": "open", "domains": ["*.school.test"] }))
        .await;
    assert_eq!(scene.sign_up("example.test").await, (StatusCode::FORBIDDEN, 1004));
    assert_eq!(scene.sign_up("class.school.test").await.0, StatusCode::OK);

    let ended = scene.single.process.terminate().await.expect("its end");
    assert!(ended.success(), "{ended}");
}
