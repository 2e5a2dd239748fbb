//! Finds out about a box: reads its folder, makes a token and takes it, and asks the public URL what browsers ask. Changes
//! nothing, and needs no running box.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use foxhold_core::{
    Clock as _, Deadline, SecretText, ServiceUid, Timestamp, hex, random,
    record::{NodeFigures, ServiceKey},
};
use foxhold_crypto::{
    hawk::{self, Credentials, Target},
    node_secret::{NodeSecret, NodeSecrets, read_list},
    node_token::{NodeToken, NodeTokenClaims, mint},
};
use foxhold_keysigner::{custody::file, rotation};
use foxhold_node_auth::{NodeAuth, NodeName, SignedRequest};
use foxhold_ports::{AssignmentReader as _, assignments::choice::is_out};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    config::{self, Secrets},
};
use foxhold_store_sqlite::SqliteReader;
use http::{HeaderMap, HeaderValue, header};

use super::facts::{Facts, FileFacts, NodeFacts, Permissions, SettingsFacts};
use crate::{
    cli::UpArgs,
    data_folder::check_config_of,
    key_files::{KeyFiles, NamedKeyFile},
    probes::web::{ANSWER_MAX, CONFIGURATION, Fault, Web},
    single_box::{
        SERVICE,
        settings::{Told, is_loopback},
    },
};

/// A user that there is not: the last number a uid can have. Its data is read, and there is none.
const NOBODY: u64 = (1 << 53) - 1;

/// Everything about the box in `data`, which exists.
pub(super) async fn gather(data: &Path, public_url: Option<String>) -> Facts {
    let settings = load(data, public_url);
    let keys = KeyFiles::in_folder(data.join("keys"));
    let is_running = is_running(data);
    let root = settings.as_ref().map(|settings| settings.public_url.clone());
    let root = root.unwrap_or_default();
    let secret = Secrets::default().read_text("node.secret", &keys.node());
    let secret = secret.map_err(|error| error.to_string());
    let web = Web::new();
    // Of a box that does not run nobody needs to be asked.
    let (configuration, published_kids) = if is_running {
        let configuration = web.document(&root, CONFIGURATION);
        tokio::join!(configuration, web.kids(&root))
    } else {
        (Err(Fault::NoAnswer), Err(Fault::NoAnswer))
    };
    let now = SystemClock.now();
    let nodes = match &secret {
        Ok(text) if is_running => nodes(&web, &data.join("foxhold.db"), text).await,
        Ok(_) => Ok(Vec::new()),
        Err(_) => Err("without the secret nothing can be asked of them".to_owned()),
    };
    let (key_id, next_kids) = match key_ids(&keys, now) {
        Ok((active, next)) => (Ok(active), next),
        Err(fault) => (Err(fault), Vec::new()),
    };
    Facts {
        files: files(data, &keys),
        key_id,
        next_kids,
        secrets: secret.and_then(|text| try_token(&text, now)),
        now,
        disk_used_percent: foxhold_sync_node::used_percent(data)
            .map_err(|error| format!("the disk cannot be seen: {error}")),
        is_running,
        configuration,
        published_kids,
        nodes,
        settings,
    }
}

fn load(data: &Path, public_url: Option<String>) -> Result<SettingsFacts, String> {
    check_config_of(data).map_err(|error| error.to_string())?;
    let arguments = UpArgs {
        data: data.to_owned(),
        listen: None,
        private_listen: None,
        public_url,
        mail: None,
        // What had to be confirmed was confirmed when the box was started.
        yes: true,
    };
    let told = Told {
        file: data.join("foxhold.toml"),
        env: config::process_env(),
        arguments: &arguments,
    };
    let settings = told.at_start().map_err(|error| error.to_string())?;
    let site = settings.site().map_err(|error| error.to_string())?;
    Ok(SettingsFacts {
        public_url: settings.public_url(),
        is_loopback: is_loopback(&site),
        disk_used_max_percent: settings.disk_used_max_percent,
    })
}

/// A box holds the lock of its folder. Ours is a shared one, gone at once.
fn is_running(data: &Path) -> bool {
    let lock = File::open(data.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Those that a box cannot do without, and what else others must not read. In the database are the keys of sessions.
fn files(data: &Path, keys: &KeyFiles) -> Vec<FileFacts> {
    let of = |path: PathBuf| FileFacts {
        permissions: fs::metadata(&path).map_or(Permissions::Missing, |meta| {
            Permissions::Mode(meta.mode() & 0o7777)
        }),
        path,
        is_needed: false,
        is_secret: false,
        is_folder: false,
    };
    let needed = keys.needed().into_iter().map(|file| FileFacts {
        is_needed: true,
        is_secret: true,
        ..of(file.0)
    });
    let database = ["foxhold.db", "foxhold.db-wal", "foxhold.db-shm"].map(|name| data.join(name));
    let prepared = keys.node().0.with_extension("secret.next");
    let held = database.into_iter().chain([keys.audit().0, prepared]);
    let held = held.map(|path| FileFacts {
        is_secret: true,
        ..of(path)
    });
    let folders = [data.to_owned(), data.join("keys"), data.join("node")].map(|path| FileFacts {
        is_folder: true,
        ..of(path)
    });
    let settings = of(data.join("foxhold.toml"));
    needed.chain(held).chain(folders).chain([settings]).collect()
}

/// Opens all of them, as a start does: the one that signs, and those whose turn is to come.
fn key_ids(keys: &KeyFiles, now: Timestamp) -> Result<(String, Vec<String>), String> {
    let open = |NamedKeyFile { name, key }| file::open(&Secrets::default(), &name, &key);
    let opened: Result<Vec<_>, _> = keys.providers_or_first().into_iter().map(open).collect();
    let opened = opened.map_err(|error| error.to_string())?;
    let turns: Vec<_> = opened.iter().map(|custody| custody.signs_from()).collect();
    let active = rotation::active(&turns, now).and_then(|at| opened.get(at));
    let active = active.ok_or("there is no key of the provider")?;
    let next = opened.iter().filter(|custody| custody.signs_from() > now);
    let next = next.map(|custody| custody.public_key().kid.clone()).collect();
    Ok((active.public_key().kid.clone(), next))
}

/// Any node will do: a token is made for it and taken by it, and wrong settings must not make secrets look wrong.
const ANY_NODE: &str = "http://localhost";

/// Makes a token as the signer does, and takes it as the node does.
fn try_token(secrets: &SecretText, now: Timestamp) -> Result<usize, String> {
    let count = read_list(secrets.expose()).len();
    let name = NodeName::parse(ANY_NODE).map_err(|error| error.to_string())?;
    let probe = Probe::make(name.as_str(), secrets, now).ok_or("node.secret holds no secret")?;
    let list = NodeSecrets::of_list(secrets.expose()).ok_or("node.secret holds no secret")?;
    let request = SignedRequest {
        method: "GET",
        path_and_query: &probe.target.path_and_query,
        authorization: Some(probe.authorization.as_bytes()),
        host: None,
        uid: NOBODY,
        serves_expired: false,
    };
    let checked = NodeAuth::new(vec![name], list).check(&request, now).map(drop);
    checked.map_err(|why| format!("a token made with node.secret is refused: {why}"))?;
    Ok(count)
}

/// A request that changes nothing, signed as a browser signs.
struct Probe {
    url: String,
    target: Target,
    authorization: String,
}

impl Probe {
    fn make(node_url: &str, secrets: &SecretText, now: Timestamp) -> Option<Self> {
        let url = format!("{node_url}/1.5/{NOBODY}/info/collections");
        let target = Target::parse(&url).ok()?;
        let newest = read_list(secrets.expose()).into_iter().next_back()?;
        let NodeToken { token, key } = mint(&claims(node_url, now)?, &NodeSecret::new(newest));
        let credentials = Credentials {
            id: &token,
            key: key.expose().as_bytes(),
        };
        let nonce = hex::encode(&random::bytes::<8>(&SystemRandom));
        let authorization = hawk::sign(&credentials, &target.request("GET"), now.as_secs(), &nonce, None);
        Some(Self {
            url,
            target,
            authorization,
        })
    }
}

fn claims(node_url: &str, now: Timestamp) -> Option<NodeTokenClaims> {
    let nobody = "0".repeat(32);
    Some(NodeTokenClaims {
        node: node_url.to_owned(),
        fxa_kid: "0000000000000-AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        fxa_uid: nobody.clone(),
        hashed_device_id: nobody.clone(),
        hashed_fxa_uid: nobody,
        expires_secs: now.as_secs() + 60,
        uid: ServiceUid::new(NOBODY)?,
        salt: random::bytes(&SystemRandom),
    })
}

/// Whether new users may come to a node, now or when it opens more of its places.
pub(super) const fn has_room(figures: &NodeFigures) -> bool {
    figures.current_load < figures.capacity && !figures.backoff && !is_out(figures)
}

/// The nodes of the one service, each with what it answers to a token of ours.
async fn nodes(web: &Web, database: &Path, secrets: &SecretText) -> Result<Vec<NodeFacts>, String> {
    let reader = SqliteReader::open(database, 1).map_err(|error| error.to_string())?;
    let by = Deadline::after(ANSWER_MAX);
    let listed = reader.nodes(by, &ServiceKey(SERVICE.to_owned())).await;
    let mut nodes = Vec::new();
    for node in listed.map_err(|error| error.to_string())? {
        let answer = if node.figures.downed {
            None
        } else {
            Some(try_node(web, &node.url, secrets).await)
        };
        nodes.push(NodeFacts {
            has_room: has_room(&node.figures),
            answer,
            url: node.url,
        });
    }
    Ok(nodes)
}

async fn try_node(web: &Web, url: &str, secrets: &SecretText) -> Result<u16, Fault> {
    let probe = Probe::make(url, secrets, SystemClock.now());
    let probe = probe.ok_or_else(|| Fault::Other("no token could be made for it".to_owned()))?;
    let authorization = HeaderValue::from_str(&probe.authorization);
    let authorization = authorization.map_err(|error| Fault::Other(error.to_string()))?;
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]);
    Ok(web.get(&probe.url, headers).await?.status.as_u16())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_judged_whatever_the_settings_are() {
        let secret = SecretText::new("0123456789abcdef".repeat(4));
        let now = Timestamp::from_secs(1_800_000_000);
        assert_eq!(try_token(&secret, now), Ok(1));
        assert!(try_token(&SecretText::new(String::new()), now).is_err());
    }

    /// Whatever the next start would stumble over, and not what stands in the file alone.
    #[test]
    fn what_the_settings_name_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let templates = folder.path().join("mail");
        write("foxhold.toml", &format!("mail_templates = {templates:?}\n"));
        let settings = || load(folder.path(), None).map(|settings| settings.public_url);
        assert!(
            settings().unwrap_err().contains("mail_templates"),
            "there is no such folder"
        );
        fs::create_dir(&templates).unwrap();
        assert_eq!(settings().unwrap(), "http://localhost:8000");
        write("mail/verify.txt", "no link");
        assert!(settings().unwrap_err().contains("lacks link"));
    }

    #[test]
    fn whatever_holds_secrets_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_folder(folder.path().join("keys"));
        keys.make_missing().unwrap();
        let names = [
            "foxhold.db",
            "foxhold.db-wal",
            "foxhold.db-shm",
            "keys/audit.key",
            "keys/code.key",
            "keys/node.secret",
            "keys/node.secret.next",
            "keys/provider.pem",
        ];
        for name in names {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let found = files(folder.path(), &keys);
            let found = found.iter().find(|file| file.path == path).unwrap();
            assert!(found.is_secret && !found.is_folder, "{name}");
            assert_eq!(found.permissions, Permissions::Mode(0o644), "{name}");
        }
    }

    #[test]
    fn what_a_box_may_be_without_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_folder(folder.path().join("keys"));
        keys.make_missing().unwrap();
        let found = files(folder.path(), &keys);
        let is_missed = |file: &&FileFacts| file.is_needed && file.permissions == Permissions::Missing;
        assert_eq!(found.iter().filter(is_missed).count(), 0);
    }

    #[test]
    fn a_node_that_takes_nobody_is_no_room() {
        let good = NodeFigures {
            capacity: 2,
            current_load: 1,
            ..NodeFigures::default()
        };
        type Row = (&'static str, fn(&mut NodeFigures), bool);
        let table: [Row; 6] = [
            ("one place", |_| {}, true),
            ("none open, but some can be", |node| node.available = 0, true),
            ("full", |node| node.current_load = 2, false),
            ("backoff", |node| node.backoff = true, false),
            ("downed", |node| node.downed = true, false),
            ("unhealthy", |node| node.unhealthy = true, false),
        ];
        for (name, change, expected) in table {
            let mut node = good;
            change(&mut node);
            assert_eq!(has_room(&node), expected, "{name}");
        }
    }
}
