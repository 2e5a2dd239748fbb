//! `foxhold audit run`, as an operator has it: with the configuration of the schema, as the dbwriters' role.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use foxhold_testkit::{cassandra::CONTACT_POINTS_VARIABLE, process::binary_path, work_folder::WorkFolder};
use serde_json::Value;
use tokio::process::Command;

use crate::bench::Bench;

pub(crate) struct Tool {
    work: WorkFolder,
    config: PathBuf,
}

impl Tool {
    pub(crate) async fn new(bench: &Bench) -> Self {
        let work = WorkFolder::of("cassandra_audit").expect("a folder");
        let folder = work.path().to_owned();
        let password = folder.join("password");
        let (user, secret) = bench.writer().await;
        fs::write(&password, secret).expect("written");
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let config = folder.join("schema.toml");
        let settings = &bench.settings;
        let text = format!(
            "contact_points = {:?}\nkeyspace = {:?}\n[[regions]]\nname = \"one\"\ndata_centre = {:?}\n\
             replication = 1\n[roles.dbwriter]\nname = {user:?}\npassword_file = {password:?}\n",
            settings.contact_points, settings.keyspace, bench.cluster.data_centre
        );
        fs::write(&config, text).expect("written");
        Self { work, config }
    }

    /// The exit code, and each finding with how many were found and repaired.
    pub(crate) async fn run(&self, more: &[&str]) -> (i32, Vec<(String, u64, u64)>) {
        let (code, text, error) = self.text(&[more, &["--json"]].concat()).await;
        let value: Value = serde_json::from_str(&text).expect(&error);
        let findings = value["findings"].as_array().expect("a list").iter();
        let of = |finding: &Value| {
            let number = |key: &str| finding[key].as_u64().expect("a number");
            let name = finding["name"].as_str().expect("a name");
            (name.to_owned(), number("found"), number("repaired"))
        };
        (code, findings.map(of).collect())
    }

    /// The exit code, the output, and what it says beside.
    pub(crate) async fn text(&self, more: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(binary_path("foxhold").expect("the tool is built"));
        command.args(["audit", "run", "--config"]).arg(&self.config);
        command.args(more).current_dir(self.work.path());
        // What the test run tells its tests is no setting of the tool's.
        command.env_remove(CONTACT_POINTS_VARIABLE);
        let output = command.output().await.expect("it runs");
        let [text, error] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code().expect("it ends by itself"), text, error)
    }
}
