//! Users who leave a node, at a pace: what they are sent to is other nodes, which have users already.

use foxhold_ops::wire::{Cursor, MovePage, Node, NodeChange, SHARE_ALL, UnassignPage};
use serde::Serialize;

use super::{LeaveArgs, MoveArgs, change::patched, view::path};
use crate::{
    admin_client::{self, Admin},
    commands::paged::{Interrupt, PagedJob, Sum},
    progress::note,
};

/// What is asked for, and what progress calls it.
type Leaving = (&'static str, &'static str);
const UNASSIGN: Leaving = ("unassign", "users unassigned");
const MOVE: Leaving = ("move", "users moved");

pub(super) fn unassign(arguments: &LeaveArgs) -> anyhow::Result<()> {
    let sum = admin_client::with(&arguments.one.node.admin, async |admin| {
        let interrupt = Interrupt::listen()?;
        leave(admin, &interrupt, arguments, UNASSIGN, unassign_page(arguments)).await
    })?;
    end(arguments, sum, "unassigned")
}

pub(super) fn drain(arguments: &LeaveArgs) -> anyhow::Result<()> {
    let one = &arguments.one;
    let is_quiet = one.node.admin.quiet;
    let sum = admin_client::with(&one.node.admin, async |admin| {
        let interrupt = Interrupt::listen()?;
        let backoff = NodeChange {
            backoff: Some(true),
            ..NodeChange::default()
        };
        patched(admin, one, &backoff).await?;
        let takes = if one.dry_run { "would take" } else { "takes" };
        note(
            is_quiet,
            &format!("{} {takes} no new users: backoff", one.node.url),
        );
        leave(admin, &interrupt, arguments, UNASSIGN, unassign_page(arguments)).await
    })?;
    end(arguments, sum, "unassigned")
}

pub(super) fn move_users(arguments: &MoveArgs) -> anyhow::Result<()> {
    let of = &arguments.leave;
    let share_basis_points = of.share.map(|share| share.0);
    let page = |after, limit| MovePage {
        to: arguments.to.clone(),
        after,
        limit,
        share_basis_points,
    };
    let sum = admin_client::with(&of.one.node.admin, async |admin| {
        let interrupt = Interrupt::listen()?;
        leave(admin, &interrupt, of, MOVE, page).await
    })?;
    end(of, sum, "moved")
}

fn unassign_page(arguments: &LeaveArgs) -> impl Fn(Option<Cursor>, u32) -> UnassignPage {
    let share_basis_points = arguments.share.map(|share| share.0);
    move |after, limit| UnassignPage {
        after,
        limit,
        share_basis_points,
    }
}

async fn leave<B: Serialize>(
    admin: &mut Admin,
    interrupt: &Interrupt,
    arguments: &LeaveArgs,
    (verb, what): Leaving,
    page: impl Fn(Option<Cursor>, u32) -> B,
) -> anyhow::Result<Sum> {
    let one = &arguments.one;
    // A node that does not exist is told before anything else; of the rest, its load says how many there may be.
    let node: Node = admin.get(&path(&one.node, [])).await?;
    let share = arguments.share.map_or(SHARE_ALL, |share| share.0);
    let job = PagedJob {
        path: path(&one.node, [verb]).dry(one.dry()),
        what,
        total: Some(node.current_load * u64::from(share) / u64::from(SHARE_ALL)),
        rate: Some(arguments.rate).filter(|_| !one.dry_run),
        batch: arguments.batch,
        max: None,
        is_quiet: one.node.admin.quiet,
    };
    job.run(admin, interrupt, |after, limit, _| page(after, limit))
        .await
}

fn end(arguments: &LeaveArgs, sum: Sum, what: &str) -> anyhow::Result<()> {
    let of = &arguments.one.node;
    sum.end(of.output, of.admin.quiet, what)
}
