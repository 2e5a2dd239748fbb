//! The tables of a fleet over Cassandra, and its roles: webheads log in as one that may only read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foxhold_core::SecretText;
use foxhold_runtime::{SystemRandom, crypto_provider};
use foxhold_store_cassandra::migrate::{Migrator, RoleLogin, Roles};

use super::{Cassandra, Tier};
use crate::{person::unique_hex, work_folder::write_private};

/// Makes both, and a file with the password of each role.
pub(super) async fn apply(work: &Path, cassandra: &Cassandra) -> Result<()> {
    crypto_provider::install();
    let role = |tier: Tier| -> Result<Option<RoleLogin>> {
        let password = unique_hex();
        write_private(&password_file(work, tier), &password)?;
        Ok(Some(RoleLogin {
            name: cassandra.role(tier),
            password: SecretText::new(password),
        }))
    };
    let roles = Roles {
        webhead: role(Tier::Webhead)?,
        dbwriter: role(Tier::Dbwriter)?,
        migrator: None,
    };
    let (settings, plan) = (cassandra.as_superuser(0), cassandra.plan());
    let migrator = Migrator {
        roles,
        ..Migrator::new(&settings, &plan, &SystemRandom)
    };
    migrator.apply().await.context("making the tables").map(drop)
}

/// Where a tier's password lies.
pub(super) fn password_file(work: &Path, tier: Tier) -> PathBuf {
    work.join(format!("keys/cassandra-{}.password", tier.name()))
}
