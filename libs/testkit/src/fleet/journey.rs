//! The journey of real Firefox against a fleet, of which a test takes pieces away half-way.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};

use super::Fleet;
use crate::browser::{BrowserOptions, BrowserScript};

/// What the journey must have come past.
const STEPS: [&str; 4] = [
    "signed-up",
    "first-sync-finished",
    "signed-in",
    "bookmark-arrived",
];

/// After this step half of the way is gone: the first profile's bookmark is uploaded, the second one is still to come.
const HALF_WAY: &str = "bookmark-uploaded";

/// One profile signs up and uploads a bookmark, then `half_way` happens, then another profile signs in and finds it.
///
/// # Errors
/// When Firefox does not get through; with the end of all logs.
pub async fn journey(
    fleet: &mut Fleet,
    work: &Path,
    half_way: impl AsyncFnOnce(&mut Fleet) -> Result<()>,
) -> Result<()> {
    let root = fleet.server.root.clone();
    let options = BrowserOptions {
        root: &root,
        mailbox: fleet.mailbox,
        work: &work.join("browser"),
        patience: 4,
        more: BTreeMap::new(),
    };
    let mut script = BrowserScript::start("journey", &options)?;
    let mut half_way = Some(half_way);
    let mut steps = Vec::new();
    while let Some(step) = script.next_step().await.with_context(|| fleet.logs())? {
        let name = step["step"].as_str().unwrap_or_default().to_owned();
        if name == HALF_WAY
            && let Some(half_way) = half_way.take()
        {
            half_way(fleet).await?;
        }
        steps.push(name);
        script.go_on().await?;
    }
    for step in STEPS.iter().chain([&HALF_WAY]) {
        ensure!(
            steps.iter().any(|name| name == step),
            "{step} is missing in {steps:?}"
        );
    }
    Ok(())
}
