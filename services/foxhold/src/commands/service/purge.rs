//! `foxhold service purge`: once through all records that were replaced long enough ago.

use foxhold_ops::wire::PurgePage;

use super::PurgeArgs;
use crate::{
    admin_client::{self, Path},
    commands::paged::{Interrupt, PagedJob},
    confirm,
};

pub(super) fn run(arguments: &PurgeArgs) -> anyhow::Result<()> {
    let change = &arguments.change;
    let is_confirmed = arguments.yes || change.dry_run;
    confirm::by_name(is_confirmed, &warning(arguments), "service's key", &arguments.key)?;
    let job = PagedJob {
        path: Path::service(&arguments.key, ["purge"]).dry(change.dry()),
        what: "records purged",
        total: None,
        rate: None,
        batch: arguments.batch,
        max: arguments.max,
        is_quiet: change.admin.quiet,
    };
    let page = |after, limit, left| PurgePage {
        grace_secs: arguments.grace.as_secs(),
        limit,
        after,
        node: arguments.node.clone(),
        override_node: arguments.override_node.clone(),
        uid_min: arguments.uid_min,
        uid_max: arguments.uid_max,
        records_max: left,
        force: arguments.force,
    };
    let sum = admin_client::with(&change.admin, async |admin| {
        job.run(admin, &Interrupt::listen()?, page).await
    })?;
    sum.end(change.output, change.admin.quiet, "purged")
}

fn warning(arguments: &PurgeArgs) -> String {
    let force = if arguments.force {
        "\nNodes that are out of service are asked to delete, too."
    } else {
        ""
    };
    format!(
        "What users of {} have left on nodes is deleted there, where it was replaced {} s ago or earlier.{force}",
        arguments.key,
        arguments.grace.as_secs()
    )
}
