//! Nodes and their figures.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord, ServiceKey},
};
use foxhold_ports::{
    Refusal,
    assignments::{NewNode, change::Place, choice::Candidate},
};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::service;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, all, change, one, signed},
};

const SELECT_OF: &str =
    "SELECT capacity, available, current_load, downed, backoff, id, service, url, node_type
    FROM nodes WHERE service = ?1 ORDER BY id";
const SELECT_CANDIDATES: &str = "SELECT capacity, available, current_load, downed, backoff, id
    FROM nodes WHERE service = ?1 ORDER BY id";
const SELECT_PLACE: &str = "SELECT url, node_type FROM nodes WHERE id = ?1";
const SELECT_URL: &str = "SELECT 1 FROM nodes WHERE service = ?1 AND url = ?2";
const INSERT: &str =
    "INSERT INTO nodes (service, url, node_type, capacity, available) VALUES (?1, ?2, ?3, ?4, ?5)";
const RENAME: &str = "UPDATE nodes SET url = ?3 WHERE service = ?1 AND url = ?2";
const PUT_FIGURES: &str = "UPDATE nodes SET available = ?2, current_load = ?3 WHERE id = ?1";

pub(crate) fn of_service(db: &Connection, key: &ServiceKey) -> Result<Vec<NodeRecord>, StoreError> {
    all(db, SELECT_OF, [&key.0], |row| {
        Ok(NodeRecord {
            figures: figures(row)?,
            id: id(row)?,
            service: ServiceKey(row.get()?),
            url: row.get()?,
            node_type: row.get()?,
        })
    })
}

pub(super) fn candidates(db: &Connection, key: &ServiceKey) -> Result<Vec<Candidate>, StoreError> {
    all(db, SELECT_CANDIDATES, [&key.0], |row| {
        Ok(Candidate {
            figures: figures(row)?,
            id: id(row)?,
        })
    })
}

/// Where a node that was just chosen is.
pub(super) fn place(db: &Connection, node: NodeId) -> Result<Place, StoreError> {
    let found = one(db, SELECT_PLACE, [signed(node.0)?], |row| {
        Ok(Place {
            node: row.get()?,
            node_type: row.get()?,
        })
    })?;
    found.ok_or(StoreError::Corrupt("a node vanished inside a transaction"))
}

pub(super) fn put_figures(db: &Connection, node: &Candidate) -> Result<(), StoreError> {
    let Candidate { id, figures } = node;
    let params = (
        signed(id.0)?,
        signed(figures.available)?,
        signed(figures.current_load)?,
    );
    change(db, PUT_FIGURES, params).map(drop)
}

/// `AssignmentAdmin::create_node`
pub(crate) fn create(db: &Connection, node: &NewNode) -> Result<(), Stop> {
    if !service::exists(db, &node.service)? {
        return Err(Refusal::UnknownService.into());
    }
    if is_at(db, &node.service, &node.url)? {
        return Ok(());
    }
    let params = params![
        node.service.0,
        node.url,
        node.node_type,
        signed(node.capacity)?,
        signed(node.available)?,
    ];
    change(db, INSERT, params)?;
    Ok(())
}

/// `AssignmentAdmin::rename_node`. Records point at the node by its id.
pub(crate) fn rename(db: &Connection, service: &ServiceKey, from: &str, to: &str) -> Result<(), Stop> {
    if !service::exists(db, service)? {
        return Err(Refusal::UnknownService.into());
    }
    match (is_at(db, service, from)?, is_at(db, service, to)?) {
        (true, true) if from != to => Err(Refusal::Conflict.into()),
        (false, false) => Err(Refusal::UnknownNode.into()),
        (_, true) => Ok(()),
        (true, false) => {
            change(db, RENAME, (&service.0, from, to))?;
            Ok(())
        }
    }
}

/// Whether a service has a node at a URL.
fn is_at(db: &Connection, service: &ServiceKey, url: &str) -> Result<bool, StoreError> {
    one(db, SELECT_URL, (&service.0, url), |_| Ok(())).map(|found| found.is_some())
}

fn id(row: &mut Columns<'_>) -> Result<NodeId, StoreError> {
    row.number().map(NodeId)
}

fn figures(row: &mut Columns<'_>) -> Result<NodeFigures, StoreError> {
    Ok(NodeFigures {
        capacity: row.number()?,
        available: row.number()?,
        current_load: row.number()?,
        downed: row.get()?,
        backoff: row.get()?,
    })
}
