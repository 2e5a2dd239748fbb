//! How nodes are shown.

use foxhold_ops::wire::{Node, Nodes};
use serde_json::Value;

use super::{ListArgs, ShowArgs};
use crate::{
    admin_client::{self, Path},
    output::table,
};

pub(super) fn list(arguments: &ListArgs) -> anyhow::Result<()> {
    let path = Path::service(&arguments.service.service, ["nodes"]);
    let nodes: Nodes = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let values = nodes.nodes.iter().map(serde_json::to_value);
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    Ok(arguments
        .output
        .print_list(&text(&nodes.nodes), "nodes", values)?)
}

pub(super) fn show(arguments: &ShowArgs) -> anyhow::Result<()> {
    let path = path(arguments, []);
    let node: Node = admin_client::with(&arguments.admin, async |admin| Ok(admin.get(&path).await?))?;
    let value = serde_json::to_value(&node)?;
    Ok(arguments.output.print(&text(&[node]), &value)?)
}

/// Of the node that is meant, or of something below it.
pub(super) fn path<'a>(of: &'a ShowArgs, below: impl IntoIterator<Item = &'a str>) -> Path {
    let node = ["nodes", of.url.as_str()];
    Path::service(&of.service.service, node.into_iter().chain(below))
}

/// A table.
pub(super) fn text(nodes: &[Node]) -> String {
    let row = |node: &Node| {
        [
            node.url.clone(),
            node.pool.clone().unwrap_or_else(|| "-".to_owned()),
            state(node),
            node.current_load.to_string(),
            node.capacity.to_string(),
            node.available.to_string(),
            node.node_type.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    table(
        ["URL", "POOL", "STATE", "LOAD", "CAPACITY", "AVAILABLE", "TYPE"],
        &rows,
    )
}

/// `up`, or all that keeps users away.
fn state(node: &Node) -> String {
    let flags = [
        (node.downed, "downed"),
        (node.unhealthy, "unhealthy"),
        (node.backoff, "backoff"),
    ];
    let set: Vec<&str> = flags
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| name)
        .collect();
    if set.is_empty() {
        "up".to_owned()
    } else {
        set.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_up_or_has_all_its_reasons() {
        let node = |downed, backoff, unhealthy| Node {
            id: 1,
            url: "https://n".into(),
            node_type: None,
            pool: None,
            capacity: 10,
            available: 1,
            current_load: 2,
            downed,
            backoff,
            unhealthy,
        };
        assert_eq!(state(&node(false, false, false)), "up");
        assert_eq!(state(&node(true, true, true)), "downed,unhealthy,backoff");
        assert_eq!(
            text(&[node(false, true, false)]),
            "URL        POOL  STATE    LOAD  CAPACITY  AVAILABLE  TYPE\n\
             https://n  -     backoff  2     10        1          -\n"
        );
    }
}
