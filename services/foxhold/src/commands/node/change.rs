//! Changes of one node.

use foxhold_ops::wire::{NewNode, Node, NodeChange, NodeDeleted, NodeOutcome, NodePut, RenameNode};
use serde::Serialize;

use super::{
    CreateArgs, DeleteArgs, OneArgs, RenameArgs, ShowArgs, UpdateArgs,
    view::{path, text},
};
use crate::{
    admin_client::{self, Admin, AdminError, Path},
    commands::Exists,
    confirm,
    progress::note,
};

pub(super) fn create(arguments: &CreateArgs) -> anyhow::Result<()> {
    let one = &arguments.one;
    let node = NewNode {
        url: one.node.url.clone(),
        node_type: arguments.node_type.clone(),
        pool: arguments.pool.clone(),
        capacity: arguments.capacity,
        available: arguments.available,
        downed: arguments.downed,
        backoff: arguments.backoff,
    };
    let path = Path::service(&one.node.service.service, ["nodes"]).dry(one.dry());
    let put: NodePut = admin_client::with(&one.node.admin, async |admin| {
        Ok(admin.post(&path, &node).await.map_err(AdminError::of_flags)?)
    })?;
    if put.outcome == NodeOutcome::Exists {
        return Err(Exists {
            what: "the node",
            fix: "foxhold node update changes it",
        }
        .into());
    }
    print(one, &put)
}

pub(super) fn update(arguments: &UpdateArgs) -> anyhow::Result<()> {
    let pool = arguments.pool.clone();
    let change = NodeChange {
        capacity: arguments.capacity,
        available: arguments.available,
        downed: arguments.downed,
        backoff: arguments.backoff,
        unhealthy: arguments.unhealthy,
        pool: pool.map(|pool| Some(pool).filter(|pool| !pool.is_empty())),
    };
    let put = patch(&arguments.one, &change)?;
    if arguments
        .available
        .is_some_and(|asked| put.node.available < asked)
    {
        let left = format!(
            "the capacity leaves {} places, and no more are open",
            put.node.available
        );
        note(arguments.one.node.admin.quiet, &left);
    }
    print(&arguments.one, &put)
}

pub(super) fn enable(arguments: &OneArgs) -> anyhow::Result<()> {
    let change = NodeChange {
        downed: Some(false),
        backoff: Some(false),
        ..NodeChange::default()
    };
    print(arguments, &patch(arguments, &change)?)
}

pub(super) fn disable(arguments: &OneArgs) -> anyhow::Result<()> {
    let change = NodeChange {
        downed: Some(true),
        ..NodeChange::default()
    };
    print(arguments, &patch(arguments, &change)?)
}

fn patch(one: &OneArgs, change: &NodeChange) -> anyhow::Result<NodePut> {
    admin_client::with(&one.node.admin, async |admin| {
        Ok(patched(admin, one, change).await?)
    })
}

/// Changes the node that is meant.
pub(super) async fn patched(
    admin: &mut Admin,
    one: &OneArgs,
    change: &NodeChange,
) -> Result<NodePut, AdminError> {
    let path = path(&one.node, []).dry(one.dry());
    admin.patch(&path, change).await.map_err(AdminError::of_flags)
}

pub(super) fn rename(arguments: &RenameArgs) -> anyhow::Result<()> {
    let one = &arguments.one;
    let path = path(&one.node, ["rename"]).dry(one.dry());
    let body = RenameNode {
        to: arguments.to.clone(),
    };
    let put: NodePut = admin_client::with(&one.node.admin, async |admin| {
        Ok(admin.post(&path, &body).await?)
    })?;
    print(one, &put)
}

pub(super) fn delete(arguments: &DeleteArgs) -> anyhow::Result<()> {
    let one = &arguments.one;
    let deleted: NodeDeleted = admin_client::with(&one.node.admin, async |admin| {
        let node: Node = admin.get(&path(&one.node, [])).await?;
        let is_confirmed = arguments.yes || one.dry_run;
        confirm::by_name(is_confirmed, &warning(&node), "node's URL", &node.url)?;
        Ok(admin.delete(&path(&one.node, []).dry(one.dry())).await?)
    })?;
    let word = if deleted.dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    say(&one.node, word, &deleted.node, &deleted)
}

fn warning(node: &Node) -> String {
    format!(
        "{} is removed for good:\n\
         - users who are on it get another node at their next request, all at once, and upload their data again;\n\
         - what lies on it is not deleted there.\n\
         Its load is {}: users who are on it, and what others have left there. foxhold node drain --dry-run counts those \
         who are on it, and without --dry-run lets them go at a pace.",
        node.url, node.current_load
    )
}

fn print(one: &OneArgs, put: &NodePut) -> anyhow::Result<()> {
    let word = match (put.outcome, put.dry_run) {
        (NodeOutcome::Created, false) => "created",
        (NodeOutcome::Created, true) => "would be created",
        (NodeOutcome::Changed, false) => "changed",
        (NodeOutcome::Changed, true) => "would be changed",
        (NodeOutcome::Exists | NodeOutcome::Unchanged, _) => "unchanged",
    };
    say(&one.node, word, &put.node, put)
}

fn say(of: &ShowArgs, word: &str, node: &Node, answer: &impl Serialize) -> anyhow::Result<()> {
    let text = format!("{word}\n{}", text(std::slice::from_ref(node)));
    Ok(of.output.print(&text, &serde_json::to_value(answer)?)?)
}
