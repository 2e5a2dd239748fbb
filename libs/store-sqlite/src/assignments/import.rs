//! Records that come from elsewhere, taken over in one transaction.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord, UserRecord},
};
use foxhold_ports::{
    Refusal,
    assignments::{
        ImportedUser, RecordRef, change, choice,
        import::{self, Imported},
    },
};
use foxhold_sqlite::rusqlite::Connection;

use super::{node, service, user as users};
use crate::error::Stop;

/// `AssignmentAdmin::import_user`
pub(crate) fn user(db: &Connection, at: &RecordRef, user: &ImportedUser) -> Result<UserRecord, Stop> {
    if !service::exists(db, &at.service)? {
        return Err(Refusal::UnknownService.into());
    }
    let before = users::find(db, &at.service, &at.user)?;
    let before = before.as_ref().map(|stored| &stored.record);
    change::check_version(at, before)?;
    for record in &user.records {
        if users::is_anothers(db, at, record.uid)? {
            return Err(Refusal::Conflict.into());
        }
    }
    let nodes = node::of_service(db, &at.service)?;
    let Imported {
        mut record,
        takes,
        frees,
    } = import::imported(before, user, |url| find(&nodes, url).is_some())?;
    let figures = figures_after(&nodes, &takes, &frees)?;
    let at_node = |url: &Option<String>| find(&nodes, url.as_deref()?);
    record.current.node_type = at_node(&record.current.node).and_then(|node| node.node_type.clone());

    let before_it = nodes.iter().map(|node| (node.id, node.figures));
    node::put_changed(db, before_it, figures.into_iter())?;
    if let Some(highest) = user.records.iter().map(|record| record.uid).max() {
        service::use_up(db, &at.service, highest)?;
    }
    let id = |url: &Option<String>| -> Option<NodeId> { at_node(url).map(|node| node.id) };
    users::put(db, at, &record, id(&record.current.node))?;
    users::put_past(db, at, &record.past, id)?;
    Ok(record)
}

fn find<'a>(nodes: &'a [NodeRecord], url: &str) -> Option<&'a NodeRecord> {
    nodes.iter().find(|node| node.url == url)
}

/// The figures of all nodes in their order, after slots were taken and given back on some, by URL.
fn figures_after(
    nodes: &[NodeRecord],
    takes: &[String],
    frees: &[String],
) -> Result<Vec<NodeFigures>, Refusal> {
    let mut figures: Vec<NodeFigures> = nodes.iter().map(|node| node.figures).collect();
    let place = |url: &String| nodes.iter().position(|node| node.url == *url);
    for url in takes {
        let taken = place(url).is_some_and(|place| choice::occupy(&mut figures[place]));
        taken.then_some(()).ok_or(Refusal::NoNode)?;
    }
    for place in frees.iter().filter_map(place) {
        choice::give_back(&mut figures[place]);
    }
    Ok(figures)
}
