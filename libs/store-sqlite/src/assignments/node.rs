//! Nodes and their figures.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord, PoolName, ServiceKey},
};
use foxhold_ports::{
    Refusal,
    assignments::{
        NewNode, NodeChange, Target,
        change::Place,
        choice::{self, Candidate},
    },
};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::service;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, all, change, one, signed},
};

const SELECT_OF: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id, service, url,
    node_type, pool FROM nodes WHERE service = ?1 ORDER BY id";
const SELECT_ONE: &str =
    "SELECT capacity, available, current_load, downed, backoff, unhealthy, id, service, url,
    node_type, pool FROM nodes WHERE service = ?1 AND url = ?2";
/// Read for every user who is assigned, so no text is. The table is small, and one pass over it cheaper than a look at the
/// index and one at the table for each node.
const SELECT_CANDIDATES: &str = "SELECT capacity, available, current_load, downed, backoff, unhealthy, id,
    CASE WHEN ?3 IS NULL THEN pool IS ?2 ELSE url = ?3 END FROM nodes NOT INDEXED WHERE service = ?1";
const SELECT_PLACE: &str = "SELECT url, node_type FROM nodes WHERE id = ?1";
const INSERT: &str = "INSERT INTO nodes (service, url, node_type, pool, capacity, available)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const RENAME: &str = "UPDATE nodes SET url = ?3 WHERE service = ?1 AND url = ?2";
const PUT_FIGURES: &str = "UPDATE nodes SET capacity = ?2, available = ?3, current_load = ?4, downed = ?5,
    backoff = ?6, unhealthy = ?7 WHERE id = ?1";
const PUT_POOL: &str = "UPDATE nodes SET pool = ?2 WHERE id = ?1";
const REMOVE: &str = "DELETE FROM nodes WHERE service = ?1 AND url = ?2";

pub(crate) fn of_service(db: &Connection, key: &ServiceKey) -> Result<Vec<NodeRecord>, StoreError> {
    all(db, SELECT_OF, [&key.0], read)
}

fn at(db: &Connection, service: &ServiceKey, url: &str) -> Result<Option<NodeRecord>, StoreError> {
    one(db, SELECT_ONE, (&service.0, url), read)
}

/// A service's nodes as the choice looks at them, in no order.
pub(super) fn candidates(
    db: &Connection,
    service: &ServiceKey,
    target: &Target,
) -> Result<Vec<Candidate>, StoreError> {
    let (pool, url) = match target {
        Target::Pool(pool) => (pool.as_ref().map(PoolName::as_str), None),
        Target::Node(url) => (None, Some(url)),
    };
    all(db, SELECT_CANDIDATES, (&service.0, pool, url), |row| {
        Ok(Candidate {
            figures: figures(row)?,
            id: NodeId(row.number()?),
            fits: row.get()?,
        })
    })
}

/// Where the one that was chosen is.
pub(super) fn place(db: &Connection, chosen: NodeId) -> Result<Place, StoreError> {
    let place = one(db, SELECT_PLACE, [signed(chosen.0)?], |row| {
        Ok(Place {
            node: row.get()?,
            node_type: row.get()?,
        })
    })?;
    place.ok_or(StoreError::Corrupt("a node was chosen that is not there"))
}

/// Puts the figures of nodes where they are others than they were.
pub(super) fn put_changed(
    db: &Connection,
    before: impl Iterator<Item = (NodeId, NodeFigures)>,
    after: impl Iterator<Item = NodeFigures>,
) -> Result<(), StoreError> {
    for ((id, before), after) in before.zip(after) {
        if before != after {
            put_figures(db, id, &after)?;
        }
    }
    Ok(())
}

fn put_figures(db: &Connection, id: NodeId, figures: &NodeFigures) -> Result<(), StoreError> {
    let params = (
        signed(id.0)?,
        signed(figures.capacity)?,
        signed(figures.available)?,
        signed(figures.current_load)?,
        figures.downed,
        figures.backoff,
        figures.unhealthy,
    );
    change(db, PUT_FIGURES, params).map(drop)
}

/// Takes back a slot of the node at a URL, which a record of this transaction has named.
pub(super) fn give_back(db: &Connection, service: &ServiceKey, url: &str) -> Result<(), StoreError> {
    let mut node =
        at(db, service, url)?.ok_or(StoreError::Corrupt("a node vanished inside a transaction"))?;
    choice::give_back(&mut node.figures);
    put_figures(db, node.id, &node.figures)
}

/// `AssignmentAdmin::create_node`
pub(crate) fn create(db: &Connection, node: &NewNode) -> Result<(), Stop> {
    if !service::exists(db, &node.service)? {
        return Err(Refusal::UnknownService.into());
    }
    if at(db, &node.service, &node.url)?.is_some() {
        return Ok(());
    }
    let params = params![
        node.service.0,
        node.url,
        node.node_type,
        node.pool.as_ref().map(PoolName::as_str),
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
    let is_at = |url| at(db, service, url).map(|node| node.is_some());
    match (is_at(from)?, is_at(to)?) {
        (true, true) if from != to => Err(Refusal::Conflict.into()),
        (false, false) => Err(Refusal::UnknownNode.into()),
        (_, true) => Ok(()),
        (true, false) => {
            change(db, RENAME, (&service.0, from, to))?;
            Ok(())
        }
    }
}

/// `AssignmentAdmin::update_node`
pub(crate) fn update(
    db: &Connection,
    service: &ServiceKey,
    url: &str,
    wanted: &NodeChange,
) -> Result<(), Stop> {
    if !service::exists(db, service)? {
        return Err(Refusal::UnknownService.into());
    }
    let node = at(db, service, url)?.ok_or(Refusal::UnknownNode)?;
    put_figures(db, node.id, &choice::changed(&node.figures, wanted))?;
    if let Some(pool) = &wanted.pool {
        put_pool(db, node.id, pool.as_ref())?;
    }
    Ok(())
}

/// `AssignmentAdmin::remove_node`. Records go on pointing at its id, which no other node gets.
pub(crate) fn remove(db: &Connection, service: &ServiceKey, url: &str) -> Result<(), Stop> {
    change(db, REMOVE, (&service.0, url))?;
    Ok(())
}

fn put_pool(db: &Connection, id: NodeId, pool: Option<&PoolName>) -> Result<(), StoreError> {
    change(db, PUT_POOL, (signed(id.0)?, pool.map(PoolName::as_str))).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<NodeRecord, StoreError> {
    Ok(NodeRecord {
        figures: figures(row)?,
        id: NodeId(row.number()?),
        service: ServiceKey(row.get()?),
        url: row.get()?,
        node_type: row.get()?,
        pool: pool(row)?,
    })
}

fn figures(row: &mut Columns<'_>) -> Result<NodeFigures, StoreError> {
    Ok(NodeFigures {
        capacity: row.number()?,
        available: row.number()?,
        current_load: row.number()?,
        downed: row.get()?,
        backoff: row.get()?,
        unhealthy: row.get()?,
    })
}

fn pool(row: &mut Columns<'_>) -> Result<Option<PoolName>, StoreError> {
    let Some(name) = row.get::<Option<String>>()? else {
        return Ok(None);
    };
    let pool = PoolName::new(&name).ok_or(StoreError::Corrupt("a pool has a name that none can have"))?;
    Ok(Some(pool))
}
