//! The tables of a fleet over Cassandra, and its roles: webheads log in as one that may only read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use foxhold_core::SecretText;
use foxhold_runtime::{SystemRandom, crypto_provider};
use foxhold_store_cassandra::migrate::{Migrator, RoleLogin, Roles};

use super::{Cassandra, Tier};
use crate::{cassandra::cql, person::unique_hex, work_folder::write_private};

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
    let made = migrator.apply().await.map(drop);
    if let Err(error) = made {
        let nodes = told(cassandra).await;
        return Err(error).with_context(|| format!("making the tables; {nodes}"));
    }
    Ok(())
}

/// Which nodes answer at present, for whoever looks into a failure.
async fn told(cassandra: &Cassandra) -> String {
    let mut words = Vec::new();
    for address in cassandra.regions.iter().flat_map(|region| &region.contact_points) {
        let word = if cql::answers(*address).await {
            "answers"
        } else {
            "does not answer"
        };
        words.push(format!("{address} {word}"));
    }
    words.join(", ")
}

/// Where a tier's password lies.
pub(super) fn password_file(work: &Path, tier: Tier) -> PathBuf {
    work.join(format!("keys/cassandra-{}.password", tier.name()))
}
