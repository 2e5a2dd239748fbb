//! The roles, as far as their configurations go: a box, and each tier by what its own crate says of itself.

use std::{marker::PhantomData, path::Path};

use foxhold_dbwriter::process::DbwriterProcess;
use foxhold_keysigner::process::KeysignerProcess;
use foxhold_ops::process::OpsProcess;
use foxhold_runtime::{
    config::{ConfigErrors, Findings, Reading, Secrets},
    process::{self, Service},
};
use foxhold_stretcher::process::StretcherProcess;
use foxhold_sync_node::process::SyncNodeProcess;
use foxhold_webhead::process::WebheadProcess;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::Value;

use super::online::{
    Named,
    names::{self, Names},
};
use crate::single_box::{look::look, settings::Settings, setup};

/// A role with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum RoleName {
    /// The single box: foxhold up.
    #[default]
    Box,
    /// Serves browsers.
    Webhead,
    /// Holds the keys.
    Keysigner,
    /// Writes.
    Dbwriter,
    /// Serves the admin API of a fleet.
    Ops,
    /// Stretches passwords.
    Stretcher,
    /// Keeps the records.
    SyncNode,
}

impl RoleName {
    /// As it is written: of files, too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::Webhead => "webhead",
            Self::Keysigner => "keysigner",
            Self::Dbwriter => "dbwriter",
            Self::Ops => "ops",
            Self::Stretcher => "stretcher",
            Self::SyncNode => "sync-node",
        }
    }

    /// What it knows of its configuration.
    pub(crate) fn role(self) -> &'static dyn Role {
        match self {
            Self::Box => &TheBox,
            Self::Webhead => &Tier::<WebheadProcess>(PhantomData),
            Self::Keysigner => &Tier::<KeysignerProcess>(PhantomData),
            Self::Dbwriter => &Tier::<DbwriterProcess>(PhantomData),
            Self::Ops => &Tier::<OpsProcess>(PhantomData),
            Self::Stretcher => &Tier::<StretcherProcess>(PhantomData),
            Self::SyncNode => &Tier::<SyncNodeProcess>(PhantomData),
        }
    }

    /// A file to begin with: what `deploy/config` has for the role.
    pub(crate) fn sample(self) -> String {
        let text = match self {
            Self::Box => return setup::sample(),
            Self::Webhead => include_str!("../../../../../deploy/config/webhead.toml"),
            Self::Keysigner => include_str!("../../../../../deploy/config/keysigner.toml"),
            Self::Dbwriter => include_str!("../../../../../deploy/config/dbwriter.toml"),
            Self::Ops => include_str!("../../../../../deploy/config/ops.toml"),
            Self::Stretcher => include_str!("../../../../../deploy/config/stretcher.toml"),
            Self::SyncNode => include_str!("../../../../../deploy/config/sync-node.toml"),
        };
        text.to_owned()
    }
}

/// What a role knows of its configuration.
pub(crate) trait Role {
    /// Its JSON schema.
    fn schema(&self) -> Value;

    /// Checks what was read, with every file it names. What to say if all is well, or all faults.
    fn check(&self, reading: &Reading, secrets: &Secrets) -> Result<usize, ConfigErrors>;

    /// What was read, with the defaults of all that is left out.
    fn resolved(&self, reading: &Reading) -> Result<Value, ConfigErrors>;

    /// What was read names these things beyond the process; of a box, with its folder.
    fn names(&self, reading: &Reading, secrets: &Secrets, data: &Path) -> Result<Vec<Named>, ConfigErrors>;
}

struct Tier<S>(PhantomData<S>);

impl<S: Service> Role for Tier<S>
where
    S::Config: JsonSchema + Serialize + Names,
{
    fn schema(&self) -> Value {
        schema_for!(S::Config).to_value()
    }

    fn check(&self, reading: &Reading, secrets: &Secrets) -> Result<usize, ConfigErrors> {
        process::check::<S>(reading, secrets).map(|checked| checked.keys)
    }

    fn resolved(&self, reading: &Reading) -> Result<Value, ConfigErrors> {
        Ok(as_json(&reading.resolve::<S::Config>(S::ROLE)?))
    }

    fn names(&self, reading: &Reading, secrets: &Secrets, _data: &Path) -> Result<Vec<Named>, ConfigErrors> {
        Ok(reading.resolve::<S::Config>(S::ROLE)?.names(secrets))
    }
}

struct TheBox;

impl Role for TheBox {
    fn schema(&self) -> Value {
        schema_for!(Settings).to_value()
    }

    fn check(&self, reading: &Reading, secrets: &Secrets) -> Result<usize, ConfigErrors> {
        let settings: Settings = reading.resolve("box")?;
        let mut found = Findings::of("box", reading);
        look(&settings, secrets, &mut found);
        found.told()?;
        Ok(reading.keys())
    }

    fn resolved(&self, reading: &Reading) -> Result<Value, ConfigErrors> {
        Ok(as_json(&reading.resolve::<Settings>("box")?))
    }

    fn names(&self, reading: &Reading, secrets: &Secrets, data: &Path) -> Result<Vec<Named>, ConfigErrors> {
        let settings: Settings = reading.resolve("box")?;
        Ok(names::of_box(&settings, secrets, data))
    }
}

/// Configurations are made of texts, numbers, lists and tables, which all can be told.
fn as_json(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}
