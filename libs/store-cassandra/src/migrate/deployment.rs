//! What is fixed at first start and compared ever after: the keyspace's replication, the rows of `deployment` and
//! `regions`. The row of `deployment` comes last: a process that finds it finds everything else.

use std::collections::{BTreeMap, HashMap};

use scylla::statement::Consistency;

use super::{MigrateError, Plan, admin::Admin};
use crate::{Region, RegionState, SerialLevel};

const DEPLOYMENT: &str = "SELECT serial, stripes FROM deployment WHERE id = 1";
const FIX: &str = "INSERT INTO deployment (id, serial, stripes) VALUES (1, ?, ?) IF NOT EXISTS";
const REGION: &str = "INSERT INTO regions (name, data_centre, mark, stripes, replication, state, since) \
                      VALUES (?, ?, ?, ?, ?, 'live', toTimestamp(now())) IF NOT EXISTS";

/// Replication as CQL has it: copies by data centre.
pub(super) fn replication_of<'a>(copies: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    let mut text = "{'class': 'NetworkTopologyStrategy'".to_owned();
    for (data_centre, copies) in copies {
        text.push_str(&format!(", '{data_centre}': {copies}"));
    }
    text.push('}');
    text
}

/// The statement that makes the keyspace.
pub(super) fn creation(plan: &Plan) -> String {
    let copies = plan
        .regions
        .iter()
        .map(|region| (region.data_centre.as_str(), region.replication));
    format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {} AND durable_writes = true",
        plan.keyspace,
        replication_of(copies)
    )
}

/// Whether the cluster has the nodes that the plan wants copies on.
pub(super) fn check_nodes(plan: &Plan, nodes: &BTreeMap<String, usize>) -> Result<(), MigrateError> {
    let mut faults = Vec::new();
    for region in &plan.regions {
        let has = nodes.get(&region.data_centre).copied().unwrap_or(0);
        if usize::try_from(region.replication).is_ok_and(|wanted| wanted > has) {
            faults.push(format!(
                "region {}: {} copies, and data centre {} has {has} nodes",
                region.name, region.replication, region.data_centre
            ));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = nodes.keys().map(String::as_str).collect();
    Err(MigrateError::Refused {
        what: faults.join("\n"),
        fix: format!(
            "no more copies than a data centre has nodes; the cluster has the data centres {}",
            names.join(", ")
        ),
    })
}

/// Whether an existing keyspace is the plan's. One of a dead region may be there (it is coming back) or not.
pub(super) fn judge_replication(
    plan: &Plan,
    regions: &[Region],
    found: &HashMap<String, String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let class = found.get("class").map_or("none", String::as_str);
    if !class.ends_with("NetworkTopologyStrategy") {
        faults.push(format!("the keyspace is replicated by {class}"));
    }
    if found.contains_key("durable_writes") {
        faults.push("the keyspace has no durable writes".to_owned());
    }
    for planned in &plan.regions {
        let wanted = planned.replication.to_string();
        let is_dead = regions
            .iter()
            .any(|region| region.name == planned.name && region.state == RegionState::Dead);
        match found.get(&planned.data_centre) {
            Some(copies) if *copies == wanted => {}
            None if is_dead => {}
            copies => faults.push(format!(
                "region {}: {wanted} copies in data centre {} are configured, the keyspace has {}",
                planned.name,
                planned.data_centre,
                copies.map_or("none", String::as_str)
            )),
        }
    }
    let known = |name: &str| {
        name == "class" || name == "durable_writes" || plan.data_centres().any(|planned| planned == name)
    };
    let others = found.keys().filter(|name| !known(name));
    faults.extend(others.map(|name| format!("the keyspace has copies in data centre {name}, of no region")));
    faults
}

/// Whether the rows that are there are the plan's. Only their state may differ.
fn judge_regions(plan: &Plan, found: &[Region]) -> Vec<String> {
    let fixed = |region: &Region| Region {
        state: RegionState::Live,
        ..region.clone()
    };
    let shown = |region: &Region| {
        format!(
            "data centre {}, {} copies, mark {}, stripes {:?}",
            region.data_centre,
            region.replication,
            region.mark.get(),
            region.stripes
        )
    };
    let planned = plan.first_regions();
    let mut faults = Vec::new();
    for region in &planned {
        match found.iter().find(|other| other.name == region.name) {
            Some(other) if fixed(other) == *region => {}
            Some(other) => faults.push(format!(
                "region {} is fixed as: {}; configured: {}",
                region.name,
                shown(other),
                shown(region)
            )),
            None => faults.push(format!("region {} was not there at first start", region.name)),
        }
    }
    let others = found
        .iter()
        .filter(|other| !planned.iter().any(|region| region.name == other.name));
    faults.extend(others.map(|region| format!("region {} is not configured any more", region.name)));
    faults
}

/// The settings that are fixed; `None` before first start.
pub(super) async fn settings(admin: &Admin) -> Result<Option<(String, i32)>, MigrateError> {
    if !admin.tables().await?.iter().any(|name| name == "deployment") {
        return Ok(None);
    }
    let rows = admin
        .serial_rows("reading the settings of the deployment", DEPLOYMENT, ())
        .await?;
    Ok(rows.into_iter().next())
}

/// Whether what was fixed is what is planned; nothing to say before first start.
pub(super) async fn judge(admin: &Admin, plan: &Plan) -> Result<Vec<String>, MigrateError> {
    let Some((serial, stripes)) = settings(admin).await? else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    if serial != plan.serial.name() {
        faults.push(format!(
            "the serial level is fixed as {serial}; configured: {}",
            plan.serial.name()
        ));
    }
    if u32::try_from(stripes) != Ok(plan.stripes) {
        faults.push(format!(
            "there are {stripes} stripes of uids; configured: {}",
            plan.stripes
        ));
    }
    faults.extend(judge_regions(plan, &admin.regions().await?));
    Ok(faults)
}

/// Writes the rows, if this is the first start. True if it was.
pub(super) async fn fix(admin: &Admin, plan: &Plan) -> Result<bool, MigrateError> {
    if settings(admin).await?.is_some() {
        return Ok(false);
    }
    // In every region at once: processes start anywhere, right after this.
    let everywhere = Consistency::EachQuorum;
    for region in plan.first_regions() {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let stripes: Vec<i32> = region.stripes.iter().copied().map(number).collect();
        let values = (
            region.name.as_str(),
            region.data_centre.as_str(),
            region.mark.get().cast_signed(),
            &stripes[..],
            number(region.replication),
        );
        let what = format!("writing region {}", region.name);
        admin.decide(&what, REGION, values, everywhere).await?;
    }
    let faults = judge_regions(plan, &admin.regions().await?);
    if !faults.is_empty() {
        return Err(MigrateError::Contradiction(faults));
    }
    let stripes = i32::try_from(plan.stripes).unwrap_or(i32::MAX);
    let values = (plan.serial.name(), stripes);
    admin
        .decide("writing the settings of the deployment", FIX, values, everywhere)
        .await?;
    let faults = judge(admin, plan).await?;
    if faults.is_empty() {
        Ok(true)
    } else {
        Err(MigrateError::Contradiction(faults))
    }
}

/// The rows in words, for `plan`.
pub(super) fn in_words(plan: &Plan) -> Vec<(String, String)> {
    let mut rows: Vec<_> = plan
        .first_regions()
        .into_iter()
        .map(|region| {
            let stripes: Vec<_> = region.stripes.iter().map(ToString::to_string).collect();
            let row = format!(
                "INSERT INTO regions (name, data_centre, mark, stripes, replication, state) VALUES ('{}', '{}', {}, {{{}}}, {}, 'live') IF NOT EXISTS",
                region.name,
                region.data_centre,
                region.mark.get(),
                stripes.join(", "),
                region.replication
            );
            (format!("region {}", region.name), row)
        })
        .collect();
    let level = SerialLevel::name(plan.serial);
    rows.push((
        "settings of the deployment".to_owned(),
        format!(
            "INSERT INTO deployment (id, serial, stripes) VALUES (1, '{level}', {}) IF NOT EXISTS",
            plan.stripes
        ),
    ));
    rows
}
