//! What an operator types when a region is lost and when it comes back, with the codes that scripts go by: every state in
//! between, and nothing of it possible in a state where it would do harm. Two regions of one node, roles and all.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, PASSWORD, USER, cql::Connection},
    process::binary_path,
    report::report,
    wait::{pause, within},
    work_folder::WorkFolder,
};
use serde_json::Value;

const KEYSPACE: &str = "foxhold";
const MIGRATOR: &str = "foxhold_migrator";
/// How long one command may take: a refused decision waits for the cluster several times.
const COMMAND: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_lost_declared_dead_and_taken_back() {
    let work = WorkFolder::of("long_regions").unwrap();
    let layout = Layout::of(&[1, 1]).unwrap();
    let mut cluster = Cluster::start(work.path(), layout, Options::default())
        .await
        .unwrap();
    let operator = Operator::new(work.path(), &cluster).unwrap();
    let told = story(&mut cluster, &operator).await;
    told.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
}

async fn story(cluster: &mut Cluster, operator: &Operator) -> Result<()> {
    first_start(cluster, operator).await?;
    // In order, which is the harder case: the others take a node that said good-bye for one that is on its way.
    cluster.stop(2).await?;
    lost(cluster, operator).await?;
    declared_dead(operator).await?;
    cluster.restart(2).await?;
    taken_back(cluster, operator).await?;
    cluster.kill(2)?;
    interrupted(cluster, operator).await
}

/// The superuser makes keyspace and roles; from then on the migrator's role will do.
async fn first_start(cluster: &Cluster, operator: &Operator) -> Result<()> {
    operator
        .expects(0, &["schema", "apply"], Login::Superuser)
        .await?;
    let let_in = async {
        while operator.run(&["region", "list"], Login::Migrator).await?.code != Some(0) {
            pause().await;
        }
        anyhow::Ok(())
    };
    within(COMMAND, "the migrator's role to be let in", let_in).await??;
    ensure!(operator.states().await? == ["live", "live"]);
    let up = operator.expects(6, &["region", "declare-dead", "us", "--yes"], Login::Migrator);
    ensure!(up.await?.contains("is up"), "a region that runs is not dead");
    operator
        .expects(5, &["region", "declare-dead", "ap", "--yes"], Login::Migrator)
        .await?;
    let mut connection = superuser(cluster).await?;
    for stripe in 0..4 {
        connection
            .execute_at_quorum(&format!(
                "INSERT INTO {KEYSPACE}.uid_stripes (service, stripe, blocks) VALUES ('sync-1.5', {stripe}, 10)"
            ))
            .await?;
    }
    Ok(())
}

/// One of two regions cannot decide, and says that a retry is sensible.
async fn lost(cluster: &Cluster, operator: &Operator) -> Result<()> {
    operator.expects(4, &["schema", "apply"], Login::Migrator).await?;
    let asked = operator
        .run(&["region", "declare-dead", "us"], Login::Migrator)
        .await?;
    ensure!(asked.code == Some(6), "nobody has confirmed it: {}", asked.text);
    ensure!(
        asked.text.contains("leaves the keyspace's replication"),
        "{}",
        asked.text
    );
    ensure!(operator.states().await? == ["live", "live"]);
    let held_up = async {
        loop {
            let ran = operator
                .run(&["region", "declare-dead", "us", "--yes"], Login::Migrator)
                .await?;
            ensure!(ran.code == Some(6), "{:?}\n{}", ran.code, ran.text);
            if ran.text.contains("nodetool assassinate") {
                return anyhow::Ok(());
            }
            // The others see it up for a moment.
            pause().await;
        }
    };
    within(COMMAND, "the node that said good-bye to be in the way", held_up).await??;
    let gone = cluster.address(2).ip().to_string();
    cluster.nodetool(1, &["assassinate", &gone]).await?;
    let began = std::time::Instant::now();
    operator
        .until_done(&["region", "declare-dead", "us", "--yes"])
        .await?;
    report(&format!(
        "one of two regions, stopped, declared dead in {:.1?}",
        began.elapsed()
    ));
    Ok(())
}

/// The other one decides alone.
async fn declared_dead(operator: &Operator) -> Result<()> {
    ensure!(operator.states().await? == ["live", "dead"]);
    let applied = operator.expects(0, &["schema", "apply"], Login::Migrator).await?;
    ensure!(applied.contains("nothing to do"), "{applied}");
    let again = operator.expects(0, &["region", "declare-dead", "us", "--yes"], Login::Migrator);
    ensure!(again.await?.contains("nothing to do"));
    let last = operator.expects(6, &["region", "declare-dead", "eu", "--yes"], Login::Migrator);
    ensure!(last.await?.contains("the last one"));
    let down = operator.expects(6, &["region", "rejoin", "us", "--yes"], Login::Migrator);
    ensure!(down.await?.contains(" are up"));
    Ok(())
}

async fn taken_back(cluster: &Cluster, operator: &Operator) -> Result<()> {
    let early = operator.expects(
        6,
        &["region", "rejoin", "us", "--repaired", "--yes"],
        Login::Migrator,
    );
    ensure!(early.await?.contains("has no copies"));
    // As the command asks before it does anything.
    cluster.nodetool(1, &["repair", "--full", KEYSPACE]).await?;
    operator.until_done(&["region", "rejoin", "us", "--yes"]).await?;
    ensure!(operator.states().await? == ["live", "returning"]);
    cluster
        .nodetool(2, &["rebuild", "--keyspace", KEYSPACE, "--", "dc1"])
        .await?;
    for node in [1, 2] {
        cluster.nodetool(node, &["repair", "--full", KEYSPACE]).await?;
    }
    cluster.nodetool(2, &["repair", "--paxos-only", KEYSPACE]).await?;
    let done = operator.until_done(&["region", "rejoin", "us", "--repaired", "--yes"]);
    ensure!(done.await?.contains("in 2 stripes of region us"));
    ensure!(operator.states().await? == ["live", "live"]);
    let mut connection = superuser(cluster).await?;
    for (stripe, blocks) in [(0, 10), (1, 26), (2, 10), (3, 26)] {
        let statement = format!(
            "SELECT blocks FROM {KEYSPACE}.uid_stripes WHERE service = 'sync-1.5' AND stripe = {stripe}"
        );
        let found = connection.number(&statement).await?;
        ensure!(found == blocks, "stripe {stripe}: {found}");
    }
    let applied = operator.expects(0, &["schema", "apply"], Login::Migrator).await?;
    ensure!(applied.contains("nothing to do"), "{applied}");
    Ok(())
}

/// The operator's machine went away between the two steps: the keyspace has changed, the row has not.
async fn interrupted(cluster: &Cluster, operator: &Operator) -> Result<()> {
    let mut connection = Connection::login(cluster.address(1), MIGRATOR, "migrator").await?;
    connection
        .execute(&format!(
            "ALTER KEYSPACE {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', 'dc1': 1}}"
        ))
        .await?;
    ensure!(operator.states().await? == ["live", "leaving"]);
    let refused = operator.expects(6, &["region", "rejoin", "us", "--yes"], Login::Migrator);
    ensure!(refused.await?.contains("foxhold region declare-dead us"));
    let done = operator
        .until_done(&["region", "declare-dead", "us", "--yes"])
        .await?;
    ensure!(
        done.contains("region us is dead") && !done.contains("no copies"),
        "{done}"
    );
    ensure!(operator.states().await? == ["live", "dead"]);
    Ok(())
}

async fn superuser(cluster: &Cluster) -> Result<Connection> {
    Connection::login(cluster.address(1), USER, PASSWORD).await
}

/// Who types.
#[derive(Clone, Copy)]
enum Login {
    Superuser,
    Migrator,
}

/// The tool with a configuration for each login.
struct Operator {
    folder: PathBuf,
}

struct Ran {
    code: Option<i32>,
    text: String,
}

impl Operator {
    fn new(work: &Path, cluster: &Cluster) -> Result<Self> {
        let folder = work.join("operator");
        fs::create_dir(&folder)?;
        let secret = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(path.display().to_string())
        };
        let passwords = [secret("superuser", PASSWORD)?, secret("migrator", "migrator")?];
        let own_node = cluster.address(1);
        let common = |user: &str, password: &str| {
            format!(
                "contact_points = [\"{own_node}\"]\nkeyspace = \"{KEYSPACE}\"\nuser = \"{user}\"\npassword_file = \"{password}\"\n\
                 [[regions]]\nname = \"eu\"\ndata_centre = \"dc1\"\nreplication = 1\n\
                 [[regions]]\nname = \"us\"\ndata_centre = \"dc2\"\nreplication = 1\n"
            )
        };
        let role = format!(
            "[roles.migrator]\nname = \"{MIGRATOR}\"\npassword_file = \"{}\"\n",
            passwords[1]
        );
        let superuser = common(USER, &passwords[0]) + &role;
        fs::write(folder.join("superuser.toml"), superuser)?;
        fs::write(folder.join("migrator.toml"), common(MIGRATOR, &passwords[1]))?;
        Ok(Self { folder })
    }

    async fn run(&self, arguments: &[&str], login: Login) -> Result<Ran> {
        let config = self.folder.join(match login {
            Login::Superuser => "superuser.toml",
            Login::Migrator => "migrator.toml",
        });
        let mut command = tokio::process::Command::new(binary_path("foxhold")?);
        // What the test run tells its tests would be taken for a setting.
        command.env_clear();
        command.args(arguments).arg("--config").arg(config);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let what = format!("foxhold {arguments:?}");
        let output = within(COMMAND, &what, output).await?.context("starting it")?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Ran {
            code: output.status.code(),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    /// Runs it, and checks its code.
    async fn expects(&self, code: i32, arguments: &[&str], login: Login) -> Result<String> {
        let ran = self.run(arguments, login).await?;
        ensure!(
            ran.code == Some(code),
            "{arguments:?} ended with {:?}, not {code}:\n{}",
            ran.code,
            ran.text
        );
        Ok(ran.text)
    }

    /// Runs it until it is done: it says so itself when a retry is sensible, or when nodes do not see each other yet.
    async fn until_done(&self, arguments: &[&str]) -> Result<String> {
        let done = async {
            loop {
                let ran = self.run(arguments, Login::Migrator).await?;
                match ran.code {
                    Some(0) => return Ok(ran.text),
                    Some(4 | 6) => pause().await,
                    _ => anyhow::bail!("{arguments:?}: {:?}\n{}", ran.code, ran.text),
                }
            }
        };
        within(COMMAND, &format!("{arguments:?}"), done).await?
    }

    /// The regions' states, in the plan's order.
    async fn states(&self) -> Result<Vec<String>> {
        let listed = self
            .expects(0, &["region", "list", "--json"], Login::Migrator)
            .await?;
        let listed: Value = serde_json::from_str(&listed)?;
        let regions = listed["regions"].as_array().context("regions")?;
        let states = regions
            .iter()
            .map(|region| region["state"].as_str().map(str::to_owned));
        states.collect::<Option<_>>().context("states")
    }
}
