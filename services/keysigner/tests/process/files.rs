//! Everything a keysigner is started from, made for a test, and callers of it.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use foxhold_core::{Deadline, Timestamp};
use foxhold_keysigner::{Config, keygen};
use foxhold_ports::signer::{AccessTokenOrder, AuthMethod, IdTokenOrder};
use foxhold_rpc::client::{self, RemoteSigner};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{Authority, Pair, Subject},
    channel::{Balanced, ChannelSettings},
    tls::{Role, SpiffeId},
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Everything a keysigner is started from.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) authority: Authority,
    pub(crate) config: PathBuf,
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Files {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("foxhold.test", &SystemClock, &SystemRandom).unwrap();
        let pair = pair(&authority, Role::Keysigner);
        let at = |name: &str| folder.path().join(name);
        write(&at("tls.pem"), &pair.certificate_pem);
        write(&at("tls.key"), &pair.key_pem);
        write(&at("authority.pem"), authority.certificate_pem());
        write(&at("nodes.master"), &"ab".repeat(32));
        write(&at("audit.key"), &"cd".repeat(32));
        keygen::create(folder.path(), "identity", &SystemClock, &SystemRandom).unwrap();
        let text = r#"
            listen = "127.0.0.1:0"
            private_listen = "127.0.0.1:0"
            issuer = "https://accounts.foxhold.test"
            keys = [{ file = "@/identity.pem", passphrase_file = "@/identity.passphrase" }]
            node_secrets = { master_files = ["@/nodes.master"] }
            audit = { folder = "@/audit", key_file = "@/audit.key" }
            tls = { certificate_file = "@/tls.pem", key_file = "@/tls.key", authority_file = "@/authority.pem", trust_domain = "foxhold.test" }
        "#;
        let config = at("keysigner.toml");
        write(&config, &text.replace('@', &folder.path().display().to_string()));
        Self {
            folder,
            authority,
            config,
        }
    }

    pub(crate) fn config(&self) -> Config {
        toml::from_str(&std::fs::read_to_string(&self.config).unwrap()).unwrap()
    }

    /// What the binary says to `--check-config`, and whether it is content.
    pub(crate) fn check(&self, env: &[(&str, &str)]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_foxhold-keysigner"))
            .arg("--config")
            .arg(&self.config)
            .arg("--check-config")
            .env_remove("RUST_BACKTRACE")
            .envs(env.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    /// The signer's ports as a caller of a role sees them.
    pub(crate) fn caller(&self, role: Role, address: SocketAddr) -> RemoteSigner {
        let identity = pair(&self.authority, role).identity(&self.authority).unwrap();
        let tls = identity
            .client_config(Arc::new(SystemClock), Role::Keysigner)
            .unwrap();
        let settings = ChannelSettings {
            addresses: vec![address.to_string()],
            // A busy machine may take seconds for a handshake.
            connect_ms_max: 60_000,
            wait_ms_max: 60_000,
            ..ChannelSettings::default()
        };
        RemoteSigner::new(client::transport(
            Balanced::new(settings, tls, &SystemRandom).unwrap(),
        ))
    }
}

pub(crate) fn pair(authority: &Authority, role: Role) -> Pair {
    let id = SpiffeId::new("foxhold.test", "here", role).unwrap();
    authority
        .issue(&Subject::of(&id, HOUR), &SystemClock, &SystemRandom)
        .unwrap()
}

pub(crate) fn by() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

pub(crate) fn order() -> AccessTokenOrder {
    AccessTokenOrder {
        uid: "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
        client: "5882386c6d801776".parse().unwrap(),
        audience: "https://token.foxhold.test".into(),
        scope: "https://identity.mozilla.com/apps/oldsync".into(),
        lifetime_secs: 21_600,
        jti: [0x12; 32],
        generation: Timestamp::from_millis(1_600_000_000_123),
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
    }
}

pub(crate) fn id_order() -> IdTokenOrder {
    let AccessTokenOrder { uid, client, .. } = order();
    IdTokenOrder {
        uid,
        client,
        auth_time: Timestamp::from_secs(1_700_000_000),
        nonce: None,
        at_hash: [3; 16],
        aal: 1,
        amr: vec![AuthMethod::Password],
        lifetime_secs: 300,
        profile: None,
    }
}
