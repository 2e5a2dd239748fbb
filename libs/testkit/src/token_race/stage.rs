//! Where races are run: a fleet whose users have their accounts elsewhere, with a service that has room for everybody and,
//! for each [`Crowd`], one that has room for nobody else.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use foxhold_core::record::UserKey;

use super::{Client, Crowd, Records};
use crate::{
    accounts_elsewhere::{AccountsElsewhere, Claims, Credential, DOMAIN, Event},
    fleet::{Fleet, Shape, Store, Tier},
    person::{OLDSYNC, unique_hex},
    work_folder::write_private,
};

/// The service that has room for everybody.
pub const ROOMY: &str = "sync-1.5";
const ROOMY_NODES: u32 = 4;

/// The secret of all nodes: for tests only.
pub const SECRET: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";
const SECRET_FILE: &str = "race-nodes.secret";

/// A fleet to race on.
pub struct Stage {
    /// The processes.
    pub fleet: Fleet,
    /// Asks them.
    pub client: Client,
    /// What they made of it.
    pub records: Records,
    accounts: AccountsElsewhere,
    services: String,
}

/// An account, and the first part of its key in the token server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(pub String);

impl User {
    /// Somebody nobody has seen.
    #[must_use]
    pub fn new() -> Self {
        Self(unique_hex()[..32].to_owned())
    }

    pub(super) fn key(&self) -> UserKey {
        UserKey(format!("{}@{DOMAIN}", self.0))
    }
}

impl Default for User {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Starts a fleet of two webheads and two dbwriters over `store` in the folder `work`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(work: &Path, store: Store, crowds: &[Crowd]) -> Result<Self> {
        let accounts = AccountsElsewhere::new(work)?;
        let secret = work.join(SECRET_FILE);
        write_private(&secret, SECRET)?;
        let services = services(crowds)?;
        let shape = Shape {
            webheads: 2,
            keysigners: 1,
            dbwriters: 2,
            store: store.clone(),
        };
        let more = [
            (Tier::Webhead, accounts.configuration()),
            (
                Tier::Keysigner,
                format!("[node_secrets]\nfixed_file = {secret:?}\n"),
            ),
            (Tier::Dbwriter, services.clone()),
        ];
        let more = [0, 1, 2].map(|at| (more[at].0, more[at].1.as_str()));
        let fleet = Fleet::start_with(work, shape, &more).await?;
        let client = Client::new(fleet.addresses(Tier::Webhead))?;
        client.wait_for_service(ROOMY).await?;
        for crowd in crowds {
            client.wait_for_service(&crowd.service()).await?;
        }
        Ok(Self {
            client,
            records: Records::open(work, &store).await?,
            fleet,
            accounts,
            services,
        })
    }

    /// A credential of a user whose password and keys changed last at `changed_at`, with the fingerprint of the keys.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn credential(&self, user: &User, changed_at: u64, client_state: u8) -> Result<Credential> {
        self.accounts.credential(&Claims {
            uid: &user.0,
            generation: changed_at,
            keys_changed_at: changed_at,
            client_state: [client_state; 16],
        })
    }

    /// A credential of a user whose password changed last at `generation`, and the keys long before.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn credential_since(&self, user: &User, generation: u64, keys_changed_at: u64) -> Result<Credential> {
        self.accounts.credential(&Claims {
            uid: &user.0,
            generation,
            keys_changed_at,
            client_state: [1; 16],
        })
    }

    /// What the accounts server tells of a user.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn event(&self, user: &User, event: Event) -> Result<String> {
        self.accounts.event(&user.0, event)
    }

    /// From its next start on, the dbwriter of this number dies at `point`; at none when absent.
    ///
    /// # Errors
    /// When there is no such dbwriter.
    pub fn arm(&mut self, dbwriter: usize, point: Option<&str>) -> Result<()> {
        let test = point.map_or_else(String::new, |point| format!("[test]\nfail_point = {point:?}\n"));
        let more = format!("{}{test}", self.services);
        self.fleet.add_to_configuration(Tier::Dbwriter, dbwriter, &more)
    }
}

/// What dbwriters have to make: the services, each with its nodes.
fn services(crowds: &[Crowd]) -> Result<String> {
    let mut table = String::new();
    let service = |key: &str| {
        format!(
            "[[bootstrap.services]]\nkey = {key:?}\npattern = \"{{node}}/1.5/{{uid}}\"\nscope = {OLDSYNC:?}\n\
             schemes = [\"oauth\"]\n"
        )
    };
    table.push_str(&service(ROOMY));
    for number in 1..=ROOMY_NODES {
        writeln!(
            table,
            "[[bootstrap.nodes]]\nservice = {ROOMY:?}\nurl = \"https://roomy-{number}.test\"\ncapacity = 1000000"
        )?;
    }
    for crowd in crowds {
        let key = crowd.service();
        table.push_str(&service(&key));
        for (number, (capacity, available)) in crowd.nodes().into_iter().enumerate() {
            writeln!(
                table,
                "[[bootstrap.nodes]]\nservice = {key:?}\nurl = \"https://node-{number}.{key}.test\"\n\
                 capacity = {capacity}\navailable = {available}"
            )?;
        }
    }
    Ok(table)
}
