//! `GET|POST /services/{service}/nodes`, `GET|PATCH|DELETE …/nodes/{url}`, `POST …/nodes/{url}/rename`.

use axum::{Json, extract::State};
use foxhold_core::{
    Deadline, NodeId,
    record::{NodeFigures, NodeRecord, Service, ServiceKey},
};
use foxhold_ports::{
    assignments::{self},
    repeat::settled,
};

use super::Reply;
use crate::{
    audit::Deed,
    caller::Caller,
    convert::{self, new_node_url},
    extract::{Body, By, NoBody, Params, Segments},
    refused::{Refused, fault},
    router::{App, OpsPorts},
    wire::{Code, DryRun, NewNode, Node, NodeChange, NodeDeleted, NodeOutcome, NodePut, Nodes, RenameNode},
};

pub(crate) async fn list(
    State(app): State<App>,
    By(by): By,
    Segments(key): Segments<String>,
) -> Reply<Nodes> {
    let service = app.service(by, &key).await?;
    let nodes = app.reader.nodes(by, &service.key).await?;
    let nodes = nodes.into_iter().map(convert::node).collect();
    Ok(Json(Nodes { nodes }))
}

pub(crate) async fn show(
    State(app): State<App>,
    By(by): By,
    Segments((key, url)): Segments<(String, String)>,
) -> Reply<Node> {
    let (_, node) = app.node(by, &key, &url).await?;
    Ok(Json(convert::node(node)))
}

pub(crate) async fn create(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments(key): Segments<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(node): Body<NewNode>,
) -> Reply<NodePut> {
    let service = app.service(by, &key).await?;
    let url = node.url.clone();
    let (node, flags) = convert::new_node(&service.key, node)?;
    let deed = Deed::new(&caller, "node.create", dry_run);
    let outcome = app.create_node(by, node, flags, dry_run).await;
    app.audited(&deed.of(&service.key).on_node(&url), outcome)
        .map(Json)
}

pub(crate) async fn change(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, url)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(change): Body<NodeChange>,
) -> Reply<NodePut> {
    let change = convert::changed(change)?;
    let (service, node) = app.node(by, &key, &url).await?;
    let deed = Deed::new(&caller, "node.update", dry_run);
    let outcome = app.update_node(by, &node, change, dry_run).await;
    app.audited(&deed.of(&service.key).on_node(&url), outcome)
        .map(Json)
}

pub(crate) async fn delete(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, url)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    _: NoBody,
) -> Reply<NodeDeleted> {
    let (service, node) = app.node(by, &key, &url).await?;
    let deed = Deed::new(&caller, "node.delete", dry_run);
    let outcome = app.remove_node(by, &service, node, dry_run).await;
    app.audited(&deed.of(&service.key).on_node(&url), outcome)
        .map(Json)
}

pub(crate) async fn rename(
    State(app): State<App>,
    By(by): By,
    caller: Caller,
    Segments((key, from)): Segments<(String, String)>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Body(RenameNode { to }): Body<RenameNode>,
) -> Reply<NodePut> {
    new_node_url("to", &to)?;
    let service = app.service(by, &key).await?;
    let deed = Deed::new(&caller, "node.rename", dry_run);
    let outcome = app.rename_node(by, &service, &from, &to, dry_run).await;
    app.audited(&deed.of(&service.key).on_node(&from), outcome)
        .map(Json)
}

impl OpsPorts {
    async fn create_node(
        &self,
        by: Deadline,
        new: assignments::NewNode,
        flags: assignments::NodeChange,
        dry_run: bool,
    ) -> Result<NodePut, Refused> {
        let put = |outcome, node| NodePut {
            outcome,
            dry_run,
            node: convert::node(node),
        };
        let (service, url) = (new.service.clone(), new.url.clone());
        if let Some(node) = self.find_node(by, &service, &url).await? {
            return Ok(put(NodeOutcome::Exists, node));
        }
        if dry_run {
            return Ok(put(NodeOutcome::Created, convert::after(&unborn(new), &flags)));
        }
        let (new, rest) = shut_until_whole(new, flags);
        let call = self.call(by);
        settled(&call, || self.admin.create_node(&call, new.clone())).await?;
        if rest != assignments::NodeChange::default() {
            self.write_change(by, &service, &url, &rest).await?;
        }
        Ok(put(
            NodeOutcome::Created,
            self.node_again(by, &service, &url).await?,
        ))
    }

    async fn update_node(
        &self,
        by: Deadline,
        node: &NodeRecord,
        change: assignments::NodeChange,
        dry_run: bool,
    ) -> Result<NodePut, Refused> {
        let after = convert::after(node, &change);
        let outcome = if after == *node {
            NodeOutcome::Unchanged
        } else {
            NodeOutcome::Changed
        };
        let mut now = after;
        if !dry_run && outcome == NodeOutcome::Changed {
            self.write_change(by, &node.service, &node.url, &change).await?;
            now = self.node_again(by, &node.service, &node.url).await?;
        }
        Ok(NodePut {
            outcome,
            dry_run,
            node: convert::node(now),
        })
    }

    async fn write_change(
        &self,
        by: Deadline,
        service: &ServiceKey,
        url: &str,
        change: &assignments::NodeChange,
    ) -> Result<(), Refused> {
        let call = self.call(by);
        let put = || self.admin.update_node(&call, service, url, change.clone());
        Ok(settled(&call, put).await?)
    }

    async fn remove_node(
        &self,
        by: Deadline,
        service: &Service,
        node: NodeRecord,
        dry_run: bool,
    ) -> Result<NodeDeleted, Refused> {
        check_unpinned(service, &node.url)?;
        if !dry_run {
            let call = self.call(by);
            let put = || self.admin.remove_node(&call, &service.key, &node.url);
            settled(&call, put).await?;
        }
        Ok(NodeDeleted {
            dry_run,
            node: convert::node(node),
        })
    }

    async fn rename_node(
        &self,
        by: Deadline,
        service: &Service,
        from: &str,
        to: &str,
        dry_run: bool,
    ) -> Result<NodePut, Refused> {
        let before = self.find_node(by, &service.key, from).await?;
        let there = self.find_node(by, &service.key, to).await?;
        let (outcome, node) = match (before, there) {
            (Some(node), None) => (NodeOutcome::Changed, node),
            (Some(node), Some(_)) if from == to => (NodeOutcome::Unchanged, node),
            (Some(_), Some(_)) => {
                return Err(Refused {
                    errors: vec![fault("to", "give a URL at which the service has no node yet")],
                    ..Refused::new(Code::Conflict, "there is another node at the new URL")
                });
            }
            // It has been done before.
            (None, Some(node)) => (NodeOutcome::Unchanged, node),
            (None, None) => return Err(Refused::unknown_node()),
        };
        let mut node = node;
        if outcome == NodeOutcome::Changed {
            check_unpinned(service, from)?;
            if dry_run {
                to.clone_into(&mut node.url);
            } else {
                let call = self.call(by);
                let put = || self.admin.rename_node(&call, &service.key, from, to);
                settled(&call, put).await?;
                node = self.node_again(by, &service.key, to).await?;
            }
        }
        Ok(NodePut {
            outcome,
            dry_run,
            node: convert::node(node),
        })
    }

    /// What was just written, as the store has it now.
    async fn node_again(&self, by: Deadline, service: &ServiceKey, url: &str) -> Result<NodeRecord, Refused> {
        let found = self.find_node(by, service, url).await?;
        found.ok_or_else(Refused::contended)
    }
}

/// A service pinned to a node that is not there would have room for nobody.
fn check_unpinned(service: &Service, url: &str) -> Result<(), Refused> {
    if service.policy.allocation.pinned_to.as_deref() == Some(url) {
        let detail = "the service is pinned to this node: pin it to another, or to none, first";
        return Err(Refused::new(Code::Conflict, detail));
    }
    Ok(())
}

/// A node that users shall not come to takes two writes. By the first one it has room for nobody, and by the second one all
/// that it shall have: whoever is cut off in between leaves no node that takes users.
fn shut_until_whole(
    new: assignments::NewNode,
    flags: assignments::NodeChange,
) -> (assignments::NewNode, assignments::NodeChange) {
    if flags == assignments::NodeChange::default() {
        return (new, flags);
    }
    let rest = assignments::NodeChange {
        capacity: Some(new.capacity),
        available: Some(new.available),
        ..flags
    };
    let shut = assignments::NewNode {
        capacity: 0,
        available: 0,
        ..new
    };
    (shut, rest)
}

/// A node that there would be.
fn unborn(new: assignments::NewNode) -> NodeRecord {
    NodeRecord {
        id: NodeId(0),
        service: new.service,
        url: new.url,
        node_type: new.node_type,
        pool: new.pool,
        figures: NodeFigures {
            capacity: new.capacity,
            available: new.available,
            ..NodeFigures::default()
        },
    }
}
