//! What the operator's tool is told about a fleet's store: the file of `foxhold schema` and `foxhold region`
//! (`deploy/config/schema.toml`), `FOXHOLD_` variables over it.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use foxhold_runtime::{
    config::{self, ConfigErrors, Fault, SecretError, SecretFile, Secrets, Sources},
    store::{AT_TOP, ClusterTlsFiles},
};
use foxhold_store_cassandra::{
    ConnectSettings, SerialLevel, TlsConfig,
    migrate::{Plan, RegionPlan, RoleLogin, Roles},
};
use serde::Deserialize;

/// The file below `/etc/foxhold` that is read when none is named.
const ROLE: &str = "schema";

/// All keys. One that is not here is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    contact_points: Vec<String>,
    #[serde(default = "keyspace")]
    keyspace: String,
    #[serde(default = "serial")]
    serial: String,
    #[serde(default = "stripes")]
    stripes: u32,
    user: Option<String>,
    password_file: Option<SecretFile>,
    tls_authority: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key_file: Option<SecretFile>,
    local_address: Option<IpAddr>,
    regions: Vec<RegionTable>,
    #[serde(default)]
    roles: RolesTable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionTable {
    name: String,
    data_centre: String,
    replication: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RolesTable {
    webhead: Option<RoleTable>,
    dbwriter: Option<RoleTable>,
    migrator: Option<RoleTable>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    name: String,
    password_file: SecretFile,
}

fn keyspace() -> String {
    "foxhold".to_owned()
}

fn serial() -> String {
    SerialLevel::Serial.name().to_owned()
}

const fn stripes() -> u32 {
    4
}

/// A fleet's store, as the operator wants it.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) settings: ConnectSettings,
    pub(crate) plan: Plan,
    roles: RolesTable,
    secrets: Secrets,
}

impl Fleet {
    /// Reads the files, the certificates they name, and the password to log in with. Those of roles are read by what needs
    /// them: whoever looks at regions need not have them.
    pub(crate) fn load(files: &[PathBuf]) -> anyhow::Result<Self> {
        let sources = Sources::of_process(ROLE, files.to_vec());
        let table: Table = config::load(ROLE, &sources)?;
        Self::of(table, Secrets::of_env(&sources.env))
    }

    fn of(table: Table, secrets: Secrets) -> anyhow::Result<Self> {
        let serial = table.check()?;
        let login = match (&table.user, &table.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), secrets.read_text("password_file", file)?)),
            _ => None,
        };
        let tls = table.tls_files().read(AT_TOP, &secrets)?;
        let plan = Plan {
            keyspace: table.keyspace.clone(),
            regions: table.regions.into_iter().map(RegionTable::plan).collect(),
            serial,
            stripes: table.stripes,
        };
        plan.check()?;
        Ok(Self {
            settings: ConnectSettings {
                contact_points: table.contact_points,
                keyspace: table.keyspace,
                // An operator is in no region.
                region: String::new(),
                login,
                tls: tls.map(|tls| TlsConfig::from(tls.into_config())),
                local_address: table.local_address,
                node_table_age: Duration::ZERO,
            },
            plan,
            roles: table.roles,
            secrets,
        })
    }

    /// The roles to make or to compare, with their passwords.
    pub(crate) fn roles(&self) -> Result<Roles, SecretError> {
        Ok(Roles {
            webhead: self.role("webhead", self.roles.webhead.as_ref())?,
            dbwriter: self.role("dbwriter", self.roles.dbwriter.as_ref())?,
            migrator: self.role("migrator", self.roles.migrator.as_ref())?,
        })
    }

    /// From now on, logs in as dbwriters do, where their role is configured.
    pub(crate) fn log_in_as_dbwriter(&mut self) -> Result<(), SecretError> {
        if let Some(role) = self.role("dbwriter", self.roles.dbwriter.as_ref())? {
            self.settings.login = Some((role.name, role.password));
        }
        Ok(())
    }

    fn role(&self, tier: &str, role: Option<&RoleTable>) -> Result<Option<RoleLogin>, SecretError> {
        let Some(RoleTable { name, password_file }) = role else {
            return Ok(None);
        };
        let key = format!("roles.{tier}.password_file");
        Ok(Some(RoleLogin {
            name: name.clone(),
            password: self.secrets.read_text(&key, password_file)?,
        }))
    }
}

impl RegionTable {
    fn plan(self) -> RegionPlan {
        let Self {
            name,
            data_centre,
            replication,
        } = self;
        RegionPlan {
            name,
            data_centre,
            replication,
        }
    }
}

impl Table {
    fn tls_files(&self) -> ClusterTlsFiles<'_> {
        ClusterTlsFiles {
            authority: self.tls_authority.as_deref(),
            certificate: self.tls_certificate.as_deref(),
            key_file: self.tls_key_file.as_ref(),
        }
    }

    /// What the types do not hold. The serial level, if all is well.
    fn check(&self) -> Result<SerialLevel, ConfigErrors> {
        let mut errors = ConfigErrors::of(ROLE);
        let mut fault = |key: &str, problem: &str, fix: &str| {
            errors.push(Fault {
                origin: None,
                key: key.to_owned(),
                problem: problem.to_owned(),
                fix: fix.to_owned(),
            });
        };
        if self.contact_points.is_empty() {
            fault(
                "contact_points",
                "is empty",
                "give some nodes, as in [\"10.0.0.1:9042\"]",
            );
        }
        if self.user.is_some() != self.password_file.is_some() {
            fault(
                "password_file",
                "does not go without `user`, nor that without this",
                "give both, or neither where the cluster lets anybody in",
            );
        }
        for (key, problem, fix) in self.tls_files().faults() {
            fault(key, problem, fix);
        }
        let serial = SerialLevel::from_name(&self.serial);
        if serial.is_none() {
            fault(
                "serial",
                "is no serial level",
                "SERIAL, or LOCAL_SERIAL for one region",
            );
        }
        match serial {
            Some(serial) if errors.is_empty() => Ok(serial),
            _ => Err(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    #[test]
    fn the_sample_file_loads_and_what_it_comments_out_is_known() {
        let sample = include_str!("../../../deploy/config/schema.toml");
        let table: Table = toml::from_str(sample).unwrap();
        assert_eq!(table.regions.len(), 1);
        assert_eq!(table.check(), Ok(SerialLevel::Serial));
        let defaults = [
            "# keyspace = \"foxhold\"",
            "# serial = \"SERIAL\"",
            "# stripes = 4",
        ];
        for line in defaults {
            assert!(sample.contains(line), "{line}");
        }
        // Everything that is commented out, live.
        let live: String = sample
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| is_live(rest))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let table: Table = toml::from_str(&live).unwrap();
        assert!(table.roles.webhead.is_some() && table.roles.dbwriter.is_some());
        assert!(table.roles.migrator.is_some());
        assert_eq!(table.regions.len(), 2);
    }

    fn is_live(line: &str) -> bool {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    }

    #[test]
    fn passwords_of_roles_are_read_by_what_needs_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("writer");
        std::fs::write(&file, "sesame").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let role = |tier: &str, file: &Path| {
            format!("[roles.{tier}]\nname = \"{tier}\"\npassword_file = {file:?}\n")
        };
        let text = [
            "contact_points = [\"n:9042\"]\n[[regions]]\nname = \"eu\"\ndata_centre = \"dc1\"\nreplication = 3\n",
            &role("webhead", &folder.path().join("elsewhere")),
            &role("dbwriter", &file),
        ]
        .concat();
        let mut fleet = Fleet::of(toml::from_str(&text).unwrap(), Secrets::default()).unwrap();
        assert!(fleet.settings.login.is_none());
        fleet.log_in_as_dbwriter().unwrap();
        let (name, password) = fleet.settings.login.as_ref().unwrap();
        assert_eq!((name.as_str(), password.expose()), ("dbwriter", "sesame"));
        let error = fleet.roles().unwrap_err();
        assert!(
            error.to_string().contains("`roles.webhead.password_file`"),
            "{error}"
        );
    }

    #[test]
    fn what_does_not_go_together_is_told_by_its_key() {
        let table = |more: &str| -> Table {
            let text = format!(
                "contact_points = [\"n:9042\"]\n{more}\n[[regions]]\nname = \"eu\"\ndata_centre = \"dc1\"\nreplication = 3\n"
            );
            toml::from_str(&text).unwrap()
        };
        assert!(table("").check().is_ok());
        for (more, key) in [
            ("user = \"a\"", "password_file"),
            ("tls_authority = \"/a\"\ntls_certificate = \"/a\"", "tls_key_file"),
            ("tls_certificate = \"/a\"\ntls_key_file = \"/a\"", "tls_authority"),
            ("serial = \"QUORUM\"", "serial"),
        ] {
            let errors = table(more).check().unwrap_err();
            assert_eq!(errors.faults()[0].key, key, "{more}");
        }
        assert!(toml::from_str::<Table>("colour = 1").is_err());
    }
}
